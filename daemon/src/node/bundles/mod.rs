//! Bundles: a network in one file, out of this node and into it.

mod export;
mod import;

use fingerpost_proto::api::LastBundle;
use fingerpost_proto::bundle::read_charter_line;
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::FetchedCharter;

use super::names::org_ref;
use super::{Node, NodeError};

pub use export::{BundleOut, EXPORTS_MAX};
pub use import::{IMPORT_MAX_S, REFUSED_MAX};

/// Where the bundle that was imported last is noted, in [`Table::Meta`].
const LAST: &[u8] = b"bundle/last";
const COMPRESSION_LEVEL: i32 = 3;

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::compress(bytes, COMPRESSION_LEVEL).ok()
}

/// Never more than `most` bytes, whatever the frame claims.
fn expand(frame: &[u8], most: usize) -> Option<Vec<u8>> {
    zstd::bulk::decompress(frame, most).ok()
}

/// The charter of a network, as a bundle's line carries it.
pub(super) fn carried_charter(
    line: &str,
    network: &NetworkId,
) -> Result<FetchedCharter, NodeError> {
    read_charter_line(line, network, expand).map_err(|error| {
        NodeError::bad_input(
            format!(
                "the bundle does not bring the charter of the ticket's network ({error}); nothing was changed"
            ),
            "ask whoever invited you for a bundle of the same network: fingerpost bundle export FILE",
        )
    })
}

impl Node {
    fn note_bundle(&self, last: &LastBundle) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        let bytes = serde_json::to_vec(last).map_err(NodeError::internal)?;
        batch.put(Table::Meta, LAST, bytes);
        let mut replica = self.replica();
        replica.storage_mut().commit(batch)?;
        // As after a session: what was accepted is there after a power cut.
        replica.storage_mut().flush()?;
        Ok(())
    }

    /// The bundle that was imported last, if any was.
    pub(super) fn last_bundle(&self) -> Result<Option<LastBundle>, NodeError> {
        let replica = self.replica();
        let stored = replica.storage().get(Table::Meta, LAST)?;
        let last = stored.and_then(|bytes| serde_json::from_slice::<LastBundle>(&bytes).ok());
        let Some(mut last) = last else {
            return Ok(None);
        };
        let orgs = replica.orgs_of_node(&last.node)?;
        last.organisations = orgs.iter().map(|org| org_ref(&replica, org)).collect();
        Ok(Some(last))
    }
}
