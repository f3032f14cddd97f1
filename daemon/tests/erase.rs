//! What is erased is gone from every honest node: its store, its index, its files; and nothing else is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "nodes/site.rs"]
#[allow(dead_code, reason = "other tests take more of it")]
mod site;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::api::{AddNode, Erase, Erased, ErrorCode, Fields, MakeBackup, UseBackup};
use fingerpost_proto::certificate::Role;
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::storage::{Storage, Table};

use site::{Site, by, services};

const PASSPHRASE: &str = "four words of nonsense";
/// What was entered by mistake: a word that stands nowhere else.
const SECRET: &str = "Quillfeather of 17 Zymurgy Passage";
/// A part of it as the index keeps it.
const TERM: &str = "quillfeather";

fn request(ids: &[&str], history: bool) -> Erase {
    Erase {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        history,
        confirm: "Advice Centre".into(),
    }
}

async fn erase(site: &Site, org: OrgId, ids: &[&str], history: bool) -> Erased {
    let request = request(ids, history);
    site.with(move |node| node.erase(&org, &request, &by()).unwrap())
        .await
}

/// The id of a service by its name.
async fn id_of(site: &Site, org: OrgId, name: &str) -> String {
    let name = name.to_owned();
    site.with(move |node| {
        let view = node.listing(Some(&org.to_string())).unwrap();
        let all = view.listing["services"].as_array().unwrap().clone();
        let found = all.iter().find(|it| it["name"] == name.as_str()).unwrap();
        found["id"].as_str().unwrap().to_owned()
    })
    .await
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("keys") => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Which of these byte strings stand in which file of a home.
fn found_in(home: &Path, needles: &BTreeSet<Vec<u8>>) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for path in files(home) {
        let bytes = std::fs::read(&path).unwrap();
        let windows: BTreeSet<&[u8]> = bytes.windows(NEEDLE_BYTES).collect();
        let count = needles
            .iter()
            .filter(|it| windows.contains(it.as_slice()))
            .count();
        if count > 0 {
            found.push((path, count));
        }
    }
    found
}

const NEEDLE_BYTES: usize = 12;

/// Byte strings that give away, in the form in which a stopped node's store holds it, every value that says the secret:
/// as it is, packed by the store, or in a document's history.
fn traces(home: &Path) -> BTreeSet<Vec<u8>> {
    let store = SledStorage::open(&home.join("store"), 8).unwrap();
    let mut values = Vec::new();
    let says_it = |value: &[u8]| {
        value
            .windows(SECRET.len())
            .any(|it| it == SECRET.as_bytes())
    };
    store
        .scan(Table::States, &[], &mut |_, value| {
            if says_it(value) {
                values.push(zstd::bulk::compress(value, 3).unwrap());
            }
            true
        })
        .unwrap();
    store
        .scan(Table::Own, &[], &mut |_, value| {
            let mut document = OwnDocument::load(value, &[9; 16]).unwrap();
            let mut versions = document.history().into_iter();
            if versions.any(|it| {
                says_it(
                    document
                        .value_at(&it.heads_after)
                        .unwrap()
                        .to_string()
                        .as_bytes(),
                )
            }) {
                values.push(value.to_vec());
            }
            true
        })
        .unwrap();
    // What is sealed is in the clear for nobody here; every sealed listing of that time says it.
    store
        .scan(Table::Sealed, &[], &mut |key, value| {
            let key = DocKey::from_bytes(&key[..35]).unwrap();
            if key.name != DocName::Card {
                values.push(value.to_vec());
            }
            true
        })
        .unwrap();
    // What says it in the clear is found by the words themselves; of what is packed, a part is looked for.
    values.retain(|value| !says_it(value));
    let mut needles: BTreeSet<Vec<u8>> = values
        .iter()
        .map(|value| value[value.len() / 2..][..NEEDLE_BYTES].to_vec())
        .collect();
    needles.insert(SECRET.as_bytes()[..NEEDLE_BYTES].to_vec());
    needles.insert(TERM.as_bytes().to_vec());
    needles
}

/// Stops a node, does something with its home, and starts it again.
async fn while_stopped<T>(site: &mut Site, work: impl FnOnce(&Path) -> T) -> T {
    site.pause().await;
    let done = work(&site.home());
    site.resume().await;
    done
}

async fn nothing_is_left(site: &mut Site, traces: &BTreeSet<Vec<u8>>, who: &str) {
    let found = while_stopped(site, |home| found_in(home, traces)).await;
    assert_eq!(found, [], "{who}");
}

async fn is_wiped(site: &Site) {
    site.until("the store to be written anew", |node| {
        !node.is_wipe_due().unwrap()
    })
    .await;
}

/// An organisation with two nodes and a peer, all of which hold what is to be erased.
async fn federation() -> (Site, Site, Site, OrgId) {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    let (peer, _) = Site::member("Food Bank", &office, org).await;
    let laptop = Site::start().await;
    let add = AddNode {
        node: laptop.id(),
        role: Role::Admin,
    };
    let pass = office
        .with(move |node| node.add_node(&org, &add, &by()).unwrap())
        .await;
    laptop.node().use_pass(&pass.pass).await.unwrap();
    office.add_service(org, "debt advice").await;
    office.add_service(org, SECRET).await;
    for site in [&laptop, &peer] {
        site.shows(org, &[SECRET, "debt advice"]).await;
    }
    laptop
        .until("the history", move |node| {
            let history = node.history(&org).map_or(0, |it| it.entries.len());
            let is_merged = node.conflicts(&org).unwrap().unmerged.is_empty();
            history >= 2 && is_merged && node.status().unwrap().warnings.is_empty()
        })
        .await;
    (office, laptop, peer, org)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone_from_every_node() {
    let (mut office, mut laptop, mut peer, org) = federation().await;
    let mut all_traces = Vec::new();
    for site in [&mut office, &mut laptop, &mut peer] {
        let found = while_stopped(site, |home| {
            let traces = traces(home);
            assert!(!found_in(home, &traces).is_empty());
            // A store that was set aside as damaged holds it as well.
            let aside = home.join("store.damaged-1");
            std::fs::create_dir(&aside).unwrap();
            std::fs::write(aside.join("db"), SECRET).unwrap();
            traces
        })
        .await;
        all_traces.push(found);
    }
    let service = id_of(&office, org, SECRET).await;
    // The laptop is away, and goes on working, on what is being erased too.
    office.pause().await;
    peer.pause().await;
    let hides = Fields {
        fields: vec![("description".into(), format!("ask for {SECRET}"))],
    };
    let edited = service.clone();
    laptop
        .with(move |node| {
            node.set_service(&org, &edited, &hides, &by()).unwrap();
        })
        .await;
    laptop.add_service(org, "housing advice").await;
    laptop.pause().await;
    office.resume().await;
    peer.resume().await;
    peer.meet(&office);

    let erased = erase(&office, org, &[&service], false).await;
    assert_eq!(
        (erased.ids.len(), erased.documents.len()),
        (1, 1),
        "{erased:?}"
    );
    office
        .with(|node| assert!(!node.is_wipe_due().unwrap(), "the command waits for that"))
        .await;
    nothing_is_left(&mut office, &all_traces[0], "the one that erased").await;
    laptop.resume().await;
    for site in [&office, &laptop, &peer] {
        // What the laptop still says of it comes once more.
        site.node().set_wipe_gap(0);
    }
    for (one, other) in [(&office, &laptop), (&office, &peer), (&laptop, &peer)] {
        one.meet(other);
    }
    let left = ["debt advice", "housing advice"];
    for site in [&office, &laptop, &peer] {
        site.shows(org, &left).await;
        is_wiped(site).await;
    }
    for (site, who) in [
        (&mut office, "office"),
        (&mut laptop, "laptop"),
        (&mut peer, "peer"),
    ] {
        for traces in &all_traces {
            nothing_is_left(site, traces, who).await;
        }
    }
    // And the organisation goes on.
    for (one, other) in [(&office, &laptop), (&office, &peer), (&laptop, &peer)] {
        one.meet(other);
    }
    laptop.add_service(org, "legal advice").await;
    for site in [&office, &laptop, &peer] {
        site.shows(org, &["debt advice", "housing advice", "legal advice"])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_does_not_bring_it_back() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    let (peer, _) = Site::member("Food Bank", &office, org).await;
    office.add_service(org, "debt advice").await;
    office.add_service(org, SECRET).await;
    let made = office
        .with(|node| {
            let request = MakeBackup {
                passphrase: PASSPHRASE.into(),
            };
            node.backup(None, request).unwrap()
        })
        .await;
    let service = id_of(&office, org, SECRET).await;
    erase(&office, org, &[&service], false).await;
    office.add_service(org, "housing advice").await;
    let left = ["debt advice", "housing advice"];
    peer.shows(org, &left).await;
    is_wiped(&peer).await;

    // On another machine, from the old backup, while the office is gone for good.
    drop(office);
    let mut laptop = Site::start().await;
    laptop.meet(&peer);
    let backup = UseBackup {
        file: made.file,
        passphrase: PASSPHRASE.into(),
    };
    laptop.node().restore_backup(backup).await.unwrap();
    laptop.shows(org, &left).await;
    laptop
        .until("the restore to be over", |node| {
            node.status().unwrap().warnings.is_empty()
        })
        .await;
    laptop.add_service(org, "legal advice").await;
    peer.shows(org, &["debt advice", "housing advice", "legal advice"])
        .await;
    is_wiped(&laptop).await;
    laptop.pause().await;
    let store = SledStorage::open(&laptop.home().join("store"), 8).unwrap();
    store
        .scan(Table::Own, &[], &mut |_, value| {
            let mut document = OwnDocument::load(value, &[9; 16]).unwrap();
            for version in document.history() {
                let value = document.value_at(&version.heads_after).unwrap();
                assert!(!value.to_string().contains(SECRET));
            }
            true
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_alone_can_be_erased() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, SECRET).await;
    let service = id_of(&office, org, SECRET).await;
    let renamed = Fields {
        fields: vec![("name".into(), "debt advice".into())],
    };
    office
        .with(move |node| node.set_service(&org, &service, &renamed, &by()).unwrap())
        .await;
    let traces = while_stopped(&mut office, traces).await;
    assert!(!found_in(&office.home(), &traces).is_empty());
    let erased = erase(&office, org, &[], true).await;
    assert_eq!((erased.ids.len(), erased.documents.len()), (0, 1));
    assert!(erased.notes.is_empty(), "{erased:?}");
    nothing_is_left(&mut office, &traces, "the one that erased").await;
    office.shows(org, &["debt advice"]).await;
    let (history, undone) = office
        .with(move |node| (node.history(&org).unwrap(), node.undo(&org, &by())))
        .await;
    assert_eq!(history.entries.len(), 1);
    // There is nothing before it to go back to.
    assert_eq!(undone.unwrap_err().0.code, ErrorCode::NotFound);
    office.shows(org, &["debt advice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_erased_changes_nothing() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let cases = [
        (request(&["no-such-id"], false), ErrorCode::NotFound),
        (request(&[], false), ErrorCode::BadInput),
        (
            Erase {
                confirm: "Another".into(),
                ..request(&[], true)
            },
            ErrorCode::Refused,
        ),
    ];
    for (request, code) in cases {
        let error = office
            .with(move |node| node.erase(&org, &request, &by()).unwrap_err())
            .await;
        assert_eq!(error.0.code, code, "{error}");
        assert!(error.0.message.contains("nothing was changed"), "{error}");
    }
    let many: Vec<String> = (0..257).map(|id| id.to_string()).collect();
    let request = Erase {
        ids: many,
        ..request(&[], false)
    };
    let error = office
        .with(move |node| node.erase(&org, &request, &by()).unwrap_err())
        .await;
    assert_eq!(error.0.code, ErrorCode::BadInput);
    office
        .with(move |node| {
            assert_eq!(services(node, org), ["debt advice"]);
            assert_eq!(node.history(&org).unwrap().entries.len(), 1);
        })
        .await;
}

/// A history that grows too long for peers to keep is let go of by itself, and nothing that is said is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_has_grown_too_long_begins_anew() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let service = id_of(&office, org, "debt advice").await;
    let mut lengths = Vec::new();
    for round in 0..60u32 {
        // Text that does not pack, so that it soon is too much.
        let mut drawn = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(round);
        let text: String = (0..24_000)
            .map(|_| {
                drawn ^= drawn << 13;
                drawn ^= drawn >> 7;
                drawn ^= drawn << 17;
                char::from(33 + u8::try_from(drawn % 90).unwrap())
            })
            .collect();
        let fields = Fields {
            fields: vec![("description".into(), text)],
        };
        let id = service.clone();
        let entries = office
            .with(move |node| {
                node.set_service(&org, &id, &fields, &by()).unwrap();
                node.history(&org).unwrap().entries.len()
            })
            .await;
        lengths.push(entries);
    }
    let begun_anew = lengths.windows(2).filter(|it| it[1] < it[0]).count();
    assert!(begun_anew >= 1, "{lengths:?}");
    office.shows(org, &["debt advice"]).await;
}
