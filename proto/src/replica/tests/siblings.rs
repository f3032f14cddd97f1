//! Siblings that are never online together, and the peer that keeps their documents sealed for them.
//!
//! The replica does not look into what is sealed, so here the "sealed" bytes are the document as it is.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::certificate::{FORMAT, Revocation, Role};
use crate::documents::{ChangeNote, OwnDocument};
use crate::record::Hash;
use crate::signed::Signed;
use crate::testing::{NOW_S, is_accepted, listing};

const SHARD: DocName = DocName::Listing(0);

/// A node of the organisation: its replica, and its document beside it.
pub(super) struct Sibling {
    pub(super) party: Party,
    pub(super) replica: Replica<MemoryStorage>,
    actor: [u8; 16],
}

fn note() -> ChangeNote {
    ChangeNote::default()
}

impl Sibling {
    pub(super) fn key(&self) -> DocKey {
        self.party.doc(SHARD)
    }

    pub(super) fn document(&self) -> OwnDocument {
        let stored = self
            .replica
            .storage()
            .get(Table::Own, &self.key().to_bytes())
            .unwrap();
        match stored {
            Some(bytes) => OwnDocument::load(&bytes, &self.actor).unwrap(),
            None => OwnDocument::new(&self.actor),
        }
    }

    pub(super) fn publish(&mut self, document: &mut OwnDocument) {
        let state = serde_json::to_vec(&document.value().unwrap()).unwrap();
        let state = crate::listing::ShardState::parse(&state, 0)
            .unwrap()
            .to_bytes()
            .unwrap();
        let bytes = document.save();
        let mut also = Batch::default();
        also.put(Table::Own, self.key().to_bytes(), bytes.clone());
        let draft = Draft {
            key: self.key(),
            state,
            heads: document.heads().into_iter().map(Hash).collect(),
            generation: document.generation(),
            delegation: self.party.delegation.clone(),
            contains: Contained::These(self.replica.contained(&self.key()).unwrap()),
            sealed: Some(bytes),
        };
        self.replica
            .publish(NOW_S, draft, &self.party.node, self.party.instance, also)
            .unwrap();
    }

    /// Sets the name of one service.
    pub(super) fn edit(&mut self, service: usize, name: &str) {
        let mut document = self.document();
        let mut value = document.value().unwrap();
        value["services"][service]["name"] = json!(name);
        document.update(&value, &note(), 1).unwrap();
        self.publish(&mut document);
    }

    /// Lets go of the history, and of some services with it.
    fn erase(&mut self, services: &[usize]) {
        let mut document = self.document();
        let ids: Vec<String> = services.iter().map(|at| format!("service-{at}")).collect();
        document.begin_anew(&ids, &note(), 3).unwrap();
        self.publish(&mut document);
    }

    /// Takes in what is sealed behind a record.
    fn take_in(&mut self, id: &RecordId, batch: &mut Batch) {
        let key = self.key();
        let bytes = self.replica.sealed_bytes(&key, id).unwrap();
        let mut theirs = OwnDocument::load(&bytes.unwrap(), &[99; 16]).unwrap();
        let mut document = self.document();
        document.merge(&mut theirs, &note(), 2).unwrap();
        batch.put(Table::Own, key.to_bytes(), document.save());
    }

    /// What a daemon does when something arrived: takes in what is sealed, and ends the difference if it is
    /// its turn.
    pub(super) fn merge(&mut self) {
        let key = self.key();
        for lacking in self.replica.unmerged(&key).unwrap() {
            if !lacking.sealed {
                continue;
            }
            let mut batch = Batch::default();
            self.take_in(&lacking.id, &mut batch);
            let mut contained = self.replica.contained(&key).unwrap();
            contained.push(lacking.id);
            Replica::<MemoryStorage>::note_contained(&mut batch, &key, &contained);
            self.replica.storage_mut().commit(batch).unwrap();
        }
        let resorts = self.replica.last_resorts(&key).unwrap();
        for id in &resorts {
            let mut batch = Batch::default();
            self.take_in(id, &mut batch);
            let noted = self.replica.note_last_resort(&mut batch, &key, *id);
            noted.unwrap();
            self.replica.storage_mut().commit(batch).unwrap();
        }
        if !resorts.is_empty() || self.replica.is_to_publish_merge(&key).unwrap() {
            let mut document = self.document();
            self.publish(&mut document);
        }
    }

    /// Revokes another node on the organisation's card.
    pub(super) fn revoke(&mut self, node: &Party) {
        let (party, replica) = (&self.party, &mut self.replica);
        let card = party.doc(DocName::Card);
        let shown = replica.shown(&card).unwrap().unwrap();
        let mut card = crate::card::Card::parse(&shown.state).unwrap();
        let revocation = Revocation {
            format: FORMAT,
            org: party.org(),
            node: node.id(),
            revoked_at_s: NOW_S,
            last: replica.last_records(&party.org(), &node.id()).unwrap(),
        };
        let signed = Signed::sign(revocation, &party.root);
        card.revocations = vec![crate::signed::Carry::new(&signed)];
        party.publish(replica, DocName::Card, &card.to_bytes());
    }
}

/// Gives `to` all that `from` holds of a document.
pub(super) fn carry(from: &Replica<MemoryStorage>, to: &mut Replica<MemoryStorage>, key: &DocKey) {
    let sealed = from.sealed_ids(key);
    let sealed = sealed
        .iter()
        .filter_map(|id| from.sealed_item(key, id).unwrap());
    for item in from.items(key).unwrap().into_iter().chain(sealed) {
        let outcome = send(to, item);
        assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
}

/// Siblings with the same document, and a peer of another organisation.
pub(super) fn family(count: u32) -> (Vec<Sibling>, Replica<MemoryStorage>) {
    let World {
        charter, founder, ..
    } = world();
    let network = charter.network();
    let member = Party::new(2);
    let mut peer = member.replica(&[&charter]);
    member.publish(
        &mut peer,
        DocName::Card,
        &member.card(&[(network, 1, &[&founder])]).to_bytes(),
    );
    let mut card = founder.card(&[(network, 1, &[])]);
    let parties: Vec<Party> = (0..count)
        .map(|n| Party::on(1, 100 + n, Role::Admin))
        .collect();
    card.delegations = parties
        .iter()
        .map(|party| crate::signed::Carry::new(&party.delegation))
        .collect();
    let mut siblings: Vec<Sibling> = (0..)
        .zip(parties)
        .map(|(n, party)| Sibling {
            replica: party.replica(&[&charter]),
            party,
            actor: [n; 16],
        })
        .collect();
    let first = &mut siblings[0];
    first
        .party
        .publish(&mut first.replica, DocName::Card, &card.to_bytes());
    let mut document = OwnDocument::new(&[77; 16]);
    let start: Value = serde_json::from_slice(&listing(0, 3, "start")).unwrap();
    document.update(&start, &note(), 1).unwrap();
    first.publish(&mut document);
    let (key, card) = (first.key(), first.party.doc(DocName::Card));
    for key in [card, key] {
        carry(&siblings[0].replica, &mut peer, &key);
        for sibling in &mut siblings[1..] {
            carry(&peer, &mut sibling.replica, &key);
        }
    }
    for sibling in &mut siblings {
        sibling.merge();
    }
    (siblings, peer)
}

fn shows_the_same(
    one: &Replica<MemoryStorage>,
    another: &Replica<MemoryStorage>,
    key: &DocKey,
) -> bool {
    one.record_ids(key) == another.record_ids(key)
        && one.shown(key).unwrap() == another.shown(key).unwrap()
}

pub(super) fn meet(sibling: &mut Sibling, peer: &mut Replica<MemoryStorage>) {
    let key = sibling.key();
    carry(&sibling.replica, peer, &key);
    carry(peer, &mut sibling.replica, &key);
    sibling.merge();
    carry(&sibling.replica, peer, &key);
}

#[test]
fn edits_of_siblings_that_never_meet_all_stand_and_nobody_shows_a_mixture() {
    let (mut siblings, mut peer) = family(2);
    let key = siblings[0].key();
    siblings[0].edit(1, "one");
    siblings[0].edit(0, "both, by one");
    siblings[1].edit(2, "two");
    siblings[1].edit(0, "both, by two");
    let states: Vec<Vec<u8>> = siblings
        .iter()
        .map(|sibling| sibling.replica.shown(&key).unwrap().unwrap().state)
        .collect();
    carry(&siblings[0].replica, &mut peer, &key);
    carry(&siblings[1].replica, &mut peer, &key);
    let shown = peer.shown(&key).unwrap().unwrap();
    assert_eq!(shown.concurrent, 1);
    assert!(
        states.contains(&shown.state),
        "one of the two, and no mixture"
    );
    // The first comes online again, alone with the peer, and then the second.
    meet(&mut siblings[0], &mut peer);
    let shown = peer.shown(&key).unwrap().unwrap();
    assert_eq!(shown.concurrent, 0, "the first has merged and ended it");
    let merged: Value = serde_json::from_slice(&shown.state).unwrap();
    assert_eq!(merged["services"][1]["name"], "one");
    assert_eq!(merged["services"][2]["name"], "two");
    meet(&mut siblings[1], &mut peer);
    for sibling in &mut siblings {
        assert!(shows_the_same(&sibling.replica, &peer, &key));
        let conflicts = sibling.document().conflicts().unwrap();
        let paths: Vec<String> = conflicts.iter().map(|it| it.path.join("/")).collect();
        assert_eq!(paths, ["services/service-0/name"]);
    }
    // The peer keeps the newest sealed document, and none of what it contains.
    assert_eq!(peer.sealed_ids(&key).len(), 1);
}

#[test]
fn an_edit_before_the_merge_leaves_the_siblings_record_beside_it() {
    let (mut siblings, mut peer) = family(2);
    let key = siblings[0].key();
    siblings[1].edit(2, "two");
    // Its record arrives, its sealed document does not.
    for item in siblings[1].replica.items(&key).unwrap() {
        send(&mut siblings[0].replica, item);
    }
    siblings[0].merge();
    assert_eq!(siblings[0].replica.unmerged(&key).unwrap().len(), 1);
    siblings[0].edit(1, "one");
    assert_eq!(siblings[0].replica.record_ids(&key).len(), 2);
    carry(&siblings[1].replica, &mut peer, &key);
    meet(&mut siblings[0], &mut peer);
    let shown = siblings[0].replica.shown(&key).unwrap().unwrap();
    let merged: Value = serde_json::from_slice(&shown.state).unwrap();
    assert_eq!(merged["services"][1]["name"], "one");
    assert_eq!(merged["services"][2]["name"], "two");
    assert_eq!(shown.concurrent, 0);
}

#[test]
fn siblings_that_merge_at_once_come_to_an_end() {
    let (mut siblings, _) = family(3);
    let key = siblings[0].key();
    for (n, sibling) in siblings.iter_mut().enumerate() {
        sibling.edit(n, &format!("by {n}"));
    }
    let mut rounds = 0;
    loop {
        // Everybody hears everybody before anybody does anything: the worst case.
        let items: Vec<Item> = siblings
            .iter()
            .flat_map(|sibling| {
                let sealed = sibling.replica.sealed_ids(&key);
                let sealed: Vec<Item> = sealed
                    .iter()
                    .filter_map(|id| sibling.replica.sealed_item(&key, id).unwrap())
                    .collect();
                let records = sibling.replica.items(&key).unwrap();
                records.into_iter().chain(sealed)
            })
            .collect();
        for sibling in &mut siblings {
            for item in &items {
                send(&mut sibling.replica, item.clone());
            }
        }
        let settled = siblings
            .iter()
            .all(|sibling| sibling.replica.record_ids(&key).len() == 1);
        if settled {
            break;
        }
        for sibling in &mut siblings {
            sibling.merge();
        }
        rounds += 1;
        assert!(rounds < 6, "it goes on and on");
    }
    let shown = siblings[0].replica.shown(&key).unwrap().unwrap();
    let merged: Value = serde_json::from_slice(&shown.state).unwrap();
    for n in 0..3 {
        assert_eq!(merged["services"][n]["name"], format!("by {n}"));
    }
}

/// Both have merged at once, and it is the turn of one that is stolen before it can publish.
#[test]
fn a_sibling_that_is_revoked_is_not_waited_for() {
    let (mut siblings, mut peer) = family(2);
    siblings.sort_by_key(|sibling| sibling.party.id());
    let key = siblings[0].key();
    for (n, sibling) in siblings.iter_mut().enumerate() {
        sibling.edit(n, &format!("by {n}"));
        carry(&sibling.replica, &mut peer, &key);
    }
    for sibling in &mut siblings {
        carry(&peer, &mut sibling.replica, &key);
        sibling.merge();
    }
    let [stolen, other] = &mut siblings[..] else {
        panic!("there are two");
    };
    carry(&stolen.replica, &mut other.replica, &key);
    other.merge();
    assert_eq!(other.replica.record_ids(&key).len(), 2, "not its turn");

    other.revoke(&stolen.party);
    let replica = &other.replica;
    assert_eq!(replica.record_ids(&key).len(), 2, "what it wrote counts");
    other.merge();
    assert_eq!(other.replica.record_ids(&key).len(), 1);
}

/// A store is put back from a copy, and writes at a place at which it wrote before, before it hears of that: both
/// edits stand in the end.
#[test]
fn two_records_at_one_place_of_one_node_are_merged() {
    let (mut siblings, mut peer) = family(1);
    let key = siblings[0].key();
    let copy = siblings[0].replica.storage().clone();
    siblings[0].edit(1, "before");
    carry(&siblings[0].replica, &mut peer, &key);
    let party = &siblings[0].party;
    siblings[0].replica = Replica::open(copy, party.id(), [party.org()].into()).unwrap();
    // Each start of a node is an actor of its own.
    siblings[0].actor = [50; 16];
    siblings[0].edit(2, "after");
    meet(&mut siblings[0], &mut peer);
    assert_eq!(peer.record_ids(&key).len(), 1);
    let shown = peer.shown(&key).unwrap().unwrap();
    let merged: Value = serde_json::from_slice(&shown.state).unwrap();
    assert_eq!(merged["services"][1]["name"], "before");
    assert_eq!(merged["services"][2]["name"], "after");
}

/// The same, but the peer holds more than one record of the life that was forgotten: what was written since is
/// published once more, beside those, and merged.
#[test]
fn what_a_store_that_was_put_back_published_is_published_once_more() {
    let (mut siblings, mut peer) = family(1);
    let key = siblings[0].key();
    let copy = siblings[0].replica.storage().clone();
    siblings[0].edit(1, "before");
    siblings[0].edit(1, "long before");
    carry(&siblings[0].replica, &mut peer, &key);
    let party = &siblings[0].party;
    siblings[0].replica = Replica::open(copy, party.id(), [party.org()].into()).unwrap();
    siblings[0].actor = [50; 16];
    siblings[0].edit(2, "after");
    assert!(!siblings[0].replica.is_overtaken(&key).unwrap());
    // The record and what it says arrive, the history behind it does not.
    for item in peer.items(&key).unwrap() {
        send(&mut siblings[0].replica, item);
    }
    assert!(siblings[0].replica.is_overtaken(&key).unwrap());
    // It goes on under a new instance.
    siblings[0].party.instance = crate::record::Instance([9; 8]);
    let mut document = siblings[0].document();
    siblings[0].publish(&mut document);
    assert!(!siblings[0].replica.is_overtaken(&key).unwrap());
    assert_eq!(siblings[0].replica.record_ids(&key).len(), 2);
    for _ in 0..2 {
        meet(&mut siblings[0], &mut peer);
    }
    assert_eq!(peer.record_ids(&key).len(), 1);
    let shown = peer.shown(&key).unwrap().unwrap();
    let merged: Value = serde_json::from_slice(&shown.state).unwrap();
    assert_eq!(merged["services"][1]["name"], "long before");
    assert_eq!(merged["services"][2]["name"], "after");
}

/// Whether a text stands anywhere in a store, in whatever version.
fn holds(replica: &Replica<MemoryStorage>, text: &str) -> bool {
    Table::ALL.into_iter().any(|table| {
        let mut found = false;
        let mut look = |key: &[u8], value: &[u8]| {
            let mut texts = vec![key.to_vec(), value.to_vec()];
            let sealed = match crate::cbor::from_slice(value) {
                Ok(Item::Sealed { bytes, .. }) if table == Table::Sealed => bytes,
                _ => value.to_vec(),
            };
            if let Ok(mut document) = OwnDocument::load(&sealed, &[98; 16]) {
                let versions = document.history();
                texts.extend(versions.iter().map(|it| {
                    let value = document.value_at(&it.heads_after).unwrap();
                    value.to_string().into_bytes()
                }));
            }
            let in_one = |it: &Vec<u8>| it.windows(text.len()).any(|w| w == text.as_bytes());
            found |= texts.iter().any(in_one);
            true
        };
        replica.storage().scan(table, &[], &mut look).unwrap();
        found
    })
}

#[test]
fn what_one_sibling_erases_is_gone_from_all_and_what_the_other_wrote_is_not() {
    let (mut siblings, mut peer) = family(2);
    let key = siblings[0].key();
    siblings[0].edit(1, "a secret");
    meet(&mut siblings[0], &mut peer);
    meet(&mut siblings[1], &mut peer);
    assert!(holds(&peer, "a secret") && holds(&siblings[1].replica, "a secret"));
    // While the one erases, the other works on, with what is being erased too.
    siblings[1].edit(1, "more of a secret");
    siblings[1].edit(2, "two");
    siblings[0].erase(&[1]);
    let eraser = &siblings[0].replica;
    assert!(eraser.is_wipe_due().unwrap() && !holds(eraser, "a secret"));
    meet(&mut siblings[0], &mut peer);
    assert!(peer.is_wipe_due().unwrap());
    assert!(
        peer.poll_changes()
            .contains(&crate::replica::Change::Erased)
    );
    assert!(!holds(&peer, "a secret"));
    // Of the two, what is shown is what was erased last, until they are one.
    carry(&siblings[1].replica, &mut peer, &key);
    let shown = peer.shown(&key).unwrap().unwrap();
    assert_eq!(
        (shown.record.get().generation, shown.concurrent),
        (Some(1), 1)
    );
    for _ in 0..2 {
        for sibling in &mut siblings {
            meet(sibling, &mut peer);
        }
    }
    for replica in [&siblings[0].replica, &siblings[1].replica, &peer] {
        assert!(!holds(replica, "a secret"));
        let shown = replica.shown(&key).unwrap().unwrap();
        assert_eq!(shown.concurrent, 0);
        let state: Value = serde_json::from_slice(&shown.state).unwrap();
        let names: Vec<&str> = state["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Advice start", "two"]);
        assert!(replica.is_wipe_due().unwrap());
    }
}

/// A peer that missed the erasure sends the history from before it: an own node does not take that in.
#[test]
fn a_history_from_before_an_erasure_does_not_come_back() {
    let (mut siblings, mut stale) = family(2);
    let key = siblings[0].key();
    siblings[0].edit(1, "a secret");
    meet(&mut siblings[0], &mut stale);
    siblings[0].erase(&[1]);
    // Only the record and the state of the erasure arrive, the sealed document does not.
    for item in siblings[0].replica.items(&key).unwrap() {
        assert!(is_accepted(&send(&mut siblings[1].replica, item)));
    }
    let before = siblings[1].replica.sealed_ids(&key);
    carry(&stale, &mut siblings[1].replica, &key);
    assert_eq!(
        (before, siblings[1].replica.sealed_ids(&key)),
        (vec![], vec![])
    );
    let wiped = {
        let mut batch = Batch::default();
        Replica::<MemoryStorage>::note_wiped(&mut batch);
        siblings[1].replica.storage_mut().commit(batch).unwrap();
        siblings[1].replica.is_wipe_due().unwrap()
    };
    assert!(!wiped);
    // An edit like any other leaves nothing to be wiped.
    let [one, other] = &mut siblings[..] else {
        panic!("two");
    };
    meet(one, &mut other.replica);
    other.merge();
    one.edit(0, "later");
    meet(one, &mut other.replica);
    assert!(!other.replica.is_wipe_due().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever siblings write and whenever they meet the peer: in the end there is one record, everybody
    /// shows it, and each service's name is the last that somebody gave it, or one of a conflict's.
    #[test]
    fn whatever_happens_there_is_one_state_in_the_end_and_nothing_is_lost(
        steps in prop::collection::vec((0usize..3, 0usize..3, any::<bool>()), 1..24),
        forgets in prop::collection::btree_set(0usize..24, 0..3),
    ) {
        let (mut siblings, mut peer) = family(3);
        let key = siblings[0].key();
        for (at, (who, service, meets)) in steps.iter().enumerate() {
            let name = format!("{at} by {who}");
            if forgets.contains(&at) {
                siblings[*who].erase(&[]);
            }
            siblings[*who].edit(*service, &name);
            if *meets {
                meet(&mut siblings[*who], &mut peer);
            }
        }
        for _ in 0..4 {
            for sibling in &mut siblings {
                meet(sibling, &mut peer);
            }
        }
        prop_assert_eq!(peer.record_ids(&key).len(), 1);
        for sibling in &mut siblings {
            prop_assert!(shows_the_same(&sibling.replica, &peer, &key));
            prop_assert!(sibling.replica.unmerged(&key).unwrap().is_empty());
        }
        let mut document = siblings[0].document();
        let all: Vec<String> = document
            .conflicts()
            .unwrap()
            .iter()
            .flat_map(|conflict| conflict.values.iter().map(|it| it.value.to_string()))
            .collect();
        let shown = document.value().unwrap().to_string();
        // The very last edit of each service was made by somebody who knew or did not know of others: it is there.
        for service in 0..3 {
            let latest = steps.iter().enumerate().rev().find(|(_, (_, s, _))| *s == service);
            let Some((at, (who, ..))) = latest else { continue };
            let name = format!("\"{at} by {who}\"");
            prop_assert!(shown.contains(&name) || all.contains(&name), "{name}");
        }
    }
}
