//! Following some documents and leaving the states of others to others.

use super::*;
use crate::interest::Follows;
use crate::record::Seen;
use crate::testing::{following, is_accepted, listing_in, without_state};

const SHARD: DocName = DocName::Listing(0);

fn shows(world: &World) -> bool {
    let key = world.member.doc(SHARD);
    world.replica.shown(&key).unwrap().is_some()
}

fn counts(world: &World) -> (usize, usize) {
    (world.replica.unfollowed().len(), world.replica.counts().1)
}

/// Goes through everything, a document at a time.
fn apply(replica: &mut Replica<MemoryStorage>) {
    while replica.apply_follows(1).unwrap() {}
}

/// What is in the store is what is in memory.
fn reopened(world: &World) -> Replica<MemoryStorage> {
    let storage = world.replica.storage().clone();
    Replica::open(storage, world.founder.id(), [world.founder.org()].into()).unwrap()
}

#[test]
fn a_state_that_is_not_followed_is_not_kept_and_not_asked_for() {
    let mut world = world();
    world.replica.set_follows(following(&["Lambeth"])).unwrap();
    let there = world
        .member
        .item(SHARD, 1, &[], &listing_in("Trafford", ""));
    assert!(is_accepted(&send(&mut world.replica, there.clone())));
    assert!(!shows(&world));
    assert_eq!(counts(&world), (1, 0), "it is left out, and not lacking");
    assert_eq!(send(&mut world.replica, there), Outcome::AlreadyKnown);
    let again = reopened(&world);
    assert_eq!(again.unfollowed(), [world.member.org()]);
    assert_eq!(again.follows(), &following(&["Lambeth"]));
    // Its next version is of use.
    let saw = [];
    let here = world
        .member
        .item(SHARD, 2, &saw, &listing_in("Lambeth", ""));
    assert!(is_accepted(&send(&mut world.replica, here)));
    assert!(shows(&world));
    assert_eq!(counts(&world), (0, 0));
}

#[test]
fn what_was_shown_goes_when_its_next_version_is_not_followed() {
    let mut world = world();
    world.replica.set_follows(following(&["Lambeth"])).unwrap();
    let here = world.member.item(SHARD, 1, &[], &listing_in("Lambeth", ""));
    send(&mut world.replica, here);
    assert!(shows(&world));
    let there = world
        .member
        .item(SHARD, 2, &[], &listing_in("Trafford", ""));
    send(&mut world.replica, there);
    assert!(!shows(&world), "the old version is shown in its place");
    let at = world.member.doc(SHARD).to_bytes();
    let mut states = 0;
    let storage = world.replica.storage();
    let counted = storage.scan(Table::States, &at, &mut |_, _| {
        states += 1;
        true
    });
    counted.unwrap();
    assert_eq!(states, 0);
}

#[test]
fn a_peers_word_counts_only_where_something_is_not_followed() {
    let mut world = world();
    let item = world
        .member
        .item(SHARD, 1, &[], &listing_in("Trafford", ""));
    send(&mut world.replica, without_state(&item));
    let key = world.member.doc(SHARD);
    let [id] = world.replica.record_ids(&key)[..] else {
        panic!("one record");
    };
    world.replica.note_unfollowed(&key, &id).unwrap();
    assert_eq!(counts(&world), (0, 1), "everything is followed");
    world.replica.set_follows(following(&["Lambeth"])).unwrap();
    world.replica.note_unfollowed(&key, &id).unwrap();
    assert_eq!(counts(&world), (1, 0));
    assert!(!reopened(&world).unfollowed().is_empty());
    // The word was wrong: somebody sends a state that is of use after all.
    let mut other = world;
    let here = listing_in("Lambeth", "");
    let item = other.member.item(SHARD, 2, &[], &here);
    send(&mut other.replica, without_state(&item));
    let [id] = other.replica.record_ids(&key)[..] else {
        panic!("one record");
    };
    other.replica.note_unfollowed(&key, &id).unwrap();
    assert!(is_accepted(&send(&mut other.replica, item)));
    assert!(shows(&other));
    assert_eq!(counts(&other), (0, 0));
}

#[test]
fn to_follow_less_lets_go_and_to_follow_more_asks_again() {
    let mut world = world();
    let there = world
        .member
        .item(SHARD, 1, &[], &listing_in("Trafford", ""));
    send(&mut world.replica, there.clone());
    let own = listing_in("Southwark", "");
    let founder = world.founder.clone();
    founder.publish(&mut world.replica, SHARD, &own);
    assert!(!world.replica.apply_follows(8).unwrap(), "nothing is to do");
    world.replica.set_follows(following(&["Lambeth"])).unwrap();
    assert!(shows(&world), "it is gone through later");
    // A crash in between: the rest is gone through afterwards.
    world.replica.apply_follows(1).unwrap();
    world.replica = reopened(&world);
    apply(&mut world.replica);
    assert!(!shows(&world));
    assert_eq!(counts(&world), (1, 0));
    let own_key = founder.doc(SHARD);
    assert!(world.replica.shown(&own_key).unwrap().is_some());
    world.replica.poll_changes();
    world.replica.set_follows(Follows::default()).unwrap();
    apply(&mut world.replica);
    assert_eq!(counts(&world), (0, 1), "it is asked for");
    let changed = world.replica.poll_changes();
    assert!(changed.contains(&Change::Document(world.member.doc(SHARD))));
    send(&mut world.replica, there);
    assert!(shows(&world));
}

#[test]
fn an_organisation_that_is_followed_by_name_is_kept_whole() {
    let mut world = world();
    let follows = Follows {
        organisations: [world.member.org()].into(),
        ..following(&["Lambeth"])
    };
    world.replica.set_follows(follows).unwrap();
    let there = world
        .member
        .item(SHARD, 1, &[], &listing_in("Trafford", ""));
    send(&mut world.replica, there);
    assert!(shows(&world));
}

#[test]
fn of_networks_that_are_not_followed_nothing_but_cards_is_kept() {
    let mut world = world();
    let follows = Follows {
        networks: [NetworkId::from_bytes([9; 32])].into(),
        ..Follows::default()
    };
    world.replica.set_follows(follows).unwrap();
    let item = world.member.item(SHARD, 1, &[], &listing_in("Lambeth", ""));
    send(&mut world.replica, item.clone());
    assert_eq!(counts(&world), (1, 0));
    let follows = Follows {
        networks: [world.network].into(),
        ..Follows::default()
    };
    world.replica.set_follows(follows).unwrap();
    apply(&mut world.replica);
    send(&mut world.replica, item);
    assert!(shows(&world));
}

#[test]
fn siblings_that_wrote_apart_are_judged_one_by_one() {
    let mut world = world();
    world.replica.set_follows(following(&["Lambeth"])).unwrap();
    let sibling = Party::on(2, 12, crate::certificate::Role::Admin);
    let here = world.member.item(SHARD, 1, &[], &listing_in("Lambeth", ""));
    let there = sibling.item(SHARD, 1, &[], &listing_in("Trafford", ""));
    send(&mut world.replica, here);
    send(&mut world.replica, there);
    assert!(shows(&world), "what is of use is shown");
    assert_eq!(counts(&world), (1, 0));
    // What follows both is not of use, and takes the place of both.
    let saw = [Seen {
        writer: sibling.writer(),
        seq: 1,
    }];
    let both = world
        .member
        .item(SHARD, 2, &saw, &listing_in("Trafford", "both"));
    send(&mut world.replica, both);
    assert!(!shows(&world));
    assert_eq!(counts(&world), (1, 0));
}
