//! What one item changes.
//!
//! It is collected first, then written to the store in one batch, and taken into memory only once the
//! store has it: if the store fails, the replica is as it was.

use super::network::Departed;
use super::{
    Change, Entry, Replica, ReplicaError, Summary, network_key, standing_key, state_key, summaries,
};
use crate::ids::{CharterId, DocKey, NetworkId, OrgId, RecordId};
use crate::planted::{self, Planted};
use crate::roster::{Standing, Terms};
use crate::storage::{Batch, Storage, Table};

#[derive(Default)]
pub(super) struct Writes {
    pub(super) batch: Batch,
    pub(super) changes: Vec<Change>,
    /// Whether this node itself publishes: its own new record is no sign that it was behind.
    pub(super) publishing: bool,
    documents: Vec<(DocKey, Option<Vec<Summary>>)>,
    standings: Vec<(NetworkId, OrgId, Option<Standing>)>,
    departures: Vec<(NetworkId, OrgId, Departed)>,
    amendments: Vec<(NetworkId, CharterId, Terms)>,
    sealed: Vec<(DocKey, RecordId, bool)>,
}

impl Writes {
    /// What this node publishes itself, with what its caller keeps beside it.
    pub(super) fn publishing(also: Batch) -> Self {
        Self {
            batch: also,
            publishing: true,
            ..Self::default()
        }
    }

    /// Keeps what an organisation's statements say now.
    pub(super) fn put_standing(
        &mut self,
        network: NetworkId,
        org: OrgId,
        standing: Option<Standing>,
    ) {
        let key = standing_key(&network, &org);
        match &standing {
            Some(standing) => {
                self.batch
                    .put(Table::Standings, key, crate::cbor::to_vec(standing));
            }
            None => self.batch.remove(Table::Standings, key),
        }
        self.standings.push((network, org, standing));
        self.changes.push(Change::Roster(network));
    }

    /// Keeps a departure's stored form.
    pub(super) fn put_departure(
        &mut self,
        network: NetworkId,
        org: OrgId,
        departed: Departed,
        stored: Vec<u8>,
    ) {
        self.batch
            .put(Table::Departures, standing_key(&network, &org), stored);
        self.departures.push((network, org, departed));
    }

    /// Keeps an amendment's stored form, and what the roster needs of it.
    pub(super) fn put_amendment(
        &mut self,
        network: NetworkId,
        id: CharterId,
        terms: Terms,
        stored: Vec<u8>,
    ) {
        let key = network_key(&network, id.as_bytes());
        self.batch.put(Table::Amendments, key, stored);
        self.amendments.push((network, id, terms));
        self.changes.push(Change::Roster(network));
    }

    /// Keeps the sealed document behind a record.
    pub(super) fn put_sealed(&mut self, key: DocKey, record: RecordId, stored: Vec<u8>) {
        self.batch
            .put(Table::Sealed, state_key(&key, &record), stored);
        self.sealed.push((key, record, true));
    }

    /// Lets go of the sealed document behind a record.
    pub(super) fn drop_sealed(&mut self, key: DocKey, record: RecordId) {
        self.batch.remove(Table::Sealed, state_key(&key, &record));
        self.sealed.push((key, record, false));
    }
}

impl<S: Storage> Replica<S> {
    /// Keeps the new entry of a document.
    pub(super) fn put_entry(&mut self, writes: &mut Writes, key: DocKey, entry: &Entry) {
        writes
            .batch
            .put(Table::Documents, key.to_bytes(), entry.encode());
        writes.documents.push((key, Some(summaries(entry))));
        self.note_change(key, writes);
    }

    /// Lets go of everything of a document.
    pub(super) fn drop_document(
        &mut self,
        writes: &mut Writes,
        key: DocKey,
    ) -> Result<(), ReplicaError<S::Error>> {
        for table in [Table::Documents, Table::States] {
            self.storage.scan(table, &key.to_bytes(), &mut |key, _| {
                writes.batch.remove(table, key);
                true
            })?;
        }
        for record in self.sealed_ids(&key) {
            writes.drop_sealed(key, record);
        }
        writes.wipe();
        writes.documents.push((key, None));
        self.note_change(key, writes);
        Ok(())
    }

    /// Writes everything to the store, then takes it into memory.
    pub(super) fn apply(&mut self, writes: Writes) -> Result<(), ReplicaError<S::Error>> {
        if !writes.batch.is_empty() {
            let committed = self.storage.commit(writes.batch);
            if !planted::is(Planted::IgnoreFullDisk) {
                committed?;
            }
        }
        for (key, summaries) in writes.documents {
            match summaries {
                Some(summaries) => self.documents.insert(key, summaries),
                None => self.documents.remove(&key),
            };
        }
        for (network, org, standing) in writes.standings {
            let Some(known) = self.networks.get_mut(&network) else {
                continue;
            };
            known.set_standing(org, standing);
            if self.own.contains(&org) {
                known.update_active(&self.own);
            }
        }
        for (network, org, departed) in writes.departures {
            if let Some(known) = self.networks.get_mut(&network) {
                known.departures.insert(org, departed);
            }
        }
        for (network, id, terms) in writes.amendments {
            if let Some(known) = self.networks.get_mut(&network) {
                known.set_amendment(id, terms);
            }
        }
        for (key, record, held) in writes.sealed {
            let of_document = self.sealed.entry(key).or_default();
            if held {
                of_document.insert(record);
            } else {
                of_document.remove(&record);
            }
            if of_document.is_empty() {
                self.sealed.remove(&key);
            }
        }
        self.changes.extend(writes.changes);
        Ok(())
    }
}
