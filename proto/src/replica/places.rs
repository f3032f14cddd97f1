//! Letting go of the documents of organisations that are members no longer, or that this node blocks.

use std::collections::BTreeSet;

use super::writes::Writes;
use super::{Change, Replica, ReplicaError};
use crate::cbor;
use crate::ids::{DocKey, OrgId};
use crate::roster::Place;
use crate::storage::{Batch, Storage, Table};

const BLOCKED: &[u8] = b"blocked";

impl<S: Storage> Replica<S> {
    /// The organisations that this node blocks: it takes and shows no documents of theirs but their cards,
    /// whose statements count for the roster like everybody's. A block changes nobody else's view.
    pub fn blocked(&self) -> &BTreeSet<OrgId> {
        &self.blocked
    }

    /// Blocks an organisation, or takes it in again; its documents come back with the next exchange. Answers
    /// whether anything changed.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing is changed then.
    pub fn set_blocked(&mut self, org: OrgId, block: bool) -> Result<bool, ReplicaError<S::Error>> {
        if self.blocked.contains(&org) == block {
            return Ok(false);
        }
        let mut blocked = self.blocked.clone();
        if block {
            blocked.insert(org);
        } else {
            blocked.remove(&org);
        }
        let mut batch = Batch::default();
        let list: Vec<OrgId> = blocked.iter().copied().collect();
        batch.put(Table::Meta, BLOCKED, cbor::to_vec(&list));
        self.storage.commit(batch)?;
        self.blocked = blocked;
        self.let_go([org].into())?;
        for id in self.networks.keys() {
            self.changes.insert(Change::Roster(*id));
        }
        Ok(true)
    }

    pub(super) fn load_blocked(&mut self) -> Result<(), ReplicaError<S::Error>> {
        if let Some(bytes) = self.storage.get(Table::Meta, BLOCKED)? {
            let list: Vec<OrgId> =
                cbor::from_slice(&bytes).map_err(|_| ReplicaError::Damaged(Table::Meta))?;
            self.blocked = list.into_iter().collect();
        }
        Ok(())
    }

    /// Brings all rosters up to date, and lets go of the documents of organisations that are members of no
    /// network any more. Sessions do so after each scope; whoever takes in items by hand does so after them.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn settle(&mut self) -> Result<(), ReplicaError<S::Error>> {
        let mut demoted = std::mem::take(&mut self.disowned);
        for network in self.networks.values_mut() {
            demoted.extend(network.take_demoted());
        }
        self.let_go(demoted)
    }

    /// What a crash may have left: documents of organisations that are members of no network.
    pub(super) fn sweep(&mut self) -> Result<(), ReplicaError<S::Error>> {
        let held = self.documents.keys().filter(|key| !key.name.is_card());
        let orgs = held.map(|key| key.org).collect();
        self.let_go(orgs)
    }

    /// Whether documents of an organisation other than its card are held.
    pub(super) fn is_taken(&mut self, org: &OrgId) -> bool {
        self.own.contains(org)
            || (!self.blocked.contains(org) && self.place(org) == Some(Place::Member))
    }

    fn let_go(&mut self, orgs: BTreeSet<OrgId>) -> Result<(), ReplicaError<S::Error>> {
        let mut writes = Writes::default();
        for org in orgs {
            if self.is_taken(&org) {
                continue;
            }
            let keys: Vec<DocKey> = self
                .documents_of(&org)
                .filter(|key| !key.name.is_card())
                .collect();
            for key in keys {
                self.drop_document(&mut writes, key)?;
            }
        }
        if !writes.batch.is_empty() {
            self.apply(writes)?;
        }
        Ok(())
    }
}
