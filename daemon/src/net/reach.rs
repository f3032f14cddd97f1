//! At which relays this node has a place, and when it looks for another.
//!
//! A value without clock, sockets or randomness: they are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;

use super::addresses::range_of;

/// At so many relays a node that cannot be called has a place: should one go, the other still leads to it.
pub(super) const RELAYS_WANTED: usize = 2;
/// Most addresses of one place that others are told.
pub(super) const ADDRESSES_PER_RELAY_MAX: usize = 2;
/// How long after the first connection others may take to say whether they can call this node.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a relay may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The pause after a relay has refused, or was lost; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(10 * 60);
/// Most relays that a pause is noted of.
const PAUSED_MAX: usize = 256;

/// A place at a relay, or a request for one.
#[derive(Debug)]
struct Place {
    relay: NodeId,
    listener: ListenerId,
    asked_at: Instant,
    /// Where others reach this node there; none before the relay has answered.
    addresses: Vec<Multiaddr>,
}

/// A relay that could be asked.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) relay: NodeId,
    /// Where it was called.
    pub(super) address: Multiaddr,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reach {
    since: Option<Instant>,
    /// The connected nodes that offer to relay.
    offers: BTreeSet<NodeId>,
    places: Vec<Place>,
    paused: BTreeMap<NodeId, (Instant, u32)>,
}

impl Reach {
    /// There is a connection with another node.
    pub(super) fn on_connected(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// A connected node said whether it relays.
    pub(super) fn note_offer(&mut self, node: NodeId, relays: bool) {
        if relays {
            self.offers.insert(node);
        } else {
            self.offers.remove(&node);
        }
    }

    /// A node is connected no more.
    pub(super) fn on_gone(&mut self, node: &NodeId) {
        self.offers.remove(node);
    }

    /// The connected nodes that offer to relay.
    pub(super) fn offers(&self) -> impl Iterator<Item = &NodeId> {
        self.offers.iter()
    }

    /// Whether another place is wanted now.
    pub(super) fn is_seeking(&self, now: Instant) -> bool {
        let is_settled = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= SETTLE);
        is_settled && self.places.len() < RELAYS_WANTED
    }

    /// Which of the relays to ask: one at random, of those that are in another range of addresses than the place that
    /// is held, if there are any. `entropy` is uniform.
    pub(super) fn choose(
        &self,
        candidates: Vec<Candidate>,
        now: Instant,
        entropy: u32,
    ) -> Option<Candidate> {
        let is_free = |it: &Candidate| {
            let paused = self.paused.get(&it.relay);
            paused.is_none_or(|(until, _)| *until <= now) && !self.has_place(&it.relay)
        };
        let mut free: Vec<Candidate> = candidates.into_iter().filter(is_free).collect();
        let held: BTreeSet<_> = self
            .places
            .iter()
            .flat_map(|place| &place.addresses)
            .map(range_of)
            .collect();
        let is_elsewhere = |it: &Candidate| !held.contains(&range_of(&it.address));
        if free.iter().any(is_elsewhere) {
            free.retain(is_elsewhere);
        }
        let at = usize::try_from(entropy).ok()?.checked_rem(free.len())?;
        free.into_iter().nth(at)
    }

    /// A relay was asked.
    pub(super) fn on_asked(&mut self, relay: NodeId, listener: ListenerId, now: Instant) {
        self.places.push(Place {
            relay,
            listener,
            asked_at: now,
            addresses: Vec::new(),
        });
    }

    /// A relay was not even asked.
    pub(super) fn on_refused(&mut self, relay: NodeId, now: Instant, jitter: u32) {
        let failures = self.paused.get(&relay).map_or(0, |(_, failures)| *failures);
        let full = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures));
        let pause = full
            .min(PAUSE_MAX)
            .mul_f64(0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX));
        if self.paused.len() >= PAUSED_MAX {
            self.paused.retain(|_, (until, _)| *until > now);
            if self.paused.len() >= PAUSED_MAX {
                self.paused.pop_first();
            }
        }
        self.paused
            .insert(relay, (now + pause, failures.saturating_add(1)));
    }

    /// Something listens at an address. Whether that is a place at a relay.
    pub(super) fn on_address(&mut self, listener: ListenerId, address: Multiaddr) -> bool {
        let Some(place) = self.places.iter_mut().find(|it| it.listener == listener) else {
            return false;
        };
        self.paused.remove(&place.relay);
        if place.addresses.len() < ADDRESSES_PER_RELAY_MAX && !place.addresses.contains(&address) {
            place.addresses.push(address);
        }
        true
    }

    /// Something listens no more. Whether that was a place at a relay.
    pub(super) fn on_closed(&mut self, listener: ListenerId, now: Instant, jitter: u32) -> bool {
        let Some(at) = self.places.iter().position(|it| it.listener == listener) else {
            return false;
        };
        let place = self.places.remove(at);
        self.on_refused(place.relay, now, jitter);
        true
    }

    /// The requests that were not answered in time. What is left of them comes to nothing by itself.
    pub(super) fn take_overdue(&mut self, now: Instant, jitter: u32) {
        let is_overdue = |place: &Place| {
            place.addresses.is_empty()
                && now.saturating_duration_since(place.asked_at) >= ANSWER_MAX
        };
        let overdue: Vec<NodeId> = self
            .places
            .iter()
            .filter(|place| is_overdue(place))
            .map(|place| place.relay)
            .collect();
        self.places.retain(|place| !is_overdue(place));
        for relay in overdue {
            self.on_refused(relay, now, jitter);
        }
    }

    /// The places that are held. They are not needed once this node can be called.
    pub(super) fn held(&self) -> impl Iterator<Item = ListenerId> {
        let held = self.places.iter().filter(|it| !it.addresses.is_empty());
        held.map(|it| it.listener)
    }

    /// Whether there is a place at a relay, or one was asked for.
    pub(super) fn has_place(&self, relay: &NodeId) -> bool {
        self.places.iter().any(|it| it.relay == *relay)
    }

    /// Where others reach this node over relays.
    pub(super) fn addresses(&self) -> Vec<(NodeId, Multiaddr)> {
        let of = |place: &Place| {
            let relay = place.relay;
            let addresses = place.addresses.clone();
            addresses.into_iter().map(move |address| (relay, address))
        };
        self.places.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn at(n: u8, ip: &str) -> Candidate {
        Candidate {
            relay: node(n),
            address: format!("/ip4/{ip}/tcp/7787").parse().unwrap(),
        }
    }

    fn chosen(reach: &Reach, candidates: &[Candidate], now: Instant, entropy: u32) -> Option<u8> {
        let chosen = reach.choose(candidates.to_vec(), now, entropy)?;
        Some(chosen.relay.as_bytes()[0])
    }

    #[test]
    fn places_are_sought_until_there_are_two_and_in_different_ranges() {
        let mut now = Instant::now();
        let mut reach = Reach::default();
        assert!(!reach.is_seeking(now), "nobody is connected");
        reach.on_connected(now);
        assert!(
            !reach.is_seeking(now),
            "others may still say that they can call"
        );
        now += SETTLE;
        assert!(reach.is_seeking(now));
        let all = [
            at(1, "203.0.113.1"),
            at(2, "203.0.113.2"),
            at(3, "198.51.100.1"),
        ];
        assert_eq!(chosen(&reach, &all, now, 4), Some(2));
        assert_eq!(chosen(&reach, &[], now, 4), None);
        let listener = ListenerId::next();
        reach.on_asked(node(2), listener, now);
        assert!(reach.addresses().is_empty() && reach.held().next().is_none());
        assert!(reach.on_address(listener, at(2, "203.0.113.2").address));
        assert!(!reach.on_address(ListenerId::next(), at(2, "203.0.113.2").address));
        assert_eq!(reach.held().collect::<Vec<_>>(), [listener]);
        for entropy in 0..9 {
            assert_eq!(chosen(&reach, &all, now, entropy), Some(3));
        }
        assert_eq!(
            chosen(&reach, &all[..2], now, 7),
            Some(1),
            "better than none"
        );
        assert!(reach.is_seeking(now));
        reach.on_asked(node(3), ListenerId::next(), now);
        assert!(!reach.is_seeking(now));
    }

    #[test]
    fn a_relay_that_is_lost_is_asked_less_and_less_often() {
        let mut now = Instant::now();
        let mut reach = Reach::default();
        let only = [at(1, "203.0.113.1")];
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let listener = ListenerId::next();
            reach.on_asked(node(1), listener, now);
            assert_eq!(chosen(&reach, &only, now, 0), None, "it was asked");
            assert!(reach.on_closed(listener, now, u32::MAX));
            assert!(!reach.on_closed(listener, now, 0));
            let (until, _) = reach.paused[&node(1)];
            assert_eq!(chosen(&reach, &only, now, 0), None);
            pauses.push(until - now);
            now = until;
            assert_eq!(chosen(&reach, &only, now, 0), Some(1));
        }
        assert_eq!((pauses[0], pauses[1]), (PAUSE_MIN, PAUSE_MIN * 2));
        assert_eq!(pauses[11], PAUSE_MAX);
        let listener = ListenerId::next();
        reach.on_asked(node(1), listener, now);
        reach.on_address(listener, only[0].address.clone());
        reach.on_closed(listener, now, u32::MAX);
        assert_eq!(reach.paused[&node(1)].0, now + PAUSE_MIN, "it had answered");
    }

    #[test]
    fn whoever_does_not_answer_makes_room_for_another() {
        let now = Instant::now();
        let mut reach = Reach::default();
        reach.on_connected(now);
        for n in 1..=2 {
            reach.on_asked(node(n), ListenerId::next(), now);
        }
        let later = now + ANSWER_MAX;
        assert!(!reach.is_seeking(later));
        reach.take_overdue(later, 0);
        assert!(reach.is_seeking(later) && !reach.has_place(&node(1)));
    }

    #[test]
    fn what_is_remembered_of_relays_is_bounded() {
        let now = Instant::now();
        let mut reach = Reach::default();
        for n in 0..PAUSED_MAX * 2 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            reach.on_refused(NodeId::from_bytes(bytes), now, 0);
        }
        assert_eq!(reach.paused.len(), PAUSED_MAX);
        let listener = ListenerId::next();
        reach.on_asked(node(1), listener, now);
        for port in 1..9 {
            let address = format!("/ip4/203.0.113.1/tcp/{port}").parse().unwrap();
            assert!(reach.on_address(listener, address));
        }
        assert_eq!(reach.addresses().len(), ADDRESSES_PER_RELAY_MAX);
    }
}
