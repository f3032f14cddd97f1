//! What is carried as deterministic CBOR: frames, items, records, certificates, charters, announcements.

use fingerpost_proto::announcement::Announcement;
use fingerpost_proto::cbor;
use fingerpost_proto::certificate::{
    Amendment, Delegation, Departure, Invitation, Redemption, Rekeying, Revocation, Sealed, Vouch,
};
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{DocName, NetworkId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::record::{Hash, Record, SignedRecord};
use fingerpost_proto::replica::{Checked, Item};
use fingerpost_proto::signed::{Carry, Signed, Statement};
use fingerpost_proto::sync::{Frame, Incoming};
use fingerpost_proto::ticket::Ticket;

use super::fixtures::{NOW_S, Party, World, shard, world};
use super::session;
use super::{Seeds, seed};

/// A frame is read in its one form only, within its limits, and the items in it can be checked.
pub fn frame(data: &[u8]) -> bool {
    let Ok(frame) = Frame::parse(data) else {
        assert!(Incoming::parse(data).is_err());
        return false;
    };
    assert_eq!(frame.to_bytes(), data);
    match &frame {
        Frame::Items { items } => assert!(items.len() as u64 <= limits::ITEMS_MAX),
        Frame::Introduce {
            items, delegations, ..
        } => {
            assert!(items.len() <= limits::INTRODUCTION_MAX_ITEMS);
            assert!(delegations.len() <= limits::INTRODUCTION_MAX_ITEMS);
        }
        Frame::Networks { tags, known } => assert!(tags.len().max(known.len()) <= limits::TAGS_MAX),
        Frame::Want { ids } => assert!(ids.len() <= limits::WANT_MAX_IDS),
        _ => {}
    }
    assert!(Incoming::parse(data).is_ok());
    true
}

pub fn frame_seeds() -> Seeds {
    let [ours, theirs] = session::conversation();
    let frames = ours.into_iter().chain(theirs).enumerate();
    frames
        .map(|(at, frame)| seed(format!("frame-{at:02}"), frame))
        .collect()
}

/// An item is read in its one form; one that passes its check passes it again, and says the same.
pub fn item(data: &[u8]) -> bool {
    let Ok(item) = cbor::from_slice::<Item>(data) else {
        return false;
    };
    assert_eq!(cbor::to_vec(&item), data);
    assert!(item.size_bytes() >= data.len().saturating_sub(32));
    let Ok(checked) = item.clone().check() else {
        return true;
    };
    assert_eq!(item.check().as_ref(), Ok(&checked));
    if let Checked::Record(record) = &checked {
        record.record.get().check().unwrap();
        if let Some((bytes, _)) = &record.state {
            assert!(bytes.len() <= limits::STATE_MAX_BYTES);
            assert_eq!(Hash::of(bytes), record.record.get().state_hash);
        }
    }
    true
}

pub fn item_seeds() -> Seeds {
    let items = world().items.iter().enumerate();
    items
        .map(|(at, item)| seed(format!("item-{at:02}"), cbor::to_vec(item)))
        .collect()
}

/// A record keeps its bytes, and its rules hold of whatever a valid signature stands under.
pub fn record(data: &[u8]) -> bool {
    // What is kept is read whatever its form; what comes from elsewhere has one.
    let _ = SignedRecord::from_trusted(data);
    let claimed = Signed::<Record>::claimed(data);
    let verified = SignedRecord::verified(data);
    let Ok(record) = claimed else {
        assert!(verified.is_err());
        return false;
    };
    assert_eq!(record.to_bytes(), data);
    let stated = record.get();
    let clock: Vec<_> = stated.clock().collect();
    assert_eq!(clock.len(), stated.saw.len() + 1);
    // Signed by somebody who may: refused or taken for what it says, not for its signature.
    let key = SecretKey::from_seed(&[9; 32]);
    let mut stated = stated.clone();
    stated.writer.node = key.node_id();
    let bytes = Signed::sign(stated.clone(), &key).to_bytes();
    let again = SignedRecord::verified(&bytes);
    assert_eq!(
        again.is_ok(),
        stated.check().is_ok() && bytes.len() <= limits::RECORD_MAX_BYTES
    );
    if let Ok(again) = again {
        assert!(
            stated.saw.len() <= limits::SAW_MAX_WRITERS && stated.heads.len() <= limits::HEADS_MAX
        );
        assert!(again.get().same_place(&stated));
        assert_eq!(stated.compare(&stated), Some(std::cmp::Ordering::Equal));
        for seen in stated.clock() {
            assert_eq!(stated.contains(&seen.writer), seen.seq);
        }
    }
    true
}

pub fn record_seeds() -> Seeds {
    let records = world().items.iter().filter_map(|item| match item {
        Item::Record { record, .. } => Some(record.clone()),
        _ => None,
    });
    let mut seeds: Seeds = records
        .enumerate()
        .map(|(at, record)| seed(format!("record-{at}"), record))
        .collect();
    seeds.push(seed("merged", merged().to_bytes()));
    seeds
}

/// A record that names as many writers and heads as it may.
fn merged() -> SignedRecord {
    let party = Party::new(1);
    let Item::Record { record, .. } = party.item(DocName::Listing(3), 300, b"x") else {
        unreachable!()
    };
    let mut record: Record = SignedRecord::verified(&record).unwrap().get().clone();
    let seen = |number: u8| fingerpost_proto::record::Seen {
        writer: fingerpost_proto::record::Writer {
            node: Party::new(number).node.node_id(),
            ..record.writer
        },
        seq: u64::from(number),
    };
    record.saw = (20..24).map(seen).collect();
    record.saw.sort();
    record.heads = (0..4).map(|number| Hash([number; 32])).collect();
    SignedRecord::sign(record, &party.node).unwrap()
}

/// A certificate keeps its bytes; nothing is taken for signed that is not; text carries it unchanged.
fn signed<T: Statement + Clone + PartialEq + std::fmt::Debug>(data: &[u8]) -> bool {
    let verified = Signed::<T>::verified(data);
    let Ok(read) = Signed::<T>::claimed(data) else {
        assert!(verified.is_err());
        return false;
    };
    assert!(data.len() <= T::MAX_BYTES);
    assert_eq!(read.to_bytes(), data);
    let text = serde_json::to_string(&Carry::new(&read)).unwrap();
    let carried: Carry<T> = serde_json::from_str(&text).unwrap();
    assert_eq!(carried.claimed().as_ref(), Ok(read.get()));
    assert_eq!(carried.verified(), verified);
    if let Ok(verified) = verified {
        assert_eq!(verified, read);
    }
    true
}

/// The first byte chooses the kind.
pub fn certificate(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else {
        return false;
    };
    match kind % 9 {
        0 => signed::<Delegation>(data),
        1 => signed::<Vouch>(data),
        2 => signed::<Invitation>(data),
        3 => signed::<Redemption>(data),
        4 => departure(data),
        5 => amendment(data),
        6 => revocation(data),
        7 => signed::<Rekeying>(data),
        _ => signed::<Sealed>(data),
    }
}

fn departure(data: &[u8]) -> bool {
    // With a signature that fits, what it carries is read as well.
    if let Ok(read) = Signed::<Departure>::claimed(data) {
        let party = Party::new(3);
        let mut stated = read.get().clone();
        (stated.org, stated.node) = (party.org(), party.node.node_id());
        let item = Item::Departure {
            departure: Signed::sign(stated, &party.node).to_bytes(),
            delegation: party.delegation.to_bytes(),
        };
        if let Ok(Checked::Departure(departure)) = item.check() {
            departure
                .membership
                .proven(&world().network(), &party.org());
            let _ = departure.membership.for_departure(Vec::new());
        }
    }
    signed::<Departure>(data)
}

fn amendment(data: &[u8]) -> bool {
    if let Ok(read) = Signed::<Amendment>::claimed(data)
        && read.get().check().is_ok()
    {
        assert!(read.get().text.len() <= limits::CHARTER_MAX_BYTES);
        assert!(read.get().name.len() <= limits::NAME_MAX_BYTES);
    }
    signed::<Amendment>(data)
}

fn revocation(data: &[u8]) -> bool {
    if let Ok(read) = Signed::<Revocation>::claimed(data) {
        // Of another node's records it says nothing.
        let record = merged();
        assert!(read.get().node == record.get().writer.node || read.get().allows(record.get()));
    }
    signed::<Revocation>(data)
}

pub fn certificate_seeds() -> Seeds {
    let World {
        founder,
        member,
        former,
        ..
    } = world();
    let network = world().network();
    let membership = former.membership(network, &[founder]);
    let ticket = ticket();
    let redeemed = ticket.redeem(former.org(), NOW_S + 60);
    let redemption = redeemed.redemption.verified().unwrap();
    let sealed = Sealed {
        format: 1,
        org: founder.org(),
        document: DocName::Listing(0),
        node: founder.node.node_id(),
        record: merged().id(),
        hash: Hash::of(b"sealed"),
        size_bytes: 6,
        sealed_at_s: NOW_S,
        generation: None,
    };
    let kinds = [
        ("delegation", founder.delegation.to_bytes()),
        ("vouch", founder.vouch(network, member.org()).to_bytes()),
        ("invitation", ticket.invitation.to_bytes()),
        ("redemption", redemption.to_bytes()),
        (
            "departure",
            former.departure(network, &membership).to_bytes(),
        ),
        ("amendment", member.amendment(network).to_bytes()),
        ("revocation", founder.revocation(member).to_bytes()),
        ("rekeying", former.rekeying(member.org()).to_bytes()),
        ("sealed", Signed::sign(sealed, &founder.node).to_bytes()),
    ];
    let numbered = (0_u8..).zip(kinds);
    numbered
        .map(|(kind, (name, bytes))| seed(name, [vec![kind], bytes].concat()))
        .collect()
}

/// A ticket of the founder's.
pub fn ticket() -> Ticket {
    let founder = &world().founder;
    Ticket::issue(
        world().network(),
        founder.delegation.clone(),
        &founder.node,
        SecretKey::from_seed(&[9; 32]),
        NOW_S,
        NOW_S + 604_800,
        vec![
            "/ip4/192.0.2.7/udp/7787/quic-v1".into(),
            "/ip6/2001:db8::1/tcp/7787".into(),
            "/dns4/node.example.org/tcp/7787".into(),
        ],
    )
}

/// A charter is read as that of the network that its own hash names, and of no other.
pub fn charter(data: &[u8]) -> bool {
    let other = NetworkId::from_bytes([1; 32]);
    assert!(Charter::parse(data, &other).is_err());
    let Ok(read) = cbor::from_slice::<Charter>(data) else {
        return false;
    };
    assert_eq!(read.to_bytes(), data);
    let parsed = Charter::parse(data, &read.network());
    assert_eq!(parsed.is_ok(), read.check().is_ok());
    if let Ok(parsed) = parsed {
        assert!(parsed.anchors.len() <= limits::ANCHORS_MAX);
        assert_eq!(parsed, read);
    }
    true
}

pub fn charter_seeds() -> Seeds {
    vec![seed("charter", world().charter.to_bytes())]
}

/// An announcement is read in its one form, and says how long its state may become before a byte is
/// decompressed.
pub fn announcement(data: &[u8]) -> bool {
    let Ok(read) = Announcement::parse(data) else {
        return false;
    };
    assert!(data.len() <= limits::GOSSIP_MAX_BYTES);
    assert_eq!(read.to_bytes(), data);
    if let Ok(Some(bytes)) = read.state_bytes() {
        assert!(bytes <= limits::STATE_MAX_BYTES);
    }
    true
}

pub fn announcement_seeds() -> Seeds {
    let compress = |state: &[u8]| compressed(state);
    let items = world().items.iter().enumerate();
    items
        .map(|(at, item)| {
            let announcement = Announcement::of(item.clone(), compress);
            seed(format!("announcement-{at:02}"), announcement.to_bytes())
        })
        .chain([seed("stranger", strangers())])
        .collect()
}

/// The announcement of somebody whom nobody knows.
fn strangers() -> Vec<u8> {
    let item = Party::new(50).item(DocName::Listing(0), 1, &shard());
    Announcement::of(item, compressed).to_bytes()
}

fn compressed(state: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::compress(state, 3).ok()
}
