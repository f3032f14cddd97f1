//! Every limit that the replica keeps is met by a test that crosses it by one.

use super::*;
use crate::card::{Card, CardError, Membership};
use crate::certificate::Role;
use crate::json::JsonError;
use crate::limits::*;
use crate::listing::StateError;
use crate::record::{Hash, RecordError, Seen, Writer};
use crate::signed::SignedError;
use crate::testing::{NOW_S, key, listing};

/// What becomes of a state of the member's, as its first record of a document.
fn verdict(name: DocName, state: &[u8]) -> Result<(), Refusal> {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let seq = if name.is_card() { 2 } else { 1 };
    match send(&mut replica, member.item(name, seq, &[], state)) {
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::Accepted(_) => Ok(()),
        other => panic!("{other:?}"),
    }
}

fn shard(with: &str) -> Vec<u8> {
    format!(r#"{{"format":1,"kind":"listing","shard":0,"services":[]{with}}}"#).into_bytes()
}

fn card(change: impl FnOnce(&mut Card)) -> Vec<u8> {
    let World {
        founder,
        member,
        network,
        ..
    } = world();
    let mut card = member.card(&[(network, 1, &[&founder])]);
    change(&mut card);
    card.to_bytes()
}

#[test]
fn a_state_may_have_so_many_bytes() {
    // Filled with texts that each stay under their own limit.
    let filled = |bytes: usize| {
        let mut with = String::new();
        let mut left = bytes - shard("").len();
        for number in 0.. {
            let frame = format!(r#","x_{number:04}":"""#).len();
            if left == 0 {
                break;
            }
            let mut text = (left - frame).min(TEXT_MAX_BYTES);
            if left - frame - text > 0 && left - frame - text < frame {
                text -= frame;
            }
            with.push_str(&format!(r#","x_{number:04}":"{}""#, "a".repeat(text)));
            left -= frame + text;
        }
        shard(&with)
    };
    assert_eq!(filled(STATE_MAX_BYTES).len(), STATE_MAX_BYTES);
    assert_eq!(
        verdict(DocName::Listing(0), &filled(STATE_MAX_BYTES)),
        Ok(())
    );
    let over = filled(STATE_MAX_BYTES + 1);
    assert_eq!(
        verdict(DocName::Listing(0), &over),
        Err(Refusal::Record(RecordError::StateTooLarge(
            over.len() as u64
        )))
    );
    // A record that lies about the length is caught by the length.
    let World {
        member,
        mut replica,
        ..
    } = world();
    let mut record = member.record(DocName::Listing(0), 1, &[], &over);
    record.state_bytes = 1;
    assert_eq!(
        send(&mut replica, member.sign(record, &over)),
        Outcome::Refused(Refusal::StateMismatch)
    );
}

#[test]
fn a_state_may_be_nested_so_deep() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        shard(&format!(
            r#","x_deep":{}{}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        ))
    };
    assert_eq!(
        verdict(DocName::Listing(0), &nested(JSON_MAX_DEPTH)),
        Ok(())
    );
    let refusal = verdict(DocName::Listing(0), &nested(JSON_MAX_DEPTH + 1)).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Listing(StateError::TooDeep { .. })),
        "{refusal:?}"
    );
    let deep = card(|card| {
        let value =
            (0..JSON_MAX_DEPTH).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        card.extra.insert("x_deep".into(), value);
    });
    let refusal = verdict(DocName::Card, &deep).unwrap_err();
    assert!(
        matches!(
            refusal,
            Refusal::Card(CardError::Json(JsonError::TooDeep { .. }))
        ),
        "{refusal:?}"
    );
}

#[test]
fn a_text_may_be_so_long() {
    let text = |bytes: usize| shard(&format!(r#","x_text":"{}""#, "a".repeat(bytes)));
    assert_eq!(verdict(DocName::Listing(0), &text(TEXT_MAX_BYTES)), Ok(()));
    let refusal = verdict(DocName::Listing(0), &text(TEXT_MAX_BYTES + 1)).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Listing(StateError::TextTooLong { .. })),
        "{refusal:?}"
    );
}

#[test]
fn a_name_and_an_id_may_be_so_long() {
    let service = |id: usize, name: usize| {
        let (id, name) = ("i".repeat(id), "n".repeat(name));
        format!(
            r#"{{"format":1,"kind":"listing","shard":0,"services":[{{"id":"{id}","name":"{name}"}}]}}"#
        )
    };
    let of = |id, name| verdict(DocName::Listing(0), service(id, name).as_bytes());
    assert_eq!(of(ID_MAX_BYTES, NAME_MAX_BYTES), Ok(()));
    let refusal = of(ID_MAX_BYTES, NAME_MAX_BYTES + 1).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Listing(StateError::TextTooLong { .. })),
        "{refusal:?}"
    );
    let refusal = of(ID_MAX_BYTES + 1, NAME_MAX_BYTES).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Listing(StateError::Field { .. })),
        "{refusal:?}"
    );
    let long = card(|card| card.name = "n".repeat(NAME_MAX_BYTES + 1));
    assert_eq!(
        verdict(DocName::Card, &long),
        Err(Refusal::Card(CardError::BadName))
    );
}

#[test]
fn a_shard_may_hold_so_many_services_and_bear_such_a_number() {
    assert_eq!(
        verdict(
            DocName::Listing(0),
            &listing(0, SERVICES_PER_SHARD_MAX, "x")
        ),
        Ok(())
    );
    let services: Vec<_> = (0..=SERVICES_PER_SHARD_MAX)
        .map(|number| serde_json::json!({"id": number.to_string(), "name": "n"}))
        .collect();
    let over =
        serde_json::json!({"format": 1, "kind": "listing", "shard": 0, "services": services});
    let refusal = verdict(DocName::Listing(0), over.to_string().as_bytes()).unwrap_err();
    let Refusal::Listing(StateError::TooMany {
        what: "services",
        count,
        max,
    }) = refusal
    else {
        panic!("{refusal:?}")
    };
    assert_eq!(
        (count, max),
        (SERVICES_PER_SHARD_MAX + 1, SERVICES_PER_SHARD_MAX)
    );

    let last = SHARDS_MAX - 1;
    assert_eq!(
        verdict(DocName::Listing(last), &listing(last, 1, "x")),
        Ok(())
    );
    // No document has a higher number: a record that names one is not a record.
    let refusal = verdict(DocName::Listing(SHARDS_MAX), &shard("")).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Signed(SignedError::Malformed(_))),
        "{refusal:?}"
    );
    let refusal = verdict(DocName::Listing(1), &listing(2, 1, "x")).unwrap_err();
    let wrong = StateError::WrongShard {
        expected: 1,
        found: 2,
    };
    assert_eq!(refusal, Refusal::Listing(wrong));
}

#[test]
fn a_board_may_hold_so_many_notices_and_replies() {
    let board = |notices: usize, replies: usize| {
        let notice = |n| serde_json::json!({"id": format!("{n}"), "kind": "need", "title": "A venue", "expires": "2026-12-31"});
        let reply = |n| serde_json::json!({"id": format!("{n}"), "organisation": "o", "notice": "n", "text": "We have one"});
        let value = serde_json::json!({
            "format": 1, "kind": "board",
            "notices": (0..notices).map(notice).collect::<Vec<_>>(),
            "replies": (0..replies).map(reply).collect::<Vec<_>>(),
        });
        verdict(DocName::Board, value.to_string().as_bytes())
    };
    assert_eq!(board(NOTICES_MAX, REPLIES_MAX), Ok(()));
    for (refusal, wanted) in [
        (board(NOTICES_MAX + 1, 0), "notices"),
        (board(0, REPLIES_MAX + 1), "replies"),
    ] {
        let Err(Refusal::Board(StateError::TooMany { what, .. })) = refusal else {
            panic!("{refusal:?}")
        };
        assert_eq!(what, wanted);
    }
}

#[test]
fn a_card_may_hold_so_many_of_each() {
    let World {
        founder,
        member,
        network,
        ..
    } = world();
    let too_many = |what| Err(Refusal::Card(CardError::TooMany(what)));
    let networks = |count: usize| {
        card(|card| {
            for n in 1..count {
                card.networks
                    .insert(NetworkId::from_bytes([n as u8; 32]), Membership::default());
            }
        })
    };
    assert_eq!(
        verdict(DocName::Card, &networks(NETWORKS_PER_ORG_MAX)),
        Ok(())
    );
    assert_eq!(
        verdict(DocName::Card, &networks(NETWORKS_PER_ORG_MAX + 1)),
        too_many("networks")
    );
    let delegations = |count: usize| {
        card(|card| {
            card.delegations = vec![crate::signed::Carry::new(&member.delegation); count];
        })
    };
    assert_eq!(
        verdict(DocName::Card, &delegations(NODES_PER_ORG_MAX)),
        Ok(())
    );
    assert_eq!(
        verdict(DocName::Card, &delegations(NODES_PER_ORG_MAX + 1)),
        too_many("delegations")
    );
    let nodes = |count: usize, addresses: usize| {
        card(|card| {
            for n in 0..count {
                let addresses = vec!["/ip4/10.0.0.1/tcp/1".to_owned(); addresses];
                card.nodes
                    .insert(NodeId::from_bytes([n as u8; 32]), addresses);
            }
        })
    };
    assert_eq!(
        verdict(DocName::Card, &nodes(NODES_PER_ORG_MAX, ADDRESSES_MAX)),
        Ok(())
    );
    assert_eq!(
        verdict(DocName::Card, &nodes(NODES_PER_ORG_MAX + 1, 1)),
        too_many("nodes")
    );
    assert_eq!(
        verdict(DocName::Card, &nodes(1, ADDRESSES_MAX + 1)),
        too_many("addresses")
    );
    let vouches = |count: usize| {
        card(|card| {
            let vouch = founder.vouch(network, member.org());
            let held = &mut card.networks.get_mut(&network).unwrap().vouches;
            held.extend((1..count).map(|n| (OrgId::from_bytes([n as u8; 32]), vouch.clone())));
        })
    };
    assert_eq!(
        verdict(DocName::Card, &vouches(VOUCHES_PER_NETWORK_MAX)),
        Ok(())
    );
    assert_eq!(
        verdict(DocName::Card, &vouches(VOUCHES_PER_NETWORK_MAX + 1)),
        too_many("vouches")
    );
}

#[test]
fn a_record_and_a_certificate_may_have_so_many_bytes() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    for (record, delegation, wanted) in [
        (
            vec![0; RECORD_MAX_BYTES + 1],
            member.delegation.to_bytes(),
            Refusal::Signed(SignedError::TooLarge),
        ),
        (
            crate::signed::Signed::sign(
                member.record(DocName::Listing(0), 1, &[], &state),
                &member.node,
            )
            .to_bytes(),
            vec![0; CERTIFICATE_MAX_BYTES + 1],
            Refusal::BadDelegation(SignedError::TooLarge),
        ),
    ] {
        let item = Item::Record {
            record,
            delegation: Some(delegation),
            state: None,
        };
        assert_eq!(send(&mut replica, item), Outcome::Refused(wanted));
    }
    let departure = vec![0; DEPARTURE_MAX_BYTES + 1];
    let item = Item::Departure {
        departure,
        delegation: member.delegation.to_bytes(),
    };
    assert_eq!(
        send(&mut replica, item),
        Outcome::Refused(Refusal::Signed(SignedError::TooLarge))
    );
}

#[test]
fn whoever_holds_the_most_vouches_can_still_leave() {
    let World {
        network, member, ..
    } = world();
    let vouchers: Vec<Party> = (100..100 + VOUCHES_PER_NETWORK_MAX as u32)
        .map(Party::new)
        .collect();
    let by: Vec<&Party> = vouchers.iter().collect();
    let mut membership = member.membership(network, 1, &by);
    let ticket = crate::ticket::Ticket::issue(
        network,
        vouchers[0].delegation.clone(),
        &vouchers[0].node,
        key(3, 1),
        NOW_S,
        NOW_S + 100,
        Vec::new(),
    );
    membership.invitation = Some(ticket.redeem(member.org(), NOW_S));
    let Item::Departure { departure, .. } = member.departure(&membership, network, NOW_S) else {
        panic!("not a departure")
    };
    assert!(
        departure.len() <= DEPARTURE_MAX_BYTES,
        "{} bytes",
        departure.len()
    );
}

#[test]
fn a_record_may_name_so_many_writers_and_heads() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let state = listing(0, 1, "x");
    let seen = |n: usize| Seen {
        writer: Writer {
            node: key(2, 500 + n as u32).node_id(),
            ..member.writer()
        },
        seq: 1,
    };
    let saw: Vec<Seen> = (0..=SAW_MAX_WRITERS).map(seen).collect();
    let over = member.item(DocName::Listing(0), 1, &saw, &state);
    assert_eq!(
        send(&mut replica, over),
        Outcome::Refused(Refusal::Record(RecordError::BadSaw))
    );
    let full = member.item(DocName::Listing(0), 1, &saw[1..], &state);
    assert!(matches!(send(&mut replica, full), Outcome::Accepted(_)));
    let mut record = member.record(DocName::Listing(0), 2, &[], &state);
    record.heads = (0..=HEADS_MAX as u8).map(|n| Hash([n; 32])).collect();
    let refusal = send(&mut replica, member.sign(record.clone(), &state));
    assert_eq!(
        refusal,
        Outcome::Refused(Refusal::Record(RecordError::BadHeads))
    );
    record.heads.pop();
    assert!(matches!(
        send(&mut replica, member.sign(record, &state)),
        Outcome::Accepted(_)
    ));
}

#[test]
fn so_many_nodes_may_write_for_an_organisation() {
    let World { mut replica, .. } = world();
    let state = listing(0, 1, "x");
    let nth = |n: usize| Party::on(2, 100 + n as u32, Role::Editor);
    // The member's own node is one of them.
    for n in 1..NODES_PER_ORG_MAX {
        let shard = DocName::Listing(n as u16);
        let outcome = send(
            &mut replica,
            nth(n).item(shard, 1, &[], &listing(n as u16, 1, "x")),
        );
        assert!(matches!(outcome, Outcome::Accepted(_)), "{n}: {outcome:?}");
    }
    let one_more = nth(NODES_PER_ORG_MAX).item(DocName::Listing(0), 1, &[], &state);
    assert_eq!(
        send(&mut replica, one_more),
        Outcome::Refused(Refusal::TooManyNodes)
    );
    // A node that is known already may be given another delegation.
    let renewed = nth(1).delegated(Role::Admin, 5, None);
    let outcome = send(
        &mut replica,
        renewed.item(DocName::Listing(0), 1, &[], &state),
    );
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

#[test]
fn so_many_delegations_of_one_node_are_kept() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    for n in 0..=DELEGATIONS_PER_NODE_MAX as u64 {
        let renewed = member.delegated(Role::Admin, n + 1, None);
        let item = renewed.item(DocName::Listing(0), n + 1, &[], &listing(0, 1, "x"));
        assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
    }
    let kept = replica.delegations(&member.org(), &member.id()).unwrap();
    let latest = member
        .delegated(Role::Admin, DELEGATIONS_PER_NODE_MAX as u64 + 1, None)
        .delegation;
    assert_eq!(kept.last(), Some(&latest));
    let one = crate::cbor::to_vec(&minicbor::bytes::ByteVec::from(latest.to_bytes())).len();
    assert!(kept.encode().len() <= DELEGATIONS_PER_NODE_MAX * one + 3);
}

#[test]
fn so_many_concurrent_records_are_kept() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let nth = |n: usize| Party {
        instance: crate::record::Instance([n as u8; 8]),
        ..member.clone()
    };
    let item = |n: usize, issued_at_s: u64| {
        let state = listing(0, 1, &n.to_string());
        let record = crate::record::Record {
            issued_at_s,
            ..nth(n).record(DocName::Listing(0), 1, &[], &state)
        };
        nth(n).sign(record, &state)
    };
    for n in 0..CONCURRENT_MAX_RECORDS {
        assert!(matches!(
            send(&mut replica, item(n, NOW_S)),
            Outcome::Accepted(_)
        ));
    }
    // One that the fixed rule puts last is refused, one that it puts first takes the last one's place.
    let outcome = send(&mut replica, item(100, NOW_S - 1));
    assert_eq!(outcome, Outcome::Refused(Refusal::TooManyConcurrent));
    assert!(matches!(
        send(&mut replica, item(101, NOW_S + 1)),
        Outcome::Accepted(_)
    ));
    let shown = replica
        .shown(&member.doc(DocName::Listing(0)))
        .unwrap()
        .unwrap();
    assert_eq!(shown.state, listing(0, 1, "101"));
    assert_eq!(shown.concurrent, CONCURRENT_MAX_RECORDS - 1);
    let states = replica
        .storage()
        .entries()
        .filter(|(table, ..)| *table == Table::States);
    assert_eq!(
        states.count(),
        CONCURRENT_MAX_RECORDS + 2,
        "the evicted state stayed behind"
    );
}

#[test]
fn so_many_applicants_are_held_and_members_still_get_in() {
    let World {
        founder,
        member,
        network,
        mut replica,
        ..
    } = world();
    let nth = |n: usize| Party::new(1000 + n as u32);
    for n in 0..APPLICANTS_MAX {
        // Vouched for by organisations that nobody knows: worth nothing.
        let invented = nth(n + APPLICANTS_MAX * 2);
        let outcome = send(&mut replica, nth(n).first_card(network, &[&invented]));
        assert!(matches!(outcome, Outcome::Accepted(_)), "{n}: {outcome:?}");
    }
    let full = Outcome::Refused(Refusal::TooManyApplicants);
    let late = nth(APPLICANTS_MAX);
    assert_eq!(send(&mut replica, late.first_card(network, &[])), full);
    assert_eq!(
        send(&mut replica, late.first_card(network, &[&nth(5)])),
        full
    );
    let departure = late.departure(&late.membership(network, 1, &[&nth(5)]), network, NOW_S);
    assert_eq!(send(&mut replica, departure), full);
    // Those whom members vouch for get in, and so do known ones.
    for voucher in [&founder, &member] {
        let friend = Party::new(if voucher.org() == founder.org() {
            500
        } else {
            501
        });
        let outcome = send(&mut replica, friend.first_card(network, &[voucher]));
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        assert_eq!(replica.place(&friend.org()), Some(Place::Member));
    }
    let again = nth(0).item(
        DocName::Card,
        2,
        &[],
        &nth(0).card(&[(network, 1, &[])]).to_bytes(),
    );
    assert!(matches!(send(&mut replica, again), Outcome::Accepted(_)));
}

#[test]
fn an_invitation_that_is_used_again_and_again_is_no_way_round_the_limit() {
    let World {
        founder,
        network,
        mut replica,
        ..
    } = world();
    let ticket = crate::ticket::Ticket::issue(
        network,
        founder.delegation.clone(),
        &founder.node,
        key(3, 1),
        NOW_S - 1,
        NOW_S + 100,
        Vec::new(),
    );
    let mut outcomes = std::collections::BTreeMap::new();
    for n in 0..APPLICANTS_MAX + 10 {
        let party = Party::new(1000 + n as u32);
        let mut card = party.card(&[(network, 1, &[])]);
        card.networks.get_mut(&network).unwrap().invitation =
            Some(ticket.redeem(party.org(), NOW_S));
        let outcome = send(
            &mut replica,
            party.item(DocName::Card, 1, &[], &card.to_bytes()),
        );
        *outcomes
            .entry(matches!(outcome, Outcome::Accepted(_)))
            .or_insert(0) += 1;
    }
    assert_eq!(outcomes[&true], APPLICANTS_MAX + 1);
    assert_eq!(replica.roster(&network).unwrap().member_count(), 3);
}
