//! Real nodes behind routers that nobody set up, on lines as narrow as those of homes: that they find one another, stay
//! in step, and say truly how they are reached.
//!
//! Each node runs in a network namespace; routers are namespaces whose kernel translates addresses. Where either cannot
//! be made, the tests are skipped, visibly.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "reach/site.rs"]
mod site;

use std::time::{Duration, Instant};

use fingerpost_tests::Fail;
use fingerpost_tests::federation::{check_logs, ok, stop_all};
use fingerpost_tests::netns::{Hosts, Link, Nat};
use fingerpost_tests::process::Node;
use serde_json::Value;
use site::{
    HOME_LINE, HOME_RATE, PATIENCE, documents, hold_listings, join, meet, path_to, settings,
    shared, start, wait_for_path,
};

/// The relay in the first host's namespace, and two nodes behind routers of a kind, all members of one network.
fn behind_routers(
    hosts: &mut Hosts,
    dir: &std::path::Path,
    nat: Nat,
) -> Result<Option<[Node; 3]>, Fail> {
    let mut nodes = vec![start(&hosts.namespace(0), dir, "relay", true)?];
    for host in [1, 2] {
        let Some(router) = hosts.add_router(host, nat)? else {
            return Ok(None);
        };
        nodes.push(start(
            router.inside(),
            dir,
            &format!("office{host}"),
            false,
        )?);
    }
    meet(&nodes, "Everybody")?;
    Ok(<[Node; 3]>::try_from(nodes).ok())
}

/// What a node says of how others reach it.
fn reached(node: &Node) -> Result<Value, Fail> {
    Ok(ok(node, &["status"])?["reachability"].clone())
}

fn wait_until_reached(node: &Node, way: &str) -> Result<Value, Fail> {
    let status = node.wait_for(&["status"], PATIENCE, |it| it["reachability"]["way"] == way);
    let status = status.map_err(|error| Fail::new(format!("{error}\n{}", node.log())))?;
    println!("{}", status["reachability"]["sentence"]);
    Ok(status["reachability"].clone())
}

#[test]
fn offices_behind_home_routers_meet_at_a_relay_and_go_on_without_it() -> Result<(), Fail> {
    let Some(mut hosts) = Hosts::public(3)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let Some(mut nodes) = behind_routers(&mut hosts, dir.path(), Nat::PortRestricted)? else {
        return Ok(());
    };
    let said = wait_until_reached(&nodes[0], "direct")?;
    assert!(said["relaying"]["open"] == true, "{said}");
    for office in &nodes[1..] {
        let said = wait_until_reached(office, "relayed")?;
        let sentence = said["sentence"].as_str().unwrap_or_default();
        assert!(sentence.contains("through the node of relay"), "{sentence}");
        assert_eq!(said["advice"], Value::Null, "{said}");
    }
    let [relay, one, other] = &nodes;
    wait_for_path(one, "office2", &["tcp", "quic"])?;
    let path = path_to(one, "office2")?;
    println!("a hole was punched: {path}");
    relay.wait_for(&["status"], PATIENCE, |it| {
        it["reachability"]["relaying"]["circuits"] == 0
    })?;
    // From here on nothing passes the relay, however much the two exchange.
    let begun = reached(relay)?["relaying"]["circuits_begun"].clone();
    let relayed = ok(one, &["status"])?["traffic"]["relayed_bytes"].clone();
    for number in 0..5 {
        let name = format!("name=Service {number}");
        ok(one, &["service", "add", &name])?;
        let found = format!("Service {number}");
        other.wait_for(&["search", &found], PATIENCE, |page| page["total"] != 0)?;
    }
    assert_eq!(reached(relay)?["relaying"]["circuits_begun"], begun);
    assert_eq!(ok(one, &["status"])?["traffic"]["relayed_bytes"], relayed);
    let pinged = ok(one, &["ping", "office2"])?;
    assert_eq!(
        pinged["nodes"][0]["round_trips_us"]
            .as_array()
            .map(Vec::len),
        Some(5),
        "{pinged}"
    );
    assert_eq!(one.cli(&["ping", "nobody"])?.code, Some(4));
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

#[test]
fn offices_whose_routers_cannot_be_punched_stay_on_the_relay_and_still_join() -> Result<(), Fail> {
    let (Some(data), Some(mut hosts)) = (shared("data/moj-oruk"), Hosts::public(3)?) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let Some(mut nodes) = behind_routers(&mut hosts, dir.path(), Nat::Symmetric)? else {
        return Ok(());
    };
    for office in &nodes[1..] {
        wait_until_reached(office, "relayed")?;
    }
    let [relay, holder, newcomer] = &nodes;
    wait_for_path(newcomer, "office1", &["relayed"])?;
    hold_listings(holder, &data, site::ALL_LISTINGS, "Listings")?;
    let begun = Instant::now();
    join(newcomer, "office2", (holder, site::FOUNDER), "Listings")?;
    newcomer.wait_for(&["status"], PATIENCE, |it| {
        documents(it) >= documents_of(holder)
    })?;
    println!(
        "joined over the relay in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    // An exchange is counted when it is over.
    newcomer.wait_for(&["status"], PATIENCE, |it| {
        it["lacking"]["states"] == 0 && it["traffic"]["relayed_bytes"].as_u64() > Some(300_000)
    })?;
    assert_eq!(path_to(newcomer, "office1")?, "relayed");
    assert!(
        documents(&ok(relay, &["status"])?) < 10,
        "the relay is not in that network and holds nothing of it"
    );
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

fn documents_of(node: &Node) -> u64 {
    ok(node, &["status"]).map_or(u64::MAX, |status| documents(&status))
}

#[test]
fn a_router_that_lets_calls_in_makes_a_node_reached_directly() -> Result<(), Fail> {
    let Some(mut hosts) = Hosts::public(3)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let Some(mut nodes) = behind_routers(&mut hosts, dir.path(), Nat::FullCone)? else {
        return Ok(());
    };
    for (host, office) in [(1, &nodes[1]), (2, &nodes[2])] {
        let outside = format!("/ip4/{}/", hosts.address(host));
        // A call that came in shows it sooner than somebody has tried the address; then no relay is needed any more.
        let status = office.wait_for(&["status"], PATIENCE, |it| {
            let told = it["reachability"]["addresses"].to_string();
            let is_direct = it["reachability"]["way"] == "direct";
            is_direct && told.contains(&outside) && !told.contains("p2p-circuit")
        });
        let status = status.map_err(|error| Fail::new(format!("{error}\n{}", office.log())))?;
        println!("{}", status["reachability"]["sentence"]);
    }
    wait_for_path(&nodes[1], "office2", &["tcp", "quic"])?;
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

#[test]
fn a_relay_that_dies_within_a_join_costs_nothing_that_had_arrived() -> Result<(), Fail> {
    let (Some(data), Some(mut hosts)) = (shared("data/moj-oruk"), Hosts::public(5)?) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for (host, name) in [(0, "first relay"), (1, "second relay")] {
        nodes.push(start(&hosts.namespace(host), dir.path(), name, true)?);
    }
    for (host, name) in [(2, "holder"), (3, "control"), (4, "newcomer")] {
        let Some(router) = hosts.add_router(host, Nat::Symmetric)? else {
            return Ok(());
        };
        nodes.push(start(router.inside(), dir.path(), name, false)?);
    }
    meet(&nodes, "Everybody")?;
    for office in &nodes[2..] {
        wait_until_reached(office, "relayed")?;
    }
    hold_listings(&nodes[2], &data, 16, "Listings")?;
    let whole = documents_of(&nodes[2]);
    // A line on which a join takes long enough to be cut.
    hosts.set_rate(2, HOME_RATE / 4);

    let control_bytes = {
        let control = &nodes[3];
        wait_for_path(control, "holder", &["relayed"])?;
        let before = received(control)?;
        join(control, "control", (&nodes[2], site::FOUNDER), "Listings")?;
        control.wait_for(&["status"], PATIENCE, |it| documents(it) >= whole)?;
        settle(control, before)?;
        received(control)? - before
    };
    nodes.get_mut(3).unwrap().stop()?;

    let newcomer = &nodes[4];
    wait_for_path(newcomer, "holder", &["relayed"])?;
    let before = received(newcomer)?;
    let had = documents(&ok(newcomer, &["status"])?);
    let via = newcomer.json(&["peers"])?;
    let via = site::peer(&via, "holder").map_or(Value::Null, |it| it["via"].clone());
    let first = via["organisations"][0]["name"].as_str().unwrap_or_default();
    let dies = usize::from(first == "second relay");
    let joining = std::thread::scope(|scope| {
        let holder = &nodes[2];
        let joined =
            scope.spawn(move || join(newcomer, "newcomer", (holder, site::FOUNDER), "Listings"));
        let half = newcomer.wait_for(&["status"], PATIENCE, |it| {
            documents(it) > had + (whole - had) / 2
        });
        half.and_then(|it| joined.join().unwrap().map(|()| it))
    });
    let at_half = documents(&joining?);
    nodes.get_mut(dies).unwrap().kill()?;
    let newcomer = &nodes[4];
    let begun = Instant::now();
    newcomer.wait_for(&["status"], PATIENCE, |it| documents(it) >= whole)?;
    settle(newcomer, before)?;
    let bytes = received(newcomer)? - before;
    println!(
        "cut at {at_half} of {whole} documents; the rest came within {:.1} s over {}; {bytes} bytes in all, {control_bytes} without a cut",
        begun.elapsed().as_secs_f64(),
        if dies == 0 {
            "the second relay"
        } else {
            "the first relay"
        },
    );
    assert!(
        at_half < whole,
        "the join was over before the relay was killed"
    );
    assert!(
        bytes < control_bytes + control_bytes / 3,
        "what had arrived was sent again: {bytes}, without a cut {control_bytes}"
    );
    nodes.remove(dies);
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

fn received(node: &Node) -> Result<u64, Fail> {
    let status = ok(node, &["status"])?;
    Ok(status["traffic"]["received_bytes"]
        .as_u64()
        .unwrap_or_default())
}

/// Waits until the exchange is counted that brought the listings, as it is when it is over, and no other adds more
/// than a look whether there is news.
fn settle(node: &Node, before: u64) -> Result<(), Fail> {
    node.wait_for(&["status"], PATIENCE, |it| {
        it["traffic"]["received_bytes"].as_u64() > Some(before + 50_000)
    })?;
    let mut last = received(node)?;
    loop {
        std::thread::sleep(Duration::from_secs(3));
        let now = received(node)?;
        if now - last < 4_000 {
            return Ok(());
        }
        last = now;
    }
}

#[test]
fn whoever_was_off_while_all_others_moved_comes_back_through_one_of_them() -> Result<(), Fail> {
    const COUNT: usize = 5;
    let Some(hosts) = Hosts::public(COUNT)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for host in 0..COUNT {
        let name = format!("office{host}");
        nodes.push(start(&hosts.namespace(host), dir.path(), &name, false)?);
    }
    meet(&nodes, "Movers")?;
    let connected = |it: &Value, count: usize| {
        let peers = it["peers"].as_array().map_or(&[][..], Vec::as_slice);
        peers.iter().filter(|it| it["connected"] == true).count() >= count
    };
    nodes[0].wait_for(&["peers"], PATIENCE, |it| connected(it, COUNT - 1))?;
    nodes[4].wait_for(&["peers"], PATIENCE, |it| connected(it, COUNT - 1))?;
    nodes.get_mut(4).unwrap().stop()?;
    // It moves as well: nobody is to find it where it was before it asks.
    hosts.move_to(4, 105)?;
    let mut addresses = Vec::new();
    for host in 0..COUNT - 1 {
        // One after the other: the others tell one another where it is now.
        let address = hosts.move_to(host, 101 + u8::try_from(host)?)?;
        let told = format!("/ip4/{address}/");
        for other in (0..COUNT - 1).filter(|it| *it != host) {
            let name = format!("office{host}");
            nodes[other]
                .wait_for(&["record", "export", &name, "card"], PATIENCE, |it| {
                    site::state(it).is_some_and(|card| card.contains(&told))
                })
                .map_err(|error| Fail::new(format!("{error}\n{}", nodes[host].log())))?;
        }
        addresses.push(address);
    }
    ok(&nodes[0], &["service", "add", "name=New while away"])?;
    nodes.get_mut(4).unwrap().restart()?;
    let back = &nodes[4];
    let alone = ok(back, &["status"])?["headline"].clone();
    assert!(alone.to_string().contains("No connection"), "{alone}");
    let nobody = back.cli(&["peers", "add", "203.0.113.250:7787"])?;
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    assert!(
        nobody.stderr.contains("nobody answered"),
        "{}",
        nobody.stderr
    );
    let typed = format!("{}:7787", addresses[2]);
    let added = ok(back, &["peers", "add", &typed])?;
    assert_eq!(added["organisations"][0]["name"], "office2", "{added}");
    back.wait_for(&["peers"], PATIENCE, |it| connected(it, COUNT - 1))
        .map_err(|error| Fail::new(format!("{error}\n{}", back.log())))?;
    back.wait_for(&["search", "New while away"], PATIENCE, |page| {
        page["total"] == 1
    })?;
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}

/// How many nodes the large network is to have, if somebody asks for another number than is usual. Then it is also
/// waited until all is quiet before idle traffic is measured.
fn asked_for() -> Option<usize> {
    let asked = std::env::var("FINGERPOST_REACH_NODES").ok();
    asked.and_then(|it| it.parse().ok())
}

/// All namespaces share one table of neighbours in the kernel. When it is full, hosts do not find each other.
fn has_room_for_neighbours(hosts: usize) -> Result<(), Fail> {
    let path = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";
    let most: Option<usize> = std::fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match most {
        Some(most) if most < hosts * hosts => Err(Fail::new(format!(
            "{hosts} hosts need up to {} neighbours, and this kernel keeps {most} in all: raise {path}",
            hosts * hosts
        ))),
        _ => Ok(()),
    }
}

/// Bytes a second that all hosts together send while nobody does anything. If `settled`, the traffic must have stopped
/// falling from one half minute to the next: nodes that have just met still find out how they are reached.
fn idle_rate(hosts: &Hosts, settled: bool) -> f64 {
    let mut last = f64::MAX;
    for window in 1..=20 {
        let (frames, begun) = (hosts.frames(), Instant::now());
        std::thread::sleep(Duration::from_secs(30));
        let bytes = hosts.frames().bytes - frames.bytes;
        let rate = bytes as f64 / begun.elapsed().as_secs_f64();
        println!("half minute {window}: {rate:.0} B/s in all");
        if !settled || (window > 4 && rate > 0.8 * last) {
            return rate;
        }
        last = rate;
    }
    last
}

#[test]
fn a_large_network_on_home_lines_stays_quiet_and_within_its_bounds() -> Result<(), Fail> {
    let count = asked_for().unwrap_or(8);
    has_room_for_neighbours(count + 1)?;
    let Some(hosts) = Hosts::public(count + 1)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for host in 0..count {
        let home = dir.path().join(format!("office{host}"));
        // As they are shipped, but for the local network, of which there is none.
        let settings = settings(false).replace("interval_s = 2", "interval_s = 60");
        nodes.push(Node::start_in(&hosts.namespace(host), &home, &settings)?);
    }
    for (host, node) in nodes.iter().enumerate() {
        let name = format!("office{host}");
        ok(node, &["org", "create", "--name", &name])?;
        ok(
            node,
            &["service", "add", &format!("name=Service of {name}")],
        )?;
    }
    meet(&nodes, "Large")?;
    hosts.set_links(count + 1, HOME_LINE);
    for host in 0..=count {
        hosts.set_rate(host, HOME_RATE);
    }
    for node in &nodes {
        node.wait_for(&["status"], PATIENCE, |it| {
            it["networks"][0]["members"] == count
        })
        .map_err(|error| Fail::new(format!("{error}\n{}", node.log())))?;
    }
    let most = usize::try_from(site::CONNECTED_MAX)?;
    let held = |it: &Value| {
        let peers = it["peers"].as_array().map_or(&[][..], Vec::as_slice);
        peers.iter().filter(|it| it["connected"] == true).count()
    };
    let mut holds = Vec::new();
    for node in &nodes {
        let peers = node.wait_for(&["peers"], PATIENCE, |it| (1..=most).contains(&held(it)))?;
        holds.push(held(&peers));
    }
    let per_node = idle_rate(&hosts, asked_for().is_some()) / count as f64;
    for node in &nodes {
        wait_until_reached(node, "direct")?;
    }

    let newcomer = start(&hosts.namespace(count), dir.path(), "newcomer", false)?;
    let begun = Instant::now();
    join(&newcomer, "newcomer", (&nodes[0], "office0"), "Large")?;
    newcomer
        .wait_for(&["search", "Service", "--limit", "1"], PATIENCE, |page| {
            page["total"] == count
        })
        .map_err(|error| Fail::new(format!("{error}\n{}", newcomer.log())))?;
    println!(
        "{count} nodes: connected with {} to {} others; idle {per_node:.0} B/s a node on the wire; cold join {:.1} s",
        holds.iter().min().unwrap(),
        holds.iter().max().unwrap(),
        begun.elapsed().as_secs_f64(),
    );
    assert!(holds.iter().all(|it| *it <= most), "{holds:?}");
    check_logs(&nodes)?;
    nodes.push(newcomer);
    stop_all(&mut nodes)
}

#[test]
fn a_line_that_is_good_again_is_used_at_once() -> Result<(), Fail> {
    let Some(hosts) = Hosts::public(2)? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut nodes = vec![
        start(&hosts.namespace(0), dir.path(), "one", false)?,
        start(&hosts.namespace(1), dir.path(), "other", false)?,
    ];
    meet(&nodes, "Pair")?;
    wait_for_path(&nodes[0], "other", &["tcp", "quic"])?;
    hosts.set_links(2, Link::CUT);
    hosts.move_to(1, 77)?;
    hosts.set_links(2, Link::default());
    wait_for_path(&nodes[0], "other", &["tcp", "quic"])?;
    ok(&nodes[1], &["service", "add", "name=After the move"])?;
    nodes[0].wait_for(&["search", "After the move"], PATIENCE, |page| {
        page["total"] == 1
    })?;
    check_logs(&nodes)?;
    stop_all(&mut nodes)
}
