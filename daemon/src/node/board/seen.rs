//! Which boards and notices an organisation sees.

use std::collections::BTreeMap;

use fingerpost_proto::api::OrgRef;
use fingerpost_proto::board::{BoardState, Notice};
use fingerpost_proto::ids::{DocName, NetworkId, OrgId};
use fingerpost_proto::roster::Place;

use crate::node::membership::name_of;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError};

/// Fewest characters of an id by which a notice can be named.
const PREFIX_MIN_CHARS: usize = 4;

/// What an organisation has put up, and where it belongs.
#[derive(Debug, Clone)]
pub(in crate::node) struct Board {
    /// Whose.
    pub(in crate::node) org: OrgId,
    /// What stands on it.
    pub(in crate::node) state: BoardState,
    /// When the record that vouches for it was issued.
    pub(in crate::node) issued_at_s: u64,
    /// The networks of this node in which its organisation is a member.
    networks: Vec<NetworkId>,
}

/// Who looks at boards.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct Viewer {
    /// The organisation of this node in whose name somebody looks; `None` for all of them.
    pub(in crate::node) org: Option<OrgId>,
    /// The networks in which it is a member.
    networks: Vec<NetworkId>,
}

impl Viewer {
    /// Whether it has anything to do with the organisation of a board.
    pub(in crate::node) fn knows(&self, board: &Board) -> bool {
        self.org == Some(board.org) || board.networks.iter().any(|id| self.networks.contains(id))
    }

    /// Whether a notice is shown to it on a day.
    pub(in crate::node) fn sees(&self, board: &Board, notice: &Notice, day: &str) -> bool {
        if self.org == Some(board.org) {
            return notice.is_open(day);
        }
        let shared = board
            .networks
            .iter()
            .filter(|id| self.networks.contains(id));
        shared.into_iter().any(|id| notice.is_shown_in(id, day))
    }
}

/// A notice that somebody named.
pub(super) struct Named<'a> {
    /// Whose it is.
    pub(super) board: &'a Board,
    /// The notice.
    pub(super) notice: &'a Notice,
}

impl Node {
    /// Who looks, when `org` is the value of `--org`, or nothing.
    pub(in crate::node) fn viewer(&self, org: Option<&str>) -> Result<Viewer, NodeError> {
        let org = match org {
            Some(text) => Some(self.own_org(Some(text))?),
            None => self.own_org(None).ok(),
        };
        let looking = match org {
            Some(org) => vec![org],
            None => self.own_orgs(),
        };
        let mut replica = self.replica();
        let all: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        let mut networks = Vec::new();
        for id in all {
            if looking
                .iter()
                .any(|org| replica.place_among(org, &[id]) == Some(Place::Member))
            {
                networks.push(id);
            }
        }
        Ok(Viewer { org, networks })
    }

    /// The boards of this node's own organisations and of members, without those that search leaves out: who was
    /// removed, has closed, or is blocked here.
    pub(in crate::node) fn boards(&self) -> Result<Vec<Board>, NodeError> {
        let (keys, all) = {
            let replica = self.replica();
            let keys: Vec<_> = replica.documents_named(DocName::Board).collect();
            let all: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
            (keys, all)
        };
        let mut boards = Vec::new();
        for key in keys {
            let mut replica = self.replica();
            if self.left_out(&replica, &key.org) == Some(true) {
                continue;
            }
            let Some(shown) = replica.shown(&key)? else {
                continue;
            };
            let mut networks = all.clone();
            networks.retain(|id| replica.place_among(&key.org, &[*id]) == Some(Place::Member));
            let own = replica.own().contains(&key.org);
            drop(replica);
            if networks.is_empty() && !own {
                continue;
            }
            // It was checked when it was taken in.
            if let Ok(state) = BoardState::parse(&shown.state) {
                boards.push(Board {
                    org: key.org,
                    state,
                    issued_at_s: shown.record.get().issued_at_s,
                    networks,
                });
            }
        }
        Ok(boards)
    }

    /// The organisations of boards, by id.
    pub(in crate::node) fn board_owners(&self, boards: &[Board]) -> BTreeMap<OrgId, OrgRef> {
        let replica = self.replica();
        let owners = boards.iter();
        owners
            .map(|board| (board.org, org_ref(&replica, &board.org)))
            .collect()
    }

    /// The name of a network for which a notice is meant; its id where it is not known here.
    pub(super) fn network_named(&self, id: &str) -> String {
        let mut replica = self.replica();
        let mut known = replica.networks().map(|(network, _)| network);
        let found = known.find(|network| network.matches(id));
        drop(known);
        match found {
            Some(network) => name_of(&mut replica, &network),
            None => id.to_owned(),
        }
    }
}

/// The notice that a text names among those of some boards: by its id, or the beginning of it; with its organisation
/// and a slash before it where two organisations use one id.
pub(super) fn named<'a>(
    boards: impl IntoIterator<Item = &'a Board>,
    text: &str,
) -> Result<Named<'a>, NodeError> {
    let text = text.trim();
    let (org, id) = match text.split_once('/') {
        Some((org, id)) => (Some(org), id),
        None => (None, text),
    };
    let (mut exact, mut begins) = (Vec::new(), Vec::new());
    for board in boards {
        if org.is_some_and(|org| !board.org.matches(org)) {
            continue;
        }
        for notice in board.state.notices.iter() {
            let found = (board, notice);
            if notice.id == id {
                exact.push(found);
            } else if id.chars().count() >= PREFIX_MIN_CHARS && notice.id.starts_with(id) {
                begins.push(found);
            }
        }
    }
    let found = if exact.is_empty() { begins } else { exact };
    match found.as_slice() {
        [(board, notice)] => Ok(Named { board, notice }),
        [] => Err(NodeError::not_found(
            format!("there is no notice {text} here; nothing was changed"),
            "fingerpost notice list shows the notices with their ids",
        )),
        [(board, notice), ..] => Err(NodeError::bad_input(
            format!(
                "{} notices are named by {text}; nothing was changed",
                found.len()
            ),
            format!(
                "write more of its id, and before it whose it is, such as {}/{}",
                board.org.short(),
                notice.id
            ),
        )),
    }
}
