//! The organisations, their nodes, and the course of a run.

use std::collections::BTreeMap;

use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegation, FORMAT, Revocation, Role};
use fingerpost_proto::charter::{Charter, FORMAT as CHARTER_FORMAT};
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, NodeId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::Instance;
use fingerpost_proto::replica::{Contained, Draft, Item, Replica, State};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage};
use fingerpost_proto::ticket::Ticket;

use super::deliver::{Checks, Parcel};
use crate::sim::{CrashStorage, Random, Trace};

/// When runs take place, in seconds since 1970-01-01 UTC.
pub(super) const EPOCH_S: u64 = 1_790_000_000;

/// The circumstances of one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What everything follows from.
    pub seed: u64,
    /// Organisations, those that go on under another key counted once.
    pub organisations: usize,
    /// Statements that they make in all.
    pub statements: u64,
    /// Of 1,000 organisations, how many have a second node from the beginning.
    pub sibling_per_mille: u64,
    /// Of 1,000 announcements, how many are lost.
    pub loss_per_mille: u64,
    /// Of 1,000 announcements, how many arrive twice.
    pub duplicate_per_mille: u64,
    /// How many statements others make at most before an announcement arrives.
    pub delay_max: u64,
    /// Of 1,000 statements, after how many a session runs between two nodes.
    pub session_per_mille: u64,
    /// Of 1,000 sessions, how many are cut.
    pub cut_per_mille: u64,
    /// Of 1,000 statements, after how many a node crashes.
    pub crash_per_mille: u64,
    /// About how many statements lie between two changes of who can reach whom.
    pub partition_every: u64,
    /// How many vouches the founding charter asks for.
    pub vouches_needed: u32,
}

impl Plan {
    /// The plan of a seed for a network of some size.
    pub fn of(seed: u64, organisations: usize, statements: u64) -> Self {
        let mut random = Random::new(seed ^ 0x4d45_4d42_4552_0001);
        Self {
            seed,
            organisations,
            statements,
            sibling_per_mille: random.between(50, 150),
            loss_per_mille: random.between(50, 600),
            duplicate_per_mille: random.between(0, 300),
            delay_max: random.between(1, 400),
            session_per_mille: random.between(30, 90),
            cut_per_mille: random.between(0, 300),
            crash_per_mille: random.between(2, 20),
            partition_every: random.between(200, 2_000),
            vouches_needed: random.between(1, 3) as u32,
        }
    }
}

/// An organisation under one key.
pub(super) struct Org {
    pub(super) root: SecretKey,
    pub(super) nodes: Vec<usize>,
    /// It goes on under another key; nobody writes under this one any more.
    pub(super) replaced: bool,
    pub(super) has_listing: bool,
    pub(super) tickets: Vec<Ticket>,
    /// Who put a vouch for it on their card.
    pub(super) vouched_by: Vec<usize>,
}

impl Org {
    pub(super) fn id(&self) -> OrgId {
        self.root.org_id()
    }
}

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) key: SecretKey,
    pub(super) org: usize,
    pub(super) replica: Replica<CrashStorage>,
    pub(super) up: bool,
    /// In the hands of a thief: it is no honest node any more.
    pub(super) stolen: bool,
    /// Nodes reach those on their own side.
    pub(super) side: u64,
    pub(super) clock_off_s: u64,
    /// Under which organisation's key it writes, with the delegation.
    pub(super) delegation: Option<(usize, Signed<Delegation>)>,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The fingerprint of all events.
    pub trace: Trace,
    /// Statements by what they were.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Honest nodes at the end.
    pub nodes: usize,
    /// Those of them whose rosters were compared.
    pub compared: usize,
    /// How many organisations have each place at the end.
    pub places: BTreeMap<String, usize>,
    /// What statements have brought about, as it stands at the end.
    pub effects: BTreeMap<&'static str, u64>,
    /// Announcements that arrived.
    pub announced: u64,
    /// Sessions that ran.
    pub sessions: u64,
    /// Sessions that were cut.
    pub cut: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Crashes.
    pub crashes: u64,
    /// Batches that crashes took away.
    pub lost_batches: u64,
    /// Rounds of sessions that the healed network needed to agree.
    pub rounds: u32,
}

impl Report {
    /// All statements.
    pub fn statements(&self) -> u64 {
        self.kinds.values().sum()
    }
}

/// A network, its weather, and everything that is under way.
pub struct World {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) report: Report,
    pub(super) now: u64,
    pub(super) charter: Charter,
    pub(super) network: NetworkId,
    pub(super) orgs: Vec<Org>,
    pub(super) nodes: Vec<Node>,
    pub(super) founded: usize,
    pub(super) parcels: BTreeMap<u64, Vec<Parcel>>,
    pub(super) checks: Checks,
    /// Claims on the places of others, by the number of the old organisation and the new one.
    pub(super) claims: Vec<(usize, usize)>,
}

impl World {
    /// Founds the network.
    pub fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let founders: Vec<SecretKey> = (0..plan.vouches_needed + 2)
            .map(|_| SecretKey::from_seed(&random.bytes()))
            .collect();
        let mut anchors: Vec<OrgId> = founders.iter().map(SecretKey::org_id).collect();
        anchors.sort();
        let charter = Charter {
            format: CHARTER_FORMAT,
            name: "Simulated".into(),
            text: String::new(),
            vouches_needed: plan.vouches_needed,
            anchors,
            founded_at_s: EPOCH_S,
            nonce: random.bytes(),
        };
        let mut world = Self {
            network: charter.network(),
            charter,
            random,
            report: Report::default(),
            now: 0,
            orgs: Vec::new(),
            nodes: Vec::new(),
            founded: 0,
            parcels: BTreeMap::new(),
            checks: Checks::default(),
            claims: Vec::new(),
            plan,
        };
        for root in founders {
            world.join(root, Membership::default());
        }
        world
    }

    /// Plays out the plan.
    pub fn play(&mut self) {
        while self.report.statements() < self.plan.statements {
            self.now += 1;
            self.arrive();
            self.act();
            if self.random.chance(self.plan.session_per_mille) {
                let ends = [(); 2].map(|()| self.random.below(self.nodes.len() as u64) as usize);
                self.session(ends[0], ends[1]);
            }
            self.weather();
        }
    }

    fn weather(&mut self) {
        if self.random.below(self.plan.partition_every) == 0 {
            let sides = self.random.between(1, 3);
            for node in 0..self.nodes.len() {
                self.nodes[node].side = self.random.below(sides);
            }
        }
        let node = self.random.below(self.nodes.len() as u64) as usize;
        if self.random.chance(self.plan.crash_per_mille) && self.nodes[node].up {
            self.nodes[node].up = false;
            self.report.crashes += 1;
            self.report.lost_batches += self.nodes[node].replica.storage().unflushed() as u64;
        }
        let other = self.random.below(self.nodes.len() as u64) as usize;
        match self.nodes[other].up {
            true => self.flush(other),
            false => self.restart(other),
        }
    }

    pub(super) fn flush(&mut self, node: usize) {
        let storage = self.nodes[node].replica.storage_mut();
        storage.flush().expect("memory does not fail");
    }

    pub(super) fn restart(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.up {
            return;
        }
        let own = [self.orgs[node.org].id()].into();
        let storage = node.replica.storage().after_crash();
        node.replica = Replica::open(storage, node.id, own).expect("a store opens after a crash");
        node.up = true;
    }

    /// What a node takes the time to be, in seconds since 1970-01-01 UTC.
    pub(super) fn clock_s(&self, node: usize) -> u64 {
        EPOCH_S + self.now + self.nodes[node].clock_off_s
    }

    /// A new organisation accepts the charter, with what it brings for it.
    pub(super) fn join(&mut self, root: SecretKey, membership: Membership) -> usize {
        let org = self.orgs.len();
        self.founded += 1;
        let id = root.org_id();
        self.orgs.push(Org {
            root,
            nodes: Vec::new(),
            replaced: false,
            has_listing: false,
            tickets: Vec::new(),
            vouched_by: Vec::new(),
        });
        for _ in 0..1 + u64::from(self.random.chance(self.plan.sibling_per_mille)) {
            self.add_node(org);
        }
        let mut card = Card::new(format!("Organisation {org}"));
        let accepted_at_s = self.clock_s(self.orgs[org].nodes[0]);
        let membership = Membership {
            epoch: 1,
            accepted_at_s,
            ..membership
        };
        card.networks.insert(self.network, membership);
        let node = self.orgs[org].nodes[0];
        debug_assert_eq!(self.orgs[self.nodes[node].org].id(), id);
        self.publish_card(node, card);
        org
    }

    pub(super) fn add_node(&mut self, org: usize) {
        let key = SecretKey::from_seed(&self.random.bytes());
        let own = [self.orgs[org].id()].into();
        let mut replica =
            Replica::open(CrashStorage::default(), key.node_id(), own).expect("an empty store");
        replica
            .add_network(self.charter.clone())
            .expect("memory does not fail");
        let side = match self.orgs[org].nodes.first() {
            Some(sibling) => self.nodes[*sibling].side,
            None => self.random.below(2),
        };
        self.orgs[org].nodes.push(self.nodes.len());
        self.nodes.push(Node {
            id: key.node_id(),
            key,
            org,
            replica,
            up: true,
            stolen: false,
            side,
            clock_off_s: self.random.below(500),
            delegation: None,
        });
        self.flush(self.nodes.len() - 1);
    }

    pub(super) fn delegation(&mut self, node: usize) -> Signed<Delegation> {
        let org = self.nodes[node].org;
        if let Some((under, delegation)) = &self.nodes[node].delegation
            && *under == org
        {
            return delegation.clone();
        }
        let delegation = self.delegate(node);
        self.nodes[node].delegation = Some((org, delegation.clone()));
        delegation
    }

    fn delegate(&self, node: usize) -> Signed<Delegation> {
        let root = &self.orgs[self.nodes[node].org].root;
        let delegation = Delegation {
            format: FORMAT,
            org: root.org_id(),
            node: self.nodes[node].id,
            role: Role::Admin,
            not_before_s: EPOCH_S - 86_400,
            not_after_s: None,
        };
        Signed::sign(delegation, root)
    }

    /// The card as a node of the organisation holds it; what siblings wrote apart is put together.
    pub(super) fn own_card(&mut self, node: usize) -> Card {
        let org = self.own_id(node);
        let mut cards = self.held_cards(node, org).into_iter();
        let mut card = cards.next().unwrap_or_else(|| Card::new("Nobody yet"));
        for other in cards {
            for revocation in other.revocations {
                if !card.revocations.contains(&revocation) {
                    card.revocations.push(revocation);
                }
            }
            for (network, theirs) in other.networks {
                let ours = card.networks.entry(network).or_default();
                ours.epoch = ours.epoch.max(theirs.epoch);
                ours.vouches.extend(theirs.vouches);
                ours.objections.extend(theirs.objections);
                ours.amendments.extend(theirs.amendments);
                ours.invitations.extend(theirs.invitations);
                ours.invitation = ours.invitation.take().or(theirs.invitation);
            }
        }
        card
    }

    pub(super) fn held_cards(&mut self, node: usize, org: OrgId) -> Vec<Card> {
        let key = DocKey {
            org,
            name: DocName::Card,
        };
        let items = self.nodes[node].replica.items(&key);
        let items = items.expect("memory does not fail").into_iter();
        items
            .filter_map(|item| match item {
                Item::Record {
                    state: Some(state), ..
                } => self.checks.card(&state),
                _ => None,
            })
            .collect()
    }

    pub(super) fn publish_card(&mut self, node: usize, mut card: Card) {
        let siblings = self.orgs[self.nodes[node].org].nodes.clone();
        let honest = siblings.iter().filter(|node| !self.nodes[**node].stolen);
        let honest: Vec<usize> = honest.copied().collect();
        card.delegations = honest
            .into_iter()
            .map(|node| Carry::new(&self.delegation(node)))
            .collect();
        card.say_revocations(&self.unsaid_revocations(node));
        card.check().expect("within the limits");
        let bytes = card.to_bytes();
        self.publish(node, DocName::Card, bytes, State::Card(Box::new(card)));
    }

    fn unsaid_revocations(&self, node: usize) -> Vec<Signed<Revocation>> {
        let org = self.orgs[self.nodes[node].org].id();
        let unsaid = self.nodes[node].replica.unsaid_revocations(&org);
        unsaid.expect("memory does not fail")
    }

    /// Nodes see to it by themselves that their organisation's card says all revocations.
    pub(super) fn say_revocations_again(&mut self, node: usize) -> bool {
        let unsaid = !self.unsaid_revocations(node).is_empty();
        let speaks = unsaid && !self.nodes[node].stolen && self.takes_part(node);
        if speaks {
            let card = self.own_card(node);
            self.publish_card(node, card);
        }
        speaks
    }

    /// Publishes, flushes, and lets it out.
    pub(super) fn publish(&mut self, node: usize, name: DocName, state: Vec<u8>, parsed: State) {
        let delegation = self.delegation(node);
        let draft = Draft {
            key: DocKey {
                org: self.orgs[self.nodes[node].org].id(),
                name,
            },
            state: state.clone(),
            heads: Vec::new(),
            generation: 0,
            delegation: delegation.clone(),
            contains: Contained::All,
            sealed: None,
        };
        let now_s = self.clock_s(node);
        let fresh = Instance(self.random.bytes());
        let Node { replica, key, .. } = &mut self.nodes[node];
        let typed = parsed.clone();
        let published = replica.publish_parsed(now_s, draft, typed, key, fresh, Batch::default());
        let record = match published {
            Ok(record) => record,
            // It has learnt that it is revoked, perhaps after it was given back.
            Err(error) => panic!("seed {}: {error}", self.plan.seed),
        };
        self.report
            .trace
            .note(self.now, "publish", record.id().as_bytes());
        self.flush(node);
        self.checks.remember(&record, &state, parsed);
        let item = Item::Record {
            record: record.to_bytes(),
            delegation: Some(delegation.to_bytes()),
            state: Some(state),
        };
        self.announce(node, &item);
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.report.kinds.entry(kind).or_default() += 1;
    }
}
