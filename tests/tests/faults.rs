//! Real nodes on disks that are full, closed or damaged, and two nodes in one home.
//!
//! What needs a file system of its own mounts a small one, and is skipped, visibly, where that is not allowed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fingerpost_tests::binaries::binaries;
use fingerpost_tests::process::Node;
use fingerpost_tests::sim::Random;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
const EDITS: u64 = 12;
/// How often all files of a home are damaged at random places.
const DAMAGES: u64 = 3;

fn ok(node: &Node, args: &[&str]) -> Value {
    node.json(args)
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()))
}

fn add(node: &Node, name: &str, description: &str) -> String {
    let (name, description) = (format!("name={name}"), format!("description={description}"));
    let edited = ok(node, &["service", "add", &name, &description]);
    edited["service"].as_str().unwrap().to_owned()
}

/// The names of an organisation's services, as a node shows them.
fn names(node: &Node, organisation: &str) -> Vec<String> {
    let listing = ok(node, &["listing", "show", organisation]);
    let services = listing["listing"]["services"].as_array().unwrap().clone();
    let mut names: Vec<String> = services
        .iter()
        .map(|service| service["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn join(node: &Node, inviter: &Node) {
    let ticket = ok(inviter, &["invite"])["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(node, &["join", &ticket, "--accept-charter"]);
}

/// Two organisations in one network.
fn pair(first: &Path, second: &Path) -> (Node, Node) {
    let nodes = (Node::start(first).unwrap(), Node::start(second).unwrap());
    ok(&nodes.0, &["org", "create", "--name", "Lambeth Pools"]);
    ok(&nodes.1, &["org", "create", "--name", "Trafford Shed"]);
    ok(&nodes.0, &["found", "Lambeth and Trafford"]);
    join(&nodes.1, &nodes.0);
    nodes
}

/// A file system of a few megabytes; unmounted when it is dropped.
struct Small {
    at: PathBuf,
}

impl Small {
    /// `None` where this process may not mount anything.
    fn mount(at: &Path, size_bytes: u64) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={size_bytes},mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "fingerpost-test"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { at: at.to_owned() }),
            _ => {
                println!("skipped: a file system of its own cannot be mounted here");
                None
            }
        }
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.at)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let lazily = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(lazily.is_ok_and(|it| it.success()) || std::thread::panicking());
    }
}

#[test]
fn a_second_daemon_in_one_home_refuses_and_disturbs_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&dir.path().join("home")).unwrap();
    ok(&node, &["org", "create", "--name", "Lambeth Pools"]);
    for _ in 0..2 {
        let second = Command::new(&binaries().unwrap().fingerpostd)
            .arg("--home")
            .arg(node.home())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(1), "{said}");
        assert!(
            said.contains("already") || said.contains("another"),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    add(&node, "Swimming", "In the morning");
    assert_eq!(names(&node, "Lambeth Pools"), ["Swimming"]);
}

#[test]
fn a_full_disk_refuses_edits_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(&dir.path().join("small"), 256 * 1024 * 1024) else {
        return;
    };
    let (mut node, peer) = pair(&small.at.join("home"), &dir.path().join("peer"));
    let mut known: Vec<String> = (0..3).map(|at| format!("Before {at}")).collect();
    for name in &known {
        add(&node, name, "While there is room");
    }
    let filler = small.at.join("filler");
    // All that is left, to the last block.
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", filler.display()))
        .output()
        .unwrap();
    assert!(!filled.status.success(), "the disk is full now");
    // Room that the store had taken before may serve for some edits yet.
    let mut refused = None;
    for at in 0..400 {
        let (name, long) = (format!("Full {at:03}"), "x".repeat(4_000));
        let ran = node
            .cli(&[
                "service",
                "add",
                &format!("name={name}"),
                &format!("description={long}"),
            ])
            .unwrap();
        match ran.code {
            Some(0) => known.push(name),
            _ => {
                refused = Some(ran);
                break;
            }
        }
    }
    let refused = refused.expect("an edit is refused at last");
    assert_eq!(refused.code, Some(1), "{refused:?}\n{}", node.log());
    assert!(refused.stderr.contains("full"), "{refused:?}");
    known.sort();
    assert_eq!(names(&node, "Lambeth Pools"), known, "reading goes on");
    fs::remove_file(&filler).unwrap();
    // With room again it goes on: by itself, or after a new start, as the message says.
    let again = node
        .cli(&["service", "add", "name=With room again"])
        .unwrap();
    if again.code != Some(0) {
        assert!(refused.stderr.contains("restart"), "{refused:?}\n{again:?}");
        node.restart().unwrap();
        assert_eq!(names(&node, "Lambeth Pools"), known);
        add(&node, "With room again", "");
    }
    known.push("With room again".into());
    known.sort();
    assert_eq!(names(&node, "Lambeth Pools"), known);
    let end = std::time::Instant::now() + PATIENCE;
    while names(&peer, "Lambeth Pools") != known {
        assert!(
            std::time::Instant::now() < end,
            "{}\n{}",
            node.log(),
            peer.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let warnings = ok(&peer, &["status"])["warnings"].to_string();
    assert!(!warnings.contains("copied"), "{warnings}");
    node.stop().unwrap();
}

#[test]
fn a_home_that_cannot_be_written_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(&dir.path().join("small"), 64 * 1024 * 1024) else {
        return;
    };
    let home = small.at.join("home");
    let mut node = Node::start(&home).unwrap();
    ok(&node, &["org", "create", "--name", "Lambeth Pools"]);
    add(&node, "Swimming", "In the morning");
    assert!(node.stop().unwrap().success());
    small.remount("ro");
    let started = Command::new(&binaries().unwrap().fingerpostd)
        .arg("--home")
        .arg(&home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert_eq!(started.status.code(), Some(1), "{said}");
    assert!(
        said.contains("ead-only") && !said.contains("panicked"),
        "{said}"
    );
    small.remount("rw");
    node.restart().unwrap();
    assert_eq!(names(&node, "Lambeth Pools"), ["Swimming"]);
    assert!(!node.log().contains("set aside"), "{}", node.log());
    node.stop().unwrap();
}

/// Every file of a home but the keys and the settings.
fn files(of: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "keys" {
            found.extend(files(&path));
        } else if path.is_file() && name != "config.toml" && name != "daemon.log" {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn bytes_flipped_anywhere_but_in_the_keys_cost_nothing_that_a_peer_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, peer) = pair(&dir.path().join("home"), &dir.path().join("peer"));
    add(&peer, "Repairs", "Of the peer");
    let mut known = Vec::new();
    for seed in 1..=DAMAGES {
        let mut random = Random::new(seed);
        for at in 0..EDITS {
            known.push(format!("Group {seed}-{at:02}"));
            add(&node, known.last().unwrap(), &"Words to keep. ".repeat(20));
        }
        node.wait_for(&["status"], PATIENCE, |status| {
            status["organisations"][0]["nodes_with_latest"] == 1
        })
        .unwrap();
        assert!(node.stop().unwrap().success(), "{}", node.log());
        for path in files(node.home()) {
            let mut bytes = fs::read(&path).unwrap();
            if bytes.is_empty() {
                continue;
            }
            for _ in 0..=bytes.len() / 20_000 {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
            fs::write(&path, bytes).unwrap();
        }
        node.restart()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let end = std::time::Instant::now() + PATIENCE;
        let whole = |node: &Node| {
            let listed = |org: &str| {
                let ran = node.cli(&["--json", "listing", "show", org]).unwrap();
                (ran.code == Some(0)).then(|| names(node, org))
            };
            listed("Lambeth Pools").as_ref() == Some(&known)
                && listed("Trafford Shed").is_some_and(|names| names == ["Repairs"])
        };
        while !whole(&node) {
            assert!(
                std::time::Instant::now() < end,
                "seed {seed}: {:?}\n{}",
                node.cli(&["status"]),
                node.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        // It goes on, and nothing forks.
        known.push(format!("Group {seed}-next"));
        add(&node, known.last().unwrap(), "After the damage");
        known.sort();
        let end = std::time::Instant::now() + PATIENCE;
        while names(&peer, "Lambeth Pools") != known {
            assert!(
                std::time::Instant::now() < end,
                "seed {seed}: {}",
                peer.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        for it in [&node, &peer] {
            let warnings = ok(it, &["status"])["warnings"].to_string();
            assert!(!warnings.contains("copied"), "seed {seed}: {warnings}");
        }
    }
}
