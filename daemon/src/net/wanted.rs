//! Which nodes to call, and when to call them again.
//!
//! A value without clock or sockets: the time and the jitter are arguments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use libp2p::Multiaddr;

/// Pause after the first failure.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two calls.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// A connection that ends sooner than this counts as a failure: a node that takes every call and
/// hangs up is called less and less often.
const LASTING: Duration = Duration::from_secs(20);
/// Most nodes that are called again and again. More are ignored.
pub const WANTED_MAX: usize = 1024;
/// Most addresses kept of one node. The newest replace the oldest.
pub const ADDRESSES_KEPT_MAX: usize = 16;

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// To be called at this time.
    Waiting(Instant),
    /// A call is under way.
    Calling,
    /// Connected since.
    Connected(Instant),
}

#[derive(Debug)]
struct Entry {
    addresses: Vec<Multiaddr>,
    failures: u32,
    state: State,
}

/// The nodes that we want to be connected to.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    nodes: BTreeMap<NodeId, Entry>,
}

impl Wanted {
    /// Replaces the list. What is known of a node that stays is kept, its other addresses after those of the list;
    /// a node that is new, or has an address that is new, is called soon, unless it `is_connected`.
    pub(super) fn set(
        &mut self,
        list: Vec<(NodeId, Vec<Multiaddr>)>,
        now: Instant,
        is_connected: impl Fn(&NodeId) -> bool,
    ) {
        let mut old = std::mem::take(&mut self.nodes);
        for (node, addresses) in list {
            if self.nodes.len() >= WANTED_MAX && !self.nodes.contains_key(&node) {
                tracing::debug!("more than {WANTED_MAX} nodes to call; the rest is left out");
                break;
            }
            let kept = old.remove(&node);
            let entry = self.nodes.entry(node).or_insert_with(|| {
                kept.unwrap_or_else(|| Entry {
                    addresses: Vec::new(),
                    failures: 0,
                    state: if is_connected(&node) {
                        State::Connected(now)
                    } else {
                        State::Waiting(now)
                    },
                })
            });
            entry.put_first(addresses, now);
        }
    }

    /// Something changed by which nodes may be reached that were not: this machine woke up, or is in another network.
    /// Whoever waits is called within two seconds, each at its own time, as if nothing had failed.
    pub(super) fn hasten(&mut self, now: Instant, mut jitter: impl FnMut() -> u32) {
        for entry in self.nodes.values_mut() {
            entry.failures = 0;
            if let State::Waiting(at) = &mut entry.state {
                *at = (*at).min(now + pause(0, jitter()));
            }
        }
    }

    /// Adds an address of a wanted node; says whether it was new.
    pub(super) fn add_address(&mut self, node: &NodeId, address: Multiaddr, now: Instant) -> bool {
        self.nodes
            .get_mut(node)
            .is_some_and(|entry| entry.add(address, now))
    }

    /// The addresses known of a node.
    pub(super) fn addresses(&self, node: &NodeId) -> Vec<Multiaddr> {
        self.nodes
            .get(node)
            .map(|entry| entry.addresses.clone())
            .unwrap_or_default()
    }

    /// The nodes that we want to be connected to.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }

    /// When the next call is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let times = self.nodes.values().filter_map(|entry| match entry.state {
            State::Waiting(at) if !entry.addresses.is_empty() => Some(at),
            _ => None,
        });
        times.min()
    }

    /// The nodes that are due, at most `max`, each with its addresses. They count as being called.
    pub(super) fn take_due(&mut self, now: Instant, max: usize) -> Vec<(NodeId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (node, entry) in &mut self.nodes {
            if due.len() >= max {
                break;
            }
            let is_due = matches!(entry.state, State::Waiting(at) if at <= now);
            if is_due && !entry.addresses.is_empty() {
                entry.state = State::Calling;
                due.push((*node, entry.addresses.clone()));
            }
        }
        due
    }

    /// A connection is up.
    pub(super) fn on_connected(&mut self, node: &NodeId, now: Instant) {
        if let Some(entry) = self.nodes.get_mut(node)
            && !matches!(entry.state, State::Connected(_))
        {
            entry.state = State::Connected(now);
        }
    }

    /// The last connection is gone. `jitter` is uniform in 0..=u32::MAX.
    pub(super) fn on_disconnected(&mut self, node: &NodeId, now: Instant, jitter: u32) {
        let Some(entry) = self.nodes.get_mut(node) else {
            return;
        };
        if let State::Connected(since) = entry.state
            && now.saturating_duration_since(since) >= LASTING
        {
            entry.failures = 0;
        }
        entry.fail(now, jitter);
    }

    /// A call came to nothing. A failure that comes while connected (a second call) changes nothing.
    pub(super) fn on_failed(&mut self, node: &NodeId, now: Instant, jitter: u32) {
        if let Some(entry) = self.nodes.get_mut(node)
            && entry.state == State::Calling
        {
            entry.fail(now, jitter);
        }
    }

    /// Puts off a node that was due and could not be called now for want of room.
    pub(super) fn put_off(&mut self, node: &NodeId, until: Instant) {
        if let Some(entry) = self.nodes.get_mut(node)
            && entry.state == State::Calling
        {
            entry.state = State::Waiting(until);
        }
    }
}

impl Entry {
    /// Puts addresses before those that are known; at the bound, the others go.
    fn put_first(&mut self, addresses: Vec<Multiaddr>, now: Instant) {
        let mut all: Vec<Multiaddr> = Vec::with_capacity(ADDRESSES_KEPT_MAX);
        let known = std::mem::take(&mut self.addresses);
        let is_new = addresses.iter().any(|address| !known.contains(address));
        for address in addresses.into_iter().chain(known) {
            if all.len() < ADDRESSES_KEPT_MAX && !all.contains(&address) {
                all.push(address);
            }
        }
        self.addresses = all;
        if is_new {
            self.call_soon(now);
        }
    }

    /// An address that was not tried deserves a call, but not several at once.
    fn call_soon(&mut self, now: Instant) {
        if let State::Waiting(at) = &mut self.state {
            *at = (*at).min(now + pause(0, u32::MAX));
        }
    }

    fn add(&mut self, address: Multiaddr, now: Instant) -> bool {
        if self.addresses.contains(&address) {
            return false;
        }
        if self.addresses.len() >= ADDRESSES_KEPT_MAX {
            self.addresses.remove(0);
        }
        self.addresses.push(address);
        self.call_soon(now);
        true
    }

    fn fail(&mut self, now: Instant, jitter: u32) {
        self.state = State::Waiting(now + pause(self.failures, jitter));
        self.failures = self.failures.saturating_add(1);
    }
}

/// The pause after so many failures before this one: it doubles, and a random half of it is taken
/// off, so that nodes that lost one another together do not call one another together.
fn pause(failures: u32, jitter: u32) -> Duration {
    let full = PAUSE_MIN
        .saturating_mul(2_u32.saturating_pow(failures + 1))
        .min(PAUSE_MAX);
    full.mul_f64(0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn never(_: &NodeId) -> bool {
        false
    }

    #[test]
    fn pauses_double_from_one_second_to_five_minutes() {
        assert_eq!(pause(0, 0), Duration::from_secs(1));
        assert_eq!(pause(0, u32::MAX), Duration::from_secs(2));
        assert_eq!(pause(1, 0), Duration::from_secs(2));
        for failures in 9..40 {
            assert_eq!(pause(failures, u32::MAX), PAUSE_MAX);
            assert_eq!(pause(failures, 0), PAUSE_MAX / 2);
        }
    }

    #[test]
    fn a_node_is_called_until_it_is_connected_and_again_when_it_goes() {
        let mut now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.set(vec![(node(1), vec![address(1)])], now, never);
        for _ in 0..5 {
            assert_eq!(wanted.take_due(now, 9), vec![(node(1), vec![address(1)])]);
            assert!(wanted.take_due(now, 9).is_empty(), "one call at a time");
            wanted.on_failed(&node(1), now, 7);
            assert!(wanted.take_due(now, 9).is_empty());
            now = wanted.next_at().unwrap();
        }
        wanted.take_due(now, 9);
        wanted.on_connected(&node(1), now);
        assert_eq!(wanted.next_at(), None);
        now += LASTING;
        wanted.on_disconnected(&node(1), now, 0);
        assert_eq!(
            wanted.next_at(),
            Some(now + PAUSE_MIN),
            "a lasting connection clears the record"
        );
        now += PAUSE_MIN;
        wanted.take_due(now, 9);
        wanted.on_connected(&node(1), now);
        wanted.on_disconnected(&node(1), now, 0);
        assert_eq!(
            wanted.next_at(),
            Some(now + PAUSE_MIN * 2),
            "a short one does not"
        );
    }

    #[test]
    fn a_new_address_hastens_a_call_and_the_list_stays_short() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.set(vec![(node(1), vec![address(1)])], now, never);
        for _ in 0..12 {
            let at = wanted.next_at().unwrap();
            wanted.take_due(at, 9);
            wanted.on_failed(&node(1), at, 0);
        }
        assert!(wanted.next_at().unwrap() > now + PAUSE_MAX);
        assert!(!wanted.add_address(&node(1), address(1), now));
        assert!(wanted.add_address(&node(1), address(2), now));
        assert!(wanted.next_at().unwrap() <= now + PAUSE_MIN * 2);
        for port in 3..100 {
            wanted.add_address(&node(1), address(port), now);
        }
        assert_eq!(wanted.addresses(&node(1)).len(), ADDRESSES_KEPT_MAX);
        assert!(
            !wanted.add_address(&node(2), address(1), now),
            "nobody asked for it"
        );
    }

    #[test]
    fn setting_the_list_again_keeps_what_is_known() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        let list = || vec![(node(1), vec![address(1)]), (node(2), vec![address(2)])];
        wanted.set(list(), now, never);
        assert_eq!(wanted.take_due(now, 1).len(), 1);
        wanted.on_connected(&node(1), now);
        wanted.set(list(), now, never);
        assert_eq!(wanted.take_due(now, 9), vec![(node(2), vec![address(2)])]);
        wanted.set(vec![(node(3), vec![address(3)])], now, |known| {
            *known == node(3)
        });
        assert_eq!(wanted.nodes().collect::<Vec<_>>(), [&node(3)]);
        assert!(
            wanted.take_due(now + PAUSE_MAX, 9).is_empty(),
            "it is connected already"
        );
    }

    #[test]
    fn what_the_list_says_stays_however_much_is_learnt() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.set(vec![(node(1), vec![address(1)])], now, never);
        for port in 2..100 {
            wanted.add_address(&node(1), address(port), now);
        }
        wanted.set(vec![(node(1), vec![address(1), address(200)])], now, never);
        let known = wanted.addresses(&node(1));
        assert_eq!(known[..2], [address(1), address(200)]);
        assert_eq!(known.len(), ADDRESSES_KEPT_MAX);
    }

    #[test]
    fn whoever_waits_is_called_soon_when_the_network_changes() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        let list = vec![(node(1), vec![address(1)]), (node(2), vec![address(2)])];
        wanted.set(list, now, never);
        let mut at = now;
        for _ in 0..12 {
            wanted.take_due(at, 9);
            wanted.on_failed(&node(1), at, 0);
            wanted.on_failed(&node(2), at, 0);
            at = wanted.next_at().unwrap();
        }
        let mut jitter = [0, u32::MAX].into_iter();
        let woke = at - PAUSE_MAX / 4;
        wanted.hasten(woke, || jitter.next().unwrap());
        assert_eq!(wanted.take_due(woke + PAUSE_MIN, 9).len(), 1, "not in step");
        assert_eq!(wanted.take_due(woke + PAUSE_MIN * 2, 9).len(), 1);
        wanted.on_failed(&node(1), woke, 0);
        assert_eq!(wanted.next_at(), Some(woke + PAUSE_MIN), "counted anew");
    }

    #[test]
    fn the_list_is_bounded() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        let list = (0..WANTED_MAX as u32 + 9).map(|n| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            (NodeId::from_bytes(bytes), vec![address(1)])
        });
        wanted.set(list.collect(), now, never);
        assert_eq!(wanted.take_due(now, usize::MAX).len(), WANTED_MAX);
    }
}
