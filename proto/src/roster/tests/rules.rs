use super::*;

#[test]
fn vouches_reach_outwards_from_the_anchors() {
    let one = roster(
        &charter(&[1], 1),
        &[
            (1, standing(&[])),
            (2, standing(&[1])),
            (3, standing(&[2])),
            (4, standing(&[5])),
            (5, standing(&[4])),
        ],
    );
    assert_eq!(one.member_count(), 3);
    assert_eq!(one.place_of(&org(3)), Some(Place::Member));
    // Two strangers that vouch for each other stay outside.
    assert_eq!(one.place_of(&org(4)), Some(Place::Applicant));
    assert_eq!(one.place_of(&org(9)), None);
}

#[test]
fn with_two_vouches_needed_one_member_admits_nobody() {
    let mut all = vec![
        (1, standing(&[])),
        (2, standing(&[])),
        (3, standing(&[1, 2])),
    ];
    all.extend((10..60).map(|n| (n, standing(&[2, n + 1]))));
    assert_eq!(roster(&charter(&[1, 2], 2), &all).member_count(), 3);
}

#[test]
fn leaving_moves_nobody_else_and_coming_back_is_possible() {
    let left = Standing {
        left_epoch: 1,
        ..standing(&[1])
    };
    let of_two = |two: Standing| {
        roster(
            &charter(&[1], 1),
            &[(1, standing(&[])), (2, two), (3, standing(&[2]))],
        )
    };
    let gone = of_two(left.clone());
    assert_eq!(gone.place_of(&org(2)), Some(Place::Left));
    assert!(gone.is_member(&org(3)));
    let dropped_card = of_two(Standing {
        epoch: 0,
        ..left.clone()
    });
    assert_eq!(dropped_card, gone);
    assert!(of_two(Standing { epoch: 2, ..left }).is_member(&org(2)));
}

#[test]
fn an_invitation_vouches_once_and_the_inviter_settles_for_whom() {
    let key = InviteId::from_bytes([7; 32]);
    let by = |at_s| Standing {
        vouches: vec![ProvenVouch {
            voucher: org(1),
            by_invitation: Some((at_s, key)),
        }],
        ..standing(&[])
    };
    let with = |settled: Option<Option<OrgId>>| {
        let inviter = Standing {
            invitations: settled.map(|used_by| (key, used_by)).into_iter().collect(),
            ..standing(&[])
        };
        let roster = roster(&charter(&[1], 1), &[(1, inviter), (2, by(20)), (3, by(10))]);
        (roster.is_member(&org(2)), roster.is_member(&org(3)))
    };
    assert_eq!(with(None), (false, true));
    assert_eq!(with(Some(Some(org(2)))), (true, false));
    assert_eq!(with(Some(None)), (false, false));
}

#[test]
fn more_than_half_of_the_others_remove_and_can_take_it_back() {
    let with = |objectors: &[u8]| {
        let one = |n: u8, vouchers: &[u8]| match objectors.contains(&n) {
            true => (n, objecting(vouchers, &[4])),
            false => (n, standing(vouchers)),
        };
        let all = [
            one(1, &[]),
            one(2, &[1]),
            one(3, &[1]),
            one(4, &[1]),
            // Came in on the word of 4 alone.
            one(5, &[4]),
        ];
        let roster = roster(&charter(&[1], 1), &all);
        (roster.place_of(&org(4)), roster.place_of(&org(5)))
    };
    let members = (Some(Place::Member), Some(Place::Member));
    assert_eq!(with(&[1]), members);
    assert_eq!(with(&[1, 5]), members, "5 has no voice");
    assert_eq!(
        with(&[1, 2, 3]),
        (Some(Place::Removed), Some(Place::Applicant))
    );
    assert_eq!(with(&[1, 2]), members, "two of four are not more than half");
}

#[test]
fn of_two_neither_can_remove_the_other() {
    let roster = roster(
        &charter(&[1], 1),
        &[(1, objecting(&[], &[2])), (2, objecting(&[1], &[1]))],
    );
    assert_eq!(roster.member_count(), 2);
}

/// One hostile member with fifty organisations of its own, against ten, where one vouch is enough.
fn swarm(objectors: &[u8]) -> Roster {
    let mut all: Vec<(u8, Standing)> = vec![(1, standing(&[]))];
    all.extend((2..=10).map(|n| (n, standing(&[1]))));
    for (n, standing) in &mut all {
        if objectors.contains(n) {
            standing.objections = orgs(&[10]);
        }
    }
    let honest: Vec<u8> = (1..=9).collect();
    all.extend((100..150).map(|n| (n, objecting(&[10], &honest))));
    if let Some(hostile) = all.iter_mut().find(|(n, _)| *n == 10) {
        hostile.1.objections = orgs(&honest);
    }
    roster(&charter(&[1], 1), &all)
}

#[test]
fn a_swarm_throws_nobody_out_and_cannot_stay_against_the_majority() {
    let before = swarm(&[]);
    assert_eq!(before.member_count(), 60);
    assert!((1..=10).all(|n| before.is_member(&org(n))));
    assert!(!before.has_voice(&org(100)));
    let after = swarm(&[1, 2, 3, 4, 5, 6]);
    assert_eq!(after.place_of(&org(10)), Some(Place::Removed));
    assert!((100..150).all(|n| after.place_of(&org(n)) == Some(Place::Applicant)));
    assert_eq!(after.member_count(), 9);
}

#[test]
fn the_founder_leaves_having_objected_to_everyone_and_the_others_go_on() {
    let charter = charter(&[1], 1);
    let gone = Standing {
        left_epoch: 1,
        ..objecting(&[], &[2, 3, 4, 5, 6, 7, 8, 9, 10])
    };
    let next = text(1);
    let terms = Terms {
        previous: founding(&charter),
        vouches_needed: 2,
    };
    let mut all = vec![(1, gone)];
    all.extend((2..=10).map(|n| {
        let accepting = Standing {
            amendments: (n <= 7)
                .then_some((founding(&charter), next))
                .into_iter()
                .collect(),
            ..standing(&[1])
        };
        (n, accepting)
    }));
    all.push((11, standing(&[2, 3])));
    all.push((12, standing(&[2])));
    let before = roster(&charter, &all);
    assert_eq!(before.member_count(), 11);
    let after = Roster::compute(
        &charter,
        &[(next, terms)].into(),
        &super::known(&charter, &all),
    );
    assert_eq!(after.charter_in_force(), Some(next));
    assert_eq!(after.vouches_needed(), 2);
    assert!(after.is_member(&org(11)));
    assert_eq!(after.place_of(&org(12)), Some(Place::Applicant));
    // Those who did not accept hold one vouch, of a founder who is an anchor no more.
    assert_eq!(after.place_of(&org(9)), Some(Place::Applicant));
}

#[test]
fn of_rival_amendments_one_at_most_comes_into_force() {
    let charter = charter(&[1, 2, 3], 1);
    let accepting = |n: u8| Standing {
        amendments: [(founding(&charter), text(n))].into(),
        ..standing(&[])
    };
    let terms = Terms {
        previous: founding(&charter),
        vouches_needed: 1,
    };
    let known = [(text(7), terms), (text(8), terms)].into();
    let with = |choices: [u8; 3]| {
        let all: Vec<_> = (1..).zip(choices.map(accepting)).collect();
        Roster::compute(&charter, &known, &super::known(&charter, &all)).charter_in_force()
    };
    assert_eq!(with([7, 8, 9]), Some(founding(&charter)));
    assert_eq!(with([7, 8, 8]), Some(text(8)));
    assert_eq!(with([7, 8, 7]), Some(text(7)));
}

#[test]
fn an_organisation_under_a_new_key_is_one_organisation() {
    let old = Standing {
        left_epoch: 1,
        ..standing(&[1])
    };
    let new = Standing {
        rekeyed_from: orgs(&[3]),
        ..standing(&[])
    };
    // 5 needs two vouches, and has those of 3 before and after it changed its key.
    let roster = roster(
        &charter(&[1, 2], 2),
        &[
            (1, standing(&[])),
            (2, standing(&[])),
            (
                3,
                Standing {
                    vouches: standing(&[1, 2]).vouches,
                    ..old
                },
            ),
            (4, new),
            (5, standing(&[3, 4])),
        ],
    );
    assert_eq!(roster.place_of(&org(3)), Some(Place::Left));
    assert!(roster.is_member(&org(4)));
    assert_eq!(roster.heir_of(&org(3)), Some(org(4)));
    assert_eq!(roster.place_of(&org(5)), Some(Place::Applicant));
}

#[test]
fn a_lost_key_is_replaced_by_the_word_of_more_than_half_of_the_vouchers() {
    let with = |voters: &[u8], thief: bool| {
        let voter = |n: u8, vouchers: &[u8]| {
            let mut it = standing(vouchers);
            if voters.contains(&n) {
                it.successors = [(org(4), org(5))].into();
            }
            (n, it)
        };
        let claimant = Standing {
            claims: orgs(&[4]),
            ..standing(&[])
        };
        let stolen = Standing {
            rekeyed_from: orgs(&[4]),
            ..standing(&[])
        };
        let mut all = vec![
            voter(1, &[]),
            voter(2, &[1]),
            voter(3, &[1]),
            (4, standing(&[1, 2, 3])),
            (5, claimant),
        ];
        if thief {
            all.push((6, stolen));
        }
        let roster = roster(&charter(&[1], 1), &all);
        (roster.heir_of(&org(4)), roster.place_of(&org(4)))
    };
    assert_eq!(with(&[1], false), (None, Some(Place::Member)));
    let replaced = (Some(org(5)), Some(Place::Replaced));
    assert_eq!(with(&[1, 2], false), replaced);
    assert_eq!(with(&[1], true).0, Some(org(6)));
    assert_eq!(with(&[1, 2], true), replaced, "the vouchers outrank a key");
}

#[test]
fn an_old_key_does_not_come_back_when_its_organisation_has_left() {
    let gone = Standing {
        epoch: 0,
        left_epoch: 1,
        rekeyed_from: orgs(&[3]),
        ..standing(&[])
    };
    let thief = Standing {
        epoch: 2,
        left_epoch: 1,
        ..standing(&[1, 2])
    };
    let all = [
        (1, standing(&[])),
        (2, standing(&[])),
        (3, thief),
        (4, gone),
    ];
    let roster = roster(&charter(&[1, 2], 2), &all);
    assert_eq!(roster.place_of(&org(3)), Some(Place::Replaced));
    assert_eq!(roster.place_of(&org(4)), Some(Place::Left));
    assert_eq!(roster.member_count(), 2);
}

/// A small network in which 1, 2 and 3 vouch for 4, and 5 claims its place by the word of some of them.
fn claimed(vouched: Vec<(u8, Standing)>, votes: &[(u8, u8)]) -> Roster {
    let claimant = Standing {
        claims: votes.iter().map(|(_, old)| org(*old)).collect(),
        ..standing(&[])
    };
    let mut all = vouched;
    for (voter, old) in votes {
        for (_, it) in all.iter_mut().filter(|(n, _)| n == voter) {
            it.successors.insert(org(*old), org(5));
        }
    }
    all.push((5, claimant));
    roster(&charter(&[1], 1), &all)
}

fn rekeyed(from: u8) -> Standing {
    Standing {
        rekeyed_from: orgs(&[from]),
        ..standing(&[])
    }
}

#[test]
fn who_changed_its_key_still_has_a_say_in_whom_it_vouched_for() {
    let network = || {
        vec![
            (1, standing(&[])),
            (2, standing(&[1])),
            (3, standing(&[1])),
            (4, standing(&[1, 2, 3])),
            (6, rekeyed(2)),
        ]
    };
    let roster = claimed(network(), &[(1, 4), (6, 4)]);
    assert_eq!(roster.heir_of(&org(4)), Some(org(5)));
    // Its old card has no second word, and none of its own.
    let roster = claimed(network(), &[(2, 4), (6, 4)]);
    assert_eq!(roster.heir_of(&org(4)), None);
}

#[test]
fn a_key_that_was_changed_once_can_be_lost_as_well() {
    let network = || {
        vec![
            (1, standing(&[])),
            (2, standing(&[1])),
            (3, standing(&[1])),
            (4, standing(&[1, 2, 3])),
            (7, rekeyed(4)),
        ]
    };
    let one = claimed(network(), &[(1, 7)]);
    assert_eq!(one.heir_of(&org(7)), None);
    let two = claimed(network(), &[(1, 7), (2, 7)]);
    assert_eq!(two.heir_of(&org(7)), Some(org(5)));
    assert_eq!(two.heir_of(&org(4)), Some(org(5)), "and with it the first");
    assert!(two.is_member(&org(5)));
}

#[test]
fn who_holds_a_stolen_key_has_no_say_in_who_goes_on_for_it() {
    // The only voucher of 4 has left, so everybody with a voice decides; but not the thief of its key.
    let network = |thief: bool| {
        let mut gone = standing(&[1]);
        (gone.epoch, gone.left_epoch) = (0, 1);
        let mut all = vec![
            (1, standing(&[])),
            (2, standing(&[1])),
            (3, gone),
            (4, standing(&[3])),
        ];
        if thief {
            all.push((7, rekeyed(4)));
        }
        all
    };
    for thief in [false, true] {
        let one = claimed(network(thief), &[(1, 4)]);
        assert_ne!(one.heir_of(&org(4)), Some(org(5)), "{thief}");
        let both = claimed(network(thief), &[(1, 4), (2, 4)]);
        assert_eq!(both.heir_of(&org(4)), Some(org(5)), "{thief}");
    }
}
