//! Letting go of the documents of organisations that are members no longer, or that this node blocks.

use std::collections::BTreeSet;

use super::writes::Writes;
use super::{Change, Replica, ReplicaError, Summary};
use crate::cbor;
use crate::ids::{DocKey, DocName, NetworkId, OrgId};
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
        let mut concerned = std::mem::take(&mut self.disowned);
        for network in self.networks.values_mut() {
            concerned.extend(network.take_demoted());
            concerned.extend(network.replaced());
        }
        self.let_go(concerned)
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
            || (!self.blocked.contains(org)
                && (self.place(org) == Some(Place::Member) || self.is_awaiting_heir(org)))
    }

    /// How many members the largest network has in which this node takes part, as its roster was last computed.
    pub fn last_member_count(&self) -> usize {
        let active = self.networks.values().filter(|network| network.active);
        active
            .map(|it| it.last_roster().member_count())
            .max()
            .unwrap_or(0)
    }

    /// Whether an organisation was a member of one of these networks when their rosters were last computed.
    pub(crate) fn was_member_among(&self, org: &OrgId, networks: &[NetworkId]) -> bool {
        let mut known = networks.iter().filter_map(|id| self.networks.get(id));
        known.any(|network| network.last_roster().is_member(org))
    }

    /// Whether an organisation was replaced, and no listing of its heir is here yet. Until then its own
    /// documents are kept, so that the heir can fetch them and nobody's listing is missing meanwhile.
    fn is_awaiting_heir(&mut self, org: &OrgId) -> bool {
        let active: Vec<NetworkId> = self.active_networks().collect();
        self.is_awaiting_heir_among(org, &active)
    }

    /// The same, as far as some networks know. An heir that is no member there has nothing to bring.
    fn is_awaiting_heir_among(&mut self, org: &OrgId, networks: &[NetworkId]) -> bool {
        let heirs: BTreeSet<OrgId> = networks
            .iter()
            .filter_map(|id| {
                let roster = self.networks.get_mut(id)?.refresh();
                let heir = roster.heir_of(org).filter(|heir| roster.is_member(heir))?;
                (roster.place_of(org) == Some(Place::Replaced)).then_some(heir)
            })
            .collect();
        !heirs.is_empty()
            && heirs
                .iter()
                .all(|heir| !self.blocked.contains(heir) && !self.shows_listing(heir))
    }

    /// Whether any shard of an organisation's listing is held with its state.
    fn shows_listing(&self, org: &OrgId) -> bool {
        self.documents_of(org).any(|key| {
            let is_held =
                |held: &Vec<Summary>| held.iter().any(|summary| !summary.holding.is_lacking());
            matches!(key.name, DocName::Listing(_)) && self.documents.get(&key).is_some_and(is_held)
        })
    }

    /// Whether members of some networks show one another the documents of an organisation other than its
    /// card: it is a member of one of them, or was replaced there and its heir's listing is not here yet.
    pub(crate) fn is_shown_among(&mut self, org: &OrgId, networks: &[NetworkId]) -> bool {
        // A block of an organisation of our own would hide it from everybody.
        (!self.blocked.contains(org) || self.own.contains(org))
            && (self.place_among(org, networks) == Some(Place::Member)
                || self.is_awaiting_heir_among(org, networks))
    }

    /// Whether an organisation was replaced, and what is here of its heir takes the place of its documents.
    pub(super) fn is_outlived(&mut self, org: &OrgId) -> bool {
        self.place(org) == Some(Place::Replaced) && !self.is_awaiting_heir(org)
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
