//! A node that follows one area only, among real nodes: it keeps that, lets go of the rest, and has it back when asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use fingerpost_tests::Fail;
use fingerpost_tests::federation::{check_logs, federate, ok, stop_all};
use fingerpost_tests::process::Node;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(90);
const AREAS: [&str; 3] = ["Lambeth", "Trafford", "Leeds"];

/// An office's listing: one service in its own area.
fn publish(node: &Node, dir: &std::path::Path, area: &str, name: &str) -> Result<(), Fail> {
    let listing = json!({"id": "o", "name": "An office", "services": [{
        "id": "s", "name": format!("{name} in {area}"), "status": "active",
        "service_areas": [{"id": "a", "name": area}],
    }]});
    let file = dir.join(format!("{area}.json"));
    std::fs::write(&file, listing.to_string())?;
    let file = file.display().to_string();
    ok(node, &["listing", "import", &file])?;
    Ok(())
}

/// Three organisations in one network, which know one another's listings.
fn offices(dir: &std::path::Path) -> Result<Vec<Node>, Fail> {
    let mut nodes = Vec::new();
    for area in AREAS {
        nodes.push(Node::start(&dir.join(area))?);
    }
    federate(&nodes, "Advisers")?;
    for (node, area) in nodes.iter().zip(AREAS) {
        publish(node, dir, area, "Kayaking")?;
    }
    for node in &nodes {
        node.wait_for(&["search", "kayaking"], PATIENCE, |page| {
            page["total"] == AREAS.len()
        })?;
    }
    Ok(nodes)
}

fn names(page: &Value) -> Vec<&str> {
    let results = page["results"].as_array().unwrap();
    let names = results.iter().map(|it| it["name"].as_str().unwrap());
    names.collect()
}

#[test]
fn a_node_keeps_what_it_follows_and_has_the_rest_back_when_asked() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let mut nodes = offices(dir.path())?;
    let lambeth = &nodes[0];
    let wrong = lambeth.cli(&["follow", "area=Lambth"])?;
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("Lambeth") && wrong.stderr.contains("nothing was changed"),
        "{}",
        wrong.stderr
    );
    let changed = ok(lambeth, &["follow", "area=Lambeth"])?;
    assert_eq!(changed["areas"], json!(["Lambeth"]));
    let page = lambeth.wait_for(&["search", "kayaking"], PATIENCE, |page| page["total"] == 1)?;
    assert_eq!(names(&page), ["Kayaking in Lambeth"]);
    let notes = page["notes"].to_string();
    assert!(notes.contains("2 other organisations"), "{notes}");
    // Their names are on their cards.
    let page = ok(lambeth, &["search", "Org 1"])?;
    assert_eq!(names(&page), ["Org 1"]);

    // What is new elsewhere is not kept either, whether it comes by gossip or in a session.
    publish(&nodes[1], dir.path(), AREAS[1], "Archery")?;
    nodes[2].wait_for(&["search", "archery"], PATIENCE, |page| page["total"] == 1)?;
    nodes[0].stop()?;
    publish(&nodes[1], dir.path(), AREAS[1], "Hydrotherapy")?;
    nodes[0].restart()?;
    let lambeth = &nodes[0];
    lambeth.wait_for(&["status"], PATIENCE, |it| {
        it["lacking"]["states"] == 0 && it["organisations"][0]["nodes_with_latest"] == 2
    })?;
    assert_eq!(ok(lambeth, &["search", "hydrotherapy"])?["total"], 0);
    // A service that names no area is of use everywhere, and its listing comes with it.
    ok(&nodes[1], &["service", "add", "name=Woodwork for all"])?;
    lambeth.wait_for(&["search", "woodwork"], PATIENCE, |page| page["total"] == 1)?;
    assert_eq!(ok(lambeth, &["search", "hydrotherapy"])?["total"], 1);
    let page = ok(lambeth, &["search", "archery"])?;
    assert_eq!(page["total"], 0, "{page}");
    assert_eq!(ok(lambeth, &["follow"])?["left_out"], 1);

    // One of them by name, then everything. Where no entry has both words, others are shown.
    let finds_leeds = |page: &Value| names(page).contains(&"Kayaking in Leeds");
    let question = ["search", "kayaking leeds"];
    assert!(!finds_leeds(&ok(lambeth, &question)?));
    ok(lambeth, &["follow", "org=Org 2"])?;
    lambeth.wait_for(&question, PATIENCE, finds_leeds)?;
    ok(lambeth, &["follow", "--remove", "org=Org 2"])?;
    lambeth.wait_for(&question, PATIENCE, |page| !finds_leeds(page))?;
    ok(lambeth, &["follow", "--everything"])?;
    lambeth.wait_for(&question, PATIENCE, finds_leeds)?;
    let following = ok(lambeth, &["follow"])?;
    assert_eq!(following["areas"], json!([]));
    assert_eq!(following["left_out"], 0);
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}
