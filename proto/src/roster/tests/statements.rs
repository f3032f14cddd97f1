//! Properties of the roster under every kind of statement.

use proptest::prelude::*;

use super::*;

const ORGS: u8 = 8;

/// Anything that an organisation may say, true or not.
fn standings() -> impl Strategy<Value = Standing> {
    let org = || (0..ORGS).prop_map(org);
    let few = || prop::collection::btree_set(org(), 0..3);
    let text = || (0u8..4).prop_map(text);
    let invite = |n: u8| InviteId::from_bytes([n; 32]);
    let vouch = (org(), prop::option::of((0u64..3, 0u8..3)));
    let vouches = prop::collection::vec(vouch, 0..4).prop_map(move |all| {
        let one = |(voucher, by): (OrgId, Option<(u64, u8)>)| ProvenVouch {
            voucher,
            by_invitation: by.map(|(at_s, n)| (at_s, invite(n))),
        };
        let mut all: Vec<ProvenVouch> = all.into_iter().map(one).collect();
        all.sort();
        all.dedup();
        all
    });
    let said = (
        few(),
        prop::collection::btree_map(text(), text(), 0..3),
        prop::collection::btree_map(org(), org(), 0..2),
        few(),
        prop::collection::btree_set(org(), 0..2),
        prop::collection::btree_map(0u8..3, prop::option::of(org()), 0..2),
    );
    (0u32..3, 0u32..2, vouches, said).prop_map(
        move |(
            epoch,
            left_epoch,
            vouches,
            (objections, amendments, successors, claims, older, settled),
        )| {
            let settled = settled.into_iter().map(|(n, by)| (invite(n), by));
            Standing {
                epoch: if epoch > left_epoch { epoch } else { 0 },
                left_epoch,
                vouches,
                objections,
                amendments,
                successors,
                claims,
                rekeyed_from: older,
                invitations: settled.collect(),
            }
        },
    )
}

fn worlds() -> impl Strategy<Value = (u32, Vec<Standing>)> {
    (1u32..4, prop::collection::vec(standings(), ORGS as usize))
}

fn terms(charter: &Charter) -> BTreeMap<CharterId, Terms> {
    let from = |previous: CharterId, vouches_needed| Terms {
        previous,
        vouches_needed,
    };
    [
        (text(0), from(founding(charter), 2)),
        (text(1), from(founding(charter), 1)),
        (text(2), from(text(0), 1)),
    ]
    .into()
}

/// What a card calls the first text stands for the founding one, whose id is a hash.
fn named(charter: &Charter, mut standing: Standing) -> Standing {
    if let Some(to) = standing.amendments.remove(&text(3)) {
        standing.amendments.insert(founding(charter), to);
    }
    standing
}

fn compute(needed: u32, all: impl Iterator<Item = (OrgId, Standing)>) -> Roster {
    let charter = charter(&[0, 1, 2], needed);
    let all = all.map(|(org, it)| (org, named(&charter, it)));
    Roster::compute(&charter, &terms(&charter), &register(&charter, all))
}

fn numbered(all: &[Standing]) -> impl DoubleEndedIterator<Item = (OrgId, Standing)> + '_ {
    (0..ORGS)
        .zip(all)
        .map(|(n, standing)| (org(n), standing.clone()))
}

proptest! {
    /// The roster is a function of a set: neither order nor repetition moves it, whatever is said.
    #[test]
    fn order_and_repetition_do_not_matter((needed, all) in worlds()) {
        let forwards = compute(needed, numbered(&all));
        let twice = numbered(&all).rev().chain(numbered(&all));
        prop_assert_eq!(forwards, compute(needed, twice));
    }

    /// A register that has lived through anything says what one says that was told only how things stand, to every
    /// question.
    #[test]
    fn how_a_register_came_to_be_does_not_matter(
        needed in 1u32..4,
        changes in prop::collection::vec((0..ORGS, prop::option::weighted(0.8, standings())), 0..60),
    ) {
        let charter = charter(&[0, 1, 2], needed);
        let mut lived = Register::new(charter.anchors.iter().copied());
        let mut now = BTreeMap::new();
        for (n, standing) in changes {
            let standing = standing.map(|it| named(&charter, it));
            match &standing {
                Some(standing) => now.insert(org(n), standing.clone()),
                None => now.remove(&org(n)),
            };
            lived.set(org(n), standing);
        }
        prop_assert_eq!(lived.len(), now.len());
        let told = register(&charter, now.into_iter().rev());
        let rosters = [&lived, &told].map(|it| Roster::compute(&charter, &terms(&charter), it));
        prop_assert_eq!(&rosters[0], &rosters[1]);
        let answers = [(&rosters[0], &lived), (&rosters[1], &told)].map(|(roster, known)| {
            roster.inquire(known, |inquiry| {
                let asked = |n: u8| {
                    let n = org(n);
                    (
                        inquiry.vouchers(&n),
                        inquiry.invitation_used_by(&n),
                        inquiry.objectors(&n),
                        inquiry.objections_needed(&n),
                        inquiry.line_of(&n),
                    )
                };
                let all: Vec<_> = (0..ORGS).map(asked).collect();
                (all, inquiry.accused(), inquiry.successions())
            })
        });
        prop_assert_eq!(&answers[0], &answers[1]);
    }

    /// No text comes into force without its majority, the chain ends, and a voice is a member's.
    #[test]
    fn what_a_roster_says_hangs_together((needed, all) in worlds()) {
        let roster = compute(needed, numbered(&all));
        prop_assert!(roster.chain().len() <= 3);
        for (org, place) in roster.places() {
            prop_assert!(!roster.has_voice(org) || place == Place::Member);
            prop_assert!(place != Place::Member || roster.is_admitted(org));
            prop_assert!(place != Place::Replaced || roster.heir_of(org).is_some());
        }
        let members = roster.places().filter(|(_, place)| *place == Place::Member).count();
        prop_assert_eq!(members, roster.member_count());
    }

    /// Whoever withdraws everything, or leaves, or is wiped, the founder included, takes nobody along.
    #[test]
    fn withdrawing_takes_nobody_along(
        needed in 1u32..3,
        vouches in prop::collection::vec((0..ORGS, 0..ORGS), 0..30),
        who in 0..ORGS,
        leaves: bool,
    ) {
        let standing_of = |n: u8| {
            let by: BTreeSet<u8> = vouches.iter().filter(|(from, to)| *to == n && from != to).map(|(from, _)| *from).collect();
            standing(&by.into_iter().collect::<Vec<_>>())
        };
        let all: Vec<Standing> = (0..ORGS).map(standing_of).collect();
        let before = compute(needed, numbered(&all));
        let mut quiet = all.clone();
        if leaves {
            quiet[who as usize].left_epoch = 1;
            quiet[who as usize].epoch = 0;
        } else {
            // All that it said of others is gone; what proves its own place it cannot take from them.
            quiet[who as usize] = Standing { vouches: all[who as usize].vouches.clone(), ..standing(&[]) };
        }
        quiet[who as usize].objections = (0..ORGS).filter(|n| *n != who && !leaves).map(org).collect();
        let after = compute(needed, numbered(&quiet));
        for (other, place) in before.places().filter(|(other, _)| **other != org(who)) {
            prop_assert!(place != Place::Member || after.is_member(other), "{other:?}");
        }
    }
}

/// As a start reads them: in the order of ids, most before those who vouch for them. Were the numbers put in order after
/// each, this would take minutes.
#[test]
fn many_statements_that_mention_others_not_heard_yet_are_taken_in_quickly() {
    const MANY: u32 = 20_000;
    let id = |number: u32| OrgId::from_bytes(crate::record::Hash::of(&number.to_be_bytes()).0);
    let founder = id(0);
    let mut charter = charter(&[], 1);
    charter.anchors = [founder].into();
    let said = |number: u32| Standing {
        epoch: 1,
        vouches: [number / 2, number / 3, number / 5]
            .into_iter()
            .filter(|voucher| *voucher != number)
            .map(|voucher| ProvenVouch {
                voucher: id(voucher),
                by_invitation: None,
            })
            .collect(),
        ..Standing::default()
    };
    let sorted: BTreeMap<OrgId, u32> = (0..MANY).map(|number| (id(number), number)).collect();
    let mut register = Register::new([founder]);
    for (org, number) in &sorted {
        register.set(*org, Some(said(*number)));
    }
    // Some were only ever mentioned by those who say nothing any more.
    for number in MANY / 2..MANY {
        register.set(id(number), None);
    }
    let roster = Roster::compute(&charter, &BTreeMap::new(), &register);
    assert_eq!(roster.member_count(), MANY as usize / 2);
}
