//! What the node asks without waiting: kept as what is to be, not as a queue of steps.
//!
//! So a handle can be used from any thread and never blocks, and nothing here grows: a list that is
//! set twice is there once, and what remains is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fingerpost_proto::ids::{NetworkId, NodeId};
use libp2p::Multiaddr;
use tokio::sync::Notify;

use super::dropped::Counts;
use super::gossip::{Acceptance, PENDING_MAX};
use super::peers::View;
use super::{MessageRef, WANTED_MAX};

/// Most calls that may wait to be made. The task makes them at once, so few ever wait.
const DIALS_MAX: usize = 256;

/// What a handle and the task share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    view: RwLock<View>,
    requests: Mutex<Requests>,
    pub(super) dropped: Counts,
    /// Something was asked.
    pub(super) asked: Notify,
}

impl Shared {
    pub(super) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something and wakes the task.
    pub(super) fn ask(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.requests());
        self.asked.notify_one();
    }

    /// Takes out everything that was asked.
    pub(super) fn take(&self) -> Requests {
        std::mem::take(&mut self.requests())
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) topics: BTreeMap<NetworkId, bool>,
    pub(super) wanted: Option<Vec<(NodeId, Vec<Multiaddr>)>>,
    pub(super) trusted: Option<BTreeSet<NodeId>>,
    pub(super) addresses: VecDeque<(NodeId, Multiaddr)>,
    pub(super) reports: VecDeque<(MessageRef, Acceptance)>,
    pub(super) dials: VecDeque<(Option<NodeId>, Vec<Multiaddr>)>,
    pub(super) disconnects: BTreeSet<NodeId>,
}

impl Requests {
    pub(super) fn dial(&mut self, node: Option<NodeId>, addresses: Vec<Multiaddr>) {
        push_bounded(&mut self.dials, (node, addresses), DIALS_MAX);
    }

    pub(super) fn add_address(&mut self, node: NodeId, address: Multiaddr) {
        push_bounded(&mut self.addresses, (node, address), WANTED_MAX);
    }

    pub(super) fn report(&mut self, message: MessageRef, verdict: Acceptance) {
        push_bounded(&mut self.reports, (message, verdict), PENDING_MAX);
    }

    pub(super) fn disconnect(&mut self, node: NodeId) {
        if self.disconnects.len() < WANTED_MAX {
            self.disconnects.insert(node);
        }
    }
}

/// Adds at the end; at the bound the oldest makes room.
fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
        tracing::debug!("the network is behind: something that was asked of it is left out");
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_without_waiting_stays_bounded() {
        let shared = Shared::default();
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        for n in 0..5000_u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            let node = NodeId::from_bytes(bytes);
            shared.ask(|requests| {
                requests.dial(Some(node), vec![address.clone()]);
                requests.add_address(node, address.clone());
                requests.disconnect(node);
                requests
                    .topics
                    .insert(NetworkId::from_bytes([1; 32]), n % 2 == 0);
            });
        }
        let taken = shared.take();
        assert_eq!(taken.dials.len(), DIALS_MAX);
        assert_eq!(taken.addresses.len(), WANTED_MAX);
        assert_eq!(taken.disconnects.len(), WANTED_MAX);
        assert_eq!(taken.topics.values().copied().collect::<Vec<_>>(), [false]);
        assert!(shared.take().dials.is_empty());
    }
}
