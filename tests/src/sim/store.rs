//! A store that forgets in a crash what was not flushed.

use std::convert::Infallible;

use fingerpost_proto::storage::{Batch, MemoryStorage, Storage, Table};

/// What is written at once, and what of it would survive a loss of power.
#[derive(Debug, Clone, Default)]
pub struct CrashStorage {
    live: MemoryStorage,
    durable: MemoryStorage,
    unflushed: Vec<Batch>,
}

impl CrashStorage {
    /// The store as it is found after a crash.
    pub fn after_crash(&self) -> Self {
        Self {
            live: self.durable.clone(),
            durable: self.durable.clone(),
            unflushed: Vec::new(),
        }
    }

    /// How many batches a crash would take away now.
    pub fn unflushed(&self) -> usize {
        self.unflushed.len()
    }
}

impl Storage for CrashStorage {
    type Error = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        self.live.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Infallible> {
        self.live.scan(table, prefix, visit)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Infallible> {
        self.unflushed.push(batch.clone());
        self.live.commit(batch)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        for batch in self.unflushed.drain(..) {
            self.durable.commit(batch)?;
        }
        Ok(())
    }
}
