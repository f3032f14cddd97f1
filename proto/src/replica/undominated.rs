//! Which records of a document stay, and what is shown of them.

use std::cmp::Ordering;

use super::{Entry, Holding, Kept, Refusal, state_key};
use crate::ids::{DocKey, RecordId};
use crate::limits;
use crate::planted::{self, Planted};
use crate::record::SignedRecord;
use crate::storage::{Batch, Table};

/// Puts a record, which no kept one dominates, in the place of those it dominates; `without` says how it is held if its
/// state is not there.
pub(super) fn replace(
    key: DocKey,
    entry: &mut Entry,
    record: SignedRecord,
    (state, without): (Option<Vec<u8>>, Holding),
    batch: &mut Batch,
) -> Option<Refusal> {
    let id = record.id();
    let dominates =
        |kept: &Kept| record.get().compare(kept.record.get()) == Some(Ordering::Greater);
    let mut gone: Vec<Kept> = entry
        .current
        .extract_if(.., |kept| dominates(kept))
        .collect();
    gone.extend(entry.fallback.take());
    entry.current.push(Kept {
        record,
        holding: if state.is_some() {
            Holding::Held
        } else {
            without
        },
    });
    entry.current.sort_by_key(|kept| kept.record.id());
    if entry.current.len() > limits::CONCURRENT_MAX_RECORDS
        && !planted::is(Planted::KeepAllConcurrent)
    {
        let worst = entry
            .current
            .iter()
            .min_by_key(|kept| rank(kept))
            .map(|kept| kept.record.id());
        if worst == Some(id) {
            return Some(Refusal::TooManyConcurrent);
        }
        gone.extend(
            entry
                .current
                .extract_if(.., |kept| Some(kept.record.id()) == worst),
        );
    }
    if let Some(bytes) = state {
        batch.put(Table::States, state_key(&key, &id), bytes);
    }
    settle_fallback(entry, gone, &key, batch);
    None
}

/// The fixed rule by which every replica shows the same one of several undominated records.
pub(super) fn rank(kept: &Kept) -> (u64, u64, RecordId) {
    let record = kept.record.get();
    (
        record.generation.unwrap_or(0),
        record.issued_at_s,
        kept.record.id(),
    )
}

/// The fixed rule by which every replica keeps the same one of several records that were replaced by one whose state
/// is not here. What contains another comes before it, whatever the clocks of their writers said.
pub(super) fn stand_in_rank(kept: &Kept) -> (u64, u64, u64, RecordId) {
    let record = kept.record.get();
    let seen = record.clock().map(|seen| seen.seq);
    let (generation, issued_at_s, id) = rank(kept);
    (
        generation,
        seen.fold(0, u64::saturating_add),
        issued_at_s,
        id,
    )
}

/// The record whose state is shown: the best current one whose state is held, else the fallback.
pub(super) fn shown_id(entry: &Entry) -> Option<RecordId> {
    shown_kept(entry).map(|kept| kept.record.id())
}

pub(super) fn shown_kept(entry: &Entry) -> Option<&Kept> {
    let current = entry
        .current
        .iter()
        .filter(|kept| kept.holding.is_held())
        .max_by_key(|kept| rank(kept));
    current.or(entry.fallback.as_ref())
}

/// Removes the states of records that are gone, but keeps the best of them while the state of a current record that
/// replaced it is not here: to show it while there is nothing else to show, and for its owner, should that state
/// never come.
pub(super) fn settle_fallback(entry: &mut Entry, gone: Vec<Kept>, key: &DocKey, batch: &mut Batch) {
    let showable = entry.current.iter().any(|kept| !kept.holding.is_lacking());
    let fallback = gone
        .iter()
        .filter(|kept| kept.holding.is_held() && (!showable || entry.lacks_heir_of(kept)))
        .max_by_key(|kept| stand_in_rank(kept))
        .cloned();
    for kept in gone.iter().filter(|kept| kept.holding.is_held()) {
        if fallback.as_ref().map(|f| f.record.id()) != Some(kept.record.id())
            && !planted::is(Planted::KeepOldState)
        {
            batch.remove(Table::States, state_key(key, &kept.record.id()));
        }
    }
    entry.fallback = fallback;
}

impl Entry {
    /// Whether a current record contains this one.
    pub(super) fn replaces(&self, kept: &Kept) -> bool {
        self.heirs_of(kept).next().is_some()
    }

    /// The current records that contain this one.
    pub(super) fn heirs_of(&self, kept: &Kept) -> impl Iterator<Item = &Kept> {
        let current = self.current.iter();
        current.filter(|newer| {
            newer.record.get().compare(kept.record.get()) == Some(Ordering::Greater)
        })
    }

    /// Whether the state of a current record that contains this one is not here, and none that is here contains it. What
    /// was begun anew since lets go of it all the same: something may have been erased.
    pub(super) fn lacks_heir_of(&self, kept: &Kept) -> bool {
        let generation = kept.record.get().generation;
        let mut heirs = self.heirs_of(kept);
        self.replaces(kept)
            && heirs
                .all(|heir| heir.holding.is_lacking() && heir.record.get().generation == generation)
    }
}
