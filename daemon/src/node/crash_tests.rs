//! What was begun with keys goes on after a crash, wherever it came: each test leaves things as the crash would,
//! and starts the node again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_proto::api::{AddNode, CreateOrg, Fields, Found, HandOver};
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::replica::Item;
use fingerpost_proto::roster::Place;
use fingerpost_proto::signed::Carry;
use fingerpost_proto::storage::{Batch, Storage, Table};

use super::documents::By;
use super::names::card_of;
use super::tasks::{
    HandingOver, Joining, Kind, Rekeying, Restoring, TakeOver, Task, Whereabouts, task,
};
use super::{Node, lock};
use crate::keys::{Keys, fresh_key};
use crate::run::Running;
use crate::store::SledStorage;

const DEADLINE: Duration = Duration::from_secs(60);

async fn start(dir: &Path) -> Running {
    let home = Home::at(dir.join("home"));
    home.prepare().unwrap();
    let keys = Keys::open(&home.keys()).unwrap();
    let mut settings = Settings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.network.mdns = false;
    Running::start(home, settings, keys).await.unwrap()
}

async fn until(node: &Arc<Node>, what: &str, holds: impl Fn(&Node) -> bool) {
    let begun = Instant::now();
    while !tokio::task::block_in_place(|| holds(node)) {
        assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An organisation with a service, in a network of its own.
fn founder(node: &Node) -> OrgId {
    let org = create_org(node);
    add_service(node, &org, "Swimming");
    found(node, &org);
    org
}

fn create_org(node: &Node) -> OrgId {
    let request = CreateOrg {
        name: "Lambeth Pools".into(),
        identifiers: Vec::new(),
    };
    let by = By::user("test").unwrap();
    node.create_org(&request, &by).unwrap().id
}

fn found(node: &Node, org: &OrgId) {
    let found = Found {
        name: "Brixton".into(),
        charter: String::new(),
        vouches: 1,
        founders: Vec::new(),
    };
    node.found(org, &found, &By::user("test").unwrap()).unwrap();
}

/// A rekeying that is written down, and its key, which is not on disk yet.
fn begin(node: &Node, org: &OrgId) -> (Rekeying, fingerpost_proto::keys::SecretKey) {
    let key = fresh_key().unwrap();
    let rekeying = Rekeying {
        new: key.org_id(),
        at_s: super::now_s(),
        known_since_s: None,
        who: "test".into(),
        operation: "1".into(),
    };
    node.put_task(org, &Task::Rekey(rekeying.clone())).unwrap();
    (rekeying, key)
}

/// Stops the node where it stands and starts it again.
async fn again(running: Running, dir: &Path) -> Running {
    running.stop().await.unwrap();
    start(dir).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekeying_without_its_key_never_happened() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path()).await;
    let org = tokio::task::block_in_place(|| founder(&running.node));
    begin(&running.node, &org);
    let running = again(running, dir.path()).await;
    let node = &running.node;
    until(node, "the task to be dropped", |node| {
        node.tasks().unwrap().is_empty()
    })
    .await;
    assert_eq!(node.own_orgs(), [org]);
    assert_eq!(node.org_info(&org).unwrap().services, 1);
    running.stop().await.unwrap();
}

/// Goes `steps` steps of a rekeying, then crashes.
async fn crash_after(steps: usize) {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path()).await;
    let (old, new) = tokio::task::block_in_place(|| {
        let node = &running.node;
        let old = founder(node);
        let (rekeying, key) = begin(node, &old);
        let new = key.org_id();
        lock(&node.keys).add_org(key.clone()).unwrap();
        if steps >= 1 {
            node.carry_over(&old, &key, &rekeying).unwrap();
        }
        if steps >= 2 {
            node.put_away(&old, &new).unwrap();
        }
        if steps >= 3 {
            node.depart_replaced(&old).unwrap();
        }
        (old, new)
    });
    let running = again(running, dir.path()).await;
    let node = &running.node;
    until(node, "the new organisation alone", |node| {
        node.own_orgs() == [new] && node.tasks().unwrap().is_empty()
    })
    .await;
    tokio::task::block_in_place(|| {
        assert_eq!(node.org_info(&new).unwrap().services, 1);
        let history = node.history(&new).unwrap().entries;
        assert!(history.iter().any(|it| it.what.contains("service added")));
        let mut replica = node.replica();
        let network = replica.networks().next().unwrap().0;
        assert_eq!(replica.place_among(&new, &[network]), Some(Place::Member));
        assert_eq!(replica.place_among(&old, &[network]), Some(Place::Left));
        let listing = DocKey {
            org: new,
            name: DocName::Listing(0),
        };
        assert_eq!(replica.record_ids(&listing).len(), 1);
        let mut left = 0;
        replica
            .storage()
            .scan(Table::Own, old.as_bytes(), &mut |_, _| {
                left += 1;
                true
            })
            .unwrap();
        assert_eq!(left, 0);
    });
    running.stop().await.unwrap();
    let keys = Keys::open(&dir.path().join("home/keys")).unwrap();
    assert_eq!(keys.orgs().collect::<Vec<_>>(), [new]);
    assert_eq!(keys.former(), [old]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rekeying_is_finished_wherever_it_was_cut_off() {
    for steps in 0..=3 {
        crash_after(steps).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_was_read_is_used_after_a_crash() {
    let dirs = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let first = start(dirs[0].path()).await;
    let second = start(dirs[1].path()).await;
    let id = second.node.id();
    let (org, pass) = tokio::task::block_in_place(|| {
        let org = founder(&first.node);
        let request = AddNode {
            node: id,
            role: Role::Admin,
        };
        let by = By::user("test").unwrap();
        (org, first.node.add_node(&org, &request, &by).unwrap().pass)
    });
    // All that was written down is the task.
    let content = second.node.read_pass(&pass).unwrap();
    let joining = Joining {
        delegation: Carry::new(&content.delegation),
        whereabouts: Whereabouts {
            networks: content.networks,
            giver: content.giver,
            addresses: content.addresses,
        },
        take_over: None,
    };
    second.node.put_task(&org, &Task::Join(joining)).unwrap();
    let second = again(second, dirs[1].path()).await;
    until(&second.node, "the organisation with its listing", |node| {
        node.own_orgs() == [org]
            && node.tasks().unwrap().is_empty()
            && node.org_info(&org).unwrap().services == 1
    })
    .await;
    // Its address is on the card that the first node holds.
    until(&first.node, "the address of the second", |node| {
        card_of(&node.replica(), &org).is_some_and(|card| card.nodes.contains_key(&id))
    })
    .await;
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_is_finished_wherever_it_was_cut_off() {
    let dirs = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let host = start(dirs[0].path()).await;
    let new = start(dirs[1].path()).await;
    let (to, giver) = (new.node.id(), host.node.id());
    let (org, pass) = tokio::task::block_in_place(|| {
        let org = founder(&host.node);
        let by = By::user("test").unwrap();
        let pass = host.node.hand_over(&org, &HandOver { to }, &by).unwrap();
        (org, pass.pass)
    });
    // The new node has the root key, and crashed before it wrote down anything else.
    let content = new.node.read_pass(&pass).unwrap();
    lock(&new.node.keys).add_org(content.root.unwrap()).unwrap();
    let new = again(new, dirs[1].path()).await;
    new.node.use_pass(&pass).await.unwrap();
    until(&host.node, "the end of the hosting", |node| {
        node.own_orgs().is_empty()
    })
    .await;
    assert!(lock(&host.node.keys).org(&org).is_none());
    // Both crash before they note that it is done.
    until(&new.node, "the end of the task", |node| {
        node.tasks().unwrap().is_empty()
    })
    .await;
    let joining = Joining {
        delegation: Carry::new(&content.delegation),
        whereabouts: Whereabouts {
            networks: content.networks,
            giver,
            addresses: content.addresses,
        },
        take_over: Some(TakeOver {
            stopped_at_s: Some(1),
        }),
    };
    new.node.put_task(&org, &Task::Join(joining)).unwrap();
    let handing = HandingOver {
        to,
        written: 0,
        done: false,
    };
    host.node.put_task(&org, &Task::HandOver(handing)).unwrap();
    let host = again(host, dirs[0].path()).await;
    let new = again(new, dirs[1].path()).await;
    until(&host.node, "what the host notes", |node| {
        let task = task(&node.replica(), Kind::HandOver, &org).unwrap();
        matches!(task, Some(Task::HandOver(task)) if task.done)
    })
    .await;
    until(&new.node, "the end of the task, again", |node| {
        node.tasks().unwrap().is_empty()
    })
    .await;
    let revoked = tokio::task::block_in_place(|| new.node.own_card(&new.node.replica(), &org));
    assert_eq!(revoked.unwrap().revocations.len(), 1);
    host.stop().await.unwrap();
    new.stop().await.unwrap();
}

/// What a listing's edit is answered while a task is under way.
fn edit(node: &Node, org: &OrgId) -> Result<(), String> {
    let fields = Fields {
        fields: vec![("name".into(), "Diving".into())],
    };
    let edited = node.add_service(org, &fields, &By::user("test").unwrap());
    edited.map(|_| ()).map_err(|error| error.0.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_that_would_be_lost_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path()).await;
    let node = &running.node;
    tokio::task::block_in_place(|| {
        let org = founder(node);
        let handing = |written| {
            Task::HandOver(HandingOver {
                to: node.id(),
                written,
                done: false,
            })
        };
        // Nothing new of the card is by the new node: the old one goes on.
        let written = super::passes::written_by(&node.replica(), &org, &node.id()).unwrap();
        node.put_task(&org, &handing(written)).unwrap();
        assert_eq!(edit(node, &org), Ok(()));
        node.put_task(&org, &handing(written - 1)).unwrap();
        assert!(edit(node, &org).unwrap_err().contains("has moved"));
        node.drop_task(Kind::HandOver, &org).unwrap();
        let restoring = Restoring {
            whereabouts: Whereabouts {
                networks: Vec::new(),
                giver: node.id(),
                addresses: Vec::new(),
            },
            with_history: Vec::new(),
            complete: false,
            from_backup_at_s: None,
        };
        node.put_task(&org, &Task::Restore(restoring)).unwrap();
        assert!(edit(node, &org).unwrap_err().contains("coming back"));
        node.drop_task(Kind::Restore, &org).unwrap();
        assert_eq!(edit(node, &org), Ok(()));
    });
    running.stop().await.unwrap();
}

/// A listing of some hundred services, as a file.
fn large_file() -> Vec<u8> {
    let services: Vec<serde_json::Value> = (0..300)
        .map(|number| {
            serde_json::json!({
                "id": format!("7d0f4f0e-5c1b-4a53-9d6e-2f6f0b1c{number:04x}"),
                "name": format!("Group {number}"),
            })
        })
        .collect();
    let id = "7d0f4f0e-5c1b-4a53-9d6e-2f6f0b1cffff";
    let file = serde_json::json!({ "id": id, "name": "Lambeth Pools", "services": services });
    file.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_an_import_whole_or_absent() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path()).await;
    let node = &running.node;
    let by = By::user("test").unwrap();
    let request = CreateOrg {
        name: "Lambeth Pools".into(),
        identifiers: Vec::new(),
    };
    let org = tokio::task::block_in_place(|| node.create_org(&request, &by))
        .unwrap()
        .id;
    // What a crash at any moment would leave: a second handle sees what is in the files.
    let files = node.replica().storage().files();
    let over = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let last = over.load(std::sync::atomic::Ordering::SeqCst);
                let mut documents = 0;
                let mut count = |_: &[u8], _: &[u8]| {
                    documents += 1;
                    true
                };
                files.scan(Table::Own, org.as_bytes(), &mut count).unwrap();
                seen.insert(documents);
                if last {
                    return seen;
                }
            }
        });
        let imported = tokio::task::block_in_place(|| {
            node.import(&org, &large_file(), super::Importing::default(), &by)
                .unwrap()
        });
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(imported.records.len() > 3, "{imported:?}");
        watcher.join().unwrap()
    });
    running.stop().await.unwrap();
    // The card alone before, and all documents after.
    assert_eq!(seen.len(), 2, "{seen:?}");
}

fn add_service(node: &Node, org: &OrgId, name: &str) {
    let fields = Fields {
        fields: vec![("name".into(), name.into())],
    };
    let by = By::user("test").unwrap();
    node.add_service(org, &fields, &by).unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        match from.is_dir() {
            true => copy_dir(&from, &to),
            false => std::fs::copy(&from, &to).map(|_| ()).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_forgotten_life_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, copy) = (dir.path().join("home/store"), dir.path().join("copy"));
    let running = start(dir.path()).await;
    let org = tokio::task::block_in_place(|| founder(&running.node));
    running.stop().await.unwrap();
    copy_dir(&store, &copy);

    let running = start(dir.path()).await;
    let key = DocKey {
        org,
        name: DocName::Listing(0),
    };
    // One edit has reached a peer, without the history; of the next one there is the record alone.
    let heard = tokio::task::block_in_place(|| told_and_not(&running.node, &key));
    running.stop().await.unwrap();
    put_back(&copy, &store);

    let running = start(dir.path()).await;
    let node = &running.node;
    tokio::task::block_in_place(|| {
        assert_eq!(node.org_info(&org).unwrap().services, 1, "it has forgotten");
        hear(node, heard);
        add_service(node, &org, "Afterwards");
        node.merging.notify_one();
    });
    until(node, "the services to be together", |node| {
        services(node, &org) == ["Afterwards", "Swimming", "Told"]
    })
    .await;
    running.stop().await.unwrap();
}

/// Adds two services to a document. Gives what peers have heard then: the first edit, and of the second the record alone.
fn told_and_not(node: &Node, key: &DocKey) -> Vec<Item> {
    add_service(node, &key.org, "Told");
    let told = node.replica().items(key).unwrap();
    add_service(node, &key.org, "Not told");
    let mut alone = node.replica().items(key).unwrap();
    for item in &mut alone {
        if let Item::Record { state, .. } = item {
            *state = None;
        }
    }
    alone.into_iter().chain(told).collect()
}

fn hear(node: &Node, items: Vec<Item>) {
    for item in items {
        let checked = item.check().unwrap();
        node.replica().receive(super::now_s(), checked).unwrap();
    }
}

fn services(node: &Node, org: &OrgId) -> Vec<String> {
    let view = node.listing(Some(&org.to_string())).unwrap();
    let services = view.listing["services"].as_array().unwrap();
    let names = services.iter().filter_map(|it| it["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn put_back(copy: &Path, store: &Path) {
    std::fs::remove_dir_all(store).unwrap();
    copy_dir(copy, store);
}

/// What somebody does who tells a node that its store was put back: it goes by another name from then on.
fn tell_put_back(store: &Path) {
    let mut store = SledStorage::open(store, 8).unwrap();
    let mut batch = Batch::default();
    batch.remove(Table::Meta, *b"instance");
    store.commit(batch).unwrap();
    store.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_taken_back_into_a_document_without_a_history_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (store, copy) = (dir.path().join("home/store"), dir.path().join("copy"));
    let running = start(dir.path()).await;
    let org = tokio::task::block_in_place(|| {
        let org = create_org(&running.node);
        found(&running.node, &org);
        org
    });
    running.stop().await.unwrap();
    // The copy does not know of a listing at all.
    copy_dir(&store, &copy);
    let key = DocKey {
        org,
        name: DocName::Listing(0),
    };

    let running = start(dir.path()).await;
    let mut heard = tokio::task::block_in_place(|| told_and_not(&running.node, &key));
    running.stop().await.unwrap();
    put_back(&copy, &store);
    tell_put_back(&store);
    // A second life, of which its peers have heard as well, and which is forgotten too.
    let running = start(dir.path()).await;
    tokio::task::block_in_place(|| {
        add_service(&running.node, &org, "Afterwards");
        heard.extend(running.node.replica().items(&key).unwrap());
    });
    running.stop().await.unwrap();
    put_back(&copy, &store);
    tell_put_back(&store);

    let running = start(dir.path()).await;
    let node = &running.node;
    tokio::task::block_in_place(|| {
        hear(node, heard);
        node.exchanged.store(true, Ordering::Release);
        node.begin_histories_anew(&org);
        node.merging.notify_one();
    });
    until(node, "what is left of both lives", |node| {
        services(node, &org) == ["Afterwards", "Told"]
    })
    .await;
    running.stop().await.unwrap();
}
