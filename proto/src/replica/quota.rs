//! How much is held of others: of each organisation, of members without a voice, and when there is no more room.
//!
//! Nobody may fill another's disk. Any organisation has room for a full listing several times over. //! Where one vouch is enough, one member can bring in any number of organisations of its own making, and each
//! could fill [`limits::SHARDS_MAX`] shards. Until a second member vouches for it, or everybody's K do, a member
//! has room for an ordinary listing and no more.

use std::cmp::Ordering;

use super::{CheckedSealed, Replica, ReplicaError};
use crate::ids::OrgId;
use crate::limits;
use crate::record::Record;
use crate::storage::{Storage, Table};

impl<S: Storage> Replica<S> {
    /// Whether an organisation is this node's own, or has a voice in one of this node's networks.
    fn is_heard(&mut self, org: &OrgId) -> bool {
        let mut active = self.networks.values_mut().filter(|network| network.active);
        self.own.contains(org) || active.any(|network| network.refresh().has_voice(org))
    }

    /// How many bytes of documents are held of an organisation at most; `None` for this node's own.
    fn quota(&mut self, org: &OrgId) -> Option<u64> {
        match (self.own.contains(org), self.is_heard(org)) {
            (true, _) => None,
            (false, true) => Some(limits::ORG_MAX_BYTES),
            (false, false) => Some(limits::UNHEARD_MAX_BYTES),
        }
    }

    /// Says whether there is room on the disk for more of others. While there is none, this node goes on writing its
    /// own documents, and takes of others only what takes no more room than what it replaces.
    pub fn set_room(&mut self, has_room: bool) {
        self.full = !has_room;
    }

    /// Whether there is room for more of others.
    pub fn has_room(&self) -> bool {
        !self.full
    }

    /// Whether a record is refused for want of room. A card that replaces one is always taken: it may say who is a
    /// member no longer.
    pub(super) fn lacks_room(&self, record: &Record) -> Result<bool, ReplicaError<S::Error>> {
        let key = record.key();
        if !self.full || self.own.contains(&key.org) {
            return Ok(false);
        }
        let entry = self.entry(&key)?;
        if key.name.is_card() && !entry.current.is_empty() {
            return Ok(false);
        }
        let held = entry.current.iter().chain(&entry.fallback);
        let held = held
            .filter(|kept| kept.holding.is_held())
            .map(|kept| kept.record.get());
        let replaced = held.filter(|it| record.compare(it) == Some(Ordering::Greater));
        let replaced: u64 = replaced.map(|it| it.state_bytes).sum();
        Ok(record.state_bytes > replaced)
    }

    /// The same for a sealed document.
    pub(super) fn lacks_room_sealed(&self, item: &CheckedSealed) -> bool {
        let key = item.sealed.get().key();
        self.full && !self.own.contains(&key.org) && self.sealed_ids(&key).is_empty()
    }

    /// Whether a record would make the documents of another organisation too large. Cards are bounded each;
    /// they are never refused for it, so that what they say counts.
    pub(super) fn is_over_quota(
        &mut self,
        record: &Record,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let arriving = record.key();
        if arriving.name.is_card() {
            return Ok(false);
        }
        let Some(most) = self.quota(&record.org) else {
            return Ok(false);
        };
        let keys: Vec<_> = self.documents_of(&record.org).collect();
        let records: usize = keys.iter().map(|key| self.record_ids(key).len() + 1).sum();
        if (records as u64 + 1) * limits::STATE_MAX_BYTES as u64 <= most {
            // Ordinary ones cannot be over it, and need not be read.
            return Ok(false);
        }
        let mut bytes = record.state_bytes;
        for key in keys {
            if key.name.is_card() {
                continue;
            }
            let entry = self.entry(&key)?;
            for kept in entry.current.iter().chain(&entry.fallback) {
                let held = kept.record.get();
                let replaced = key == arriving && record.compare(held) == Some(Ordering::Greater);
                bytes += if replaced { 0 } else { held.state_bytes };
            }
        }
        Ok(bytes > most)
    }

    /// The same for a sealed document: as many bytes of a member without a voice, twice as many of others.
    pub(super) fn is_sealed_over_quota(
        &mut self,
        item: &CheckedSealed,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let org = item.sealed.get().org;
        let most = match self.quota(&org) {
            None => return Ok(false),
            Some(limits::ORG_MAX_BYTES) => 2 * limits::ORG_MAX_BYTES,
            Some(most) => most,
        };
        let keys: Vec<_> = self.documents_of(&org).collect();
        let held: usize = keys.iter().map(|key| self.sealed_ids(key).len()).sum();
        if (held as u64 + 1) * limits::SEALED_MAX_BYTES as u64 <= most {
            return Ok(false);
        }
        let mut bytes = item.bytes.len() as u64;
        self.storage
            .scan(Table::Sealed, org.as_bytes(), &mut |_, value| {
                bytes += value.len() as u64;
                true
            })?;
        Ok(bytes > most)
    }
}
