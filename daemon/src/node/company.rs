//! Which members this node looks at when it chooses whom to be connected with: all of a small network, and of a large
//! one some that are drawn, so that what it costs to be a member does not grow with the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::{DocName, NodeId, OrgId};
use fingerpost_proto::record::Hash;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::Storage;

use super::membership::nodes_of;
use super::names::card_of;
use super::scheduler::remembered;
use super::{Node, lock};
use crate::keys::random;
use crate::store::SledStorage;

/// Of at most so many organisations all are looked at; of more, so many.
pub(super) const LOOKED_AT_MAX: usize = 256;
/// How often others are drawn.
const DRAW_EVERY: Duration = Duration::from_secs(10 * 60);
/// For how long what was found counts while no document changes.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// How often it is looked again at most while documents change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A node, with an organisation that it speaks for and the addresses at which it may be: those of the card first, then
/// those at which it answered before.
pub(super) type Nodes = BTreeMap<NodeId, (Option<OrgId>, Vec<String>)>;

/// What was drawn and found the last time.
#[derive(Default)]
pub(super) struct Company {
    drawn: Option<Drawn>,
    known: Option<Known>,
}

/// Which organisations are looked at for a while.
struct Drawn {
    entropy: [u8; 32],
    until: Instant,
    /// How many documents were held then.
    documents: usize,
    /// Of a large network; all of a small one.
    orgs: Option<BTreeSet<OrgId>>,
}

struct Known {
    nodes: Arc<Nodes>,
    at: Instant,
    journal: u64,
}

impl Company {
    /// Random bytes that stay the same for a while, with what was drawn by them.
    fn drawn(&mut self, replica: &Replica<SledStorage>) -> &Drawn {
        let documents = replica.document_count();
        let is_old =
            |drawn: &Drawn| Instant::now() >= drawn.until || documents > 2 * drawn.documents;
        if self.drawn.as_ref().is_none_or(is_old) {
            self.known = None;
            self.drawn = None;
        }
        self.drawn.get_or_insert_with(|| {
            let entropy = random().unwrap_or_default();
            let all = replica.documents_named(DocName::Card).map(|key| key.org);
            Drawn {
                entropy,
                until: Instant::now() + DRAW_EVERY,
                documents,
                orgs: (!are_few(replica)).then(|| draw(&entropy, all)),
            }
        })
    }

    /// Random bytes that stay the same for a while.
    pub(super) fn entropy(&mut self, replica: &Replica<SledStorage>) -> [u8; 32] {
        self.drawn(replica).entropy
    }

    /// The organisations to look at: all of a few; else this node's own, those whose nodes are named, and some that are
    /// drawn.
    fn looked_at(&mut self, replica: &Replica<SledStorage>, named: &[NodeId]) -> BTreeSet<OrgId> {
        if are_few(replica) {
            return replica.organisations().into_iter().collect();
        }
        let drawn = self.drawn(replica).orgs.iter().flatten();
        let mut chosen: BTreeSet<OrgId> = drawn.chain(replica.own()).copied().collect();
        for node in named {
            chosen.extend(replica.orgs_of_node(node).unwrap_or_default());
        }
        chosen
    }

    /// Lets go of what was found: an address has changed.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    fn known(&self, journal: u64) -> Option<Arc<Nodes>> {
        let known = self.known.as_ref()?;
        let most = match known.journal == journal {
            true => KNOWN_FOR,
            false => LOOK_EVERY,
        };
        // An empty network fills at once when somebody comes.
        let is_useful = !known.nodes.is_empty() || known.journal == journal;
        (is_useful && known.at.elapsed() < most).then(|| Arc::clone(&known.nodes))
    }
}

impl Node {
    /// Other nodes of members: of all members, or of those that are looked at.
    pub(super) fn nodes_of_members(&self) -> Arc<Nodes> {
        let connected = self.net().connected();
        let mut replica = self.replica();
        let mut company = lock(&self.company);
        let journal = replica.journal();
        company.drawn(&replica);
        if let Some(known) = company.known(journal) {
            return known;
        }
        let mut nodes = Nodes::new();
        for org in company.looked_at(&replica, &connected) {
            if replica.place(&org) == Some(Place::Member) {
                let of_org = nodes_with_addresses(&replica, &org).into_iter();
                nodes.extend(of_org.map(|(node, addresses)| (node, (Some(org), addresses))));
            }
        }
        nodes.remove(&self.id());
        let nodes = Arc::new(nodes);
        company.known = Some(Known {
            nodes: Arc::clone(&nodes),
            at: Instant::now(),
            journal,
        });
        nodes
    }

    /// The same with nothing but the addresses.
    pub(super) fn member_nodes(&self) -> BTreeMap<NodeId, Vec<String>> {
        let nodes = self.nodes_of_members();
        let nodes = nodes.iter();
        nodes
            .map(|(node, (_, known))| (*node, known.clone()))
            .collect()
    }

    /// Members of this node's networks other than its own organisations, with their nodes: all, or those that are looked
    /// at and those that were met.
    pub(super) fn member_orgs(&self, met: &BTreeSet<NodeId>) -> Members {
        let mut named = self.net().connected();
        named.extend(met);
        let mut replica = self.replica();
        let looked_at = lock(&self.company).looked_at(&replica, &named);
        let own = replica.own().clone();
        let mut members = Members::default();
        for org in looked_at {
            if !own.contains(&org) && replica.place(&org) == Some(Place::Member) {
                members.orgs.insert(org, nodes_of(&replica, &org));
            }
        }
        if !are_few(&replica) {
            let most = replica.last_member_count();
            members.others = most.saturating_sub(members.orgs.len() + own.len());
        }
        members
    }
}

/// Members of this node's networks.
#[derive(Default)]
pub(super) struct Members {
    /// Those that were looked at, with their nodes.
    pub(super) orgs: BTreeMap<OrgId, Vec<NodeId>>,
    /// How many more there are at least; each has a node.
    pub(super) others: usize,
}

/// The nodes on an organisation's card, with all addresses at which each may be.
pub(super) fn nodes_with_addresses(
    replica: &Replica<SledStorage>,
    org: &OrgId,
) -> BTreeMap<NodeId, Vec<String>> {
    let mut nodes = card_of(replica, org)
        .map(|card| card.nodes)
        .unwrap_or_default();
    for (node, addresses) in &mut nodes {
        for address in remembered(replica, node) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    nodes
}

fn are_few<S: Storage>(replica: &Replica<S>) -> bool {
    replica
        .documents_named(DocName::Card)
        .nth(LOOKED_AT_MAX)
        .is_none()
}

/// Some organisations, each as likely as another.
fn draw(entropy: &[u8; 32], all: impl Iterator<Item = OrgId>) -> BTreeSet<OrgId> {
    let mut first: BTreeSet<(Hash, OrgId)> = BTreeSet::new();
    for org in all {
        first.insert((Hash::of(&[&entropy[..], org.as_bytes()].concat()), org));
        if first.len() > LOOKED_AT_MAX {
            first.pop_last();
        }
    }
    first.into_iter().map(|(_, org)| org).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orgs(count: u32) -> BTreeSet<OrgId> {
        let org = |number: u32| OrgId::from_bytes(Hash::of(&number.to_be_bytes()).0);
        (0..count).map(org).collect()
    }

    fn drawn(seed: u8, all: &BTreeSet<OrgId>) -> BTreeSet<OrgId> {
        draw(&[seed; 32], all.iter().copied())
    }

    #[test]
    fn of_many_some_are_drawn_and_others_the_next_time() {
        let all = orgs(20_000);
        let (one, other) = (drawn(1, &all), drawn(2, &all));
        assert_eq!(one.len(), LOOKED_AT_MAX);
        assert!(one.is_subset(&all));
        assert!(one.intersection(&other).count() < LOOKED_AT_MAX / 8);
    }

    #[test]
    fn in_time_everybody_is_drawn() {
        let all = orgs(LOOKED_AT_MAX as u32 + 44);
        let seen: BTreeSet<OrgId> = (0..32).flat_map(|seed| drawn(seed, &all)).collect();
        assert_eq!(seen, all);
    }

    #[test]
    fn what_was_found_counts_until_something_changes() {
        let mut company = Company::default();
        assert!(company.known(1).is_none());
        let node = NodeId::from_bytes([1; 32]);
        company.known = Some(Known {
            nodes: Arc::new([(node, (None, Vec::new()))].into()),
            at: Instant::now(),
            journal: 1,
        });
        assert!(company.known(1).is_some());
        assert!(company.known(2).is_some(), "a moment ago is new enough");
        company.forget();
        assert!(company.known(1).is_none());
        company.known = Some(Known {
            nodes: Arc::default(),
            at: Instant::now(),
            journal: 1,
        });
        assert!(
            company.known(2).is_none(),
            "the first member counts at once"
        );
    }
}
