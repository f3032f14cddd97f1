//! Notices, replies and signatures.

use std::collections::BTreeMap;

use fingerpost_proto::api::{
    NoticeContent, NoticeDetail, NoticeState, NoticeView, Notices, OrgRef, PostReply, Posted,
    ReplyView, Sign, SignatureView,
};
use fingerpost_proto::board::edit::{change_notice, new_notice};
use fingerpost_proto::board::tally::{Signers, signers};
use fingerpost_proto::board::{Notice, NoticeKind, Reply, Signature, text_hash};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits::TEXT_MAX_BYTES;
use serde_json::Map;
use uuid::Uuid;

use super::edits::content_error;
use super::seen::{Board, Viewer, named};
use crate::node::days::today;
use crate::node::documents::By;
use crate::node::listing::new_id;
use crate::node::{Node, NodeError};

/// Which notices are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only those that name this area, or none.
    pub area: Option<String>,
    /// Only the organisation's own.
    pub mine: bool,
    /// Of its own, also those that are closed or have expired.
    pub all: bool,
}

/// All boards as one organisation sees them, and how organisations are called.
pub(in crate::node) struct Seen {
    /// Who looks.
    pub(in crate::node) viewer: Viewer,
    /// The boards of those that it has to do with.
    pub(in crate::node) boards: Vec<Board>,
    owners: BTreeMap<OrgId, OrgRef>,
    /// The day, `YYYY-MM-DD`.
    pub(in crate::node) today: String,
}

impl Seen {
    /// The notices that are shown, each with its board.
    pub(in crate::node) fn notices(&self) -> impl Iterator<Item = (&Board, &Notice)> {
        let all = self.boards.iter();
        all.flat_map(|board| {
            board
                .state
                .notices
                .iter()
                .map(move |notice| (board, notice))
        })
        .filter(|(board, notice)| self.viewer.sees(board, notice, &self.today))
    }

    /// An organisation by name.
    pub(in crate::node) fn owner(&self, org: &OrgId) -> OrgRef {
        self.owners.get(org).cloned().unwrap_or_else(|| OrgRef {
            id: *org,
            name: org.short(),
        })
    }

    /// The boards with their organisations, for counting.
    pub(in crate::node) fn pairs(
        &self,
    ) -> impl Iterator<Item = (&OrgId, &fingerpost_proto::board::BoardState)> {
        self.boards.iter().map(|board| (&board.org, &board.state))
    }

    /// The replies to a notice that still stand, the oldest first.
    pub(in crate::node) fn replies(&self, owner: &OrgId, notice: &str) -> Vec<(OrgId, &Reply)> {
        let owner = owner.to_string();
        let mut replies: Vec<(OrgId, &Reply)> = Vec::new();
        for board in &self.boards {
            let to_it = board.state.replies.iter().filter(|reply| {
                let stands = reply.expires.as_ref().is_none_or(|day| *day >= self.today);
                reply.notice == notice && reply.organisation == owner && stands
            });
            replies.extend(to_it.map(|reply| (board.org, reply)));
        }
        replies.sort_by(|(a, one), (b, other)| {
            (&one.posted, a, &one.id).cmp(&(&other.posted, b, &other.id))
        });
        replies
    }

    /// Who signs a notice, if it is a statement.
    pub(in crate::node) fn signers(&self, board: &Board, notice: &Notice) -> Signers {
        match notice.kind {
            NoticeKind::Statement => signers(&board.org, notice, self.pairs()),
            _ => Signers::default(),
        }
    }

    fn state(&self, notice: &Notice) -> NoticeState {
        match (notice.closed, notice.is_open(&self.today)) {
            (_, true) => NoticeState::Open,
            (true, _) => NoticeState::Closed,
            (false, _) => NoticeState::Expired,
        }
    }
}

impl Node {
    /// All boards as an organisation of this node sees them.
    pub(in crate::node) fn seen(&self, org: Option<&str>) -> Result<Seen, NodeError> {
        let viewer = self.viewer(org)?;
        let mut boards = self.boards()?;
        boards.retain(|board| viewer.knows(board));
        let owners = self.board_owners(&boards);
        Ok(Seen {
            viewer,
            boards,
            owners,
            today: today(),
        })
    }

    pub(in crate::node) fn notice_view(
        &self,
        seen: &Seen,
        board: &Board,
        notice: &Notice,
    ) -> NoticeView {
        NoticeView {
            id: notice.id.clone(),
            organisation: seen.owner(&board.org),
            kind: notice.kind.to_string(),
            title: notice.title.clone(),
            text: notice.text.clone(),
            areas: notice.areas.clone(),
            languages: notice.languages.clone(),
            posted: notice.posted.clone(),
            expires: notice.expires.clone(),
            starts: notice.starts.clone(),
            ends: notice.ends.clone(),
            networks: notice
                .networks
                .iter()
                .map(|id| self.network_named(id))
                .collect(),
            state: seen.state(notice),
            own: self.replica().own().contains(&board.org),
            replies: seen.replies(&board.org, &notice.id).len(),
            signatures: seen.signers(board, notice).current.len(),
        }
    }

    /// The notices that an organisation of this node sees, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn notices(&self, org: Option<&str>, wanted: &Wanted) -> Result<Notices, NodeError> {
        if let Some(kind) = &wanted.kind
            && !NoticeKind::KNOWN.contains(&NoticeKind::from_word(kind))
        {
            return Err(NodeError::bad_input(
                format!("there are no notices of the kind \"{kind}\""),
                "kinds are need, offer, training, venue, funding, event, volunteering, question, statement",
            ));
        }
        let seen = self.seen(org)?;
        let is_own = |board: &Board| match seen.viewer.org {
            Some(org) => board.org == org,
            None => self.replica().own().contains(&board.org),
        };
        let mut found: Vec<(&Board, &Notice)> = match wanted.all {
            true => {
                let own = seen.boards.iter().filter(|board| is_own(board));
                own.flat_map(|board| board.state.notices.iter().map(move |it| (board, it)))
                    .collect()
            }
            false => seen.notices().collect(),
        };
        found.retain(|(board, notice)| {
            let kind = wanted
                .kind
                .as_deref()
                .is_none_or(|kind| notice.kind.as_str() == kind);
            let area = wanted
                .area
                .as_deref()
                .is_none_or(|area| concerns(notice, area));
            kind && area && (!wanted.mine || is_own(board))
        });
        found.sort_by(|(a, one), (b, other)| {
            (&other.posted, &one.title, a.org, &one.id).cmp(&(
                &one.posted,
                &other.title,
                b.org,
                &other.id,
            ))
        });
        let notices = found.iter();
        Ok(Notices {
            organisation: seen.viewer.org.map(|org| self.org_named(&org)),
            notices: notices
                .map(|(board, notice)| self.notice_view(&seen, board, notice))
                .collect(),
        })
    }

    /// One notice, with its replies and signatures. An own one is shown even if it is closed or has expired.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn notice(&self, org: Option<&str>, text: &str) -> Result<NoticeDetail, NodeError> {
        let seen = self.seen(org)?;
        let found = named(&seen.boards, text)?;
        let (board, notice) = (found.board, found.notice);
        let own = self.replica().own().contains(&board.org);
        if !own && !seen.viewer.sees(board, notice, &seen.today) {
            return Err(NodeError::not_found(
                "that notice is not shown any more: it is closed, has expired, or is meant for another network",
                "fingerpost notice list shows those that stand",
            ));
        }
        let replies = seen.replies(&board.org, &notice.id).into_iter();
        let replies = replies.map(|(from, reply)| ReplyView {
            id: reply.id.clone(),
            organisation: seen.owner(&from),
            text: reply.text.clone(),
            posted: reply.posted.clone(),
        });
        let signers = seen.signers(board, notice);
        let signature = |current: bool| {
            let seen = &seen;
            move |(org, posted): (OrgId, Option<String>)| SignatureView {
                organisation: seen.owner(&org),
                posted,
                current,
            }
        };
        let current = signers.current.into_iter().map(signature(true));
        let earlier = signers.earlier.into_iter().map(signature(false));
        Ok(NoticeDetail {
            notice: self.notice_view(&seen, board, notice),
            replies: replies.collect(),
            signed_by: current.chain(earlier).collect(),
            text_hash: text_hash(notice),
            issued_at_s: board.issued_at_s,
        })
    }

    /// Puts up a notice.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn post_notice(
        &self,
        org: &OrgId,
        content: &NoticeContent,
        by: &By,
    ) -> Result<Posted, NodeError> {
        let content = self.with_networks(content)?;
        let id = new_id()?;
        let what = format!(
            "{} put up: {}",
            content.kind.as_deref().unwrap_or("notice"),
            content.title.as_deref().unwrap_or_default().trim()
        );
        let ((), changed) = self.add_to_board(org, &what, by, |board, today| {
            let notice = new_notice(&id, &content, today).map_err(|error| content_error(&error))?;
            board.notices.insert(notice);
            Ok(())
        })?;
        self.posted(org, id, changed)
    }

    /// Changes an own notice.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn change_notice(
        &self,
        org: &OrgId,
        text: &str,
        content: &NoticeContent,
        by: &By,
    ) -> Result<Posted, NodeError> {
        let content = self.with_networks(content)?;
        let id = self.own_notice(org, text)?;
        let what = format!("notice changed: {id}");
        let ((), changed) = self.edit_board(org, &what, by, |board, today| {
            let notice = board.notices.get_mut(&id).ok_or_else(|| gone(&id))?;
            change_notice(notice, &content, today).map_err(|error| content_error(&error))?;
            Ok(())
        })?;
        self.posted(org, id, changed)
    }

    /// Takes an own notice down: it is answered, or not needed any more.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn close_notice(&self, org: &OrgId, text: &str, by: &By) -> Result<Posted, NodeError> {
        let id = self.own_notice(org, text)?;
        let what = format!("notice closed: {id}");
        let ((), changed) = self.edit_board(org, &what, by, |board, _| {
            board.notices.get_mut(&id).ok_or_else(|| gone(&id))?.closed = true;
            Ok(())
        })?;
        self.posted(org, id, changed)
    }

    /// Replies to a notice of another organisation.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn reply(
        &self,
        org: &OrgId,
        text: &str,
        reply: &PostReply,
        by: &By,
    ) -> Result<Posted, NodeError> {
        let answer = reply.text.trim();
        if answer.is_empty() || answer.len() > TEXT_MAX_BYTES {
            return Err(NodeError::bad_input(
                format!("a reply has 1 to {TEXT_MAX_BYTES} bytes; nothing was changed"),
                "fingerpost reply NOTICE \"We have one\"",
            ));
        }
        let (owner, notice) = self.others_notice(org, text)?;
        let id = new_id()?;
        let what = format!("reply to: {}", notice.title);
        let ((), changed) = self.add_to_board(org, &what, by, |board, today| {
            board.replies.insert(Reply {
                id: id.clone(),
                organisation: owner.to_string(),
                notice: notice.id.clone(),
                text: answer.to_owned(),
                posted: Some(today.to_owned()),
                expires: None,
                extra: Map::new(),
            });
            Ok(())
        })?;
        self.posted(org, id, changed)
    }

    /// Signs a statement of another organisation as it stands, or takes the signature back.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn sign(
        &self,
        org: &OrgId,
        text: &str,
        request: &Sign,
        by: &By,
    ) -> Result<Posted, NodeError> {
        let (owner, notice) = self.others_notice(org, text)?;
        if notice.kind != NoticeKind::Statement {
            return Err(NodeError::refused(
                format!(
                    "that notice is no statement but a {}; nothing was changed",
                    notice.kind
                ),
                "to answer it: fingerpost reply NOTICE TEXT",
            ));
        }
        let hash = text_hash(&notice);
        if request.text_hash.as_ref().is_some_and(|read| *read != hash) {
            return Err(NodeError::refused(
                "the statement has just been changed: it is not what you have read; nothing was signed",
                "read it again: fingerpost notice show NOTICE",
            ));
        }
        let name = format!("fingerpost/signature/{owner}/{}", notice.id);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
        let what = match request.withdraw {
            true => format!("signature taken back: {}", notice.title),
            false => format!("statement signed: {}", notice.title),
        };
        let ((), changed) = self.add_to_board(org, &what, by, |board, today| {
            let known = board.signatures.get(&id).map(|known| &known.text_hash);
            match (request.withdraw, known == Some(&hash)) {
                (true, _) => drop(board.signatures.remove(&id)),
                (false, true) => {}
                (false, false) => {
                    board.signatures.insert(Signature {
                        id: id.clone(),
                        organisation: owner.to_string(),
                        notice: notice.id.clone(),
                        text_hash: hash.clone(),
                        posted: Some(today.to_owned()),
                        extra: Map::new(),
                    });
                }
            }
            Ok(())
        })?;
        let mut posted = self.posted(org, id, changed)?;
        let seen = self.seen(Some(&org.to_string()))?;
        let found = named(&seen.boards, &format!("{owner}/{}", notice.id)).ok();
        posted.notice = found.map(|found| self.notice_view(&seen, found.board, found.notice));
        Ok(posted)
    }

    /// What an edit of a board did, with the own notice of that id.
    pub(super) fn posted(
        &self,
        org: &OrgId,
        id: String,
        changed: bool,
    ) -> Result<Posted, NodeError> {
        let seen = self.seen(Some(&org.to_string()))?;
        let own = seen.boards.iter().find(|board| board.org == *org);
        let notice = own.and_then(|board| Some((board, board.state.notices.get(&id)?)));
        Ok(Posted {
            organisation: self.org_named(org),
            notice: notice.map(|(board, notice)| self.notice_view(&seen, board, notice)),
            id,
            changed,
        })
    }

    /// The id of an own notice that is named.
    fn own_notice(&self, org: &OrgId, text: &str) -> Result<String, NodeError> {
        let boards = self.boards()?;
        let own = boards.iter().filter(|board| board.org == *org);
        Ok(named(own, text)?.notice.id.clone())
    }

    /// A notice of another organisation that is named, and stands.
    fn others_notice(&self, org: &OrgId, text: &str) -> Result<(OrgId, Notice), NodeError> {
        let seen = self.seen(Some(&org.to_string()))?;
        let found = named(&seen.boards, text)?;
        if found.board.org == *org {
            return Err(NodeError::refused(
                "that is your own notice; nothing was changed",
                "to change it: fingerpost notice edit; to take it down: fingerpost notice close",
            ));
        }
        if !seen.viewer.sees(found.board, found.notice, &seen.today) {
            return Err(NodeError::refused(
                "that notice is not shown any more: it is closed or has expired; nothing was changed",
                "fingerpost notice list shows those that stand",
            ));
        }
        Ok((found.board.org, found.notice.clone()))
    }

    /// Networks that are named become their ids.
    fn with_networks(&self, content: &NoticeContent) -> Result<NoticeContent, NodeError> {
        let mut content = content.clone();
        for network in content.networks.iter_mut().flatten() {
            *network = self.network(Some(network))?.to_string();
        }
        Ok(content)
    }
}

/// Whether a notice names an area, or none: then it is for everywhere.
fn concerns(notice: &Notice, area: &str) -> bool {
    let area = area.trim().to_lowercase();
    let mut names = notice.areas.iter();
    notice.areas.is_empty() || names.any(|name| name.to_lowercase().contains(&area))
}

fn gone(id: &str) -> NodeError {
    NodeError::not_found(
        format!("there is no notice {id} on this board any more; nothing was changed"),
        "fingerpost notice list --mine shows your notices with their ids",
    )
}
