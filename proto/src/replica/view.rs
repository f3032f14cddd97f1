//! Reading a replica: what is shown, what is missing, what is known of peers.

use minicbor::{Decode, Encode};

use super::delegations::Delegations;
use super::undominated::{shown_id, shown_kept};
use super::{Item, Kept, Replica, ReplicaError, Summary, delegation_key, standing_key, state_key};
use crate::cbor;
use crate::certificate::{Delegation, Departure};
use crate::ids::{DocKey, DocName, NetworkId, NodeId, OrgId, RecordId};
use crate::record::SignedRecord;
use crate::signed::Signed;
use crate::storage::{Storage, Table};

/// What is shown of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The record that vouches for it.
    pub record: SignedRecord,
    /// The state's bytes.
    pub state: Vec<u8>,
    /// How many other undominated records there are: siblings that published while apart.
    pub concurrent: usize,
    /// Whether a newer record is known whose state is still missing.
    pub outdated: bool,
}

/// Two different records that claim one place: proof that a key was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Whose document.
    pub key: DocKey,
    /// The two records as they were carried, ordered by their bytes.
    pub records: [Vec<u8>; 2],
}

#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct StoredProof {
    #[cbor(n(0), with = "minicbor::bytes")]
    first: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    second: Vec<u8>,
}

impl StoredProof {
    pub(super) fn new([first, second]: [Vec<u8>; 2]) -> Self {
        Self { first, second }
    }
}

/// Reads a departure from its stored form, which this node checked before it stored it.
pub(super) fn stored_departure(bytes: &[u8]) -> Option<Signed<Departure>> {
    match cbor::from_kept(bytes).ok()? {
        Item::Departure { departure, .. } => Signed::from_trusted(&departure).ok(),
        _ => None,
    }
}

pub(super) type Read<T, S> = Result<T, ReplicaError<<S as Storage>::Error>>;

impl<S: Storage> Replica<S> {
    /// What is shown of a document; `None` if no state of it is held.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn shown(&self, key: &DocKey) -> Read<Option<Shown>, S> {
        let entry = self.entry(key)?;
        let Some(kept) = shown_kept(&entry) else {
            return Ok(None);
        };
        let Some(state) = self
            .storage
            .get(Table::States, &state_key(key, &kept.record.id()))?
        else {
            return Err(ReplicaError::Damaged(Table::States));
        };
        Ok(Some(Shown {
            record: kept.record.clone(),
            state,
            concurrent: entry.current.len().saturating_sub(1),
            outdated: entry.current.iter().any(|kept| kept.holding.is_lacking()),
        }))
    }

    /// The id of the record that is shown of a document.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn shown_id(&self, key: &DocKey) -> Read<Option<RecordId>, S> {
        Ok(shown_id(&self.entry(key)?))
    }

    /// The undominated records of a document as items to send, each with its delegation and state.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn items(&self, key: &DocKey) -> Read<Vec<Item>, S> {
        let entry = self.entry(key)?;
        entry
            .current
            .iter()
            .map(|kept| self.item(key, kept))
            .collect()
    }

    fn item(&self, key: &DocKey, kept: &Kept) -> Read<Item, S> {
        let record = kept.record.get();
        let held = self.delegations(&key.org, &record.writer.node)?;
        let delegation = held.covering(record).map(Signed::to_bytes);
        let at = state_key(key, &kept.record.id());
        let state = match kept.holding.is_held() {
            true => self.storage.get(Table::States, &at)?,
            false => None,
        };
        Ok(Item::Record {
            record: kept.record.to_bytes(),
            delegation,
            state,
        })
    }

    /// What is kept of a document in the place of an undominated record whose state is not here.
    pub(crate) fn stand_in(&self, key: &DocKey) -> Read<Option<(RecordId, Item)>, S> {
        let fallback = self.entry(key)?.fallback;
        let item = fallback.map(|kept| Ok((kept.record.id(), self.item(key, &kept)?)));
        item.transpose()
    }

    /// The same for a receiver that has the organisation's current card, and with it the delegations
    /// of those who wrote that: they are left out.
    pub(crate) fn items_after_card(&self, key: &DocKey) -> Read<Vec<Item>, S> {
        let mut items = self.items(key)?;
        if key.name.is_card() {
            return Ok(items);
        }
        let mut known = Vec::new();
        for kept in &self
            .entry(&DocKey {
                org: key.org,
                name: DocName::Card,
            })?
            .current
        {
            let record = kept.record.get();
            let held = self.delegations(&key.org, &record.writer.node)?;
            known.extend(held.covering(record).map(Signed::to_bytes));
        }
        for item in &mut items {
            if let Item::Record { delegation, .. } = item {
                delegation.take_if(|delegation| known.contains(delegation));
            }
        }
        Ok(items)
    }

    /// Whether any undominated record of a document was issued at a moment or later.
    pub(crate) fn is_issued_since(&self, key: &DocKey, since_s: u64) -> Read<bool, S> {
        let entry = self.entry(key)?;
        let mut records = entry.current.iter().map(|kept| kept.record.get());
        Ok(records.any(|record| record.issued_at_s >= since_s))
    }

    /// A departure as an item to send.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn departure_item(&self, network: &NetworkId, org: &OrgId) -> Read<Option<Item>, S> {
        match self
            .storage
            .get(Table::Departures, &standing_key(network, org))?
        {
            None => Ok(None),
            Some(bytes) => cbor::from_slice(&bytes)
                .map(Some)
                .map_err(|_| ReplicaError::Damaged(Table::Departures)),
        }
    }

    /// The latest delegation of a node by an organisation.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn delegation(&self, org: &OrgId, node: &NodeId) -> Read<Option<Signed<Delegation>>, S> {
        Ok(self.delegations(org, node)?.last().cloned())
    }

    pub(super) fn delegations(&self, org: &OrgId, node: &NodeId) -> Read<Delegations, S> {
        match self
            .storage
            .get(Table::Delegations, &delegation_key(org, node))?
        {
            None => Ok(Delegations::default()),
            Some(bytes) => {
                Delegations::decode(&bytes).ok_or(ReplicaError::Damaged(Table::Delegations))
            }
        }
    }

    /// The proofs of copied keys.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn proofs(&self) -> Read<Vec<Proof>, S> {
        let mut proofs = Vec::new();
        self.storage.scan(Table::Proofs, &[], &mut |key, value| {
            let key = key.get(..35).and_then(DocKey::from_bytes);
            if let (Some(key), Ok(stored)) = (key, cbor::from_slice::<StoredProof>(value)) {
                proofs.push(Proof {
                    key,
                    records: [stored.first, stored.second],
                });
            }
            true
        })?;
        Ok(proofs)
    }

    /// How many documents are held, and how many records lack their state.
    pub fn counts(&self) -> (usize, usize) {
        let lacking = self
            .documents
            .values()
            .flatten()
            .filter(|summary| summary.holding.is_lacking())
            .count();
        (self.documents.len(), lacking)
    }

    /// Whether a record of an organisation is held whose state is missing.
    pub(crate) fn lacks_states_of(&self, org: &OrgId) -> bool {
        let mut summaries = self
            .documents_of(org)
            .filter_map(|key| self.documents.get(&key))
            .flatten();
        summaries.any(|summary| summary.holding.is_lacking())
    }

    /// The ids of the undominated records of a document.
    pub fn record_ids(&self, key: &DocKey) -> Vec<RecordId> {
        self.documents
            .get(key)
            .into_iter()
            .flatten()
            .map(|summary| summary.id)
            .collect()
    }

    /// A hash over the undominated records of everything that an organisation publishes: equal on two
    /// nodes exactly if both hold its latest.
    pub fn fingerprint(&self, org: &OrgId) -> crate::record::Hash {
        let mut bytes = Vec::new();
        for key in self.documents_of(org) {
            for id in self.record_ids(&key) {
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        crate::record::Hash::of(&bytes)
    }

    /// The reconciliation entries of all undominated records, by document.
    pub(crate) fn summaries(&self) -> impl Iterator<Item = (&DocKey, &Summary)> {
        self.documents
            .iter()
            .flat_map(|(key, all)| all.iter().map(move |summary| (key, summary)))
    }

    /// The departures known in a network.
    pub(crate) fn departures(
        &self,
        network: &NetworkId,
    ) -> impl Iterator<Item = (OrgId, [u8; 32])> {
        let known = self
            .networks
            .get(network)
            .into_iter()
            .flat_map(|network| &network.departures);
        known.map(|(org, departed)| (*org, departed.id))
    }

    /// Whether a node speaks for an organisation, by any delegation that is held, and was not revoked.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn speaks_for(&self, node: &NodeId, org: &OrgId) -> Read<bool, S> {
        Ok(self
            .storage
            .get(Table::NodeOrgs, &super::node_org_key(node, org))?
            .is_some_and(|value| value != super::revocations::REVOKED))
    }
}
