//! Every limit on what organisations say of one another is met by a test that crosses it by one.

use super::*;
use crate::card::{
    Acceptance, Card, CardError, Membership, Objection, Pause, Settled, SuccessorVote,
};
use crate::certificate::{Amendment, FORMAT, LastRecord, Rekeying, Revocation, Sealed, Vouch};
use crate::ids::{CharterId, InviteId};
use crate::limits::*;
use crate::record::{Hash, Instance};
use crate::signed::{Carry, Signed, SignedError};
use crate::testing::{NOW_S, is_accepted, key};

fn bytes(n: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    bytes
}

/// What a card is refused for whose membership was changed.
fn verdict(change: impl FnOnce(&mut Membership)) -> Result<(), CardError> {
    let mut membership = Membership::default();
    change(&mut membership);
    let mut card = Card::new("x");
    card.networks
        .insert(NetworkId::from_bytes([1; 32]), membership);
    Card::parse(&card.to_bytes()).map(|_| ())
}

#[test]
fn a_membership_may_say_so_much() {
    let member = Party::new(2);
    let vouch = member.vouch(NetworkId::from_bytes([1; 32]), OrgId::from_bytes([9; 32]));
    let org = |n| OrgId::from_bytes(bytes(n));
    let text = |n| CharterId::from_bytes(bytes(n));
    let given =
        |count| verdict(|it| it.given = (0..count).map(|n| (org(n), vouch.clone())).collect());
    let invitations = |count| {
        let settled = Settled {
            used_by: None,
            at_s: 0,
        };
        let one = |n| (InviteId::from_bytes(bytes(n)), settled.clone());
        verdict(|it| it.invitations = (0..count).map(one).collect())
    };
    let objections = |count| {
        let objection = Objection {
            reason: String::new(),
            at_s: 0,
        };
        verdict(|it| it.objections = (0..count).map(|n| (org(n), objection.clone())).collect())
    };
    let amendments = |count| {
        let acceptance = Acceptance {
            amendment: text(0),
            at_s: 0,
        };
        verdict(|it| it.amendments = (0..count).map(|n| (text(n), acceptance.clone())).collect())
    };
    let successors = |count| {
        let vote = SuccessorVote {
            to: org(0),
            at_s: 0,
        };
        verdict(|it| it.successors = (0..count).map(|n| (org(n), vote.clone())).collect())
    };
    let claims = |count| verdict(|it| it.claims = (0..count).map(org).collect());
    type Case<'a> = (
        &'a dyn Fn(usize) -> Result<(), CardError>,
        usize,
        &'static str,
    );
    let cases: [Case<'_>; 6] = [
        (&given, GIVEN_PER_NETWORK_MAX, "vouches for others"),
        (&invitations, INVITATIONS_PER_NETWORK_MAX, "invitations"),
        (&objections, OBJECTIONS_PER_NETWORK_MAX, "objections"),
        (&amendments, AMENDMENTS_IN_FORCE_MAX, "amendments"),
        (&successors, SUCCESSIONS_PER_NETWORK_MAX, "successions"),
        (&claims, SUCCESSIONS_PER_NETWORK_MAX, "successions"),
    ];
    for (with, most, what) in cases {
        assert_eq!(with(most), Ok(()), "{what}");
        assert_eq!(with(most + 1), Err(CardError::TooMany(what)));
    }
}

#[test]
fn a_reason_may_be_so_long() {
    let reason = |length: usize| {
        let objection = Objection {
            reason: "r".repeat(length),
            at_s: 0,
        };
        verdict(|it| it.objections = [(OrgId::from_bytes([3; 32]), objection)].into())
    };
    assert_eq!(reason(REASON_MAX_BYTES), Ok(()));
    assert_eq!(reason(REASON_MAX_BYTES + 1), Err(CardError::ReasonTooLong));
}

#[test]
fn a_card_may_list_so_many_keys_and_pauses() {
    let (root, old) = (key(1, 1), key(1, 2));
    let revocation = Revocation {
        format: FORMAT,
        org: root.org_id(),
        node: key(2, 9).node_id(),
        revoked_at_s: NOW_S,
        last: Vec::new(),
    };
    let revocation = Carry::new(&Signed::sign(revocation, &root));
    let rekeying = Rekeying {
        format: FORMAT,
        old: old.org_id(),
        new: root.org_id(),
        at_s: NOW_S,
    };
    let rekeying = Carry::new(&Signed::sign(rekeying, &old));
    let pause = Pause {
        from: "2026-12-24".into(),
        until: "2027-01-02".into(),
        note: None,
    };
    let with = |change: &dyn Fn(&mut Card)| {
        let mut card = Card::new("x");
        change(&mut card);
        card.check()
    };
    let too_many = |what| Err(CardError::TooMany(what));
    for (over, what) in [(0, None), (1, Some("revocations"))] {
        let all = vec![revocation.clone(); REVOCATIONS_MAX + over];
        let verdict = with(&|card| card.revocations = all.clone());
        assert_eq!(verdict, what.map_or(Ok(()), too_many));
    }
    for (over, what) in [(0, None), (1, Some("older keys"))] {
        let all = vec![rekeying.clone(); REKEYINGS_MAX + over];
        let verdict = with(&|card| card.rekeyings = all.clone());
        assert_eq!(verdict, what.map_or(Ok(()), too_many));
    }
    for (over, what) in [(0, None), (1, Some("pauses"))] {
        let all = vec![pause.clone(); PAUSES_MAX + over];
        let verdict = with(&|card| card.pauses = all.clone());
        assert_eq!(verdict, what.map_or(Ok(()), too_many));
    }
}

#[test]
fn the_longest_note_leaves_a_vouch_within_its_limit_and_a_revocation_has_one() {
    let member = Party::new(2);
    let vouch = |length: usize| {
        let vouch = Vouch {
            format: FORMAT,
            network: NetworkId::from_bytes([1; 32]),
            subject: OrgId::from_bytes([9; 32]),
            voucher: member.org(),
            node: member.id(),
            issued_at_s: u64::MAX,
            note: Some("n".repeat(length)),
        };
        Signed::<Vouch>::verified(&Signed::sign(vouch, &member.node).to_bytes()).map(|_| ())
    };
    assert_eq!(vouch(NOTE_MAX_BYTES), Ok(()));
    assert_eq!(vouch(CERTIFICATE_MAX_BYTES), Err(SignedError::TooLarge));
    let revocation = |instances: u64| {
        let last = (0..instances)
            .map(|n| LastRecord {
                document: DocName::Card,
                instance: Instance(n.to_be_bytes()),
                seq: n,
            })
            .collect();
        let revocation = Revocation {
            format: FORMAT,
            org: member.org(),
            node: key(2, 9).node_id(),
            revoked_at_s: NOW_S,
            last,
        };
        let bytes = Signed::sign(revocation, &member.root).to_bytes();
        (
            bytes.len(),
            Signed::<Revocation>::verified(&bytes).map(|_| ()),
        )
    };
    assert_eq!(revocation(400).1, Ok(()));
    let (size, refused) = revocation(800);
    assert!(size > REVOCATION_MAX_BYTES);
    assert_eq!(refused, Err(SignedError::TooLarge));
}

#[test]
fn one_member_may_propose_so_many_amendments_and_nobody_accepts() {
    let World {
        member,
        network,
        mut replica,
        ..
    } = world();
    let propose = |number: usize| {
        let amendment = Amendment {
            format: FORMAT,
            network,
            previous: CharterId::from_bytes(*network.as_bytes()),
            name: "Brixton".into(),
            text: format!("Text {number}"),
            vouches_needed: 1,
            proposer: member.org(),
            node: member.id(),
            proposed_at_s: NOW_S,
        };
        Item::Amendment {
            amendment: Signed::sign(amendment, &member.node).to_bytes(),
            delegation: member.delegation.to_bytes(),
        }
    };
    for number in 0..AMENDMENTS_PER_ORG_MAX {
        assert!(is_accepted(&send(&mut replica, propose(number))));
    }
    let over = send(&mut replica, propose(AMENDMENTS_PER_ORG_MAX));
    assert_eq!(over, Outcome::Refused(Refusal::TooManyAmendments));
}

#[test]
fn a_sealed_document_may_have_so_many_bytes() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let id = replica.record_ids(&member.doc(DocName::Card))[0];
    let sealed = |size: usize| {
        let bytes = vec![7; size];
        let sealed = Sealed {
            format: FORMAT,
            org: member.org(),
            document: DocName::Card,
            node: member.id(),
            record: id,
            hash: Hash::of(&bytes),
            size_bytes: size as u64,
            sealed_at_s: NOW_S,
            generation: None,
        };
        Item::Sealed {
            sealed: Signed::sign(sealed, &member.node).to_bytes(),
            bytes,
        }
    };
    let over = send(&mut replica, sealed(SEALED_MAX_BYTES + 1));
    assert_eq!(over, Outcome::Refused(Refusal::SealedTooLarge));
    assert!(is_accepted(&send(&mut replica, sealed(SEALED_MAX_BYTES))));
}

/// How many of the members keep the sealed documents of each, on average.
fn keepers_each(members: usize) -> f64 {
    let founder = Party::new(1);
    let all: Vec<Party> = (1..=members as u32).map(Party::new).collect();
    let charter = charter(1, 1, &[&founder]);
    let network = charter.network();
    let mut replica = founder.replica(&[&charter]);
    for member in &all {
        send(&mut replica, member.first_card(network, &[&founder]));
    }
    let owners: Vec<OrgId> = all.iter().take(20).map(Party::org).collect();
    let mut kept = 0;
    for owner in &owners {
        for keeper in &all {
            kept += usize::from(replica.keeps_sealed(&[keeper.org()], owner, &[network]));
        }
    }
    kept as f64 / owners.len() as f64
}

#[test]
fn in_a_small_network_all_keep_sealed_documents_and_in_a_larger_one_some() {
    let small = SEALED_EVERYWHERE_MAX_ORGS;
    assert_eq!(keepers_each(small), small as f64);
    let some = keepers_each(3 * small);
    let wanted = SEALED_KEEPERS as f64;
    assert!((wanted / 2.0..wanted * 2.0).contains(&some), "{some}");
}
