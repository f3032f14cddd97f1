//! Two nodes of one organisation, and a peer between them, on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "bomb/mod.rs"]
mod bomb;
mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use common::{DEADLINE, Hostile, Party, listing, soon};
use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::{By, Node, NodeError};
use fingerpost_daemon::run::Running;
use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::api::{AddNode, CreateOrg, Fields, Found, Invite, Resolve};
use fingerpost_proto::certificate::{Delegation, FORMAT, Role, Sealed};
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::keys::sealing_recipient;
use fingerpost_proto::record::{Hash, SignedRecord};
use fingerpost_proto::replica::Item;
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::{Storage, Table};
use fingerpost_proto::sync::Scope;
use serde_json::Value;
use tempfile::TempDir;

/// A node that can be stopped and started again in its home.
struct Machine {
    dir: TempDir,
    /// The port of its first start, so that the others find it again.
    listen: Vec<String>,
    running: Option<Running>,
}

impl Machine {
    async fn new() -> Self {
        let mut machine = Self {
            dir: tempfile::tempdir().unwrap(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            running: None,
        };
        machine.start().await;
        machine
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    async fn start(&mut self) {
        let home = Home::at(self.home());
        home.prepare().unwrap();
        let keys = Keys::open(&home.keys()).unwrap();
        let mut settings = Settings::default();
        settings.network.listen = self.listen.clone();
        settings.network.mdns = false;
        settings.sync.interval_s = 2;
        let running = Running::start(home, settings, keys).await.unwrap();
        let worker = PathBuf::from(env!("CARGO_BIN_EXE_fingerpostd"));
        running.node.set_merge_worker(worker);
        common::until("an address", || {
            !running.node.net().listen_addresses().is_empty()
        })
        .await;
        let addresses = running.node.net().listen_addresses();
        let without_peer = |it: &String| it.split("/p2p/").next().map(str::to_owned);
        self.listen = addresses.iter().filter_map(without_peer).collect();
        self.running = Some(running);
    }

    async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.unwrap();
        }
    }

    fn node(&self) -> &Arc<Node> {
        &self.running.as_ref().unwrap().node
    }

    async fn ask<T: Send + 'static>(&self, work: impl FnOnce(&Node) -> T + Send + 'static) -> T {
        let node = Arc::clone(self.node());
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .unwrap()
    }

    async fn create(&self, name: &str) -> OrgId {
        let request = CreateOrg {
            name: name.into(),
            identifiers: Vec::new(),
        };
        self.ask(move |node| node.create_org(&request, &by()).unwrap().id)
            .await
    }

    /// Sets one field of a service; tried again while the history is still coming.
    async fn set(&self, org: OrgId, service: &str, field: &str, value: &str) {
        let begun = Instant::now();
        loop {
            let fields = Fields {
                fields: vec![(field.into(), value.into())],
            };
            let service = service.to_owned();
            let set = self
                .ask(move |node| node.set_service(&org, &service, &fields, &by()))
                .await;
            match set {
                Ok(_) => return,
                Err(error) if begun.elapsed() < DEADLINE => {
                    println!("not yet: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn add(&self, org: OrgId, name: &str) -> String {
        let fields = Fields {
            fields: vec![("name".into(), name.into())],
        };
        self.ask(move |node| node.add_service(&org, &fields, &by()).unwrap())
            .await
            .service
            .unwrap()
    }

    /// What this node shows of a service of an organisation.
    async fn shown(&self, org: OrgId, service: &str) -> Option<Value> {
        let listing: Result<Value, NodeError> = self
            .ask(move |node| node.listing(Some(&org.to_string())).map(|it| it.listing))
            .await;
        let services = listing.ok()?.get("services")?.as_array()?.clone();
        services.into_iter().find(|it| it["id"] == service)
    }

    /// Waits until a field of a service reads so.
    async fn until_shown(&self, org: OrgId, service: &str, field: &str, value: &str) {
        let begun = Instant::now();
        loop {
            let shown = self.shown(org, service).await;
            if shown.as_ref().is_some_and(|it| it[field] == value) {
                return;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "{field} never was {value}: {shown:?}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn until_conflicts(&self, org: OrgId, count: usize) -> fingerpost_proto::api::Conflicts {
        let begun = Instant::now();
        loop {
            let conflicts = self.ask(move |node| node.conflicts(&org).unwrap()).await;
            if conflicts.conflicts.len() == count && conflicts.unmerged.is_empty() {
                return conflicts;
            }
            assert!(begun.elapsed() < DEADLINE, "never {count}: {conflicts:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn until_latest_is_held(&self) {
        let begun = Instant::now();
        loop {
            let status = self.ask(|node| node.status().unwrap()).await;
            let held = |it: &fingerpost_proto::api::OrgStatus| {
                it.nodes_known > 0 && it.nodes_with_latest > 0
            };
            if status.organisations.iter().all(held) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "nobody has the latest");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn by() -> By {
    By::user("test").unwrap()
}

/// An organisation on a first node, with two services; a peer of another organisation; and a second node of
/// the first.
async fn family() -> (Machine, Machine, Machine, OrgId, [String; 2]) {
    let first = Machine::new().await;
    let peer = Machine::new().await;
    let second = Machine::new().await;
    let org = first.create("Two Desks").await;
    let services = [
        first.add(org, "Debt advice").await,
        first.add(org, "Talking group").await,
    ];
    let ticket = first
        .ask(move |node| {
            let found = Found {
                name: "Riverside".into(),
                charter: String::new(),
                vouches: 1,
                founders: Vec::new(),
            };
            node.found(&org, &found, &by()).unwrap();
            let invite = Invite {
                network: None,
                valid_s: 3600,
                note: None,
            };
            node.invite(&org, &invite).unwrap().ticket
        })
        .await;
    let other = peer.create("Peer").await;
    soon("joining", peer.node().join(other, &ticket, true, by()))
        .await
        .unwrap();
    let id = second.node().id();
    let pass = first
        .ask(move |node| {
            let request = AddNode {
                node: id,
                role: Role::Admin,
            };
            node.add_node(&org, &request, &by()).unwrap().pass
        })
        .await;
    soon("the second node", second.node().use_pass(&pass))
        .await
        .unwrap();
    second
        .until_shown(org, &services[1], "name", "Talking group")
        .await;
    peer.until_shown(org, &services[1], "name", "Talking group")
        .await;
    // Its history is there too: the first edit of each node builds on what the other wrote.
    second
        .set(org, &services[1], "url", "https://example.org")
        .await;
    first
        .until_shown(org, &services[1], "url", "https://example.org")
        .await;
    // And with it its history, so that what is written next builds on it.
    first.until_conflicts(org, 0).await;
    (first, peer, second, org, services)
}

/// Whether any file under a directory holds these bytes.
fn holds(dir: &Path, word: &str) -> bool {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && bytes
                    .windows(word.len())
                    .any(|part| part == word.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn siblings_that_are_never_online_together_merge_through_a_peer() {
    let (mut first, mut peer, mut second, org, [debt, group]) = family().await;
    // All alone, the first writes a word that it takes back again, another service, and a field.
    second.stop().await;
    peer.stop().await;
    first.set(org, &debt, "description", "zanzibarquartz").await;
    first.set(org, &debt, "description", "by the first").await;
    first.set(org, &group, "name", "Talking group, first").await;
    first.stop().await;
    // So does the second: the same field of the one service, another of the other.
    second.start().await;
    second
        .set(org, &group, "name", "Talking group, second")
        .await;
    second.set(org, &group, "email", "second@example.org").await;
    second.stop().await;
    // The first is online with the peer, then the second, then the first again.
    peer.start().await;
    first.start().await;
    peer.until_shown(org, &debt, "description", "by the first")
        .await;
    first.until_latest_is_held().await;
    first.stop().await;
    second.start().await;
    second
        .until_shown(org, &debt, "description", "by the first")
        .await;
    let conflicts = second.until_conflicts(org, 1).await;
    peer.until_shown(org, &group, "email", "second@example.org")
        .await;
    second.until_latest_is_held().await;
    second.stop().await;
    first.start().await;
    first
        .until_shown(org, &group, "email", "second@example.org")
        .await;
    let on_first = first.until_conflicts(org, 1).await;
    assert_eq!(on_first.conflicts, conflicts.conflicts, "the same on both");
    let conflict = &conflicts.conflicts[0];
    assert_eq!(
        (
            conflict.field.as_str(),
            conflict.about.contains("Talking group")
        ),
        ("name", true)
    );
    let values: Vec<&Value> = conflict.values.iter().map(|it| &it.value).collect();
    for value in ["Talking group, first", "Talking group, second"] {
        assert!(values.iter().any(|it| **it == value), "{values:?}");
    }
    // A person chooses, and everybody shows it.
    let keep = values
        .iter()
        .position(|it| **it == "Talking group, second")
        .unwrap()
        + 1;
    let id = conflict.id.clone();
    first
        .ask(move |node| {
            node.resolve(&org, &Resolve { id, keep }, &by()).unwrap();
        })
        .await;
    peer.until_shown(org, &group, "name", "Talking group, second")
        .await;
    first.until_conflicts(org, 0).await;
    // The word that was taken back is in the first node's own history, and on no other disk in clear.
    first.until_latest_is_held().await;
    let history = first.ask(move |node| node.history(&org).unwrap()).await;
    assert!(history.entries.len() >= 6, "{history:?}");
    first.stop().await;
    peer.stop().await;
    assert!(knew(&first, org, "zanzibarquartz"));
    assert!(!is_in_store(&peer, "zanzibarquartz"));
    assert!(is_in_store(&peer, "by the first"));
    assert!(!holds(&peer.home(), "zanzibarquartz"));
}

fn store(machine: &Machine) -> SledStorage {
    SledStorage::open(&Home::at(machine.home()).store(), 16).unwrap()
}

/// Whether anything in the store of a node that was stopped holds a word, as the store gives it back.
fn is_in_store(machine: &Machine, word: &str) -> bool {
    let store = store(machine);
    let mut found = false;
    for table in Table::ALL {
        store
            .scan(table, &[], &mut |_, value| {
                found |= value
                    .windows(word.len())
                    .any(|part| part == word.as_bytes());
                true
            })
            .unwrap();
    }
    found
}

/// Whether any version of the listing in a node's own document held a word.
fn knew(machine: &Machine, org: OrgId, word: &str) -> bool {
    let name = DocName::Listing(0);
    let key = DocKey { org, name }.to_bytes();
    let bytes = store(machine).get(Table::Own, &key).unwrap().unwrap();
    let mut document = OwnDocument::load(&bytes, &[1; 16]).unwrap();
    let history = document.history();
    history.iter().any(|entry| {
        let value = document.value_at(&entry.heads_after).unwrap();
        value.to_string().contains(word)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_siblings_document_that_is_built_to_exhaust_the_node_costs_one_refused_merge() {
    let (mut first, mut peer, second, org, [debt, _]) = family().await;
    // The laptop was let in before it was stolen.
    let keys = Keys::open(&Home::at(first.home()).keys()).unwrap();
    let root = keys.org(&org).unwrap().clone();
    let site = common::Site::of(first.running.take().unwrap(), org);
    let hostile = Hostile::at(&site, 77).await;
    let node = hostile.key().node_id();
    let role = Role::Admin;
    let adding = Arc::clone(site.node());
    tokio::task::spawn_blocking(move || adding.add_node(&org, &AddNode { node, role }, &by()))
        .await
        .unwrap()
        .unwrap();
    let delegation = Delegation {
        format: FORMAT,
        org,
        node,
        role,
        not_before_s: 0,
        not_after_s: None,
    };
    let thief = Party {
        delegation: Signed::sign(delegation, &root),
        root,
        node: hostile.key(),
    };
    let network = site.status().await.networks[0].id;
    let state = listing("A harmless looking service");
    let record = thief.record(DocName::Listing(0), 1, &state);
    let Item::Record { record: bytes, .. } = thief.sign(record.clone(), &state) else {
        panic!("not a record");
    };
    let id = SignedRecord::from_trusted(&bytes).unwrap().id();
    let recipient = sealing_recipient(org.as_bytes()).unwrap();
    let bytes = fingerpost_daemon::sealing::seal(&bomb::nulls(10_000_000), &[recipient]).unwrap();
    let sealed = Sealed {
        format: FORMAT,
        org,
        document: DocName::Listing(0),
        node: thief.node.node_id(),
        record: id,
        hash: Hash::of(&bytes),
        size_bytes: bytes.len() as u64,
        sealed_at_s: record.issued_at_s,
        generation: None,
    };
    let sealed = Item::Sealed {
        sealed: Signed::sign(sealed, &thief.node).to_bytes(),
        bytes,
    };
    let before = site.status().await;
    let mut talk = hostile.known(&site, network).await;
    talk.deliver(Scope::Cards, Vec::new()).await;
    talk.deliver(Scope::Rest, vec![thief.sign(record, &state)])
        .await;
    talk.receipt_with(vec![sealed]).await;
    site.until_refused("merge", 1).await;
    // Its own document is as it was, edits go on, and what is refused is told.
    let begun = Instant::now();
    let conflicts = loop {
        let node = Arc::clone(site.node());
        let conflicts = tokio::task::spawn_blocking(move || node.conflicts(&org).unwrap());
        let conflicts = conflicts.await.unwrap();
        if conflicts.unmerged.len() == 1 {
            break conflicts;
        }
        assert!(begun.elapsed() < DEADLINE, "{conflicts:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(
        conflicts.unmerged[0].reason.contains("damaged"),
        "{conflicts:?}"
    );
    second.set(org, &debt, "email", "still@example.org").await;
    let after = site.status().await;
    assert_eq!(after.node, before.node);
    site.stop().await;
    peer.stop().await;
}
