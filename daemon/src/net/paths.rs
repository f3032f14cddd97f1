//! The ways that lead to this node and from it: addresses that others can call, places at relays, and which of several
//! connections with a node stays.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use fingerpost_proto::ids::NodeId;
use fingerpost_proto::limits;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::NewExternalAddrCandidate;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, FromSwarm, NetworkBehaviour};
use libp2p::{Multiaddr, PeerId, relay};

use super::calls::jitter;
use super::{NetEvent, Task};
use crate::net::addresses::{is_public, is_relayed};
use crate::net::dropped::Dropped;
use crate::net::peers::{self, Link};
use crate::net::reach::Candidate;

/// How long a relayed connection may go on with what runs over it once there is a direct one. What was exchanged by
/// then is kept, and the rest follows on the direct one.
const MOVE_WITHIN: Duration = Duration::from_secs(5);
/// How old a connection is before it may count as one too many.
const SETTLED: Duration = Duration::from_secs(30);
/// How often a node that is connected over a relay alone is called directly.
const DIRECT_EVERY: Duration = Duration::from_secs(3 * 60);
/// How long a connection must be unused to count as that, when there are too many.
const BRIEFLY: Duration = Duration::from_secs(10);
/// When the clock has gone so much farther than this program has run, the machine was asleep.
const ASLEEP_MIN: Duration = Duration::from_secs(20);

/// Two clocks: one stands still while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    run: Instant,
    day: SystemTime,
}

impl Clocks {
    pub(super) fn now() -> Self {
        Self {
            run: Instant::now(),
            day: SystemTime::now(),
        }
    }

    /// Whether the machine slept between two looks, or somebody set its clock forward.
    fn slept_until(self, later: Self) -> bool {
        let ran = later.run.saturating_duration_since(self.run);
        let passed = later.day.duration_since(self.day).unwrap_or_default();
        passed >= ran + ASLEEP_MIN
    }
}

impl Task {
    /// What is looked at every second.
    pub(super) fn tend_paths(&mut self, now: Instant) {
        let clocks = Clocks::now();
        if self.clocks.slept_until(clocks) {
            tracing::info!("this machine was asleep: calling the others");
            self.wanted.hasten(now, jitter);
        }
        self.clocks = clocks;
        self.reach.take_overdue(now, jitter());
        let can_be_called = self.shared.view().can_be_called();
        if can_be_called {
            let held: Vec<ListenerId> = self.reach.held().collect();
            for listener in held {
                self.swarm.remove_listener(listener);
            }
        } else if !self.listeners.is_empty() && self.reach.is_seeking(now) {
            self.ask_a_relay(now);
        }
        self.end_surplus(now);
        self.end_crowd(now);
        self.call_directly(now);
    }

    fn ask_a_relay(&mut self, now: Instant) {
        let members = &self.members;
        let view = self.shared.view();
        let candidates = self.reach.offers().filter_map(|node| {
            let is_members = members.holds(&peers::peer_id(node)?);
            let called = view
                .links(node)
                .iter()
                .rfind(|it| it.outbound && !it.is_relayed());
            let address = called.filter(|_| is_members)?.address.clone();
            Some(Candidate {
                relay: *node,
                address,
            })
        });
        let candidates = candidates.collect();
        drop(view);
        let Some(Candidate { relay, address }) = self.reach.choose(candidates, now, jitter())
        else {
            return;
        };
        let Some(peer) = peers::peer_id(&relay) else {
            return;
        };
        let place = address.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit);
        match self.swarm.listen_on(place) {
            Ok(listener) => self.reach.on_asked(relay, listener, now),
            Err(error) => {
                tracing::debug!(?relay, "a relay could not be asked: {error}");
                self.reach.on_refused(relay, now, jitter());
            }
        }
    }

    /// Something listens at an address. Whether that is a place at a relay, which is not an address of this machine.
    pub(super) fn on_place(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let is_place = self
            .reach
            .on_address(listener, peers::without_peer(address.clone()));
        if is_place {
            self.show_places();
        }
        is_place
    }

    /// Something listens no more. Whether that was a place at a relay.
    pub(super) fn on_place_lost(&mut self, listener: ListenerId) -> bool {
        let was_place = self.reach.on_closed(listener, Instant::now(), jitter());
        if was_place {
            tracing::debug!("a place at a relay is gone");
            self.show_places();
        }
        was_place
    }

    fn show_places(&mut self) {
        let places = self.reach.addresses();
        let mut view = self.shared.view_mut();
        if view.relayed != places {
            view.relayed = places;
            drop(view);
            self.emit(NetEvent::AddressesChanged);
        }
    }

    /// Others see this node under an address, over the transport that they are connected by. A router that keeps the port
    /// of one keeps that of the other: both are tried, or the two sides of a hole would call at different ones.
    pub(super) fn on_candidate(&mut self, seen: &Multiaddr) {
        let Some(host) = seen.iter().next().filter(|_| !is_relayed(seen)) else {
            return;
        };
        let view = self.shared.view();
        let is_same = |it: &&Multiaddr| {
            matches!(
                (it.iter().next(), &host),
                (Some(Protocol::Ip4(_)), Protocol::Ip4(_))
                    | (Some(Protocol::Ip6(_)), Protocol::Ip6(_))
            )
        };
        let listening = view.listen.iter().filter(is_same);
        let others = listening.filter_map(|it| it.replace(0, |_| Some(host.clone())));
        let mut others: Vec<Multiaddr> = others.filter(|it| it != seen).collect();
        drop(view);
        others.sort();
        others.dedup();
        let behaviour = self.swarm.behaviour_mut();
        for addr in &others {
            let candidate =
                || FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr });
            behaviour.asking.on_swarm_event(candidate());
            behaviour.punching.on_swarm_event(candidate());
        }
    }

    /// Others can call this node at an address.
    pub(super) fn on_external(&mut self, address: Multiaddr) {
        let address = peers::without_peer(address);
        if is_relayed(&address) || !is_public(&address) {
            return;
        }
        let is_new = {
            let mut view = self.shared.view_mut();
            let is_new = !view.external.contains(&address);
            if is_new {
                view.external.push(address);
            }
            is_new
        };
        if is_new {
            self.emit(NetEvent::AddressesChanged);
        }
        self.open_relay();
    }

    /// They can no longer.
    pub(super) fn on_external_lost(&mut self, address: Multiaddr) {
        let address = peers::without_peer(address);
        let is_less = {
            let mut view = self.shared.view_mut();
            let before = view.external.len();
            view.external.retain(|known| *known != address);
            view.external.len() < before
        };
        if is_less {
            self.emit(NetEvent::AddressesChanged);
        }
        self.open_relay();
    }

    /// A node that is to relay says where others call it: at what its settings name, and at addresses of its own that
    /// lead through the internet. It is to be trusted with knowing that they do.
    pub(super) fn tell_relay(&mut self, address: &Multiaddr) {
        if self.swarm.behaviour().relay.is_enabled() && is_public(address) {
            self.swarm.add_external_address(address.clone());
            self.on_external(address.clone());
        }
    }

    /// Opens the relay while others can call this node, and closes it otherwise.
    pub(super) fn open_relay(&mut self) {
        let mut view = self.shared.view_mut();
        let open = view.can_be_called();
        if let Some(relay) = self.swarm.behaviour_mut().relay.as_mut() {
            view.relaying.offered = open;
            relay.set_status(Some(match open {
                true => relay::Status::Enable,
                false => relay::Status::Disable,
            }));
        }
    }

    /// An address of this machine is gone: what was found out about the old ones may not hold for what is left.
    pub(super) fn on_moved(&mut self, gone: Multiaddr) {
        self.swarm.remove_external_address(&gone);
        self.on_external_lost(gone);
        let mut view = self.shared.view_mut();
        view.was_called = false;
        let is_nowhere = view.listen.iter().all(is_here_only);
        drop(view);
        self.wanted.hasten(Instant::now(), jitter);
        if is_nowhere {
            // What was found out holds for the network that this machine has left.
            let found = self.shared.view().external.clone();
            for address in found
                .into_iter()
                .filter(|it| !self.told.contains(it))
                .collect::<Vec<_>>()
            {
                self.swarm.remove_external_address(&address);
                self.on_external_lost(address);
            }
            // None of the connections leads anywhere now; waiting until each is found dead would take a minute.
            let all: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
            for peer in all {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    pub(super) fn on_relay_event(&mut self, event: &relay::Event) {
        let mut view = self.shared.view_mut();
        match event {
            relay::Event::ReservationReqAccepted { src_peer_id, .. } => {
                self.guests.insert(*src_peer_id);
            }
            relay::Event::ReservationClosed { src_peer_id }
            | relay::Event::ReservationTimedOut { src_peer_id } => {
                self.guests.remove(src_peer_id);
            }
            relay::Event::CircuitReqAccepted {
                src_peer_id,
                dst_peer_id,
            } => {
                view.relaying.circuits_begun += 1;
                self.circuits.push((*src_peer_id, *dst_peer_id));
            }
            relay::Event::CircuitClosed {
                src_peer_id,
                dst_peer_id,
                ..
            } => {
                let ended = (*src_peer_id, *dst_peer_id);
                if let Some(at) = self.circuits.iter().position(|it| *it == ended) {
                    self.circuits.swap_remove(at);
                }
            }
            relay::Event::ReservationReqDenied { .. } => {
                self.shared.dropped.add(Dropped::Reservation);
            }
            relay::Event::CircuitReqDenied { .. } => self.shared.dropped.add(Dropped::Circuit),
            _ => {}
        }
        view.relaying.places = self.guests.len();
        view.relaying.circuits = self.circuits.len();
    }

    /// The nodes whose connections are used though no stream of ours is: places at relays, either side of them, and
    /// what passes through.
    pub(super) fn passing(&self) -> HashSet<PeerId> {
        let mut passing = self.guests.clone();
        for (from, to) in &self.circuits {
            passing.extend([*from, *to]);
        }
        let view = self.shared.view();
        let relays = view.relays().into_iter();
        let places = view.relayed.iter().map(|(relay, _)| *relay);
        passing.extend(relays.chain(places).filter_map(|it| peers::peer_id(&it)));
        passing
    }

    /// Ends connections that another makes superfluous: what is relayed once there is a direct one, and all but the
    /// newest direct one. Of the latter only one of the two sides ends any, so that each does not end the other's.
    fn end_surplus(&mut self, now: Instant) {
        let streams = &self.swarm.behaviour().streams;
        let view = self.shared.view();
        let age = |link: &Link| now.saturating_duration_since(link.since);
        let mut surplus: Vec<ConnectionId> = Vec::new();
        for node in view.connected() {
            let Some(peer) = peers::peer_id(&node) else {
                continue;
            };
            let links = view.links(&node);
            let Some(best) = links.iter().rfind(|it| !it.is_relayed()) else {
                continue;
            };
            for link in links.iter().filter(|it| it.connection != best.connection) {
                let is_used = streams.is_used(&peer, link.connection);
                let ends = match link.is_relayed() {
                    true => !is_used || age(best) >= MOVE_WITHIN,
                    false => self.node < node && !is_used && age(best) >= SETTLED,
                };
                if ends && age(best) >= MOVE_WITHIN / 2 {
                    surplus.push(link.connection);
                }
            }
        }
        drop(view);
        for connection in surplus {
            self.swarm.close_connection(connection);
        }
    }

    /// Keeps the number of connected nodes within its bound: those go that are not wanted and were not used for a
    /// while.
    fn end_crowd(&mut self, now: Instant) {
        let passing = self.passing();
        let counted = |peer: &&PeerId| !passing.contains(*peer);
        let connected = self.swarm.connected_peers().filter(counted).count();
        let surplus = connected.saturating_sub(limits::CONNECTED_MAX_NODES);
        if surplus == 0 {
            return;
        }
        let unused = self.swarm.behaviour().streams.unused(BRIEFLY, now);
        let mut ended: Vec<PeerId> = unused
            .into_iter()
            .map(|(peer, _)| peer)
            .filter(|peer| counted(&peer))
            .collect();
        ended.dedup();
        ended.truncate(surplus);
        for peer in ended {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Calls nodes directly that are connected over a relay alone, now and then: punching a hole may have failed, and
    /// both may have come into one office since.
    fn call_directly(&mut self, now: Instant) {
        if now < self.next_direct {
            return;
        }
        self.next_direct = now + DIRECT_EVERY.mul_f64(0.75 + 0.5 * share(jitter()));
        let view = self.shared.view();
        let is_relayed_only = |node: &NodeId| {
            let links = view.links(node);
            !links.is_empty() && links.iter().all(Link::is_relayed)
        };
        let nodes: Vec<NodeId> = view
            .connected()
            .into_iter()
            .filter(is_relayed_only)
            .collect();
        drop(view);
        for node in nodes {
            let mut addresses = self.wanted.addresses(&node);
            addresses.retain(|it| !is_relayed(it));
            let Some(peer) = peers::peer_id(&node).filter(|_| !addresses.is_empty()) else {
                continue;
            };
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::NotDialing)
                .addresses(addresses)
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(?node, "cannot be called directly: {error}");
            }
        }
    }
}

/// Whether an address leads nowhere but to this machine, or is of a network without any.
fn is_here_only(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        _ => true,
    }
}

/// A random number as a share of all.
fn share(jitter: u32) -> f64 {
    f64::from(jitter) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_told_from_work() {
        let before = Clocks::now();
        let after = |ran_s, passed_s| Clocks {
            run: before.run + Duration::from_secs(ran_s),
            day: before.day + Duration::from_secs(passed_s),
        };
        assert!(!before.slept_until(after(1, 1)));
        assert!(!before.slept_until(after(3600, 3601)));
        assert!(before.slept_until(after(1, 3600)));
        let set_back = Clocks {
            run: before.run + Duration::from_secs(1),
            day: before.day - Duration::from_secs(3600),
        };
        assert!(!before.slept_until(set_back));
    }
}
