//! The handle that the node holds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p::identity::Keypair;
use libp2p::swarm::StreamProtocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::gossip::Acceptance;
use super::peers::{self, Peer, Relaying};
use super::relay::Members;
use super::requests::Shared;
use super::streams::{OpenError, Stream};
use super::task::Task;
use super::{ADDRESSES_KEPT_MAX, MessageRef, NetError, NetEvent, NetOptions, WANTED_MAX};
use super::{listen, streams, swarm};

/// Commands that may wait for the task.
const COMMANDS_MAX: usize = 256;
/// Events that may wait for the node in the channel itself.
const EVENTS_MAX: usize = 256;
/// Streams that others opened and that may wait for the node. More are reset.
const INCOMING_MAX: usize = 16;
/// What libp2p's ping sends and gets back.
const PING_BYTES: usize = 32;
/// How long opening a stream may take.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// What the handle asks of the task and waits for.
pub(super) enum Command {
    Publish(NetworkId, Vec<u8>, oneshot::Sender<Result<usize, NetError>>),
    Subscribers(NetworkId, oneshot::Sender<usize>),
    Open(NodeId, StreamProtocol, streams::Reply),
    Shutdown(oneshot::Sender<()>),
}

/// A handle to the network. Clones are the same network; it ends when the last of them is dropped,
/// or by [`Net::shutdown`].
///
/// What is not `async` here never waits: it is noted, and done by the network's own task soon. After
/// the end of the network it changes nothing.
#[derive(Clone)]
pub struct Net {
    node: NodeId,
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// Streams that other nodes open.
#[derive(Debug)]
pub struct IncomingStreams {
    receiver: mpsc::Receiver<(PeerId, Stream)>,
}

impl IncomingStreams {
    /// The next stream and who opened it; `None` when the network has ended. Cancel-safe. While
    /// sixteen streams wait here, further ones are reset.
    pub async fn next(&mut self) -> Option<(NodeId, Stream)> {
        loop {
            let (peer, stream) = self.receiver.recv().await?;
            if let Some(node) = peers::node_id(&peer) {
                return Some((node, stream));
            }
        }
    }
}

fn parse_all(texts: &[String]) -> Result<Vec<Multiaddr>, NetError> {
    texts
        .iter()
        .map(|text| peers::parse_address(text))
        .collect()
}

/// The addresses among the texts, as many as are kept of one node.
fn parse_some(texts: &[String]) -> Vec<Multiaddr> {
    let parsed = texts
        .iter()
        .filter_map(|text| peers::parse_address(text).ok());
    parsed.take(ADDRESSES_KEPT_MAX).collect()
}

/// Starts the network in a task of its own, and returns when it listens.
///
/// # Errors
/// [`NetError::Listen`], [`NetError::Address`], [`NetError::Key`] or [`NetError::Setup`]; nothing
/// runs then.
pub async fn start(
    mut options: NetOptions,
) -> Result<(Net, mpsc::Receiver<NetEvent>, IncomingStreams), NetError> {
    let key = Keypair::ed25519_from_bytes(options.seed.as_mut_slice())
        .map_err(|error| NetError::Key(error.to_string()))?;
    let node = peers::node_id(&key.public().to_peer_id())
        .ok_or_else(|| NetError::Key("it has no public key".to_owned()))?;
    let settings = &options.settings;
    let listen = parse_all(&settings.listen)?;
    let external = parse_all(&settings.external)?;

    let (streams, receiver) = mpsc::channel(INCOMING_MAX);
    let mut warnings = Vec::new();
    let shared = Arc::new(Shared::default());
    let incoming = streams::Incoming::new(streams, Arc::clone(&shared));
    let members = Members::default();
    let parts = swarm::Parts {
        settings,
        agent: &options.agent,
        incoming,
        members: members.clone(),
    };
    let mut swarm = swarm::build(key, parts, &mut warnings)?;
    let listeners = listen::listen_all(&mut swarm, &listen)?;
    warnings.extend(listeners.warnings);
    for address in &external {
        swarm.add_external_address(address.clone());
    }

    let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
    let (events, event_queue) = mpsc::channel(EVENTS_MAX);
    shared.view_mut().external = external;
    let mut task = Task::new(swarm, node, settings, shared.clone(), members);
    task.begin(listeners.ids, warnings).await;
    tokio::spawn(task.run(command_queue, events));
    let net = Net {
        node,
        commands,
        shared,
    };
    Ok((net, event_queue, IncomingStreams { receiver }))
}

impl Net {
    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Where this node listens at present: the addresses of this machine's interfaces, loopback
    /// among them, and the ports it got. Empty for a moment after the start.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.shared
            .view()
            .listen
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Where others reach it besides: as the settings say, or as was found out.
    pub fn external_addresses(&self) -> Vec<String> {
        self.shared
            .view()
            .external
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Where others reach it over a relay, and over which; empty while they can call it directly.
    pub fn relayed_addresses(&self) -> Vec<(NodeId, String)> {
        let view = self.shared.view();
        let relayed = view.relayed.iter();
        relayed
            .map(|(relay, address)| (*relay, address.to_string()))
            .collect()
    }

    /// Whether others can call this node from outside its own network, as far as was found out.
    pub fn can_be_called(&self) -> bool {
        self.shared.view().can_be_called()
    }

    /// What this node passes on for others.
    pub fn relaying(&self) -> Relaying {
        self.shared.view().relaying
    }

    /// The nodes that are connected, in the order of their ids.
    pub fn connected(&self) -> Vec<NodeId> {
        self.shared.view().connected()
    }

    /// How often something was turned away before the node heard of it, by reason.
    pub fn dropped(&self, reason: super::Dropped) -> u64 {
        self.shared.dropped.get(reason)
    }

    /// Whether a node is connected.
    pub fn is_connected(&self, node: &NodeId) -> bool {
        self.shared.view().is_connected(node)
    }

    /// The nodes that are connected, with what is known of each connection.
    pub fn peers(&self) -> Vec<Peer> {
        self.shared.view().peers()
    }

    /// Calls a node, or whoever answers at the addresses. A wanted node's known addresses are tried
    /// too; texts that are no addresses are left out. What comes of it is a [`NetEvent::Connected`]
    /// or a [`NetEvent::DialFailed`]; with a node that is connected, or is being called already,
    /// nothing happens.
    pub fn dial(&self, node: Option<NodeId>, addresses: Vec<String>) {
        let parsed = parse_some(&addresses);
        self.shared.ask(|requests| requests.dial(node, parsed));
    }

    /// Ends all connections with a node. A node that is wanted is called again later.
    pub fn disconnect(&self, node: NodeId) {
        self.shared.ask(|requests| requests.disconnect(node));
    }

    /// Replaces the list of nodes that are called until they are connected, and whose connections
    /// stay up unused. Addresses that were learnt of a node that stays on the list are kept. Texts
    /// that are no addresses are left out; of more than [`WANTED_MAX`] nodes, the last.
    pub fn set_wanted(&self, wanted: Vec<(NodeId, Vec<String>)>) {
        let mut seen = BTreeSet::from([self.node]);
        let mut list = Vec::with_capacity(wanted.len().min(WANTED_MAX));
        for (node, addresses) in wanted {
            if list.len() < WANTED_MAX && seen.insert(node) {
                list.push((node, parse_some(&addresses)));
            }
        }
        self.shared.ask(|requests| requests.wanted = Some(list));
    }

    /// Sets with which of the connected nodes gossip runs. All others are told no topic and no message, and
    /// none is taken from them. A node that is named and not connected is forgotten: say so again when it
    /// is ([`NetEvent::Connected`]). Who is left out after having been named is disconnected as soon as no
    /// stream is in use, for gossip would else count on it.
    pub fn set_trusted(&self, mut nodes: BTreeSet<NodeId>) {
        let view = self.shared.view();
        nodes.retain(|node| view.is_connected(node));
        drop(view);
        self.shared.ask(|requests| requests.trusted = Some(nodes));
    }

    /// Adds an address of a wanted node, and calls it there soon if it is not connected. Of a node
    /// that is not wanted nothing is kept.
    ///
    /// # Errors
    /// [`NetError::Address`].
    pub fn add_address(&self, node: NodeId, address: &str) -> Result<(), NetError> {
        let address = peers::parse_address(address)?;
        self.shared
            .ask(|requests| requests.add_address(node, address));
        Ok(())
    }

    /// Takes part in the gossip of a network. Doing so twice changes nothing.
    pub fn subscribe(&self, network: NetworkId) {
        self.follow(network, true);
    }

    /// Takes part no more.
    pub fn unsubscribe(&self, network: NetworkId) {
        self.follow(network, false);
    }

    fn follow(&self, network: NetworkId, follow: bool) {
        self.shared.ask(|requests| {
            requests.topics.insert(network, follow);
        });
    }

    /// Says what the node thinks of a piece of gossip. After nine seconds nobody asks any more, and
    /// the report changes nothing.
    pub fn report(&self, message: MessageRef, verdict: Acceptance) {
        self.shared
            .ask(|requests| requests.report(message, verdict));
    }

    /// Sends a message to the connected nodes of a network, and says to how many. None is not an
    /// error, nor is a message that was sent before (to none): sync carries what gossip does not.
    ///
    /// # Errors
    /// [`NetError::TooLarge`], [`NetError::NotSent`] when all queues are full,
    /// [`NetError::Closed`].
    pub async fn publish(&self, network: NetworkId, bytes: Vec<u8>) -> Result<usize, NetError> {
        if bytes.len() > limits::GOSSIP_MAX_BYTES {
            return Err(NetError::TooLarge { bytes: bytes.len() });
        }
        self.ask(|reply| Command::Publish(network, bytes, reply))
            .await?
    }

    /// How many connected nodes take part in the gossip of a network.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn subscribers(&self, network: NetworkId) -> Result<usize, NetError> {
        self.ask(|reply| Command::Subscribers(network, reply)).await
    }

    /// Opens a stream to a node that is connected.
    ///
    /// # Errors
    /// [`NetError::Open`], after ten seconds at the latest; [`NetError::Closed`].
    pub async fn open_stream(&self, node: NodeId) -> Result<Stream, NetError> {
        self.open(node, streams::PROTOCOL).await
    }

    /// Asks a node that is connected so many times whether it is there, and says how long each answer took. A
    /// question that is not answered within ten seconds is the last.
    ///
    /// # Errors
    /// As [`Net::open_stream`]; [`NetError::NotSent`] when not one was answered.
    pub async fn ping(&self, node: NodeId, times: usize) -> Result<Vec<Duration>, NetError> {
        let mut stream = self.open(node, streams::PING).await?;
        let mut took = Vec::with_capacity(times);
        for at in 0..times {
            // It comes back as it was sent; what it says means nothing.
            let sent = [u8::try_from(at).unwrap_or(u8::MAX); PING_BYTES];
            let mut back = [0; PING_BYTES];
            let begun = std::time::Instant::now();
            let there_and_back = async {
                stream.write_all(&sent).await?;
                stream.flush().await?;
                stream.read_exact(&mut back).await
            };
            let answered = tokio::time::timeout(OPEN_MAX, there_and_back).await;
            match answered {
                Ok(Ok(())) if back == sent => took.push(begun.elapsed()),
                _ => break,
            }
        }
        match took.is_empty() {
            true => Err(NetError::NotSent(
                "the other node did not answer".to_owned(),
            )),
            false => Ok(took),
        }
    }

    async fn open(&self, node: NodeId, protocol: StreamProtocol) -> Result<Stream, NetError> {
        let open = async {
            let (reply, answer) = oneshot::channel();
            self.tell(Command::Open(node, protocol, reply)).await?;
            // A connection that ends takes the reply with it.
            Ok(answer.await.unwrap_or(Err(OpenError::NotConnected))?)
        };
        let outcome = tokio::time::timeout(OPEN_MAX, open).await;
        outcome.unwrap_or(Err(NetError::Open(OpenError::TimedOut)))
    }

    /// Ends all connections and the task, and waits until that is done: two seconds at most. Doing
    /// so twice is no error.
    pub async fn shutdown(&self) {
        let _ = self.ask(Command::Shutdown).await;
    }

    async fn tell(&self, command: Command) -> Result<(), NetError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| NetError::Closed)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, NetError> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await?;
        answer.await.map_err(|_| NetError::Closed)
    }
}
