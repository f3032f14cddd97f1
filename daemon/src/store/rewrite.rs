//! Writing the store anew, so that nothing is left on the disk of what was let go of.
//!
//! The engine keeps old bytes in its segments until it needs their room. What was erased must go for certain: all that
//! is held is copied into a store beside this one, which then takes its place. A crash at any moment leaves one of the
//! two whole, and [`repair`] finds out which.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fingerpost_proto::storage::Storage;

use super::{LOCK_PAUSE, SledStorage, StoreError, open_db};

/// How many bytes are copied in one batch.
const CHUNK_BYTES: usize = 1024 * 1024;
/// How long the engine may take to let go of its files.
const CLOSE_MAX: Duration = Duration::from_secs(30);

fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    dir.with_file_name(name)
}

fn new_of(dir: &Path) -> PathBuf {
    beside(dir, ".new")
}

fn old_of(dir: &Path) -> PathBuf {
    beside(dir, ".old")
}

/// Ends what a crash interrupted. The new store is whole from the moment at which the old one was moved away.
pub(super) fn repair(dir: &Path) -> io::Result<()> {
    let (new, old) = (new_of(dir), old_of(dir));
    if !dir.exists() && new.exists() && old.exists() {
        fs::rename(&new, dir)?;
        sync_parent(dir)?;
    }
    // What cannot be removed is in nobody's way, and the next time it is tried again.
    remove(&new).ok();
    remove(&old).ok();
    Ok(())
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    dir.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

impl SledStorage {
    /// Writes the store anew. It holds the same afterwards, and its files hold nothing else.
    ///
    /// # Errors
    /// Any [`StoreError`]: the store is then as it was, or, if it could not be opened again, closed.
    pub fn rewrite(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        let new = new_of(&self.dir);
        remove(&new).map_err(StoreError::Move)?;
        let copied = self.copy_to(&new);
        if let Err(error) = copied {
            remove(&new).ok();
            return Err(error);
        }
        self.db = None;
        let moved = wait_until_closed(&self.dir)
            .and_then(|()| wait_until_closed(&new))
            .and_then(|()| swap(&self.dir, &new));
        self.db = Some(open_db(&self.dir, self.cache_mb)?);
        moved.map_err(StoreError::Move)?;
        remove(&old_of(&self.dir)).map_err(StoreError::Move)
    }

    fn copy_to(&self, new: &Path) -> Result<(), StoreError> {
        let copy = open_db(new, self.cache_mb)?;
        let mut batch = sled::Batch::default();
        let mut size_bytes = 0;
        for entry in self.db()?.iter() {
            let (key, value) = entry?;
            size_bytes += key.len() + value.len();
            batch.insert(key, value);
            if size_bytes >= CHUNK_BYTES {
                copy.apply_batch(std::mem::take(&mut batch))?;
                size_bytes = 0;
            }
        }
        copy.apply_batch(batch)?;
        copy.flush()?;
        Ok(())
    }
}

/// The engine ends its work a moment after it was closed, and would write into whatever is then called so.
fn wait_until_closed(dir: &Path) -> io::Result<()> {
    let begun = Instant::now();
    let file = File::open(dir.join("db"))?;
    loop {
        match file.try_lock() {
            Ok(()) => return file.unlock(),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() >= CLOSE_MAX => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
        }
    }
}

fn swap(dir: &Path, new: &Path) -> io::Result<()> {
    let old = old_of(dir);
    remove(&old)?;
    fs::rename(dir, &old)?;
    sync_parent(dir)?;
    if let Err(error) = fs::rename(new, dir) {
        // The disk has a say in this: what was there is put back.
        fs::rename(&old, dir)?;
        return Err(error);
    }
    sync_parent(dir)
}

#[cfg(test)]
mod tests {
    use fingerpost_proto::storage::{Batch, Table};

    use super::*;

    fn filled(dir: &Path) -> SledStorage {
        let mut store = SledStorage::open(dir, 8).unwrap();
        for number in 0..200u8 {
            let mut batch = Batch::default();
            batch.put(Table::Meta, [number], vec![number; 9000]);
            batch.put(Table::Own, [number], format!("a secret {number}"));
            store.commit(batch).unwrap();
        }
        store.flush().unwrap();
        let mut batch = Batch::default();
        for number in 0..200u8 {
            batch.remove(Table::Own, [number]);
        }
        store.commit(batch).unwrap();
        store.flush().unwrap();
        store
    }

    fn holds(dir: &Path, text: &str) -> bool {
        let mut found = false;
        let mut left = vec![dir.to_owned()];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => left.push(path),
                    false => {
                        let bytes = fs::read(path).unwrap();
                        found |= bytes.windows(text.len()).any(|it| it == text.as_bytes());
                    }
                }
            }
        }
        found
    }

    fn is_whole(store: &SledStorage) -> bool {
        (0..200u8).all(|number| {
            store.get(Table::Meta, &[number]).unwrap() == Some(vec![number; 9000])
                && store.get(Table::Own, &[number]).unwrap().is_none()
        })
    }

    #[test]
    fn what_was_removed_leaves_the_disk_and_the_rest_stays() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("store");
        let mut store = filled(&dir);
        assert!(
            holds(home.path(), "a secret"),
            "the engine would not need this"
        );
        for _ in 0..2 {
            store.rewrite().unwrap();
            assert!(is_whole(&store));
            assert!(!holds(home.path(), "a secret"));
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        }
        let mut batch = Batch::default();
        batch.put(Table::Own, [201], "later");
        store.commit(batch).unwrap();
        store.flush().unwrap();
        drop(store);
        let store = SledStorage::open(&dir, 8).unwrap();
        assert!(is_whole(&store));
        assert_eq!(
            store.get(Table::Own, &[201]).unwrap(),
            Some(b"later".to_vec())
        );
    }

    #[test]
    fn a_crash_at_any_step_leaves_a_whole_store() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("store");
        let (new, old) = (new_of(&dir), old_of(&dir));
        let store = filled(&dir);
        store.copy_to(&new).unwrap();
        drop(store);
        wait_until_closed(&dir).unwrap();
        // In the middle of copying.
        assert!(is_whole(&SledStorage::open(&dir, 8).unwrap()));
        assert!(!new.exists());
        // Between the two renames.
        let store = SledStorage::open(&dir, 8).unwrap();
        store.copy_to(&new).unwrap();
        drop(store);
        wait_until_closed(&dir).unwrap();
        fs::rename(&dir, &old).unwrap();
        assert!(is_whole(&SledStorage::open(&dir, 8).unwrap()));
        assert!(!new.exists() && !old.exists());
        // Before the old one was removed.
        fs::create_dir(&old).unwrap();
        fs::write(old.join("db"), "a secret").unwrap();
        assert!(is_whole(&SledStorage::open(&dir, 8).unwrap()));
        assert!(!holds(home.path(), "a secret"));
    }

    #[test]
    fn what_cannot_be_copied_leaves_the_store_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("store");
        let mut store = filled(&dir);
        // Something that is no directory stands where the copy should go.
        fs::write(new_of(&dir), "in the way").unwrap();
        assert!(matches!(store.rewrite(), Err(StoreError::Move(_))));
        assert!(is_whole(&store));
        fs::remove_file(new_of(&dir)).unwrap();
        store.rewrite().unwrap();
        assert!(is_whole(&store));
    }
}
