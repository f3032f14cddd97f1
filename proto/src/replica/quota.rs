//! How much is held of members without a voice.
//!
//! Where one vouch is enough, one member can bring in any number of organisations of its own making, and each
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

    /// Whether a record would make the documents of a member without a voice too large. Cards are bounded each;
    /// they are never refused for it, so that what they say counts.
    pub(super) fn is_over_quota(
        &mut self,
        record: &Record,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let arriving = record.key();
        if arriving.name.is_card() || self.is_heard(&record.org) {
            return Ok(false);
        }
        let mut bytes = record.state_bytes;
        for key in self.documents_of(&record.org) {
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
        Ok(bytes > limits::UNHEARD_MAX_BYTES)
    }

    /// The same for a sealed document.
    pub(super) fn is_sealed_over_quota(
        &mut self,
        item: &CheckedSealed,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let org = item.sealed.get().org;
        if self.is_heard(&org) {
            return Ok(false);
        }
        let mut bytes = item.bytes.len() as u64;
        self.storage
            .scan(Table::Sealed, org.as_bytes(), &mut |_, value| {
                bytes += value.len() as u64;
                true
            })?;
        Ok(bytes > limits::UNHEARD_MAX_BYTES)
    }
}
