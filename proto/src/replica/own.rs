//! This node's own documents beside what its siblings write: whose edits are in, and who says so.
//!
//! A node's own document holds a history that others know only sealed. Of each undominated record the node
//! remembers whether its own document contains what that record vouches for. What is not contained is taken
//! in from the sealed form; once everything is, a record that dominates all of them ends the matter.

use super::publish::written_id_key;
use super::view::Read;
use super::{Entry, Kept, Replica, ReplicaError, state_key};
use crate::cbor;
use crate::ids::{DocKey, NodeId, RecordId};
use crate::planted::{self, Planted};
use crate::record::Seen;
use crate::storage::{Batch, Storage, Table};

/// An undominated record whose edits this node's own document lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmerged {
    /// The record.
    pub id: RecordId,
    /// Who wrote it.
    pub node: NodeId,
    /// When it was issued, in seconds since 1970-01-01 UTC.
    pub issued_at_s: u64,
    /// Whether the sealed document behind it is here.
    pub sealed: bool,
}

impl<S: Storage> Replica<S> {
    /// The undominated records whose edits this node's own document contains.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn contained(&self, key: &DocKey) -> Result<Vec<RecordId>, ReplicaError<S::Error>> {
        let entry = self.entry(key)?;
        let noted = self.noted_contained(key)?;
        let mut contained = Vec::new();
        for kept in &entry.current {
            if noted.contains(&kept.record.id())
                || self.wrote(key, kept)?
                || planted::is(Planted::ForgetSibling)
            {
                contained.push(kept.record.id());
            }
        }
        Ok(contained)
    }

    /// The undominated records whose edits it lacks.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn unmerged(&self, key: &DocKey) -> Result<Vec<Unmerged>, ReplicaError<S::Error>> {
        let contained = self.contained(key)?;
        let sealed = self.sealed_ids(key);
        let entry = self.entry(key)?;
        let lacking = entry
            .current
            .iter()
            .filter(|kept| !contained.contains(&kept.record.id()));
        Ok(lacking
            .map(|kept| Unmerged {
                id: kept.record.id(),
                node: kept.record.get().writer.node,
                issued_at_s: kept.record.get().issued_at_s,
                sealed: sealed.contains(&kept.record.id()),
            })
            .collect())
    }

    /// Adds to `batch` that the own document, which the caller writes with it, contains these records.
    pub fn note_contained(batch: &mut Batch, key: &DocKey, contained: &[RecordId]) {
        batch.put(
            Table::Meta,
            contained_key(key),
            cbor::to_vec(&contained.to_vec()),
        );
    }

    /// Whether it is this node's turn to publish a record that dominates several that its own document contains.
    /// What is here sealed is merged first; a record whose sealed form is not here stays beside it, for that may never
    /// come. Siblings that have merged the same at once say the same with two records: of those the node with the
    /// smallest id that is not revoked goes on, so that it ends.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn is_to_publish_merge(&self, key: &DocKey) -> Result<bool, ReplicaError<S::Error>> {
        let unmerged = self.unmerged(key)?;
        if unmerged.iter().any(|it| it.sealed) {
            return Ok(false);
        }
        let mut contained = self.entry(key)?.current;
        contained.retain(|kept| unmerged.iter().all(|it| it.id != kept.record.id()));
        let Some((first, others)) = contained.split_first() else {
            return Ok(false);
        };
        if others.is_empty() {
            return Ok(false);
        }
        let first = first.record.get();
        let same = others.iter().all(|kept| {
            let other = kept.record.get();
            other.state_hash == first.state_hash && other.heads == first.heads
        });
        if !same {
            return Ok(true);
        }
        let mut next = None;
        for kept in &contained {
            let writer = kept.record.get().writer.node;
            if next.is_none_or(|next| writer < next) && self.speaks_for(&writer, &key.org)? {
                next = Some(writer);
            }
        }
        Ok(next.is_none_or(|next| next == self.node))
    }

    /// Sealed forms of older records that this node's own document may not contain, although they are all that is
    /// left: of an undominated record neither the state nor the sealed form is here, and perhaps nowhere.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn last_resorts(&self, key: &DocKey) -> Result<Vec<RecordId>, ReplicaError<S::Error>> {
        let entry = self.entry(key)?;
        let mut older = self.sealed_ids(key);
        let is_bare = |kept: &Kept| {
            kept.holding.is_lacking() && older.iter().all(|id| *id != kept.record.id())
        };
        if older.is_empty() || !entry.current.iter().any(is_bare) {
            return Ok(Vec::new());
        }
        let mut taken = self.last_resorts_taken(key, &entry)?;
        taken.extend(self.noted_contained(key)?);
        let is_current = |id: &RecordId| entry.current.iter().any(|it| it.record.id() == *id);
        older.retain(|id| !is_current(id) && !taken.contains(id));
        Ok(older)
    }

    /// The state that is all that is left of what this node wrote in a life that its store has forgotten: it stands in for
    /// a record of its own whose content nobody has told it, and the history behind it is not here either. Nobody but
    /// this node could still tell that record's content, so nobody waits for it; what this node's document never
    /// said is to be taken in and noted with [`note_last_resort`](Self::note_last_resort). Answers `None` until
    /// members have told what they hold, and for a card, which has rules of its own.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn lost_state(&self, key: &DocKey) -> Read<Option<(RecordId, Vec<u8>)>, S> {
        let entry = self.entry(key)?;
        let Some(kept) = &entry.fallback else {
            return Ok(None);
        };
        let id = kept.record.id();
        let mut heirs = entry.heirs_of(kept);
        let is_lost = self.has_heard() && heirs.all(|it| it.record.get().writer.node == self.node);
        if key.name.is_card()
            || !is_lost
            || !entry.lacks_heir_of(kept)
            || self.sealed_ids(key).contains(&id)
            || self.last_resorts_taken(key, &entry)?.contains(&id)
        {
            return Ok(None);
        }
        let state = self.storage.get(Table::States, &state_key(key, &id))?;
        Ok(state.map(|state| (id, state)))
    }

    /// Adds to `batch` that the own document, which the caller writes with it, contains one of
    /// [`last_resorts`](Self::last_resorts), or a [`lost_state`](Self::lost_state).
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn note_last_resort(
        &self,
        batch: &mut Batch,
        key: &DocKey,
        id: RecordId,
    ) -> Result<(), ReplicaError<S::Error>> {
        let entry = self.entry(key)?;
        let mut taken = self.last_resorts_taken(key, &entry)?;
        let held = self.sealed_ids(key);
        let stands_in = |id: &RecordId| {
            let mut fallback = entry.fallback.iter();
            fallback.any(|kept| kept.record.id() == *id)
        };
        taken.retain(|id| held.contains(id) || stands_in(id));
        taken.push(id);
        batch.put(Table::Meta, resorts_key(key), cbor::to_vec(&taken));
        Ok(())
    }

    /// Those that it contains.
    pub(super) fn last_resorts_taken(
        &self,
        key: &DocKey,
        entry: &Entry,
    ) -> Result<Vec<RecordId>, ReplicaError<S::Error>> {
        if entry.current.iter().all(|kept| !kept.holding.is_lacking()) {
            return Ok(Vec::new());
        }
        self.noted(resorts_key(key))
    }

    fn noted_contained(&self, key: &DocKey) -> Result<Vec<RecordId>, ReplicaError<S::Error>> {
        self.noted(contained_key(key))
    }

    fn noted(&self, under: Vec<u8>) -> Result<Vec<RecordId>, ReplicaError<S::Error>> {
        match self.storage.get(Table::Meta, &under)? {
            None => Ok(Vec::new()),
            Some(bytes) => cbor::from_slice(&bytes).map_err(|_| ReplicaError::Damaged(Table::Meta)),
        }
    }

    /// Whether what this node has published of a document, since its store was opened, was overtaken by a record that
    /// it wrote itself, in a life that the store has forgotten: the store was put back from a copy, and a person
    /// was quicker than the peers. What they were told is safe is then in this node's document alone, until it is
    /// published once more, containing nothing of the other.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn is_overtaken(&self, key: &DocKey) -> Result<bool, ReplicaError<S::Error>> {
        let Some(Seen { writer, .. }) = self.published.get(key) else {
            return Ok(false);
        };
        let last = self.storage.get(Table::Meta, &written_id_key(key))?;
        let is_last = |kept: &Kept| Some(kept.record.id().as_bytes().as_slice()) == last.as_deref();
        let current = self.entry(key)?.current;
        let mut others = current.iter().filter(|kept| !is_last(kept));
        Ok(!current.iter().any(is_last) && others.any(|kept| kept.record.get().writer == *writer))
    }

    /// Whether this very store wrote a record, and still knows that it did. A store that was put back knows the
    /// places at which it wrote, and may have written something else at the same.
    fn wrote(&self, key: &DocKey, kept: &Kept) -> Result<bool, ReplicaError<S::Error>> {
        let record = kept.record.get();
        if let Some(last) = self.storage.get(Table::Meta, &written_id_key(key))? {
            return Ok(kept.record.id().as_bytes().as_slice() == last);
        }
        // A former version did not note it.
        Ok(record.writer.node == self.node
            && self.instance()? == Some(record.writer.instance)
            && record.seq <= self.last_written(key)?)
    }
}

fn contained_key(key: &DocKey) -> Vec<u8> {
    [b"contained/".as_slice(), &key.to_bytes()].concat()
}

fn resorts_key(key: &DocKey) -> Vec<u8> {
    [b"resorts/".as_slice(), &key.to_bytes()].concat()
}
