//! What happens when a budget is met: of one peer, of the disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Hostile, Site, false_member, listing, until};
use fingerpost_daemon::net::Acceptance;
use fingerpost_daemon::node::{By, EXPORTS_MAX, GOSSIP_BURST, REFUSED_MAX, SESSIONS_BURST};
use fingerpost_proto::api::{DeliveryOutcome, Fields, Outcome, RecordItem, Records};
use fingerpost_proto::ids::DocName;
use fingerpost_proto::replica::Item;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_gossips_too_much_is_not_listened_to_for_a_while() {
    let (site, _) = Site::founder().await;
    let peer = common::Party::on(fingerpost_proto::keys::SecretKey::from_seed(&[9; 32]));
    let from = peer.node.node_id();
    let node = site.node().clone();
    let (judged, ignored) = tokio::task::spawn_blocking(move || {
        let mut judged = 0;
        for _ in 0..GOSSIP_BURST {
            judged += u64::from(node.handle_gossip(from, b"no announcement") == Acceptance::Reject);
        }
        // The next ones are not even looked at; a few are allowed each second.
        let ignored = (0..1000)
            .filter(|_| node.handle_gossip(from, b"no announcement") == Acceptance::Ignore)
            .count();
        (judged, ignored)
    })
    .await
    .unwrap();
    assert_eq!(judged, GOSSIP_BURST);
    assert!(ignored > 0);
    assert_eq!(site.refused("gossip_over_budget").await, ignored as u64);
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_begins_too_many_sessions_is_asked_to_come_later() {
    let (site, _) = Site::founder().await;
    let hostile = Hostile::at(&site, 1).await;
    let mut begun = 0;
    while site.refused("sessions_over_budget").await == 0 {
        hostile.talk(&site).await.hello().await;
        begun += 1;
        assert!(begun < 20 * SESSIONS_BURST, "no budget was met");
    }
    assert!(begun >= SESSIONS_BURST, "{begun}");
    // Others are served all the same.
    let newcomer = site.gains_a_member("Honest Pools").await;
    site.is_well().await;
    newcomer.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_takes_own_edits_and_nothing_of_others() {
    let (site, network) = Site::founder().await;
    let (hostile, party) = false_member(&site, network, 1).await;
    let node = site.node().clone();
    let org = site.org;
    tokio::task::spawn_blocking(move || {
        node.set_disk_budget(1);
        let status = node.status().unwrap();
        assert!(
            status.warnings.iter().any(|it| it.contains("disk_budget_mb")),
            "{:?}",
            status.warnings
        );
        let checks = node.checkup().checks;
        let disk = checks.iter().find(|it| it.name == "disk").unwrap();
        assert_eq!(disk.outcome, Outcome::Failure);
        let fields = Fields {
            fields: vec![("name".into(), "Diving".into())],
        };
        node.add_service(&org, &fields, &By::user("test").unwrap()).unwrap();
        let figures = node.figures().unwrap();
        assert!(figures.contains("fingerpost_has_room 0"), "{figures}");
        let item = party.item(DocName::Listing(0), 1, &listing("Rubbish"));
        let records = Records { items: vec![carried(item)] };
        let said = node.import_records(&records).unwrap();
        let refused = matches!(&said.outcomes[..], [DeliveryOutcome::Refused { reason, .. }] if reason == "no_room");
        assert!(refused, "{said:?}");
        node.set_disk_budget(u64::MAX);
        let said = node.import_records(&records).unwrap();
        assert_eq!(said.outcomes, [DeliveryOutcome::Accepted]);
        assert!(node.status().unwrap().warnings.is_empty());
    })
    .await
    .unwrap();
    site.until_found("Diving", &["Diving"]).await;
    drop(hostile);
    until("room", || {
        site.node()
            .figures()
            .unwrap()
            .contains("fingerpost_has_room 1")
    })
    .await;
    site.stop().await;
}

/// An item as files carry it.
fn carried(item: Item) -> RecordItem {
    let Item::Record {
        record,
        delegation,
        state,
    } = item
    else {
        panic!("no record");
    };
    let text = |bytes: Vec<u8>| data_encoding::BASE64.encode(&bytes);
    RecordItem {
        record: text(record),
        delegation: delegation.map(text),
        state: state.map(text),
    }
}

/// The bundle of a site's network.
fn bundle(site: &Site) -> Vec<u8> {
    let mut bundle = site.node().bundle(None, None).unwrap();
    std::iter::from_fn(|| bundle.next_part().unwrap())
        .flatten()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_bundle_so_much_is_refused_and_no_more_looked_at() {
    let (site, _) = Site::founder().await;
    let report = tokio::task::block_in_place(|| {
        let bundle = bundle(&site);
        let header = bundle
            .split_inclusive(|byte| *byte == b'\n')
            .next()
            .unwrap();
        let damaged = b"AAAA.\n".repeat(REFUSED_MAX as usize + 10);
        let parts = [header, &damaged, &bundle];
        site.node().import_bundle(parts.iter()).unwrap()
    });
    assert_eq!((report.refused, report.known), (REFUSED_MAX, 0));
    assert!(report.stopped.is_some() && !report.is_complete());
    assert!(report.faults.len() <= 100, "{}", report.faults.len());
    assert_eq!(site.refused("damaged").await, REFUSED_MAX);
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_takes_too_long_ends_with_what_it_has() {
    let (site, _) = Site::founder().await;
    let node = site.node();
    let (cut, whole) = tokio::task::block_in_place(|| {
        let bundle = bundle(&site);
        let cut = node.import_bundle_within([&bundle].into_iter(), std::time::Duration::ZERO);
        (
            cut.unwrap(),
            node.import_bundle([&bundle].into_iter()).unwrap(),
        )
    });
    assert!(cut.stopped.is_some() && cut.items < whole.items);
    assert!(
        whole.is_complete() && whole.known == whole.items,
        "{whole:?}"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_bundles_are_written_at_one_time() {
    let (site, _) = Site::founder().await;
    tokio::task::block_in_place(|| {
        let node = site.node();
        let begin = || node.bundle(None, None);
        let mut begun: Vec<_> = (0..EXPORTS_MAX).map(|_| begin().unwrap()).collect();
        assert!(begin().is_err_and(|error| error.0.message.contains("nothing was written")));
        begun.pop();
        assert!(begin().is_ok());
    });
    site.stop().await;
}
