//! The federation under the virtual clock.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::rc::Rc;

use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::charter::{Charter, FORMAT};
use fingerpost_proto::ids::{DocKey, NetworkId, NodeId, OrgId, RecordId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{Seen, SignedRecord};
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::Storage;

use super::checks::Checks;
use super::hostile::Verdict;
use super::orgs::Org;
use super::plan::{Scenario, Weather};
use super::report::{Failure, Kind, Report};
use super::store::CrashStorage;
use super::wire::Side;
use super::{Random, Trace};

/// When runs take place, in seconds since 1970-01-01 UTC.
pub(super) const EPOCH_S: u64 = 1_790_000_000;
/// How long the healed network is given to settle at most, in virtual milliseconds; and again from when it last heard
/// something from a hostile node that that had kept to itself.
const SETTLE_MS: u64 = 900_000;
/// Whether all agree is looked at the less often the longer they take: one part in so many of the time that has passed.
const LOOK_LESS_OFTEN: u64 = 16;
/// Most events of a run, for each node. Sound runs have some 1,000.
const EVENTS_MAX: u64 = 10_000;
/// How often a node's store is flushed by its engine, in virtual milliseconds.
const FLUSH_EVERY_MS: u64 = 2_000;

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) key: SecretKey,
    pub(super) org: usize,
    pub(super) delegation: Signed<Delegation>,
    pub(super) replica: Replica<CrashStorage>,
    pub(super) sessions: BTreeMap<u64, Side>,
    pub(super) up: bool,
    /// Whether it breaks the rules: one of a hostile organisation, or a thief's.
    pub(super) hostile: bool,
    /// Nodes reach those on their own side.
    pub(super) side: u64,
    /// Nobody hears it.
    pub(super) mute: bool,
    /// It hears nobody.
    pub(super) deaf: bool,
    pub(super) full: bool,
    pub(super) slow_ms: u64,
    pub(super) clock_off_s: i64,
    /// Whether it has finished an exchange since it was started.
    pub(super) heard: bool,
    pub(super) backup: Option<CrashStorage>,
    /// Whether an old copy was ever put back without its being told.
    pub(super) rolled_back: bool,
}

#[derive(Clone)]
pub(super) enum Event {
    Announce {
        from: usize,
        to: usize,
        item: Rc<Item>,
    },
    Frame {
        from: usize,
        to: usize,
        session: u64,
        bytes: Vec<u8>,
    },
    Sync(usize),
    Flush(usize),
    Act(usize),
    Restart(usize),
    Cure(Cure),
    Look,
}

/// The end of a fault that lasts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cure {
    DiskFull(usize),
    Slow(usize),
    OneWay(usize),
    Partition(u64),
}

struct Due {
    at_ms: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

/// An edit whose author was told that it is safe: published and flushed.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    pub(super) key: DocKey,
    pub(super) item: u32,
    /// Whether the item was taken out, rather than put in.
    pub(super) erased: bool,
    pub(super) node: usize,
    pub(super) seen: Seen,
    pub(super) at_ms: u64,
}

/// A federation, its network, and everything that is under way.
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) weather: Weather,
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) report: Report,
    pub(super) now_ms: u64,
    /// Whether the network heals: people rest, and nothing breaks any more.
    pub(super) healing: bool,
    /// The records that an honest node has held.
    pub(super) known: HashSet<RecordId>,
    /// When the last of them became known that a hostile node has written, in virtual milliseconds.
    pub(super) revealed_ms: u64,
    /// What real time has passed besides, in seconds.
    pub(super) shift_s: u64,
    pub(super) charter: Charter,
    pub(super) network: NetworkId,
    pub(super) orgs: Vec<Org>,
    pub(super) nodes: Vec<Node>,
    pub(super) checks: Checks,
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Every record that anybody signed with the right to do so.
    pub(super) signed: BTreeMap<RecordId, Verdict>,
    /// Organisations whose documents a lack of room keeps different nodes from holding alike.
    pub(super) crowded: BTreeSet<OrgId>,
    /// What was announced, for those who play it again.
    pub(super) archive: Vec<Rc<Item>>,
    /// Items that somebody has tried to take out.
    pub(super) erasing: BTreeSet<(DocKey, u32)>,
    pub(super) last_session: u64,
    pub(super) last_item: u32,
    pub(super) partition: u64,
    pub(super) failure: Option<Failure>,
    /// The documents and nodes of which every step is told, as their names are written.
    watched: Vec<String>,
    queue: BinaryHeap<Reverse<Due>>,
    last_event: u64,
}

impl World {
    /// Founds the network, with its first members.
    pub fn new(scenario: Scenario) -> Self {
        let mut random = Random::new(scenario.seed);
        let anchors = scenario.vouches_needed as usize;
        let root = |org| super::orgs::root_key(scenario.seed, org);
        let mut anchors: Vec<OrgId> = (0..anchors).map(|org| root(org).org_id()).collect();
        anchors.sort();
        let charter = Charter {
            format: FORMAT,
            name: "Simulated".into(),
            text: String::new(),
            vouches_needed: scenario.vouches_needed,
            anchors,
            founded_at_s: EPOCH_S,
            nonce: random.bytes(),
        };
        let mut world = Self {
            network: charter.network(),
            charter,
            random,
            trace: Trace::default(),
            report: Report::default(),
            weather: scenario.weather,
            now_ms: 0,
            healing: false,
            known: HashSet::new(),
            revealed_ms: 0,
            shift_s: 0,
            orgs: Vec::new(),
            nodes: Vec::new(),
            checks: Checks::default(),
            acknowledged: Vec::new(),
            signed: BTreeMap::new(),
            crowded: BTreeSet::new(),
            archive: Vec::new(),
            erasing: BTreeSet::new(),
            last_session: 0,
            last_item: 0,
            partition: 0,
            failure: None,
            watched: std::env::var("FINGERPOST_SIM_WATCH")
                .map(|watched| watched.split(',').map(|it| it.trim().to_owned()).collect())
                .unwrap_or_default(),
            queue: BinaryHeap::new(),
            last_event: 0,
            scenario,
        };
        world.found();
        for (number, (at_ms, _)) in world.scenario.acts.clone().into_iter().enumerate() {
            world.at(at_ms, Event::Act(number));
        }
        world.at(1_000, Event::Look);
        world
    }

    pub(super) fn at(&mut self, at_ms: u64, event: Event) {
        self.last_event += 1;
        self.queue.push(Reverse(Due {
            at_ms,
            number: self.last_event,
            event,
        }));
    }

    pub(super) fn later(&mut self, in_ms: u64, event: Event) {
        self.at(self.now_ms + in_ms, event);
    }

    fn is_watched(&self, name: &str) -> bool {
        self.watched.iter().any(|watched| watched == name)
    }

    /// Tells what happens to a document, if it is the one that somebody watches.
    pub(super) fn tell(&self, key: &DocKey, what: impl FnOnce() -> String) {
        if self.is_watched(&key.to_string()) {
            println!("{:>7} ms  {}", self.now_ms, what());
        }
    }

    /// Tells what happens to a node that somebody watches.
    pub(super) fn tell_of(&self, node: usize, what: impl FnOnce() -> String) {
        if self.is_watched(&format!("node {node}")) {
            println!("{:>7} ms  node {node}: {}", self.now_ms, what());
        }
    }

    /// What a node holds of a document: each undominated record with its clock, its items and whether it is sealed here.
    pub(super) fn held_of(&self, node: usize, key: &DocKey) -> String {
        let replica = &self.nodes[node].replica;
        let sealed = replica.sealed_ids(key);
        let mut told = Vec::new();
        for item in replica.items(key).unwrap_or_default() {
            let Item::Record { record, state, .. } = item else {
                continue;
            };
            let record = SignedRecord::from_trusted(&record).expect("a node holds records");
            let clock = record.get().clock().map(|seen| {
                let by = self.nodes.iter().position(|it| it.id == seen.writer.node);
                let [life, ..] = seen.writer.instance.0;
                format!("{}/{life:02x}:{}", by.unwrap_or_default(), seen.seq)
            });
            let clock: Vec<String> = clock.collect();
            let items = state.map(|state| super::own::items_of(&state));
            let is_sealed = sealed.contains(&record.id());
            let seal = if is_sealed { " sealed" } else { "" };
            told.push(format!("[{}] {items:?}{seal}", clock.join(" ")));
        }
        told.join(", ")
    }

    /// Notes the first thing that does not hold; the run ends with it.
    pub(super) fn fail(&mut self, kind: Kind, what: impl Into<String>) {
        let what = what.into();
        let at_ms = self.now_ms;
        self.failure.get_or_insert(Failure { kind, what, at_ms });
    }

    /// About every mean interval of a recurring event.
    pub(super) fn again(&mut self, event: Event) {
        let every_ms = match event {
            Event::Sync(_) => self.scenario.sync_every_ms,
            Event::Flush(_) => FLUSH_EVERY_MS,
            _ => 1_000,
        };
        let in_ms = self.random.between(every_ms / 2, every_ms * 3 / 2);
        self.later(in_ms, event);
    }

    /// What a node takes the time to be, in seconds since 1970-01-01 UTC.
    pub(super) fn clock_s(&self, node: usize) -> u64 {
        self.true_clock_s()
            .saturating_add_signed(self.nodes[node].clock_off_s)
    }

    pub(super) fn true_clock_s(&self) -> u64 {
        EPOCH_S + self.shift_s + self.now_ms / 1_000
    }

    pub(super) fn can_reach(&self, from: usize, to: usize) -> bool {
        let (one, two) = (&self.nodes[from], &self.nodes[to]);
        one.up && two.up && one.side == two.side && !one.mute && !two.deaf
    }

    pub(super) fn honest(&self) -> impl Iterator<Item = usize> + use<> {
        let honest: Vec<usize> = (0..self.nodes.len())
            .filter(|node| !self.nodes[*node].hostile)
            .collect();
        honest.into_iter()
    }

    /// Plays out the scenario, heals the network, lets it settle, and checks what must hold.
    ///
    /// # Errors
    /// The first thing that did not hold.
    pub fn play(mut self) -> Result<Report, Failure> {
        let busy_ms = self.scenario.acts.last().map_or(0, |(at_ms, _)| *at_ms) + 1_000;
        while self.now_ms < busy_ms {
            self.step()?;
        }
        self.heal();
        let began_ms = self.now_ms;
        let mut look_at_ms = began_ms;
        let mut agreed = Err(Failure::new(Kind::Agreement, "nothing was compared"));
        while self.now_ms < began_ms.max(self.revealed_ms) + SETTLE_MS {
            self.step()?;
            if self.now_ms >= look_at_ms {
                look_at_ms = self.now_ms + 2_000 + (self.now_ms - began_ms) / LOOK_LESS_OFTEN;
                agreed = self.agreed();
                if agreed.is_ok() {
                    break;
                }
            }
        }
        agreed?;
        self.report.settled_in_ms = self.now_ms - began_ms;
        self.finish()
    }

    /// Takes the next event.
    fn step(&mut self) -> Result<(), Failure> {
        let Some(Reverse(Due { at_ms, event, .. })) = self.queue.pop() else {
            return Err(Failure::new(Kind::Stuck, "nothing is left to happen"));
        };
        self.now_ms = at_ms.max(self.now_ms);
        self.report.events += 1;
        if self.report.events > EVENTS_MAX * self.nodes.len() as u64 {
            return Err(Failure::new(Kind::Stuck, "it goes on and on"));
        }
        match event {
            Event::Announce { from, to, item } => self.hear(from, to, &item),
            Event::Frame {
                from,
                to,
                session,
                bytes,
            } => self.take_frame(from, to, session, &bytes),
            Event::Sync(node) => self.sync(node),
            Event::Flush(node) => self.flush(node),
            Event::Act(number) => self.act(number),
            Event::Restart(node) => self.restart(node),
            Event::Cure(cure) => self.cure(cure),
            Event::Look => self.look(),
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn flush(&mut self, node: usize) {
        if self.nodes[node].up {
            let replica = &mut self.nodes[node].replica;
            replica.storage_mut().flush().ok();
            // The search index has followed.
            let journal = replica.journal();
            if replica.journal_length() > 64 {
                replica.confirm_changes(journal).ok();
            }
        }
        self.again(Event::Flush(node));
    }
}
