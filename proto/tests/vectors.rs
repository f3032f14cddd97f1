//! Test vectors: what this version writes, byte for byte.
//!
//! The files in `vectors/` are committed. Each test computes them afresh from fixed seeds and compares, so
//! that a later version cannot drift, and a second implementation has something to hold itself to. To
//! write them anew after a change of the protocol that is meant (and that therefore has a new format
//! number), set `FINGERPOST_WRITE_VECTORS=1` and run `cargo test -p fingerpost-proto --test vectors`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may read files and stops at what it did not expect; the protocol does neither"
)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use fingerpost_proto::card::{Card, Identifier, Membership};
use fingerpost_proto::certificate::{Delegated, Departure, FORMAT, Vouch};
use fingerpost_proto::ids::{CharterId, DocKey, DocName, NetworkId, OrgId, RecordId};
use fingerpost_proto::keys::{Domain, SecretKey};
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::record::{Hash, Instance, Record, Seen, SignedRecord, Writer};
use fingerpost_proto::replica::Item;
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::sync::{Farewell, Frame, SaltedId, Scope, Tag, VERSION};
use fingerpost_proto::ticket::Ticket;
use serde_json::{Value, json};

use support::{NOW_S, charter, delegation, hex, keep, node, root, signed};

fn sibling() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

fn joiner() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

fn state() -> Vec<u8> {
    let mut state = ShardState::empty(0);
    state.organization = Some(Organization {
        id: "3b1e9d1c-7c51-4f0e-9d52-000000000001".into(),
        name: "Brixton Advice".into(),
        ..Organization::default()
    });
    let mut service = Service {
        id: "3b1e9d1c-7c51-4f0e-9d52-000000000002".into(),
        name: "Débt advice".into(),
        ..Service::default()
    };
    service
        .extra
        .insert("x_payer".into(), json!({"nhs": true, "share": 0.5}));
    state.services.insert(service);
    state.to_bytes().unwrap()
}

fn record() -> SignedRecord {
    let state = state();
    let writer = |key: &SecretKey, instance| Writer {
        node: key.node_id(),
        instance: Instance([instance; 8]),
    };
    let record = Record {
        format: 1,
        org: root().org_id(),
        document: DocName::Listing(0),
        writer: writer(&node(), 6),
        seq: 300,
        saw: vec![Seen {
            writer: writer(&sibling(), 7),
            seq: 2,
        }],
        heads: vec![Hash([8; 32])],
        state_hash: Hash::of(&state),
        state_bytes: state.len() as u64,
        issued_at_s: NOW_S,
        generation: None,
    };
    SignedRecord::sign(record, &node()).unwrap()
}

fn vouch() -> Signed<Vouch> {
    let vouch = Vouch {
        format: FORMAT,
        network: charter().network(),
        subject: joiner().org_id(),
        voucher: root().org_id(),
        node: node().node_id(),
        issued_at_s: NOW_S,
        note: Some("Known to us for years".into()),
    };
    Signed::sign(vouch, &node())
}

fn ticket() -> Ticket {
    let key = SecretKey::from_seed(&[9; 32]);
    let addresses = vec![
        "/ip4/192.0.2.7/udp/7787/quic-v1".into(),
        "/dns4/node.example.org/tcp/7787".into(),
    ];
    Ticket::issue(
        charter().network(),
        delegation(),
        &node(),
        key,
        NOW_S,
        NOW_S + 604_800,
        addresses,
    )
}

fn membership() -> Membership {
    Membership {
        epoch: 2,
        accepted_at_s: NOW_S,
        vouches: [(root().org_id(), Delegated::new(&vouch(), &delegation()))].into(),
        invitation: Some(ticket().redeem(joiner().org_id(), NOW_S + 60)),
        ..Membership::default()
    }
}

fn ids() -> Value {
    let bytes: [u8; 32] = std::array::from_fn(|at| at as u8);
    let org = OrgId::from_bytes(bytes);
    let key = |name| hex(&DocKey { org, name }.to_bytes());
    json!({
        "bytes": hex(&bytes),
        "organisation": {"full": org.to_string(), "short": org.short()},
        "network": {"full": NetworkId::from_bytes(bytes).to_string(), "short": NetworkId::from_bytes(bytes).short()},
        "record": {"full": RecordId::from_bytes(bytes).to_string(), "short": RecordId::from_bytes(bytes).short()},
        "node": {"seed": hex(&[2; 32]), "public": hex(&node().public()), "full": node().node_id().to_string()},
        "document_keys": {
            "card": key(DocName::Card),
            "listing/0": key(DocName::Listing(0)),
            "listing/63": key(DocName::Listing(63)),
            "board": key(DocName::Board),
        },
    })
}

fn signatures() -> Value {
    let domains = [
        Domain::Record,
        Domain::Delegation,
        Domain::Vouch,
        Domain::Invitation,
        Domain::Redemption,
        Domain::Departure,
    ];
    let one = |domain: Domain| {
        json!({"domain": domain.as_str(), "seed": hex(&[1; 32]), "payload": hex(b"payload"),
            "signature": hex(&root().sign(domain, b"payload"))})
    };
    domains.map(one).to_vec().into()
}

fn records() -> Value {
    let record = record();
    json!({
        "organisation_seed": hex(&[1; 32]),
        "node_seed": hex(&[2; 32]),
        "delegation": signed(&delegation()),
        "record": signed(record.signed()),
        "record_id": record.id().to_string(),
        "state": String::from_utf8(state()).unwrap(),
        "state_sha256": hex(&Hash::of(&state()).0),
    })
}

fn cards() -> Value {
    let mut card = Card::new("Lambeth Listeners");
    card.aliases.push("The Listeners".into());
    card.identifiers.push(Identifier {
        scheme: "GB-CHC".into(),
        identifier: "1000000".into(),
    });
    card.delegations.push(Carry::new(&delegation()));
    card.nodes
        .insert(node().node_id(), vec!["/ip4/192.0.2.7/tcp/7787".into()]);
    card.networks.insert(charter().network(), membership());
    let departure = Departure {
        format: FORMAT,
        network: charter().network(),
        org: root().org_id(),
        node: node().node_id(),
        epoch: 1,
        left_at_s: NOW_S,
        membership: fingerpost_proto::json::to_bytes(&Membership {
            epoch: 1,
            ..Membership::default()
        })
        .unwrap(),
    };
    let proven = membership().proven(&charter().network(), &joiner().org_id());
    json!({
        "card": String::from_utf8(card.to_bytes()).unwrap(),
        "vouch": signed(&vouch()),
        "departure": signed(&Signed::sign(departure, &node())),
        "proven_vouchers": proven.iter().map(|vouch| vouch.voucher.to_string()).collect::<Vec<_>>(),
    })
}

fn networks() -> Value {
    json!({
        "charter": hex(&charter().to_bytes()),
        "network": charter().network().to_string(),
        "ticket": ticket().to_text(),
        "ticket_key_seed": hex(&[9; 32]),
        "invitation": signed(&ticket().invitation),
    })
}

fn frames() -> Value {
    let nonces = [[1; 16], [2; 16]];
    let salt = nonces.concat();
    let salted = Hash::of(&[salt.as_slice(), record().id().as_bytes()].concat());
    let item = Item::Record {
        record: record().to_bytes(),
        delegation: Some(delegation().to_bytes()),
        state: Some(state()),
    };
    let departure = Item::Departure {
        departure: vec![1, 2],
        delegation: vec![3],
    };
    let tag = Tag::of(&charter().network(), &nonces);
    let all: BTreeMap<&str, Frame> = [
        (
            "00 hello",
            Frame::Hello {
                version: VERSION,
                nonce: nonces[0],
            },
        ),
        (
            "01 networks",
            Frame::Networks {
                tags: vec![tag],
                known: vec![tag],
            },
        ),
        ("02 want charter", Frame::WantCharter { tag }),
        (
            "03 charter",
            Frame::Charter {
                charter: charter().to_bytes(),
                in_force: None,
                chain: vec![CharterId::from_bytes(*charter().network().as_bytes())],
            },
        ),
        (
            "04 open",
            Frame::Open {
                scope: Scope::Rest,
                count: 300,
                message: vec![0x61],
            },
        ),
        (
            "05 reconcile",
            Frame::Reconcile {
                message: vec![0x61, 0],
            },
        ),
        ("06 send all", Frame::SendAll),
        (
            "07 want",
            Frame::Want {
                ids: vec![SaltedId(salted.0)],
            },
        ),
        (
            "08 items",
            Frame::Items {
                items: vec![item.clone(), departure],
            },
        ),
        (
            "09 done",
            Frame::Done {
                scope: Scope::Cards,
            },
        ),
        (
            "10 receipt",
            Frame::Receipt {
                accepted: 3,
                refused: 1,
                complete: true,
            },
        ),
        (
            "11 bye",
            Frame::Bye {
                farewell: Farewell::NothingInCommon,
            },
        ),
        (
            "12 introduce",
            Frame::Introduce {
                items: vec![item],
                delegations: vec![delegation().to_bytes().into()],
                known: vec![tag],
            },
        ),
    ]
    .into();
    let bytes: BTreeMap<&str, String> = all
        .iter()
        .map(|(name, frame)| (*name, hex(&frame.to_bytes())))
        .collect();
    for (name, frame) in &all {
        assert_eq!(
            Frame::parse(&frame.to_bytes()).as_ref(),
            Ok(frame),
            "{name}"
        );
    }
    json!({
        "nonces": {"initiator": hex(&nonces[0]), "responder": hex(&nonces[1])},
        "network": charter().network().to_string(),
        "tag": hex(&tag.0),
        "record_id": record().id().to_string(),
        "salted_id": hex(&salted.0),
        "reconciliation_order": {
            "organisation": root().org_id().to_string(),
            "timestamp": u64::from_be_bytes(*Hash::of(root().org_id().as_bytes()).0.first_chunk().unwrap()),
        },
        "frames": bytes,
    })
}

#[test]
fn identifiers_stay_as_they_are() {
    keep("ids", &ids());
}

#[test]
fn signatures_stay_as_they_are() {
    keep("signatures", &signatures());
}

#[test]
fn records_stay_as_they_are() {
    keep("records", &records());
}

#[test]
fn cards_and_departures_stay_as_they_are() {
    keep("cards", &cards());
}

#[test]
fn charters_and_tickets_stay_as_they_are() {
    keep("networks", &networks());
}

#[test]
fn frames_stay_as_they_are() {
    keep("frames", &frames());
}

/// What is committed is not only stable but good: it passes every check of a receiver.
#[test]
fn the_committed_item_is_accepted() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/records.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |value: &Value| {
        let text = value.as_str().unwrap();
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let item = Item::Record {
        record: bytes(&vectors["record"]["carried"]),
        delegation: Some(bytes(&vectors["delegation"]["carried"])),
        state: Some(vectors["state"].as_str().unwrap().into()),
    };
    assert!(item.check().is_ok());
}
