//! How a piece of gossip spreads in networks of more nodes than one machine can run: a model, played by its seed.
//!
//! Each node is connected with those that the protocol chooses ([`choose`]) among some that it looks at, as a real
//! one does; or, beside that, all stand in a line or a ring. On each connection lies a delay. A node hands on what is new
//! to it to its neighbours in the mesh, whoever published it to all that it is connected with; that somebody says that it
//! has a message already, which spares some copies of large ones, is left out of the model, and so is loss.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use fingerpost_proto::ids::{NodeId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::peering::{Candidate, choose};
use fingerpost_proto::record::Hash;
use fingerpost_tests::sim::Random;
use serde_json::{Value, json};

use crate::measure::percentile;

/// Members that a node of a large network looks at.
const LOOKED_AT: usize = 256;
/// Neighbours that a node wants in a mesh, and has at most: the daemon's.
const MESH: (usize, usize) = (4, 8);
/// Delays of connections, in units of their mean.
const DELAY_MIN: f64 = 0.2;
const DELAY_MAX: f64 = 1.8;
/// How often everybody chooses anew before anything is published.
const ROUNDS: usize = 6;
const MESSAGES: usize = 200;
const SEED: u64 = 6;

type Links = Vec<BTreeSet<usize>>;

fn id(node: usize) -> NodeId {
    NodeId::from_bytes(Hash::of(&(node as u64).to_be_bytes()).0)
}

fn link(links: &mut Links, one: usize, other: usize) {
    if one != other {
        links[one].insert(other);
        links[other].insert(one);
    }
}

/// Everybody chooses some times, and both ends of a connection keep it while one of them wants it.
fn chosen(count: usize, random: &mut Random) -> Links {
    let ids: BTreeMap<NodeId, usize> = (0..count).map(|node| (id(node), node)).collect();
    let mut wanted: Links = vec![BTreeSet::new(); count];
    let mut links: Links = wanted.clone();
    for _ in 0..ROUNDS {
        for node in 0..count {
            let mut known = links[node].clone();
            if count <= LOOKED_AT {
                known.extend(0..count);
            }
            while known.len() < LOOKED_AT.min(count) {
                known.insert(random.below(count as u64) as usize);
            }
            known.remove(&node);
            let candidate = |other: &usize| Candidate {
                node: id(*other),
                org: OrgId::from_bytes(*id(*other).as_bytes()),
                range: Some(*other as u64),
                is_sibling: false,
                is_connected: links[node].contains(other),
                has_missing: false,
                // Whoever has no place left does not answer.
                is_silent: links[*other].len() >= limits::CONNECTED_MAX_NODES
                    && !links[node].contains(other),
            };
            let candidates: Vec<Candidate> = known.iter().map(candidate).collect();
            let entropy: [u8; 32] = random.bytes();
            wanted[node] = choose(&id(node), &candidates, &entropy)
                .iter()
                .map(|other| ids[other])
                .collect();
            for other in wanted[node].clone() {
                let is_full = |it: usize| links[it].len() >= limits::CONNECTED_MAX_NODES;
                if !is_full(node) && !is_full(other) {
                    link(&mut links, node, other);
                }
            }
            let wants = |one: usize, other: usize| wanted[one].contains(&other);
            let ends: Vec<usize> = links[node]
                .iter()
                .copied()
                .filter(|other| !wants(node, *other) && !wants(*other, node))
                .collect();
            for other in ends {
                links[node].remove(&other);
                links[other].remove(&node);
            }
        }
    }
    links
}

fn line(count: usize) -> Links {
    let mut links: Links = vec![BTreeSet::new(); count];
    (1..count).for_each(|node| link(&mut links, node - 1, node));
    links
}

fn ring(count: usize) -> Links {
    let mut links = line(count);
    link(&mut links, 0, count - 1);
    links
}

/// Each node takes some of its connections into its mesh, and both ends of these use them.
fn mesh(links: &Links, random: &mut Random) -> Links {
    let mut mesh: Links = vec![BTreeSet::new(); links.len()];
    for node in 0..links.len() {
        let mut free: Vec<usize> = links[node].iter().copied().collect();
        while mesh[node].len() < MESH.0 && !free.is_empty() {
            let other = free.swap_remove(random.below(free.len() as u64) as usize);
            if mesh[other].len() < MESH.1 {
                link(&mut mesh, node, other);
            }
        }
    }
    mesh
}

/// What became of one message.
struct Spread {
    reached: usize,
    copies: usize,
    hops: Vec<f64>,
    times: Vec<f64>,
}

fn delay(one: usize, other: usize) -> f64 {
    let ends = [one.min(other) as u64, one.max(other) as u64];
    let part = Random::new(ends[0] << 32 ^ ends[1] ^ SEED).below(1_000) as f64 / 1_000.0;
    DELAY_MIN + part * (DELAY_MAX - DELAY_MIN)
}

fn publish(links: &Links, mesh: &Links, from: usize) -> Spread {
    let mut spread = Spread {
        reached: 0,
        copies: 0,
        hops: Vec::new(),
        times: Vec::new(),
    };
    let mut has: BTreeSet<usize> = [from].into();
    // In millionths of the mean delay.
    let mut queue: BinaryHeap<Reverse<(u64, usize, usize, u64)>> = BinaryHeap::new();
    let mut send = |queue: &mut BinaryHeap<_>, at, node: usize, to: &BTreeSet<usize>, but, hops| {
        for other in to.iter().filter(|it| Some(**it) != but) {
            let arrives = at + (delay(node, *other) * 1e6) as u64;
            queue.push(Reverse((arrives, *other, node, hops)));
            spread.copies += 1;
        }
    };
    send(&mut queue, 0, from, &links[from], None, 1);
    let (mut hops, mut times) = (Vec::new(), Vec::new());
    while let Some(Reverse((at, node, by, hop))) = queue.pop() {
        if has.insert(node) {
            hops.push(hop as f64);
            times.push(at as f64 / 1e6);
            send(&mut queue, at, node, &mesh[node], Some(by), hop + 1);
        }
    }
    spread.reached = has.len();
    (spread.hops, spread.times) = (hops, times);
    spread
}

fn result(name: &str, links: &Links, random: &mut Random) -> Value {
    let count = links.len();
    let (mut reached, mut copies) = (0, 0);
    let (mut hops, mut times, mut all_after) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MESSAGES {
        let mesh = mesh(links, random);
        let mut spread = publish(links, &mesh, random.below(count as u64) as usize);
        reached += spread.reached;
        copies += spread.copies;
        hops.append(&mut spread.hops);
        all_after.push(spread.times.last().copied().unwrap_or(0.0));
        times.append(&mut spread.times);
    }
    let degree = links.iter().map(BTreeSet::len).sum::<usize>() as f64 / count as f64;
    json!({
        "nodes": count,
        "links": name,
        "connections_a_node": degree,
        "reached_percent": reached as f64 / (count * MESSAGES) as f64 * 100.0,
        "copies_a_node": copies as f64 / ((count - 1) * MESSAGES) as f64,
        "hops": {"p50": percentile(&mut hops, 0.5), "p99": percentile(&mut hops, 0.99), "most": percentile(&mut hops, 1.0)},
        "in_mean_delays": {"p50": percentile(&mut times, 0.5), "p99": percentile(&mut times, 0.99)},
        "all_have_it_after_mean_delays": {"p50": percentile(&mut all_after, 0.5), "p99": percentile(&mut all_after, 0.99)},
    })
}

/// Networks of these sizes as nodes choose their connections; and lines and rings of the small ones.
pub(crate) fn measure() -> Value {
    let mut random = Random::new(SEED);
    let mut results = Vec::new();
    for count in [8, 32, 64, 1_000, 5_000] {
        let links = chosen(count, &mut random);
        results.push(result("chosen", &links, &mut random));
        if count <= 64 {
            results.push(result("line", &line(count), &mut random));
            results.push(result("ring", &ring(count), &mut random));
        }
    }
    json!(results)
}
