//! Records of which nobody has the content: their machine was lost or stolen before it told.

use serde_json::Value;

use super::siblings::{Sibling, carry, family, meet};
use super::*;
use crate::limits::HANDED_MAX;
use crate::testing::is_accepted;

/// The second of two siblings has told the peer of one edit, and of the next the record alone.
fn told_half() -> (Sibling, Sibling, Replica<MemoryStorage>) {
    let (mut siblings, mut peer) = family(2);
    let (mut lost, mut other) = (siblings.pop().unwrap(), siblings.pop().unwrap());
    let key = lost.key();
    lost.edit(1, "told");
    carry(&lost.replica, &mut peer, &key);
    lost.edit(2, "not told");
    for mut item in lost.replica.items(&key).unwrap() {
        if let Item::Record { state, .. } = &mut item {
            *state = None;
        }
        for replica in [&mut peer, &mut other.replica] {
            assert!(is_accepted(&send(replica, item.clone())));
        }
    }
    (lost, other, peer)
}

fn names_shown(replica: &Replica<MemoryStorage>, key: &DocKey) -> Vec<Value> {
    let shown = replica.shown(key).unwrap().unwrap();
    let shown: Value = serde_json::from_slice(&shown.state).unwrap();
    let services = shown["services"].as_array().unwrap();
    services.iter().map(|it| it["name"].clone()).collect()
}

#[test]
fn what_an_empty_record_replaced_comes_back_to_its_owner() {
    let (_, mut other, mut peer) = told_half();
    let key = other.key();
    assert_eq!(
        names_shown(&peer, &key)[1],
        "told",
        "there is nothing newer"
    );
    other.edit(0, "meanwhile");
    assert_ne!(names_shown(&other.replica, &key)[1], "told");
    for _ in 0..2 {
        meet(&mut other, &mut peer);
    }
    for replica in [&other.replica, &peer] {
        let names = names_shown(replica, &key);
        assert_eq!(
            (&names[0], &names[1]),
            (&"meanwhile".into(), &"told".into())
        );
        assert_eq!(replica.record_ids(&key).len(), 2, "the empty one stays");
    }
    assert_eq!(other.replica.last_resorts(&key).unwrap(), []);
}

#[test]
fn whoever_never_had_what_was_replaced_takes_it_from_others() {
    let (lost, other, peer) = told_half();
    let (key, mut replica) = (other.key(), other.replica);
    assert_ne!(names_shown(&replica, &key)[1], "told");
    let (older, _) = replica.stand_in(&key).unwrap().unwrap();
    let (newer, item) = peer.stand_in(&key).unwrap().unwrap();
    assert_ne!(older, newer);
    for _ in 0..2 {
        assert_eq!(send(&mut replica, item.clone()), Outcome::Dominated);
        assert_eq!(names_shown(&replica, &key)[1], "told");
        assert_eq!(replica.stand_in(&key).unwrap().unwrap().0, newer);
    }
    let again = Replica::open(
        replica.storage().clone(),
        other.party.id(),
        replica.own().clone(),
    );
    assert_eq!(names_shown(&again.unwrap(), &key)[1], "told");
    carry(&lost.replica, &mut replica, &key);
    assert_eq!(replica.stand_in(&key).unwrap(), None);
    assert_eq!(send(&mut replica, item), Outcome::Dominated);
    assert_eq!(names_shown(&replica, &key)[2], "not told");
}

#[test]
fn a_revocation_counts_only_what_its_author_has_seen() {
    let (lost, mut other, mut peer) = told_half();
    let key = other.key();
    other.revoke(&lost.party);
    let card = other.party.doc(DocName::Card);
    carry(&other.replica, &mut peer, &card);
    let told = peer.record_ids(&key);
    assert_eq!(told.len(), 1);
    assert!(peer.shown_id(&key).unwrap().is_some_and(|id| told == [id]));
    meet(&mut other, &mut peer);
    for replica in [&other.replica, &peer] {
        assert_eq!(names_shown(replica, &key)[1], "told");
    }
    let empty = lost.replica.items(&key).unwrap();
    for item in empty {
        let refused = Outcome::Refused(Refusal::Revoked(lost.party.id()));
        assert_eq!(send(&mut peer, item), refused);
    }
}

#[test]
fn when_the_content_comes_nothing_is_left_of_what_it_replaced() {
    let (lost, mut other, mut peer) = told_half();
    let key = other.key();
    other.edit(0, "meanwhile");
    carry(&other.replica, &mut peer, &key);
    let states = |replica: &Replica<MemoryStorage>| {
        let mut count = 0;
        let scanned = replica
            .storage()
            .scan(Table::States, &key.to_bytes(), &mut |_, _| {
                count += 1;
                true
            });
        scanned.unwrap();
        count
    };
    assert_eq!(
        states(&peer),
        2,
        "the other's, and what the empty one replaced"
    );
    carry(&lost.replica, &mut peer, &key);
    assert_eq!(states(&peer), 2, "the other's, and the one that came");
    meet(&mut other, &mut peer);
    assert_eq!(names_shown(&peer, &key)[2], "not told");
    assert_eq!((states(&peer), peer.sealed_ids(&key).len()), (1, 1));
}

#[test]
fn a_node_takes_back_what_is_left_of_its_forgotten_life() {
    let (mut siblings, mut peer) = family(2);
    let (mut lost, mut other) = (siblings.pop().unwrap(), siblings.pop().unwrap());
    let key = lost.key();
    let copy = lost.replica.storage().clone();
    lost.edit(1, "told");
    // The state goes without the history, and what comes next is a record alone.
    let told = lost.replica.items(&key).unwrap();
    lost.edit(2, "not told");
    let not_told = lost.replica.items(&key).unwrap();
    for item in &told {
        send(&mut peer, item.clone());
    }
    for item in &not_told {
        send(&mut peer, crate::testing::without_state(item));
    }
    // The copy is put back, and hears of it; so does a sibling, who leaves it alone.
    lost.replica = Replica::open(copy, lost.party.id(), lost.replica.own().clone()).unwrap();
    for sibling in [&mut lost, &mut other] {
        let (_, stand_in) = peer.stand_in(&key).unwrap().unwrap();
        carry(&peer, &mut sibling.replica, &key);
        send(&mut sibling.replica, stand_in);
        assert_eq!(sibling.replica.lost_state(&key).unwrap(), None);
        sibling.replica.note_alone();
    }
    assert_eq!(other.replica.lost_state(&key).unwrap(), None);
    let (id, state) = lost.replica.lost_state(&key).unwrap().unwrap();
    let mut document = lost.document();
    let state: Value = serde_json::from_slice(&state).unwrap();
    assert!(document.take_in(&state, &Default::default(), 2).unwrap());
    let mut batch = Batch::default();
    let noted = lost.replica.note_last_resort(&mut batch, &key, id);
    noted.unwrap();
    lost.replica.storage_mut().commit(batch).unwrap();
    lost.publish(&mut document);
    assert_eq!(lost.replica.lost_state(&key).unwrap(), None);
    lost.edit(0, "afterwards");
    assert_eq!(lost.replica.lost_state(&key).unwrap(), None);
    for _ in 0..2 {
        meet(&mut lost, &mut peer);
        meet(&mut other, &mut peer);
    }
    for replica in [&lost.replica, &other.replica, &peer] {
        let names = names_shown(replica, &key);
        assert_eq!(names[..2], ["afterwards", "told"]);
        assert_eq!(replica.record_ids(&key).len(), 2, "the empty one stays");
    }
}

#[test]
fn a_replica_remembers_a_bounded_number_of_what_it_handed_over() {
    let World {
        mut replica,
        founder,
        ..
    } = world();
    let id = |n: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        RecordId::from_bytes(id)
    };
    replica.note_handed(founder.id(), (0..HANDED_MAX).map(id));
    assert!(replica.was_handed(&founder.id(), &id(0)));
    replica.note_handed(founder.id(), [id(HANDED_MAX)]);
    assert!(
        !replica.was_handed(&founder.id(), &id(0)),
        "and hands it once more"
    );
    assert!(replica.was_handed(&founder.id(), &id(HANDED_MAX)));
}
