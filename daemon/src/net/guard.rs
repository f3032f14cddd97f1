//! Gossip with those alone whom the node trusts.
//!
//! gossipsub tells its topics to everybody who connects, and takes in subscriptions and messages of
//! everybody. Here it stands behind a guard: of a connection with a node that is not trusted, its half
//! of the work is done (the protocol is negotiated, streams are accepted) but its handler is not run.
//! So nothing is written to that node and nothing that it writes is read; what both sides have to say
//! waits, the other side's in the transport's buffers, and crosses as soon as the node is trusted. No
//! connection has to be made anew.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::gossip::Gossip;

type Inner = THandler<Gossip>;

/// See the module.
pub(super) struct Guard {
    gossip: Gossip,
    trusted: HashSet<PeerId>,
    /// Those that were trusted on a connection that is still up, and are no more.
    fallen: HashSet<PeerId>,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    /// Whether the handlers of a node's connections run. Shared with them, so that nothing that is published
    /// after a node has lost its trust is on its way to it already.
    runs: HashMap<PeerId, Arc<AtomicBool>>,
    /// Handlers that are to look at what they share.
    commands: VecDeque<(PeerId, ConnectionId)>,
    waker: Option<Waker>,
}

impl Guard {
    pub(super) fn new(gossip: Gossip) -> Self {
        Self {
            gossip,
            trusted: HashSet::new(),
            fallen: HashSet::new(),
            connections: HashMap::new(),
            runs: HashMap::new(),
            commands: VecDeque::new(),
            waker: None,
        }
    }

    /// What is guarded.
    pub(super) fn gossip(&self) -> &Gossip {
        &self.gossip
    }

    /// What is guarded, to publish and subscribe.
    pub(super) fn gossip_mut(&mut self) -> &mut Gossip {
        &mut self.gossip
    }

    /// Whether gossip runs with a node.
    pub(super) fn is_trusted(&self, peer: &PeerId) -> bool {
        self.trusted.contains(peer)
    }

    /// Whether a node has lost the trust that it had on a connection that is still up. gossipsub does not
    /// know: it counts such a node among its neighbours until the connection ends.
    pub(super) fn has_fallen(&self, peer: &PeerId) -> bool {
        self.fallen.contains(peer)
    }

    /// Sets with whom gossip runs; of these, those that are connected at present.
    pub(super) fn set_trusted(&mut self, trusted: impl IntoIterator<Item = PeerId>) {
        let trusted: HashSet<PeerId> = trusted
            .into_iter()
            .filter(|peer| self.connections.contains_key(peer))
            .collect();
        let changed: Vec<PeerId> = trusted
            .symmetric_difference(&self.trusted)
            .copied()
            .collect();
        self.trusted = trusted;
        for peer in changed {
            let run = self.trusted.contains(&peer);
            if run {
                self.fallen.remove(&peer);
            } else {
                self.fallen.insert(peer);
            }
            if let Some(runs) = self.runs.get(&peer) {
                runs.store(run, Ordering::Release);
            }
            for connection in self.connections.get(&peer).cloned().unwrap_or_default() {
                self.commands.push_back((peer, connection));
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&mut self, peer: PeerId, inner: Inner) -> Handler {
        let runs = self.runs.entry(peer).or_default();
        Handler {
            inner,
            runs: Arc::clone(runs),
            waker: None,
        }
    }

    /// Lets go of what is shared with no handler any more, and could not be with the next connection's.
    fn forget_unused(&mut self) {
        let connections = &self.connections;
        self.runs
            .retain(|peer, runs| connections.contains_key(peer) || Arc::strong_count(runs) > 1);
    }

    fn on_closed(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(all) = self.connections.get_mut(peer) {
            all.retain(|id| *id != connection);
            if all.is_empty() {
                // Whoever comes back is judged anew.
                self.connections.remove(peer);
                if let Some(runs) = self.runs.get(peer) {
                    runs.store(false, Ordering::Release);
                }
                self.trusted.remove(peer);
                self.fallen.remove(peer);
            }
        }
        self.commands.retain(|(_, id)| *id != connection);
        self.forget_unused();
    }
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = Handler;
    type ToSwarm = <Gossip as NetworkBehaviour>::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .gossip
            .handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(self.handler(peer, inner))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .gossip
            .handle_established_outbound_connection(connection, peer, address, role, port)?;
        Ok(self.handler(peer, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(event) => {
                let all = self.connections.entry(event.peer_id).or_default();
                all.push(event.connection_id);
            }
            FromSwarm::DialFailure(_) | FromSwarm::ListenFailure(_) => {
                // A handler was made, and no connection came of it.
                self.forget_unused();
            }
            FromSwarm::ConnectionClosed(event) => {
                self.on_closed(&event.peer_id, event.connection_id);
            }
            _ => {}
        }
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        // It was on its way when the node lost its trust.
        if self.trusted.contains(&peer) {
            self.gossip
                .on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.commands.pop_front() {
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event: Command::Look,
            });
        }
        if let Poll::Ready(event) = self.gossip.poll(cx) {
            return Poll::Ready(event.map_in(Command::Gossip));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What the behaviour tells the handler of a connection.
#[derive(Debug)]
pub(super) enum Command {
    /// Whether gossip runs on this connection has changed.
    Look,
    /// What gossipsub tells its own handler.
    Gossip(THandlerInEvent<Gossip>),
}

/// One connection's part of the behaviour.
pub(super) struct Handler {
    inner: Inner,
    runs: Arc<AtomicBool>,
    waker: Option<Waker>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = <Inner as ConnectionHandler>::ToBehaviour;
    type InboundProtocol = <Inner as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <Inner as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = <Inner as ConnectionHandler>::InboundOpenInfo;
    type OutboundOpenInfo = <Inner as ConnectionHandler>::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.runs.load(Ordering::Acquire) && self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        self.waker = Some(cx.waker().clone());
        if !self.runs.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.inner.poll(cx)
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Look => {
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
            }
            Command::Gossip(event) => self.inner.on_behaviour_event(event),
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.inner.on_connection_event(event);
    }
}
