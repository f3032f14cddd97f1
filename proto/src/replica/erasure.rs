//! Making sure that what was erased leaves the disk as well.
//!
//! A store that lets go of a value may keep its bytes on the disk for a long time. So whenever a record of a higher
//! generation takes the place of one of a lower, or an organisation's documents are dropped, it is noted, together
//! with that, that the store is to be written anew. Whoever holds the replica does so when it suits.

use std::cmp::Ordering;

use super::writes::Writes;
use super::{Change, Entry, Replica, ReplicaError};
use crate::ids::DocKey;
use crate::record::Record;
use crate::storage::{Batch, Storage, Table};

const WIPE_DUE: &[u8] = b"wipe-due";

impl Writes {
    /// Notes that what is being let go of must not stay on the disk.
    pub(super) fn wipe(&mut self) {
        self.batch.put(Table::Meta, WIPE_DUE, [1]);
        self.changes.push(Change::Erased);
    }
}

impl<S: Storage> Replica<S> {
    /// Whether the store is to be written anew because something in it was erased.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn is_wipe_due(&self) -> Result<bool, ReplicaError<S::Error>> {
        Ok(self.storage.get(Table::Meta, WIPE_DUE)?.is_some())
    }

    /// Adds to `batch` that the store is being written anew: it belongs into the new one.
    pub fn note_wiped(batch: &mut Batch) {
        batch.remove(Table::Meta, WIPE_DUE);
    }

    /// A record is about to be kept: if its history was begun anew since those that are held, what they left is
    /// wiped, and the sealed histories behind those that it dominates go at once. An older history must not come back
    /// by them.
    pub(super) fn wipe_older(
        &self,
        key: &DocKey,
        record: &Record,
        before: &Entry,
        writes: &mut Writes,
    ) {
        let generation = record.generation.unwrap_or(0);
        let held = before.current.iter().chain(&before.fallback);
        let is_newer = |kept: &super::Kept| kept.record.get().generation.unwrap_or(0) < generation;
        if !held.into_iter().any(is_newer) {
            return;
        }
        writes.wipe();
        for id in self.sealed_ids(key) {
            let stays = before.current.iter().any(|kept| {
                kept.record.id() == id
                    && record.compare(kept.record.get()) != Some(Ordering::Greater)
            });
            if !stays {
                writes.drop_sealed(*key, id);
            }
        }
    }
}

impl Entry {
    /// The highest generation of the undominated records.
    pub(super) fn generation(&self) -> u64 {
        let all = self.current.iter().map(|kept| kept.record.get().generation);
        all.flatten().max().unwrap_or(0)
    }
}
