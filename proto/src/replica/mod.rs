//! The replica: everything that one node holds of its federation, as a deterministic state machine.
//!
//! A replica takes checked items and answers what became of them. It keeps, for every document, the
//! set of undominated records: a multi-value register, so that the order, duplication and interleaving of
//! arrivals do not matter. It has no clock and no randomness: both are arguments.
//!
//! In memory it holds a reconciliation entry per document and a standing per organisation, some
//! hundred bytes each; records and states stay in the [`Storage`].

mod amendments;
mod delegations;
mod depart;
mod entry;
mod erasure;
mod follow;
mod item;
mod journal;
mod network;
mod order;
mod own;
mod places;
mod publish;
mod quota;
mod receive;
mod refusal;
mod revocations;
mod sealed;
#[cfg(test)]
mod tests;
mod undominated;
mod view;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use crate::cbor;
use crate::certificate::charter_id;
use crate::charter::Charter;
use crate::ids::{DocKey, DocName, NetworkId, NodeId, OrgId, RecordId};
use crate::interest::{Follows, Interest};
use crate::record::{Instance, Seen};
use crate::roster::{Inquiry, Place, Roster, Standing, Terms};
use crate::storage::{Batch, Storage, Table};

pub use amendments::{InForce, Proposals};
pub use item::{
    Checked, CheckedAmendment, CheckedDeparture, CheckedRecord, CheckedSealed, Item, State,
};
pub use own::Unmerged;
pub use publish::{Contained, Draft, PublishError};
pub use receive::{Accepted, Outcome};
pub use refusal::Refusal;
pub use view::{Proof, Shown};

pub(crate) use entry::{Holding, Summary};

use entry::{Entry, Kept, summaries};
use network::{Departed, Network};
use sealed::SealedIndex;

/// Something that changed, for whoever keeps a derived view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// What is shown of a document is another state, or none any more.
    Document(DocKey),
    /// The roster of a network may have changed.
    Roster(NetworkId),
    /// Two different records claim one place of this document: a key was copied.
    Equivocation(DocKey),
    /// A sealed document of one of this node's own organisations arrived.
    Sealed(DocKey),
    /// A peer holds a record that this node wrote and no longer knows: the store was put back.
    FoundBehind,
    /// Something was let go of that must not stay on the disk: see [`Replica::is_wipe_due`].
    Erased,
}

/// The store failed, or holds what this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError<E: std::error::Error> {
    /// The store failed.
    #[error("the store failed: {0}")]
    Storage(#[from] E),
    /// An entry of the store cannot be read.
    #[error("the store is damaged: an entry of the table {0:?} cannot be read")]
    Damaged(Table),
}

/// Everything that one node holds.
pub struct Replica<S> {
    storage: S,
    node: NodeId,
    own: BTreeSet<OrgId>,
    networks: BTreeMap<NetworkId, Network>,
    documents: BTreeMap<DocKey, Vec<Summary>>,
    sealed: SealedIndex,
    blocked: BTreeSet<OrgId>,
    /// Organisations that this node wrote for until lately.
    disowned: BTreeSet<OrgId>,
    changes: BTreeSet<Change>,
    journal: u64,
    journal_first: u64,
    behind: bool,
    /// Who this node was when it last published each document since the store was opened, and the record's number.
    published: BTreeMap<DocKey, Seen>,
    /// How often a member has told what it holds since the store was opened.
    heard: u32,
    /// Who this node is until then.
    unheard: Option<Instance>,
    /// Which sealed documents were handed to which of their owners' nodes, beside those that both are known to keep.
    handed: BTreeSet<(NodeId, RecordId)>,
    /// Whether there is no room for more of others.
    full: bool,
    /// Of whose and of which documents the states are kept.
    follows: Follows,
    interest: Interest,
}

impl<S: Storage> Replica<S> {
    /// Opens what the store holds. `own` are the organisations that this node writes for.
    ///
    /// # Errors
    /// [`ReplicaError`], if the store fails or an entry cannot be read.
    pub fn open(
        storage: S,
        node: NodeId,
        own: BTreeSet<OrgId>,
    ) -> Result<Self, ReplicaError<S::Error>> {
        let mut replica = Self {
            storage,
            node,
            own,
            networks: BTreeMap::new(),
            documents: BTreeMap::new(),
            sealed: SealedIndex::new(),
            blocked: BTreeSet::new(),
            disowned: BTreeSet::new(),
            changes: BTreeSet::new(),
            journal: 0,
            journal_first: 0,
            behind: false,
            published: BTreeMap::new(),
            heard: 0,
            unheard: None,
            handed: BTreeSet::new(),
            full: false,
            follows: Follows::default(),
            interest: Interest::default(),
        };
        replica.load_networks()?;
        replica.load_documents()?;
        replica.load_sealed()?;
        replica.load_blocked()?;
        replica.load_journal()?;
        replica.load_follows()?;
        replica.sweep()?;
        Ok(replica)
    }

    fn load_networks(&mut self) -> Result<(), ReplicaError<S::Error>> {
        let networks = &mut self.networks;
        let mut sound = true;
        self.storage.scan(Table::Charters, &[], &mut |key, value| {
            let read = <[u8; 32]>::try_from(key)
                .ok()
                .map(NetworkId::from_bytes)
                .and_then(|id| {
                    networks.insert(id, Network::new(Charter::parse(value, &id).ok()?));
                    Some(())
                });
            sound &= read.is_some();
            sound
        })?;
        damaged_unless(sound, Table::Charters)?;
        for (id, network) in networks.iter_mut() {
            self.storage
                .scan(Table::Standings, id.as_bytes(), &mut |key, value| {
                    let read = org_of_key(key).and_then(|org| {
                        network.set_standing(org, Some(cbor::from_kept::<Standing>(value).ok()?));
                        Some(())
                    });
                    sound &= read.is_some();
                    sound
                })?;
            damaged_unless(sound, Table::Standings)?;
            let departures = &mut network.departures;
            self.storage
                .scan(Table::Departures, id.as_bytes(), &mut |key, value| {
                    let read = org_of_key(key).and_then(|org| {
                        departures.insert(
                            org,
                            Departed::new(item::departure_id(&view::stored_departure(value)?)),
                        );
                        Some(())
                    });
                    sound &= read.is_some();
                    sound
                })?;
            damaged_unless(sound, Table::Departures)?;
            self.storage
                .scan(Table::Amendments, id.as_bytes(), &mut |_, value| {
                    match amendments::stored_amendment(value) {
                        Some(amendment) => network.set_amendment(
                            charter_id(&amendment),
                            Terms {
                                previous: amendment.get().previous,
                                vouches_needed: amendment.get().vouches_needed,
                            },
                        ),
                        None => sound = false,
                    }
                    sound
                })?;
            damaged_unless(sound, Table::Amendments)?;
            network.update_active(&self.own);
            network.refresh();
        }
        Ok(())
    }

    fn load_documents(&mut self) -> Result<(), ReplicaError<S::Error>> {
        // In the order of the keys, from which a map is made at once.
        let mut documents = Vec::new();
        let mut sound = true;
        let mut written = Vec::new();
        self.storage
            .scan(Table::Documents, &[], &mut |key, value| {
                match (DocKey::from_bytes(key), Entry::decode(value)) {
                    (Some(key), Some(entry)) => {
                        documents.push((key, summaries(&entry)));
                        if entry.names(&self.node) {
                            written.push((key, entry));
                        }
                    }
                    _ => sound = false,
                }
                sound
            })?;
        damaged_unless(sound, Table::Documents)?;
        self.documents = documents.into_iter().collect();
        for (key, entry) in written {
            self.note_behind(&key, &entry)?;
        }
        Ok(())
    }

    /// The store.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The store, for tables that the replica does not keep: own documents, peers, settings.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The organisations that this node writes for.
    pub fn own(&self) -> &BTreeSet<OrgId> {
        &self.own
    }

    /// Takes in an organisation that this node writes for from now on.
    pub fn add_own(&mut self, org: OrgId) {
        self.own.insert(org);
        for network in self.networks.values_mut() {
            network.update_active(&self.own);
        }
    }

    /// No longer writes for an organisation, which has moved to another node; its documents are then held
    /// like anyone's: if it is no member, the next [`Replica::settle`] lets go of them.
    pub fn remove_own(&mut self, org: &OrgId) {
        self.own.remove(org);
        self.disowned.insert(*org);
        for network in self.networks.values_mut() {
            network.update_active(&self.own);
        }
    }

    /// Takes part in a network from now on, as an applicant at least. Cards that are held already, of
    /// organisations that this node knows from another network, count at once.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing is changed then.
    pub fn add_network(&mut self, charter: Charter) -> Result<NetworkId, ReplicaError<S::Error>> {
        let id = charter.network();
        if self.networks.contains_key(&id) {
            return Ok(id);
        }
        let mut batch = Batch::default();
        batch.put(Table::Charters, *id.as_bytes(), charter.to_bytes());
        let mut network = Network::new(charter);
        for org in self.organisations() {
            let cards = self.held_cards(&org)?;
            if let Some(standing) = Standing::of(&id, &org, &cards, None) {
                batch.put(
                    Table::Standings,
                    standing_key(&id, &org),
                    cbor::to_vec(&standing),
                );
                network.set_standing(org, Some(standing));
            }
        }
        network.update_active(&self.own);
        self.storage.commit(batch)?;
        self.networks.insert(id, network);
        self.changes.insert(Change::Roster(id));
        Ok(id)
    }

    /// The networks that this node knows, those that it has left included, with their charters.
    pub fn networks(&self) -> impl Iterator<Item = (NetworkId, &Charter)> {
        self.networks
            .iter()
            .map(|(id, network)| (*id, &network.charter))
    }

    /// Whether this node takes part in a network: it has joined, or is about to, and has not left.
    pub fn is_active(&self, network: &NetworkId) -> bool {
        self.networks
            .get(network)
            .is_some_and(|network| network.active)
    }

    /// The networks that this node takes part in.
    pub(crate) fn active_networks(&self) -> impl Iterator<Item = NetworkId> + '_ {
        let active = self.networks.iter().filter(|(_, network)| network.active);
        active.map(|(id, _)| *id)
    }

    /// The charter of a network that this node knows.
    pub fn charter(&self, network: &NetworkId) -> Option<&Charter> {
        self.networks.get(network).map(|network| &network.charter)
    }

    /// The roster of a network, brought up to date first.
    pub fn roster(&mut self, network: &NetworkId) -> Option<&Roster> {
        self.networks.get_mut(network).map(Network::refresh)
    }

    /// Asks how the roster of a network came about; `None` if the network is not known.
    pub fn inquire<T>(
        &mut self,
        network: &NetworkId,
        ask: impl FnOnce(&Inquiry<'_>) -> T,
    ) -> Option<T> {
        let known = self.networks.get_mut(network)?;
        known.refresh();
        Some(known.inquire(ask))
    }

    /// The statements of one organisation in one network.
    pub fn standing(&self, network: &NetworkId, org: &OrgId) -> Option<&Standing> {
        self.networks.get(network)?.standings.get(org)
    }

    /// Where an organisation stands best among the networks named: a member of any of them is a member.
    pub fn place_among(&mut self, org: &OrgId, networks: &[NetworkId]) -> Option<Place> {
        networks
            .iter()
            .filter_map(|id| self.networks.get_mut(id)?.refresh().place_of(org))
            .min()
    }

    /// Where an organisation stands best among all networks of this node.
    pub fn place(&mut self, org: &OrgId) -> Option<Place> {
        let active = self.networks.values_mut().filter(|network| network.active);
        active
            .filter_map(|network| network.refresh().place_of(org))
            .min()
    }

    /// The organisations that delegated a node and have not revoked it.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn orgs_of_node(&self, node: &NodeId) -> Result<Vec<OrgId>, ReplicaError<S::Error>> {
        self.orgs_with(node, false)
    }

    /// The organisations that revoked a node.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn orgs_that_revoked(&self, node: &NodeId) -> Result<Vec<OrgId>, ReplicaError<S::Error>> {
        self.orgs_with(node, true)
    }

    fn orgs_with(
        &self,
        node: &NodeId,
        revoked: bool,
    ) -> Result<Vec<OrgId>, ReplicaError<S::Error>> {
        let mut orgs = Vec::new();
        self.storage
            .scan(Table::NodeOrgs, node.as_bytes(), &mut |key, value| {
                let org = key.last_chunk::<32>().map(|org| OrgId::from_bytes(*org));
                orgs.extend(org.filter(|_| (value == revocations::REVOKED) == revoked));
                true
            })?;
        Ok(orgs)
    }

    /// What changed since the last call, each once.
    pub fn poll_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes).into_iter().collect()
    }

    /// The organisations of which any document is held.
    pub fn organisations(&self) -> Vec<OrgId> {
        let mut orgs: Vec<OrgId> = self.documents.keys().map(|key| key.org).collect();
        orgs.dedup();
        orgs
    }

    /// The organisations of which a card is held and nothing of a listing. Reads nothing from the store.
    pub fn without_listing(&self) -> Vec<OrgId> {
        let mut without = Vec::new();
        for key in self.documents.keys() {
            match key.name {
                DocName::Card => without.push(key.org),
                DocName::Listing(_) if without.last() == Some(&key.org) => {
                    without.pop();
                }
                _ => {}
            }
        }
        without
    }

    /// How many documents are held.
    pub fn document_count(&self) -> usize {
        self.documents.len()
    }

    /// The documents of one name that are held, of all organisations. Reads nothing from the store.
    pub fn documents_named(&self, name: DocName) -> impl Iterator<Item = DocKey> + '_ {
        self.documents
            .keys()
            .filter(move |key| key.name == name)
            .copied()
    }

    /// The documents that are held of one organisation, card first.
    pub fn documents_of(&self, org: &OrgId) -> impl Iterator<Item = DocKey> + '_ {
        let first = DocKey {
            org: *org,
            name: DocName::Card,
        };
        let org = *org;
        self.documents
            .range(first..)
            .map(|(key, _)| *key)
            .take_while(move |key| key.org == org)
    }

    fn entry(&self, key: &DocKey) -> Result<Entry, ReplicaError<S::Error>> {
        match self.storage.get(Table::Documents, &key.to_bytes())? {
            None => Ok(Entry::default()),
            Some(bytes) => Entry::decode(&bytes).ok_or(ReplicaError::Damaged(Table::Documents)),
        }
    }
}

fn damaged_unless<E: std::error::Error>(sound: bool, table: Table) -> Result<(), ReplicaError<E>> {
    if sound {
        Ok(())
    } else {
        Err(ReplicaError::Damaged(table))
    }
}

fn network_key(network: &NetworkId, id: &[u8; 32]) -> Vec<u8> {
    [network.as_bytes().as_slice(), id].concat()
}

fn standing_key(network: &NetworkId, org: &OrgId) -> Vec<u8> {
    network_key(network, org.as_bytes())
}

fn org_of_key(key: &[u8]) -> Option<OrgId> {
    key.last_chunk::<32>().map(|org| OrgId::from_bytes(*org))
}

fn delegation_key(org: &OrgId, node: &NodeId) -> Vec<u8> {
    [org.as_bytes().as_slice(), node.as_bytes()].concat()
}

fn node_org_key(node: &NodeId, org: &OrgId) -> Vec<u8> {
    [node.as_bytes().as_slice(), org.as_bytes()].concat()
}

fn state_key(key: &DocKey, id: &RecordId) -> Vec<u8> {
    [key.to_bytes().as_slice(), id.as_bytes()].concat()
}
