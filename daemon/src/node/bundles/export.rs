//! A network's records out of this node, a part at a time.

use std::sync::Arc;

use fingerpost_proto::bundle::{Contents, Header, charter_line, end_line, item_line};
use fingerpost_proto::ids::NetworkId;
use tokio::sync::OwnedSemaphorePermit;

use super::compress;
use crate::node::membership::name_of;
use crate::node::{Node, NodeError, now_s};

/// Most bundles that are being written at one time.
pub const EXPORTS_MAX: usize = 4;
/// A part is handed out when it has so many bytes.
const PART_FILL_BYTES: usize = 128 * 1024;

/// A bundle that is being written. Nothing of it is in memory but the names of what is still to come.
pub struct BundleOut {
    node: Arc<Node>,
    contents: Contents,
    head: Option<String>,
    items: u64,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Node {
    /// Begins a bundle of everything that a member of a network may see, or of what was issued at `since_s` (seconds
    /// since 1970-01-01 UTC) or later.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn bundle(
        self: &Arc<Self>,
        network: Option<&str>,
        since_s: Option<u64>,
    ) -> Result<BundleOut, NodeError> {
        let permits = Arc::clone(&self.bundles_out);
        let permit = permits.try_acquire_owned().map_err(|_| {
            NodeError::refused(
                format!("{EXPORTS_MAX} bundles are being written already; nothing was written"),
                "wait until one of them is done, then try again",
            )
        })?;
        self.hold_own_delegations();
        let network = self.network(network)?;
        let mut contents = self.contents(network, since_s)?;
        while contents.sift(&self.replica())? {}
        let mut replica = self.replica();
        let name = name_of(&mut replica, &network);
        let mut head = Header::new(&contents, name, self.id(), now_s()).to_line();
        head.extend(charter_line(&mut replica, &network, compress)?);
        drop(replica);
        Ok(BundleOut {
            node: Arc::clone(self),
            contents,
            head: Some(head),
            items: 0,
            is_over: false,
            _permit: permit,
        })
    }

    fn contents(&self, network: NetworkId, since_s: Option<u64>) -> Result<Contents, NodeError> {
        let mut replica = self.replica();
        if !replica.is_active(&network) {
            let name = name_of(&mut replica, &network);
            return Err(NodeError::refused(
                format!("this node has left {name}, and keeps nothing of it; nothing was written"),
                "fingerpost status shows its networks",
            ));
        }
        Ok(Contents::collect(&mut replica, network, since_s))
    }
}

impl BundleOut {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// [`NodeError`]; the bundle is not whole then.
    pub fn next_part(&mut self) -> Result<Option<Vec<u8>>, NodeError> {
        let mut part = self.head.take().unwrap_or_default();
        while part.len() < PART_FILL_BYTES && !self.is_over {
            let items = self.contents.poll_items(&self.node.replica())?;
            let Some(items) = items else {
                part.push_str(&end_line(self.items));
                self.is_over = true;
                break;
            };
            for item in items {
                let line = item_line(&item, compress);
                let failed = || NodeError::internal("an item could not be compressed");
                part.push_str(&line.ok_or_else(failed)?);
                self.items += 1;
            }
        }
        Ok((!part.is_empty()).then(|| part.into_bytes()))
    }
}
