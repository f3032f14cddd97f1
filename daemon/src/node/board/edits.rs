//! Writing on an own board, its history, and taking back the last change.

use fingerpost_proto::api::{History, HistoryItem, Posted};
use fingerpost_proto::board::BoardState;
use fingerpost_proto::board::edit::{ContentError, make_room};
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};

use crate::node::days::today;
use crate::node::documents::By;
use crate::node::{Node, NodeError, lock};

/// What an own document says as a board; an empty one is an empty board.
fn board_of(value: serde_json::Value) -> Result<BoardState, NodeError> {
    match value.as_object().is_some_and(|fields| fields.is_empty()) {
        true => Ok(BoardState::default()),
        false => serde_json::from_value(value).map_err(NodeError::internal),
    }
}

pub(super) fn content_error(error: &ContentError) -> NodeError {
    let hint = match error {
        ContentError::Kind => "say what sort of notice it is: --kind need",
        ContentError::Title => "give it a title: --title \"A venue with a crèche\"",
        ContentError::Day(_) | ContentError::Expired(_) | ContentError::TooLong(_) => {
            "say until when it is shown: --expires 2027-01-31, or --expires 30d"
        }
        ContentError::Moment(_) | ContentError::EndsFirst => {
            "say when it begins and ends: --starts 2027-01-31T18:00 --ends 2027-01-31T20:00"
        }
        ContentError::TooMany(_) => "name fewer, or none: then it is for all",
    };
    NodeError::bad_input(format!("{error}; nothing was changed"), hint)
}

impl Node {
    fn board_key(org: &OrgId) -> DocKey {
        DocKey {
            org: *org,
            name: DocName::Board,
        }
    }

    /// Changes an own board and publishes it. Answers what `edit` did, and whether anything changed.
    pub(super) fn edit_board<T>(
        &self,
        org: &OrgId,
        what: &str,
        by: &By,
        edit: impl FnOnce(&mut BoardState, &str) -> Result<T, NodeError>,
    ) -> Result<(T, bool), NodeError> {
        self.await_histories(org)?;
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        // While the organisation is still to come back from the network, an edit would compete with it.
        self.own_card(&replica, org)?;
        let key = Self::board_key(org);
        self.catch_up(&mut replica, &key)?;
        let before = board_of(self.own_document(&replica, &key)?.value()?)?;
        let mut board = before.clone();
        let today = today();
        let done = edit(&mut board, &today)?;
        if board == before {
            return Ok((done, false));
        }
        let bytes = board.to_bytes().map_err(|error| {
            NodeError::bad_input(
                format!("{error}; nothing was changed"),
                "shorten what the message names, or close notices that are not needed any more",
            )
        })?;
        let content = serde_json::to_value(&board).map_err(NodeError::internal)?;
        let published = self.publish(&mut replica, key, &content, bytes, what, by)?;
        let keys: Vec<DocKey> = published.map(|_| key).into_iter().collect();
        self.released(replica, &keys)?;
        Ok((done, !keys.is_empty()))
    }

    /// [`Node::edit_board`] for an edit that adds an entry: what is over makes room for it.
    pub(super) fn add_to_board<T>(
        &self,
        org: &OrgId,
        what: &str,
        by: &By,
        edit: impl FnOnce(&mut BoardState, &str) -> Result<T, NodeError>,
    ) -> Result<(T, bool), NodeError> {
        self.edit_board(org, what, by, |board, today| {
            make_room(board, today);
            edit(board, today)
        })
    }

    fn own_board_document(&self, org: &OrgId) -> Result<OwnDocument, NodeError> {
        let replica = self.replica();
        self.own_document(&replica, &Self::board_key(org))
    }

    /// Who changed what on a board and when, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn board_history(&self, org: &OrgId) -> Result<History, NodeError> {
        let mut document = self.own_board_document(org)?;
        let entries = document.history().into_iter().rev();
        let entries = entries.map(|entry| HistoryItem {
            operation: entry.operation,
            at_s: u64::try_from(entry.time_s).unwrap_or(0),
            who: entry.who,
            what: entry.what,
            documents: vec![DocName::Board.to_string()],
        });
        Ok(History {
            organisation: self.org_named(org),
            entries: entries.collect(),
        })
    }

    /// Takes back the last change of a board, as a new change: nothing is removed from the history.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn undo_board(&self, org: &OrgId, by: &By) -> Result<Posted, NodeError> {
        let mut document = self.own_board_document(org)?;
        let history = document.history();
        let last = history.last().ok_or_else(|| {
            NodeError::not_found(
                "there is nothing to undo: nothing was put on this board yet",
                "fingerpost notice history shows what was changed",
            )
        })?;
        if document.generation() > 0 && last.heads_before.is_empty() {
            return Err(NodeError::not_found(
                "there is nothing to undo: the history of this board begins there; nothing was changed",
                "fingerpost notice history shows what was changed since",
            ));
        }
        let past = board_of(document.value_at(&last.heads_before)?)?;
        let what = format!("undone: {}", last.what);
        let ((), changed) = self.edit_board(org, &what, by, |board, _| {
            *board = past;
            Ok(())
        })?;
        Ok(Posted {
            organisation: self.org_named(org),
            notice: None,
            id: String::new(),
            changed,
        })
    }
}
