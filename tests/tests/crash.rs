//! Real nodes that lose their process at a bad moment, again and again.
//!
//! A few rounds run always, one of each [`Phase`]; `FINGERPOST_KILL_ROUNDS=500` runs so many.
//! `FINGERPOST_KILL_SEED=x` chooses the phases and the moments; a failure prints the seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fingerpost_tests::process::Node;
use fingerpost_tests::sim::Random;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
const ROUNDS_DEFAULT: u64 = 6;
/// Services that are edited; and so many others come and go.
const SERVICES: u64 = 6;
/// How often the peer is asked for everything that was acknowledged.
const COMPARED_EVERY: u64 = 10;
/// The longest that a node lives in a round, in milliseconds.
const LIFE_MAX_MS: u64 = 900;
/// The longest that a node has for ending well before it is killed, in milliseconds.
const DYING_MAX_MS: u64 = 50;
/// Services in the file that is imported: several documents of the listing.
const IMPORTED: u64 = 300;

/// What a node is doing when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Edits, one after another.
    Edits,
    /// The same, and the node was asked to end a moment before.
    Shutdown,
    /// Edits of two people at once.
    TwoPeople,
    /// Imports of some hundred services.
    Import,
    /// A node that has nothing yet gets everything.
    FirstSync,
}

const PHASES: [Phase; 5] = [
    Phase::Edits,
    Phase::Shutdown,
    Phase::TwoPeople,
    Phase::Import,
    Phase::FirstSync,
];

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}

fn ok(node: &Node, args: &[&str]) -> Value {
    node.json(args)
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()))
}

/// What people were told is safe: of each service the number of its last edit; `None` once it was removed.
#[derive(Default)]
struct Promises {
    /// The id of the organisation in its listing.
    organisation: String,
    edits: BTreeMap<String, Option<u64>>,
    /// What was under way when the node died: it may have happened or not.
    under_way: BTreeSet<String>,
    /// The number of the last import.
    imported: Option<u64>,
    /// That of an import that was under way: all of it is there, or nothing of it.
    importing: Option<u64>,
    acknowledged: u64,
    imports: u64,
    last: u64,
}

/// The number at the end of a description.
fn edit_number(service: &Value) -> u64 {
    let description = service["description"].as_str().unwrap_or("");
    let number = description.rsplit(' ').next().unwrap_or("");
    number.parse().unwrap_or(0)
}

/// The services of a listing, with the number of their last edit.
fn numbers(listing: &Value) -> BTreeMap<String, u64> {
    let services = listing["listing"]["services"].as_array().unwrap();
    services
        .iter()
        .map(|it| (it["id"].as_str().unwrap().to_owned(), edit_number(it)))
        .collect()
}

fn imported_id(number: u64) -> String {
    format!("7d0f4f0e-5c1b-4a53-9d6e-2f6f0b1c{:04x}", number + 1)
}

/// A file as others export it; every description ends with the number.
fn file_to_import(organisation: &str, number: u64) -> String {
    let services: Vec<Value> = (0..IMPORTED)
        .map(|service| {
            serde_json::json!({
                "id": imported_id(service),
                "name": format!("Imported group {service}"),
                "description": format!("{} Import of number {number}", "Meets on Tuesdays. ".repeat(15)),
            })
        })
        .collect();
    serde_json::json!({ "id": organisation, "name": "Lambeth Pools", "services": services })
        .to_string()
}

impl Promises {
    /// Whether a listing holds everything that was acknowledged, and nothing that was taken away.
    fn are_kept_by(&self, listing: &Value) -> Result<(), String> {
        let shown = numbers(listing);
        for (id, promised) in &self.edits {
            let unsure = self.under_way.contains(id);
            let found = shown.get(id).copied();
            let kept = match (found, promised) {
                (Some(found), Some(promised)) if unsure => found >= *promised,
                (Some(found), Some(promised)) => found == *promised,
                (None, Some(_)) | (Some(_), None) => unsure,
                (None, None) => true,
            };
            if !kept {
                return Err(format!(
                    "service {id}: {promised:?} was acknowledged, {found:?} is there"
                ));
            }
        }
        let found = imported(&shown)?;
        if found == self.imported || found.is_some() && found == self.importing {
            return Ok(());
        }
        let promised = self.imported;
        Err(format!(
            "import {promised:?} was acknowledged, {found:?} is there"
        ))
    }

    /// Takes over what is there of what was under way.
    fn settle(&mut self, listing: &Value) {
        let shown = numbers(listing);
        for id in std::mem::take(&mut self.under_way) {
            let edit = shown.get(&id).copied();
            self.edits.insert(id, edit);
        }
        self.importing = None;
        self.imported = imported(&shown).unwrap();
    }

    /// Gives every second service to somebody else.
    fn split(&mut self) -> Self {
        let mut other = Self {
            last: self.last,
            ..Self::default()
        };
        let ids: Vec<String> = self.edits.keys().skip(1).step_by(2).cloned().collect();
        for id in ids {
            other.edits.extend(self.edits.remove_entry(&id));
        }
        other
    }

    fn join(&mut self, other: Self) {
        self.edits.extend(other.edits);
        self.under_way.extend(other.under_way);
        self.acknowledged += other.acknowledged;
        self.last = self.last.max(other.last);
    }

    /// Imports until the node answers no more.
    fn import_until_it_dies(&mut self, node: &Node) {
        let organisation = self.organisation.clone();
        loop {
            self.last += 1;
            self.importing = Some(self.last);
            let file = file_to_import(&organisation, self.last);
            let ran = node.cli_with_input(&["listing", "import", "-"], file.as_bytes());
            let ran = ran.unwrap();
            if ran.code != Some(0) {
                // It was cut off, not refused.
                assert!(!ran.stderr.contains("nothing was changed"), "{ran:?}");
                return;
            }
            self.imported = self.importing.take();
            self.imports += 1;
        }
    }

    /// Edits until the node answers no more.
    fn edit_until_it_dies(&mut self, node: &Node, random: &mut Random) {
        loop {
            self.last += 1;
            let description = format!("description=The edit of number {}", self.last);
            let known: Vec<String> = self
                .edits
                .iter()
                .filter(|(_, edit)| edit.is_some())
                .map(|(id, _)| id.clone())
                .collect();
            let id = known[random.below(known.len() as u64) as usize].clone();
            let many = known.len() as u64 > SERVICES + 8;
            match random.below(10) {
                0 if !many => {
                    let name = format!("name=Group {}", self.last);
                    let ran = node
                        .cli(&["--json", "service", "add", &name, &description])
                        .unwrap();
                    if ran.code != Some(0) {
                        return;
                    }
                    let edited: Value = serde_json::from_str(&ran.stdout).unwrap();
                    let id = edited["service"].as_str().unwrap().to_owned();
                    self.edits.insert(id, Some(self.last));
                }
                1 if many => {
                    self.under_way.insert(id.clone());
                    if node.cli(&["service", "remove", &id]).unwrap().code != Some(0) {
                        return;
                    }
                    self.edits.insert(id, None);
                }
                _ => {
                    self.under_way.insert(id.clone());
                    let ran = node.cli(&["service", "set", &id, &description]).unwrap();
                    if ran.code != Some(0) {
                        return;
                    }
                    self.edits.insert(id, Some(self.last));
                }
            }
            self.under_way.clear();
            self.acknowledged += 1;
        }
    }
}

/// The number that all imported services have; `None` if there are none.
fn imported(shown: &BTreeMap<String, u64>) -> Result<Option<u64>, String> {
    let found: Vec<Option<u64>> = (0..IMPORTED)
        .map(|service| shown.get(&imported_id(service)).copied())
        .collect();
    let differs = found.iter().position(|it| *it != found[0]);
    match differs {
        None => Ok(found[0]),
        Some(at) => Err(format!(
            "a part of an import: service 0 has {:?}, service {at} {:?}",
            found[0], found[at]
        )),
    }
}

/// Kills a node after a while; `dying` is how long before that it was asked to end.
fn kill_after(node: &Node, life: Duration, dying: Option<Duration>) {
    let pid = node.pid().unwrap().to_string();
    std::thread::sleep(life);
    if let Some(dying) = dying {
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        std::thread::sleep(dying);
    }
    // One that has ended by itself already lets nobody know.
    Command::new("kill").args(["-KILL", &pid]).status().unwrap();
}

/// Two organisations in one network; the first will die often.
fn pair(dir: &Path) -> (Node, Node, Promises) {
    let dies = Node::start(&dir.join("dies")).unwrap();
    let lives = Node::start(&dir.join("lives")).unwrap();
    ok(&dies, &["org", "create", "--name", "Lambeth Pools"]);
    ok(&lives, &["org", "create", "--name", "Trafford Shed"]);
    ok(&dies, &["found", "Lambeth and Trafford"]);
    let ticket = ok(&dies, &["invite"])["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&lives, &["join", &ticket, "--accept-charter"]);
    let mut promises = Promises::default();
    for number in 1..=SERVICES {
        let name = format!("name=Service {number}");
        let edited = ok(
            &dies,
            &["service", "add", &name, "description=The edit of number 0"],
        );
        let id = edited["service"].as_str().unwrap().to_owned();
        promises.edits.insert(id, Some(0));
    }
    let listing = ok(&dies, &["listing", "show"]);
    promises.organisation = listing["listing"]["id"].as_str().unwrap().to_owned();
    (dies, lives, promises)
}

/// The peer shows what was acknowledged, and nobody wrote twice at one place.
fn compare(lives: &Node, dies: &Node, promises: &Promises) {
    let end = Instant::now() + PATIENCE;
    loop {
        let listing = lives.json(&["listing", "show", "Lambeth Pools"]);
        let kept = listing
            .map_err(|error| error.to_string())
            .and_then(|listing| promises.are_kept_by(&listing));
        match kept {
            Ok(()) => break,
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            Err(what) => panic!("the peer: {what}\n{}\n{}", lives.log(), dies.log()),
        }
    }
    for node in [lives, dies] {
        let warnings = ok(node, &["status"])["warnings"].to_string();
        assert!(!warnings.contains("copied"), "{warnings}");
    }
}

/// A node with an organisation of its own, in the same network.
fn newcomer(home: &Path, inviter: &Node) -> Node {
    let node = Node::start(home).unwrap();
    ok(&node, &["org", "create", "--name", "Oldham Kitchen"]);
    let ticket = ok(inviter, &["invite"])["ticket"].clone();
    ok(
        &node,
        &["join", ticket.as_str().unwrap(), "--accept-charter"],
    );
    node
}

/// A node whose store is gone, as on its first day.
fn with_nothing(mut node: Node) -> Node {
    node.kill().unwrap();
    for name in ["store", "index"] {
        fs::remove_dir_all(node.home().join(name)).unwrap();
    }
    node.restart().unwrap();
    node
}

/// One round: the node that is killed, by its process and not yet started again.
fn play(phase: Phase, dies: &Node, fresh: &Node, promises: &mut Promises, random: &mut Random) {
    let life = Duration::from_millis(random.below(LIFE_MAX_MS));
    let dying = Duration::from_millis(random.below(DYING_MAX_MS));
    let dying = (phase == Phase::Shutdown).then_some(dying);
    let killed = match phase {
        Phase::FirstSync => fresh,
        _ => dies,
    };
    std::thread::scope(|scope| {
        scope.spawn(move || kill_after(killed, life, dying));
        match phase {
            Phase::Edits | Phase::Shutdown => promises.edit_until_it_dies(dies, random),
            Phase::Import => promises.import_until_it_dies(dies),
            Phase::FirstSync => {}
            Phase::TwoPeople => {
                let mut other = promises.split();
                let mut chance = Random::new(random.bits());
                let other = scope.spawn(move || {
                    other.edit_until_it_dies(dies, &mut chance);
                    other
                });
                promises.edit_until_it_dies(dies, random);
                promises.join(other.join().unwrap());
            }
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let rounds = number("FINGERPOST_KILL_ROUNDS", ROUNDS_DEFAULT);
    let seed = number("FINGERPOST_KILL_SEED", 1);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let (mut dies, lives, mut promises) = pair(dir.path());
    let mut fresh = newcomer(&dir.path().join("fresh"), &lives);
    let mut played: BTreeMap<Phase, u64> = BTreeMap::new();
    for round in 1..=rounds {
        let first = PHASES.get(round as usize - 1);
        let phase = *first.or(random.pick(&PHASES)).unwrap();
        let what = format!("seed {seed}, round {round}, {phase:?}");
        if phase == Phase::FirstSync {
            fresh = with_nothing(fresh);
        }
        play(phase, &dies, &fresh, &mut promises, &mut random);
        *played.entry(phase).or_default() += 1;
        if phase == Phase::FirstSync {
            fresh
                .restart()
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            compare(&fresh, &dies, &promises);
            continue;
        }
        dies.restart()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let listing = ok(&dies, &["listing", "show"]);
        promises
            .are_kept_by(&listing)
            .unwrap_or_else(|fault| panic!("{what}: {fault}\n{}", dies.log()));
        promises.settle(&listing);
        if round % COMPARED_EVERY == 0 || round == rounds {
            compare(&lives, &dies, &promises);
        }
    }
    for node in [&dies, &fresh, &lives] {
        let log = node.log();
        assert!(
            !log.contains("set aside") && !log.contains("panicked"),
            "{log}"
        );
    }
    println!(
        "{rounds} rounds of kill -9 {played:?}: {} edits and {} imports acknowledged, none lost; \
         every store opened",
        promises.acknowledged, promises.imports
    );
}
