//! The journal: which documents changed since a derived view was last durable.
//!
//! A view such as a search index is written after the store and on its own schedule. The journal is
//! written in the same batch as the change itself, so that after a crash the view catches up on what it
//! missed without reading everything.

use super::writes::Writes;
use super::{Change, Replica, ReplicaError};
use crate::ids::DocKey;
use crate::storage::{Batch, Storage, Table};

impl<S: Storage> Replica<S> {
    pub(super) fn load_journal(&mut self) -> Result<(), ReplicaError<S::Error>> {
        let (mut first, mut last) = (None, 0);
        self.storage.scan(Table::Journal, &[], &mut |key, _| {
            last = number(key).unwrap_or(last).max(last);
            first.get_or_insert(last);
            true
        })?;
        self.journal = last;
        self.journal_first = first.unwrap_or(last);
        Ok(())
    }

    pub(super) fn note_change(&mut self, key: DocKey, writes: &mut Writes) {
        self.journal += 1;
        writes
            .batch
            .put(Table::Journal, self.journal.to_be_bytes(), key.to_bytes());
        writes.changes.push(Change::Document(key));
    }

    /// The number of the last change of any document.
    pub fn journal(&self) -> u64 {
        self.journal
    }

    /// How many changes the journal holds.
    pub fn journal_length(&self) -> u64 {
        self.journal - self.journal_first
    }

    /// The documents that changed after the change with this number.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn changed_since(&self, after: u64) -> Result<Vec<DocKey>, ReplicaError<S::Error>> {
        let mut keys = Vec::new();
        self.storage
            .scan(Table::Journal, &[], &mut |number_key, key| {
                if number(number_key).is_some_and(|number| number > after) {
                    keys.extend(DocKey::from_bytes(key));
                }
                true
            })?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Forgets the changes up to this number, which every view has made durable. The last one stays, so
    /// that numbers go on from it after a restart.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    pub fn confirm_changes(&mut self, up_to: u64) -> Result<(), ReplicaError<S::Error>> {
        let mut batch = Batch::default();
        let end = up_to.min(self.journal.saturating_sub(1));
        self.storage.scan(Table::Journal, &[], &mut |key, _| {
            let done = number(key).is_some_and(|number| number <= end);
            if done {
                batch.remove(Table::Journal, key);
            }
            done
        })?;
        if !batch.is_empty() {
            self.storage.commit(batch)?;
            self.journal_first = self.journal_first.max(end);
        }
        Ok(())
    }
}

fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}
