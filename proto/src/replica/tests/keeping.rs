//! What is kept and shown: publishing, missing states, siblings that write apart, copied keys, stores
//! that were put back, stores that fail.

use super::*;
use crate::certificate::Role;
use crate::record::{Instance, Seen, SignedRecord};
use crate::signed::Carry;
use crate::storage::KeyValue;
use crate::testing::{NOW_S, all_shown, listing, without_state};

const SHARD: DocName = DocName::Listing(0);

fn shown(replica: &Replica<MemoryStorage>, key: &DocKey) -> Option<Vec<u8>> {
    replica.shown(key).unwrap().map(|shown| shown.state)
}

fn accept(replica: &mut Replica<MemoryStorage>, item: Item) {
    let outcome = send(replica, item);
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

#[test]
fn what_is_published_here_is_received_there() {
    let World {
        charter,
        founder,
        mut replica,
        ..
    } = world();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    founder.publish(&mut replica, SHARD, &listing(0, 1, "two"));
    let key = founder.doc(SHARD);
    assert_eq!(shown(&replica, &key), Some(listing(0, 1, "two")));
    assert_eq!(replica.shown(&key).unwrap().unwrap().record.get().seq, 2);
    let mut there = Party::new(2).replica(&[&charter]);
    for name in [DocName::Card, SHARD] {
        for item in replica.items(&founder.doc(name)).unwrap() {
            accept(&mut there, item);
        }
    }
    assert_eq!(all_shown(&there).get(&key), Some(&listing(0, 1, "two")));
    assert_eq!(
        there.fingerprint(&founder.org()),
        replica.fingerprint(&founder.org())
    );
    // One state, not two: what was overwritten is gone.
    let states = there
        .storage()
        .entries()
        .filter(|(table, ..)| *table == Table::States)
        .count();
    assert_eq!(states, 2);
}

#[test]
fn what_breaks_a_limit_is_not_published_and_nothing_changes() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    let before = replica.storage().clone();
    let draft = |state: &[u8], delegation| Draft {
        key: founder.doc(SHARD),
        state: state.to_vec(),
        heads: Vec::new(),
        generation: 0,
        delegation,
        contains: Contained::All,
        sealed: None,
    };
    let mut publish = |draft| {
        replica.publish(
            NOW_S,
            draft,
            &founder.node,
            founder.instance,
            Batch::default(),
        )
    };
    let refused = publish(draft(b"{}", founder.delegation.clone()));
    assert!(
        matches!(refused, Err(PublishError::Refused(Refusal::Listing(_)))),
        "{refused:?}"
    );
    let other = Party::on(1, 9, Role::Admin).delegation;
    let good = listing(0, 1, "x");
    // The delegation of this node is held already; that of another node does no harm.
    assert!(publish(draft(&good, other)).is_ok());
    let mut editor = world().replica;
    let card = Draft {
        key: founder.doc(DocName::Card),
        ..draft(&good, founder.delegation.clone())
    };
    let refused = editor.publish(
        NOW_S,
        card,
        &founder.node,
        founder.instance,
        Batch::default(),
    );
    assert!(
        matches!(refused, Err(PublishError::Refused(Refusal::Card(_)))),
        "{refused:?}"
    );
    assert_eq!(*editor.storage(), before);
}

#[test]
fn the_older_state_is_shown_while_the_newer_is_missing() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let key = member.doc(SHARD);
    let item = |seq: u64| member.item(SHARD, seq, &[], &listing(0, 1, &seq.to_string()));
    accept(&mut replica, item(1));
    for seq in [2, 3] {
        accept(&mut replica, without_state(&item(seq)));
        let held = replica.shown(&key).unwrap().unwrap();
        assert_eq!((held.state, held.outdated), (listing(0, 1, "1"), true));
        assert_eq!(replica.counts(), (3, 1));
    }
    let Outcome::Accepted(accepted) = send(&mut replica, item(3)) else {
        panic!("not accepted")
    };
    assert!(accepted.only_state);
    let held = replica.shown(&key).unwrap().unwrap();
    assert_eq!(
        (held.state, held.outdated, held.concurrent),
        (listing(0, 1, "3"), false, 0)
    );
    let states = replica
        .storage()
        .scan_all(Table::States, key.to_bytes().as_slice());
    assert_eq!(
        states.len(),
        1,
        "a state that is not shown any more stayed behind"
    );
    assert_eq!(send(&mut replica, item(3)), Outcome::AlreadyKnown);
}

#[test]
fn nothing_is_shown_of_a_record_that_came_without_its_state() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let item = member.item(SHARD, 1, &[], &listing(0, 1, "x"));
    accept(&mut replica, without_state(&item));
    assert_eq!(shown(&replica, &member.doc(SHARD)), None);
    assert_eq!(replica.record_ids(&member.doc(SHARD)).len(), 1);
    accept(&mut replica, item);
    assert_eq!(
        shown(&replica, &member.doc(SHARD)),
        Some(listing(0, 1, "x"))
    );
}

#[test]
fn siblings_that_wrote_apart_are_both_kept_until_they_merge() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let sibling = Party::on(2, 3, Role::Editor);
    let (one, two) = (listing(0, 1, "one"), listing(0, 1, "two"));
    accept(&mut replica, member.item(SHARD, 1, &[], &one));
    accept(&mut replica, sibling.item(SHARD, 1, &[], &two));
    let held = replica.shown(&member.doc(SHARD)).unwrap().unwrap();
    assert_eq!(held.concurrent, 1);
    assert_eq!(replica.items(&member.doc(SHARD)).unwrap().len(), 2);
    let saw = [Seen {
        writer: sibling.writer(),
        seq: 1,
    }];
    accept(
        &mut replica,
        member.item(SHARD, 2, &saw, &listing(0, 1, "both")),
    );
    let held = replica.shown(&member.doc(SHARD)).unwrap().unwrap();
    assert_eq!((held.state, held.concurrent), (listing(0, 1, "both"), 0));
    assert_eq!(
        send(&mut replica, sibling.item(SHARD, 1, &[], &two)),
        Outcome::Dominated
    );
}

#[test]
fn a_delegation_that_was_renewed_does_not_undo_what_was_written_before() {
    let World {
        charter,
        founder,
        member,
        network,
        mut replica,
    } = world();
    let old = member.delegated(Role::Admin, 0, Some(NOW_S + 1));
    let new = member.delegated(Role::Admin, NOW_S + 10, None);
    let before = old.item(SHARD, 1, &[], &listing(0, 1, "before"));
    let mut record = new.record(DocName::Listing(1), 1, &[], &listing(1, 1, "after"));
    record.issued_at_s = NOW_S + 20;
    let after = new.sign(record, &listing(1, 1, "after"));
    // In either order, and passed on by whoever holds both.
    accept(&mut replica, after.clone());
    accept(&mut replica, before.clone());
    let mut other = Party::new(3).replica(&[&charter]);
    accept(&mut other, member.first_card(network, &[&founder]));
    accept(&mut other, before);
    accept(&mut other, after);
    let mut third = Party::new(4).replica(&[&charter]);
    accept(&mut third, member.first_card(network, &[&founder]));
    for shard in [1, 0] {
        for item in replica.items(&member.doc(DocName::Listing(shard))).unwrap() {
            accept(&mut third, item);
        }
    }
    for replica in [&other, &third] {
        assert_eq!(replica.documents_of(&member.org()).count(), 3);
    }
    // The node's latest delegation is the one it goes on with.
    let held = replica.delegation(&member.org(), &member.id()).unwrap();
    assert_eq!(held, Some(new.delegation));
}

#[test]
fn a_node_that_wrote_nothing_yet_is_known_from_the_card() {
    let World {
        founder,
        member,
        network,
        mut replica,
        ..
    } = world();
    let sibling = Party::on(2, 3, Role::Editor);
    let stranger = Party::on(40, 41, Role::Admin);
    let forged = crate::signed::Signed::sign(
        Party::on(2, 5, Role::Admin).delegation.get().clone(),
        &stranger.root,
    );
    let mut card = member.card(&[(network, 1, &[&founder])]);
    card.delegations = [&member, &sibling, &stranger]
        .map(|party| Carry::new(&party.delegation))
        .to_vec();
    card.delegations.push(Carry::new(&forged));
    accept(
        &mut replica,
        member.item(DocName::Card, 2, &[], &card.to_bytes()),
    );
    assert_eq!(replica.orgs_of_node(&sibling.id()).unwrap(), [member.org()]);
    assert_eq!(replica.orgs_of_node(&stranger.id()).unwrap(), []);
    assert_eq!(
        replica
            .orgs_of_node(&Party::on(2, 5, Role::Admin).id())
            .unwrap(),
        []
    );
    // What it writes needs no delegation of its own any more.
    let Item::Record { record, state, .. } = sibling.item(SHARD, 1, &[], &listing(0, 1, "x"))
    else {
        panic!("not a record")
    };
    accept(
        &mut replica,
        Item::Record {
            record,
            delegation: None,
            state,
        },
    );
}

#[test]
fn a_copied_key_is_proven_once_and_nobody_is_bricked() {
    let World {
        member,
        mut replica,
        ..
    } = world();
    let item = |text: &str| member.item(SHARD, 5, &[], &listing(0, 1, text));
    accept(&mut replica, item("one"));
    replica.poll_changes();
    for text in ["two", "three"] {
        accept(&mut replica, item(text));
    }
    let key = member.doc(SHARD);
    assert!(replica.poll_changes().contains(&Change::Equivocation(key)));
    let proofs = replica.proofs().unwrap();
    assert_eq!(proofs.len(), 1);
    let read = |bytes: &Vec<u8>| SignedRecord::verified(bytes).unwrap();
    let [one, two] = proofs[0].records.each_ref().map(read);
    assert!(one.get().same_place(two.get()) && one.id() != two.id());
    assert_eq!(proofs[0].key, key);
    assert_eq!(replica.shown(&key).unwrap().unwrap().concurrent, 2);
    // However often the key is misused, the proof of it stays one entry.
    for seq in 6..12 {
        for text in ["a", "b"] {
            accept(
                &mut replica,
                member.item(SHARD, seq, &[], &listing(0, 1, &format!("{text}{seq}"))),
            );
        }
    }
    assert_eq!(replica.proofs().unwrap().len(), 1);
    assert_eq!(replica.shown(&key).unwrap().unwrap().concurrent, 1);
    accept(
        &mut replica,
        member.item(SHARD, 12, &[], &listing(0, 1, "healed")),
    );
    assert_eq!(replica.shown(&key).unwrap().unwrap().concurrent, 0);
}

#[test]
fn a_store_that_was_put_back_goes_on_as_another_instance() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    let backup = replica.storage().clone();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "two"));
    let lost = replica.items(&founder.doc(SHARD)).unwrap();

    let own: BTreeSet<OrgId> = [founder.org()].into();
    let mut restored = Replica::open(backup, founder.id(), own.clone()).unwrap();
    for item in lost.clone() {
        accept(&mut restored, item);
    }
    assert!(restored.poll_changes().contains(&Change::FoundBehind));
    let fresh = Party {
        instance: Instance([8; 8]),
        ..founder.clone()
    };
    fresh.publish(&mut restored, SHARD, &listing(0, 1, "x"));
    let fresh = fresh.instance;
    assert_eq!(restored.instance().unwrap(), Some(fresh));
    for item in lost {
        assert_eq!(send(&mut restored, item), Outcome::Dominated);
    }
    let shown = restored.shown(&founder.doc(SHARD)).unwrap().unwrap();
    assert_eq!((shown.state, shown.concurrent), (listing(0, 1, "x"), 0));
}

#[test]
fn a_restart_or_a_refusal_does_not_hide_that_a_store_was_put_back() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    let limited = founder.delegated(Role::Admin, 10, None);
    limited.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    let backup = replica.storage().clone();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "two"));
    let own: BTreeSet<OrgId> = [founder.org()].into();
    let mut restored = Replica::open(backup, founder.id(), own.clone()).unwrap();
    for item in replica.items(&founder.doc(SHARD)).unwrap() {
        accept(&mut restored, item);
    }
    let mut again = Replica::open(restored.storage().clone(), founder.id(), own).unwrap();
    assert!(again.poll_changes().contains(&Change::FoundBehind));
    let fresh = Instance([8; 8]);
    let draft = |key: DocKey, state: Vec<u8>| Draft {
        key,
        state,
        heads: Vec::new(),
        generation: 0,
        delegation: founder.delegation.clone(),
        contains: Contained::All,
        sealed: None,
    };
    // Of an organisation that never delegated this node: refused.
    let stranger = Party::new(77).doc(SHARD);
    let refused = again.publish(
        NOW_S,
        draft(stranger, listing(0, 1, "x")),
        &founder.node,
        fresh,
        Batch::default(),
    );
    assert!(
        matches!(refused, Err(PublishError::Refused(_))),
        "{refused:?}"
    );
    let record = again
        .publish(
            NOW_S,
            draft(founder.doc(SHARD), listing(0, 1, "x")),
            &founder.node,
            fresh,
            Batch::default(),
        )
        .unwrap();
    assert_eq!(record.get().writer.instance, fresh);
}

#[test]
fn what_a_sibling_has_merged_tells_that_a_store_was_put_back() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    founder.publish(&mut replica, SHARD, &listing(0, 1, "one"));
    let sibling = Party::on(1, 50, Role::Admin);
    let saw = [Seen {
        writer: founder.writer(),
        seq: 3,
    }];
    accept(
        &mut replica,
        sibling.item(SHARD, 1, &saw, &listing(0, 1, "merged")),
    );
    assert!(replica.poll_changes().contains(&Change::FoundBehind));
}

#[test]
fn own_publications_are_no_sign_of_a_store_that_was_put_back() {
    let World {
        founder,
        mut replica,
        ..
    } = world();
    for text in ["one", "two", "three"] {
        founder.publish(&mut replica, SHARD, &listing(0, 1, text));
    }
    assert!(!replica.poll_changes().contains(&Change::FoundBehind));
    let own: BTreeSet<OrgId> = [founder.org()].into();
    let mut again = Replica::open(replica.storage().clone(), founder.id(), own).unwrap();
    assert_eq!(again.poll_changes(), []);
    founder.publish(&mut again, SHARD, &listing(0, 1, "four"));
    assert_eq!(
        again
            .shown(&founder.doc(SHARD))
            .unwrap()
            .unwrap()
            .record
            .get()
            .seq,
        4
    );
}

#[test]
fn cards_that_are_held_already_count_in_a_network_that_is_joined_later() {
    let World {
        founder,
        member,
        network,
        mut replica,
        ..
    } = world();
    let later = charter(2, 1, &[&founder]);
    let card = member.card(&[(network, 1, &[&founder]), (later.network(), 1, &[&founder])]);
    accept(
        &mut replica,
        member.item(DocName::Card, 2, &[], &card.to_bytes()),
    );
    replica.add_network(later.clone()).unwrap();
    assert!(
        replica
            .roster(&later.network())
            .unwrap()
            .is_member(&member.org())
    );
    let own = replica.own().clone();
    let mut again = Replica::open(replica.storage().clone(), founder.id(), own).unwrap();
    assert_eq!(
        again.roster(&later.network()),
        replica.roster(&later.network())
    );
}

/// A store that refuses to write when it is told to.
#[derive(Default)]
struct Failing {
    inner: MemoryStorage,
    full: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("no space left on device")]
struct Full;

impl Storage for Failing {
    type Error = Full;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Full> {
        Ok(self.inner.get(table, key).unwrap_or_default())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Full> {
        self.inner.scan(table, prefix, visit).map_err(|_| Full)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Full> {
        if self.full {
            Err(Full)
        } else {
            self.inner.commit(batch).map_err(|_| Full)
        }
    }

    fn flush(&mut self) -> Result<(), Full> {
        Ok(())
    }
}

#[test]
fn a_store_that_cannot_write_leaves_the_replica_as_it_was() {
    let World {
        charter,
        founder,
        member,
        network,
        ..
    } = world();
    let own: BTreeSet<OrgId> = [founder.org()].into();
    let mut replica = Replica::open(Failing::default(), founder.id(), own).unwrap();
    replica.add_network(charter).unwrap();
    let membership = member.membership(network, 1, &[&founder]);
    let items = [
        member.first_card(network, &[&founder]),
        member.item(SHARD, 1, &[], &listing(0, 1, "x")),
        member.departure(&membership, network, NOW_S),
    ];
    for item in items {
        let before = (
            replica.place(&member.org()),
            all_shown(&replica),
            replica.counts(),
        );
        replica.poll_changes();
        replica.storage_mut().full = true;
        let checked = item.clone().check().unwrap();
        assert!(matches!(
            replica.receive(NOW_S, checked),
            Err(ReplicaError::Storage(Full))
        ));
        assert_eq!(
            (
                replica.place(&member.org()),
                all_shown(&replica),
                replica.counts()
            ),
            before
        );
        assert_eq!(replica.poll_changes(), []);
        replica.storage_mut().full = false;
        assert!(matches!(send(&mut replica, item), Outcome::Accepted(_)));
    }
    assert_eq!(replica.place(&member.org()), Some(Place::Left));
}

#[test]
fn a_damaged_store_is_recognised_when_it_is_opened() {
    let World {
        founder, replica, ..
    } = world();
    let own = replica.own().clone();
    for table in [Table::Documents, Table::Charters, Table::Standings] {
        let mut storage = replica.storage().clone();
        let (key, mut value) = storage.scan_all(table, &[]).remove(0);
        value.truncate(value.len() / 2);
        let mut batch = Batch::default();
        batch.put(table, key, value);
        storage.commit(batch).unwrap();
        let opened = Replica::open(storage, founder.id(), own.clone()).map(|_| ());
        assert!(
            matches!(opened, Err(ReplicaError::Damaged(found)) if found == table),
            "{table:?}"
        );
    }
}

impl MemoryStorage {
    fn scan_all(&self, table: Table, prefix: &[u8]) -> Vec<KeyValue> {
        let mut found = Vec::new();
        self.scan(table, prefix, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
        found
    }
}
