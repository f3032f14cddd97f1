//! What two honest nodes exchange, and how little they need for it.

use std::collections::BTreeMap;

use super::*;
use crate::certificate::Role;
use crate::limits;
use crate::replica::Item;
use crate::roster::Place;
use crate::storage::{Batch, Storage, Table};
use crate::testing::{all_shown, without_state};

#[test]
fn whoever_holds_nothing_gets_everything_in_either_direction() {
    let federation = Federation::new(80);
    let newcomer = &federation.members[3];
    for newcomer_calls in [true, false] {
        let (full, empty) = (
            federation.holding_all(&federation.founder),
            federation.empty(newcomer),
        );
        let ([one, two], traffic) = match newcomer_calls {
            true => sync(empty, full),
            false => sync(full, empty),
        };
        assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
        assert_eq!(one.replica.counts(), (160, 0));
        let (newcomer, full) = if newcomer_calls {
            (one, two)
        } else {
            (two, one)
        };
        assert_eq!(newcomer.session.stats().accepted, 160);
        assert_eq!(
            full.session.stats().sent,
            161,
            "its own card introduces it, for the newcomer knows nobody"
        );
        assert_eq!(
            newcomer.session.stats().rounds,
            0,
            "ids were listed though one side held nothing"
        );
        assert!(traffic.frames <= 24, "{traffic:?}");
    }
}

/// Each is vouched for by the one before, so in most orders nearly all seem to be applicants at first.
#[test]
fn a_newcomer_takes_the_cards_of_more_members_than_there_may_be_applicants_in_one_session() {
    let parties: Vec<Party> = (1..=limits::APPLICANTS_MAX as u32 + 300)
        .map(Party::new)
        .collect();
    let founder = &parties[0];
    let charter = charter(1, 1, &[founder]);
    let network = charter.network();
    let mut full = founder.replica(&[&charter]);
    for (at, party) in parties.iter().enumerate() {
        let voucher = at.checked_sub(1).map(|before| &parties[before]);
        let by: Vec<&Party> = voucher.into_iter().collect();
        let outcome = send(&mut full, party.first_card(network, &by));
        assert!(matches!(outcome, Outcome::Accepted(_)), "{at}: {outcome:?}");
    }
    // Another member's node, whose store is new.
    let empty = parties[7].replica(&[&charter]);
    let ([mut one, two], _) = sync(empty, full);
    assert_eq!(one.session.stats().refused, BTreeMap::new());
    assert_eq!(one.replica.counts().0, parties.len());
    let members = one.replica.roster(&network).unwrap().member_count();
    assert_eq!(members, parties.len());
    assert!(two.session.stats().refused.is_empty());
}

#[test]
fn whoever_holds_next_to_nothing_is_spared_the_lists_of_ids() {
    let federation = Federation::new(200);
    let newcomer = &federation.members[3];
    for newcomer_calls in [true, false] {
        let (full, new) = (
            federation.holding_all(&federation.founder),
            federation.holding_card(newcomer),
        );
        let ([one, two], _) = if newcomer_calls {
            sync(new, full)
        } else {
            sync(full, new)
        };
        assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
        assert_eq!(one.session.stats().rounds + two.session.stats().rounds, 0);
    }
}

#[test]
fn a_delegation_travels_and_is_checked_once_for_an_organisation_and_node() {
    let federation = Federation::new(10);
    let sibling = Party::on(2, 300, Role::Editor);
    let mut full = federation.holding_all(&federation.founder);
    send(
        &mut full,
        sibling.item(DocName::Listing(1), 1, &[], &listing(1, 1, "x")),
    );
    let count = |replica: &Replica<MemoryStorage>, name| {
        let key = federation.members[0].doc(name);
        let items = replica.items_after_card(&key).unwrap();
        items
            .iter()
            .filter(|it| {
                matches!(
                    it,
                    Item::Record {
                        delegation: Some(_),
                        ..
                    }
                )
            })
            .count()
    };
    assert_eq!(count(&full, DocName::Card), 1);
    assert_eq!(count(&full, DocName::Listing(0)), 0);
    assert_eq!(
        count(&full, DocName::Listing(1)),
        1,
        "the editor did not write the card"
    );
    let ([one, two], _) = sync(federation.empty(&federation.members[3]), full);
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
}

#[test]
fn a_few_differences_cost_a_few_items() {
    let federation = Federation::new(150);
    let mut one = federation.holding_all(&federation.founder);
    let mut two = federation.holding_all(&federation.members[0]);
    for (replica, party) in [
        (&mut one, &federation.founder),
        (&mut two, &federation.members[0]),
    ] {
        party.publish(replica, DocName::Listing(0), &listing(0, 3, "news"));
        party.publish(replica, DocName::Listing(1), &listing(1, 1, "more"));
    }
    let ([one, two], traffic) = sync(one, two);
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
    for end in [&one, &two] {
        assert_eq!(end.session.stats().accepted, 2);
        // The older state of a document may cross the newer one: ids do not say which is which.
        assert!(end.session.stats().sent <= 3);
        assert!(end.session.stats().refused.is_empty());
    }
    assert!(traffic.bytes < 16 * 1024, "{traffic:?}");
}

#[test]
fn in_sync_is_one_round_of_the_same_size_however_large_the_directory() {
    let frames = [100, 1000].map(|size| {
        let federation = Federation::new(size);
        let one = federation.holding_all(&federation.founder);
        let two = federation.holding_all(&federation.members[0]);
        assert_eq!(one.counts().0, size as usize * 2);
        let ([one, two], traffic) = sync(one, two);
        assert_eq!(one.session.stats().sent + two.session.stats().sent, 0);
        assert_eq!(one.session.stats().rounds, 2, "one for each scope");
        assert!(traffic.bytes < 4 * 1024, "{traffic:?}");
        traffic.frames
    });
    assert_eq!(frames[0], frames[1]);
}

#[test]
fn both_keep_a_receipt_of_what_the_other_holds_now() {
    let federation = Federation::new(5);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    let ([one, two], _) = sync(federation.holding_all(founder), federation.empty(member));
    let kept = receipts(&one.replica).unwrap();
    let receipt = &kept[&member.id()];
    assert_eq!(
        receipt.held,
        [(founder.org(), one.replica.fingerprint(&founder.org()))]
    );
    assert_eq!(receipt.at_s, NOW_S);
    assert_eq!(
        receipts(&two.replica).unwrap().keys().collect::<Vec<_>>(),
        [&founder.id()]
    );
    // After the next edit, the receipt no longer matches what we have: the peer lacks our latest.
    let mut replica = one.replica;
    founder.publish(&mut replica, DocName::Listing(0), &listing(0, 1, "newer"));
    let receipt = &receipts(&replica).unwrap()[&member.id()];
    assert_ne!(
        receipt.held,
        [(founder.org(), replica.fingerprint(&founder.org()))]
    );
}

#[test]
fn no_receipt_if_the_peer_refused_anything() {
    let federation = Federation::new(5);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    let mut full = federation.holding_all(founder);
    // Of an organisation that only this node writes for: nobody else takes it.
    let unknown = Party::new(70);
    full.add_own(unknown.org());
    let mut card = unknown.card(&[]);
    card.networks.insert(
        federation.network(),
        unknown.membership(federation.network(), 1, &[founder]),
    );
    let late = crate::record::Record {
        issued_at_s: NOW_S + 500,
        ..unknown.record(DocName::Card, 1, &[], &card.to_bytes())
    };
    assert!(matches!(
        send(&mut full, unknown.sign(late, &card.to_bytes())),
        Outcome::Accepted(_)
    ));
    let [mut one, mut two] = pair(full, federation.empty(member), Purpose::Sync);
    // The other's clock is behind, so it must refuse.
    let frames = deliver(&mut one, &mut two, NOW_S - 200);
    assert!(frames > 0);
    assert_eq!(two.session.stats().refused["from_the_future"], 1);
    assert!(receipts(&one.replica).unwrap().is_empty());
    assert!(
        !receipts(&two.replica).unwrap().is_empty(),
        "what we hold of theirs is not in doubt"
    );
}

/// Like [`run`], with a clock of its own for the second end.
fn deliver(one: &mut End, two: &mut End, two_now_s: u64) -> usize {
    let mut frames = 0;
    loop {
        let before = frames;
        while let Some(frame) = one.session.poll_frame(&one.replica).unwrap() {
            frames += 1;
            let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
            two.session
                .handle_frame(two_now_s, incoming, &mut two.replica)
                .unwrap();
        }
        while let Some(frame) = two.session.poll_frame(&two.replica).unwrap() {
            frames += 1;
            let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
            one.session
                .handle_frame(NOW_S, incoming, &mut one.replica)
                .unwrap();
        }
        if frames == before {
            return frames;
        }
    }
}

#[test]
fn a_state_that_is_missing_is_asked_for_again() {
    let federation = Federation::new(50);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    let newer = founder.item(DocName::Listing(0), 2, &[], &listing(0, 2, "newer"));
    let mut full = federation.holding_all(founder);
    send(&mut full, newer.clone());
    let lacking = |party| {
        let mut replica = federation.holding_all(party);
        send(&mut replica, without_state(&newer));
        assert_eq!(replica.counts().1, 1);
        replica
    };
    // The one that lacks it calls: it gets it, though the records agree.
    let ([one, _], _) = sync(lacking(member), federation_copy(&full, founder));
    assert_eq!(one.replica.counts().1, 0);
    assert_eq!(one.session.stats().accepted, 1);
    // The owner calls one that lacks it: there is no receipt that would claim otherwise.
    let ([one, two], _) = sync(full, lacking(member));
    assert_eq!(two.replica.counts().1, 1);
    assert!(receipts(&one.replica).unwrap().is_empty());
}

fn federation_copy(replica: &Replica<MemoryStorage>, party: &Party) -> Replica<MemoryStorage> {
    Replica::open(replica.storage().clone(), party.id(), [party.org()].into()).unwrap()
}

#[test]
fn siblings_concurrent_records_travel_together_and_once() {
    let federation = Federation::new(50);
    let sibling = Party::on(2, 300, Role::Editor);
    let mut full = federation.holding_all(&federation.founder);
    for shard in 0..3u16 {
        send(
            &mut full,
            federation.members[0].item(DocName::Listing(shard), 2, &[], &listing(shard, 1, "one")),
        );
        send(
            &mut full,
            sibling.item(DocName::Listing(shard), 1, &[], &listing(shard, 1, "two")),
        );
    }
    let ([one, two], _) = sync(federation.holding_all(&federation.members[5]), full);
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
    assert_eq!(
        (two.session.stats().sent, one.session.stats().accepted),
        (6, 6)
    );
}

#[test]
fn a_stranger_learns_the_version_and_a_nonce() {
    let federation = Federation::new(5);
    let stranger = Party::new(60);
    let other = charter(9, 1, &[&stranger]);
    let [mut one, mut two] = pair(
        stranger.replica(&[&other]),
        federation.holding_all(&federation.founder),
        Purpose::Sync,
    );
    let hello = two.replica.counts();
    let traffic = run(&mut one, &mut two, usize::MAX);
    assert_eq!(
        traffic.ended.as_deref(),
        Some("the peer ended the session: NothingInCommon")
    );
    assert!(two.session.is_finished());
    assert_eq!(two.replica.counts(), hello);
    // What the stranger was sent: a hello and a goodbye.
    assert!(
        one.session.stats().received_bytes < 30,
        "{:?}",
        one.session.stats()
    );
}

#[test]
fn an_applicant_gets_cards_alone() {
    let federation = Federation::new(20);
    let applicant = Party::new(60);
    let mut replica = applicant.replica(&[&federation.charter]);
    let card = applicant.card(&[(federation.network(), 1, &[])]);
    applicant.publish(&mut replica, DocName::Card, &card.to_bytes());
    let founder = &federation.founder;
    let ([one, mut two], _) = sync(replica, federation.holding_all(founder));
    assert_eq!(
        two.replica
            .place_among(&applicant.org(), &[federation.network()]),
        Some(Place::Applicant)
    );
    let ([one, two], _) = sync(one.replica, two.replica);
    let shown = all_shown(&one.replica);
    assert_eq!(shown.len(), 21);
    assert!(shown.keys().all(|key| key.name.is_card()));
    assert_eq!(two.session.stats().accepted, 0);
    let ([_, one], _) = sync(two.replica, one.replica);
    assert!(all_shown(&one.replica).keys().all(|key| key.name.is_card()));
}

#[test]
fn a_node_whose_organisation_left_gets_departures_alone() {
    let federation = Federation::new(20);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    let membership = member.membership(federation.network(), 1, &[founder]);
    let departure = member.departure(&membership, federation.network(), NOW_S);
    let mut full = federation.holding_all(founder);
    send(&mut full, departure.clone());
    // It lost its disk, and asks as if it had never left.
    for gone_calls in [true, false] {
        let (full, gone) = (federation_copy(&full, founder), federation.empty(member));
        let ([one, two], _) = if gone_calls {
            sync(gone, full)
        } else {
            sync(full, gone)
        };
        let gone = if gone_calls { one } else { two };
        assert_eq!(gone.replica.counts().0, 0);
        assert_eq!(
            gone.replica
                .departure_item(&federation.network(), &member.org())
                .unwrap(),
            Some(departure.clone())
        );
    }
    // And the one who leaves tells the others in a session.
    let mut leaver = federation.holding_all(member);
    send(&mut leaver, departure);
    let ([_, two], _) = sync(leaver, federation.holding_all(founder));
    assert_eq!(two.replica.documents_of(&member.org()).count(), 0);
}

#[test]
fn two_that_share_one_of_two_networks_speak_of_that_one() {
    let federation = Federation::new(10);
    let secret = Party::new(80);
    let other = charter(7, 1, &[&secret]);
    let mut full = federation.holding_all(&federation.founder);
    full.add_network(other.clone()).unwrap();
    send(&mut full, secret.first_card(other.network(), &[]));
    send(
        &mut full,
        secret.item(DocName::Listing(0), 1, &[], &listing(0, 1, "x")),
    );
    assert_eq!(full.counts().0, 22);
    let ([one, _], _) = sync(federation.empty(&federation.members[0]), full);
    assert_eq!(one.replica.counts().0, 20);
    assert_eq!(one.session.shared(), [federation.network()]);
    assert_eq!(one.replica.documents_of(&secret.org()).count(), 0);
}

#[test]
fn whoever_holds_a_ticket_can_read_the_charter_first() {
    let federation = Federation::new(3);
    let newcomer = Party::new(60);
    let [mut one, mut two] = pair(
        newcomer.replica(&[]),
        federation.holding_all(&federation.founder),
        Purpose::Charter(federation.network()),
    );
    let traffic = run(&mut one, &mut two, usize::MAX);
    assert_eq!(traffic.ended, None);
    assert_eq!(
        one.session.charter().map(|fetched| &fetched.founding),
        Some(&federation.charter)
    );
    assert!(one.session.is_finished() && two.session.is_finished());
    assert_eq!(one.replica.counts().0, 0);
}

#[test]
fn a_session_that_is_cut_keeps_what_arrived_and_the_next_one_sends_the_rest() {
    let federation = Federation::new(12);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    // States that fill frames, so that there is something to cut.
    let mut full = federation.holding_all(founder);
    for party in &federation.members {
        let item = party.item(DocName::Listing(0), 2, &[], &heavy(0));
        assert!(matches!(send(&mut full, item), Outcome::Accepted(_)));
    }
    let whole = {
        let ([one, _], traffic) = sync(federation.empty(member), federation_copy(&full, founder));
        (all_shown(&one.replica), traffic.frames)
    };
    assert!(whole.1 > 12, "{whole:?}");
    let mut kept_something = 0;
    for cut in 0..whole.1 {
        let [mut one, mut two] = pair(
            federation.empty(member),
            federation_copy(&full, founder),
            Purpose::Sync,
        );
        run(&mut one, &mut two, cut);
        let arrived = one.session.stats().accepted;
        kept_something += u32::from(arrived > 0);
        let ([one, two], _) = sync(one.replica, two.replica);
        assert_eq!(all_shown(&one.replica), whole.0, "cut after {cut} frames");
        assert_eq!(
            arrived + one.session.stats().accepted,
            24,
            "cut after {cut} frames"
        );
        assert_eq!(
            two.session.stats().sent,
            24 - arrived,
            "something was sent twice"
        );
        assert_eq!(receipts(&one.replica).unwrap().len(), 1);
    }
    assert!(kept_something > 4);
}

#[test]
fn what_changes_during_a_session_is_sent_as_it_is_then() {
    let federation = Federation::new(3);
    let founder = &federation.founder;
    let [mut one, mut two] = pair(
        federation.empty(&federation.members[0]),
        federation.holding_all(founder),
        Purpose::Sync,
    );
    run(&mut one, &mut two, 8);
    founder.publish(
        &mut two.replica,
        DocName::Listing(0),
        &listing(0, 1, "newest"),
    );
    run(&mut one, &mut two, usize::MAX);
    assert_eq!(
        all_shown(&one.replica)[&founder.doc(DocName::Listing(0))],
        listing(0, 1, "newest")
    );
    // It was not what this node had when the session began, so the receipt makes no claim of it.
    let held = &receipts(&two.replica).unwrap()[&federation.members[0].id()].held;
    assert_ne!(held[0].1, two.replica.fingerprint(&founder.org()));
}

#[test]
fn tables_that_are_not_of_the_federation_stay_out_of_sessions() {
    let federation = Federation::new(3);
    let mut full = federation.holding_all(&federation.founder);
    let mut batch = Batch::default();
    for table in [Table::Own, Table::Peers] {
        batch.put(table, [1; 32], b"private".to_vec());
    }
    full.storage_mut().commit(batch).unwrap();
    let ([one, _], _) = sync(federation.empty(&federation.members[0]), full);
    assert!(
        one.replica
            .storage()
            .entries()
            .all(|(_, _, value)| value != b"private")
    );
}
