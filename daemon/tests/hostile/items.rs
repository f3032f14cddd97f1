//! Items, announcements and comparisons by which a member tries to get something past the node.

use super::*;
use common::Party;
use fingerpost_daemon::net::NetError;
use fingerpost_proto::announcement::Announcement;
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{Record, SignedRecord};
use fingerpost_proto::signed::Signed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_state_of_a_thousand_brackets() {
    let (site, network) = Site::founder().await;
    let (member, party) = false_member(&site, network, 1).await;
    let documents = site.status().await.store.documents;
    let brackets = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let plain = String::from_utf8(listing("Soup")).unwrap();
    let within = plain.replacen('{', &format!("{{\"x_deep\":{brackets},"), 1);
    let states = [brackets.clone(), within, "{\"a\":".repeat(1_000)];
    for (number, state) in (1..).zip(&states) {
        let mut talk = member.introduced(&site, network).await;
        talk.deliver(Scope::Cards, Vec::new()).await;
        talk.deliver(
            Scope::Rest,
            vec![party.item(LISTING, number, state.as_bytes())],
        )
        .await;
        assert_eq!(talk.receipt().await, (0, 1));
        assert_eq!(site.refused("bad_listing").await, number);
    }
    assert_eq!(
        site.status().await.store.documents,
        documents,
        "nothing is kept"
    );
    assert!(site.node().listing(Some(&party.org().to_string())).is_err());
    site.is_well().await;

    // It was the brackets: without them the same member is heard.
    let mut talk = member.introduced(&site, network).await;
    talk.deliver(Scope::Cards, Vec::new()).await;
    talk.deliver(Scope::Rest, vec![party.item(LISTING, 4, &listing("Soup"))])
        .await;
    assert_eq!(talk.receipt().await, (1, 0));
    site.stop().await;
}

/// A part of an item: its record, its delegation or its state.
fn part(item: &mut Item, number: usize) -> &mut Vec<u8> {
    match (item, number) {
        (Item::Record { record, .. }, 0) => record,
        (
            Item::Record {
                delegation: Some(delegation),
                ..
            },
            1,
        ) => delegation,
        (
            Item::Record {
                state: Some(state), ..
            },
            2,
        ) => state,
        _ => panic!("not a whole record"),
    }
}

/// The same item with one bit turned in each byte of one of its parts, in turn.
fn flipped(item: &Item, number: usize) -> Vec<Item> {
    let length = part(&mut item.clone(), number).len();
    let flip = |at: usize| {
        let mut item = item.clone();
        *part(&mut item, number).get_mut(at).unwrap() ^= 1 << (at % 8);
        item
    };
    (0..length).map(flip).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_that_are_not_what_they_say() {
    let (site, network) = Site::founder().await;
    let (member, party) = false_member(&site, network, 1).await;
    let deliver = async |items: Vec<Item>| {
        let mut talk = member.introduced(&site, network).await;
        talk.deliver(Scope::Cards, Vec::new()).await;
        let heard = talk.deliver(Scope::Rest, items).await;
        (heard, talk.receipt().await)
    };
    let [first, second] = ["Soup", "Bread"].map(listing);
    let (heard, receipt) = deliver(vec![party.item(LISTING, 1, &first)]).await;
    assert_eq!(receipt, (1, 0));
    let Some(Item::Record {
        record: theirs,
        state: Some(their_state),
        ..
    }) = heard.first()
    else {
        panic!("a member is sent the listing")
    };
    assert_eq!(
        deliver(vec![party.item(LISTING, 2, &second)]).await.1,
        (1, 0)
    );
    assert_eq!(site.status().await.refused.len(), 0);

    let next = party.item(LISTING, 3, &listing("Poison"));
    let [in_record, in_delegation, in_state] = [0, 1, 2].map(|number| flipped(&next, number));
    let stranger = Party::on(SecretKey::from_seed(&[99; 32]));
    let poison = listing("Poison");
    let undelegated = Item::Record {
        record: SignedRecord::sign(
            Record {
                org: party.org(),
                ..stranger.record(LISTING, 3, &poison)
            },
            &stranger.node,
        )
        .unwrap()
        .to_bytes(),
        delegation: Some(party.delegation.to_bytes()),
        state: Some(poison.clone()),
    };
    let for_another = party.sign(
        Record {
            org: site.org,
            ..party.record(LISTING, 99, &poison)
        },
        &poison,
    );
    let their_content = Item::Record {
        record: SignedRecord::sign(party.record(LISTING, 3, &poison), &party.node)
            .unwrap()
            .to_bytes(),
        delegation: None,
        state: Some(their_state.clone()),
    };
    let our_content_as_theirs = Item::Record {
        record: theirs.clone(),
        delegation: None,
        state: Some(poison.clone()),
    };
    let mut late = party.record(LISTING, 3, &poison);
    late.issued_at_s += limits::CLOCK_AHEAD_MAX_S + 600;
    let attacks = [
        (
            "one bit of the record",
            in_record,
            &["bad_signature", "malformed", "bad_record"][..],
        ),
        (
            "one bit of the delegation",
            in_delegation,
            &["bad_delegation"],
        ),
        ("one bit of the state", in_state, &["state_mismatch"]),
        (
            "a key that nobody delegated",
            vec![undelegated],
            &["not_delegated"],
        ),
        (
            "a record of another organisation's",
            vec![for_another],
            &["not_delegated"],
        ),
        (
            "another's state",
            vec![their_content, our_content_as_theirs],
            &["state_mismatch"],
        ),
        (
            "dated in the future",
            vec![party.sign(late, &poison)],
            &["from_the_future"],
        ),
        (
            "a stranger's listing",
            vec![stranger.item(LISTING, 1, &poison)],
            &["not_a_member"],
        ),
    ];
    let mut total = 0;
    for (what, items, reasons) in attacks {
        let sent = items.len() as u64;
        let sum = async || {
            let refused = site.status().await.refused;
            reasons
                .iter()
                .filter_map(|reason| refused.get(*reason))
                .sum::<u64>()
        };
        let before = sum().await;
        assert_eq!(deliver(items).await.1, (0, sent), "{what}");
        assert_eq!(
            sum().await - before,
            sent,
            "{what}: {:?}",
            site.status().await.refused
        );
        total += sent;
    }
    assert_eq!(site.status().await.refused.values().sum::<u64>(), total);
    println!("{total} items refused: {:?}", site.status().await.refused);

    // An older record, as it was once: nobody is to blame, and nothing changes.
    assert_eq!(
        deliver(vec![party.item(LISTING, 1, &first)]).await.1,
        (0, 0)
    );
    assert_eq!(site.status().await.refused.values().sum::<u64>(), total);
    let listing = site.node().listing(Some(&party.org().to_string())).unwrap();
    let text = listing.listing.to_string();
    assert!(text.contains("Bread") && !text.contains("Soup"));
    site.until_found("Bread", &["Bread"]).await;
    site.until_found("Soup", &[]).await;
    site.until_found("Poison", &[]).await;
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciliation_without_sense() {
    if !alone("items::a_reconciliation_without_sense").await {
        return;
    }
    let (site, network) = Site::founder().await;
    let (member, _) = false_member(&site, network, 1).await;
    // The first byte is the version of the reconciliation; behind it should stand ranges.
    let behind_version = |bytes: &[u8]| [&[0x61], bytes].concat();
    let messages = [
        [vec![0x20], noise(6, 1_000)].concat(),
        behind_version(&noise(7, limits::FRAME_MAX_BYTES - 1_000)),
        // A list of 2^56 ids, none of which follow.
        behind_version(&[0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        behind_version(&[0, 0, 1, 1, 2, 3]),
        behind_version(&[0, 33]),
        behind_version(&[0, 0, 9]),
        Vec::new(),
    ];
    let mut refused = site.refused("session").await;
    within_bounds("reconciliation", async {
        for message in messages {
            let mut talk = member.introduced(&site, network).await;
            let what = format!("{:?}", message.get(..16).unwrap_or(&message));
            // As many items as the node has: so it compares.
            talk.say(&[Frame::Open {
                scope: Scope::Cards,
                count: 2,
                message,
            }])
            .await;
            assert_eq!(talk.rest().await, [], "{what}");
            refused += 1;
            site.until_refused("session", refused).await;
        }
        // Strange, but it can be answered: ranges that go backwards, and beyond all numbers.
        let huge = [&[0xff; 9][..], &[0x7f, 0, 0]].concat();
        for message in [
            behind_version(&[0xff; 64]),
            behind_version(&huge.repeat(3)),
            vec![0x6f],
        ] {
            let mut talk = member.introduced(&site, network).await;
            talk.say(&[Frame::Open {
                scope: Scope::Cards,
                count: 2,
                message,
            }])
            .await;
            assert!(matches!(talk.hear().await, Some(Frame::Reconcile { .. })));
            talk.say(&[bye(Farewell::Done)]).await;
            assert_eq!(talk.rest().await, []);
        }
        assert_eq!(site.refused("session").await, refused);

        // Questions that are in order, without end.
        let mut talk = member.introduced(&site, network).await;
        talk.say(&[Frame::Open {
            scope: Scope::Cards,
            count: 2,
            message: behind_version(&[]),
        }])
        .await;
        let mut rounds = 0;
        while let Some(Frame::Reconcile { .. }) = talk.hear().await {
            rounds += 1;
            let message = behind_version(&[]);
            talk.say(&[Frame::Reconcile { message }]).await;
        }
        assert_eq!(rounds, limits::RECONCILE_ROUNDS_MAX);
        site.until_refused("session", refused + 1).await;
    })
    .await;
    site.is_well().await;
    site.stop().await;
}

/// Publishes as soon as the node is known to listen.
async fn announce(hostile: &Hostile, network: NetworkId, bytes: Vec<u8>) {
    hostile.net.subscribe(network);
    let begun = Instant::now();
    while hostile.net.subscribers(network).await.unwrap() == 0 {
        assert!(begun.elapsed() < DEADLINE, "nobody listens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    match hostile.net.publish(network, bytes).await {
        Ok(_) | Err(NetError::NotSent(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_gossip() {
    if !alone("items::a_flood_of_gossip").await {
        return;
    }
    let (site, network) = Site::founder().await;
    let mut hostiles = Vec::new();
    for number in 1..=4 {
        hostiles.push(false_member(&site, network, number).await.0);
    }
    within_bounds("gossip", async {
        for round in 0..40 {
            for (number, hostile) in (0..).zip(&hostiles) {
                // Half of the largest that is allowed: the attackers' own queues count as well.
                let bytes = noise(round * 4 + number, limits::GOSSIP_MAX_BYTES / 2);
                announce(hostile, network, bytes).await;
            }
        }
        site.until_refused("bad_announcement", 3).await;
    })
    .await;
    site.is_well().await;
    // An honest message still travels.
    let newcomer = site.gains_a_member("Honest Pools").await;
    println!(
        "gossip: {} of 160 looked at and refused",
        site.refused("bad_announcement").await
    );
    newcomer.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_that_expands() {
    if !alone("items::an_announcement_that_expands").await {
        return;
    }
    let (site, network) = Site::founder().await;
    let (member, party) = false_member(&site, network, 1).await;
    let bomb = packed(&vec![0; 1 << 20], 1024, 20);
    println!("a gigabyte of zeros is {} bytes", bomb.len());
    let mut lying = party.record(LISTING, 3, &[]);
    lying.state_bytes = 1 << 30;
    let state = listing("Soup");
    let signed = |record| Signed::sign(record, &party.node).to_bytes();
    let records = [
        ("state_mismatch", signed(party.record(LISTING, 1, &state))),
        (
            "state_mismatch",
            signed(party.record(LISTING, 2, &vec![0; limits::STATE_MAX_BYTES])),
        ),
        // Signed for what it is; but no state may be so long.
        ("bad_record", signed(lying)),
    ];
    for (number, (reason, record)) in records.into_iter().enumerate() {
        let before = site.refused(reason).await;
        let item = Item::Record {
            record,
            delegation: None,
            state: None,
        };
        let bytes = Announcement {
            item,
            compressed_state: Some(bomb.clone()),
        }
        .to_bytes();
        within_bounds(&format!("announcement {number}"), async {
            announce(&member, network, bytes).await;
            site.until_refused(reason, before + 1).await;
        })
        .await;
    }
    assert!(
        site.node().listing(Some(&party.org().to_string())).is_err(),
        "nothing is kept"
    );
    site.is_well().await;
    site.gains_a_member("Honest Pools").await.stop().await;
    site.stop().await;
}
