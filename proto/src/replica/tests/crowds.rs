//! One member against many, and a network that goes on without its founder.

use super::*;
use crate::card::{Acceptance, Card, Membership, Objection};
use crate::certificate::{Amendment, FORMAT};
use crate::limits::*;
use crate::signed::Signed;
use crate::testing::{NOW_S, is_accepted, listing};

/// A network with `members` members (the first is the founder) as the second member's node sees it.
struct Crowd {
    network: NetworkId,
    charter: Charter,
    members: Vec<Party>,
    replica: Replica<MemoryStorage>,
}

fn objections(to: &[OrgId]) -> std::collections::BTreeMap<OrgId, Objection> {
    let objection = Objection {
        reason: "They made this up".into(),
        at_s: NOW_S,
    };
    to.iter().map(|org| (*org, objection.clone())).collect()
}

fn crowd(members: u32, needed: u32) -> Crowd {
    let members: Vec<Party> = (1..=members).map(Party::new).collect();
    let anchors: Vec<&Party> = members.iter().take(needed as usize).collect();
    let charter = charter(1, needed, &anchors);
    let network = charter.network();
    let mut replica = members[1].replica(&[&charter]);
    for member in &members {
        let card = member.first_card(network, &anchors);
        assert!(is_accepted(&send(&mut replica, card)));
    }
    Crowd {
        network,
        charter,
        members,
        replica,
    }
}

/// The second card of a party, with a change to its membership.
fn second_card(
    party: &Party,
    network: NetworkId,
    by: &[&Party],
    change: impl FnOnce(&mut Membership),
) -> Item {
    let mut card = party.card(&[(network, 1, by)]);
    card.networks.entry(network).and_modify(change);
    party.item(DocName::Card, 2, &[], &card.to_bytes())
}

fn bytes_held(replica: &Replica<MemoryStorage>, of: &[Party]) -> u64 {
    let mut bytes = 0;
    for party in of {
        for table in Table::ALL {
            let org = party.org();
            let mut count = |key: &[u8], value: &[u8]| {
                // Rows of a network begin with its id, those of documents with the organisation's.
                if key.starts_with(org.as_bytes()) || key.get(32..64) == Some(org.as_bytes()) {
                    bytes += (key.len() + value.len()) as u64;
                }
                true
            };
            replica.storage().scan(table, &[], &mut count).unwrap();
        }
    }
    bytes
}

/// The largest card that fits, and as many full shards as a listing may have.
fn flood(replica: &mut Replica<MemoryStorage>, sybil: &Party, network: NetworkId, by: &[&Party]) {
    let mut card: Card = sybil.card(&[(network, 1, by)]);
    let filler = "x".repeat(TEXT_MAX_BYTES - 64);
    for number in 0..3 {
        card.extra
            .insert(format!("x_{number}"), filler.clone().into());
    }
    assert!(card.to_bytes().len() < STATE_MAX_BYTES);
    send(replica, sybil.item(DocName::Card, 1, &[], &card.to_bytes()));
    for shard in 0..SHARDS_MAX {
        let with: String = (0..3)
            .map(|number| format!(r#","x_{number}":"{filler}""#))
            .collect();
        let state =
            format!(r#"{{"format":1,"kind":"listing","shard":{shard},"services":[]{with}}}"#);
        send(
            replica,
            sybil.item(DocName::Listing(shard), 1, &[], state.as_bytes()),
        );
    }
}

const MIB: u64 = 1024 * 1024;

#[test]
fn with_two_vouches_needed_fifty_sybils_stay_outside_with_their_cards() {
    let mut crowd = crowd(10, 2);
    let hostile = crowd.members[9].clone();
    let sybils: Vec<Party> = (100..150).map(Party::new).collect();
    for (at, sybil) in sybils.iter().enumerate() {
        let neighbour = &sybils[(at + 1) % sybils.len()];
        flood(
            &mut crowd.replica,
            sybil,
            crowd.network,
            &[&hostile, neighbour],
        );
    }
    for sybil in &sybils {
        assert_eq!(crowd.replica.place(&sybil.org()), Some(Place::Applicant));
        assert_eq!(crowd.replica.documents_of(&sybil.org()).count(), 1);
    }
    let held = bytes_held(&crowd.replica, &sybils);
    println!("K = 2: 50 sybils, all applicants: {} KiB", held / 1024);
    assert!(held < 50 * (STATE_MAX_BYTES as u64 + 16 * 1024));
    // Applicants have room for so many cards and no more, whoever they are.
    const { assert!(50 < APPLICANTS_MAX) };
}

#[test]
fn with_one_vouch_needed_the_majority_removes_the_sybils_and_their_bytes_are_bounded_meanwhile() {
    let mut crowd = crowd(10, 1);
    let (network, founder) = (crowd.network, crowd.members[0].clone());
    let hostile = crowd.members[9].clone();
    let sybils: Vec<Party> = (100..150).map(Party::new).collect();
    for sybil in &sybils {
        flood(&mut crowd.replica, sybil, network, &[&hostile]);
    }
    let before = bytes_held(&crowd.replica, &sybils);
    for sybil in &sybils {
        assert_eq!(crowd.replica.place(&sybil.org()), Some(Place::Member));
        assert!(
            !crowd
                .replica
                .roster(&network)
                .unwrap()
                .has_voice(&sybil.org())
        );
    }
    println!("K = 1: 50 sybils, all members: {} MiB", before / MIB);
    assert!(before < 50 * (UNHEARD_MAX_BYTES + STATE_MAX_BYTES as u64 + 64 * 1024));
    assert!(
        before > 50 * UNHEARD_MAX_BYTES / 2,
        "they have filled their quota"
    );

    // The sybils object to everybody, which changes nothing; six of the nine others object to their maker.
    let honest: Vec<OrgId> = crowd.members[..9].iter().map(Party::org).collect();
    for sybil in &sybils {
        let card = second_card(sybil, network, &[&hostile], |it| {
            it.objections = objections(&honest);
        });
        send(&mut crowd.replica, card);
    }
    for member in &crowd.members[..6] {
        let card = second_card(member, network, &[&founder], |it| {
            it.objections = objections(&[hostile.org()]);
        });
        assert!(is_accepted(&send(&mut crowd.replica, card)));
    }
    crowd.replica.settle().unwrap();
    assert_eq!(crowd.replica.place(&hostile.org()), Some(Place::Removed));
    for sybil in &sybils {
        assert_eq!(crowd.replica.place(&sybil.org()), Some(Place::Applicant));
    }
    assert!(
        honest
            .iter()
            .all(|org| crowd.replica.place(org) == Some(Place::Member))
    );
    let after = bytes_held(&crowd.replica, &sybils);
    println!("K = 1: after their removal: {} KiB", after / 1024);
    assert!(after < MIB);
}

#[test]
fn a_member_without_a_voice_has_a_quota_until_a_second_one_vouches() {
    let mut crowd = crowd(3, 1);
    let network = crowd.network;
    let (second, third) = (crowd.members[1].clone(), crowd.members[2].clone());
    let quiet = Party::new(50);
    flood(&mut crowd.replica, &quiet, network, &[&third]);
    let shards = crowd.replica.documents_of(&quiet.org()).count() - 1;
    assert!((16..64).contains(&shards), "{shards}");
    let next = listing(63, 1, "x");
    let large = {
        let filler = "x".repeat(TEXT_MAX_BYTES - 64);
        format!(
            r#"{{"format":1,"kind":"listing","shard":62,"services":[],"x_1":"{filler}","x_2":"{filler}","x_3":"{filler}"}}"#
        )
    };
    let large = quiet.item(DocName::Listing(62), 1, &[], large.as_bytes());
    let refusal = Refusal::OverQuota(quiet.org());
    assert_eq!(
        send(&mut crowd.replica, large.clone()),
        Outcome::Refused(refusal.clone())
    );
    assert_eq!(refusal.name(), "over_quota");
    assert!(!refusal.is_senders_fault());
    // A record in the place of another counts what it replaces no longer.
    let smaller = quiet.item(DocName::Listing(0), 2, &[], &listing(0, 1, "x"));
    assert!(is_accepted(&send(&mut crowd.replica, smaller)));
    let small = quiet.item(DocName::Listing(63), 1, &[], &next);
    assert!(is_accepted(&send(&mut crowd.replica, small)));
    // 2 and 3 have a voice by the founder's vouch: the word of both gives one.
    let card = second_card(&quiet, network, &[&second, &third], |_| {});
    assert!(is_accepted(&send(&mut crowd.replica, card)));
    assert!(
        crowd
            .replica
            .roster(&network)
            .unwrap()
            .has_voice(&quiet.org())
    );
    assert!(is_accepted(&send(&mut crowd.replica, large)));
}

#[test]
fn the_founder_leaves_objects_to_all_and_is_wiped_and_nine_go_on() {
    let Crowd {
        network,
        charter,
        members,
        ..
    } = crowd(10, 1);
    let (founder, nine) = (members[0].clone(), &members[1..]);
    let orgs: Vec<OrgId> = nine.iter().map(Party::org).collect();
    let amendment = Amendment {
        format: FORMAT,
        network,
        previous: crate::ids::CharterId::from_bytes(*network.as_bytes()),
        name: "Brixton, without its founder".into(),
        text: "We go on.".into(),
        vouches_needed: 2,
        proposer: nine[0].org(),
        node: nine[0].id(),
        proposed_at_s: NOW_S,
    };
    let amendment = Signed::sign(amendment, &nine[0].node);
    let text = charter_id(&amendment);
    let eleventh = Party::new(11);
    let mut items: Vec<Item> = members
        .iter()
        .map(|it| it.first_card(network, &[&founder]))
        .collect();
    items.push(second_card(&founder, network, &[], |it| {
        it.objections = objections(&orgs);
    }));
    // Its departure is the last that anybody hears of the founder: its replica is gone.
    items.push(founder.departure(&founder.membership(network, 1, &[]), network, NOW_S));
    items.push(eleventh.first_card(network, &[&nine[0], &nine[1]]));
    items.push(Item::Amendment {
        amendment: amendment.to_bytes(),
        delegation: nine[0].delegation.to_bytes(),
    });
    for member in nine {
        items.push(second_card(member, network, &[&founder], |it| {
            let acceptance = Acceptance {
                amendment: text,
                at_s: NOW_S,
            };
            let previous = crate::ids::CharterId::from_bytes(*network.as_bytes());
            it.amendments.insert(previous, acceptance);
        }));
    }
    let mut rosters = Vec::new();
    for (shift, member) in nine.iter().enumerate() {
        let mut replica = member.replica(&[&charter]);
        // Each hears it in another order, and what came too early once more.
        let order = (0..items.len()).map(|at| (at * 7 + shift * 3) % items.len());
        for at in order.chain(0..items.len()) {
            send(&mut replica, items[at].clone());
        }
        replica.settle().unwrap();
        let roster = replica.roster(&network).unwrap().clone();
        assert_eq!(roster.place_of(&founder.org()), Some(Place::Left));
        assert!(orgs.iter().all(|org| roster.is_member(org)));
        assert!(roster.is_member(&eleventh.org()));
        assert_eq!(roster.charter_in_force(), Some(text));
        assert_eq!(roster.vouches_needed(), 2);
        assert!(!roster.is_anchor(&founder.org()));
        rosters.push(roster);
    }
    assert!(rosters.iter().all(|roster| *roster == rosters[0]));
}
