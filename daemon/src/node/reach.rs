//! How this node and others reach one another: in words for `status`, as a list for `peers`, and tried out for `ping`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::api::{
    AddPeer, AddedPeer, NodeRef, PINGS_MAX, Path, PeerView, Peers, Ping, Pinged, PingedNode,
    Reachability, Relaying, Way,
};
use fingerpost_proto::ids::{DocName, NodeId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::sync::{Receipt, receipts};

use super::company::nodes_with_addresses;
use super::names::org_ref;
use super::status::networks_of;
use super::{Node, NodeError, lock};
use crate::net::{self, is_public_address, read_address};
use crate::store::SledStorage;

/// How long somebody may take to answer at an address.
const ANSWER_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Node {
    /// Whether others can reach this node, and how.
    pub(super) fn reachability(&self) -> Reachability {
        let net = self.net();
        let listening = net.listen_addresses();
        let relays: Vec<NodeId> = {
            let mut relays: Vec<NodeId> = net.relayed_addresses().iter().map(|it| it.0).collect();
            relays.dedup();
            relays
        };
        let relays: Vec<NodeRef> = relays.iter().map(|node| self.node_ref(node)).collect();
        let way = match () {
            () if listening.is_empty() => Way::Nowhere,
            () if net.can_be_called() => Way::Direct,
            () if !relays.is_empty() => Way::Relayed,
            () => Way::Outward,
        };
        let relaying = self.settings.network.relay.then(|| {
            let now = net.relaying();
            Relaying {
                open: now.offered,
                places: now.places,
                circuits: now.circuits,
                circuits_begun: now.circuits_begun,
            }
        });
        let sentence = match way {
            Way::Nowhere => "This node listens nowhere: it calls others, and nobody calls it.".into(),
            Way::Direct => match net.external_addresses().first() {
                Some(address) => format!("Others can call this node directly, at {address}."),
                None => "Others can call this node directly: one has, through the internet.".into(),
            },
            Way::Relayed => format!(
                "Others reach this node through the node of {}, which passes on what it cannot read.",
                names(&relays)
            ),
            Way::Outward => "Only outward: this node calls others, and nobody outside its own network can call it.".into(),
        };
        let port = port_of(&listening).unwrap_or_else(|| "7787".to_owned());
        let forward = format!(
            "have the router forward port {port} (TCP and UDP) to this machine, and name its outer address in network.external"
        );
        let is_shut = relaying.is_some_and(|it| !it.open);
        let advice = match way {
            _ if is_shut => Some(format!(
                "this node is set to relay, and relays nothing while others cannot call it: {forward}"
            )),
            Way::Nowhere => Some("set network.listen, unless that is meant so".to_owned()),
            Way::Direct | Way::Relayed => None,
            Way::Outward => Some(format!(
                "within one office nothing needs to be done; otherwise {forward}, or ask a member whose node others can call to relay (there: fingerpost config set relay=true)"
            )),
        };
        Reachability {
            way,
            sentence,
            advice,
            addresses: self.addresses_for_others(),
            relays,
            relaying,
        }
    }

    /// A node, and for whom it speaks.
    fn node_ref(&self, node: &NodeId) -> NodeRef {
        let replica = self.replica();
        let orgs = replica.orgs_of_node(node).unwrap_or_default();
        NodeRef {
            node: *node,
            organisations: orgs.iter().map(|org| org_ref(&replica, org)).collect(),
        }
    }

    /// The nodes that this node knows, and the connections with them.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn peers(&self) -> Result<Peers, NodeError> {
        let receipts = receipts(&self.replica())?;
        let mut connected: BTreeMap<NodeId, net::Peer> = self
            .net()
            .peers()
            .into_iter()
            .map(|peer| (peer.node, peer))
            .collect();
        let mut orgs: BTreeMap<NodeId, Vec<OrgId>> = BTreeMap::new();
        let members = self.member_orgs(&receipts.keys().copied().collect());
        for (org, nodes) in members.orgs {
            for node in nodes {
                orgs.entry(node).or_default().push(org);
            }
        }
        for (node, _) in self.member_nodes() {
            orgs.entry(node).or_default();
        }
        for node in connected.keys() {
            orgs.entry(*node).or_default();
        }
        orgs.remove(&self.id());
        let mut peers = Vec::with_capacity(orgs.len());
        for (node, orgs) in orgs {
            let peer = connected.remove(&node);
            peers.push(self.peer_view(&node, &orgs, peer, receipts.get(&node)));
        }
        peers.sort_by_key(|peer| !peer.connected);
        Ok(Peers { peers })
    }

    fn peer_view(
        &self,
        node: &NodeId,
        orgs: &[OrgId],
        peer: Option<net::Peer>,
        receipt: Option<&Receipt>,
    ) -> PeerView {
        let (path, via) = peer
            .as_ref()
            .map_or((None, None), |it| self.path_of(&it.path));
        let (lacks, lacking) = {
            let mut replica = self.replica();
            (
                lacks(&mut replica, orgs, receipt),
                orgs.iter()
                    .filter(|org| !has_listing(&replica, org))
                    .map(|org| org_ref(&replica, org))
                    .collect(),
            )
        };
        PeerView {
            node: self.node_ref(node),
            connected: peer.is_some(),
            path,
            via,
            near: peer.as_ref().is_some_and(|it| it.is_near),
            round_trip_us: peer
                .as_ref()
                .and_then(|it| u64::try_from(it.round_trip?.as_micros()).ok()),
            address: peer.map(|it| it.address),
            last_exchange_s: receipt.map(|receipt| receipt.at_s),
            lacks,
            lacking,
        }
    }

    fn path_of(&self, path: &net::Path) -> (Option<Path>, Option<NodeRef>) {
        match path {
            net::Path::Tcp => (Some(Path::Tcp), None),
            net::Path::Quic => (Some(Path::Quic), None),
            net::Path::Relayed(relay) => {
                let via = relay.as_ref().map(|relay| self.node_ref(relay));
                (Some(Path::Relayed), via)
            }
        }
    }

    /// Calls whoever answers at an address that a person typed, and shows it what this node looks for.
    ///
    /// # Errors
    /// [`NodeError`] when it is no address, or nobody answers.
    pub async fn add_peer(self: &Arc<Self>, request: &AddPeer) -> Result<AddedPeer, NodeError> {
        let wrong = |error: net::NetError| {
            NodeError::bad_input(
                format!("{error}; nobody was called"),
                "write an address as fingerpost status shows it on the other machine, or a name or number with its port, such as 192.0.2.7:7787",
            )
        };
        let (named, address) = read_address(&request.address).map_err(wrong)?;
        self.net().dial(named, vec![address.clone()]);
        let answered = || {
            let mut peers = self.net().peers().into_iter();
            let is_it = |it: &net::Peer| match named {
                Some(node) => it.node == node,
                None => it.outbound && it.address == address,
            };
            peers.find(is_it)
        };
        let Some(peer) = until_some(answered).await else {
            return Err(NodeError::refused(
                format!(
                    "nobody answered at {address} within {} seconds; nothing was changed",
                    ANSWER_MAX.as_secs()
                ),
                "see that the other machine runs and is online, and that its address is still the same: fingerpost status there",
            ));
        };
        lock(&self.sessions).seek(peer.node);
        self.sync_soon(peer.node);
        let node = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            if named.is_none() {
                node.remember_address(&peer.node, &address);
            }
            AddedPeer {
                node: node.node_ref(&peer.node),
                address,
            }
        })
        .await
        .map_err(NodeError::internal)
    }

    /// Asks the nodes of an organisation whether they are there, over the connections that exchanges take.
    ///
    /// # Errors
    /// [`NodeError`] when no organisation is called so, or it has no other node.
    pub async fn ping(self: &Arc<Self>, request: &Ping) -> Result<Pinged, NodeError> {
        if !(1..=PINGS_MAX).contains(&request.times) {
            return Err(NodeError::bad_input(
                format!("a node can be asked 1 to {PINGS_MAX} times; nobody was asked"),
                "give another number: --count",
            ));
        }
        let (node, text) = (Arc::clone(self), request.org.clone());
        let looked_up = tokio::task::spawn_blocking(move || {
            let org = node.any_org(&text)?;
            let replica = node.replica();
            let mut nodes = nodes_with_addresses(&replica, &org);
            nodes.remove(&node.id());
            let nodes: Vec<_> = nodes.into_iter().collect();
            Ok::<_, NodeError>((org_ref(&replica, &org), nodes))
        });
        let (organisation, nodes) = looked_up.await.map_err(NodeError::internal)??;
        if nodes.is_empty() {
            return Err(NodeError::not_found(
                format!("no other node of {} is known", organisation.name),
                "fingerpost peers shows the nodes that are",
            ));
        }
        let mut pinged = Vec::with_capacity(nodes.len());
        for (node, addresses) in nodes {
            pinged.push(self.ping_node(node, addresses, request.times).await);
        }
        Ok(Pinged {
            organisation,
            nodes: pinged,
        })
    }

    async fn ping_node(&self, node: NodeId, addresses: Vec<String>, times: usize) -> PingedNode {
        let net = self.net();
        if !net.is_connected(&node) {
            net.dial(Some(node), addresses);
        }
        let connected = until_some(|| net.is_connected(&node).then_some(())).await;
        let asked = match connected {
            Some(()) => net
                .ping(node, times)
                .await
                .map_err(|error| error.to_string()),
            None => Err(format!(
                "it did not answer at any known address within {} seconds",
                ANSWER_MAX.as_secs()
            )),
        };
        let peer = net.peers().into_iter().find(|it| it.node == node);
        let (path, via) = peer.map_or((None, None), |it| {
            tokio::task::block_in_place(|| self.path_of(&it.path))
        });
        let (round_trips_us, error) = match asked {
            Ok(took) => (took, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        PingedNode {
            node,
            path,
            via,
            sent: if path.is_some() { times } else { 0 },
            round_trips_us: round_trips_us
                .iter()
                .map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX))
                .collect(),
            error,
        }
    }
}

/// Looks until there is something, but not longer than somebody may take to answer.
async fn until_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() >= ANSWER_MAX {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn names(nodes: &[NodeRef]) -> String {
    let name = |node: &NodeRef| match node.organisations.first() {
        Some(org) => org.name.clone(),
        None => node.node.short(),
    };
    let names: Vec<String> = nodes.iter().map(name).collect();
    names.join(" or of ")
}

fn port_of(addresses: &[String]) -> Option<String> {
    let tcp = addresses.iter().find_map(|it| it.split_once("/tcp/"));
    let (_, port) = tcp?;
    Some(port.split('/').next().unwrap_or(port).to_owned())
}

pub(super) fn has_listing(replica: &Replica<SledStorage>, org: &OrgId) -> bool {
    replica
        .documents_of(org)
        .any(|key| matches!(key.name, DocName::Listing(_)))
}

/// The organisations of this node whose latest a node lacks, of those that it may see.
fn lacks(
    replica: &mut Replica<SledStorage>,
    orgs: &[OrgId],
    receipt: Option<&Receipt>,
) -> Vec<fingerpost_proto::api::OrgRef> {
    let own: Vec<OrgId> = replica.own().iter().copied().collect();
    let mut lacking = Vec::new();
    for org in own {
        let networks = networks_of(replica, &org);
        let mut theirs = orgs.iter();
        let may_see = theirs.any(|other| replica.place_among(other, &networks).is_some());
        let held = (org, replica.fingerprint(&org));
        if may_see && !receipt.is_some_and(|receipt| receipt.held.contains(&held)) {
            lacking.push(org_ref(replica, &org));
        }
    }
    lacking
}

/// For [`super::doctor`]: how many of the addresses lead through the internet.
pub(super) fn public_count(addresses: &[String]) -> usize {
    addresses.iter().filter(|it| is_public_address(it)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_to_forward_is_the_one_that_is_listened_on() {
        let listening = [
            "/ip4/192.168.1.2/udp/7788/quic-v1".to_owned(),
            "/ip4/192.168.1.2/tcp/7789".to_owned(),
        ];
        assert_eq!(port_of(&listening).as_deref(), Some("7789"));
        assert_eq!(port_of(&listening[..1]), None);
    }

    #[test]
    fn relays_are_named_by_whom_they_speak_for() {
        let node = |n: u8, name: Option<&str>| NodeRef {
            node: NodeId::from_bytes([n; 32]),
            organisations: name
                .map(|name| fingerpost_proto::api::OrgRef {
                    id: OrgId::from_bytes([n; 32]),
                    name: name.to_owned(),
                })
                .into_iter()
                .collect(),
        };
        let short = NodeId::from_bytes([2; 32]).short();
        assert_eq!(
            names(&[node(1, Some("Harbour")), node(2, None)]),
            format!("Harbour or of {short}")
        );
    }
}
