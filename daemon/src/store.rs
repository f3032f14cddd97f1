//! The store: [`Storage`] on sled.
//!
//! One sled tree; a key is the table's number and the key, so that a batch over several tables is one atomic
//! write. States are compressed one by one. The layout is described in `docs/protocol/store.md`.

mod rewrite;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use fingerpost_proto::limits;
use fingerpost_proto::storage::{Batch, Storage, Table};
use zstd::bulk::{Compressor, Decompressor};

/// Version of the layout.
const SCHEMA: u32 = 1;
/// Key of the schema version; no table has number 0.
const SCHEMA_KEY: [u8; 1] = [0];
const COMPRESSION_LEVEL: i32 = 3;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("{0}")]
    Sled(#[from] sled::Error),
    /// The engine gave up on the files.
    #[error("the files cannot be read: {0}")]
    Panicked(String),
    /// Written by a newer version of this program.
    #[error(
        "the store was written by a newer version of this program (layout {0}, this one reads {SCHEMA}); \
         nothing was changed; install the newer version again"
    )]
    NewerSchema(u32),
    /// A value cannot be read.
    #[error("a value in the store is damaged")]
    Damaged,
    /// Its files could not be moved.
    #[error("the store could not be written anew: {0}")]
    Move(std::io::Error),
    /// It was closed to be written anew, and could not be opened again.
    #[error("the store is closed; restart the daemon")]
    Closed,
}

impl StoreError {
    /// Whether the store is at fault and should be set aside, rather than the version or the disk.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged | Self::Panicked(_) => true,
            Self::Sled(error) => matches!(
                error,
                sled::Error::Corruption { .. }
                    | sled::Error::Unsupported(_)
                    | sled::Error::ReportableBug(_)
            ),
            Self::NewerSchema(_) | Self::Move(_) | Self::Closed => false,
        }
    }
}

/// A store in a directory.
#[derive(Debug)]
pub struct SledStorage {
    /// `None` only after it was closed and could not be opened again.
    db: Option<sled::Db>,
    dir: PathBuf,
    cache_mb: u32,
    /// What was committed and is not in the files yet, as it will be there: see [`SledStorage::hold`].
    held: Option<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl SledStorage {
    /// Opens the store in `dir`, making it if there is none.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub fn open(dir: &Path, cache_mb: u32) -> Result<Self, StoreError> {
        rewrite::repair(dir).map_err(StoreError::Move)?;
        Ok(Self {
            db: Some(open_db(dir, cache_mb)?),
            dir: dir.to_owned(),
            cache_mb,
            held: None,
        })
    }

    /// From now until the next flush, what is committed is kept in memory, where reading finds it. The flush
    /// writes all of it in one batch: so several commits survive a crash together or not at all. If that fails, it is
    /// kept for the next one.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    fn release(&mut self) -> Result<(), StoreError> {
        let mut writes = sled::Batch::default();
        for (key, value) in self.held.iter().flatten() {
            match value {
                Some(value) => writes.insert(key.as_slice(), value.as_slice()),
                None => writes.remove(key.as_slice()),
            }
        }
        self.db()?.apply_batch(writes)?;
        self.held = None;
        Ok(())
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or(StoreError::Closed)
    }

    /// The same files without what is held in memory: what a crash would leave.
    #[cfg(test)]
    pub(crate) fn files(&self) -> Self {
        Self {
            db: self.db.clone(),
            dir: self.dir.clone(),
            cache_mb: self.cache_mb,
            held: None,
        }
    }

    /// Size of its files, in bytes.
    ///
    /// # Errors
    /// [`StoreError::Sled`].
    pub fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.db()?.size_on_disk()?)
    }
}

fn open_db(dir: &Path, cache_mb: u32) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(u64::from(cache_mb) * 1024 * 1024)
        .flush_every_ms(Some(500))
        .mode(sled::Mode::LowSpace);
    let db = open_patiently(&config)?;
    match db.get(SCHEMA_KEY)? {
        None => {
            db.insert(SCHEMA_KEY, &SCHEMA.to_be_bytes())?;
            db.flush()?;
        }
        Some(bytes) => {
            let found = bytes.as_ref().try_into().map(u32::from_be_bytes);
            match found {
                Ok(SCHEMA) => {}
                Ok(newer) if newer > SCHEMA => return Err(StoreError::NewerSchema(newer)),
                _ => return Err(StoreError::Damaged),
            }
        }
    }
    Ok(db)
}

/// Opens the engine. It lets go of its files a moment after it was closed, so a lock that is held is asked for
/// again; that no other process holds it is known from the home's own lock.
fn open_patiently(config: &sled::Config) -> Result<sled::Db, StoreError> {
    let mut left = LOCK_TRIES;
    loop {
        // sled panics on some damaged files.
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened.map_err(|panic| StoreError::Panicked(panic_text(&*panic)))? {
            Err(sled::Error::Io(error))
                if left > 0 && error.to_string().contains("acquire lock") =>
            {
                left -= 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => return Ok(opened?),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Moves a damaged store out of the way, and says where it is now.
///
/// # Errors
/// What the system said.
pub fn set_aside(dir: &Path, now_s: u64) -> std::io::Result<PathBuf> {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{now_s}"));
    let aside = dir.with_file_name(name);
    std::fs::rename(dir, &aside)?;
    Ok(aside)
}

/// The stores that were set aside, of the one in `dir`.
pub fn stores_aside(dir: &Path) -> Vec<PathBuf> {
    let mut prefix = dir.file_name().unwrap_or_default().to_owned();
    prefix.push(".damaged-");
    let prefix = prefix.to_string_lossy().into_owned();
    let beside = dir.parent().and_then(|parent| parent.read_dir().ok());
    let entries = beside.into_iter().flatten().flatten();
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    aside.map(|entry| entry.path()).collect()
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table as u8);
    full.extend_from_slice(key);
    full
}

thread_local! {
    // Setting up a context costs more than compressing a listing with it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn to_stored(table: Table, value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if table != Table::States {
        return Ok(value);
    }
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::new(COMPRESSION_LEVEL).map_err(sled::Error::Io)?),
        };
        Ok(compressor.compress(&value).map_err(sled::Error::Io)?)
    })
}

fn from_stored(table: Table, value: &[u8]) -> Result<Vec<u8>, StoreError> {
    if table != Table::States {
        return Ok(value.to_vec());
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(sled::Error::Io)?),
        };
        // What this node compressed says how long it is; anything else is damage.
        let length =
            Decompressor::upper_bound(value).filter(|length| *length <= limits::STATE_MAX_BYTES);
        let length = length.ok_or(StoreError::Damaged)?;
        decompressor
            .decompress(value, length)
            .map_err(|_| StoreError::Damaged)
    })
}

impl Storage for SledStorage {
    type Error = StoreError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = full_key(table, key);
        if let Some(value) = self.held.as_ref().and_then(|held| held.get(&key)) {
            let value = value.as_ref().map(|value| from_stored(table, value));
            return value.transpose();
        }
        self.db()?
            .get(key)?
            .map(|value| from_stored(table, &value))
            .transpose()
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = full_key(table, prefix);
        let mut show = |key: &[u8], value: &[u8]| -> Result<bool, StoreError> {
            let value = from_stored(table, value)?;
            Ok(visit(key.get(1..).unwrap_or_default(), &value))
        };
        let held = self.held.iter();
        let mut held = held
            .flat_map(|held| held.range(prefix.clone()..))
            .take_while(|(key, _)| key.starts_with(&prefix))
            .peekable();
        for entry in self.db()?.scan_prefix(&prefix) {
            let (key, value) = entry?;
            while let Some((before, value)) = held.next_if(|(it, _)| it.as_slice() < key.as_ref()) {
                if let Some(value) = value
                    && !show(before, value)?
                {
                    return Ok(());
                }
            }
            let shown = match held.next_if(|(it, _)| it.as_slice() == key.as_ref()) {
                Some((_, Some(value))) => show(&key, value)?,
                Some((_, None)) => true,
                None => show(&key, &value)?,
            };
            if !shown {
                return Ok(());
            }
        }
        for (key, value) in held {
            if let Some(value) = value
                && !show(key, value)?
            {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(batch.writes.len());
        for (table, key, value) in batch.writes {
            let value = value.map(|value| to_stored(table, value)).transpose()?;
            writes.push((full_key(table, &key), value));
        }
        if let Some(held) = &mut self.held {
            held.extend(writes);
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        Ok(self.db()?.apply_batch(batch)?)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.held.is_some() {
            self.release()?;
        }
        self.db()?.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::storage::MemoryStorage;
    use proptest::prelude::*;

    fn all<S: Storage>(storage: &S) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let mut entries = Vec::new();
        for table in Table::ALL {
            storage
                .scan(table, &[], &mut |key, value| {
                    entries.push((table, key.to_vec(), value.to_vec()));
                    true
                })
                .unwrap();
        }
        entries
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// sled answers like the plain map that the simulator uses, also after it was opened again.
        #[test]
        fn it_behaves_like_a_map(writes in prop::collection::vec(
            (0..Table::ALL.len(), prop::collection::vec(0u8..4, 0..4), prop::option::of(prop::collection::vec(any::<u8>(), 0..300))), 0..60)
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut sled = SledStorage::open(&dir.path().join("store"), 8).unwrap();
            let mut memory = MemoryStorage::new();
            for (round, chunk) in writes.chunks(5).enumerate() {
                // Now and then it holds, over several commits, and then writes.
                match round % 4 {
                    1 => sled.hold(),
                    3 => sled.flush().unwrap(),
                    _ => {}
                }
                let mut batch = Batch::default();
                for (table, key, value) in chunk {
                    batch.writes.push((Table::ALL[*table], key.clone(), value.clone()));
                }
                sled.commit(batch.clone()).unwrap();
                memory.commit(batch).unwrap();
                prop_assert_eq!(all(&sled), all(&memory));
                for (table, key, value) in chunk {
                    prop_assert_eq!(
                        sled.get(Table::ALL[*table], key).unwrap().is_some(),
                        memory.get(Table::ALL[*table], key).unwrap().is_some(),
                        "{:?}", value
                    );
                }
            }
            sled.flush().unwrap();
            drop(sled);
            let sled = SledStorage::open(&dir.path().join("store"), 8).unwrap();
            prop_assert_eq!(all(&sled), all(&memory));
        }
    }

    #[test]
    fn what_is_held_is_in_the_files_only_after_the_flush() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SledStorage::open(dir.path(), 8).unwrap();
        // Another handle on the files sees what a crash would leave.
        let files = store.files();
        store.hold();
        for value in [[1], [2]] {
            let mut batch = Batch::default();
            batch.put(Table::Own, value, value);
            store.commit(batch).unwrap();
        }
        assert_eq!((all(&store).len(), all(&files).len()), (2, 0));
        store.flush().unwrap();
        assert_eq!(all(&store), all(&files));
        let mut batch = Batch::default();
        batch.put(Table::Own, [3], [3]);
        store.commit(batch).unwrap();
        assert_eq!(all(&files).len(), 3);
    }

    #[test]
    fn a_newer_layout_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStorage::open(dir.path(), 8).unwrap();
        store
            .db()
            .unwrap()
            .insert(SCHEMA_KEY, &(SCHEMA + 1).to_be_bytes())
            .unwrap();
        drop(store);
        let error = SledStorage::open(dir.path(), 8).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema(2)) && !error.is_damage());
    }
}
