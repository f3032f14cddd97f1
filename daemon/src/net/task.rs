//! The task that owns the swarm.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_config::NetworkSettings;
use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, MessageAcceptance, PublishError, TopicHash};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, mdns, ping, relay};
use tokio::sync::mpsc;

use super::dropped::Dropped;
use super::gossip::{self, Acceptance, Pending};
use super::handle::Command;
use super::outbox::Outbox;
use super::peers::{self, Link};
use super::reach::Reach;
use super::relay::Members;
use super::requests::Shared;
use super::swarm::{Behaviour, BehaviourEvent};
use super::wanted::{ADDRESSES_KEPT_MAX, Wanted};
use super::{MessageRef, NetError, NetEvent};

#[path = "calls.rs"]
mod calls;
#[path = "paths.rs"]
mod paths;

use calls::{dial_reason, jitter};
use paths::Clocks;

/// How often messages that wait for judgement are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How long the connection stays of a node that is trusted no more, once no stream uses it: long enough for
/// the exchange in which it tells why.
const FALLEN_IDLE: Duration = Duration::from_secs(5);
/// How long listeners may take to tell their addresses.
const BEGIN_MAX: Duration = Duration::from_secs(1);
/// How long connections may take to end in order.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    node: NodeId,
    max_connections: u32,
    /// How long a connection stays that nobody uses.
    idle: Duration,
    shared: Arc<Shared>,
    outbox: Outbox,
    /// Somebody takes events.
    is_heard: bool,
    wanted: Wanted,
    pending: Pending,
    swept_at: Instant,
    topics: HashMap<TopicHash, NetworkId>,
    listeners: Vec<ListenerId>,
    reach: Reach,
    /// Where others can call this node, as its settings say.
    told: Vec<Multiaddr>,
    /// The nodes that may reserve a place here; and those that have.
    members: Members,
    guests: HashSet<PeerId>,
    /// What passes through here: from whom to whom.
    circuits: Vec<(PeerId, PeerId)>,
    clocks: Clocks,
    next_direct: Instant,
}

impl Task {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        node: NodeId,
        settings: &NetworkSettings,
        shared: Arc<Shared>,
        members: Members,
    ) -> Self {
        let told = shared.view().external.clone();
        Self {
            swarm,
            node,
            max_connections: settings.max_connections,
            idle: Duration::from_secs(u64::from(settings.idle_timeout_s)),
            shared,
            outbox: Outbox::default(),
            is_heard: true,
            wanted: Wanted::default(),
            pending: Pending::default(),
            swept_at: Instant::now(),
            topics: HashMap::new(),
            listeners: Vec::new(),
            reach: Reach::default(),
            told,
            members,
            guests: HashSet::new(),
            circuits: Vec::new(),
            clocks: Clocks::now(),
            next_direct: Instant::now(),
        }
    }

    /// Notes what listens and the warnings of the start, and waits until each listener has told its
    /// address: a second at most.
    pub(super) async fn begin(&mut self, listeners: Vec<ListenerId>, warnings: Vec<String>) {
        for warning in warnings {
            self.outbox.push(NetEvent::Warning(warning));
        }
        self.open_relay();
        let mut silent: HashSet<ListenerId> = listeners.iter().copied().collect();
        self.listeners = listeners;
        let told = async {
            while !silent.is_empty() {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::NewListenAddr { listener_id, .. }
                | SwarmEvent::ListenerClosed { listener_id, .. } = &event
                {
                    silent.remove(listener_id);
                }
                self.on_swarm_event(event);
            }
        };
        // A machine without any network has no addresses to tell.
        let _ = tokio::time::timeout(BEGIN_MAX, told).await;
    }

    /// Runs until it is told to stop or nobody can tell it anything any more.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<NetEvent>,
    ) {
        let mut done = None;
        let shared = Arc::clone(&self.shared);
        loop {
            let wake = tokio::time::Instant::from_std(self.wake_at());
            tokio::select! {
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Shutdown(reply)) => {
                        done = Some(reply);
                        break;
                    }
                    Some(command) => {
                        // What was asked before this without waiting comes first.
                        self.on_requests();
                        self.on_command(command);
                    }
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                permit = events.reserve(), if self.is_heard && !self.outbox.is_empty() => {
                    match (permit, self.outbox.pop()) {
                        (Ok(permit), Some(event)) => permit.send(event),
                        (Ok(_), None) => {}
                        (Err(_), _) => self.is_heard = false,
                    }
                }
                () = shared.asked.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            self.on_requests();
            self.on_time(Instant::now());
        }
        commands.close();
        self.drain().await;
        drop((self, commands));
        if let Some(reply) = done {
            let _ = reply.send(());
        }
    }

    fn emit(&mut self, event: NetEvent) {
        if self.is_heard {
            self.outbox.push(event);
        }
    }

    fn wake_at(&self) -> Instant {
        let sweep = self.swept_at + SWEEP;
        self.wanted.next_at().map_or(sweep, |at| at.min(sweep))
    }

    fn on_time(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= SWEEP {
            self.swept_at = now;
            for (id, source) in self.pending.take_expired(now) {
                self.shared.dropped.add(Dropped::GossipLate);
                self.outbox.forget(&id);
                self.judge(&MessageRef { id, source }, Acceptance::Ignore);
            }
            self.close_unused(now);
            self.tend_paths(now);
        }
        if self.wanted.next_at().is_some_and(|at| at <= now) {
            self.call_wanted(now);
        }
    }

    /// Ends the connections that nobody uses. libp2p does not: gossip keeps a stream open on each.
    fn close_unused(&mut self, now: Instant) {
        let behaviour = self.swarm.behaviour();
        let mut unused = behaviour.streams.unused(self.idle, now);
        let brief = behaviour.streams.unused(FALLEN_IDLE.min(self.idle), now);
        unused.extend(
            brief
                .into_iter()
                .filter(|(peer, _)| behaviour.gossip.has_fallen(peer)),
        );
        if unused.is_empty() {
            return;
        }
        let mut in_use: HashSet<PeerId> = {
            let mesh = behaviour.gossip.gossip().all_mesh_peers();
            mesh.copied().collect()
        };
        in_use.extend(self.passing());
        let closed: Vec<_> = unused
            .into_iter()
            .filter(|(peer, _)| !in_use.contains(peer) || behaviour.gossip.has_fallen(peer))
            .collect();
        for (_, connection) in closed {
            self.swarm.close_connection(connection);
        }
    }

    fn on_requests(&mut self) {
        let requests = self.shared.take();
        for (network, follow) in requests.topics {
            self.follow(network, follow);
        }
        if let Some(list) = requests.wanted {
            self.set_wanted(list);
        }
        if let Some(nodes) = requests.trusted {
            let peers: HashSet<PeerId> = nodes.iter().filter_map(peers::peer_id).collect();
            self.members.set(peers.clone());
            self.swarm.behaviour_mut().gossip.set_trusted(peers);
        }
        for (node, address) in requests.addresses {
            self.wanted.add_address(&node, address, Instant::now());
        }
        for (message, verdict) in requests.reports {
            if self.pending.take(&message.id) {
                self.judge(&message, verdict);
            }
        }
        for (node, addresses) in requests.dials {
            if let Err(error) = self.dial(node, addresses) {
                let reason = dial_reason(&error);
                tracing::debug!(?node, "cannot call: {reason}");
                self.emit(NetEvent::DialFailed { node, reason });
            }
        }
        for node in requests.disconnects {
            if let Some(peer) = peers::peer_id(&node) {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish(network, bytes, reply) => {
                let _ = reply.send(self.publish(&network, bytes));
            }
            Command::Subscribers(network, reply) => {
                let _ = reply.send(self.subscribers(&gossip::topic(&network).hash()));
            }
            Command::Open(node, protocol, reply) => match peers::peer_id(&node) {
                Some(peer) => {
                    let streams = &mut self.swarm.behaviour_mut().streams;
                    streams.open(peer, protocol, reply);
                }
                None => drop(reply),
            },
            // Taken out by the loop.
            Command::Shutdown(_) => {}
        }
    }

    fn set_wanted(&mut self, list: Vec<(NodeId, Vec<Multiaddr>)>) {
        let view = self.shared.view();
        self.wanted
            .set(list, Instant::now(), |node| view.is_connected(node));
        drop(view);
        let peers = self.wanted.nodes().filter_map(peers::peer_id).collect();
        self.swarm.behaviour_mut().streams.set_wanted(peers);
    }

    fn follow(&mut self, network: NetworkId, follow: bool) {
        let topic = gossip::topic(&network);
        let gossip = self.swarm.behaviour_mut().gossip.gossip_mut();
        if !follow {
            self.topics.remove(&topic.hash());
            gossip.unsubscribe(&topic);
            return;
        }
        match gossip::subscribe(gossip, &topic) {
            Ok(_) => {
                self.topics.insert(topic.hash(), network);
            }
            Err(error) => self.emit(NetEvent::Warning(format!(
                "new records of a network arrive by comparison only, not at once: {error}"
            ))),
        }
    }

    fn publish(&mut self, network: &NetworkId, bytes: Vec<u8>) -> Result<usize, NetError> {
        let topic = gossip::topic(network).hash();
        let size = bytes.len();
        let subscribers = self.subscribers(&topic);
        let gossip = self.swarm.behaviour_mut().gossip.gossip_mut();
        match gossip.publish(topic, bytes) {
            Ok(_) => Ok(subscribers),
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => Ok(0),
            Err(PublishError::MessageTooLarge) => Err(NetError::TooLarge { bytes: size }),
            Err(error) => Err(NetError::NotSent(error.to_string())),
        }
    }

    fn subscribers(&self, topic: &TopicHash) -> usize {
        let guard = &self.swarm.behaviour().gossip;
        let all = guard.gossip().all_peers();
        all.filter(|(peer, topics)| guard.is_trusted(peer) && topics.contains(&topic))
            .count()
    }

    fn judge(&mut self, message: &MessageRef, acceptance: Acceptance) {
        let acceptance = MessageAcceptance::from(acceptance);
        let gossip = self.swarm.behaviour_mut().gossip.gossip_mut();
        gossip.report_message_validation_result(&message.id, &message.source, acceptance);
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(peer_id, Link::new(connection_id, &endpoint));
            }
            SwarmEvent::ConnectionClosed {
                connection_id,
                cause,
                ..
            } => {
                self.on_closed(connection_id, cause.map(|cause| cause.to_string()));
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.on_dial_failed(peer_id, &error);
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                if self.on_place(listener_id, &address) {
                    return;
                }
                self.tell_relay(&address);
                let mut view = self.shared.view_mut();
                if !view.listen.contains(&address) {
                    view.listen.push(address.clone());
                }
                drop(view);
                self.emit(NetEvent::Listening {
                    address: address.to_string(),
                });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let mut view = self.shared.view_mut();
                let before = view.listen.len();
                view.listen.retain(|known| *known != address);
                let is_less = view.listen.len() < before;
                drop(view);
                if is_less {
                    self.on_moved(address);
                    self.emit(NetEvent::AddressesChanged);
                }
            }
            SwarmEvent::NewExternalAddrCandidate { address } => self.on_candidate(&address),
            SwarmEvent::ExternalAddrConfirmed { address } => self.on_external(address),
            SwarmEvent::ExternalAddrExpired { address } => self.on_external_lost(address),
            SwarmEvent::ListenerClosed { listener_id, .. } if self.on_place_lost(listener_id) => {}
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                self.shared
                    .view_mut()
                    .listen
                    .retain(|known| !addresses.contains(known));
                if let Err(error) = reason {
                    let place = addresses
                        .first()
                        .map_or_else(String::new, ToString::to_string);
                    self.emit(NetEvent::Warning(format!(
                        "no longer listening on {place}: {error}"
                    )));
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.shared.dropped.add(Dropped::Connection);
                tracing::debug!("a call from another node came to nothing: {error}");
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, link: Link) {
        let Some(node) = peers::node_id(&peer) else {
            self.swarm.close_connection(link.connection);
            return;
        };
        let (text, outbound) = (link.address.to_string(), link.outbound);
        let mut view = self.shared.view_mut();
        let could_be_called = view.can_be_called();
        let is_first = view.add_link(node, link);
        let is_news = view.can_be_called() != could_be_called;
        drop(view);
        self.wanted.on_connected(&node, Instant::now());
        self.reach.on_connected(Instant::now());
        if is_news {
            self.open_relay();
        }
        if is_first {
            tracing::debug!(?node, outbound, "connected");
            self.emit(NetEvent::Connected {
                node,
                address: text,
                outbound,
            });
        }
    }

    fn on_closed(&mut self, connection: ConnectionId, cause: Option<String>) {
        let closed = self.shared.view_mut().remove_link(connection);
        if let Some((node, true)) = closed {
            tracing::debug!(?node, cause, "disconnected");
            self.reach.on_gone(&node);
            self.wanted.on_disconnected(&node, Instant::now(), jitter());
            self.emit(NetEvent::Disconnected { node });
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            }) => {
                let message_ref = MessageRef {
                    id: message_id,
                    source: propagation_source,
                };
                self.on_gossip(message_ref, &message.topic, message.data);
            }
            BehaviourEvent::Gossip(_) => {}
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                if let Some(node) = peers::node_id(&peer_id) {
                    let relays = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
                    self.reach.note_offer(node, relays);
                    self.shared
                        .view_mut()
                        .set_agent(&node, peers::clean_agent(&info.agent_version));
                    let addresses = as_texts(info.listen_addrs);
                    self.emit(NetEvent::Identified { node, addresses });
                }
            }
            BehaviourEvent::Identify(_) => {}
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(round_trip) => {
                    if let Some(node) = peers::node_id(&peer) {
                        self.shared.view_mut().set_round_trip(&node, round_trip);
                    }
                }
                Err(ping::Failure::Unsupported) => {}
                // Whoever does not answer is gone, whatever the transport believes.
                Err(_) => {
                    self.swarm.close_connection(connection);
                }
            },
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_found(found),
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            BehaviourEvent::Relay(event) => self.on_relay_event(&event),
            BehaviourEvent::Punching(event) => {
                let found = event.result.is_ok();
                tracing::debug!(peer = %event.remote_peer_id, found, "a direct way was sought");
            }
            BehaviourEvent::Upnp(_)
            | BehaviourEvent::Asking(_)
            | BehaviourEvent::Answering(_)
            | BehaviourEvent::Relayed(_) => {}
            BehaviourEvent::Limits(never) => match never {},
            BehaviourEvent::Streams(never) => match never {},
        }
    }

    fn on_gossip(&mut self, message: MessageRef, topic: &TopicHash, bytes: Vec<u8>) {
        if bytes.len() > limits::GOSSIP_MAX_BYTES {
            self.shared.dropped.add(Dropped::GossipTooLarge);
            self.judge(&message, Acceptance::Reject);
            return;
        }
        let known = (self.topics.get(topic), peers::node_id(&message.source));
        let (Some(network), Some(from), true) = (known.0.copied(), known.1, self.is_heard) else {
            self.shared.dropped.add(Dropped::GossipUnknown);
            self.judge(&message, Acceptance::Ignore);
            return;
        };
        if !self
            .pending
            .push(message.id.clone(), message.source, Instant::now())
        {
            self.shared.dropped.add(Dropped::GossipWaiting);
            tracing::debug!("ignored gossip: too much waits for judgement");
            self.judge(&message, Acceptance::Ignore);
            return;
        }
        self.emit(NetEvent::Gossip {
            message,
            from,
            network,
            bytes,
        });
    }

    fn on_found(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut by_node: BTreeMap<NodeId, Vec<Multiaddr>> = BTreeMap::new();
        for (peer, address) in found {
            if let Some(node) = peers::node_id(&peer)
                && node != self.node
            {
                by_node
                    .entry(node)
                    .or_default()
                    .push(peers::without_peer(address));
            }
        }
        for (node, mut addresses) in by_node {
            addresses.truncate(ADDRESSES_KEPT_MAX);
            for address in &addresses {
                self.wanted
                    .add_address(&node, address.clone(), Instant::now());
            }
            let texts = as_texts(addresses.clone());
            // Half of the connections are enough for whoever happens to be near.
            if self.connections() < self.max_connections / 2
                && let Err(error) = self.call(&node, addresses)
            {
                tracing::debug!(?node, "cannot call: {error}");
            }
            self.emit(NetEvent::Found {
                node,
                addresses: texts,
            });
        }
    }

    /// Ends what is open in order, as far as that takes little time.
    async fn drain(&mut self) {
        for id in self.listeners.drain(..) {
            self.swarm.remove_listener(id);
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                    self.swarm.close_connection(connection_id);
                }
            }
        };
        if tokio::time::timeout(DRAIN_MAX, closed).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
        let mut view = self.shared.view_mut();
        *view = peers::View::default();
    }
}

fn as_texts(addresses: Vec<Multiaddr>) -> Vec<String> {
    let texts = addresses.into_iter().take(ADDRESSES_KEPT_MAX);
    texts
        .map(|address| peers::without_peer(address).to_string())
        .collect()
}
