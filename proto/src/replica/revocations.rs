//! Revocations: a node's right to write has ended, and what it wrote after its last record that counts
//! counts no longer.
//!
//! A revocation is signed by the root key, so it counts whatever becomes of the card that carried it: a
//! thief's later card, which leaves it out, cannot undo it.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::writes::Writes;
use super::{Entry, Item, Kept, Replica, ReplicaError, delegation_key, node_org_key, state_key};
use crate::card::Card;
use crate::cbor;
use crate::certificate::{FORMAT, LastRecord, Revocation};
use crate::ids::{DocKey, DocName, NodeId, OrgId, RecordId};
use crate::planted::{self, Planted};
use crate::record::{Instance, Record};
use crate::signed::Signed;
use crate::storage::{Storage, Table};

/// Most revocations kept of one node; a root key needs to sign one.
const PER_NODE_MAX: usize = 4;

/// What stands in the table of nodes and organisations where the one has revoked the other.
pub(super) const REVOKED: &[u8] = b"revoked";

#[derive(Default, Encode, Decode)]
#[cbor(transparent)]
struct Stored(#[n(0)] Vec<ByteVec>);

impl<S: Storage> Replica<S> {
    /// The revocations of a node by an organisation.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn revocations(
        &self,
        org: &OrgId,
        node: &NodeId,
    ) -> Result<Vec<Revocation>, ReplicaError<S::Error>> {
        let damaged = || ReplicaError::Damaged(Table::Revocations);
        let Some(bytes) = self
            .storage
            .get(Table::Revocations, &delegation_key(org, node))?
        else {
            return Ok(Vec::new());
        };
        let Stored(all) = cbor::from_slice(&bytes).map_err(|_| damaged())?;
        let read = |bytes: &ByteVec| Signed::<Revocation>::from_trusted(bytes).ok();
        let all: Option<Vec<_>> = all.iter().map(read).collect();
        Ok(all
            .ok_or_else(damaged)?
            .iter()
            .map(|one| one.get().clone())
            .collect())
    }

    /// The revocations of an organisation that are held here and that none of its current cards lists.
    ///
    /// A thief's card can take the place of the one that revokes the thief's node, and a card written after it
    /// can take the place of both. Where that happened, only those who heard of the revocation in time know
    /// of it, until the organisation's card says it again.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn unsaid_revocations(
        &self,
        org: &OrgId,
    ) -> Result<Vec<Signed<Revocation>>, ReplicaError<S::Error>> {
        let damaged = || ReplicaError::Damaged(Table::Revocations);
        let mut stored = Vec::new();
        self.storage
            .scan(Table::Revocations, org.as_bytes(), &mut |_, bytes| {
                stored.push(bytes.to_vec());
                true
            })?;
        let mut unsaid = Vec::new();
        for bytes in &stored {
            let Stored(all) = cbor::from_slice(bytes).map_err(|_| damaged())?;
            for one in &all {
                unsaid.push(Signed::<Revocation>::from_trusted(one).map_err(|_| damaged())?);
            }
        }
        if unsaid.is_empty() {
            return Ok(unsaid);
        }
        let key = DocKey {
            org: *org,
            name: DocName::Card,
        };
        for item in self.items(&key)? {
            let Item::Record {
                state: Some(state), ..
            } = item
            else {
                continue;
            };
            let Ok(card) = Card::parse(&state) else {
                continue;
            };
            let said = card.revocations.iter();
            let said: Vec<Revocation> = said.filter_map(|it| it.claimed().ok()).collect();
            unsaid.retain(|one| !said.contains(one.get()));
        }
        Ok(unsaid)
    }

    /// The last records of a node that are known here, of each of an organisation's documents: what a revocation names,
    /// so that they count. A record of which neither the state nor the sealed form is here is not among them: a thief
    /// need never hand it out, and it would stand in the place of what came before it.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn last_records(
        &self,
        org: &OrgId,
        node: &NodeId,
    ) -> Result<Vec<LastRecord>, ReplicaError<S::Error>> {
        let mut last: BTreeMap<(DocName, Instance), u64> = BTreeMap::new();
        for key in self.documents_of(org) {
            let sealed = self.sealed.get(&key);
            for kept in &self.entry(&key)?.current {
                let record = kept.record.get();
                let is_sealed = sealed.is_some_and(|held| held.contains(&kept.record.id()));
                let is_bare = !kept.holding.is_held() && !is_sealed;
                for seen in record.clock().filter(|it| it.writer.node == *node) {
                    let itself = is_bare && seen.writer == record.writer;
                    let seq = seen.seq.saturating_sub(u64::from(itself));
                    if seq > 0 {
                        let known = last.entry((key.name, seen.writer.instance)).or_default();
                        *known = seq.max(*known);
                    }
                }
            }
        }
        let last = last
            .into_iter()
            .map(|((document, instance), seq)| LastRecord {
                document,
                instance,
                seq,
            });
        Ok(last.collect())
    }

    /// Forgets what an organisation revoked that this node, which leaves, has nothing more to do with. If it comes
    /// back, it hears of them as everybody else does: were it the only one to know of one, it would differ
    /// from all others for ever.
    pub(super) fn forget_revocations(
        &self,
        org: &OrgId,
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        let mut keys = Vec::new();
        self.storage
            .scan(Table::Revocations, org.as_bytes(), &mut |key, _| {
                keys.push(key.to_vec());
                true
            })?;
        for key in keys {
            let node = key.get(org.as_bytes().len()..).unwrap_or_default();
            if let Ok(node) = <[u8; 32]>::try_from(node) {
                let node = NodeId::from_bytes(node);
                writes
                    .batch
                    .remove(Table::NodeOrgs, node_org_key(&node, org));
            }
            writes.batch.remove(Table::Revocations, key);
        }
        Ok(())
    }

    /// Whether no revocation stands against a record.
    pub(super) fn allows(&self, record: &Record) -> Result<bool, ReplicaError<S::Error>> {
        let revocations = self.revocations(&record.org, &record.writer.node)?;
        Ok(revocations.iter().all(|one| one.allows(record))
            || planted::is(Planted::ForgetLastRecord))
    }

    /// Whether an organisation has revoked a node.
    pub(super) fn is_revoked(
        &self,
        org: &OrgId,
        node: &NodeId,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let key = delegation_key(org, node);
        Ok(self.storage.get(Table::Revocations, &key)?.is_some())
    }

    /// How many nodes an organisation has revoked.
    pub(super) fn count_revoked(&self, org: &OrgId) -> Result<usize, ReplicaError<S::Error>> {
        let mut count = 0;
        self.storage
            .scan(Table::Revocations, org.as_bytes(), &mut |_, _| {
                count += 1;
                true
            })?;
        Ok(count)
    }

    /// Keeps the revocations that a card lists and that are signed by its organisation, and lets go at
    /// once of what they end. Answers whether there was a new one.
    pub(super) fn learn_revocations(
        &mut self,
        org: &OrgId,
        card: &Card,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let mut learnt = false;
        for carried in &card.revocations {
            // What it claims is looked at first: a check of the signature costs more.
            let claimed = carried.claimed().ok();
            let Some(claimed) = claimed.filter(|it| it.org == *org && it.format == FORMAT) else {
                continue;
            };
            if self.revocations(org, &claimed.node)?.contains(&claimed) {
                continue;
            }
            if let Ok(revocation) = carried.verified() {
                learnt |= self.take_revocation(&revocation)?;
            }
        }
        Ok(learnt)
    }

    fn take_revocation(
        &mut self,
        revocation: &Signed<Revocation>,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let (org, node) = (revocation.get().org, revocation.get().node);
        let key = delegation_key(&org, &node);
        let stored = self.storage.get(Table::Revocations, &key)?;
        let damaged = |_| ReplicaError::Damaged(Table::Revocations);
        let Stored(mut all) = stored
            .map(|bytes| cbor::from_slice(&bytes).map_err(damaged))
            .transpose()?
            .unwrap_or_default();
        all.push(revocation.to_bytes().into());
        // Of too many, every replica keeps the same ones.
        all.sort_by(|a, b| a.as_slice().cmp(b.as_slice()));
        all.truncate(PER_NODE_MAX);
        let mut writes = Writes::default();
        writes
            .batch
            .put(Table::Revocations, key, cbor::to_vec(&Stored(all)));
        writes
            .batch
            .put(Table::NodeOrgs, node_org_key(&node, &org), REVOKED);
        let keys: Vec<DocKey> = self.documents_of(&org).collect();
        for key in keys {
            if planted::is(Planted::KeepRevoked) {
                continue;
            }
            self.drop_revoked(key, revocation.get(), &mut writes)?;
        }
        self.apply(writes)?;
        Ok(true)
    }

    /// Lets go of the records of a document that a revocation ends.
    fn drop_revoked(
        &mut self,
        key: DocKey,
        revocation: &Revocation,
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        let before = self.entry(&key)?;
        let counts = |kept: &Kept| revocation.allows(kept.record.get());
        let (current, mut gone): (Vec<Kept>, Vec<Kept>) =
            before.current.iter().cloned().partition(counts);
        let (fallback, ended): (Vec<Kept>, Vec<Kept>) =
            before.fallback.iter().cloned().partition(counts);
        gone.extend(ended);
        if gone.is_empty() {
            return Ok(());
        }
        let mut after = Entry {
            current,
            fallback: None,
        };
        // What stood in for a record that does not count was replaced by nothing that does.
        match fallback.into_iter().next() {
            Some(kept) if after.replaces(&kept) => after.fallback = Some(kept),
            Some(kept) => {
                after.current.push(kept);
                after.current.sort_by_key(|kept| kept.record.id());
            }
            None => {}
        }
        if after.current.is_empty() && after.fallback.is_none() {
            self.drop_document(writes, key)?;
        } else {
            for kept in gone {
                let id = kept.record.id();
                writes.batch.remove(Table::States, state_key(&key, &id));
                writes.drop_sealed(key, id);
            }
            self.put_entry(writes, key, &after);
        }
        if key.name.is_card() {
            self.follow_card(key, &after, (RecordId::from_bytes([0; 32]), None), writes)?;
        }
        Ok(())
    }
}
