//! `status`: how this node is doing, in words and in figures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use fingerpost_proto::api::{
    CatchingUp, IndexHealth, Lacking, NetworkInfo, OrgRef, OrgStatus, PeerInfo, Status,
    StoreHealth, Traffic,
};
use fingerpost_proto::ids::{NetworkId, NodeId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::sync::{Receipt, receipts};

use super::clock::{Latest, warn_of_the_future, warn_of_the_past};
use super::company::Members;
use super::names::org_ref;
use super::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

/// Most organisations that are named where any number may be lacking.
const NAMED_MAX: usize = 64;

impl Node {
    /// How this node is doing.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn status(&self) -> Result<Status, NodeError> {
        let receipts = receipts(&self.replica())?;
        let networks: Vec<NetworkId> = {
            let replica = self.replica();
            replica
                .networks()
                .map(|(id, _)| id)
                .filter(|id| replica.is_active(id))
                .collect()
        };
        let members = self.member_orgs(&receipts.keys().copied().collect());
        let organisations = self.org_statuses(&members, &receipts)?;
        let peers = self.peer_infos(&members.orgs, &receipts);
        let lacking = self.lacking(&members, &receipts);
        let (documents, _) = self.replica().counts();
        let index = self.index.stats()?;
        let warnings = self.warnings(&receipts)?;
        // Not below, where the replica's lock is held until all is put together.
        let last_bundle = self.last_bundle()?;
        let exchanged = self.exchanged_in(&receipts)?;
        let with_exchange = |network| {
            let info = self.network_info(network, None)?;
            let last_exchange_s = exchanged.get(&network).copied();
            Ok::<_, NodeError>(NetworkInfo {
                last_exchange_s,
                ..info
            })
        };
        let networks = networks
            .into_iter()
            .map(with_exchange)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Status {
            headline: headline(&organisations, networks.len(), &peers, &lacking),
            node: self.id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_s: self.started_at_s,
            addresses: self.net().listen_addresses(),
            reachability: self.reachability(),
            organisations,
            networks,
            peers,
            lacking,
            catching_up: self.catching_up(),
            store: StoreHealth {
                documents,
                size_bytes: self.replica().storage().size_bytes()?,
                set_aside: self
                    .set_aside
                    .as_ref()
                    .map(|path| path.display().to_string()),
            },
            index: IndexHealth {
                entries: index.services + index.organisations,
                ready: self.is_index_ready(),
            },
            warnings,
            refused: lock(&self.refused).clone(),
            traffic: self.traffic(),
            last_bundle,
        })
    }

    /// Whether search has everything that this node holds, and follows what changes.
    pub fn is_index_ready(&self) -> bool {
        self.index_ready.load(Ordering::Acquire) && self.index.stopped().is_none()
    }

    /// What sessions have carried since the start.
    pub fn traffic(&self) -> Traffic {
        *lock(&self.traffic)
    }

    /// How many documents this node holds.
    pub fn document_count(&self) -> usize {
        self.replica().document_count()
    }

    /// When an exchange with a member's node was last finished, in each network.
    fn exchanged_in(
        &self,
        receipts: &BTreeMap<NodeId, Receipt>,
    ) -> Result<BTreeMap<NetworkId, u64>, NodeError> {
        let mut replica = self.replica();
        let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        let mut last = BTreeMap::new();
        for (node, receipt) in receipts {
            let orgs = replica.orgs_of_node(node)?;
            for network in &networks {
                let mut places = orgs.iter().map(|org| replica.place_among(org, &[*network]));
                if places.any(|place| place == Some(Place::Member)) {
                    let at_s: &mut u64 = last.entry(*network).or_default();
                    *at_s = receipt.at_s.max(*at_s);
                }
            }
        }
        Ok(last)
    }

    fn org_statuses(
        &self,
        members: &Members,
        receipts: &BTreeMap<NodeId, Receipt>,
    ) -> Result<Vec<OrgStatus>, NodeError> {
        let mut statuses = Vec::new();
        for org in self.own_orgs() {
            let (nodes, is_member) = {
                let mut replica = self.replica();
                let networks = networks_of(&replica, &org);
                let is_member = replica.place_among(&org, &networks) == Some(Place::Member);
                let sees = |(other, _): &(&OrgId, &Vec<NodeId>)| {
                    replica.place_among(other, &networks) == Some(Place::Member)
                };
                let seeing = members.orgs.iter().filter(sees);
                let nodes: BTreeSet<&NodeId> = seeing.flat_map(|(_, nodes)| nodes).collect();
                (nodes, is_member)
            };
            let others = if is_member { members.others } else { 0 };
            let latest = self.replica().fingerprint(&org);
            let holds = |node: &&NodeId| {
                receipts
                    .get(*node)
                    .is_some_and(|receipt| receipt.held.contains(&(org, latest)))
            };
            let with_latest: Vec<&&NodeId> = nodes.iter().filter(|node| holds(node)).collect();
            statuses.push(OrgStatus {
                org: self.org_info(&org)?,
                nodes_known: nodes.len() + others,
                nodes_with_latest: with_latest.len(),
                last_exchange_s: nodes
                    .iter()
                    .filter_map(|n| Some(receipts.get(n)?.at_s))
                    .max(),
            });
        }
        Ok(statuses)
    }

    fn peer_infos(
        &self,
        members: &BTreeMap<OrgId, Vec<NodeId>>,
        receipts: &BTreeMap<NodeId, Receipt>,
    ) -> Vec<PeerInfo> {
        let connected = self.peer_states();
        let mut orgs: BTreeMap<NodeId, Vec<OrgId>> = BTreeMap::new();
        for (org, nodes) in members {
            for node in nodes {
                orgs.entry(*node).or_default().push(*org);
            }
        }
        for node in connected.keys() {
            orgs.entry(*node).or_default();
        }
        let mut replica = self.replica();
        let own: Vec<_> = replica
            .own()
            .iter()
            .map(|org| ((*org, replica.fingerprint(org)), networks_of(&replica, org)))
            .collect();
        orgs.into_iter()
            .filter(|(node, _)| *node != self.id())
            .map(|(node, orgs)| {
                let receipt = receipts.get(&node);
                // Those of this node's organisations that it may see.
                let mut visible = own.iter().filter(|(_, networks)| {
                    orgs.is_empty()
                        || orgs
                            .iter()
                            .any(|org| replica.place_among(org, networks).is_some())
                });
                let has_latest = receipt
                    .is_some_and(|receipt| visible.all(|(held, _)| receipt.held.contains(held)));
                PeerInfo {
                    node,
                    organisations: orgs.iter().map(|org| org_ref(&replica, org)).collect(),
                    connected: connected.contains_key(&node),
                    address: connected.get(&node).map(|peer| peer.address.clone()),
                    last_exchange_s: receipt.map(|receipt| receipt.at_s),
                    has_latest,
                }
            })
            .collect()
    }

    fn lacking(&self, members: &Members, receipts: &BTreeMap<NodeId, Receipt>) -> Lacking {
        let mut replica = self.replica();
        let own = replica.own().clone();
        let mut without_listing = replica.without_listing();
        without_listing
            .retain(|org| !own.contains(org) && replica.place(org) == Some(Place::Member));
        let named = |orgs: &[OrgId]| -> Vec<OrgRef> {
            let some = orgs.iter().take(NAMED_MAX);
            some.map(|org| org_ref(&replica, org)).collect()
        };
        let (_, states) = replica.counts();
        let met = |nodes: &Vec<NodeId>| nodes.iter().any(|node| receipts.contains_key(node));
        let orgs = members.orgs.iter();
        let never_met: Vec<OrgId> = orgs
            .filter(|(_, it)| !met(it))
            .map(|(org, _)| *org)
            .collect();
        Lacking {
            states,
            listings: named(&without_listing),
            listings_count: without_listing.len(),
            never_met: named(&never_met),
            never_met_count: never_met.len() + members.others,
        }
    }

    /// What is just coming in, if that is much.
    fn catching_up(&self) -> Option<CatchingUp> {
        let source = self.source()?;
        let replica = self.replica();
        let orgs = replica.orgs_of_node(&source.node).unwrap_or_default();
        Some(CatchingUp {
            node: source.node,
            organisations: orgs.iter().map(|org| org_ref(&replica, org)).collect(),
            since_s: source.since_s,
            items: source.items,
            members: replica.last_member_count(),
        })
    }

    /// An own organisation as it was last published, if it is a member anywhere.
    fn latest_of(&self, org: &OrgId) -> Result<Option<Latest>, NodeError> {
        let mut replica = self.replica();
        if replica.place(org) != Some(Place::Member) {
            return Ok(None);
        }
        let keys: Vec<_> = replica.documents_of(org).collect();
        let mut issued_at_s = 0;
        for key in keys {
            let shown = replica.shown(&key)?;
            issued_at_s = issued_at_s.max(shown.map_or(0, |it| it.record.get().issued_at_s));
        }
        Ok(Some(Latest {
            org: *org,
            name: org_ref(&replica, org).name,
            fingerprint: replica.fingerprint(org),
            issued_at_s,
        }))
    }

    /// What the clocks seem to be.
    pub(super) fn clock_warnings(
        &self,
        receipts: &BTreeMap<NodeId, Receipt>,
    ) -> Result<Vec<String>, NodeError> {
        let refused = lock(&self.refused).get("from_the_future").copied();
        let mut warnings: Vec<String> = warn_of_the_future(refused.unwrap_or(0), now_s())
            .into_iter()
            .collect();
        for org in self.own_orgs() {
            let latest = self.latest_of(&org)?;
            warnings.extend(latest.and_then(|it| warn_of_the_past(&it, receipts, now_s())));
        }
        Ok(warnings)
    }

    fn warnings(&self, receipts: &BTreeMap<NodeId, Receipt>) -> Result<Vec<String>, NodeError> {
        let mut warnings = self.clock_warnings(receipts)?;
        if let Some(path) = &self.set_aside {
            warnings.push(format!(
                "the store was damaged when this node started and is now {}; peers fill the new one",
                path.display()
            ));
        }
        for org in self.own_orgs() {
            if self.own_card(&self.replica(), &org).is_err() {
                warnings.push(format!(
                    "{} is not in the store, though its key is here: it comes back from the network with the next exchange",
                    org.short()
                ));
            }
        }
        warnings.extend(self.room_warning());
        warnings.extend(self.task_warnings()?);
        for proof in self.replica().proofs()? {
            warnings.push(format!(
                "a key of {} was copied: two different records stand at one place of its {}",
                proof.key.org.short(),
                proof.key.name
            ));
        }
        if let Some(reason) = self.index.stopped() {
            warnings.push(format!(
                "search no longer follows changes ({reason}); restart the daemon"
            ));
        }
        Ok(warnings)
    }
}

/// The networks that an organisation is in, or asks to join.
pub(super) fn networks_of(replica: &Replica<SledStorage>, org: &OrgId) -> Vec<NetworkId> {
    let networks = replica.networks().map(|(id, _)| id);
    let accepts = |id: &NetworkId| {
        let standing = replica.standing(id, org);
        standing.is_some_and(|standing| standing.accepts())
    };
    networks.filter(accepts).collect()
}

/// "12 of 14 nodes have our latest listing; last exchange 3 minutes ago."
fn headline(
    organisations: &[OrgStatus],
    networks: usize,
    peers: &[PeerInfo],
    lacking: &Lacking,
) -> String {
    let Some(first) = organisations.first() else {
        return "This node holds no organisation yet.".to_owned();
    };
    if networks == 0 {
        return format!(
            "{} is in no network yet: nobody else can see its listing.",
            first.org.name
        );
    }
    let known = organisations
        .iter()
        .map(|org| org.nodes_known)
        .max()
        .unwrap_or(0);
    let mut text = match known {
        0 => "Alone in the network so far: no other member is known.".to_owned(),
        _ => {
            // One that is in no network is seen by nobody, and says nothing of the others.
            let seen = organisations.iter().filter(|org| org.nodes_known > 0);
            let least = seen.map(|org| org.nodes_with_latest).min().unwrap_or(0);
            let have = if least == 1 { "has" } else { "have" };
            let of = format!(
                "{least} of {known} other node{} {have} our latest",
                plural(known)
            );
            match organisations
                .iter()
                .filter_map(|org| org.last_exchange_s)
                .max()
            {
                Some(at_s) => format!("{of}; last exchange {}.", ago(now_s().saturating_sub(at_s))),
                None => format!("{of}; no exchange was finished yet."),
            }
        }
    };
    let connected = peers.iter().filter(|peer| peer.connected).count();
    if known > 0 && connected == 0 {
        text.push_str(" No connection to any of them now.");
    }
    if lacking.listings_count > 0 {
        text.push_str(&format!(
            " We lack the listing of {} member{}.",
            lacking.listings_count,
            plural(lacking.listings_count)
        ));
    }
    text
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn ago(seconds: u64) -> String {
    let unit = |count: u64, name: &str| {
        format!(
            "{count} {name}{} ago",
            plural(usize::try_from(count).unwrap_or(2))
        )
    };
    match seconds {
        0..=4 => "just now".to_owned(),
        5..=99 => unit(seconds, "second"),
        100..=5_399 => unit(seconds.div_ceil(60), "minute"),
        5_400..=129_599 => unit(seconds.div_ceil(3_600), "hour"),
        _ => unit(seconds.div_ceil(86_400), "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_words() {
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(42), "42 seconds ago");
        assert_eq!(ago(180), "3 minutes ago");
        assert_eq!(ago(7_200), "2 hours ago");
        assert_eq!(ago(86_400 * 3), "3 days ago");
    }
}
