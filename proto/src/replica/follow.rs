//! Which states this node keeps, and those that it leaves to others: see [`crate::interest`].

use std::ops::Bound;

use super::undominated::settle_fallback;
use super::view::Read;
use super::writes::Writes;
use super::{Entry, Holding, Kept, Replica, ReplicaError, State, Summary, state_key};
use crate::cbor;
use crate::ids::{DocKey, NetworkId, OrgId, RecordId};
use crate::interest::{Follows, Interest};
use crate::roster::Place;
use crate::storage::{Batch, Storage, Table};

/// What this node follows.
const FOLLOWS: &[u8] = b"follows";
/// The document up to which all are as it says; while it stands here they are being gone through.
const FOLLOWED_TO: &[u8] = b"followed-to";

impl<S: Storage> Replica<S> {
    pub(super) fn load_follows(&mut self) -> Result<(), ReplicaError<S::Error>> {
        if let Some(bytes) = self.storage.get(Table::Meta, FOLLOWS)? {
            let read = cbor::from_slice(&bytes);
            self.follow(read.map_err(|_| ReplicaError::Damaged(Table::Meta))?);
        }
        Ok(())
    }

    fn follow(&mut self, follows: Follows) {
        self.interest = Interest::of(&follows.areas, &follows.types);
        self.follows = follows;
    }

    /// What this node follows: of everything else of other organisations it keeps cards and records, and no states.
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// Follows something else from now on. What is held already is gone through with
    /// [`apply_follows`](Self::apply_follows).
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing is changed then.
    pub fn set_follows(&mut self, follows: Follows) -> Result<(), ReplicaError<S::Error>> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, FOLLOWS, cbor::to_vec(&follows));
        batch.put(Table::Meta, FOLLOWED_TO, Vec::new());
        self.storage.commit(batch)?;
        self.follow(follows);
        Ok(())
    }

    /// Whether what is held is still to be gone through.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn is_applying_follows(&self) -> Read<bool, S> {
        Ok(self.storage.get(Table::Meta, FOLLOWED_TO)?.is_some())
    }

    /// Goes through at most `most` documents after what this node follows has changed: lets go of states that it does not
    /// follow any more, and asks again for those that it lacks. Whether there are more to go through; a crash in between
    /// loses nothing.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn apply_follows(&mut self, most: usize) -> Read<bool, S> {
        let Some(done_to) = self.storage.get(Table::Meta, FOLLOWED_TO)? else {
            return Ok(false);
        };
        let after = DocKey::from_bytes(&done_to).map_or(Bound::Unbounded, Bound::Excluded);
        let some = self.documents.range((after, Bound::Unbounded)).take(most);
        let keys: Vec<DocKey> = some.map(|(key, _)| *key).collect();
        let mut writes = Writes::default();
        for key in &keys {
            let is_judged = !key.name.is_card() && !self.own.contains(&key.org);
            let mut entry = self.entry(key)?;
            if is_judged && self.judge_again(key, &mut entry, &mut writes)? {
                self.put_entry(&mut writes, *key, &entry);
            }
        }
        match keys.last() {
            Some(last) => writes
                .batch
                .put(Table::Meta, FOLLOWED_TO, last.to_bytes().to_vec()),
            None => writes.batch.remove(Table::Meta, FOLLOWED_TO),
        }
        self.apply(writes)?;
        Ok(!keys.is_empty())
    }

    /// Whether anything of an entry has changed.
    fn judge_again(
        &mut self,
        key: &DocKey,
        entry: &mut Entry,
        writes: &mut Writes,
    ) -> Read<bool, S> {
        let mut is_changed = false;
        for kept in &mut entry.current {
            let at = state_key(key, &kept.record.id());
            let next = match kept.holding {
                Holding::Unfollowed { .. } => Holding::Lacking,
                Holding::Held if self.follows_all_of(&key.org) => Holding::Held,
                Holding::Held => {
                    let bytes = self.storage.get(Table::States, &at)?;
                    let state = bytes.and_then(|bytes| State::parse(key.name, &bytes).ok());
                    match state.is_none_or(|state| self.follows_state(&key.org, &state)) {
                        true => Holding::Held,
                        false => Holding::Unfollowed { by_peer: false },
                    }
                }
                Holding::Lacking => Holding::Lacking,
            };
            if next != kept.holding && kept.holding.is_held() {
                writes.batch.remove(Table::States, at);
            }
            is_changed |= next != kept.holding;
            kept.holding = next;
        }
        if is_changed {
            let gone = entry.fallback.take().into_iter().collect();
            settle_fallback(entry, gone, key, &mut writes.batch);
        }
        Ok(is_changed)
    }

    /// Whether this node keeps a state of an organisation.
    pub(super) fn follows_state(&mut self, org: &OrgId, state: &State) -> bool {
        if self.follows_all_of(org) || matches!(state, State::Card(_)) {
            return true;
        }
        let networks: Vec<NetworkId> = self.follows.networks.iter().copied().collect();
        let is_there =
            networks.is_empty() || self.place_among(org, &networks) == Some(Place::Member);
        is_there && self.interest.wants(state)
    }

    fn follows_all_of(&self, org: &OrgId) -> bool {
        self.follows.is_everything()
            || self.own.contains(org)
            || self.follows.organisations.contains(org)
    }

    /// Notes that a peer has the state of a record, and has left it out since this node does not follow it.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub(crate) fn note_unfollowed(
        &mut self,
        key: &DocKey,
        id: &RecordId,
    ) -> Result<(), ReplicaError<S::Error>> {
        if self.follows_all_of(&key.org) || key.name.is_card() {
            return Ok(());
        }
        self.hold_as(key, id, Holding::Unfollowed { by_peer: true })
    }

    /// Notes how a record is held whose state is lacking.
    pub(super) fn hold_as(
        &mut self,
        key: &DocKey,
        id: &RecordId,
        holding: Holding,
    ) -> Result<(), ReplicaError<S::Error>> {
        let mut entry = self.entry(key)?;
        let is_meant = |kept: &&mut Kept| kept.record.id() == *id && !kept.holding.is_held();
        let Some(kept) = entry.current.iter_mut().find(is_meant) else {
            return Ok(());
        };
        // Its own judgement counts for more than what it was told.
        if kept.holding == holding || kept.holding == (Holding::Unfollowed { by_peer: false }) {
            return Ok(());
        }
        kept.holding = holding;
        let mut writes = Writes::default();
        let gone = entry.fallback.take().into_iter().collect();
        settle_fallback(&mut entry, gone, key, &mut writes.batch);
        self.put_entry(&mut writes, *key, &entry);
        self.apply(writes)
    }

    /// Whether the state of a record is not here because this node does not follow it.
    pub fn is_unfollowed(&self, key: &DocKey, id: &RecordId) -> bool {
        let mut held = self.documents.get(key).into_iter().flatten();
        held.any(|it| it.id == *id && it.holding.is_unfollowed())
    }

    /// The organisations of which some state is not here because this node does not follow it.
    pub fn unfollowed(&self) -> Vec<OrgId> {
        let is_unfollowed = |all: &[Summary]| all.iter().any(|it| it.holding.is_unfollowed());
        let some = self.documents.iter().filter(|(_, all)| is_unfollowed(all));
        let mut orgs: Vec<OrgId> = some.map(|(key, _)| key.org).collect();
        orgs.dedup();
        orgs
    }
}
