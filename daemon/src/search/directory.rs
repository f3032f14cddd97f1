//! The index's files, written without waiting for the disk.
//!
//! Waiting for the disk after every file would make an edit visible only after tens of
//! milliseconds. The index can be had again from the store, so a commit only hands its files to the
//! system, which is enough to survive the death of the process; [`QuietDirectory::sync`] makes them
//! durable later, all at once. What a power cut tears in between is found when the index is opened
//! (checksums) or by the durable marker (see [`super::SearchIndex::durable_marker`]).

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

/// Files that were written and not yet made durable, by path in the directory.
type Unsynced = Arc<Mutex<HashSet<PathBuf>>>;

/// A directory of memory-mapped files that are made durable only when asked.
#[derive(Clone, Debug)]
pub(super) struct QuietDirectory {
    root: PathBuf,
    files: MmapDirectory,
    unsynced: Unsynced,
}

impl QuietDirectory {
    /// Opens the existing directory `root`.
    pub(super) fn open(root: &Path) -> tantivy::Result<QuietDirectory> {
        Ok(QuietDirectory {
            root: root.to_owned(),
            files: MmapDirectory::open(root)?,
            unsynced: Unsynced::default(),
        })
    }

    /// Makes everything written so far durable. What fails stays due for the next call.
    pub(super) fn sync(&self) -> io::Result<()> {
        let due: Vec<PathBuf> = lock(&self.unsynced).iter().cloned().collect();
        for path in due {
            match File::open(self.root.join(&path)) {
                Ok(file) => file.sync_data()?,
                // Merged away in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            lock(&self.unsynced).remove(&path);
        }
        File::open(&self.root)?.sync_data()
    }
}

fn lock(unsynced: &Unsynced) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
    // A set of paths is whole at every moment: a panic elsewhere cannot have left it half changed.
    unsynced.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is only handed to the system when it ends.
struct QuietFile {
    file: File,
    path: PathBuf,
    unsynced: Unsynced,
}

impl Write for QuietFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl TerminatingWrite for QuietFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.file.flush()?;
        lock(&self.unsynced).insert(self.path.clone());
        Ok(())
    }
}

impl Directory for QuietDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        lock(&self.unsynced).remove(path);
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.root.join(path));
        let file = opened.map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                OpenWriteError::FileAlreadyExists(path.to_owned())
            } else {
                OpenWriteError::wrap_io_error(error, path.to_owned())
            }
        })?;
        let unsynced = Arc::clone(&self.unsynced);
        Ok(BufWriter::new(Box::new(QuietFile {
            file,
            path: path.to_owned(),
            unsynced,
        })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.files.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let mut new_name = path.as_os_str().to_owned();
        new_name.push(".new");
        let new_path = self.root.join(new_name);
        fs::write(&new_path, data)?;
        fs::rename(&new_path, self.root.join(path))?;
        lock(&self.unsynced).insert(path.to_owned());
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        // Left to `sync`.
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}
