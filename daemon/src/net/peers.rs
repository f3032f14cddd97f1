//! Who is connected, and how node ids, peer ids and addresses map to one another.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use libp2p::identity::{PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::NetError;

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

/// Another node that is connected.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Which node.
    pub node: NodeId,
    /// Its address on the newest connection.
    pub address: String,
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
struct Link {
    connection: ConnectionId,
    address: Multiaddr,
    outbound: bool,
}

#[derive(Debug)]
struct Entry {
    links: Vec<Link>,
    since: Instant,
    agent: Option<String>,
    round_trip: Option<Duration>,
}

/// What the handle can see without asking the task.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Where this node listens.
    pub(super) listen: Vec<Multiaddr>,
    /// Where others reach it besides.
    pub(super) external: Vec<Multiaddr>,
    peers: BTreeMap<NodeId, Entry>,
    by_connection: HashMap<ConnectionId, NodeId>,
}

impl View {
    /// Notes a connection; whether it is the first with that node.
    pub(super) fn add_link(
        &mut self,
        node: NodeId,
        connection: ConnectionId,
        address: Multiaddr,
        outbound: bool,
    ) -> bool {
        let entry = self.peers.entry(node).or_insert_with(|| Entry {
            links: Vec::new(),
            since: Instant::now(),
            agent: None,
            round_trip: None,
        });
        entry.links.push(Link {
            connection,
            address,
            outbound,
        });
        self.by_connection.insert(connection, node);
        entry.links.len() == 1
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
            let Some(link) = entry.links.last() else {
                continue;
            };
            peers.push(Peer {
                node: *node,
                address: link.address.to_string(),
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

    #[test]
    fn a_node_is_connected_while_it_has_a_connection() {
        let mut view = View::default();
        let node = NodeId::from_bytes([1; 32]);
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        assert!(view.add_link(node, first, address.clone(), true));
        assert!(!view.add_link(node, second, address, false));
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
