//! How this node and others reach one another, and the settings.

use serde::{Deserialize, Serialize};

use super::OrgRef;
use crate::ids::NodeId;

/// How others get to a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// They call it.
    Direct,
    /// They call it over another member's node, which relays.
    Relayed,
    /// They call it within its own network only; elsewhere it calls them.
    #[default]
    Outward,
    /// It listens nowhere: it calls them.
    Nowhere,
}

/// Whether others can reach this node, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// How.
    pub way: Way,
    /// The same in a sentence.
    pub sentence: String,
    /// What to do to be reached better, if anything.
    pub advice: Option<String>,
    /// The addresses that others are told.
    pub addresses: Vec<String>,
    /// The relays at which this node has a place.
    pub relays: Vec<NodeRef>,
    /// What this node relays for others, if its settings say that it does.
    pub relaying: Option<Relaying>,
}

/// A node, and for whom it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// The node.
    pub node: NodeId,
    /// The organisations that it speaks for, as far as is known.
    pub organisations: Vec<OrgRef>,
}

/// What a node relays for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relaying {
    /// Whether it is open: a node that others cannot call relays nothing.
    pub open: bool,
    /// How many nodes have a place here.
    pub places: usize,
    /// How many connections pass through now.
    pub circuits: usize,
    /// How many have since the start.
    pub circuits_begun: u64,
}

/// What a connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Directly, over TCP.
    Tcp,
    /// Directly, over QUIC.
    Quic,
    /// Over a node that relays.
    Relayed,
}

/// `GET /v1/peers`: the nodes that this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// The nodes, the connected ones first.
    pub peers: Vec<PeerView>,
}

/// A node that this node knows, and the connection with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// The node.
    #[serde(flatten)]
    pub node: NodeRef,
    /// Whether there is a connection now.
    pub connected: bool,
    /// What it runs over.
    pub path: Option<Path>,
    /// The relay, if it runs over one that is known.
    pub via: Option<NodeRef>,
    /// Whether it stays within the network that this machine is in.
    pub near: bool,
    /// Its address on the connection.
    pub address: Option<String>,
    /// How long an answer takes, in microseconds.
    pub round_trip_us: Option<u64>,
    /// When the last exchange with it was finished.
    pub last_exchange_s: Option<u64>,
    /// The organisations of this node whose latest it lacks, of those that it may see.
    pub lacks: Vec<OrgRef>,
    /// The organisations that it speaks for whose listing this node lacks.
    pub lacking: Vec<OrgRef>,
}

/// `POST /v1/peers`: call whoever answers at an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddPeer {
    /// The address, such as `/ip4/192.0.2.7/tcp/7787`.
    pub address: String,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedPeer {
    /// The node.
    #[serde(flatten)]
    pub node: NodeRef,
    /// The address.
    pub address: String,
}

/// `POST /v1/ping`: how long the way to an organisation's nodes takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The organisation, by name or id.
    pub org: String,
    /// How often each node is asked, from 1 to [`PINGS_MAX`].
    pub times: usize,
}

/// Most questions of one ping.
pub const PINGS_MAX: usize = 100;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinged {
    /// The organisation.
    pub organisation: OrgRef,
    /// Its nodes.
    pub nodes: Vec<PingedNode>,
}

/// What came back from one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingedNode {
    /// The node.
    pub node: NodeId,
    /// What the connection runs over.
    pub path: Option<Path>,
    /// The relay, if it runs over one that is known.
    pub via: Option<NodeRef>,
    /// How often it was asked.
    pub sent: usize,
    /// How long each answer took, in microseconds.
    pub round_trips_us: Vec<u64>,
    /// Why nothing came back, if nothing did.
    pub error: Option<String>,
}
