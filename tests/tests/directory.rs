//! All the real data there are in one network, and the public interface of a node that owns none of them.
//!
//! A few nodes with every third publisher run always; `FINGERPOST_NODES=50` runs so many with all of them. Each holds the
//! listings of some publishers; the one that is asked has them all from the others. Every page and two hundred single entries must fit the schemas of Open
//! Referral UK 3.0, and every parameter must find what a plain look at the publishers' own data finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../daemon/tests/oruk/client.rs"]
mod client;
#[path = "../../daemon/tests/oruk/plain.rs"]
mod plain;
#[path = "directory/publishers.rs"]
mod publishers;
#[path = "../../daemon/tests/oruk/schemas.rs"]
mod schemas;
#[path = "../../daemon/tests/corpus/shared.rs"]
mod shared;
#[path = "directory/union.rs"]
mod union;
#[path = "directory/walk.rs"]
mod walk;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use fingerpost_tests::Fail;
use fingerpost_tests::federation::{check_logs, ok, stop_all};
use fingerpost_tests::process::{LOOPBACK_CONFIG, Node};
use publishers::{Publisher, publishers};
use schemas::Schemas;
use serde_json::Value;
use shared::shared;
use union::{Own, Union};

const PATIENCE: Duration = Duration::from_secs(900);
const NODES_DEFAULT: usize = 4;
/// How many homes are made at a time.
const AT_ONCE: usize = 4;

/// How many nodes, and of how many publishers each is one that takes part.
fn wanted() -> (usize, usize) {
    let name = "FINGERPOST_NODES";
    let Ok(text) = std::env::var(name) else {
        return (NODES_DEFAULT, 3);
    };
    let count = text
        .parse()
        .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"));
    assert!((2..=100).contains(&count), "{name} must be 2 to 100");
    (count, 1)
}

/// A node with a public interface, and where that is.
fn reader(home: &Path) -> Result<(Node, Client), Fail> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::create_dir(home)?;
    let public = format!("[public_api]\nport = {port}\nrequests_per_minute = 1000000\n");
    fs::write(
        home.join("config.toml"),
        format!("{LOOPBACK_CONFIG}\n{public}"),
    )?;
    let node = Node::start(home)?;
    Ok((node, Client(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))))
}

/// Does something for each item on a few threads; the answers in order.
fn for_each<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R, Fail> + Sync,
) -> Result<Vec<R>, Fail> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let answer = work(at, item);
                    done.lock().unwrap().push((at, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// What a node finds of services, in all.
fn total(page: &Value) -> u64 {
    page["total"].as_u64().unwrap()
}

const ALL: [&str; 6] = [
    "search",
    "--kind",
    "service",
    "--include-stale",
    "--limit",
    "1",
];

#[test]
fn everything_in_one_network_is_served_truly_by_any_node() -> Result<(), Fail> {
    let shared = shared("data").zip(shared("hsds")).zip(Schemas::load());
    let Some(((data, hsds), schemas)) = shared else {
        return Ok(());
    };
    let (count, one_of) = wanted();
    let dir = tempfile::tempdir()?;
    let started = Instant::now();
    let (reader, client) = reader(&dir.path().join("node0"))?;
    ok(&reader, &["org", "create", "--name", "Reader"])?;
    ok(&reader, &["found", "Everybody"])?;
    let homes: Vec<_> = (1..count)
        .map(|number| dir.path().join(format!("node{number}")))
        .collect();
    let mut nodes = for_each(&homes, |_, home| Node::start(home))?;
    let up = started.elapsed();

    // With as many nodes as there are publishers, each has one of its own.
    let publishers = publishers(&data, &hsds)?;
    let publishers: Vec<_> = publishers.into_iter().step_by(one_of).collect();
    let of = |at: usize| &nodes[at % nodes.len()];
    let left_out = for_each(&publishers, |at, it| it.publish(of(at)))?;
    let published = started.elapsed();
    join_all(&reader, &publishers, of)?;
    let joined = started.elapsed();
    let listings = for_each(&publishers, |at, it| {
        let (org, listing) = it.own(of(at))?;
        Ok(Own::new(org, &it.name, listing))
    })?;
    let union = Union(listings);
    let services = union.services().count() as u64;
    for node in nodes.iter().chain([&reader]) {
        node.wait_for(&ALL, PATIENCE, |page| total(page) == services)
            .map_err(|error| Fail::new(format!("{error}\n{}", node.log())))?;
    }
    let complete = started.elapsed();

    let runtime = tokio::runtime::Runtime::new()?;
    let counts = runtime.block_on(walk::walk(&client, &schemas, &union));
    println!(
        "{count} nodes, {} publishers, {services} services, {} rows left out: up after {:.0} s, published after {:.0} s, \
         joined after {:.0} s, all have all after {:.0} s, walked after {:.0} s; {counts}",
        publishers.len(),
        left_out.iter().sum::<usize>(),
        up.as_secs_f64(),
        published.as_secs_f64(),
        joined.as_secs_f64(),
        complete.as_secs_f64(),
        started.elapsed().as_secs_f64(),
    );
    nodes.push(reader);
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

/// Each publisher joins on the word of the one before it.
fn join_all<'a>(
    founder: &'a Node,
    publishers: &[Publisher],
    of: impl Fn(usize) -> &'a Node,
) -> Result<(), Fail> {
    let mut inviter = (founder, "Reader");
    for (at, publisher) in publishers.iter().enumerate() {
        let ticket = ok(inviter.0, &["--org", inviter.1, "invite"])?["ticket"].clone();
        let ticket = ticket.as_str().unwrap();
        let node = of(at);
        ok(
            node,
            &["--org", &publisher.name, "join", ticket, "--accept-charter"],
        )?;
        inviter = (node, &publisher.name);
    }
    Ok(())
}

/// The validator's own feeds, by folder, and which of them do not fit.
const CONTROLS: [(&str, &[&str]); 4] = [
    ("Default", &[]),
    ("Test", &[]),
    ("Warn", &["taxonomy_term"]),
    (
        "Fail",
        &[
            "api_details",
            "service_full",
            "service_list",
            "taxonomy_term",
        ],
    ),
];

#[test]
fn what_should_pass_passes_and_what_should_fail_fails() {
    let Some((mocks, schemas)) = shared("hsds/oruk-3.0-mocks").zip(Schemas::load()) else {
        return;
    };
    for (folder, bad) in CONTROLS {
        let mut checked = 0;
        for entry in fs::read_dir(mocks.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let schema = name.trim_end_matches("_full");
            // Items without an envelope: no endpoint answers so.
            if schema == "service_list_data" {
                continue;
            }
            let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let errors = schemas.errors(schema, &value);
            assert_eq!(
                errors.is_empty(),
                !bad.contains(&name),
                "{folder}/{name}: {errors:?}"
            );
            checked += 1;
        }
        assert_eq!(checked, 11, "{folder}");
    }
}

/// Imports a feed of the validator into an organisation of its own: exit code, and the answer or what was said.
fn import(node: &Node, path: &Path, name: &str) -> Result<(Option<i32>, Value, String), Fail> {
    ok(node, &["org", "create", "--name", name])?;
    let path = path.display().to_string();
    let ran = node.cli(&[
        "--json",
        "--org",
        name,
        "listing",
        "import",
        &path,
        "--publisher",
    ])?;
    let answer = serde_json::from_str(&ran.stdout).unwrap_or_default();
    Ok((ran.code, answer, ran.stderr))
}

#[test]
fn good_feeds_are_imported_whole_and_bad_ones_are_named_row_by_row() -> Result<(), Fail> {
    let Some((mocks, schemas)) = shared("hsds/oruk-3.0-mocks").zip(Schemas::load()) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (node, client) = reader(&dir.path().join("node"))?;
    let mut imported = 0;
    for folder in ["Default", "Warn"] {
        for file in ["service_list", "service_full", "service_at_location_list"] {
            let name = format!("{folder} {file}");
            let (code, answer, said) =
                import(&node, &mocks.join(format!("{folder}/{file}.json")), &name)?;
            assert_eq!(code, Some(0), "{name}: {said}");
            assert_eq!(
                answer["changes"]["added"].as_array().unwrap().len(),
                1,
                "{name}: {answer}"
            );
            imported += 1;
        }
    }

    // Nothing of it has a name.
    let (code, answer, said) = import(
        &node,
        &mocks.join("Fail/service_list.json"),
        "Fail service_list",
    )?;
    assert_eq!(code, Some(5), "{said}");
    let left_out = answer["left_out"].as_array().unwrap();
    let rows: Vec<u64> = left_out
        .iter()
        .map(|it| it["row"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, [1, 2, 3, 4], "{answer}");
    assert!(
        left_out.iter().all(|it| it["reason"] == "it has no name"),
        "{answer}"
    );
    // A link and an address that are none: they are kept for their owner to see, and not shown to programs.
    let (code, _, said) = import(
        &node,
        &mocks.join("Fail/service_full.json"),
        "Fail service_full",
    )?;
    assert_eq!(code, Some(0), "{said}");
    let own = ok(&node, &["listing", "export", "Fail service_full"])?;
    assert_eq!(own["listing"]["services"][0]["email"], "email-example_com");
    imported += 1;

    node.wait_for(&ALL, PATIENCE, |page| total(page) == imported)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let pages = runtime.block_on(client.pages("/services?full=true", 100));
    assert_eq!(pages[0]["total_items"], imported);
    schemas.check("service_list", &pages[0]);
    Ok(())
}
