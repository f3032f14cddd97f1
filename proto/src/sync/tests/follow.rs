//! Sessions with a node that does not follow everything.

use super::*;
use crate::interest::Follows;
use crate::testing::{following, listing_in};

/// The founder holds everything: a listing of Lambeth of each second member, of Trafford of the others.
fn two_boroughs(size: u32) -> (Federation, Replica<MemoryStorage>) {
    let mut federation = Federation::new(size);
    let mut full = federation.holding_all(&federation.founder);
    for (at, member) in federation.members.iter().enumerate() {
        let area = if at % 2 == 0 { "Lambeth" } else { "Trafford" };
        let text = "x".repeat(900);
        let item = member.item(DocName::Listing(0), 2, &[], &listing_in(area, &text));
        assert!(matches!(send(&mut full, item), Outcome::Accepted(_)));
    }
    federation.full = full.storage().clone();
    (federation, full)
}

fn follower(federation: &Federation, follows: Follows) -> Replica<MemoryStorage> {
    let mut replica = federation.holding_card(&federation.members[0]);
    replica.set_follows(follows).unwrap();
    replica
}

fn shown(replica: &Replica<MemoryStorage>, federation: &Federation) -> usize {
    let listings = federation.members.iter().skip(1);
    let keys = listings.map(|it| it.doc(DocName::Listing(0)));
    keys.filter(|key| replica.shown(key).unwrap().is_some())
        .count()
}

#[test]
fn states_that_are_not_followed_do_not_travel_and_records_do() {
    let (federation, full) = two_boroughs(41);
    let everything = sync(follower(&federation, Follows::default()), full);
    let full = everything.0.into_iter().nth(1).unwrap().replica;
    let ([one, two], traffic) = sync(follower(&federation, following(&["Lambeth"])), full);
    assert_eq!(one.replica.counts(), (two.replica.counts().0, 0));
    assert_eq!(one.replica.unfollowed().len(), 20);
    assert_eq!(shown(&one.replica, &federation), 19);
    assert!(two.session.stats().spared_bytes > 20 * 900);
    assert!(
        traffic.bytes + 20 * 900 < everything.1.bytes + 20 * 200,
        "{} and {}",
        traffic.bytes,
        everything.1.bytes
    );
    // The other way round nothing is lost either.
    let ([one, two], _) = sync(two.replica, one.replica);
    assert_eq!(two.replica.unfollowed().len(), 20);
    assert!(one.session.stats().refused.is_empty());
}

#[test]
fn the_next_session_asks_for_no_more_than_a_few_of_them() {
    let (federation, full) = two_boroughs(121);
    let ([one, two], _) = sync(follower(&federation, following(&["Lambeth"])), full);
    let (_, traffic) = sync(one.replica, two.replica);
    let few = crate::limits::UNFOLLOWED_ASKED_MAX;
    // A record with its delegation, its id asked for, and the answer that it is left out.
    assert!(traffic.bytes < 1_500 + few * 900, "{traffic:?}");
}

#[test]
fn a_peer_that_hides_a_listing_is_found_out_by_others() {
    let (federation, full) = two_boroughs(9);
    let mut one = follower(&federation, following(&["Lambeth"]));
    let ([told, giver], _) = sync(one, full);
    one = told.replica;
    // Somebody said of a listing of Lambeth that it is not followed.
    let key = federation.members[2].doc(DocName::Listing(0));
    let item =
        federation.members[2].item(DocName::Listing(0), 3, &[], &listing_in("Lambeth", "new"));
    send(&mut one, crate::testing::without_state(&item));
    let id = one.record_ids(&key)[0];
    one.note_unfollowed(&key, &id).unwrap();
    assert!(one.shown(&key).unwrap().is_none());
    let mut honest = giver.replica;
    send(&mut honest, item);
    let ([one, _], _) = sync(one, honest);
    assert!(one.replica.shown(&key).unwrap().is_some());
}

#[test]
fn an_owner_does_not_count_a_node_that_does_not_follow_it() {
    let (federation, full) = two_boroughs(5);
    let founder = federation.founder.org();
    let founders = federation.founder.doc(DocName::Listing(0));
    let mut full = full;
    let state = listing_in("Trafford", "");
    let of_founder = federation.founder.clone();
    of_founder.publish(&mut full, DocName::Listing(0), &state);
    let ([one, two], _) = sync(follower(&federation, following(&["Lambeth"])), full);
    assert!(one.replica.shown(&founders).unwrap().is_none());
    let receipt = &receipts(&two.replica).unwrap()[&one.replica.node()];
    assert!(receipt.held.iter().all(|(org, _)| *org != founder));
    let follows = Follows {
        organisations: [founder].into(),
        ..following(&["Lambeth"])
    };
    let mut one = one.replica;
    one.set_follows(follows).unwrap();
    while one.apply_follows(100).unwrap() {}
    let ([one, two], _) = sync(one, two.replica);
    assert!(one.replica.shown(&founders).unwrap().is_some());
    let receipt = &receipts(&two.replica).unwrap()[&one.replica.node()];
    assert!(receipt.held.iter().any(|(org, _)| *org == founder));
}

#[test]
fn a_machine_gets_all_of_its_own_organisation_from_whomever() {
    let (federation, full) = two_boroughs(5);
    let own = federation.members[1].org();
    let own_listing = federation.members[1].doc(DocName::Listing(0));
    let mut laptop = federation.holding_card(&federation.members[1]);
    laptop.set_follows(following(&["Lambeth"])).unwrap();
    assert!(laptop.own().contains(&own));
    let ([laptop, _], _) = sync(laptop, full);
    assert!(laptop.replica.shown(&own_listing).unwrap().is_some());
    assert_eq!(shown(&laptop.replica, &federation), 2);
}

#[test]
fn what_is_followed_is_told_once_and_where_it_belongs() {
    let (federation, full) = two_boroughs(3);
    let [mut one, mut two] = pair(
        follower(&federation, following(&["Lambeth"])),
        full,
        Purpose::Sync,
    );
    let again = Frame::Follow {
        followed: Followed::default(),
    };
    let mut seen = false;
    while let Some(frame) = one.session.poll_frame(&one.replica).unwrap() {
        seen |= matches!(frame, Frame::Follow { .. });
        let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
        two.session
            .handle_frame(NOW_S, incoming, &mut two.replica)
            .unwrap();
        if seen {
            break;
        }
        while let Some(frame) = two.session.poll_frame(&two.replica).unwrap() {
            let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
            one.session
                .handle_frame(NOW_S, incoming, &mut one.replica)
                .unwrap();
        }
    }
    assert!(seen);
    let incoming = Incoming::parse(&again.to_bytes()).unwrap();
    let twice = two.session.handle_frame(NOW_S, incoming, &mut two.replica);
    assert!(matches!(twice, Err(SessionError::OutOfOrder)));
}

#[test]
fn what_is_followed_is_bounded() {
    let max = crate::limits::FOLLOWED_MAX;
    let many = |count: usize, length: usize| Frame::Follow {
        followed: Followed {
            areas: vec!["x".repeat(length); count],
            ..Followed::default()
        },
    };
    assert!(Frame::parse(&many(max, 10).to_bytes()).is_ok());
    let most = crate::limits::NAME_MAX_BYTES;
    for frame in [many(max + 1, 10), many(1, most + 1)] {
        assert_eq!(Frame::parse(&frame.to_bytes()), Err(FrameError::TooMany));
    }
}
