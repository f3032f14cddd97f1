//! Making sure that what was erased, here or by a peer, leaves this disk.
//!
//! The search index, the store, and stores that were set aside as damaged hold bytes of what was let go of, for as long
//! as they need no room. When the replica says that something was erased, all three are cleaned.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fingerpost_proto::replica::Replica;
use fingerpost_proto::storage::{Batch, Storage};

use super::{Node, NodeError, free_bytes, lock, size_of};
use crate::store::{SledStorage, stores_aside};

/// How long after a wipe the next one waits, so that a busy network does not keep a node copying.
pub(super) const GAP_S: u64 = 10 * 60;
/// What the disk must have left besides a second store, in bytes.
const MARGIN_BYTES: u64 = 16 * 1024 * 1024;

/// When this node wiped last, and why the last try came to nothing, if it did.
#[derive(Debug, Default)]
pub(super) struct Wiped {
    last: Option<Instant>,
    failed: Option<String>,
}

impl Node {
    /// Sets how many seconds after a wipe the next one waits.
    pub fn set_wipe_gap(&self, seconds: u64) {
        self.wipe_gap_s.store(seconds, Ordering::Release);
    }

    /// Whether something was erased whose bytes may still be on this disk.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn is_wipe_due(&self) -> Result<bool, NodeError> {
        Ok(self.replica().is_wipe_due()?)
    }

    /// Wipes if something was erased, unless that was done a short while ago.
    pub(super) fn wipe_when_due(&self) -> Result<(), NodeError> {
        if !self.is_wipe_due()? {
            return Ok(());
        }
        let gap_s = self.wipe_gap_s.load(Ordering::Acquire);
        let recently = lock(&self.wiped)
            .last
            .is_some_and(|last| last.elapsed() < Duration::from_secs(gap_s));
        if !recently && let Err(error) = self.wipe() {
            tracing::warn!("what was erased is still on this disk: {error}; it is tried again");
        }
        Ok(())
    }

    /// Cleans the index, the store, and what was set aside.
    pub(super) fn wipe(&self) -> Result<(), NodeError> {
        let wiped = self.clean();
        let mut state = lock(&self.wiped);
        state.last = Some(Instant::now());
        state.failed = wiped.as_ref().err().map(ToString::to_string);
        wiped
    }

    fn clean(&self) -> Result<(), NodeError> {
        self.feed();
        self.index.purge().map_err(NodeError::internal)?;
        let needed = size_of(&self.home.store()).saturating_add(MARGIN_BYTES);
        if free_bytes(self.home.dir()).is_some_and(|free| free < needed) {
            return Err(NodeError::refused(
                format!(
                    "the disk has no room to write the store anew: {} MiB are needed",
                    needed / 1024 / 1024
                ),
                "make room on this disk",
            ));
        }
        let mut replica = self.replica();
        replica
            .storage_mut()
            .rewrite()
            .map_err(NodeError::internal)?;
        let mut batch = Batch::default();
        Replica::<SledStorage>::note_wiped(&mut batch);
        replica.storage_mut().commit(batch)?;
        replica.storage_mut().flush()?;
        drop(replica);
        for path in stores_aside(&self.home.store()) {
            std::fs::remove_dir_all(&path).map_err(NodeError::internal)?;
            tracing::info!(
                "{} was removed, because something was erased",
                path.display()
            );
        }
        Ok(())
    }

    /// What people should know if what was erased is still here.
    pub(super) fn wipe_warning(&self) -> Option<String> {
        let failed = lock(&self.wiped).failed.clone()?;
        Some(format!(
            "something was erased, and its bytes are still on this disk: {failed}"
        ))
    }
}
