//! Many nodes at once, as real processes on one machine.
//!
//! A few run always; `FINGERPOST_CROWD=24` runs so many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use fingerpost_tests::Fail;
use fingerpost_tests::federation::{
    Promised, add_service, check_logs, describe, federate, ok, stop_all,
};
use fingerpost_tests::process::Node;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(300);
const NODES_DEFAULT: usize = 8;
/// What one page of a search shows at most.
const PAGE: usize = 100;

/// How many nodes were asked for.
fn wanted() -> usize {
    let name = "FINGERPOST_CROWD";
    let text = std::env::var(name).ok();
    let count = text.map_or(NODES_DEFAULT, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    });
    assert!((2..=PAGE).contains(&count), "{name} must be 2 to {PAGE}");
    count
}

fn ids(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().unwrap();
    let ids = results.iter().map(|it| it["id"].as_str().unwrap());
    let mut ids: Vec<String> = ids.map(str::to_owned).collect();
    ids.sort();
    ids
}

#[test]
fn many_nodes_share_one_directory_and_end_well() -> Result<(), Fail> {
    let count = wanted();
    let dir = tempfile::tempdir()?;
    let started = Instant::now();
    let mut nodes = (0..count)
        .map(|number| Node::start(&dir.path().join(format!("node{number}"))))
        .collect::<Result<Vec<Node>, Fail>>()?;
    let up = started.elapsed();
    let mut promised = Promised::new();
    federate(&nodes, "A crowd")?;
    for (number, node) in nodes.iter().enumerate() {
        add_service(node, &format!("the service of {number}"), &mut promised)?;
    }
    let joined = started.elapsed();

    let all: Vec<String> = promised.keys().cloned().collect();
    let limit = PAGE.to_string();
    let search = ["search", "--kind", "service", "--limit", &limit];
    for node in &nodes {
        node.wait_for(&search, PATIENCE, |page| ids(page) == all)
            .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    }
    let complete = started.elapsed();
    let members = ok(&nodes[count - 1], &["members"])?;
    assert_eq!(members["members"].as_array().unwrap().len(), count);

    let edited = all[0].clone();
    let shown = ok(&nodes[0], &["show", &edited])?;
    let owner = shown["organisation"]["name"].as_str().unwrap().to_owned();
    let owner: usize = owner.rsplit(' ').next().unwrap().parse()?;
    let before_edit = Instant::now();
    describe(&nodes[owner], &edited, "a zebra", &mut promised)?;
    for node in &nodes {
        node.wait_for(&["search", "zebra"], PATIENCE, |page| {
            ids(page) == [edited.clone()]
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    }
    let spread = before_edit.elapsed();
    let ending = Instant::now();
    check_logs(&nodes)?;
    stop_all(&mut nodes)?;
    println!(
        "{count} nodes: up after {:.1} s, joined after {:.1} s, all see all after {:.1} s; \
         an edit everywhere in {:.1} s; ended in {:.1} s",
        up.as_secs_f64(),
        joined.as_secs_f64(),
        complete.as_secs_f64(),
        spread.as_secs_f64(),
        ending.elapsed().as_secs_f64(),
    );
    Ok(())
}
