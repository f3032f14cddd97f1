//! Answers about the ways to other nodes.

use fingerpost_proto::api::{self, Path};
use fingerpost_proto::ids::NodeId;
use serde_json::Value;

use super::{NAME, org, other, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("GET", "/v1/peers") => value(&api::Peers {
            peers: vec![
                peer(4, Some(Path::Relayed), Some(node(5))),
                peer(6, Some(Path::Quic), None),
                peer(7, None, None),
            ],
        }),
        ("POST", "/v1/peers") => value(&api::AddedPeer {
            node: node(4),
            address: "/dns/node.example.org/tcp/7787".into(),
        }),
        ("POST", "/v1/ping") => value(&api::Pinged {
            organisation: org(),
            nodes: vec![
                api::PingedNode {
                    node: NodeId::from_bytes([4; 32]),
                    path: Some(Path::Relayed),
                    via: Some(node(5)),
                    sent: 3,
                    round_trips_us: vec![21_500, 20_000],
                    error: None,
                },
                silent(),
            ],
        }),
        _ => return None,
    })
}

/// A node that did not answer.
pub(crate) fn silent() -> api::PingedNode {
    api::PingedNode {
        node: NodeId::from_bytes([7; 32]),
        path: None,
        via: None,
        sent: 0,
        round_trips_us: Vec::new(),
        error: Some("it did not answer".into()),
    }
}

/// Whether others can reach this node: over a relay; and it is to be one itself.
pub(super) fn reachability() -> api::Reachability {
    api::Reachability {
        way: api::Way::Relayed,
        sentence: format!("Others reach this node through the node of {NAME}."),
        advice: Some("forward port 7787".into()),
        addresses: vec!["/ip4/203.0.113.1/tcp/7787".into()],
        relays: vec![node(5)],
        relaying: Some(api::Relaying {
            open: true,
            places: 2,
            circuits: 1,
            circuits_begun: 12,
        }),
    }
}

fn node(byte: u8) -> api::NodeRef {
    api::NodeRef {
        node: NodeId::from_bytes([byte; 32]),
        organisations: vec![other(byte, &format!("{NAME} {byte}"))],
    }
}

fn peer(byte: u8, path: Option<Path>, via: Option<api::NodeRef>) -> api::PeerView {
    api::PeerView {
        node: node(byte),
        connected: path.is_some(),
        path,
        via,
        near: path == Some(Path::Quic),
        address: path.map(|_| "/ip4/203.0.113.1/tcp/7787".to_owned()),
        round_trip_us: path.map(|_| 41_250),
        last_exchange_s: None,
        lacks: vec![org()],
        lacking: Vec::new(),
    }
}
