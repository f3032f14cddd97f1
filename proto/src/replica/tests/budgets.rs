//! Nobody fills another's disk: what is held of one organisation, and what is taken when there is no room.

use super::*;
use crate::limits::*;
use crate::record::Instance;
use crate::testing::{is_accepted, listing};

/// A shard that is nearly as large as one may be.
fn large(shard: u16) -> Vec<u8> {
    let filler = "x".repeat(TEXT_MAX_BYTES - 64);
    format!(
        r#"{{"format":1,"kind":"listing","shard":{shard},"services":[],"x_1":"{filler}","x_2":"{filler}","x_3":"{filler}"}}"#
    )
    .into_bytes()
}

#[test]
fn one_organisation_has_room_for_full_listings_and_no_more() {
    let mut world = world();
    let (mut held, mut refused) = (0, 0);
    // A hostile member: each of its lives writes every shard anew, beside the others.
    for life in 0..8 {
        let party = Party {
            instance: Instance([life; 8]),
            ..world.member.clone()
        };
        for shard in 0..SHARDS_MAX {
            let state = large(shard);
            match send(
                &mut world.replica,
                party.item(DocName::Listing(shard), 1, &[], &state),
            ) {
                Outcome::Accepted(_) => held += state.len() as u64,
                Outcome::Refused(Refusal::OverQuota(org)) if org == world.member.org() => {
                    refused += 1
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        held <= ORG_MAX_BYTES && held > ORG_MAX_BYTES - 1024 * 1024,
        "{held}"
    );
    assert!(refused > 0);
    // A full listing is well within it, and a smaller state in the place of a larger one is always taken.
    assert!(u64::from(SHARDS_MAX) * STATE_MAX_BYTES as u64 <= ORG_MAX_BYTES / 2);
    let party = Party {
        instance: Instance([0; 8]),
        ..world.member.clone()
    };
    let smaller = party.item(DocName::Listing(0), 2, &[], &listing(0, 1, "x"));
    assert!(is_accepted(&send(&mut world.replica, smaller)));
    // The card speaks all the same.
    let card = world.member.card(&[(world.network, 1, &[&world.founder])]);
    let card = world.member.item(DocName::Card, 2, &[], &card.to_bytes());
    assert!(is_accepted(&send(&mut world.replica, card)));
}

#[test]
fn without_room_own_edits_go_on_and_others_may_only_shrink() {
    let mut world = world();
    let member = world.member.clone();
    let first = listing(0, 3, "x");
    assert!(is_accepted(&send(
        &mut world.replica,
        member.item(DocName::Listing(0), 1, &[], &first)
    )));
    assert!(world.replica.has_room());
    world.replica.set_room(false);
    let no_room = Outcome::Refused(Refusal::NoRoom);
    // More is refused: a new document, and a larger one in the place of a smaller.
    let more = member.item(DocName::Listing(1), 1, &[], &listing(1, 1, "x"));
    assert_eq!(send(&mut world.replica, more.clone()), no_room);
    let larger = member.item(DocName::Listing(0), 2, &[], &listing(0, 4, "x"));
    assert_eq!(send(&mut world.replica, larger.clone()), no_room);
    // So is a stranger's first card; a member's next one may say that it leaves.
    let third = Party::new(3);
    let card = third.first_card(world.network, &[&world.founder]);
    assert_eq!(send(&mut world.replica, card.clone()), no_room);
    let mut next = member.card(&[(world.network, 1, &[&world.founder])]);
    next.name = "A name that is longer than the one before it was".into();
    let next = member.item(DocName::Card, 2, &[], &next.to_bytes());
    assert!(is_accepted(&send(&mut world.replica, next)));
    // What is erased is erased.
    let smaller = member.item(DocName::Listing(0), 3, &[], &listing(0, 1, "x"));
    assert!(is_accepted(&send(&mut world.replica, smaller)));
    // This node's own go on.
    let founder = world.founder.clone();
    founder.publish(&mut world.replica, DocName::Listing(0), &listing(0, 5, "x"));
    assert!(
        world
            .replica
            .shown(&founder.doc(DocName::Listing(0)))
            .unwrap()
            .is_some()
    );
    assert_eq!(Refusal::NoRoom.name(), "no_room");
    assert!(!Refusal::NoRoom.is_senders_fault());
    world.replica.set_room(true);
    assert!(is_accepted(&send(&mut world.replica, more)));
    assert!(is_accepted(&send(&mut world.replica, card)));
}
