//! Backups: an organisation comes back from a file, whatever has happened since it was made, and never forks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "nodes/site.rs"]
#[allow(dead_code, reason = "other tests take more of it")]
mod site;

use fingerpost_daemon::backup::Backup;
use fingerpost_daemon::node::Node;
use fingerpost_proto::api::{AddNode, ErrorCode, MakeBackup, RestoredBackup, UseBackup};
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::Item;
use zeroize::Zeroizing;

use site::{Site, by, services};

const PASSPHRASE: &str = "four words of nonsense";

async fn backup(site: &Site) -> UseBackup {
    let request = MakeBackup {
        passphrase: PASSPHRASE.into(),
    };
    let made = site
        .with(move |node| node.backup(None, request).unwrap())
        .await;
    UseBackup {
        file: made.file,
        passphrase: PASSPHRASE.into(),
    }
}

async fn restore(site: &Site, backup: &UseBackup) -> RestoredBackup {
    site.node().restore_backup(backup.clone()).await.unwrap()
}

/// That nobody copied a key, nothing waits to be merged and no field has two values.
fn is_at_peace(node: &Node, org: OrgId) -> bool {
    let status = node.status().unwrap();
    let copied = status.warnings.iter().any(|it| it.contains("was copied"));
    let conflicts = node.conflicts(&org).unwrap();
    !copied && conflicts.conflicts.is_empty() && conflicts.unmerged.is_empty()
}

fn changes(node: &Node, org: OrgId) -> usize {
    node.history(&org).unwrap().entries.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_on_another_machine_hears_what_peers_hold() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    let (peer, _) = Site::member("Food Bank", &office, org).await;
    office.add_service(org, "debt advice").await;
    let old = backup(&office).await;
    office.add_service(org, "benefits advice").await;
    peer.shows(org, &["benefits advice", "debt advice"]).await;
    let before = office.with(move |node| changes(node, org)).await;
    office.pause().await;

    let laptop = Site::start().await;
    laptop
        .node()
        .net()
        .dial(Some(peer.id()), peer.node().net().listen_addresses());
    let restored = restore(&laptop, &old).await;
    assert!(
        restored.need_pass.is_empty() && restored.notes.is_empty(),
        "{restored:?}"
    );
    assert_eq!(restored.organisations[0].organisation.id, org);
    laptop.shows(org, &["benefits advice", "debt advice"]).await;
    laptop
        .until("the restore to be over", move |node| {
            node.status().unwrap().warnings.is_empty()
        })
        .await;
    // The history is here, that of the edit after the backup included.
    let here = laptop.with(move |node| changes(node, org)).await;
    assert!(here >= before, "{here} of {before} changes");
    laptop.add_service(org, "housing advice").await;
    let all = ["benefits advice", "debt advice", "housing advice"];
    peer.shows(org, &all).await;

    // The lost machine turns up again. It is a sibling, and nothing of either is lost.
    office.resume().await;
    office.meet(&peer);
    office.shows(org, &all).await;
    office.add_service(org, "legal advice").await;
    let all = [
        "benefits advice",
        "debt advice",
        "housing advice",
        "legal advice",
    ];
    for site in [&peer, &laptop, &office] {
        site.shows(org, &all).await;
    }
    for site in [&laptop, &office] {
        site.until("peace", move |node| is_at_peace(node, org))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_what_no_peer_has_heard() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    let (mut peer, other) = Site::member("Food Bank", &office, org).await;
    peer.shows(org, &[]).await;
    peer.pause().await;
    office.add_service(org, "debt advice").await;
    let newest = backup(&office).await;
    office.pause().await;

    // Nobody answers: after its patience the organisation goes on alone.
    let laptop = Site::start().await;
    laptop.node().set_alone_after(0);
    let restored = restore(&laptop, &newest).await;
    assert!(restored.complete, "{restored:?}");
    assert!(restored.organisations[0].without_history.is_empty());
    laptop.shows(org, &["debt advice"]).await;
    laptop.add_service(org, "housing advice").await;
    peer.resume().await;
    laptop.meet(&peer);
    peer.shows(org, &["debt advice", "housing advice"]).await;
    peer.add_service(other, "parcels").await;
    laptop.shows(other, &["parcels"]).await;
    laptop
        .until("peace", move |node| is_at_peace(node, org))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_waits_for_its_peers_before_it_writes() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    let (mut peer, _) = Site::member("Food Bank", &office, org).await;
    office.add_service(org, "debt advice").await;
    let old = backup(&office).await;
    office.add_service(org, "benefits advice").await;
    peer.shows(org, &["benefits advice", "debt advice"]).await;
    office.pause().await;
    peer.pause().await;

    let laptop = Site::start().await;
    let restoring = {
        let node = laptop.node().clone();
        let old = old.clone();
        tokio::spawn(async move { node.restore_backup(old).await.unwrap() })
    };
    laptop.shows(org, &["debt advice"]).await;
    let refused = laptop
        .with(move |node| {
            let fields = fingerpost_proto::api::Fields {
                fields: vec![("name".into(), "too early".into())],
            };
            node.add_service(&org, &fields, &by()).unwrap_err()
        })
        .await;
    assert_eq!(refused.0.code, ErrorCode::Refused);
    peer.resume().await;
    laptop.meet(&peer);
    let restored = restoring.await.unwrap();
    assert!(restored.complete, "{restored:?}");
    laptop.shows(org, &["benefits advice", "debt advice"]).await;
    laptop
        .until("peace", move |node| is_at_peace(node, org))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_on_the_same_machine_touches_nothing_newer() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let old = backup(&office).await;
    office.add_service(org, "benefits advice").await;
    let before = office.with(move |node| changes(node, org)).await;
    for _ in 0..2 {
        let restored = restore(&office, &old).await;
        assert!(
            restored.complete && restored.notes.is_empty(),
            "{restored:?}"
        );
    }
    office.shows(org, &["benefits advice", "debt advice"]).await;
    assert_eq!(office.with(move |node| changes(node, org)).await, before);

    // The store is lost, the keys are not.
    office.pause().await;
    std::fs::remove_dir_all(office.home().join("store")).unwrap();
    std::fs::remove_dir_all(office.home().join("index")).unwrap();
    office.resume().await;
    office.node().set_alone_after(0);
    let restored = restore(&office, &old).await;
    assert!(restored.complete, "{restored:?}");
    office.shows(org, &["debt advice"]).await;
    office.add_service(org, "housing advice").await;
    office.pause().await;
    office.resume().await;
    office.shows(org, &["debt advice", "housing advice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_from_one_backup_are_siblings() {
    let (mut office, org) = Site::founder("Advice Centre", "Valley").await;
    let (peer, _) = Site::member("Food Bank", &office, org).await;
    office.add_service(org, "debt advice").await;
    let old = backup(&office).await;
    office.pause().await;
    let (first, second) = (Site::start().await, Site::start().await);
    for site in [&first, &second] {
        site.meet(&peer);
        restore(site, &old).await;
    }
    for site in [&first, &second] {
        site.until("the restore to be over", move |node| {
            node.status().unwrap().warnings.is_empty()
        })
        .await;
    }
    first.add_service(org, "benefits advice").await;
    second.add_service(org, "housing advice").await;
    let all = ["benefits advice", "debt advice", "housing advice"];
    for site in [&first, &second, &peer] {
        site.shows(org, &all).await;
    }
    for site in [&first, &second] {
        site.until("peace", move |node| is_at_peace(node, org))
            .await;
    }
    let id = first.id();
    let other = second.id();
    peer.until("no key to be copied", move |node| {
        let status = node.status().unwrap();
        let nodes: Vec<_> = status.peers.iter().map(|it| it.node).collect();
        nodes.contains(&id)
            && nodes.contains(&other)
            && !status.warnings.iter().any(|it| it.contains("was copied"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_whole_changes_nothing() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let good = backup(&office).await;
    for secret in ["debt advice", "Advice Centre", "SECRET", "fingerpost"] {
        assert!(!good.file.contains(secret), "{secret} stands in the file");
    }
    let contents = office.node().check_backup(good.clone()).await.unwrap();
    assert_eq!(contents.organisations[0].services, 1);
    assert!(contents.organisations[0].root_key);
    assert_eq!(contents.networks, ["Valley"]);

    let laptop = Site::start().await;
    let keys = |site: &Site| std::fs::read_dir(site.home().join("keys")).unwrap().count();
    let before = keys(&laptop);
    let middle = good.file.len() / 2;
    let mut altered = good.file.clone().into_bytes();
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let cases = [
        (good.file[..middle].to_owned(), PASSPHRASE, "damaged"),
        (String::from_utf8(altered).unwrap(), PASSPHRASE, "damaged"),
        (String::new(), PASSPHRASE, "damaged"),
        ("a letter".into(), PASSPHRASE, "damaged"),
        (
            good.file.clone(),
            "another passphrase",
            "passphrase does not fit",
        ),
    ];
    for (file, passphrase, says) in cases {
        let request = UseBackup {
            file,
            passphrase: passphrase.into(),
        };
        let node = laptop.node();
        for error in [
            node.restore_backup(request.clone()).await.unwrap_err(),
            node.check_backup(request).await.unwrap_err(),
        ] {
            assert_eq!(error.0.code, ErrorCode::BadInput);
            let message = &error.0.message;
            assert!(
                message.contains(says) && message.contains("nothing was changed"),
                "{message}"
            );
            assert!(error.0.hint.is_some());
        }
    }
    assert!(laptop.with(|node| node.orgs().unwrap().is_empty()).await);
    assert_eq!(keys(&laptop), before);
    let short = MakeBackup {
        passphrase: "short".into(),
    };
    let said = office
        .with(move |node| node.backup(None, short).map(|_| ()).unwrap_err())
        .await;
    assert!(said.0.message.contains("8 characters"), "{said:?}");
}

/// The same backup with a document's record signed by a node that nobody has let in.
fn with_a_forged_record(good: &UseBackup) -> UseBackup {
    let passphrase = || Zeroizing::new(PASSPHRASE.to_owned());
    let mut backup = Backup::from_file(&good.file, passphrase()).unwrap();
    let thief = SecretKey::from_seed(&[9; 32]);
    for document in &mut backup.organisations[0].documents {
        let Item::Record { record, state, .. } = &document.items[0] else {
            panic!("no record");
        };
        let mut forged = SignedRecord::from_trusted(record).unwrap().get().clone();
        forged.writer.node = thief.node_id();
        document.items = vec![Item::Record {
            record: SignedRecord::sign(forged, &thief).unwrap().to_bytes(),
            delegation: None,
            state: state.clone(),
        }];
    }
    UseBackup {
        file: backup.to_file(passphrase()).unwrap(),
        passphrase: PASSPHRASE.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_records_are_refused_takes_nothing_away() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let forged = with_a_forged_record(&backup(&office).await);
    let before = office.with(move |node| changes(node, org)).await;
    let restored = restore(&office, &forged).await;
    assert!(restored.notes[0].contains("was refused"), "{restored:?}");
    assert_eq!(office.with(move |node| changes(node, org)).await, before);
    office.add_service(org, "benefits advice").await;
    office.shows(org, &["benefits advice", "debt advice"]).await;
    // Where nothing is held, nothing of it is taken for the organisation's.
    let laptop = Site::start().await;
    laptop.node().set_alone_after(0);
    let restored = restore(&laptop, &forged).await;
    assert!(restored.notes[0].contains("was refused"), "{restored:?}");
    assert!(
        laptop
            .with(move |node| services(node, org))
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_root_key_another_machine_asks_to_be_let_in() {
    let (office, org) = Site::founder("Advice Centre", "Valley").await;
    office.add_service(org, "debt advice").await;
    let mut shop = Site::start().await;
    let add = AddNode {
        node: shop.id(),
        role: Role::Editor,
    };
    let pass = office
        .with(move |node| node.add_node(&org, &add, &by()).unwrap())
        .await;
    shop.node().use_pass(&pass.pass).await.unwrap();
    shop.shows(org, &["debt advice"]).await;
    shop.until("the history", |node| {
        node.status().unwrap().warnings.is_empty()
    })
    .await;
    let old = backup(&shop).await;

    let laptop = Site::start().await;
    let restored = restore(&laptop, &old).await;
    assert!(restored.organisations.is_empty());
    assert_eq!(restored.need_pass[0].id, org);
    assert_eq!(restored.need_pass[0].name, "Advice Centre");
    assert!(laptop.with(|node| node.orgs().unwrap().is_empty()).await);

    // The very node that was let in can, when it has lost everything but its own key.
    shop.pause().await;
    std::fs::remove_dir_all(shop.home().join("store")).unwrap();
    std::fs::remove_dir_all(shop.home().join("index")).unwrap();
    let delegation = shop.home().join("keys").join(format!("{org}.delegation"));
    std::fs::remove_file(delegation).unwrap();
    shop.resume().await;
    shop.node().set_alone_after(0);
    let restored = restore(&shop, &old).await;
    assert!(restored.need_pass.is_empty(), "{restored:?}");
    shop.shows(org, &["debt advice"]).await;
    shop.add_service(org, "benefits advice").await;
    office.meet(&shop);
    office.shows(org, &["benefits advice", "debt advice"]).await;
    assert_eq!(shop.with(move |node| services(node, org)).await.len(), 2);
}
