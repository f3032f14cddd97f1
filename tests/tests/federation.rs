//! Real nodes that found a network, lose their process or their store, and find their way back; through
//! the command line alone, as their users do it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use fingerpost_tests::Fail;
use fingerpost_tests::process::Node;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

fn sample(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples");
    dir.join(name).display().to_string()
}

fn ids(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["id"].as_str().unwrap().to_owned())
        .collect()
}

/// How many other nodes are known, and how many of them hold the latest of this node's organisation.
fn spread(status: &Value) -> (u64, u64) {
    let org = &status["organisations"][0];
    (
        org["nodes_known"].as_u64().unwrap(),
        org["nodes_with_latest"].as_u64().unwrap(),
    )
}

fn ok(node: &Node, args: &[&str]) {
    let ran = node.cli(args).unwrap();
    assert_eq!(
        ran.code,
        Some(0),
        "fingerpost {args:?}: {}\n{}",
        ran.stderr,
        node.log()
    );
}

fn join(node: &Node, inviter: &Node) {
    let ticket = inviter.json(&["invite"]).unwrap()["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(ticket.len() <= 500, "{}", ticket.len());
    ok(node, &["join", &ticket, "--accept-charter"]);
}

struct Federation {
    _dir: tempfile::TempDir,
    nodes: Vec<Node>,
}

/// Three organisations in one network, two of them with listings.
fn federation() -> Result<Federation, Fail> {
    let dir = tempfile::tempdir()?;
    let home = |name: &str| -> PathBuf { dir.path().join(name) };
    let nodes = vec![
        Node::start(&home("north"))?,
        Node::start(&home("south"))?,
        Node::start(&home("east"))?,
    ];
    for (node, name) in nodes
        .iter()
        .zip(["North Advice", "South Hub", "East Women"])
    {
        ok(node, &["org", "create", "--name", name]);
    }
    ok(
        &nodes[0],
        &["listing", "import", &sample("women-in-prison.json")],
    );
    ok(
        &nodes[1],
        &["listing", "import", &sample("achieve-nw.json")],
    );
    ok(&nodes[0], &["found", "Lambeth and Trafford"]);
    join(&nodes[1], &nodes[0]);
    // The third comes in on the second's word: nobody is in the middle.
    join(&nodes[2], &nodes[1]);
    Ok(Federation { _dir: dir, nodes })
}

fn wait_for_total(nodes: &[Node], wanted: u64) {
    for node in nodes {
        node.wait_for(
            &["search", "--kind", "service", "--limit", "1"],
            PATIENCE,
            |page| page["total"].as_u64() == Some(wanted),
        )
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    }
}

fn wait_until_all_hold_the_latest(node: &Node, known: u64) {
    node.wait_for(&["status"], PATIENCE, |status| {
        spread(status) == (known, known)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
}

fn assert_no_errors(nodes: &[Node]) {
    for node in nodes {
        // The storage engine says of its own accord what it found damaged.
        let log = node.log();
        let errors = log
            .lines()
            .filter(|line| line.contains("ERROR") && !line.contains(" sled::"));
        assert_eq!(errors.count(), 0, "{log}");
    }
}

#[test]
fn three_nodes_share_one_directory_and_survive_kill_9() {
    let mut federation = federation().unwrap();
    let nodes = &mut federation.nodes;
    let all = total_of(&nodes[0], "North Advice") + total_of(&nodes[1], "South Hub");
    wait_for_total(nodes, all);
    for node in nodes.iter() {
        wait_until_all_hold_the_latest(node, 2);
    }
    let first = ids(&nodes[0].json(&["search", "women"]).unwrap());
    assert!(!first.is_empty());
    for node in nodes.iter() {
        assert_eq!(ids(&node.json(&["search", "women"]).unwrap()), first);
    }
    for killed in 0..3 {
        let editor = if killed == 0 { 1 } else { 0 };
        nodes[killed].kill().unwrap();
        let down = nodes[killed].cli(&["status"]).unwrap();
        assert_eq!(down.code, Some(3), "{}", down.stderr);
        let word = format!("zebra{killed}");
        edit(&nodes[editor], &word);
        // The editor cannot claim that the killed one has it.
        let (known, with_latest) = spread(&nodes[editor].json(&["status"]).unwrap());
        assert!(known == 2 && with_latest < 2, "{with_latest} of {known}");
        nodes[killed].restart().unwrap();
        for node in nodes.iter() {
            node.wait_for(&["search", &word], PATIENCE, |page| page["total"] == 1)
                .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
        }
        wait_until_all_hold_the_latest(&nodes[editor], 2);
    }
    assert_no_errors(nodes);
    for node in nodes {
        assert!(node.stop().unwrap().success(), "{}", node.log());
    }
}

fn total_of(node: &Node, organisation: &str) -> u64 {
    let shown = node.json(&["org", "list"]).unwrap();
    let orgs = shown["organisations"].as_array().unwrap();
    let org = orgs.iter().find(|org| org["name"] == organisation).unwrap();
    org["services"].as_u64().unwrap()
}

/// Puts a word into the description of the node's own first service.
fn edit(node: &Node, word: &str) {
    let listing = node.json(&["listing", "show"]).unwrap();
    let id = listing["listing"]["services"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(
        node,
        &[
            "service",
            "set",
            &id,
            &format!("description=A word to find: {word}"),
        ],
    );
}

#[test]
fn a_damaged_store_is_set_aside_and_filled_from_peers() {
    let mut federation = federation().unwrap();
    let nodes = &mut federation.nodes;
    let all = total_of(&nodes[0], "North Advice") + total_of(&nodes[1], "South Hub");
    wait_for_total(nodes, all);
    wait_until_all_hold_the_latest(&nodes[0], 2);
    assert!(nodes[0].stop().unwrap().success());
    let store = nodes[0].home().join("store");
    for entry in std::fs::read_dir(&store).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mut bytes = std::fs::read(&path).unwrap();
            for byte in bytes.iter_mut().step_by(3) {
                *byte ^= 0x5a;
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
    nodes[0].restart().unwrap();
    let status = nodes[0].json(&["status"]).unwrap();
    let aside = status["store"]["set_aside"]
        .as_str()
        .expect("says that the store was set aside");
    assert!(Path::new(aside).is_dir());
    wait_for_total(nodes, all);
    // Its own listing came back from those who held it, and goes on without a fork.
    edit(&nodes[0], "quagga");
    for node in nodes.iter() {
        let page = node
            .wait_for(&["search", "quagga"], PATIENCE, |page| page["total"] == 1)
            .unwrap();
        let id = ids(&page).remove(0);
        assert_eq!(node.json(&["show", &id]).unwrap()["conflict"], false);
    }
    assert_no_errors(nodes);
}

#[test]
fn leaving_takes_the_documents_away_and_keeps_them_at_home() {
    let federation = federation().unwrap();
    let nodes = &federation.nodes;
    let (north, south) = (
        total_of(&nodes[0], "North Advice"),
        total_of(&nodes[1], "South Hub"),
    );
    wait_for_total(nodes, north + south);
    let wrong = nodes[1].cli(&["leave", "--confirm", "Lambeth"]).unwrap();
    assert_eq!(wrong.code, Some(1));
    ok(&nodes[1], &["leave", "--confirm", "Lambeth and Trafford"]);
    wait_for_total(&nodes[..1], north);
    wait_for_total(&nodes[2..], north);
    wait_for_total(&nodes[1..2], south);
    let members = nodes[2].json(&["members"]).unwrap();
    let left = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .find(|m| m["place"] == "left");
    assert!(left.is_some(), "{members}");
    // Once more does no harm; and the third, who came in on the leaver's word, is a member still.
    ok(&nodes[1], &["leave", "--confirm", "Lambeth and Trafford"]);
    edit(&nodes[0], "okapi");
    nodes[2]
        .wait_for(&["search", "okapi"], PATIENCE, |page| page["total"] == 1)
        .unwrap();
    // Coming back is possible.
    join(&nodes[1], &nodes[0]);
    wait_for_total(nodes, north + south);
    assert_no_errors(nodes);
}

#[test]
fn two_daemons_never_share_a_home() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&dir.path().join("home")).unwrap();
    let binaries = fingerpost_tests::binaries::binaries().unwrap();
    let second = std::process::Command::new(&binaries.fingerpostd)
        .arg("--home")
        .arg(node.home())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("already running"), "{said}");
    assert_eq!(node.cli(&["status"]).unwrap().code, Some(0));
}

#[test]
fn bad_input_is_refused_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&dir.path().join("home")).unwrap();
    ok(&node, &["org", "create", "--name", "North Advice"]);
    ok(&node, &["listing", "import", &sample("achieve-nw.json")]);
    let before = node.cli(&["listing", "export"]).unwrap().stdout;
    let good = std::fs::read_to_string(sample("achieve-nw.json")).unwrap();
    let mut parsed: Value = serde_json::from_str(&good).unwrap();
    let service = parsed["services"][0].clone();
    parsed["services"].as_array_mut().unwrap().push(service);
    let duplicate = parsed.to_string();
    parsed["services"].as_array_mut().unwrap().pop();
    parsed["services"][0]["description"] = Value::String("x".repeat(10 * 1024 * 1024));
    let huge = parsed.to_string();
    parsed["services"][0]["description"] = Value::from(7);
    let wrong_type = serde_json::to_string_pretty(&parsed).unwrap();
    let cases: [(&str, &[u8], &str); 7] = [
        ("truncated", &good.as_bytes()[..good.len() / 2], "line"),
        ("not JSON", b"<html><body>hello</body></html>", "HTML"),
        (
            "another standard",
            br#"{"totalElements":1,"content":[{"id":"1","name":"x"}]}"#,
            "Open Referral UK 1",
        ),
        ("duplicate id", duplicate.as_bytes(), "line"),
        ("10 MB description", huge.as_bytes(), "description"),
        ("wrong type", wrong_type.as_bytes(), "description"),
        ("empty", b"", "empty"),
    ];
    for (what, input, word) in cases {
        let ran = node
            .cli_with_input(&["listing", "import", "-"], input)
            .unwrap();
        assert_eq!(ran.code, Some(1), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{what}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("nothing was changed"),
            "{what}: {}",
            ran.stderr
        );
    }
    assert_eq!(node.cli(&["listing", "export"]).unwrap().stdout, before);
    for (ticket, word) in [
        ("rubbish", "not a ticket"),
        ("fingerpost9_abc", "another version"),
        ("fingerpost1_abc", "damaged"),
    ] {
        let ran = node.cli(&["join", ticket, "--accept-charter"]).unwrap();
        assert_eq!(ran.code, Some(1), "{ticket}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{ticket}: {}", ran.stderr);
    }
    assert!(!node.log().contains("ERROR"), "{}", node.log());
}
