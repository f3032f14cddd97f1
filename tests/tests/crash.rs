//! Real nodes that lose their process at a bad moment, again and again.
//!
//! A few rounds run always; `FINGERPOST_KILL_ROUNDS=500` runs so many. `FINGERPOST_KILL_SEED=x` chooses the
//! moments; a failure prints the seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
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
    edits: BTreeMap<String, Option<u64>>,
    /// What was under way when the node died: it may have happened or not.
    under_way: Option<String>,
    acknowledged: u64,
    last: u64,
}

impl Promises {
    /// Whether a listing holds everything that was acknowledged, and nothing that was taken away.
    fn are_kept_by(&self, listing: &Value) -> Result<(), String> {
        let services = listing["listing"]["services"].as_array().unwrap();
        let shown: BTreeMap<&str, u64> = services
            .iter()
            .map(|service| {
                let description = service["description"].as_str().unwrap_or("");
                let edit = description.rsplit(' ').next().unwrap_or("");
                (service["id"].as_str().unwrap(), edit.parse().unwrap_or(0))
            })
            .collect();
        for (id, promised) in &self.edits {
            let unsure = self.under_way.as_deref() == Some(id);
            let found = shown.get(id.as_str()).copied();
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
        Ok(())
    }

    /// Takes over what is there of an edit that was under way.
    fn settle(&mut self, listing: &Value) {
        let Some(id) = self.under_way.take() else {
            return;
        };
        let services = listing["listing"]["services"].as_array().unwrap();
        let found = services.iter().find(|it| it["id"] == *id);
        let edit = found.map(|service| {
            let description = service["description"].as_str().unwrap_or("");
            description
                .rsplit(' ')
                .next()
                .unwrap_or("")
                .parse()
                .unwrap_or(0)
        });
        self.edits.insert(id, edit);
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
                    self.under_way = Some(id.clone());
                    if node.cli(&["service", "remove", &id]).unwrap().code != Some(0) {
                        return;
                    }
                    self.edits.insert(id, None);
                }
                _ => {
                    self.under_way = Some(id.clone());
                    let ran = node.cli(&["service", "set", &id, &description]).unwrap();
                    if ran.code != Some(0) {
                        return;
                    }
                    self.edits.insert(id, Some(self.last));
                }
            }
            self.under_way = None;
            self.acknowledged += 1;
        }
    }
}

fn signal(node: &Node, name: &str) {
    let pid = node.pid().unwrap().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

/// Two organisations in one network; the first will die often.
fn pair(dir: &std::path::Path) -> (Node, Node, Promises) {
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

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let rounds = number("FINGERPOST_KILL_ROUNDS", ROUNDS_DEFAULT);
    let seed = number("FINGERPOST_KILL_SEED", 1);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let (mut dies, lives, mut promises) = pair(dir.path());
    let mut before_shutdown = 0;
    for round in 1..=rounds {
        let life = Duration::from_millis(random.below(LIFE_MAX_MS));
        let in_shutdown = random.chance(250);
        let dying = Duration::from_millis(random.below(60));
        std::thread::scope(|scope| {
            let node = &dies;
            scope.spawn(move || {
                std::thread::sleep(life);
                if in_shutdown {
                    signal(node, "-TERM");
                    std::thread::sleep(dying);
                }
                // One that has ended by itself already lets nobody know.
                let pid = node.pid().unwrap().to_string();
                Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            });
            promises.edit_until_it_dies(node, &mut random);
        });
        before_shutdown += u64::from(in_shutdown);
        dies.restart()
            .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
        let listing = ok(&dies, &["listing", "show"]);
        promises
            .are_kept_by(&listing)
            .unwrap_or_else(|what| panic!("seed {seed}, round {round}: {what}\n{}", dies.log()));
        promises.settle(&listing);
        if round % COMPARED_EVERY == 0 || round == rounds {
            compare(&lives, &dies, &promises);
        }
    }
    let log = dies.log();
    assert!(
        !log.contains("set aside") && !log.contains("panicked"),
        "{log}"
    );
    println!(
        "{rounds} rounds of kill -9, {before_shutdown} of them while it was ending: {} edits acknowledged, none lost",
        promises.acknowledged
    );
}
