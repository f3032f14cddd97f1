//! Organisations with several nodes, on the move, under new keys and back from their peers: real nodes in one
//! process, over loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "nodes/site.rs"]
mod site;

use fingerpost_proto::api::{
    AddNode, DeliveryOutcome, ErrorCode, HandOver, KeptKey, Rekey, Restore, RevokeNode,
};
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::{NodeId, OrgId};
use fingerpost_proto::roster::Place;
use site::{Site, by, services};

/// The pass for another node of an organisation.
async fn pass(site: &Site, org: OrgId, node: NodeId, role: Role) -> String {
    let request = AddNode { node, role };
    site.with(move |it| it.add_node(&org, &request, &by()).unwrap().pass)
        .await
}

/// A second node of an organisation, which has everything.
async fn second_node(first: &Site, org: OrgId, role: Role) -> Site {
    let second = Site::start().await;
    let pass = pass(first, org, second.id(), role).await;
    let info = second.node().use_pass(&pass).await.unwrap();
    assert_eq!((info.id, info.role, info.root_key), (org, role, false));
    second
        .until("the card", move |node| {
            node.orgs()
                .unwrap()
                .iter()
                .any(|it| it.id == org && it.present)
        })
        .await;
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_writes_and_both_show_it() {
    let (first, org) = Site::founder("Lambeth Pools", "Brixton").await;
    first.add_service(org, "Swimming").await;
    let mut second = second_node(&first, org, Role::Admin).await;
    second.shows(org, &["Swimming"]).await;
    second.add_service(org, "Diving").await;
    first.shows(org, &["Diving", "Swimming"]).await;
    // The same pass again, and the same request again, change nothing.
    let again = pass(&first, org, second.id(), Role::Admin).await;
    second.node().use_pass(&again).await.unwrap();
    let nodes = first
        .with(move |node| node.nodes(&org).unwrap().nodes)
        .await;
    assert_eq!(nodes.len(), 2);
    assert!(nodes[0].this && nodes[1].node == second.id());
    assert!(nodes[1].last_written_s.is_some() && nodes[1].revoked_at_s.is_none());
    // It is one of the organisation's nodes after a restart too.
    second.pause().await;
    second.resume().await;
    assert_eq!(second.info(org).await.unwrap().role, Role::Admin);
    second.add_service(org, "Rowing").await;
    first.shows(org, &["Diving", "Rowing", "Swimming"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_writes_the_listing_and_not_the_card() {
    let (first, org) = Site::founder("Lambeth Pools", "Brixton").await;
    let second = second_node(&first, org, Role::Editor).await;
    second.add_service(org, "Diving").await;
    first.shows(org, &["Diving"]).await;
    let code = second
        .with(move |node| {
            let request = AddNode {
                node: NodeId::from_bytes([1; 32]),
                role: Role::Editor,
            };
            node.add_node(&org, &request, &by()).unwrap_err().0.code
        })
        .await;
    assert_eq!(code, ErrorCode::Refused);
    // More can be made of it, less cannot.
    let more = pass(&first, org, second.id(), Role::Admin).await;
    second.node().use_pass(&more).await.unwrap();
    assert_eq!(second.info(org).await.unwrap().role, Role::Admin);
    let id = second.id();
    let less = first.with(move |node| {
        let request = AddNode {
            node: id,
            role: Role::Editor,
        };
        node.add_node(&org, &request, &by()).unwrap_err()
    });
    assert_eq!(less.await.0.code, ErrorCode::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_does_not_fit_is_refused() {
    let (first, org) = Site::founder("Lambeth Pools", "Brixton").await;
    let other = Site::start().await;
    let pass = pass(&first, org, NodeId::from_bytes(sealable()), Role::Admin).await;
    let said = other.node().use_pass(&pass).await.unwrap_err();
    assert!(said.0.message.contains("for another node"), "{said}");
    let said = other.node().use_pass(&pass[..200]).await.unwrap_err();
    assert!(said.0.message.contains("damaged"), "{said}");
    let said = other.node().use_pass("fingerpost1_abc").await.unwrap_err();
    assert!(said.0.message.contains("not a pass"), "{said}");
    assert!(other.info(org).await.is_none());
    // One that is in no network cannot be followed anywhere.
    let alone = Site::start().await;
    let lonely = alone.create("Alone").await;
    let id = other.id();
    let said = alone.with(move |node| {
        let request = AddNode {
            node: id,
            role: Role::Admin,
        };
        node.add_node(&lonely, &request, &by()).unwrap_err()
    });
    assert!(said.await.0.message.contains("in no network"));
}

fn sealable() -> [u8; 32] {
    fingerpost_proto::keys::SecretKey::from_seed(&[9; 32]).public()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_node_writes_later_counts_for_nobody() {
    let (mut first, org) = Site::founder("Lambeth Pools", "Brixton").await;
    let (mut third, _) = Site::member("Lambeth Shed", &first, org).await;
    let mut second = second_node(&first, org, Role::Admin).await;
    second.add_service(org, "Diving").await;
    first.shows(org, &["Diving"]).await;
    third.shows(org, &["Diving"]).await;
    let stolen = second.id();
    second.pause().await;
    let request = RevokeNode {
        node: stolen.short(),
    };
    let revoke = request.clone();
    let revoked = first
        .with(move |node| node.revoke_node(&org, &revoke, &by()).unwrap())
        .await;
    assert!(!revoked.already && revoked.node == stolen);
    let listing = revoked.last.iter().find(|it| !it.document.is_card());
    assert_eq!(listing.unwrap().seq, 1);
    let again = first
        .with(move |node| node.revoke_node(&org, &request, &by()).unwrap())
        .await;
    assert!(again.already && again.last == revoked.last);
    let latest = first
        .with(move |node| node.export_records(&org.to_string(), None).unwrap())
        .await;
    third
        .with(move |node| node.import_records(&latest).unwrap())
        .await;
    // The thief writes on, out of sight of everybody.
    first.pause().await;
    third.pause().await;
    second.resume().await;
    second.add_service(org, "Robbery").await;
    let robbed = second
        .with(move |node| {
            node.export_records(&org.to_string(), Some("listing/0"))
                .unwrap()
        })
        .await;
    second.pause().await;
    third.resume().await;
    let delivered = third
        .with(move |node| node.import_records(&robbed).unwrap())
        .await;
    assert!(
        matches!(&delivered.outcomes[..], [DeliveryOutcome::Refused { reason, .. }] if reason == "revoked"),
        "{delivered:?}"
    );
    third.shows(org, &["Diving"]).await;
    // Once it hears of it, it stops.
    first.resume().await;
    second.resume().await;
    second.meet(&first);
    first.meet(&third);
    second
        .until("the end of its right to write", |node| {
            let status = node.status().unwrap();
            status.organisations.is_empty()
                && status
                    .warnings
                    .iter()
                    .any(|it| it.contains("has revoked this node"))
        })
        .await;
    let keys = second.home().join("keys");
    assert!(keys.join(format!("former/{org}.delegation")).exists());
    assert!(!keys.join(format!("{org}.delegation")).exists());
    // Not even with the root key: it would need a new id.
    let words = first
        .with(move |node| node.key_words(&org).unwrap().words.join(" "))
        .await;
    let said = second.with(move |node| node.import_key(KeptKey::Words(words)).unwrap_err());
    assert!(said.await.0.message.contains("has revoked this node"));
    first.shows(org, &["Diving"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_organisation_moves_to_its_own_node_which_is_off_at_first() {
    let (host, _) = Site::founder("Lambeth Pools", "Brixton").await;
    let hosted = host.create("Small Shed").await;
    let (third, third_org) = {
        let pools = host.with(|node| node.orgs().unwrap()).await;
        let pools = pools.iter().find(|it| it.id != hosted).unwrap().id;
        Site::member("Tooting Advice", &host, pools).await
    };
    let ticket = third.ticket(third_org).await;
    host.node().join(hosted, &ticket, true, by()).await.unwrap();
    host.add_service(hosted, "Repairs").await;
    third.shows(hosted, &["Repairs"]).await;
    let mut new = Site::start().await;
    let to = new.id();
    new.pause().await;
    let request = HandOver { to };
    let pass = host
        .with(move |node| node.hand_over(&hosted, &request, &by()).unwrap().pass)
        .await;
    host.until("what status says of it", |node| {
        let warnings = node.status().unwrap().warnings;
        warnings.iter().any(|it| it.contains("stays here until"))
    })
    .await;
    // It is written here until the new node is there.
    host.add_service(hosted, "Lending").await;
    let key = host.home().join("keys").join(format!("{hosted}.key"));
    assert!(key.exists());
    new.resume().await;
    let info = new.node().use_pass(&pass).await.unwrap();
    assert!(info.root_key);
    host.until("the end of the hosting", move |node| {
        node.orgs().unwrap().iter().all(|it| it.id != hosted)
    })
    .await;
    assert!(!key.exists());
    new.shows(hosted, &["Lending", "Repairs"]).await;
    new.add_service(hosted, "Teaching").await;
    third
        .shows(hosted, &["Lending", "Repairs", "Teaching"])
        .await;
    host.shows(hosted, &["Lending", "Repairs", "Teaching"])
        .await;
    let warnings = host.with(|node| node.status().unwrap().warnings).await;
    assert!(
        warnings.iter().any(|it| it.contains("was handed over")),
        "{warnings:?}"
    );
    let nodes = new
        .with(move |node| node.nodes(&hosted).unwrap().nodes)
        .await;
    let former = nodes.iter().find(|it| it.node == host.id()).unwrap();
    assert!(former.revoked_at_s.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_new_key_it_is_the_same_organisation_to_everybody() {
    let (first, old) = Site::founder("Lambeth Pools", "Brixton").await;
    let (third, _) = Site::member("Lambeth Shed", &first, old).await;
    first.add_service(old, "Swimming").await;
    let second = second_node(&first, old, Role::Editor).await;
    second.shows(old, &["Swimming"]).await;
    third.shows(old, &["Swimming"]).await;
    let wrong = Rekey {
        confirm: "Lambeth".into(),
    };
    let said = first.with(move |node| node.rekey(&old, &wrong, &by()).unwrap_err());
    assert!(said.await.0.message.contains("does not match"));
    let right = Rekey {
        confirm: "Lambeth Pools".into(),
    };
    let rekeyed = first
        .with(move |node| node.rekey(&old, &right, &by()).unwrap())
        .await;
    let new = rekeyed.organisation.id;
    assert!(new != old && rekeyed.organisation.root_key);
    assert_eq!(rekeyed.organisation.services, 1);
    // The history came along, and the old key is put away.
    let history = first.with(move |node| node.history(&new).unwrap()).await;
    assert!(
        history
            .entries
            .iter()
            .any(|it| it.what.contains("service added"))
    );
    let keys = first.home().join("keys");
    assert!(keys.join(format!("former/{old}.key")).exists());
    assert!(keys.join(format!("{new}.key")).exists());
    assert_eq!(first.with(|node| node.orgs().unwrap().len()).await, 1);
    for site in [&first, &third] {
        site.shows(new, &["Swimming"]).await;
        site.until("the departure of the old one", move |node| {
            let members = node.members(None).unwrap().members;
            let place = |org| {
                members
                    .iter()
                    .find(|it| it.org.id == org)
                    .map(|it| it.place)
            };
            place(new) == Some(Place::Member) && place(old) == Some(Place::Left)
        })
        .await;
        assert!(site.with(move |node| services(node, old)).await.is_empty());
    }
    // Its second node has taken the new one up by itself.
    let info = second.info(new).await.unwrap();
    assert_eq!((info.role, info.root_key), (Role::Editor, false));
    assert!(second.info(old).await.is_none());
    second.shows(new, &["Swimming"]).await;
    second.add_service(new, "Diving").await;
    third.shows(new, &["Diving", "Swimming"]).await;
    // A link to the old one leads on.
    let asked = old.to_string();
    let entry = third
        .with(move |node| node.entry(&old.to_string()).unwrap())
        .await;
    assert_eq!(
        (entry.organisation.id, entry.followed_from),
        (new, Some(asked))
    );
    // It is no weaker than before: it can still invite, though its founder is gone.
    Site::member("Tooting Advice", &first, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_machine_comes_back_from_its_peers() {
    let (mut lost, org) = Site::founder("Lambeth Pools", "Brixton").await;
    let (third, third_org) = Site::member("Lambeth Shed", &lost, org).await;
    lost.add_service(org, "Swimming").await;
    lost.add_service(org, "Diving").await;
    third.shows(org, &["Diving", "Swimming"]).await;
    let words = lost
        .with(move |node| node.key_words(&org).unwrap().words)
        .await;
    let lost_node = lost.id();
    lost.pause().await;
    std::fs::remove_dir_all(lost.home()).unwrap();
    let mut found = Site::start().await;
    let request = Restore {
        ticket: third.ticket(third_org).await,
        key: KeptKey::Words(words.join(" ")),
    };
    let mut wrong = request.clone();
    wrong.key = KeptKey::Words(words[1..].join(" "));
    let said = found.node().restore(wrong).await.unwrap_err();
    assert!(said.0.message.contains("these are 23"), "{said}");
    let restored = found.node().restore(request.clone()).await.unwrap();
    assert!(restored.complete, "{restored:?}");
    assert_eq!(restored.organisation.services, 2);
    let all = restored.with_history.len() + restored.without_history.len();
    assert_eq!(all, 2, "{restored:?}");
    // Again it says the same, after a restart too.
    found.pause().await;
    found.resume().await;
    let again = found.node().restore(request).await.unwrap();
    assert!(again.complete);
    assert_eq!(again.with_history, restored.with_history);
    found.add_service(org, "Rowing").await;
    third.shows(org, &["Diving", "Rowing", "Swimming"]).await;
    // Nothing forked: one record stands for each document.
    let records = third
        .with(move |node| {
            node.export_records(&org.to_string(), None)
                .unwrap()
                .items
                .len()
        })
        .await;
    assert_eq!(records, 2);
    let revoke = RevokeNode {
        node: lost_node.to_string(),
    };
    let revoked = found
        .with(move |node| node.revoke_node(&org, &revoke, &by()).unwrap())
        .await;
    assert!(!revoked.already);
    third.shows(org, &["Diving", "Rowing", "Swimming"]).await;
    let warnings = found.with(|node| node.status().unwrap().warnings).await;
    assert_eq!(warnings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_can_be_chosen_and_a_key_moves_in_a_file() {
    let site = Site::start().await;
    let first = site.create("Lambeth Pools").await;
    let second = site.create("Small Shed").await;
    let (chosen, others) = site
        .with(move |node| {
            assert!(node.own_org(None).is_err());
            node.use_org("small shed").unwrap();
            (node.own_org(None).unwrap(), node.orgs().unwrap())
        })
        .await;
    assert_eq!(chosen, second);
    for info in others {
        assert_eq!(info.current, info.id == second);
    }
    let file = site
        .with(move |node| {
            let export = |passphrase: &str| {
                let request = fingerpost_proto::api::ExportKey {
                    passphrase: passphrase.into(),
                };
                node.export_key(&first, request)
            };
            assert!(export("short").is_err());
            export("correct horse").unwrap().file
        })
        .await;
    let kept = |passphrase: &str| KeptKey::File {
        file: file.clone(),
        passphrase: passphrase.into(),
    };
    let other = Site::start().await;
    let (wrong, right) = (kept("battery staple"), kept("correct horse"));
    let here = right.clone();
    let said = site.with(move |node| node.import_key(here).unwrap_err());
    assert!(said.await.0.message.contains("is here already"));
    let said = other.with(move |node| node.import_key(wrong).unwrap_err());
    assert!(said.await.0.message.contains("passphrase does not fit"));
    let info = other
        .with(move |node| node.import_key(right).unwrap())
        .await;
    assert_eq!((info.id, info.root_key, info.present), (first, true, false));
}
