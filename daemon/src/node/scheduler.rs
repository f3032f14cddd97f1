//! When to exchange with whom, and which nodes to be connected with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use fingerpost_proto::roster::Place;

use super::names::card_of;
use super::Node;
use crate::keys::random;

/// How often the set of wanted connections is looked over.
const WANTED_EVERY: Duration = Duration::from_secs(2);
/// Of two nodes that know of each other, the one with the smaller id dials; the other steps in after this.
const OTHER_SIDE_DIALS_AFTER: Duration = Duration::from_secs(10);
/// Most nodes that this node tries to stay connected with.
const WANTED_MAX: usize = 128;

/// Runs until `stop` is cancelled: one exchange after the other, each with the node whose turn it is.
pub async fn run(node: Arc<Node>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let mut known: BTreeMap<NodeId, Instant> = BTreeMap::new();
    let mut next_wanted = Instant::now();
    let mut next_somebody = Instant::now() + interval(&node);
    while !*stop.borrow() {
        let now = Instant::now();
        if now >= next_wanted {
            tokio::task::block_in_place(|| node.refresh_wanted(&mut known));
            next_wanted = now + WANTED_EVERY;
        }
        if now >= next_somebody {
            node.sync_somebody();
            next_somebody = now + interval(&node);
        }
        match node.next_due() {
            Ok(peer) => tokio::select! {
                () = node.exchange(peer) => {}
                _ = stop.changed() => {}
            },
            Err(wait) => {
                let wait = wait.min(WANTED_EVERY);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = node.wake.notified() => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// The configured interval, a quarter shorter or longer, so that nodes do not fall into step.
fn interval(node: &Node) -> Duration {
    let interval_ms = u64::from(node.settings.sync.interval_s) * 1_000;
    let entropy = random::<8>().map_or(0, u64::from_le_bytes);
    Duration::from_millis(interval_ms * 3 / 4 + entropy % (interval_ms / 2).max(1))
}

impl Node {
    /// Tells the network layer which nodes to stay connected with: those of members, by their cards.
    fn refresh_wanted(&self, known: &mut BTreeMap<NodeId, Instant>) {
        let connected = self.net().connected();
        let mut wanted = Vec::new();
        for (node, addresses) in self.member_nodes() {
            let since = *known.entry(node).or_insert_with(Instant::now);
            let ours_to_dial = self.id() < node || since.elapsed() >= OTHER_SIDE_DIALS_AFTER;
            if connected.contains(&node) || (ours_to_dial && !addresses.is_empty()) {
                wanted.push((node, addresses));
            }
            if wanted.len() >= WANTED_MAX {
                break;
            }
        }
        self.net().set_wanted(wanted);
    }

    fn member_nodes(&self) -> BTreeMap<NodeId, Vec<String>> {
        let mut replica = self.replica();
        let mut nodes = BTreeMap::new();
        for org in replica.organisations() {
            if replica.place(&org) == Some(Place::Member)
                && let Some(card) = card_of(&replica, &org)
            {
                nodes.extend(card.nodes);
            }
        }
        nodes.remove(&self.id());
        nodes
    }
}
