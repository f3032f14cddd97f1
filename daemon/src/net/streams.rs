//! The sync protocol's streams, and connections that stay up.
//!
//! A behaviour of our own, because it does two things that the general one for streams does not:
//! it keeps the connections to wanted nodes open while nobody uses them, and it holds no more than
//! it must (nothing is kept of a connection that has ended, and streams that others open beyond
//! what the node takes are reset at once).

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::future::{Ready, ready};
use futures::io::{AsyncRead, AsyncWrite};
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, upgrade};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, StreamUpgradeError};
use libp2p::swarm::{
    self, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{InboundUpgrade, Multiaddr, OutboundUpgrade, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::addresses::is_relayed;
use super::dropped::Dropped;
use super::requests::Shared;

/// The protocol by which libp2p's nodes ask one another whether they are there.
pub(super) const PING: StreamProtocol = libp2p::ping::PROTOCOL_NAME;
/// The name of the sync protocol.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/fingerpost/sync/1");
/// Most streams that may be in the making on one connection.
const OPENING_MAX: usize = 8;

/// Why no stream was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no connection with that node, or it ended meanwhile.
    #[error("not connected to this node")]
    NotConnected,
    /// The other node does not speak our sync protocol.
    #[error("the other node does not speak {PROTOCOL}")]
    Unsupported,
    /// Too many streams are being opened on the same connection.
    #[error("too many streams are being opened to this node")]
    Busy,
    /// The other node did not answer in time.
    #[error("the other node did not answer in time")]
    TimedOut,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Failed(String),
}

/// How a connection is used by streams: how many are open, and until when one was.
#[derive(Debug)]
struct Usage {
    open: usize,
    last: Instant,
    /// Whether the connection goes over a relay.
    is_relayed: bool,
}

type SharedUsage = Arc<Mutex<Usage>>;

/// One stream's part in the usage of its connection.
#[derive(Debug)]
struct Use(SharedUsage);

impl Use {
    fn begin(usage: &SharedUsage) -> Self {
        lock(usage).open += 1;
        Self(Arc::clone(usage))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut usage = lock(&self.0);
        usage.open = usage.open.saturating_sub(1);
        usage.last = Instant::now();
    }
}

fn lock(usage: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream of the sync protocol. While it exists, its connection counts as used.
#[derive(Debug)]
pub struct Stream {
    inner: swarm::Stream,
    used: Use,
}

impl Stream {
    /// Whether it goes over a relay.
    pub fn is_relayed(&self) -> bool {
        lock(&self.used.0).is_relayed
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// Where streams go that others open.
#[derive(Clone)]
pub(super) struct Incoming {
    sender: mpsc::Sender<(PeerId, Stream)>,
    shared: Arc<Shared>,
}

impl Incoming {
    pub(super) fn new(sender: mpsc::Sender<(PeerId, Stream)>, shared: Arc<Shared>) -> Self {
        Self { sender, shared }
    }

    /// Hands a stream on, unless too many wait.
    fn offer(&self, peer: PeerId, stream: Stream) {
        if self.sender.try_send((peer, stream)).is_err() {
            self.shared.dropped.add(Dropped::StreamsWaiting);
            tracing::debug!("reset a stream that another node opened: too many wait");
        }
    }
}

/// Where an opened stream is awaited.
pub(super) type Reply = oneshot::Sender<Result<Stream, OpenError>>;

/// The behaviour: see the module.
pub(super) struct Behaviour {
    incoming: Incoming,
    connections: HashMap<PeerId, Vec<(ConnectionId, SharedUsage)>>,
    /// The usage of connections that are made but not announced yet.
    made: HashMap<ConnectionId, SharedUsage>,
    wanted: HashSet<PeerId>,
    commands: VecDeque<(PeerId, ConnectionId, Command)>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Streams that others open go to `incoming` while it has room.
    pub(super) fn new(incoming: Incoming) -> Self {
        Self {
            incoming,
            connections: HashMap::new(),
            made: HashMap::new(),
            wanted: HashSet::new(),
            commands: VecDeque::new(),
            waker: None,
        }
    }

    /// Opens a stream of a protocol with that node: on the newest direct connection, or else on the newest.
    pub(super) fn open(&mut self, peer: PeerId, protocol: StreamProtocol, reply: Reply) {
        let all = self.connections.get(&peer).map_or(&[][..], Vec::as_slice);
        let direct = all.iter().rfind(|(_, usage)| !lock(usage).is_relayed);
        match direct.or(all.last()).map(|(id, _)| *id) {
            Some(connection) => self.push(peer, connection, Command::Open(protocol, reply)),
            None => {
                let _ = reply.send(Err(OpenError::NotConnected));
            }
        }
    }

    /// Sets whose connections stay open without being used.
    pub(super) fn set_wanted(&mut self, wanted: HashSet<PeerId>) {
        let changed: Vec<PeerId> = wanted.symmetric_difference(&self.wanted).copied().collect();
        self.wanted = wanted;
        for peer in changed {
            let keep = self.wanted.contains(&peer);
            for (connection, _) in self.connections.get(&peer).cloned().unwrap_or_default() {
                self.push(peer, connection, Command::Keep(keep));
            }
        }
    }

    /// The connections to nodes that are not wanted which no stream has used for so long.
    pub(super) fn unused(&self, idle: Duration, now: Instant) -> Vec<(PeerId, ConnectionId)> {
        let mut unused = Vec::new();
        for (peer, connections) in &self.connections {
            for (connection, usage) in connections {
                let usage = lock(usage);
                let is_old = now.saturating_duration_since(usage.last) >= idle;
                if usage.open == 0 && is_old && !self.wanted.contains(peer) {
                    unused.push((*peer, *connection));
                }
            }
        }
        unused
    }

    /// Whether a stream of ours is open on a connection.
    pub(super) fn is_used(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let all = self.connections.get(peer).map_or(&[][..], Vec::as_slice);
        let found = all.iter().find(|(id, _)| *id == connection);
        found.is_some_and(|(_, usage)| lock(usage).open > 0)
    }

    fn push(&mut self, peer: PeerId, connection: ConnectionId, command: Command) {
        self.commands.push_back((peer, connection, command));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&mut self, peer: PeerId, connection: ConnectionId, near: &Multiaddr) -> Handler {
        let usage = Arc::new(Mutex::new(Usage {
            open: 0,
            last: Instant::now(),
            is_relayed: is_relayed(near),
        }));
        self.made.insert(connection, Arc::clone(&usage));
        Handler {
            peer,
            usage,
            keep: self.wanted.contains(&peer),
            opening: 0,
            waiting: VecDeque::new(),
            incoming: self.incoming.clone(),
            waker: None,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, local))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, address))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if let Some(usage) = self.made.remove(&event.connection_id) {
                    let all = self.connections.entry(event.peer_id).or_default();
                    all.push((event.connection_id, usage));
                }
                // The handler was made before; what is wanted may have changed since.
                let keep = self.wanted.contains(&event.peer_id);
                self.push(event.peer_id, event.connection_id, Command::Keep(keep));
            }
            FromSwarm::DialFailure(event) => {
                self.made.remove(&event.connection_id);
            }
            FromSwarm::ListenFailure(event) => {
                self.made.remove(&event.connection_id);
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(all) = self.connections.get_mut(&event.peer_id) {
                    all.retain(|(id, _)| *id != event.connection_id);
                    if all.is_empty() {
                        self.connections.remove(&event.peer_id);
                    }
                }
                // Whoever waits for a stream of that connection learns it from the dropped reply.
                self.commands
                    .retain(|(_, id, _)| *id != event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection, event)) = self.commands.pop_front() {
            let handler = NotifyHandler::One(connection);
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler,
                event,
            });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What the behaviour tells the handler of a connection.
#[derive(Debug)]
pub(super) enum Command {
    /// Open a stream of this protocol.
    Open(StreamProtocol, Reply),
    /// Whether the connection stays open unused.
    Keep(bool),
}

/// One connection's part of the behaviour.
pub(super) struct Handler {
    peer: PeerId,
    usage: SharedUsage,
    keep: bool,
    /// Streams that are being negotiated.
    opening: usize,
    waiting: VecDeque<(StreamProtocol, Reply)>,
    incoming: Incoming,
    waker: Option<Waker>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = Infallible;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(Upgrade(PROTOCOL), ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.keep
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Upgrade, Reply, Infallible>> {
        while let Some((protocol, reply)) = self.waiting.pop_front() {
            if reply.is_closed() {
                continue;
            }
            self.opening += 1;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Upgrade(protocol), reply),
            });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Keep(keep) => self.keep = keep,
            Command::Open(_, reply) if self.opening + self.waiting.len() >= OPENING_MAX => {
                let _ = reply.send(Err(OpenError::Busy));
            }
            Command::Open(protocol, reply) => self.waiting.push_back((protocol, reply)),
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(event) => {
                // Over the bound the stream is dropped, which resets it: its opener tries again.
                let stream = Stream {
                    inner: event.protocol,
                    used: Use::begin(&self.usage),
                };
                self.incoming.offer(self.peer, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(event) => {
                self.opening = self.opening.saturating_sub(1);
                let stream = Stream {
                    inner: event.protocol,
                    used: Use::begin(&self.usage),
                };
                let _ = event.info.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.opening = self.opening.saturating_sub(1);
                let _ = info.send(Err(match error {
                    StreamUpgradeError::Timeout => OpenError::TimedOut,
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    StreamUpgradeError::Io(error) => OpenError::Failed(error.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}

/// Negotiates a protocol and hands out the bare stream.
#[derive(Debug, Clone)]
pub(super) struct Upgrade(StreamProtocol);

impl upgrade::UpgradeInfo for Upgrade {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(self.0.clone())
    }
}

impl InboundUpgrade<swarm::Stream> for Upgrade {
    type Output = swarm::Stream;
    type Error = Infallible;
    type Future = Ready<Result<swarm::Stream, Infallible>>;

    fn upgrade_inbound(self, stream: swarm::Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<swarm::Stream> for Upgrade {
    type Output = swarm::Stream;
    type Error = Infallible;
    type Future = Ready<Result<swarm::Stream, Infallible>>;

    fn upgrade_outbound(self, stream: swarm::Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
