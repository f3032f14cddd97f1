//! One document of the owner, with its history.

use automerge::transaction::CommitOptions;
use automerge::{ActorId, AutoCommit, ChangeHash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::read::Reader;
use super::tree::{fold, unfold};
use super::write::write_tree;

/// Why a document could not be loaded, read or written.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// automerge refused.
    #[error("the document's history cannot be used: {0}")]
    Automerge(#[from] automerge::AutomergeError),
    /// The value is not an object.
    #[error("a document must be an object")]
    NotAnObject,
    /// The value cannot be JSON, or is not of the type asked for.
    #[error("the document does not hold what belongs there: {0}")]
    Value(#[from] serde_json::Error),
    /// There is no such conflict, or no such value in it.
    #[error("that conflict does not stand any more")]
    NoSuchConflict,
    /// The document has no such version.
    #[error("the document has no version {0}")]
    UnknownVersion(String),
}

/// Who made a change, and in the course of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNote {
    /// Who, as people will read it in the history.
    pub who: String,
    /// What was done, such as `listing import`.
    pub what: String,
    /// Id of the operation, the same in every document that it changed.
    pub operation: String,
}

/// One change in the history of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When, in seconds since 1970 by the clock of the node that did it.
    pub time_s: i64,
    /// Who.
    pub who: String,
    /// What was done.
    pub what: String,
    /// Id of the operation.
    pub operation: String,
    /// The version before: what the change builds on.
    pub heads_before: Vec<[u8; 32]>,
    /// The version with this change and nothing that came beside it.
    pub heads_after: Vec<[u8; 32]>,
    /// Name of the change.
    pub hash: [u8; 32],
}

/// One document of the owner: a shard of its listing, its card, or its board.
#[derive(Debug, Clone)]
pub struct OwnDocument {
    pub(super) doc: AutoCommit,
}

impl OwnDocument {
    /// An empty document. `actor` must be fresh for every start of a node: two changes by one actor
    /// with one number would shut one of them out for ever.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the actor that automerge draws is replaced before anything is written"
    )]
    pub fn new(actor: &[u8; 16]) -> OwnDocument {
        OwnDocument {
            doc: AutoCommit::new().with_actor(ActorId::from(actor)),
        }
    }

    /// Opens what [`save`](Self::save) wrote, and goes on as `actor` (fresh, as in
    /// [`new`](Self::new)). For the owner's own bytes only.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`] when the bytes are damaged.
    #[allow(
        clippy::disallowed_methods,
        reason = "the actor that automerge draws is replaced before anything is written"
    )]
    pub fn load(bytes: &[u8], actor: &[u8; 16]) -> Result<OwnDocument, DocumentError> {
        Ok(OwnDocument {
            doc: AutoCommit::load(bytes)?.with_actor(ActorId::from(actor)),
        })
    }

    /// The whole document with its history.
    pub fn save(&mut self) -> Vec<u8> {
        self.doc.save()
    }

    /// The document as it stands, as on the wire. Of values that two nodes wrote at once the same
    /// one is shown everywhere; entities that they added at once are all there.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`].
    pub fn value(&self) -> Result<Value, DocumentError> {
        let tree = Reader::now(&self.doc).root()?;
        Ok(Value::Object(unfold(&tree)))
    }

    /// [`value`](Self::value) as a type, such as a shard's state.
    ///
    /// # Errors
    /// [`DocumentError::Value`] when the document holds something else.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, DocumentError> {
        Ok(serde_json::from_value(self.value()?)?)
    }

    /// The document as it stood at `heads`.
    ///
    /// # Errors
    /// [`DocumentError::UnknownVersion`] when the document never had that version.
    pub fn value_at(&mut self, heads: &[[u8; 32]]) -> Result<Value, DocumentError> {
        let heads: Vec<ChangeHash> = heads.iter().map(|hash| ChangeHash(*hash)).collect();
        if let Some(missing) = heads
            .iter()
            .find(|hash| self.doc.get_change_meta_by_hash(hash).is_none())
        {
            return Err(DocumentError::UnknownVersion(missing.to_string()));
        }
        if heads.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let tree = Reader::at(&self.doc, &heads).root()?;
        Ok(Value::Object(unfold(&tree)))
    }

    /// Makes the document say `wire`, writing only what differs, as one change. Returns whether
    /// anything did.
    ///
    /// # Errors
    /// [`DocumentError`]; the document is then as it was.
    pub fn update(
        &mut self,
        wire: &Value,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<bool, DocumentError> {
        let tree = fold(wire.as_object().ok_or(DocumentError::NotAnObject)?);
        self.commit(note, time_s, |doc| write_tree(doc, &tree))
    }

    /// Makes one change of what `write` does, all of it or nothing. Returns whether anything did change.
    pub(super) fn commit(
        &mut self,
        note: &ChangeNote,
        time_s: i64,
        write: impl FnOnce(&mut AutoCommit) -> Result<(), DocumentError>,
    ) -> Result<bool, DocumentError> {
        let message = serde_json::to_string(note)?;
        if let Err(error) = write(&mut self.doc) {
            self.doc.rollback();
            return Err(error);
        }
        let options = CommitOptions::default()
            .with_message(message)
            .with_time(time_s);
        Ok(self.doc.commit_with(options).is_some())
    }

    /// [`update`](Self::update) with a typed value, such as a shard's state.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn set<T: Serialize>(
        &mut self,
        state: &T,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<bool, DocumentError> {
        self.update(&serde_json::to_value(state)?, note, time_s)
    }

    /// The version as it stands: names of the changes that no other builds on, in order.
    pub fn heads(&mut self) -> Vec<[u8; 32]> {
        bytes_of(&self.doc.get_heads())
    }

    /// All changes, each after those it builds on.
    pub fn history(&mut self) -> Vec<HistoryEntry> {
        self.doc
            .get_changes(&[])
            .iter()
            .map(|change| {
                let note = read_note(change.message());
                HistoryEntry {
                    time_s: change.timestamp(),
                    who: note.who,
                    what: note.what,
                    operation: note.operation,
                    heads_before: bytes_of(change.deps()),
                    heads_after: vec![change.hash().0],
                    hash: change.hash().0,
                }
            })
            .collect()
    }
}

/// A message that is not one of our notes is shown as what was done.
pub(super) fn read_note(message: Option<&str>) -> ChangeNote {
    let message = message.unwrap_or_default();
    serde_json::from_str(message).unwrap_or_else(|_| ChangeNote {
        what: message.to_owned(),
        ..ChangeNote::default()
    })
}

fn bytes_of(hashes: &[ChangeHash]) -> Vec<[u8; 32]> {
    let mut bytes: Vec<[u8; 32]> = hashes.iter().map(|hash| hash.0).collect();
    bytes.sort_unstable();
    bytes
}

#[cfg(test)]
mod tests;
