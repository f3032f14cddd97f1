//! Whether there is room on the disk for more of others.
//!
//! While there is none, own edits go on, and of others is taken what takes no more room than what it replaces:
//! see [`fingerpost_proto::replica::Replica::set_room`].

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Node, NodeError, lock};

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// What the disk must have left for more of others to be taken, in bytes: own edits, the store's own work and
/// the rest of the machine need it.
pub const DISK_FREE_MIN_BYTES: u64 = 128 * 1024 * 1024;

/// What the disk must have left for an own edit, in bytes: the store takes room in segments, and one that finds
/// none cannot go on before the daemon is restarted.
pub const EDIT_FREE_MIN_BYTES: u64 = 16 * 1024 * 1024;

/// The disk, as it was looked at last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Size of the store and the index.
    pub(super) used_bytes: u64,
    /// What they may grow to.
    pub(super) budget_bytes: u64,
    /// What the disk has left, if the system says so.
    pub(super) free_bytes: Option<u64>,
    looked: Instant,
}

impl Room {
    pub(super) fn is_left(&self) -> bool {
        self.used_bytes < self.budget_bytes
            && self
                .free_bytes
                .is_none_or(|free| free >= DISK_FREE_MIN_BYTES)
    }
}

/// Size of all files in a directory and those below, in bytes; those that cannot be read count for nothing.
pub(crate) fn size_of(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => left.push(entry.path()),
                Ok(meta) => bytes += meta.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// What the disk of a directory has left for this user, in bytes.
pub(crate) fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl Node {
    /// Sets what the store and the index may grow to, in bytes; and looks at once.
    pub fn set_disk_budget(&self, bytes: u64) {
        self.disk_budget_bytes.store(bytes, Ordering::Release);
        self.look_at_disk();
    }

    /// Looks at the disk, and takes more of others or no more of them.
    pub(super) fn look_at_disk(&self) -> Room {
        let room = Room {
            used_bytes: size_of(&self.home.store()) + size_of(&self.home.index()),
            budget_bytes: self.disk_budget_bytes.load(Ordering::Acquire),
            free_bytes: free_bytes(self.home.dir()),
            looked: Instant::now(),
        };
        let mut replica = self.replica();
        if replica.has_room() != room.is_left() {
            match room.is_left() {
                true => tracing::info!("there is room again for more of others"),
                false => tracing::warn!("{}", said(&room)),
            }
            replica.set_room(room.is_left());
        }
        drop(replica);
        *lock(&self.room) = Some(room);
        room
    }

    /// Looks at the disk if that was not done lately.
    pub(super) fn look_at_disk_sometimes(&self) {
        let last = *lock(&self.room);
        if last.is_none_or(|last| last.looked.elapsed() >= EVERY) {
            self.look_at_disk();
        }
    }

    /// Refuses an own edit while it may not fit on the disk.
    pub(super) fn check_room_for_edit(&self) -> Result<(), NodeError> {
        let free = free_bytes(self.home.dir());
        match free.filter(|free| *free < EDIT_FREE_MIN_BYTES) {
            None => Ok(()),
            Some(free) => Err(NodeError::refused(
                format!(
                    "the disk is full: {} MiB are left where the node lives, and an edit needs {}; nothing was changed",
                    mib(free),
                    mib(EDIT_FREE_MIN_BYTES)
                ),
                "make room, then do it again; fingerpost doctor shows what the node takes",
            )),
        }
    }

    /// What people should know about the disk.
    pub(super) fn room_warning(&self) -> Option<String> {
        let room = *lock(&self.room);
        room.filter(|room| !room.is_left()).map(|room| said(&room))
    }
}

fn mib(bytes: u64) -> u64 {
    bytes / 1024 / 1024
}

fn said(room: &Room) -> String {
    let why = match room.used_bytes >= room.budget_bytes {
        true => format!(
            "store and index take {} MiB of the {} MiB that store.disk_budget_mb allows",
            mib(room.used_bytes),
            mib(room.budget_bytes)
        ),
        false => format!(
            "the disk has {} MiB left, and {} MiB are kept free",
            mib(room.free_bytes.unwrap_or(0)),
            mib(DISK_FREE_MIN_BYTES)
        ),
    };
    format!("no more of others is taken for now, own edits go on: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_all_files_below() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), [0; 10]).unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        std::fs::write(dir.path().join("b/c"), [0; 32]).unwrap();
        assert_eq!(size_of(dir.path()), 42);
        assert_eq!(size_of(&dir.path().join("nowhere")), 0);
        assert!(free_bytes(dir.path()).unwrap() > 0);
    }

    #[test]
    fn room_ends_with_the_budget_and_with_the_disk() {
        let room = Room {
            used_bytes: 9,
            budget_bytes: 10,
            free_bytes: Some(DISK_FREE_MIN_BYTES),
            looked: Instant::now(),
        };
        assert!(room.is_left());
        let met = Room {
            used_bytes: 10,
            ..room
        };
        assert!(!met.is_left() && said(&met).contains("disk_budget_mb"));
        let full = Room {
            free_bytes: Some(DISK_FREE_MIN_BYTES - 1),
            ..room
        };
        assert!(!full.is_left() && said(&full).contains("127 MiB left"));
    }
}
