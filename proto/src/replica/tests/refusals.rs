//! Each way in which an update can be wrong has its own typed reason, and changes nothing.

use super::*;
use crate::card::CardError;
use crate::cbor::CborError;
use crate::certificate::{CertificateError, Role};
use crate::keys::BadSignature;
use crate::record::{RecordError, Seen};
use crate::signed::{Signed, SignedError};
use crate::testing::{NOW_S, delegation, key, listing, without_state};

const SHARD: DocName = DocName::Listing(0);

fn refused(replica: &mut Replica<MemoryStorage>, item: Item) -> Refusal {
    let before = replica.storage().clone();
    let outcome = send(replica, item);
    assert_eq!(*replica.storage(), before, "a refusal changed the store");
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn parts(item: &Item) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let Item::Record {
        record,
        delegation,
        state,
    } = item.clone()
    else {
        panic!("not a record")
    };
    (record, delegation.unwrap(), state.unwrap())
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut wrong = bytes.to_vec();
        wrong[bit / 8] ^= 1 << (bit % 8);
        wrong
    })
}

#[test]
fn one_flipped_bit_of_a_record() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let item = member.item(SHARD, 1, &[], &listing(0, 2, "x"));
    let (record, delegation, state) = parts(&item);
    let mut names = std::collections::BTreeSet::new();
    for wrong in flipped(&record) {
        let item = Item::Record {
            record: wrong,
            delegation: Some(delegation.clone()),
            state: Some(state.clone()),
        };
        names.insert(refused(&mut replica, item).name());
    }
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["bad_signature", "malformed"]
    );
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
}

#[test]
fn one_flipped_bit_of_a_delegation() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let item = member.item(SHARD, 1, &[], &listing(0, 2, "x"));
    let (record, delegation, state) = parts(&item);
    for wrong in flipped(&delegation) {
        let (record, state) = (record.clone(), Some(state.clone()));
        let item = Item::Record {
            record,
            delegation: Some(wrong),
            state,
        };
        assert!(matches!(
            refused(&mut replica, item),
            Refusal::BadDelegation(_)
        ));
    }
}

#[test]
fn one_flipped_bit_of_a_state() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let item = member.item(SHARD, 1, &[], &listing(0, 2, "x"));
    let (record, delegation, state) = parts(&item);
    for wrong in flipped(&state) {
        let (record, delegation) = (record.clone(), Some(delegation.clone()));
        let item = Item::Record {
            record,
            delegation,
            state: Some(wrong),
        };
        assert_eq!(refused(&mut replica, item), Refusal::StateMismatch);
    }
}

#[test]
fn one_flipped_bit_of_a_departure() {
    let World {
        founder,
        member,
        network,
        mut replica,
        ..
    } = world();
    let item = member.departure(&member.membership(network, 1, &[&founder]), network, NOW_S);
    let Item::Departure {
        departure,
        delegation,
    } = item
    else {
        panic!("not a departure")
    };
    for wrong in flipped(&departure) {
        let item = Item::Departure {
            departure: wrong,
            delegation: delegation.clone(),
        };
        assert!(matches!(refused(&mut replica, item), Refusal::Signed(_)));
    }
    for wrong in flipped(&delegation) {
        let item = Item::Departure {
            departure: departure.clone(),
            delegation: wrong,
        };
        assert!(matches!(
            refused(&mut replica, item),
            Refusal::BadDelegation(_)
        ));
    }
}

#[test]
fn a_key_that_was_never_delegated() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let thief = Party::on(2, 66, Role::Admin);
    let state = listing(0, 1, "x");
    let wanted = Refusal::NotDelegated {
        org: member.org(),
        node: thief.id(),
    };
    // Without a delegation, with that of another node, with one by another organisation.
    let (record, own, _) = parts(&thief.item(SHARD, 1, &[], &state));
    for delegation in [
        None,
        Some(member.delegation.to_bytes()),
        Some(delegation(&key(1, 66), thief.id(), Role::Admin, 0, None).to_bytes()),
    ] {
        let item = Item::Record {
            record: record.clone(),
            delegation,
            state: Some(state.clone()),
        };
        assert_eq!(refused(&mut replica, item), wanted);
    }
    let item = Item::Record {
        record,
        delegation: Some(own),
        state: Some(state),
    };
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
}

#[test]
fn a_record_signed_by_another_than_it_names() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    let record = member.record(SHARD, 1, &[], &state);
    let item = Item::Record {
        record: Signed::sign(record, &key(2, 66)).to_bytes(),
        delegation: Some(member.delegation.to_bytes()),
        state: Some(state),
    };
    assert_eq!(
        refused(&mut replica, item),
        Refusal::Signed(SignedError::BadSignature(BadSignature))
    );
}

#[test]
fn a_replayed_older_record_changes_nothing() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let old = member.item(SHARD, 1, &[], &listing(0, 1, "old"));
    let new = member.item(SHARD, 2, &[], &listing(0, 1, "new"));
    assert!(matches!(
        send(&mut replica, old.clone()),
        Outcome::Accepted(_)
    ));
    assert!(matches!(
        send(&mut replica, new.clone()),
        Outcome::Accepted(_)
    ));
    let before = replica.storage().clone();
    assert_eq!(send(&mut replica, old), Outcome::Dominated);
    assert_eq!(send(&mut replica, new), Outcome::AlreadyKnown);
    assert_eq!(*replica.storage(), before);
}

#[test]
fn a_state_of_another_record() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let (record, delegation, _) = parts(&member.item(SHARD, 1, &[], &listing(0, 1, "x")));
    for state in [listing(0, 1, "y"), listing(0, 2, "x"), Vec::new()] {
        let (record, delegation) = (record.clone(), Some(delegation.clone()));
        let item = Item::Record {
            record,
            delegation,
            state: Some(state),
        };
        assert_eq!(refused(&mut replica, item), Refusal::StateMismatch);
    }
}

#[test]
fn an_editor_may_not_write_the_card() {
    let World {
        founder,
        network,
        mut replica,
        ..
    } = world();
    let editor = Party::on(2, 3, Role::Editor);
    let wanted = Refusal::RoleForbids {
        role: Role::Editor,
        document: DocName::Card,
    };
    assert_eq!(
        refused(&mut replica, editor.first_card(network, &[&founder])),
        wanted
    );
    let item = editor.item(SHARD, 1, &[], &listing(0, 1, "x"));
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
    let item = editor.item(
        DocName::Board,
        1,
        &[],
        br#"{"format":1,"kind":"board","notices":[]}"#,
    );
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
}

#[test]
fn a_delegation_that_did_not_hold_when_the_record_was_issued() {
    let World { mut replica, .. } = world();
    let node = Party::on(2, 3, Role::Admin);
    let state = listing(0, 1, "x");
    let wanted = Refusal::DelegationNotValid(node.id());
    for (from_s, until_s) in [(NOW_S + 1, None), (0, Some(NOW_S)), (0, Some(1))] {
        let item = node
            .delegated(Role::Admin, from_s, until_s)
            .item(SHARD, 1, &[], &state);
        assert_eq!(refused(&mut replica, item), wanted);
    }
    let item = node
        .delegated(Role::Admin, NOW_S, Some(NOW_S + 1))
        .item(SHARD, 1, &[], &state);
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
}

#[test]
fn a_record_from_the_future() {
    let World {
        member,
        founder,
        network,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    let mut record = member.record(SHARD, 1, &[], &state);
    record.issued_at_s = NOW_S + crate::limits::CLOCK_AHEAD_MAX_S + 1;
    let ahead = Refusal::FromTheFuture(crate::limits::CLOCK_AHEAD_MAX_S + 1);
    assert_eq!(
        refused(&mut replica, member.sign(record.clone(), &state)),
        ahead
    );
    record.issued_at_s -= 1;
    assert!(matches!(
        send(&mut replica, member.sign(record, &state)),
        Outcome::Accepted(_)
    ));
    let membership = member.membership(network, 1, &[&founder]);
    let late = NOW_S + crate::limits::CLOCK_AHEAD_MAX_S + 1;
    assert_eq!(
        refused(&mut replica, member.departure(&membership, network, late)),
        ahead
    );
}

#[test]
fn an_unknown_format_of_each_kind() {
    let World {
        member,
        founder,
        network,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    let mut record = member.record(SHARD, 1, &[], &state);
    record.format = 2;
    let item = member.sign(record, &state);
    assert_eq!(
        refused(&mut replica, item),
        Refusal::Record(RecordError::UnknownFormat(2))
    );

    let text = String::from_utf8(state)
        .unwrap()
        .replace("\"format\":1", "\"format\":2");
    let refusal = refused(&mut replica, member.item(SHARD, 1, &[], text.as_bytes()));
    let Refusal::Listing(crate::listing::StateError::UnknownFormat { .. }) = &refusal else {
        panic!("{refusal:?}")
    };
    assert!(!refusal.is_senders_fault());

    let card = br#"{"format":2,"kind":"card","name":"x"}"#;
    let refusal = refused(&mut replica, member.item(DocName::Card, 2, &[], card));
    assert_eq!(refusal, Refusal::Card(CardError::UnknownFormat(2)));
    assert!(
        !refusal.is_senders_fault(),
        "an honest peer may pass on what we are too old to read"
    );

    let mut later = member.delegation.get().clone();
    later.format = 2;
    let later = Party {
        delegation: Signed::sign(later, &member.root),
        ..Party::on(2, 9, Role::Admin)
    };
    let later = Party {
        node: member.node.clone(),
        ..later
    };
    let membership = member.membership(network, 1, &[&founder]);
    let refusal = refused(&mut replica, later.departure(&membership, network, NOW_S));
    assert_eq!(
        refusal,
        Refusal::Certificate(CertificateError::UnknownFormat(2))
    );
}

#[test]
fn a_record_whose_content_breaks_a_rule() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    let own = Seen {
        writer: member.writer(),
        seq: 1,
    };
    let record = member.record(SHARD, 1, &[own], &state);
    let refusal = refused(&mut replica, member.sign(record, &state));
    assert_eq!(refusal, Refusal::Record(RecordError::BadSaw));
    let record = member.record(SHARD, 0, &[], &state);
    let refusal = refused(&mut replica, member.sign(record, &state));
    assert_eq!(refusal, Refusal::Record(RecordError::ZeroSeq));
}

#[test]
fn an_organisation_that_is_not_a_member() {
    let World {
        network,
        mut replica,
        ..
    } = world();
    let stranger = Party::new(40);
    let wanted = Refusal::NotAMember(stranger.org());
    let state = listing(0, 1, "x");
    assert_eq!(
        refused(&mut replica, stranger.item(SHARD, 1, &[], &state)),
        wanted
    );
    let card = stranger.item(DocName::Card, 1, &[], &stranger.card(&[]).to_bytes());
    assert_eq!(refused(&mut replica, card), wanted);
    // A card that travels without its state proves nothing yet.
    let applicant = stranger.first_card(network, &[]);
    assert_eq!(refused(&mut replica, without_state(&applicant)), wanted);
    // An applicant's card is held; its listing is not.
    assert!(matches!(
        send(&mut replica, applicant),
        Outcome::Accepted(_)
    ));
    assert_eq!(replica.place(&stranger.org()), Some(Place::Applicant));
    assert_eq!(
        refused(&mut replica, stranger.item(SHARD, 1, &[], &state)),
        wanted
    );
}

#[test]
fn an_organisation_that_has_left() {
    let World {
        member,
        founder,
        network,
        mut replica,
        ..
    } = world();
    let card = member.first_card(network, &[&founder]);
    let membership = member.membership(network, 1, &[&founder]);
    let item = member.departure(&membership, network, NOW_S);
    assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
    let wanted = Refusal::HasLeft(member.org());
    assert_eq!(refused(&mut replica, card), wanted);
    let item = member.item(SHARD, 1, &[], &listing(0, 1, "x"));
    assert_eq!(refused(&mut replica, item), wanted);
}

#[test]
fn a_departure_by_an_editor_of_nothing_or_of_a_network_that_we_do_not_know() {
    let World {
        member,
        founder,
        network,
        mut replica,
        ..
    } = world();
    let membership = member.membership(network, 1, &[&founder]);
    let editor = Party::on(2, 3, Role::Editor);
    let refusal = refused(&mut replica, editor.departure(&membership, network, NOW_S));
    assert_eq!(refusal, Refusal::Certificate(CertificateError::NotAllowed));
    let nothing = member.membership(network, 0, &[&founder]);
    let refusal = refused(&mut replica, member.departure(&nothing, network, NOW_S));
    let malformed = SignedError::Malformed(CborError::Malformed);
    assert_eq!(refusal, Refusal::Certificate(malformed.into()));
    let elsewhere = NetworkId::from_bytes([9; 32]);
    let refusal = refused(
        &mut replica,
        member.departure(&membership, elsewhere, NOW_S),
    );
    assert_eq!(refusal, Refusal::NotAMember(member.org()));
}

#[test]
fn only_what_no_honest_sender_could_send_counts_against_it() {
    let org = Party::new(1).org();
    let node = Party::new(1).id();
    for (refusal, fault) in [
        (Refusal::StateMismatch, true),
        (Refusal::Signed(SignedError::TooLarge), true),
        (Refusal::DelegationNotValid(node), true),
        (Refusal::Card(CardError::BadName), true),
        (Refusal::NotAMember(org), false),
        (Refusal::HasLeft(org), false),
        (Refusal::NotDelegated { org, node }, false),
        (Refusal::TooManyNodes, false),
        (Refusal::TooManyConcurrent, false),
        (Refusal::TooManyApplicants, false),
        (Refusal::FromTheFuture(601), false),
    ] {
        assert_eq!(refusal.is_senders_fault(), fault, "{refusal}");
    }
}
