//! Whole nodes in one process, over loopback, with everything on (signatures, store, index): a cold join
//! of 1,000 and 10,000 organisations, what staying in step costs, and how long an edit takes to be found on
//! every other node.
//!
//! `cargo bench -p fingerpost-daemon --bench federation`; `FINGERPOST_BENCH_ORGS=1000,50000` chooses the sizes.
//! Prints a table, then the same as one line of JSON.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::{By, Node, now_s};
use fingerpost_daemon::run::Running;
use fingerpost_daemon::search::{Kind, Query};
use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::api::{CreateOrg, Fields, Found, Invite};
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegated, Delegation, FORMAT, Role, Vouch};
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::record::{Hash, Instance, Record, SignedRecord, Writer};
use fingerpost_proto::replica::{Contained, Draft, Item, Outcome, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage};
use serde_json::{Value, json};

const SERVICES_EACH: usize = 3;
const EDITS: usize = 60;

/// Words of which listings are made; enough of them for texts to differ.
const WORDS: [&str; 24] = [
    "advice",
    "housing",
    "debt",
    "women",
    "health",
    "youth",
    "training",
    "work",
    "garden",
    "support",
    "families",
    "carers",
    "recovery",
    "legal",
    "counselling",
    "community",
    "older",
    "disability",
    "food",
    "bank",
    "evening",
    "online",
    "mentor",
    "wellbeing",
];

/// A small generator (SplitMix64): the same listings in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn words(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| WORDS[self.roll(WORDS.len())])
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes.fill_with(|| self.roll(256) as u8);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

/// A listing of about 4 KB, as in the measurements that it is compared with.
fn listing(dice: &mut Dice, number: usize) -> Vec<u8> {
    let services: Vec<Value> = (0..SERVICES_EACH)
        .map(|_| {
            json!({
                "id": dice.uuid(),
                "name": dice.words(4),
                "description": dice.words(110),
                "status": "active",
                "service_areas": [{"id": dice.uuid(), "name": "Lambeth"}],
                "attributes": [{"id": dice.uuid(), "link_type": "service_type",
                    "taxonomy_term": {"id": dice.uuid(), "name": dice.words(2), "taxonomy": "bench"}}],
            })
        })
        .collect();
    let organization = json!({"id": dice.uuid(), "name": format!("Organisation {number}"), "description": dice.words(40)});
    let state = json!({"format": 1, "kind": "listing", "shard": 0, "organization": organization, "services": services});
    ShardState::parse(state.to_string().as_bytes(), 0)
        .unwrap()
        .to_bytes()
        .unwrap()
}

fn delegate(root: &SecretKey, node: &SecretKey) -> Signed<Delegation> {
    let delegation = Delegation {
        format: FORMAT,
        org: root.org_id(),
        node: node.node_id(),
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    Signed::sign(delegation, root)
}

/// The record and state of a document, as another organisation's node would send it.
fn item(
    org: OrgId,
    name: DocName,
    node: &SecretKey,
    delegation: &Signed<Delegation>,
    state: Vec<u8>,
) -> Item {
    let record = Record {
        format: fingerpost_proto::record::FORMAT,
        org,
        document: name,
        writer: Writer {
            node: node.node_id(),
            instance: Instance([1; 8]),
        },
        seq: 1,
        saw: Vec::new(),
        heads: vec![Hash::of(&state)],
        state_hash: Hash::of(&state),
        state_bytes: state.len() as u64,
        issued_at_s: now_s(),
        generation: None,
    };
    Item::Record {
        record: SignedRecord::sign(record, node).unwrap().to_bytes(),
        delegation: Some(delegation.to_bytes()),
        state: Some(state),
    }
}

fn membership(vouch: Option<(OrgId, Delegated<Vouch>)>) -> Membership {
    Membership {
        epoch: 1,
        accepted_at_s: now_s(),
        vouches: vouch.into_iter().collect::<BTreeMap<_, _>>(),
        ..Membership::default()
    }
}

/// Fills a home with a founder's organisation and `count` members that it vouches for.
fn prepare(dir: &Path, count: usize) {
    let home = Home::at(dir);
    home.prepare().unwrap();
    let mut keys = Keys::open(&home.keys()).unwrap();
    let founder = keys.create_org().unwrap();
    let root = keys.org(&founder).unwrap().clone();
    let node = keys.node().clone();
    let delegation = delegate(&root, &node);
    let store = SledStorage::open(&home.store(), 64).unwrap();
    let mut replica = Replica::open(store, node.node_id(), BTreeSet::from([founder])).unwrap();
    let charter = Charter {
        format: fingerpost_proto::charter::FORMAT,
        name: "Bench".into(),
        text: String::new(),
        vouches_needed: 1,
        anchors: vec![founder],
        founded_at_s: 1,
        nonce: [7; 16],
    };
    let network = replica.add_network(charter).unwrap();
    let mut card = Card::new("Founder");
    card.delegations.push(Carry::new(&delegation));
    card.networks.insert(network, membership(None));
    let key = DocKey {
        org: founder,
        name: DocName::Card,
    };
    let draft = Draft {
        key,
        state: card.to_bytes(),
        heads: Vec::new(),
        generation: 0,
        delegation: delegation.clone(),
        contains: Contained::All,
        sealed: None,
    };
    replica
        .publish(now_s(), draft, &node, Instance([1; 8]), Batch::default())
        .unwrap();
    for number in 0..count {
        for item in member(number, network, founder, &node, &delegation) {
            let outcome = replica.receive(now_s(), item.check().unwrap()).unwrap();
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
    }
    replica.storage_mut().flush().unwrap();
}

fn member(
    number: usize,
    network: NetworkId,
    founder: OrgId,
    founder_node: &SecretKey,
    founder_delegation: &Signed<Delegation>,
) -> [Item; 2] {
    let mut dice = Dice(number as u64);
    let mut seed = [0; 32];
    seed.fill_with(|| dice.roll(256) as u8);
    let root = SecretKey::from_seed(&seed);
    seed.fill_with(|| dice.roll(256) as u8);
    let node = SecretKey::from_seed(&seed);
    let org = root.org_id();
    let delegation = delegate(&root, &node);
    let vouch = Vouch {
        format: FORMAT,
        network,
        subject: org,
        voucher: founder,
        node: founder_node.node_id(),
        issued_at_s: now_s(),
        note: None,
    };
    let vouch = Delegated::new(&Signed::sign(vouch, founder_node), founder_delegation);
    let mut card = Card::new(format!("Organisation {number}"));
    card.delegations.push(Carry::new(&delegation));
    card.networks
        .insert(network, membership(Some((founder, vouch))));
    [
        item(org, DocName::Card, &node, &delegation, card.to_bytes()),
        item(
            org,
            DocName::Listing(0),
            &node,
            &delegation,
            listing(&mut dice, number),
        ),
    ]
}

fn settings(interval_s: u32) -> Settings {
    let mut settings = Settings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.network.mdns = false;
    settings.sync.interval_s = interval_s;
    settings
}

async fn start(dir: &Path, interval_s: u32) -> Running {
    let home = Home::at(dir);
    home.prepare().unwrap();
    let keys = Keys::open(&home.keys()).unwrap();
    Running::start(home, settings(interval_s), keys)
        .await
        .unwrap()
}

fn by() -> By {
    By::user("bench").unwrap()
}

fn found_services(node: &Node, text: Option<String>) -> usize {
    let query = Query {
        text,
        kind: Some(Kind::Service),
        ..Query::default()
    };
    node.search(query).map_or(0, |page| page.total)
}

/// Waits for something, looking again every millisecond; what is measured are seconds and tens of
/// milliseconds.
async fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(600);
    while !done() {
        assert!(Instant::now() < end, "it did not happen within ten minutes");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn join(node: &Arc<Node>, inviter: &Node, name: &str) {
    let org = node
        .create_org(
            &CreateOrg {
                name: name.into(),
                identifiers: vec![],
            },
            &by(),
        )
        .unwrap()
        .id;
    let host = inviter.own_org(None).unwrap();
    let ticket = inviter
        .invite(
            &host,
            &Invite {
                network: None,
                valid_s: 3600,
                note: None,
            },
        )
        .unwrap()
        .ticket;
    node.join(org, &ticket, true, by()).await.unwrap();
}

fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

async fn cold_join(count: usize) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let full = dir.path().join("full");
    prepare(&full, count);
    let full = start(&full, 3_600).await;
    let wanted = count * SERVICES_EACH;
    until(|| found_services(&full.node, None) == wanted).await;
    let empty = start(&dir.path().join("empty"), 1).await;
    let begun = Instant::now();
    let joining = {
        let (node, inviter) = (Arc::clone(&empty.node), Arc::clone(&full.node));
        tokio::spawn(async move { join(&node, &inviter, "Newcomer").await })
    };
    let node = Arc::clone(&empty.node);
    until(|| node.document_count() >= 2 * count + 2).await;
    let stored_s = begun.elapsed().as_secs_f64();
    until(|| found_services(&node, None) == wanted).await;
    let searchable_s = begun.elapsed().as_secs_f64();
    joining.await.unwrap();
    let joined = node.status().unwrap().traffic;
    // From now on nothing differs: each session is what staying in step costs.
    until(|| node.status().unwrap().traffic.sessions >= joined.sessions + 2).await;
    let before = node.status().unwrap().traffic;
    until(|| node.status().unwrap().traffic.sessions >= before.sessions + 3).await;
    let after = node.status().unwrap().traffic;
    let idle_bytes =
        (after.sent_bytes + after.received_bytes - before.sent_bytes - before.received_bytes)
            / (after.sessions - before.sessions);
    let result = json!({
        "organisations": count,
        "stored_s": stored_s,
        "searchable_s": searchable_s,
        "received_mb": joined.received_bytes as f64 / 1e6,
        "sent_kb": joined.sent_bytes as f64 / 1e3,
        "in_step_bytes_a_session": idle_bytes,
        "both_nodes_rss_mb": rss_mb(),
    });
    empty.stop().await.unwrap();
    full.stop().await.unwrap();
    result
}

async fn edits(count: usize) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(start(&dir.path().join(number.to_string()), 60).await);
    }
    let writer = Arc::clone(&nodes[0].node);
    let org = writer
        .create_org(
            &CreateOrg {
                name: "Writer".into(),
                identifiers: vec![],
            },
            &by(),
        )
        .unwrap()
        .id;
    let fields = |text: String| Fields {
        fields: vec![("description".into(), text)],
    };
    let named = Fields {
        fields: vec![("name".into(), "Edited service".into())],
    };
    let service = writer
        .add_service(&org, &named, &by())
        .unwrap()
        .service
        .unwrap();
    writer
        .found(
            &org,
            &Found {
                name: "Bench".into(),
                charter: String::new(),
                vouches: 1,
                founders: Vec::new(),
            },
            &by(),
        )
        .unwrap();
    for (number, node) in nodes.iter().enumerate().skip(1) {
        join(&node.node, &writer, &format!("Reader {number}")).await;
    }
    for node in &nodes {
        until(|| {
            node.node
                .status()
                .unwrap()
                .peers
                .iter()
                .filter(|peer| peer.connected)
                .count()
                == count - 1
        })
        .await;
    }
    let mut times = Vec::new();
    for edit in 0..EDITS {
        // Each edit on its own, as people make them; not in the wake of the one before.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let word = format!("edit{edit}word");
        let begun = Instant::now();
        let (node, id, change) = (Arc::clone(&writer), service.clone(), fields(word.clone()));
        tokio::task::spawn_blocking(move || node.set_service(&org, &id, &change, &by()))
            .await
            .unwrap()
            .unwrap();
        for node in &nodes {
            until(|| found_services(&node.node, Some(word.clone())) == 1).await;
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    for node in nodes {
        node.stop().await.unwrap();
    }
    json!({
        "nodes": count,
        "edit_to_found_everywhere_ms": {
            "p50": times[EDITS / 2], "p90": times[EDITS * 9 / 10], "max": times[EDITS - 1],
        },
    })
}

fn main() {
    // `cargo test --benches` only wants to see that it starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let sizes = std::env::var("FINGERPOST_BENCH_ORGS").unwrap_or_else(|_| "1000,10000".into());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut results = Vec::new();
    for nodes in [2, 8] {
        let result = runtime.block_on(edits(nodes));
        println!("{result:#}");
        results.push(result);
    }
    for size in sizes.split(',').filter_map(|size| size.trim().parse().ok()) {
        let result = runtime.block_on(cold_join(size));
        println!("{result:#}");
        results.push(result);
    }
    println!("{}", json!({ "format": 1, "results": results }));
}
