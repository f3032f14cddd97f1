//! When to exchange with whom, and which nodes to be connected with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::{NodeId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::peering;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::{Batch, Storage, Table};
use tokio::task::JoinSet;

use super::company::Nodes;
use super::reach::has_listing;
use super::{Node, lock};
use crate::keys::random;
use crate::net::range_of_addresses;
use crate::rescue::Rescue;
use crate::store::SledStorage;

/// How often the set of wanted connections is looked over.
const WANTED_EVERY: Duration = Duration::from_secs(2);
/// Of two nodes that know of each other, the one with the smaller id dials; the other steps in after this.
const OTHER_SIDE_DIALS_AFTER: Duration = Duration::from_secs(10);
/// A node that this one would call and that is not connected for so long is silent: others come first.
const SILENT_AFTER: Duration = Duration::from_secs(60);
/// How long to wait between two looks at what this node should do by itself: several things that came together
/// make one change of a card.
const CHORES_EVERY: Duration = Duration::from_millis(300);
/// How often to look whether a day has begun.
const DAY_EVERY: Duration = Duration::from_secs(60);

/// Most exchanges that this node holds at a time, of those that it begins.
const EXCHANGES_MAX: usize = 4;
/// One exchange after the other is cheapest, for the second finds that the first has brought nearly all. But
/// after this an exchange no longer holds up the next: a peer that is slow, or pretends to be, must not keep
/// this node from all others.
const ALONE_MAX: Duration = Duration::from_secs(10);

/// Runs until `stop` is cancelled: exchanges with the node whose turn it is.
pub async fn run(node: Arc<Node>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let mut away = Away::default();
    let mut next_wanted = Instant::now();
    let mut next_somebody = Instant::now() + interval(&node);
    let mut next_day = Instant::now() + DAY_EVERY;
    let mut next_chores = Instant::now();
    let mut exchanges = JoinSet::new();
    let mut alone_until = Instant::now();
    while !*stop.borrow() {
        let now = Instant::now();
        if now >= next_wanted {
            tokio::task::block_in_place(|| node.refresh_wanted(&mut away));
            next_wanted = now + WANTED_EVERY;
        }
        if now >= next_somebody {
            node.sync_somebody();
            next_somebody = now + interval(&node);
        }
        if now >= next_day {
            tokio::task::block_in_place(|| node.turn_day());
            next_day = now + DAY_EVERY;
        }
        if now >= next_chores {
            tokio::task::block_in_place(|| node.do_chores());
            next_chores = Instant::now() + CHORES_EVERY;
        }
        while exchanges.try_join_next().is_some() {}
        let mut wait = if node.has_chores() {
            CHORES_EVERY
        } else {
            WANTED_EVERY
        };
        if exchanges.is_empty() || (exchanges.len() < EXCHANGES_MAX && now >= alone_until) {
            match node.next_due() {
                Ok(peer) => {
                    let node = Arc::clone(&node);
                    exchanges.spawn(async move { node.exchange(peer).await });
                    alone_until = now + ALONE_MAX;
                }
                Err(until_next) => wait = wait.min(until_next),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = node.wake.notified() => {}
            Some(_) = exchanges.join_next() => {}
            _ = stop.changed() => {}
        }
    }
}

/// Since when each node that this one may be connected with is known and not connected.
#[derive(Default)]
struct Away(BTreeMap<NodeId, Instant>);

impl Away {
    /// For how long a node has been known and not connected.
    fn away_for(&mut self, node: &NodeId, is_connected: bool) -> Duration {
        let since = self.0.entry(*node).or_insert_with(Instant::now);
        if is_connected {
            *since = Instant::now();
        }
        since.elapsed()
    }
}

/// The configured interval, a quarter shorter or longer, so that nodes do not fall into step.
fn interval(node: &Node) -> Duration {
    let interval_ms = u64::from(node.settings.sync.interval_s) * 1_000;
    let entropy = random::<8>().map_or(0, u64::from_le_bytes);
    Duration::from_millis(interval_ms * 3 / 4 + entropy % (interval_ms / 2).max(1))
}

impl Node {
    /// Tells the network layer which nodes to stay connected with: of the members' nodes, by their cards, those that
    /// [`peering::choose`] names.
    fn refresh_wanted(&self, away: &mut Away) {
        let connected: BTreeSet<NodeId> = self.net().connected().into_iter().collect();
        let mut nodes = Nodes::clone(&self.nodes_of_members());
        if !self.is_member_anywhere() {
            // The store is new or has lost something: the nodes that were known before show the way.
            for (node, addresses) in lock(&self.rescue).nodes() {
                nodes
                    .entry(*node)
                    .or_insert_with(|| (None, addresses.clone()));
            }
        }
        away.0.retain(|node, _| nodes.contains_key(node));
        let chosen = self.choose(&nodes, &connected, away);
        let mut wanted = Vec::with_capacity(chosen.len());
        for node in chosen {
            let Some((_, addresses)) = nodes.remove(&node) else {
                continue;
            };
            // Whoever cannot be called need not wait for the other side to call.
            let patience = match self.net().can_be_called() {
                true => OTHER_SIDE_DIALS_AFTER,
                false => OTHER_SIDE_DIALS_AFTER / 4,
            };
            let is_connected = connected.contains(&node);
            let away_for = away.away_for(&node, is_connected);
            let ours_to_dial = self.id() < node || away_for >= patience;
            if is_connected || (ours_to_dial && !addresses.is_empty()) {
                wanted.push((node, addresses));
            }
        }
        self.net().set_wanted(wanted);
        self.call_contacts();
        self.refresh_trusted();
        self.write_rescue();
    }

    fn choose(&self, nodes: &Nodes, connected: &BTreeSet<NodeId>, away: &mut Away) -> Vec<NodeId> {
        if nodes.len() <= limits::CONNECT_ALL_MAX_NODES {
            return nodes.keys().copied().collect();
        }
        let replica = self.replica();
        let entropy = lock(&self.company).entropy(&replica);
        let candidate = |(node, (org, addresses)): (&NodeId, &(Option<OrgId>, Vec<String>))| {
            let is_connected = connected.contains(node);
            peering::Candidate {
                node: *node,
                // One of which nothing else is known speaks for itself.
                org: org.unwrap_or(OrgId::from_bytes(*node.as_bytes())),
                range: range_of_addresses(addresses),
                is_sibling: org.is_some_and(|org| replica.own().contains(&org)),
                is_connected,
                has_missing: org.is_some_and(|org| !has_listing(&replica, &org)),
                is_silent: away.away_for(node, is_connected) >= SILENT_AFTER,
            }
        };
        let candidates: Vec<_> = nodes.iter().map(candidate).collect();
        drop(replica);
        peering::choose(&self.id(), &candidates, &entropy)
    }

    fn is_member_anywhere(&self) -> bool {
        let own = self.own_orgs();
        let mut replica = self.replica();
        own.iter()
            .any(|org| replica.place(org) == Some(Place::Member))
    }

    /// Keeps the rescue file in step with what the store knows, once the store knows something. A store that
    /// lost its end may hold a card from before the node joined: what is written down is kept then.
    pub(super) fn write_rescue(&self) {
        let nodes = self.member_nodes();
        let active = {
            let replica = self.replica();
            replica.networks().any(|(id, _)| replica.is_active(&id))
        };
        if active && (nodes.is_empty() || !self.is_member_anywhere()) {
            return;
        }
        let charters: Vec<_> = {
            let replica = self.replica();
            let active = replica.networks().filter(|(id, _)| replica.is_active(id));
            active
                .map(|(id, charter)| (id, charter.to_bytes()))
                .collect()
        };
        let now = Rescue::new(charters, nodes);
        let mut written = lock(&self.rescue);
        if *written == now {
            return;
        }
        match now.save(self.home.dir()) {
            Ok(()) => *written = now,
            Err(error) => tracing::warn!("the rescue file could not be written: {error}"),
        }
    }

    /// Remembers an address at which a node answered, for after a restart.
    pub(super) fn remember_address(&self, node: &NodeId, address: &str) {
        let mut replica = self.replica();
        let mut addresses = remembered(&replica, node);
        if addresses.first().is_some_and(|first| first == address) {
            return;
        }
        addresses.retain(|known| known != address);
        addresses.insert(0, address.to_owned());
        addresses.truncate(limits::ADDRESSES_MAX);
        let mut batch = Batch::default();
        batch.put(
            Table::Peers,
            *node.as_bytes(),
            addresses.join("\n").into_bytes(),
        );
        if let Err(error) = replica.storage_mut().commit(batch) {
            tracing::error!("an address could not be remembered: {error}");
        }
        lock(&self.company).forget();
    }
}

/// The addresses at which a node answered before, the last one first.
pub(super) fn remembered(replica: &Replica<SledStorage>, node: &NodeId) -> Vec<String> {
    let stored = replica
        .storage()
        .get(Table::Peers, node.as_bytes())
        .ok()
        .flatten();
    let text = stored
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
