//! What a node writes after a start, before the others have told it what they hold.

use super::*;
use crate::limits::{HEARD_MIN_SESSIONS, SAW_UNHEARD_MAX_WRITERS};
use crate::record::{Instance, Record, SignedRecord};
use crate::testing::{is_accepted, listing};

const SHARD: DocName = DocName::Listing(0);

/// The same node after a start, which would take this name.
fn started(
    founder: &Party,
    replica: &Replica<MemoryStorage>,
    name: u8,
) -> (Party, Replica<MemoryStorage>) {
    let own = [founder.org()].into();
    let party = Party {
        instance: Instance([name; 8]),
        ..founder.clone()
    };
    let replica = Replica::open(replica.storage().clone(), founder.id(), own).unwrap();
    (party, replica)
}

fn only_record(replica: &Replica<MemoryStorage>, key: &DocKey) -> Record {
    let items = replica.items(key).unwrap();
    let [Item::Record { record, .. }] = &items[..] else {
        panic!("there are {}", items.len());
    };
    SignedRecord::from_trusted(record).unwrap().get().clone()
}

#[test]
fn nothing_that_a_copy_of_the_store_has_forgotten_is_replaced() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    let key = founder.doc(SHARD);
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    // The copy is put back, and nobody says so.
    let (party, mut restored) = started(&founder, &replica, 8);
    founder.publish(&mut replica, SHARD, &listing(0, 1, "forgotten"));
    let forgotten = replica.items(&key).unwrap();

    for text in ["at", "once"] {
        party.publish(&mut restored, SHARD, &listing(0, 1, text));
    }
    let written = restored.items(&key).unwrap();
    for item in forgotten {
        assert!(is_accepted(&send(&mut restored, item)));
    }
    for item in written {
        assert!(is_accepted(&send(&mut replica, item)));
    }
    for replica in [&restored, &replica] {
        assert_eq!(replica.record_ids(&key).len(), 2, "both stand");
    }
    assert!(restored.poll_changes().contains(&Change::FoundBehind));
    let (later, _) = started(&founder, &restored, 9);
    later.publish(&mut restored, SHARD, &listing(0, 1, "both"));
    assert_eq!(restored.instance().unwrap(), Some(later.instance));
    assert_eq!(restored.record_ids(&key).len(), 1);
}

#[test]
fn once_it_has_heard_a_node_writes_under_its_name_again() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    let key = founder.doc(SHARD);
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    let (party, mut replica) = started(&founder, &replica, 8);
    party.publish(&mut replica, SHARD, &listing(0, 1, "before"));
    assert_eq!(only_record(&replica, &key).writer, party.writer());
    for _ in 1..HEARD_MIN_SESSIONS {
        replica.note_heard();
        party.publish(&mut replica, SHARD, &listing(0, 1, "some may not know"));
        assert_eq!(only_record(&replica, &key).writer, party.writer());
    }
    replica.note_heard();
    party.publish(&mut replica, SHARD, &listing(0, 1, "after"));
    let record = only_record(&replica, &key);
    assert_eq!(record.writer, founder.writer());
    let written = u64::from(HEARD_MIN_SESSIONS);
    assert_eq!(record.contains(&party.writer()), written);
}

#[test]
fn names_do_not_run_out_however_often_a_node_starts_and_hears_nothing() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    let key = founder.doc(SHARD);
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    for start in 10..60 {
        let (party, opened) = started(&founder, &replica, start);
        replica = opened;
        party.publish(&mut replica, SHARD, &listing(0, 1, "again"));
        let record = only_record(&replica, &key);
        assert!(record.saw.len() <= SAW_UNHEARD_MAX_WRITERS);
        assert_eq!(
            record.writer == founder.writer(),
            record.saw.len() == SAW_UNHEARD_MAX_WRITERS && start > 20
        );
    }
}
