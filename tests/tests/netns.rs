//! Real nodes on hosts of their own, with networks between them that lose, delay, fall apart and heal.
//!
//! Each node runs in a network namespace. Where those may not be made, the tests are skipped, visibly.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use fingerpost_tests::Fail;
use fingerpost_tests::federation::{
    Promised, add_service, check_logs, describe, federate, stop_all, wait_until_all_show,
};
use fingerpost_tests::netns::{Hosts, Link};
use fingerpost_tests::process::Node;

const PATIENCE: Duration = Duration::from_secs(180);
/// A mobile connection on a bad day.
const BAD: Link = Link {
    loss_per_mille: 100,
    delay_ms: 100,
    jitter_ms: 50,
};

/// Nodes as their users run them, over TCP and QUIC on the usual port, that compare themselves often.
fn start(hosts: &Hosts, dir: &Path, count: usize) -> Result<Vec<Node>, Fail> {
    let settings = "\
[network]
listen = [\"/ip4/0.0.0.0/tcp/7787\", \"/ip4/0.0.0.0/udp/7787/quic-v1\"]
mdns = false

[sync]
interval_s = 2

[log]
filter = \"info\"
format = \"plain\"
";
    (0..count)
        .map(|host| {
            let home = dir.join(format!("node{host}"));
            Node::start_in(&hosts.namespace(host), &home, settings)
        })
        .collect()
}

/// One edit on each node: of the first service that it added.
fn edit_each(nodes: &[Node], word: &str, promised: &mut Promised) -> Result<(), Fail> {
    for (number, node) in nodes.iter().enumerate() {
        let listing = node.json(&["listing", "show"])?;
        let id = listing["listing"]["services"][0]["id"].as_str();
        let id = id.ok_or_else(|| Fail::new("no service"))?.to_owned();
        describe(node, &id, &format!("{word} {number}"), promised)?;
    }
    Ok(())
}

fn add_to_each(nodes: &[Node], word: &str, promised: &mut Promised) -> Result<(), Fail> {
    for (number, node) in nodes.iter().enumerate() {
        add_service(node, &format!("{word} {number}"), promised)?;
    }
    Ok(())
}

#[test]
fn frames_that_are_lost_and_late_lose_no_edit() -> Result<(), Fail> {
    let Some(hosts) = Hosts::new(3)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    hosts.set_links(3, BAD);
    let mut nodes = start(&hosts, dir.path(), 3)?;
    let mut promised = Promised::new();
    federate(&nodes, "Over a bad line")?;
    add_to_each(&nodes, "first", &mut promised)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    edit_each(&nodes, "second", &mut promised)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    let frames = hosts.frames();
    println!("{} frames carried, {} lost", frames.carried, frames.lost);
    assert!(
        frames.lost > 0 && frames.carried > frames.lost,
        "{frames:?}"
    );
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

#[test]
fn two_halves_that_find_one_another_again_show_the_same() -> Result<(), Fail> {
    let Some(hosts) = Hosts::new(5)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = start(&hosts, dir.path(), 5)?;
    let mut promised = Promised::new();
    federate(&nodes, "Two halves")?;
    add_to_each(&nodes, "together", &mut promised)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    let together = promised.clone();

    hosts.part(5, 2);
    for half in [&nodes[..2], &nodes[2..]] {
        // Each goes on with its own edits, and keeps what it had of the others.
        let mut shown = together.clone();
        edit_each(half, "apart", &mut shown)?;
        add_to_each(half, "new", &mut shown)?;
        wait_until_all_show(half, &shown, PATIENCE)?;
        let changed = shown
            .into_iter()
            .filter(|(id, it)| together.get(id) != Some(it));
        promised.extend(changed);
    }
    assert_eq!(promised.len(), 10);
    assert!(promised.values().all(|it| !it.starts_with("together")));
    hosts.set_links(5, Link::default());
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

#[test]
fn a_link_that_works_one_way_and_then_both_ways_loses_no_edit() -> Result<(), Fail> {
    let Some(hosts) = Hosts::new(2)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = start(&hosts, dir.path(), 2)?;
    let mut promised = Promised::new();
    federate(&nodes, "One way")?;
    add_to_each(&nodes, "before", &mut promised)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    for (from, to) in [(0, 1), (1, 0)] {
        hosts.set_link(from, to, Link::CUT);
        let known = promised.clone();
        let lost = hosts.frames().lost;
        edit_each(&nodes, &format!("cut from {from}"), &mut promised)?;
        // It has tried, in vain.
        let deadline = std::time::Instant::now() + PATIENCE;
        while hosts.frames().lost < lost + 5 {
            assert!(std::time::Instant::now() < deadline, "nothing was sent");
            std::thread::sleep(Duration::from_millis(50));
        }
        // Whoever hears nothing has what it had, and its own.
        let theirs: Vec<&String> = promised
            .keys()
            .filter(|id| promised[*id].ends_with(&format!(" {from}")))
            .collect();
        for id in theirs {
            let shown = nodes[to].json(&["show", id])?;
            assert_eq!(shown["content"]["description"], *known[id], "{shown}");
        }
        hosts.set_link(from, to, Link::default());
        wait_until_all_show(&nodes, &promised, PATIENCE)?;
    }
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

#[test]
fn a_cable_that_was_pulled_costs_nothing_once_it_is_back() -> Result<(), Fail> {
    let Some(hosts) = Hosts::new(3)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = start(&hosts, dir.path(), 3)?;
    let mut promised = Promised::new();
    federate(&nodes, "A cable")?;
    add_to_each(&nodes, "before", &mut promised)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    hosts.set_cable(1, false)?;
    edit_each(&nodes, "without a cable", &mut promised)?;
    // One that starts with no network at all starts, and serves what it has.
    nodes[1].restart()?;
    add_to_each(&nodes, "still without", &mut promised)?;
    nodes[1].wait_for(&["search", "without"], PATIENCE, |page| page["total"] == 2)?;
    hosts.set_cable(1, true)?;
    wait_until_all_show(&nodes, &promised, PATIENCE)?;
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}
