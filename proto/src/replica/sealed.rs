//! Sealed documents: kept for their owners, who alone can open them.

use std::collections::{BTreeMap, BTreeSet};

use super::receive::Received;
use super::writes::Writes;
use super::{
    Accepted, Change, CheckedSealed, Item, Outcome, Refusal, Replica, ReplicaError, state_key,
};
use crate::cbor;
use crate::certificate::{FORMAT, Sealed};
use crate::ids::{DocKey, NetworkId, NodeId, OrgId, RecordId};
use crate::keys::SecretKey;
use crate::limits;
use crate::record::{Hash, SignedRecord};
use crate::signed::Signed;
use crate::storage::{Storage, Table};

/// Which sealed documents are held.
pub(super) type SealedIndex = BTreeMap<DocKey, BTreeSet<RecordId>>;

impl<S: Storage> Replica<S> {
    /// Takes in a sealed document. It counts if it belongs to a record that is held and undominated; an
    /// organisation's own nodes also take that of an older record, which is all there is if the owner
    /// was lost between a record and its sealed document.
    pub(super) fn receive_sealed(&mut self, item: &CheckedSealed) -> Received<S> {
        let sealed = item.sealed.get();
        let key = sealed.key();
        if !self.own.contains(&key.org) && self.is_outlived(&key.org) {
            return Ok(Outcome::Dominated);
        }
        if !self.is_taken(&key.org) {
            let refusal = match self.blocked.contains(&key.org) {
                true => Refusal::Blocked(key.org),
                false => Refusal::NotAMember(key.org),
            };
            return Ok(Outcome::Refused(refusal));
        }
        if self
            .sealed
            .get(&key)
            .is_some_and(|held| held.contains(&sealed.record))
        {
            return Ok(Outcome::AlreadyKnown);
        }
        let entry = self.entry(&key)?;
        let current = entry.current.iter().any(|kept| {
            kept.record.id() == sealed.record && kept.record.get().writer.node == sealed.node
        });
        let own = self.own.contains(&key.org);
        // What was erased does not come back with a history from before that.
        let older = own
            && sealed.generation.unwrap_or(0) >= entry.generation()
            && self.speaks_for(&sealed.node, &key.org)?
            && self.sealed.get(&key).map_or(0, BTreeSet::len) < limits::CONCURRENT_MAX_RECORDS;
        if !current && !older {
            return Ok(Outcome::Dominated);
        }
        let networks: Vec<NetworkId> = self.networks.keys().copied().collect();
        let keepers: Vec<OrgId> = self.own.iter().copied().collect();
        if !own && !self.keeps_sealed(&keepers, &key.org, &networks) {
            return Ok(Outcome::Dominated);
        }
        if self.lacks_room_sealed(item) {
            return Ok(Outcome::Refused(Refusal::NoRoom));
        }
        if self.is_sealed_over_quota(item)? {
            return Ok(Outcome::Refused(Refusal::OverQuota(key.org)));
        }
        let mut writes = Writes::default();
        writes.put_sealed(key, sealed.record, cbor::to_vec(&item.to_item()));
        if current {
            self.drop_older_sealed(&key, &sealed.record, &mut writes)?;
        }
        writes.changes.push(Change::Sealed(key));
        self.apply(writes)?;
        Ok(Outcome::Accepted(Accepted {
            key,
            id: sealed.record,
            only_state: true,
        }))
    }

    /// Lets go of sealed documents whose record is dominated, now that a newer one is here; but not of what may be all
    /// that is left.
    fn drop_older_sealed(
        &self,
        key: &DocKey,
        arrived: &RecordId,
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        let entry = self.entry(key)?;
        let mut stays = self.last_resorts_taken(key, &entry)?;
        let kept = entry.current.iter().chain(&entry.fallback);
        stays.extend(kept.map(|kept| kept.record.id()));
        for held in self.sealed.get(key).into_iter().flatten() {
            if held != arrived && !stays.contains(held) {
                writes.drop_sealed(*key, *held);
            }
        }
        Ok(())
    }

    /// Adds to `writes` the sealed form of what is being published with a record.
    pub(super) fn seal_own(
        &self,
        now_s: u64,
        record: &SignedRecord,
        bytes: Vec<u8>,
        node: &SecretKey,
        writes: &mut Writes,
    ) -> Result<(), Refusal> {
        if bytes.len() > limits::SEALED_MAX_BYTES {
            return Err(Refusal::SealedTooLarge);
        }
        let key = record.get().key();
        let sealed = Sealed {
            format: FORMAT,
            org: key.org,
            document: key.name,
            node: node.node_id(),
            record: record.id(),
            hash: Hash::of(&bytes),
            size_bytes: bytes.len() as u64,
            sealed_at_s: now_s,
            generation: record.get().generation,
        };
        let item = CheckedSealed {
            sealed: Signed::sign(sealed, node),
            bytes,
        };
        writes.put_sealed(key, record.id(), cbor::to_vec(&item.to_item()));
        Ok(())
    }

    /// After this node published a record with its sealed form: lets go of the older ones.
    pub(super) fn settle_sealed(
        &mut self,
        key: &DocKey,
        record: &RecordId,
    ) -> Result<(), ReplicaError<S::Error>> {
        let mut writes = Writes::default();
        self.drop_older_sealed(key, record, &mut writes)?;
        if writes.batch.is_empty() {
            return Ok(());
        }
        self.apply(writes)
    }

    /// Which sealed forms of a document are held, by the record behind which they stand.
    pub fn sealed_ids(&self, key: &DocKey) -> Vec<RecordId> {
        self.sealed
            .get(key)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The sealed bytes behind a record.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn sealed_bytes(
        &self,
        key: &DocKey,
        record: &RecordId,
    ) -> Result<Option<Vec<u8>>, ReplicaError<S::Error>> {
        Ok(match self.sealed_item(key, record)? {
            Some(Item::Sealed { bytes, .. }) => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn sealed_item(
        &self,
        key: &DocKey,
        record: &RecordId,
    ) -> Result<Option<Item>, ReplicaError<S::Error>> {
        let stored = self.storage.get(Table::Sealed, &state_key(key, record))?;
        let damaged = |_| ReplicaError::Damaged(Table::Sealed);
        stored
            .map(|bytes| cbor::from_slice(&bytes).map_err(damaged))
            .transpose()
    }

    /// All sealed documents that are held: the document, the record, and whether that is undominated.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = (DocKey, RecordId, bool)> + '_ {
        self.sealed.iter().flat_map(|(key, held)| {
            let current = self.record_ids(key);
            held.iter().map(move |id| (*key, *id, current.contains(id)))
        })
    }

    /// Whether the state of an undominated record of a document is not here.
    pub(crate) fn lacks_state(&self, key: &DocKey) -> bool {
        let summaries = self.documents.get(key);
        summaries.is_some_and(|all| all.iter().any(|it| it.holding.is_lacking()))
    }

    /// Whether a peer was handed a sealed document that it is not known to keep, since this store was opened.
    pub(crate) fn was_handed(&self, peer: &NodeId, record: &RecordId) -> bool {
        self.handed.contains(&(*peer, *record))
    }

    /// Notes that a peer was handed such documents.
    pub(crate) fn note_handed(
        &mut self,
        peer: NodeId,
        records: impl IntoIterator<Item = RecordId>,
    ) {
        for record in records {
            if self.handed.len() >= limits::HANDED_MAX {
                // They are handed once more, which does no harm.
                self.handed.clear();
            }
            self.handed.insert((peer, record));
        }
    }

    /// Whether nodes of `keepers` keep the sealed documents of `org`: in small networks all members do; in
    /// larger ones those whom a hash over both chooses, [`limits::SEALED_KEEPERS`] on average. Each pair is
    /// decided alone, so that nobody has to rank all members.
    pub(crate) fn keeps_sealed(
        &mut self,
        keepers: &[OrgId],
        org: &OrgId,
        networks: &[NetworkId],
    ) -> bool {
        networks.iter().any(|id| {
            if !self.is_shown_among(org, &[*id]) {
                return false;
            }
            let Some(network) = self.networks.get_mut(id) else {
                return false;
            };
            let roster = network.refresh();
            let members = roster.member_count();
            keepers
                .iter()
                .filter(|keeper| roster.is_member(keeper))
                .any(|keeper| {
                    members <= limits::SEALED_EVERYWHERE_MAX_ORGS
                        || is_chosen(keeper, org, members as u64)
                })
        })
    }

    pub(super) fn load_sealed(&mut self) -> Result<(), ReplicaError<S::Error>> {
        let sealed = &mut self.sealed;
        let mut sound = true;
        self.storage.scan(Table::Sealed, &[], &mut |key, _| {
            let document = key.get(..35).and_then(DocKey::from_bytes);
            let record = key.last_chunk::<32>().copied().map(RecordId::from_bytes);
            match document.zip(record) {
                Some((document, record)) => {
                    sealed.entry(document).or_default().insert(record);
                }
                None => sound = false,
            }
            sound
        })?;
        super::damaged_unless(sound, Table::Sealed)
    }
}

fn is_chosen(keeper: &OrgId, org: &OrgId, members: u64) -> bool {
    let parts: [&[u8]; 3] = [b"fingerpost/keeper/1\0", org.as_bytes(), keeper.as_bytes()];
    let hash = Hash::of(&parts.concat());
    let drawn = hash.0.first_chunk().copied().map_or(0, u64::from_be_bytes);
    drawn < (u64::MAX / members.max(1)).saturating_mul(limits::SEALED_KEEPERS)
}
