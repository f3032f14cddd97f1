//! Test vectors of membership: certificates, a card that says everything, and the roster of a small world.
//!
//! Like those of `vectors.rs`, which says how they are written anew.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::BTreeMap;

use fingerpost_proto::card::{Acceptance, Card, Membership, Objection, Settled, SuccessorVote};
use fingerpost_proto::certificate::{
    Amendment, Delegated, Delegation, FORMAT, LastRecord, Rekeying, Revocation, Role, Sealed,
    Vouch, charter_id,
};
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{CharterId, DocName, InviteId, NetworkId, OrgId, RecordId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{Hash, Instance};
use fingerpost_proto::roster::{Place, Register, Roster, Standing, Terms};
use fingerpost_proto::signed::{Carry, Signed};
use serde_json::{Value, json};

use support::{NOW_S, charter, delegation, hex, keep, node, root, signed};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn amendment() -> Signed<Amendment> {
    let amendment = Amendment {
        format: FORMAT,
        network: charter().network(),
        previous: CharterId::from_bytes(*charter().network().as_bytes()),
        name: "Brixton referrals".into(),
        text: "We refer people to one another with care, and say no in time.".into(),
        vouches_needed: 2,
        proposer: root().org_id(),
        node: node().node_id(),
        proposed_at_s: NOW_S,
    };
    Signed::sign(amendment, &node())
}

fn revocation() -> Signed<Revocation> {
    let last = |document, seq| LastRecord {
        document,
        instance: Instance([6; 8]),
        seq,
    };
    let revocation = Revocation {
        format: FORMAT,
        org: root().org_id(),
        node: key(3).node_id(),
        revoked_at_s: NOW_S,
        last: vec![last(DocName::Card, 7), last(DocName::Listing(0), 300)],
    };
    Signed::sign(revocation, &root())
}

fn rekeying() -> Signed<Rekeying> {
    let rekeying = Rekeying {
        format: FORMAT,
        old: key(10).org_id(),
        new: root().org_id(),
        at_s: NOW_S,
    };
    Signed::sign(rekeying, &key(10))
}

fn sealed() -> Signed<Sealed> {
    let sealed = Sealed {
        format: FORMAT,
        org: root().org_id(),
        document: DocName::Listing(0),
        node: node().node_id(),
        record: RecordId::from_bytes([11; 32]),
        hash: Hash::of(b"sealed bytes"),
        size_bytes: 12,
        sealed_at_s: NOW_S,
        generation: None,
    };
    Signed::sign(sealed, &node())
}

/// By an organisation that is its own node: its root key and its node's are of one seed.
fn vouch(voucher: u8, subject: OrgId, network: NetworkId, note: Option<&str>) -> Delegated<Vouch> {
    let delegation = Delegation {
        format: FORMAT,
        org: key(voucher).org_id(),
        node: key(voucher).node_id(),
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    let vouch = Vouch {
        format: FORMAT,
        network,
        subject,
        voucher: key(voucher).org_id(),
        node: key(voucher).node_id(),
        issued_at_s: NOW_S,
        note: note.map(str::to_owned),
    };
    let delegation = Signed::sign(delegation, &key(voucher));
    Delegated::new(&Signed::sign(vouch, &key(voucher)), &delegation)
}

fn whole_card() -> Card {
    let (network, own) = (charter().network(), root().org_id());
    let at_s = NOW_S;
    let reason = "They do not answer".into();
    let settled = |used_by| Settled { used_by, at_s };
    let amendment = charter_id(&amendment());
    let membership = Membership {
        epoch: 3,
        accepted_at_s: NOW_S,
        vouches: [(
            key(20).org_id(),
            vouch(20, own, network, Some("Known to us for years")),
        )]
        .into(),
        given: [(key(21).org_id(), vouch(22, key(21).org_id(), network, None))].into(),
        invitations: [
            (
                InviteId::from_bytes([1; 32]),
                settled(Some(key(21).org_id())),
            ),
            (InviteId::from_bytes([2; 32]), settled(None)),
        ]
        .into(),
        objections: [(key(23).org_id(), Objection { reason, at_s })].into(),
        amendments: [(
            CharterId::from_bytes(*network.as_bytes()),
            Acceptance { amendment, at_s },
        )]
        .into(),
        successors: [(
            key(24).org_id(),
            SuccessorVote {
                to: key(25).org_id(),
                at_s,
            },
        )]
        .into(),
        claims: [key(26).org_id()].into(),
        ..Membership::default()
    };
    let mut card = Card::new("Brixton Advice");
    card.delegations.push(Carry::new(&delegation()));
    card.revocations.push(Carry::new(&revocation()));
    card.rekeyings.push(Carry::new(&rekeying()));
    card.networks.insert(network, membership);
    card
}

#[test]
fn membership_certificates_stay_as_they_are() {
    let card = whole_card();
    let network = charter().network();
    let standing = Standing::of(&network, &root().org_id(), [&card], None).unwrap();
    let noted = card.networks[&network].vouches[&key(20).org_id()].verified();
    assert_eq!(
        noted.unwrap().get().note.as_deref(),
        Some("Known to us for years")
    );
    keep(
        "membership",
        &json!({
            "amendment": signed(&amendment()),
            "amendment_id": charter_id(&amendment()).to_string(),
            "revocation": signed(&revocation()),
            "rekeying": signed(&rekeying()),
            "sealed": signed(&sealed()),
            "card": String::from_utf8(card.to_bytes()).unwrap(),
            "standing": hex(&fingerpost_proto::cbor::to_vec(&standing)),
        }),
    );
}

/// Seven organisations under K = 2, of which 0 and 1 are the founders: 2 to 5 have two vouches each, 6 one
/// alone. Five of the six object to 5; three accept the amendment to K = 1 (4 does not); 7 is the new key
/// of 3; 0 leaves after it has accepted.
struct World {
    charter: Charter,
    cards: BTreeMap<OrgId, Card>,
    amendment: CharterId,
}

fn org(n: u8) -> OrgId {
    key(30 + n).org_id()
}

fn world() -> World {
    let mut anchors = vec![org(0), org(1)];
    anchors.sort();
    let charter = Charter {
        vouches_needed: 2,
        anchors,
        ..charter()
    };
    let network = charter.network();
    let founding = CharterId::from_bytes(*network.as_bytes());
    let amendment = CharterId::from_bytes([40; 32]);
    let vouchers: [(u8, &[u8]); 8] = [
        (0, &[]),
        (1, &[]),
        (2, &[0, 1]),
        (3, &[1, 2]),
        (4, &[2, 3]),
        (5, &[0, 4]),
        (6, &[2]),
        (7, &[]),
    ];
    let at_s = NOW_S;
    let mut cards = BTreeMap::new();
    for (n, by) in vouchers {
        let carried = by
            .iter()
            .map(|by| (org(*by), vouch(30 + by, org(n), network, None)));
        let mut membership = Membership {
            epoch: 1,
            accepted_at_s: at_s,
            vouches: carried.collect(),
            ..Membership::default()
        };
        if [0, 1, 2, 4, 7].contains(&n) {
            let reason = "They do not answer".into();
            membership
                .objections
                .insert(org(5), Objection { reason, at_s });
        }
        if [0, 1, 2, 7].contains(&n) {
            membership
                .amendments
                .insert(founding, Acceptance { amendment, at_s });
        }
        let mut card = Card::new(format!("Organisation {n}"));
        if n == 7 {
            let rekeying = Rekeying {
                format: FORMAT,
                old: org(3),
                new: org(7),
                at_s,
            };
            card.rekeyings
                .push(Carry::new(&Signed::sign(rekeying, &key(33))));
        }
        card.networks.insert(network, membership);
        cards.insert(org(n), card);
    }
    World {
        charter,
        cards,
        amendment,
    }
}

fn names(all: impl IntoIterator<Item = OrgId>) -> Vec<String> {
    all.into_iter().map(|org| org.to_string()).collect()
}

#[test]
fn the_roster_of_a_small_world_stays_as_it_is() {
    let World {
        charter,
        cards,
        amendment,
    } = world();
    let network = charter.network();
    let mut standings = Register::new(charter.anchors.iter().copied());
    for (org, card) in &cards {
        standings.set(*org, Standing::of(&network, org, [card], None));
    }
    let left = cards[&org(0)].networks[&network].for_departure(Vec::new());
    let left = Standing::of_departure(&network, &org(0), 1, &left);
    standings.set(org(0), Some(left));
    let terms = Terms {
        previous: CharterId::from_bytes(*network.as_bytes()),
        vouches_needed: 1,
    };
    let roster = Roster::compute(&charter, &[(amendment, terms)].into(), &standings);
    // What the vector is about happens in it.
    let place = |n| roster.place_of(&org(n));
    assert_eq!(place(0), Some(Place::Left));
    assert_eq!(place(3), Some(Place::Replaced));
    assert_eq!(place(5), Some(Place::Removed));
    assert_eq!(roster.heir_of(&org(3)), Some(org(7)));
    assert_eq!(roster.chain().last(), Some(&amendment));
    assert_eq!(
        place(6),
        Some(Place::Member),
        "one vouch is enough by the new text"
    );
    let places: BTreeMap<String, Value> = roster
        .places()
        .map(|(org, place)| (org.to_string(), json!(place)))
        .collect();
    let cards: BTreeMap<String, String> = cards
        .iter()
        .map(|(org, card)| (org.to_string(), String::from_utf8(card.to_bytes()).unwrap()))
        .collect();
    keep(
        "roster",
        &json!({
            "charter": hex(&charter.to_bytes()),
            "amendment": {"id": amendment.to_string(), "vouches_needed": 1},
            "departed": {"organisation": org(0).to_string(), "epoch": 1},
            "cards": cards,
            "places": places,
            "voice": names(roster.places().map(|(org, _)| *org).filter(|org| roster.has_voice(org))),
            "anchors": names(roster.anchors().iter().copied()),
            "chain": roster.chain().iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    );
}
