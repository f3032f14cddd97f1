//! The federation under the virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fingerpost_proto::card::Membership;
use fingerpost_proto::charter::{Charter, FORMAT};
use fingerpost_proto::ids::{DocKey, NetworkId, NodeId, OrgId, RecordId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::Storage;
use fingerpost_proto::sync::Session;

use super::store::CrashStorage;
use super::wire::Message;
use super::work::Org;
use super::{Plan, Random, Trace};

/// When runs take place, in seconds since 1970-01-01 UTC.
const EPOCH_S: u64 = 1_790_000_000;
/// How long the healed network is given to settle at most, in virtual milliseconds.
const SETTLE_MS: u64 = 600_000;

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) key: SecretKey,
    pub(super) org: usize,
    pub(super) replica: Replica<CrashStorage>,
    pub(super) sessions: BTreeMap<u64, (usize, Session)>,
    pub(super) up: bool,
    /// Nodes reach those on their own side.
    pub(super) side: u64,
    pub(super) clock_off_s: i64,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Deliver {
        from: usize,
        to: usize,
        message: Message,
    },
    Sync {
        node: usize,
    },
    Flush {
        node: usize,
    },
    Work,
    Crash,
    Restart {
        node: usize,
    },
    Partition,
}

/// What goes wrong at the moment.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    pub(super) delay_max_ms: u64,
    pub(super) loss_per_mille: u64,
    pub(super) duplicate_per_mille: u64,
    pub(super) cut_per_mille: u64,
    pub(super) crash_before_flush_per_mille: u64,
}

/// An edit that its writer was told is safe: published and flushed.
pub(super) struct Acknowledged {
    pub(super) key: DocKey,
    pub(super) record: SignedRecord,
    /// Whether its organisation took part then, in its own eyes.
    pub(super) takes_part: bool,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The fingerprint of all events.
    pub trace: Trace,
    /// Nodes at the end.
    pub nodes: usize,
    /// Members at the end.
    pub members: usize,
    /// Documents that each of them holds.
    pub documents: usize,
    /// Edits that were published and flushed.
    pub acknowledged: usize,
    /// Sessions begun.
    pub sessions: u64,
    /// Sides of sessions that ran to their end.
    pub finished: u64,
    /// Sessions that were cut.
    pub cut: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Crashes.
    pub crashes: u64,
    /// Batches that crashes took away.
    pub lost_batches: u64,
    /// Times that the network fell apart or came together.
    pub partitions: u64,
    /// Departures.
    pub left: u64,
    /// Organisations that came back.
    pub came_back: u64,
    /// Virtual time that the healed network needed to agree, in milliseconds.
    pub settled_in_ms: u64,
}

/// A federation, its network, and everything that is under way.
pub struct World {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) report: Report,
    pub(super) faults: Faults,
    pub(super) now_ms: u64,
    pub(super) charter: Charter,
    pub(super) network: NetworkId,
    pub(super) orgs: Vec<Org>,
    pub(super) nodes: Vec<Node>,
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) last_session: u64,
    pub(super) last_arrival: BTreeMap<(u64, usize), u64>,
    pub(super) edits: u64,
    pub(super) joined: u64,
    events: BTreeMap<u64, Event>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    last_event: u64,
}

impl World {
    /// Founds the network, with its first members.
    pub fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let founder = SecretKey::from_seed(&random.bytes());
        let charter = Charter {
            format: FORMAT,
            name: "Simulated".into(),
            text: String::new(),
            vouches_needed: 1,
            anchors: vec![founder.org_id()],
            founded_at_s: EPOCH_S,
            nonce: random.bytes(),
        };
        let faults = Faults {
            delay_max_ms: plan.delay_max_ms,
            loss_per_mille: plan.loss_per_mille,
            duplicate_per_mille: plan.duplicate_per_mille,
            cut_per_mille: plan.cut_per_mille,
            crash_before_flush_per_mille: 30,
        };
        let mut world = Self {
            network: charter.network(),
            charter,
            random,
            trace: Trace::default(),
            report: Report::default(),
            faults,
            now_ms: 0,
            orgs: Vec::new(),
            nodes: Vec::new(),
            acknowledged: Vec::new(),
            last_session: 0,
            last_arrival: BTreeMap::new(),
            edits: 0,
            joined: 0,
            events: BTreeMap::new(),
            queue: BinaryHeap::new(),
            last_event: 0,
            plan,
        };
        world.add_org(
            founder,
            Membership {
                epoch: 1,
                ..Membership::default()
            },
        );
        for _ in 1..world.plan.founded_with {
            let root = SecretKey::from_seed(&world.random.bytes());
            let membership = world.vouched_by_founder(root.org_id());
            world.add_org(root, membership);
        }
        for event in [Event::Work, Event::Crash, Event::Partition] {
            world.again(event);
        }
        world
    }

    pub(super) fn at(&mut self, at_ms: u64, event: Event) {
        self.last_event += 1;
        self.queue.push(Reverse((at_ms, self.last_event)));
        self.events.insert(self.last_event, event);
    }

    /// Schedules the next of a recurring event, at about its mean interval.
    fn again(&mut self, event: Event) {
        let every_ms = match event {
            Event::Work => self.plan.work_every_ms,
            Event::Crash => self.plan.crash_every_ms,
            Event::Partition => self.plan.partition_every_ms,
            Event::Sync { .. } => self.plan.sync_every_ms,
            Event::Flush { .. } => 2_000,
            Event::Deliver { .. } | Event::Restart { .. } => return,
        };
        let at_ms = self.now_ms + self.random.between(every_ms / 2, every_ms * 3 / 2);
        self.at(at_ms, event);
    }

    pub(super) fn schedule_sync(&mut self, node: usize) {
        self.again(Event::Sync { node });
        self.again(Event::Flush { node });
    }

    /// What a node takes the time to be, in seconds since 1970-01-01 UTC.
    pub(super) fn clock_s(&self, node: usize) -> u64 {
        (EPOCH_S + self.now_ms / 1000).saturating_add_signed(self.nodes[node].clock_off_s)
    }

    pub(super) fn can_reach(&self, one: usize, two: usize) -> bool {
        let (one, two) = (&self.nodes[one], &self.nodes[two]);
        one.up && two.up && one.side == two.side
    }

    /// Plays out the plan: edits, and everything that goes wrong meanwhile.
    pub fn play(&mut self) {
        while self.now_ms < self.plan.busy_ms && self.step(true) {}
    }

    /// Takes the next event. Once the network is healing, nobody works and nothing breaks any more.
    fn step(&mut self, busy: bool) -> bool {
        let Some(Reverse((at_ms, id))) = self.queue.pop() else {
            return false;
        };
        let Some(event) = self.events.remove(&id) else {
            return true;
        };
        self.now_ms = at_ms.max(self.now_ms);
        match event.clone() {
            Event::Deliver { from, to, message } => self.deliver(from, to, message),
            Event::Sync { node } => {
                let to = self.random.below(self.nodes.len() as u64) as usize;
                self.begin_session(node, to);
            }
            Event::Flush { node } if self.nodes[node].up => {
                self.nodes[node]
                    .replica
                    .storage_mut()
                    .flush()
                    .expect("memory does not fail");
            }
            Event::Restart { node } => self.restart(node),
            Event::Work if busy => self.work(),
            Event::Crash if busy => {
                let node = self.random.below(self.nodes.len() as u64) as usize;
                self.crash(node);
            }
            Event::Partition if busy => self.partition(),
            _ => {}
        }
        let recurs = busy || matches!(event, Event::Sync { .. } | Event::Flush { .. });
        if recurs {
            self.again(event);
        }
        true
    }

    /// Power goes: what was not flushed is lost, and so is every session.
    pub(super) fn crash(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        self.trace.note(self.now_ms, "crash", &[node as u8]);
        let crashed = &mut self.nodes[node];
        crashed.up = false;
        crashed.sessions.clear();
        self.report.crashes += 1;
        self.report.lost_batches += crashed.replica.storage().unflushed() as u64;
        let at_ms = self.now_ms + self.random.between(500, 20_000);
        self.at(at_ms, Event::Restart { node });
    }

    fn restart(&mut self, node: usize) {
        let restarted = &mut self.nodes[node];
        if restarted.up {
            return;
        }
        let own = [self.orgs[restarted.org].root.org_id()].into();
        let storage = restarted.replica.storage().after_crash();
        restarted.replica =
            Replica::open(storage, restarted.id, own).expect("a store opens after a crash");
        restarted.up = true;
        self.trace.note(self.now_ms, "restart", &[node as u8]);
        self.redo(node);
    }

    /// The network falls into up to three parts, or comes together.
    fn partition(&mut self) {
        let sides = self.random.between(1, 3);
        for node in 0..self.nodes.len() {
            self.nodes[node].side = self.random.below(sides);
        }
        self.report.partitions += 1;
        self.trace.note(self.now_ms, "partition", &[sides as u8]);
    }

    /// Heals everything and lets time pass until all nodes agree, or for too long.
    pub fn settle(&mut self) {
        self.faults = Faults {
            delay_max_ms: 50,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            cut_per_mille: 0,
            crash_before_flush_per_mille: 0,
        };
        for node in 0..self.nodes.len() {
            self.nodes[node].side = 0;
            self.restart(node);
        }
        let began_ms = self.now_ms;
        let mut looked_ms = began_ms;
        while self.now_ms < began_ms + SETTLE_MS && self.step(false) {
            if self.now_ms >= looked_ms + 1_000 {
                looked_ms = self.now_ms;
                if self.compare().is_ok() {
                    break;
                }
            }
        }
        self.report.settled_in_ms = self.now_ms - began_ms;
    }

    /// What must hold once the network has healed.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(mut self) -> Result<Report, String> {
        let (members, documents) = self.compare()?;
        self.nothing_lost()?;
        for node in &self.nodes {
            let proofs = node.replica.proofs().expect("memory does not fail");
            if !proofs.is_empty() {
                return Err(format!(
                    "a crash made {:?} write twice at one place",
                    node.id
                ));
            }
        }
        self.report.trace = self.trace;
        self.report.nodes = self.nodes.len();
        self.report.members = members;
        self.report.documents = documents;
        self.report.acknowledged = self.acknowledged.len();
        Ok(self.report)
    }

    /// Whether all nodes that take part hold the same rosters and documents, and nothing else.
    fn compare(&mut self) -> Result<(usize, usize), String> {
        let network = self.network;
        let mut first: Option<(NodeId, BTreeMap<OrgId, Place>, Held)> = None;
        for node in &mut self.nodes {
            let org = &self.orgs[node.org];
            if node.replica.is_active(&network) != org.takes_part {
                return Err(format!("{:?} does not know whether it takes part", node.id));
            }
            let others = |owner: &OrgId| !node.replica.own().contains(owner);
            if !org.takes_part {
                if node.replica.organisations().iter().any(others) {
                    return Err(format!(
                        "{:?} has left and still holds others' documents",
                        node.id
                    ));
                }
                continue;
            }
            let roster = node.replica.roster(&network).ok_or("no roster")?;
            let places: BTreeMap<OrgId, Place> =
                roster.places().map(|(org, place)| (*org, place)).collect();
            let shown = shown(&node.replica);
            if let Some(stranger) = shown
                .keys()
                .find(|key| places.get(&key.org) != Some(&Place::Member))
            {
                return Err(format!(
                    "{:?} shows {stranger}, which is no member's",
                    node.id
                ));
            }
            if node.replica.counts().1 > 0 {
                return Err(format!("{:?} lacks states", node.id));
            }
            match &first {
                None => first = Some((node.id, places, shown)),
                Some((id, wanted, _)) if *wanted != places => {
                    return Err(format!(
                        "{id:?} and {:?} have different rosters:\n{wanted:?}\n{places:?}",
                        node.id
                    ));
                }
                Some((id, _, wanted)) if *wanted != shown => {
                    let differ = |key: &&DocKey| wanted.get(key) != shown.get(key);
                    let keys: Vec<String> = wanted
                        .keys()
                        .chain(shown.keys())
                        .filter(differ)
                        .map(ToString::to_string)
                        .collect();
                    return Err(format!("{id:?} and {:?} differ in {keys:?}", node.id));
                }
                Some(_) => {}
            }
        }
        let (_, places, shown) = first.ok_or("nobody takes part")?;
        let wanted = self.orgs.iter().filter(|org| org.takes_part).count();
        let members = places
            .values()
            .filter(|place| **place == Place::Member)
            .count();
        if members != wanted {
            return Err(format!(
                "{members} members, where {wanted} organisations take part"
            ));
        }
        Ok((members, shown.len()))
    }

    /// Every edit that was acknowledged is contained in what everybody holds now, unless its organisation
    /// has left.
    fn nothing_lost(&self) -> Result<(), String> {
        let by_id: BTreeMap<OrgId, &Org> = self
            .orgs
            .iter()
            .map(|org| (org.root.org_id(), org))
            .collect();
        for Acknowledged {
            key,
            record,
            takes_part,
        } in &self.acknowledged
        {
            let org = by_id.get(&key.org).ok_or("an edit of nobody's")?;
            for node in self
                .nodes
                .iter()
                .filter(|node| self.orgs[node.org].takes_part)
            {
                if !org.takes_part {
                    continue;
                }
                let items = node.replica.items(key).expect("memory does not fail");
                let contained = items.iter().any(|item| {
                    let fingerpost_proto::replica::Item::Record { record: held, .. } = item else {
                        return false;
                    };
                    let held = SignedRecord::from_trusted(held).expect("a node holds records");
                    held.get().contains(&record.get().writer) >= record.get().seq
                });
                if !contained {
                    let when = if *takes_part {
                        ""
                    } else {
                        " (made while it was away)"
                    };
                    return Err(format!(
                        "{:?} lost edit {} of {key} by {:?}{when}",
                        node.id,
                        record.get().seq,
                        record.get().writer.node
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Of each document the state that is shown, and all undominated records.
type Held = BTreeMap<DocKey, (Vec<u8>, Vec<RecordId>)>;

fn shown(replica: &Replica<CrashStorage>) -> Held {
    let mut all = BTreeMap::new();
    for org in replica.organisations() {
        for key in replica.documents_of(&org) {
            if let Some(shown) = replica.shown(&key).expect("memory does not fail") {
                all.insert(key, (shown.state, replica.record_ids(&key)));
            }
        }
    }
    all
}
