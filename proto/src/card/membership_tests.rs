//! Cards come back with all that they say of a network, and vouches count only within their limits.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::card::Card;
use crate::certificate::FORMAT;
use crate::ids::NodeId;
use crate::signed::Signed;
use crate::testing::Party;

fn vouch(voucher: &Party, subject: OrgId, note: Option<String>) -> Delegated<Vouch> {
    let vouch = Vouch {
        format: FORMAT,
        network: network(),
        subject,
        voucher: voucher.org(),
        node: voucher.id(),
        issued_at_s: 1,
        note,
    };
    Delegated::new(&Signed::sign(vouch, &voucher.node), &voucher.delegation)
}

fn network() -> NetworkId {
    NetworkId::from_bytes([1; 32])
}

#[test]
fn a_vouch_with_too_long_a_note_counts_for_nothing() {
    let (voucher, subject) = (Party::new(1), Party::new(2).org());
    let counted = |length: usize| {
        // Within the limit of certificates in either case: it is the note that decides.
        let vouch = vouch(&voucher, subject, Some("n".repeat(length)));
        assert!(vouch.verified().is_ok());
        let membership = Membership {
            vouches: [(voucher.org(), vouch)].into(),
            ..Membership::default()
        };
        membership.proven(&network(), &subject).len()
    };
    assert_eq!(counted(limits::NOTE_MAX_BYTES), 1);
    assert_eq!(counted(limits::NOTE_MAX_BYTES + 1), 0);
}

fn org() -> impl Strategy<Value = OrgId> {
    any::<[u8; 32]>().prop_map(OrgId::from_bytes)
}

fn text() -> impl Strategy<Value = CharterId> {
    any::<[u8; 32]>().prop_map(CharterId::from_bytes)
}

fn vouches() -> impl Strategy<Value = BTreeMap<OrgId, Delegated<Vouch>>> {
    let one = (0..40_u32, org(), option::of("\\PC{0,40}"));
    vec(one, 0..3).prop_map(|all| {
        all.into_iter()
            .map(|(by, subject, note)| {
                let voucher = Party::new(by);
                (voucher.org(), vouch(&voucher, subject, note))
            })
            .collect()
    })
}

fn invitation() -> impl Strategy<Value = Option<Redeemed>> {
    option::of((org(), 0..9_u64)).prop_map(|used| {
        used.map(|(subject, at_s)| {
            let (inviter, seed) = (Party::new(7), crate::testing::key(5, 7));
            let delegation = inviter.delegation.clone();
            let ticket = crate::ticket::Ticket::issue(
                network(),
                delegation,
                &inviter.node,
                seed,
                0,
                10,
                Vec::new(),
            );
            ticket.redeem(subject, at_s)
        })
    })
}

prop_compose! {
    fn words()(
        invitations in btree_map(any::<[u8; 32]>().prop_map(InviteId::from_bytes), (option::of(org()), any::<u64>()), 0..4),
        objections in btree_map(org(), ("\\PC{0,60}", any::<u64>()), 0..4),
        amendments in btree_map(text(), (text(), any::<u64>()), 0..4),
        successors in btree_map(org(), (org(), any::<u64>()), 0..4),
        claims in btree_set(org(), 0..4),
    ) -> Membership {
        let settled = |(used_by, at_s)| Settled { used_by, at_s };
        let objection = |(reason, at_s)| Objection { reason, at_s };
        let acceptance = |(amendment, at_s)| Acceptance { amendment, at_s };
        let vote = |(to, at_s)| SuccessorVote { to, at_s };
        Membership {
            invitations: invitations.into_iter().map(|(key, it)| (key, settled(it))).collect(),
            objections: objections.into_iter().map(|(to, it)| (to, objection(it))).collect(),
            amendments: amendments.into_iter().map(|(of, it)| (of, acceptance(it))).collect(),
            successors: successors.into_iter().map(|(old, it)| (old, vote(it))).collect(),
            claims,
            ..Membership::default()
        }
    }
}

prop_compose! {
    fn memberships()(
        words in words(),
        epoch in any::<u32>(),
        accepted_at_s in any::<u64>(),
        vouches in vouches(),
        given in vouches(),
        invitation in invitation(),
        later in option::of("[a-z]{1,8}"),
    ) -> Membership {
        let extra = later.map(|field| (format!("x_{field}"), serde_json::json!([1, "two"])));
        Membership { epoch, accepted_at_s, vouches, given, invitation, extra: extra.into_iter().collect(), ..words }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_card_comes_back_with_everything_that_it_says_of_its_networks(
        all in btree_map(any::<[u8; 32]>().prop_map(NetworkId::from_bytes), memberships(), 1..4),
        nodes in btree_map(any::<[u8; 32]>().prop_map(NodeId::from_bytes), vec("/ip4/[0-9]{1,2}", 0..3), 0..3),
    ) {
        let mut card = Card::new("Brixton Advice");
        card.networks = all;
        card.nodes = nodes;
        let bytes = card.to_bytes();
        let again = Card::parse(&bytes);
        prop_assert_eq!(again.as_ref(), Ok(&card));
        prop_assert_eq!(again.map(|card| card.to_bytes()), Ok(bytes), "the bytes are the same again");
    }

    #[test]
    fn a_departure_carries_the_proof_and_no_word_of_others(membership in memberships()) {
        let carried = membership.for_departure(Vec::new());
        for subject in [Party::new(1).org(), OrgId::from_bytes([9; 32])] {
            prop_assert_eq!(carried.proven(&network(), &subject), membership.proven(&network(), &subject));
        }
        prop_assert_eq!(&carried.amendments, &membership.amendments);
        prop_assert_eq!(&carried.invitations, &membership.invitations);
        let said = carried.objections.len() + carried.given.len() + carried.claims.len() + carried.successors.len();
        prop_assert_eq!(said, 0);
    }
}
