//! Who is connected, and how node ids, peer ids and addresses map to one another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use libp2p::core::ConnectedPoint;
use libp2p::identity::{PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::NetError;
use super::addresses::{is_public, is_quic, is_relayed, relay_of};

/// Longest name of a program that is kept of another node, in characters.
const AGENT_MAX_CHARS: usize = 64;
/// Longest text that is read as an address, in bytes.
const ADDRESS_MAX_BYTES: usize = 512;

/// The libp2p identity of a node; `None` when the id is not a point on the curve.
pub(super) fn peer_id(node: &NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The node with this libp2p identity; `None` when its key is not Ed25519.
pub(super) fn node_id(peer: &PeerId) -> Option<NodeId> {
    /// The code of a multihash that holds its input as it is, which Ed25519 keys are short enough for.
    const IDENTITY: u64 = 0;
    let hash = peer.as_ref();
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(NodeId::from_bytes(key.try_into_ed25519().ok()?.to_bytes()))
}

/// Reads an address. A node's identity at its end is left out.
pub(super) fn parse_address(text: &str) -> Result<Multiaddr, NetError> {
    let wrong = || NetError::Address {
        address: text.chars().take(200).collect(),
    };
    if text.len() > ADDRESS_MAX_BYTES {
        return Err(wrong());
    }
    let address: Multiaddr = text.trim().parse().map_err(|_| wrong())?;
    let address = without_peer(address);
    if address.is_empty() {
        Err(wrong())
    } else {
        Ok(address)
    }
}

/// The address without a node's identity at its end.
pub(super) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

/// What another node calls its program, fit to be shown.
pub(super) fn clean_agent(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(AGENT_MAX_CHARS)
        .collect()
}

/// What a connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// TCP.
    Tcp,
    /// QUIC, over UDP.
    Quic,
    /// Another node that passes everything on, if the connection says which.
    Relayed(Option<NodeId>),
}

/// Another node that is connected.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Which node.
    pub node: NodeId,
    /// Its address on the connection that streams take: the newest direct one, or else the newest.
    pub address: String,
    /// What that connection runs over.
    pub path: Path,
    /// Whether it stays within the network that this machine is in.
    pub is_near: bool,
    /// Whether we made that connection.
    pub outbound: bool,
    /// How many connections there are with it.
    pub connections: usize,
    /// For how long it has been connected.
    pub connected_for: Duration,
    /// The program that it says it runs.
    pub agent: Option<String>,
    /// How long it takes to hear back from it.
    pub round_trip: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    /// Where the other side is; of one that came in over a relay, the place there where it came in.
    pub(super) address: Multiaddr,
    pub(super) outbound: bool,
    pub(super) since: Instant,
}

impl Link {
    pub(super) fn new(connection: ConnectionId, endpoint: &ConnectedPoint) -> Self {
        let address = match endpoint {
            ConnectedPoint::Listener { local_addr, .. } if is_relayed(local_addr) => local_addr,
            endpoint => endpoint.get_remote_address(),
        };
        Self {
            connection,
            address: without_peer(address.clone()),
            outbound: endpoint.is_dialer(),
            since: Instant::now(),
        }
    }

    pub(super) fn is_relayed(&self) -> bool {
        is_relayed(&self.address)
    }

    fn path(&self) -> Path {
        if self.is_relayed() {
            Path::Relayed(relay_of(&self.address))
        } else if is_quic(&self.address) {
            Path::Quic
        } else {
            Path::Tcp
        }
    }
}

#[derive(Debug)]
struct Entry {
    links: Vec<Link>,
    since: Instant,
    agent: Option<String>,
    round_trip: Option<Duration>,
}

/// What this node passes on for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relaying {
    /// Whether it offers to.
    pub offered: bool,
    /// How many nodes have a place here.
    pub places: usize,
    /// How many connections pass through.
    pub circuits: usize,
    /// How many have since the start.
    pub circuits_begun: u64,
}

/// What the handle can see without asking the task.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Where this node listens.
    pub(super) listen: Vec<Multiaddr>,
    /// Where others reach it besides, as the settings say or as was found out.
    pub(super) external: Vec<Multiaddr>,
    /// Where others reach it over a relay, and which.
    pub(super) relayed: Vec<(NodeId, Multiaddr)>,
    /// Whether another node has called it through the internet, at the addresses that it has.
    pub(super) was_called: bool,
    /// What it passes on for others.
    pub(super) relaying: Relaying,
    peers: BTreeMap<NodeId, Entry>,
    by_connection: HashMap<ConnectionId, NodeId>,
}

impl View {
    /// Notes a connection; whether it is the first with that node.
    pub(super) fn add_link(&mut self, node: NodeId, link: Link) -> bool {
        let entry = self.peers.entry(node).or_insert_with(|| Entry {
            links: Vec::new(),
            since: Instant::now(),
            agent: None,
            round_trip: None,
        });
        self.was_called |= !link.outbound && !link.is_relayed() && is_public(&link.address);
        self.by_connection.insert(link.connection, node);
        entry.links.push(link);
        entry.links.len() == 1
    }

    /// Whether others can call this node.
    pub(super) fn can_be_called(&self) -> bool {
        self.was_called || !self.external.is_empty()
    }

    /// The connections with a node, the oldest first.
    pub(super) fn links(&self, node: &NodeId) -> &[Link] {
        self.peers.get(node).map_or(&[], |entry| &entry.links)
    }

    /// The relays that connections of this node pass through.
    pub(super) fn relays(&self) -> BTreeSet<NodeId> {
        let links = self.peers.values().flat_map(|entry| &entry.links);
        links.filter_map(|link| relay_of(&link.address)).collect()
    }

    /// Forgets a connection; whether it was the last with that node.
    pub(super) fn remove_link(&mut self, connection: ConnectionId) -> Option<(NodeId, bool)> {
        let node = self.by_connection.remove(&connection)?;
        let entry = self.peers.get_mut(&node)?;
        entry.links.retain(|link| link.connection != connection);
        let is_last = entry.links.is_empty();
        if is_last {
            self.peers.remove(&node);
        }
        Some((node, is_last))
    }

    pub(super) fn set_agent(&mut self, node: &NodeId, agent: String) {
        if let Some(entry) = self.peers.get_mut(node) {
            entry.agent = Some(agent);
        }
    }

    pub(super) fn set_round_trip(&mut self, node: &NodeId, round_trip: Duration) {
        if let Some(entry) = self.peers.get_mut(node) {
            entry.round_trip = Some(round_trip);
        }
    }

    pub(super) fn is_connected(&self, node: &NodeId) -> bool {
        self.peers.contains_key(node)
    }

    pub(super) fn connected(&self) -> Vec<NodeId> {
        self.peers.keys().copied().collect()
    }

    pub(super) fn peers(&self) -> Vec<Peer> {
        let mut peers = Vec::with_capacity(self.peers.len());
        for (node, entry) in &self.peers {
            let direct = entry.links.iter().rfind(|link| !link.is_relayed());
            let Some(link) = direct.or(entry.links.last()) else {
                continue;
            };
            peers.push(Peer {
                node: *node,
                address: link.address.to_string(),
                path: link.path(),
                is_near: !is_public(&link.address),
                outbound: link.outbound,
                connections: entry.links.len(),
                connected_for: entry.since.elapsed(),
                agent: entry.agent.clone(),
                round_trip: entry.round_trip,
            });
        }
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    #[test]
    fn node_ids_and_peer_ids_name_the_same_key() {
        let key = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let peer = key.public().to_peer_id();
        let node = node_id(&peer).unwrap();
        assert_eq!(
            *node.as_bytes(),
            key.public().try_into_ed25519().unwrap().to_bytes()
        );
        assert_eq!(peer_id(&node), Some(peer));
        assert_eq!(
            node_id(&PeerId::random()),
            None,
            "a peer id without a key names no node"
        );
    }

    #[test]
    fn addresses_are_read_without_the_node() {
        let peer = Keypair::ed25519_from_bytes([7; 32])
            .unwrap()
            .public()
            .to_peer_id();
        let address = parse_address(&format!("/ip4/192.0.2.1/tcp/7787/p2p/{peer}")).unwrap();
        assert_eq!(address.to_string(), "/ip4/192.0.2.1/tcp/7787");
        for wrong in [
            "",
            "192.0.2.1:7787",
            "/ip4/999.0.2.1/tcp/1",
            &format!("/p2p/{peer}"),
        ] {
            assert!(
                matches!(parse_address(wrong), Err(NetError::Address { .. })),
                "{wrong}"
            );
        }
        let long = format!("/dns/{}/tcp/1", "a".repeat(ADDRESS_MAX_BYTES));
        assert!(parse_address(&long).is_err());
    }

    #[test]
    fn what_others_call_themselves_is_cut_and_cleaned() {
        assert_eq!(clean_agent("finger\u{1b}[31mpost\n/1"), "finger[31mpost/1");
        assert_eq!(clean_agent(&"x".repeat(900)).len(), AGENT_MAX_CHARS);
    }

    fn link(connection: ConnectionId, address: &str, outbound: bool) -> Link {
        Link {
            connection,
            address: address.parse().unwrap(),
            outbound,
            since: Instant::now(),
        }
    }

    #[test]
    fn a_direct_connection_is_shown_before_a_newer_relayed_one() {
        let relay = Keypair::ed25519_from_bytes([7; 32]).unwrap().public();
        let relay = relay.to_peer_id();
        let circuit = format!("/ip4/203.0.113.1/tcp/1/p2p/{relay}/p2p-circuit");
        let node = NodeId::from_bytes([1; 32]);
        let [first, second, third] = [1, 2, 3].map(ConnectionId::new_unchecked);
        let mut view = View::default();
        let shown = |view: &View| view.peers().first().map(|it| (it.path, it.is_near));
        view.add_link(node, link(first, &circuit, false));
        assert_eq!(shown(&view), Some((Path::Relayed(node_id(&relay)), false)));
        assert_eq!(view.relays(), node_id(&relay).into_iter().collect());
        view.add_link(node, link(second, "/ip4/192.168.1.9/udp/1/quic-v1", true));
        view.add_link(node, link(third, &circuit, true));
        assert_eq!(shown(&view), Some((Path::Quic, true)));
        view.remove_link(second);
        view.remove_link(first);
        view.remove_link(third);
        assert!(view.relays().is_empty() && !view.can_be_called());
        view.add_link(node, link(first, "/ip4/203.0.113.9/tcp/1", false));
        assert!(view.can_be_called(), "another has called");
    }

    #[test]
    fn a_node_is_connected_while_it_has_a_connection() {
        let mut view = View::default();
        let node = NodeId::from_bytes([1; 32]);
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        assert!(view.add_link(node, link(first, "/ip4/127.0.0.1/tcp/1", true)));
        assert!(!view.add_link(node, link(second, "/ip4/127.0.0.1/tcp/1", false)));
        assert_eq!(
            view.peers()
                .first()
                .map(|peer| (peer.connections, peer.outbound)),
            Some((2, false))
        );
        assert_eq!(view.remove_link(first), Some((node, false)));
        assert_eq!(view.remove_link(first), None);
        assert!(view.is_connected(&node));
        assert_eq!(view.remove_link(second), Some((node, true)));
        assert!(view.connected().is_empty());
    }
}
