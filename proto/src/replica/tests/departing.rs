//! Leaving that stays left, and moves nobody else.

use super::*;
use crate::card::Membership;
use crate::testing::{NOW_S, all_shown, is_accepted, listing};

const SHARD: DocName = DocName::Listing(0);

/// The world with a third organisation that came in on the member's word.
fn world_of_three() -> (World, Party, Membership) {
    let mut world = world();
    let third = Party::new(3);
    assert!(is_accepted(&send(
        &mut world.replica,
        third.first_card(world.network, &[&world.member])
    )));
    for party in [&world.member, &third] {
        let item = party.item(SHARD, 1, &[], &listing(0, 1, "x"));
        assert!(is_accepted(&send(&mut world.replica, item)));
    }
    let membership = world.member.membership(world.network, 1, &[&world.founder]);
    (world, third, membership)
}

fn entries(replica: &Replica<MemoryStorage>, table: Table) -> usize {
    replica
        .storage()
        .entries()
        .filter(|(found, ..)| *found == table)
        .count()
}

#[test]
fn documents_go_and_others_stay() {
    let (
        World {
            member,
            founder,
            network,
            mut replica,
            ..
        },
        third,
        membership,
    ) = world_of_three();
    let departure = member.departure(&membership, network, NOW_S);
    let (documents, states) = (
        entries(&replica, Table::Documents),
        entries(&replica, Table::States),
    );
    replica.poll_changes();
    assert!(is_accepted(&send(&mut replica, departure.clone())));
    assert_eq!(replica.place(&member.org()), Some(Place::Left));
    assert_eq!(replica.place(&third.org()), Some(Place::Member));
    assert_eq!(replica.organisations().len(), 2);
    assert_eq!(entries(&replica, Table::Documents), documents - 2);
    assert_eq!(entries(&replica, Table::States), states - 2);
    let changes = replica.poll_changes();
    for change in [
        Change::Roster(network),
        Change::Document(member.doc(DocName::Card)),
        Change::Document(member.doc(SHARD)),
    ] {
        assert!(changes.contains(&change), "{change:?}");
    }
    // Again, and by anybody, it changes nothing; nor do the documents come back.
    assert_eq!(send(&mut replica, departure), Outcome::AlreadyKnown);
    for item in [
        member.first_card(network, &[&founder]),
        member.item(SHARD, 1, &[], &listing(0, 1, "x")),
    ] {
        assert_eq!(
            send(&mut replica, item),
            Outcome::Refused(Refusal::HasLeft(member.org()))
        );
    }
    // A newcomer learns of it from us, and comes to the same roster without ever seeing the card.
    let mut late = Party::new(9).replica(&[replica.charter(&network).unwrap()]);
    let item = replica
        .departure_item(&network, &member.org())
        .unwrap()
        .unwrap();
    assert!(is_accepted(&send(&mut late, item)));
    for org in [&founder, &third] {
        for item in replica.items(&org.doc(DocName::Card)).unwrap() {
            assert!(is_accepted(&send(&mut late, item)));
        }
    }
    assert_eq!(late.roster(&network), replica.roster(&network));
    assert!(
        late.speaks_for(&member.id(), &member.org()).unwrap(),
        "its node is known when it calls"
    );
}

#[test]
fn whoever_left_can_come_back() {
    let (
        World {
            member,
            founder,
            network,
            mut replica,
            ..
        },
        third,
        membership,
    ) = world_of_three();
    send(&mut replica, member.departure(&membership, network, NOW_S));
    let card = member.card(&[(network, 2, &[&founder])]).to_bytes();
    assert!(is_accepted(&send(
        &mut replica,
        member.item(DocName::Card, 2, &[], &card)
    )));
    assert_eq!(replica.place(&member.org()), Some(Place::Member));
    let item = member.item(SHARD, 1, &[], &listing(0, 1, "x"));
    assert!(is_accepted(&send(&mut replica, item)));
    // The old departure and the old card are both behind it now.
    assert_eq!(
        send(&mut replica, member.departure(&membership, network, NOW_S)),
        Outcome::AlreadyKnown
    );
    assert_eq!(
        send(&mut replica, member.first_card(network, &[&founder])),
        Outcome::Dominated
    );
    assert_eq!(replica.place(&member.org()), Some(Place::Member));
    // And leave again, in the new epoch.
    let again = member.membership(network, 2, &[&founder]);
    assert!(is_accepted(&send(
        &mut replica,
        member.departure(&again, network, NOW_S)
    )));
    assert_eq!(
        send(&mut replica, member.departure(&membership, network, NOW_S)),
        Outcome::Dominated
    );
    assert_eq!(replica.place(&member.org()), Some(Place::Left));
    assert_eq!(replica.place(&third.org()), Some(Place::Member));
}

#[test]
fn of_two_departures_from_one_epoch_all_keep_the_same() {
    let (
        World {
            member,
            network,
            replica,
            ..
        },
        _,
        membership,
    ) = world_of_three();
    let departures = [NOW_S - 1, NOW_S].map(|at_s| member.departure(&membership, network, at_s));
    let kept = |order: [usize; 2]| {
        let own = replica.own().clone();
        let mut replica = Replica::open(replica.storage().clone(), replica.node(), own).unwrap();
        for at in order {
            send(&mut replica, departures[at].clone());
        }
        replica.departure_item(&network, &member.org()).unwrap()
    };
    assert_eq!(kept([0, 1]), kept([1, 0]));
}

#[test]
fn the_vouches_that_count_do_not_depend_on_what_came_first() {
    // The member was vouched for twice; its departure proves one of the two.
    let World {
        charter,
        founder,
        member,
        network,
        ..
    } = world();
    let third = Party::new(3);
    let card = member.first_card(network, &[&founder, &third]);
    let departure = member.departure(&member.membership(network, 1, &[&founder]), network, NOW_S);
    let standings = |items: [&Item; 2]| {
        let mut replica = Party::new(9).replica(&[&charter]);
        for item in items {
            send(&mut replica, item.clone());
        }
        replica.standing(&network, &member.org()).cloned()
    };
    assert_eq!(
        standings([&card, &departure]),
        standings([&departure, &card])
    );
    assert!(standings([&card, &departure]).is_some());
}

#[test]
fn one_of_two_shared_networks_is_left() {
    let World {
        charter: first,
        founder,
        member,
        network,
        mut replica,
    } = world();
    let second = charter(2, 1, &[&founder]);
    let other = second.network();
    replica.add_network(second.clone()).unwrap();
    let card = founder.card(&[(network, 1, &[]), (other, 1, &[])]);
    founder.publish(&mut replica, DocName::Card, &card.to_bytes());
    let card = member.card(&[(network, 1, &[&founder]), (other, 1, &[&founder])]);
    assert!(is_accepted(&send(
        &mut replica,
        member.item(DocName::Card, 2, &[], &card.to_bytes())
    )));
    assert!(is_accepted(&send(
        &mut replica,
        member.item(SHARD, 1, &[], &listing(0, 1, "x"))
    )));
    let shown = all_shown(&replica);

    let departure = member.departure(&card.networks[&network], network, NOW_S);
    assert!(is_accepted(&send(&mut replica, departure.clone())));
    assert_eq!(
        all_shown(&replica),
        shown,
        "the other network still holds the documents"
    );
    assert_eq!(
        replica.roster(&network).unwrap().place_of(&member.org()),
        Some(Place::Left)
    );
    assert_eq!(
        replica.roster(&other).unwrap().place_of(&member.org()),
        Some(Place::Member)
    );
    // The departure first, then the card: the same.
    let mut late = Party::new(9).replica(&[&first, &second]);
    send(&mut late, departure);
    for item in replica.items(&member.doc(DocName::Card)).unwrap() {
        assert!(is_accepted(&send(&mut late, item)));
    }
    for id in [network, other] {
        assert_eq!(
            late.standing(&id, &member.org()),
            replica.standing(&id, &member.org())
        );
    }
    // Leaving the second as well drops everything.
    send(
        &mut replica,
        member.departure(&card.networks[&other], other, NOW_S),
    );
    assert_eq!(replica.organisations(), [founder.org()]);
}

#[test]
fn a_node_that_leaves_keeps_its_own_and_drops_the_rest() {
    let (
        World {
            founder,
            member,
            network,
            mut replica,
            ..
        },
        third,
        _,
    ) = world_of_three();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "own"));
    let membership = founder.membership(network, 1, &[]);
    let departure = replica.departure(
        NOW_S,
        network,
        founder.org(),
        &membership,
        &founder.delegation,
        &founder.node,
    );
    assert!(is_accepted(&replica.receive(NOW_S, departure).unwrap()));
    assert!(!replica.is_active(&network));
    assert_eq!(replica.organisations(), [founder.org()]);
    assert_eq!(replica.documents_of(&founder.org()).count(), 2);
    let refusal = send(&mut replica, third.first_card(network, &[&member]));
    assert!(
        matches!(refusal, Outcome::Refused(Refusal::NotAMember(_))),
        "{refusal:?}"
    );
    // After a restart it is still out; with a card of the next epoch it is in again.
    let own = replica.own().clone();
    let mut replica = Replica::open(replica.storage().clone(), founder.id(), own).unwrap();
    assert!(!replica.is_active(&network));
    founder.publish(
        &mut replica,
        DocName::Card,
        &founder.card(&[(network, 2, &[])]).to_bytes(),
    );
    assert!(replica.is_active(&network));
    assert!(is_accepted(&send(
        &mut replica,
        third.first_card(network, &[&member])
    )));
    // Who vouches for it must be heard of anew, too.
    assert_eq!(replica.place(&third.org()), Some(Place::Applicant));
    let card = member.first_card(network, &[&founder]);
    assert!(is_accepted(&send(&mut replica, card)));
    assert_eq!(replica.place(&third.org()), Some(Place::Member));
}

#[test]
fn an_organisation_that_is_taken_in_later_counts_for_what_the_node_takes_part_in() {
    let (
        World {
            member,
            network,
            mut replica,
            ..
        },
        ..,
    ) = world_of_three();
    let own = BTreeSet::from([Party::new(30).org()]);
    replica = Replica::open(replica.storage().clone(), Party::new(30).id(), own).unwrap();
    assert!(replica.is_active(&network));
    let membership = member.membership(network, 1, &[]);
    send(&mut replica, member.departure(&membership, network, NOW_S));
    assert!(replica.is_active(&network), "somebody else's departure");
    replica.add_own(member.org());
    assert!(
        !replica.is_active(&network),
        "its only organisation here has left"
    );
}

#[test]
fn siblings_that_wrote_the_card_apart_do_not_undo_a_joining() {
    // One node joins again, or joins for the first time; the other, whose clock is ahead, changes the
    // name meanwhile and knows nothing of it. Either order, the organisation is in.
    for (first_epoch, leaves) in [(0, false), (1, true)] {
        let World {
            charter: first,
            founder,
            member,
            network,
            ..
        } = world();
        let sibling = Party::on(2, 50, crate::certificate::Role::Admin);
        let elsewhere = charter(2, 1, &[&founder]);
        let card = |epoch: u32| {
            member
                .card(&[
                    (elsewhere.network(), 1, &[&founder]),
                    (network, epoch, &[&founder]),
                ])
                .to_bytes()
        };
        let joins = member.item(DocName::Card, 2, &[], &card(first_epoch + 1));
        let mut record = sibling.record(DocName::Card, 1, &[], &card(first_epoch));
        record.issued_at_s += 100;
        let renames = sibling.sign(record, &card(first_epoch));
        let mut standings = Vec::new();
        for order in [[&joins, &renames], [&renames, &joins]] {
            let mut replica = Party::new(9).replica(&[&first, &elsewhere]);
            if leaves {
                let membership = member.membership(network, 1, &[&founder]);
                send(&mut replica, member.departure(&membership, network, NOW_S));
            }
            for item in order {
                assert!(is_accepted(&send(&mut replica, item.clone())));
            }
            assert!(replica.roster(&network).unwrap().is_member(&member.org()));
            standings.push(replica.standing(&network, &member.org()).cloned());
        }
        assert_eq!(standings[0], standings[1]);
    }
}

#[test]
fn whoever_comes_back_counts_no_card_that_it_holds_no_longer() {
    let (
        World {
            member,
            founder,
            network,
            mut replica,
            ..
        },
        third,
        _,
    ) = world_of_three();
    let own = founder.membership(network, 1, &[]);
    assert!(is_accepted(&send(
        &mut replica,
        founder.departure(&own, network, NOW_S)
    )));
    // Their cards went; what they said may be revoked or replaced before this node hears of them again.
    for party in [&member, &third] {
        assert_eq!(replica.standing(&network, &party.org()), None);
    }
    let card = founder.card(&[(network, 2, &[])]);
    founder.publish(&mut replica, DocName::Card, &card.to_bytes());
    assert!(replica.is_active(&network));
    assert_eq!(replica.place(&member.org()), None);
    let again = member.first_card(network, &[&founder]);
    assert!(is_accepted(&send(&mut replica, again)));
    assert_eq!(replica.place(&member.org()), Some(Place::Member));
}
