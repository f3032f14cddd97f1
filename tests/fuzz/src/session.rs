//! Whole conversations, and stores that were damaged.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use fingerpost_proto::limits;
use fingerpost_proto::replica::{Replica, ReplicaError};
use fingerpost_proto::storage::{Batch, MemoryStorage, Storage, Table};
use fingerpost_proto::sync::{Incoming, Purpose, Session, receipts};

use super::fixtures::{NOW_S, join, split, world};
use super::{Seeds, seed};

type Memory = Replica<MemoryStorage>;

/// The frames of either side.
type Said = [Vec<Vec<u8>>; 2];

const NONCES: [[u8; 16]; 2] = [[1; 16], [2; 16]];

/// The member's side, which begins, and the founder's, which answers.
fn sides(purpose: Purpose) -> [(Session, Memory); 2] {
    let (members, founders) = (world().members(), world().founders());
    let networks = vec![world().network()];
    let begins = Session::initiate(founders.node(), purpose, networks.clone(), NONCES[0]);
    let answers = Session::respond(members.node(), networks, NONCES[1]);
    [(begins, members), (answers, founders)]
}

/// All frames that a side has to send now.
fn sent(session: &mut Session, replica: &Memory) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(frame) = session.poll_frame(replica).unwrap() {
        let bytes = frame.to_bytes();
        assert!(bytes.len() <= limits::FRAME_MAX_BYTES);
        session.note_sent(bytes.len());
        frames.push(bytes);
        assert!(
            frames.len() < 10_000,
            "one frame is answered by ten thousand"
        );
    }
    frames
}

/// What either side of an honest session sends.
pub fn conversation() -> Said {
    talk(Purpose::Sync).0
}

fn talk(purpose: Purpose) -> (Said, [(Session, Memory); 2]) {
    let mut sides = sides(purpose);
    let mut said = Said::default();
    loop {
        let before = said.each_ref().map(Vec::len);
        for speaker in [0, 1] {
            let (session, replica) = &mut sides[speaker];
            for frame in sent(session, replica) {
                let (session, replica) = &mut sides[1 - speaker];
                let incoming = Incoming::parse(&frame).unwrap();
                session.handle_frame(NOW_S, incoming, replica).unwrap();
                said[speaker].push(frame);
            }
        }
        if said.each_ref().map(Vec::len) == before {
            return (said, sides);
        }
    }
}

/// A peer says whatever it likes, in any order: one of the two sides of a session bears it, and what it holds
/// afterwards is sound, and nobody's but those who signed.
pub fn session(data: &[u8]) -> bool {
    let Some((side, data)) = data.split_first() else {
        return false;
    };
    let purpose = match side & 2 {
        0 => Purpose::Sync,
        _ => Purpose::Charter(world().network()),
    };
    let [begins, answers] = sides(purpose);
    let (mut session, mut replica) = if side & 1 == 0 { answers } else { begins };
    sent(&mut session, &replica);
    for frame in split(data) {
        let Ok(incoming) = Incoming::parse(frame) else {
            break;
        };
        if session.handle_frame(NOW_S, incoming, &mut replica).is_err() {
            break;
        }
        sent(&mut session, &replica);
    }
    assert!(session.stats().rounds <= 3 * limits::RECONCILE_ROUNDS_MAX);
    let held: BTreeSet<_> = replica.organisations().into_iter().collect();
    assert!(held.is_subset(&world().orgs()));
    look_at(&mut replica).unwrap();
    let own = replica.own().clone();
    let mut again = Replica::open(replica.storage().clone(), replica.node(), own).unwrap();
    look_at(&mut again).unwrap();
    assert_eq!(again.counts(), replica.counts());
    session.is_finished()
}

pub fn session_seeds() -> Seeds {
    let ([begun, answered], _) = talk(Purpose::Sync);
    let ([asked, told], _) = talk(Purpose::Charter(world().network()));
    let sides = [("to-founder", 0, begun), ("to-member", 1, answered)];
    let charter = [
        ("charter-to-founder", 2, asked),
        ("charter-to-member", 3, told),
    ];
    let seeds = sides.into_iter().chain(charter);
    seeds
        .map(|(name, side, frames)| seed(name, [vec![side], join(&frames)].concat()))
        .collect()
}

/// Reads everything that a node reads of its replica.
fn look_at(replica: &mut Memory) -> Result<(), ReplicaError<std::convert::Infallible>> {
    let network = world().network();
    replica.settle()?;
    replica.roster(&network).map(|_| ()).unwrap_or_default();
    replica.amendments(&network)?;
    replica.terms_in_force(&network)?;
    replica.proofs()?;
    replica.instance()?;
    receipts(replica)?;
    replica.changed_since(0)?;
    for org in replica.organisations() {
        replica.place(&org);
        replica.fingerprint(&org);
        replica.departure_item(&network, &org)?;
        replica.revocations(&org, &world().member.node.node_id())?;
        for key in replica.documents_of(&org).collect::<Vec<_>>() {
            if let Some(shown) = replica.shown(&key)? {
                assert!(shown.state.len() <= limits::STATE_MAX_BYTES);
            }
            replica.items(&key)?;
            replica.unmerged(&key)?;
            replica.is_to_publish_merge(&key)?;
            for id in replica.sealed_ids(&key) {
                replica.sealed_bytes(&key, &id)?;
            }
        }
    }
    for party in [&world().founder, &world().member] {
        let node = party.node.node_id();
        replica.orgs_of_node(&node)?;
        replica.orgs_that_revoked(&node)?;
        replica.delegation(&party.org(), &node)?;
        replica.speaks_for(&node, &party.org())?;
    }
    Ok(())
}

/// A store in which a session has taken place.
fn used() -> MemoryStorage {
    static USED: OnceLock<MemoryStorage> = OnceLock::new();
    let make = || {
        let (_, [_, (_, founders)]) = talk(Purpose::Sync);
        founders.storage().clone()
    };
    USED.get_or_init(make).clone()
}

fn rows(storage: &MemoryStorage) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let rows = storage.entries();
    rows.map(|(table, key, value)| (table, key.to_vec(), value.to_vec()))
        .collect()
}

/// Rows of a store are other bytes than were written: the store is found to be damaged, or serves what can be
/// served, and takes in what comes; but nothing ends the program. An input is pieces: the number of a row, and
/// its new value.
pub fn store(data: &[u8]) -> bool {
    let mut storage = used();
    let rows = rows(&storage);
    let mut batch = Batch::default();
    for piece in split(data) {
        let Some((row, value)) = piece.split_first() else {
            continue;
        };
        let (table, key, _) = &rows[usize::from(*row) % rows.len()];
        // An odd length more than a row: the row is gone.
        match value.is_empty() {
            true => batch.remove(*table, key.clone()),
            false => batch.put(*table, key.clone(), value),
        }
    }
    storage.commit(batch).unwrap();
    let founder = &world().founder;
    let own = [founder.org()].into();
    let Ok(mut replica) = Replica::open(storage, founder.node.node_id(), own) else {
        return false;
    };
    let sound = look_at(&mut replica).is_ok();
    for item in &world().items {
        let checked = item.clone().check().unwrap();
        if replica.receive(NOW_S, checked).is_err() {
            return false;
        }
    }
    let peer = world().member.node.node_id();
    let mut session = Session::initiate(peer, Purpose::Sync, vec![world().network()], NONCES[0]);
    let mut answers = Session::respond(founder.node.node_id(), vec![world().network()], NONCES[1]);
    let mut members = world().members();
    for _ in 0..100 {
        let Ok(frame) = session.poll_frame(&replica) else {
            return false;
        };
        if let Some(frame) = frame {
            let Ok(incoming) = Incoming::parse(&frame.to_bytes()) else {
                return false;
            };
            if answers.handle_frame(NOW_S, incoming, &mut members).is_err() {
                return false;
            }
        }
        for frame in sent(&mut answers, &members) {
            let incoming = Incoming::parse(&frame).unwrap();
            if session.handle_frame(NOW_S, incoming, &mut replica).is_err() {
                return false;
            }
        }
    }
    look_at(&mut replica).is_ok() && sound
}

pub fn store_seeds() -> Seeds {
    let rows = rows(&used());
    assert!(rows.len() < 256);
    assert!(rows.iter().any(|(table, _, _)| *table == Table::Receipts));
    let numbered = (0_u8..).zip(&rows);
    let mut seeds: Seeds = numbered
        .map(|(row, (table, _, value))| {
            let piece = [vec![row], value.clone()].concat();
            seed(format!("{row:02}-{table:?}").to_lowercase(), join(&[piece]))
        })
        .collect();
    seeds.push(seed("nothing", Vec::new()));
    seeds
}
