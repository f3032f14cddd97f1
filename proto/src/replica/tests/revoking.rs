//! What becomes of revocations.

use super::*;
use crate::card::Card;
use crate::certificate::{FORMAT, LastRecord, Revocation, Role};
use crate::ids::DocName;
use crate::record::Seen;
use crate::signed::{Carry, Signed};
use crate::testing::{NOW_S, is_accepted};

fn revocation(owner: &Party, stolen: &Party) -> Signed<Revocation> {
    let revocation = Revocation {
        format: FORMAT,
        org: owner.org(),
        node: stolen.id(),
        revoked_at_s: NOW_S,
        last: Vec::<LastRecord>::new(),
    };
    Signed::sign(revocation, &owner.root)
}

fn seen(party: &Party, seq: u64) -> Seen {
    Seen {
        writer: party.writer(),
        seq,
    }
}

/// The member delegates a second node on its card; then its card, number three, revokes that.
fn delegated_and_revoked(world: &mut World) -> (Party, Card) {
    let stolen = Party::on(2, 300, Role::Admin);
    assert_eq!(stolen.org(), world.member.org());
    let mut card = world.member.card(&[(world.network, 1, &[&world.founder])]);
    card.delegations.push(Carry::new(&stolen.delegation));
    let both = world.member.item(DocName::Card, 2, &[], &card.to_bytes());
    assert!(is_accepted(&send(&mut world.replica, both)));
    let mut without = card.clone();
    without.delegations.pop();
    without.revocations = vec![Carry::new(&revocation(&world.member, &stolen))];
    let without = world
        .member
        .item(DocName::Card, 3, &[], &without.to_bytes());
    assert!(is_accepted(&send(&mut world.replica, without)));
    (stolen, card)
}

#[test]
fn a_revocation_that_no_card_says_any_more_is_known_and_said_again() {
    let mut world = world();
    let (stolen, mut card) = delegated_and_revoked(&mut world);
    let member = world.member;
    let unsaid = |replica: &Replica<_>| replica.unsaid_revocations(&member.org()).unwrap();
    assert_eq!(unsaid(&world.replica), []);

    // The thief, whom it does not reach, writes over it; then another machine, which knows of neither, over that.
    let mut deceived = world.founder.replica(&[&world.charter]);
    assert!(is_accepted(&send(
        &mut deceived,
        member.first_card(world.network, &[&world.founder])
    )));
    let theirs = stolen.item(DocName::Card, 1, &[seen(&member, 3)], &card.to_bytes());
    assert!(is_accepted(&send(&mut deceived, theirs.clone())));
    let third = Party::on(2, 301, Role::Admin);
    let over = [seen(&member, 3), seen(&stolen, 1)];
    let ours = third.item(DocName::Card, 1, &over, &card.to_bytes());
    for replica in [&mut world.replica, &mut deceived] {
        assert!(is_accepted(&send(replica, ours.clone())));
    }
    let again = stolen.item(DocName::Card, 2, &[seen(&member, 3)], &card.to_bytes());
    assert!(is_accepted(&send(&mut deceived, again.clone())));
    assert_eq!(
        send(&mut world.replica, again),
        Outcome::Refused(Refusal::Revoked(stolen.id()))
    );
    assert_eq!(unsaid(&deceived), []);
    assert_eq!(
        unsaid(&world.replica),
        [revocation(&member, &stolen)],
        "who knows of it can see that the card does not say it"
    );

    // Said again, it reaches whoever has never heard of it, and ends what the thief wrote.
    card.revocations = unsaid(&world.replica).iter().map(Carry::new).collect();
    let said = third.item(DocName::Card, 2, &over, &card.to_bytes());
    for replica in [&mut world.replica, &mut deceived] {
        assert!(is_accepted(&send(replica, said.clone())));
        assert_eq!(unsaid(replica), []);
        assert!(!replica.speaks_for(&stolen.id(), &member.org()).unwrap());
        assert_eq!(replica.record_ids(&member.doc(DocName::Card)).len(), 1);
    }
}

#[test]
fn a_node_that_leaves_hears_of_revocations_anew_but_whoever_left_stays_safe_from_its_thief() {
    let mut world = world();
    let (stolen, card) = delegated_and_revoked(&mut world);
    let (member, founder, network) = (&world.member, &world.founder, world.network);
    let revoked = |replica: &Replica<MemoryStorage>| {
        let known = replica.revocations(&member.org(), &stolen.id()).unwrap();
        !known.is_empty()
    };

    // The member leaves: nobody comes back in its name from the machine that was stolen.
    let mut left = Replica::open(
        world.replica.storage().clone(),
        founder.id(),
        [founder.org()].into(),
    )
    .unwrap();
    let departure = member.departure(&card.networks[&network], network, NOW_S);
    assert!(is_accepted(&send(&mut left, departure)));
    assert!(revoked(&left));

    // This node leaves: what the member revoked is nothing to it any more.
    let membership = founder.membership(network, 1, &[]);
    let departure = founder.departure(&membership, network, NOW_S);
    assert!(is_accepted(&send(&mut world.replica, departure)));
    assert!(!revoked(&world.replica));
    assert_eq!(world.replica.orgs_that_revoked(&stolen.id()).unwrap(), []);
}
