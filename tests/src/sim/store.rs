//! A store that forgets in a crash what was not flushed, can be full, and can be copied and put back.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fingerpost_proto::storage::{Batch, Storage, Table};

/// A store that has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no room on the disk")
    }
}

impl std::error::Error for Full {}

type Value = Arc<[u8]>;

/// Tables are numbered from 1 to 18.
const TABLES: usize = 19;
/// Shorter values are not worth the look-up.
const SHARED_FROM_BYTES: usize = 64;

thread_local! {
    /// Hundreds of nodes hold the same states: each is in memory once.
    static SHARED: RefCell<(HashSet<Value>, usize)> = RefCell::new((HashSet::new(), 20_000));
}

fn shared(value: Vec<u8>) -> Value {
    if value.len() < SHARED_FROM_BYTES {
        return value.into();
    }
    SHARED.with_borrow_mut(|(known, sweep_at)| {
        if let Some(value) = known.get(value.as_slice()) {
            return Arc::clone(value);
        }
        if known.len() >= *sweep_at {
            known.retain(|value| Arc::strong_count(value) > 1);
            *sweep_at = known.len() * 2 + 20_000;
        }
        let value: Value = value.into();
        known.insert(Arc::clone(&value));
        value
    })
}

/// What is written at once, and how to take back what of it would not survive a loss of power.
#[derive(Debug, Clone, Default)]
pub struct CrashStorage {
    tables: [BTreeMap<Vec<u8>, Value>; TABLES],
    /// What the keys held before the writes that are not flushed, in the order of these.
    undo: Vec<(Table, Vec<u8>, Option<Value>)>,
    unflushed: usize,
    bytes: u64,
    /// How many batches still fit; `None` if there is room.
    room: Option<u32>,
}

impl CrashStorage {
    /// The store as it is found after a crash.
    pub fn after_crash(&self) -> Self {
        let mut store = self.clone();
        for (table, key, before) in std::mem::take(&mut store.undo).into_iter().rev() {
            store.set(table, key, before);
        }
        store.unflushed = 0;
        store
    }

    /// How many batches a crash would take away now.
    pub fn unflushed(&self) -> usize {
        self.unflushed
    }

    /// Lets writes fail after so many more batches; `None` gives room again.
    pub fn set_room(&mut self, batches: Option<u32>) {
        self.room = batches;
    }

    /// Bytes of all values.
    pub fn size_bytes(&self) -> u64 {
        self.bytes
    }

    /// What a key would hold after a crash.
    pub fn durable(&self, table: Table, key: &[u8]) -> Option<&[u8]> {
        let mut undo = self.undo.iter();
        match undo.find(|(in_table, of, _)| *in_table == table && of == key) {
            Some((_, _, before)) => before.as_deref(),
            None => self.table(table).get(key).map(|value| &**value),
        }
    }

    /// All entries of a table, in the order of their keys.
    pub fn entries(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        let entries = self.table(table).iter();
        entries.map(|(key, value)| (key.as_slice(), &**value))
    }

    fn table(&self, table: Table) -> &BTreeMap<Vec<u8>, Value> {
        &self.tables[table as usize]
    }

    fn set(&mut self, table: Table, key: Vec<u8>, value: Option<Value>) -> Option<Value> {
        self.bytes += value.as_ref().map_or(0, |value| value.len() as u64);
        let table = &mut self.tables[table as usize];
        let before = match value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
        self.bytes -= before.as_ref().map_or(0, |value| value.len() as u64);
        before
    }
}

impl Storage for CrashStorage {
    type Error = Full;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Full> {
        Ok(self.table(table).get(key).map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Full> {
        for (key, value) in self.table(table).range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Full> {
        match &mut self.room {
            Some(0) => return Err(Full),
            Some(batches) => *batches -= 1,
            None => {}
        }
        for (table, key, value) in batch.writes {
            let before = self.set(table, key.clone(), value.map(shared));
            self.undo.push((table, key, before));
        }
        self.unflushed += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Full> {
        self.undo.clear();
        self.unflushed = 0;
        Ok(())
    }
}
