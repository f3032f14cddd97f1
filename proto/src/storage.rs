//! What the replica asks of a store: tables of bytes, ordered keys, and atomic batches.
//!
//! The trait is small so that any engine can stand behind it; the daemon brings sled, tests and the
//! simulator bring [`MemoryStorage`].

use std::collections::BTreeMap;
use std::convert::Infallible;

/// A table of the store. The number is part of the on-disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Document key → its undominated records.
    Documents = 1,
    /// Document key and record id → the state's bytes.
    States = 2,
    /// Organisation and node → the delegation.
    Delegations = 3,
    /// Network → its charter.
    Charters = 4,
    /// Network and organisation → the departure statement with its delegation.
    Departures = 5,
    /// Network and organisation → its standing, as read from the card and the departure.
    Standings = 6,
    /// Document key, writer and number → two different records at one place.
    Proofs = 7,
    /// Node → the receipt of the last finished session with it.
    Receipts = 8,
    /// Organisation and document → the owner's automerge document. This node's own, never a peer's.
    Own = 9,
    /// Node → the addresses at which it was reached, the last one first, one a line.
    Peers = 10,
    /// Settings of the store itself: schema version, instance.
    Meta = 11,
    /// Node and organisation, for each delegation: which organisations a node speaks for.
    NodeOrgs = 13,
    /// Running number → document that changed, until every derived view has confirmed it.
    Journal = 14,
    /// Network and amendment → the signed amendment with its delegation.
    Amendments = 16,
    /// Document and record → the sealed document behind that record.
    Sealed = 17,
    /// Organisation and node → the revocations of the node by the organisation's root key.
    Revocations = 18,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 16] = [
        Self::Documents,
        Self::States,
        Self::Delegations,
        Self::Charters,
        Self::Departures,
        Self::Standings,
        Self::Proofs,
        Self::Receipts,
        Self::Own,
        Self::Peers,
        Self::Meta,
        Self::NodeOrgs,
        Self::Journal,
        Self::Amendments,
        Self::Sealed,
        Self::Revocations,
    ];
}

/// Writes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order: table, key, and the new value, or `None` to remove the key.
    pub writes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Adds a value.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), Some(value.into())));
    }

    /// Removes a key; removing what is absent does nothing.
    pub fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), None));
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// One entry of a table.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// A store of bytes.
pub trait Storage {
    /// Why an operation failed; the store is unchanged then.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads one value.
    ///
    /// # Errors
    /// Whatever keeps the store from answering.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Calls `visit` with the entries whose keys begin with `prefix`, in key order, until it answers
    /// `false`.
    ///
    /// # Errors
    /// Whatever keeps the store from answering.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Self::Error>;

    /// Applies a batch atomically. It is visible at once, and durable after [`Storage::flush`].
    ///
    /// # Errors
    /// Whatever keeps the store from writing.
    fn commit(&mut self, batch: Batch) -> Result<(), Self::Error>;

    /// Makes everything committed so far survive a crash. Called before anything is published.
    ///
    /// # Errors
    /// Whatever keeps the store from writing.
    fn flush(&mut self) -> Result<(), Self::Error>;
}

/// A store in memory, for tests and simulation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStorage {
    entries: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything in it, for comparison.
    pub fn entries(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.entries
            .iter()
            .map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl Storage for MemoryStorage {
    type Error = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.entries.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Infallible> {
        for ((found, key), value) in self.entries.range((table, prefix.to_vec())..) {
            if *found != table || !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Infallible> {
        for (table, key, value) in batch.writes {
            match value {
                Some(value) => self.entries.insert((table, key), value),
                None => self.entries.remove(&(table, key)),
            };
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
