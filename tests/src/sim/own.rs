//! The owner's side of a document: what automerge and the merge worker do in the daemon, with sets of items in the
//! place of automerge. What is stored, sealed, noted and published when is as the daemon does it.

use std::collections::BTreeSet;

use fingerpost_proto::board::BoardState;
use fingerpost_proto::ids::{DocKey, DocName, RecordId};
use fingerpost_proto::listing::model::ServiceArea;
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::{Change, Contained, Replica};
use fingerpost_proto::storage::{Batch, Storage, Table};
use serde::{Deserialize, Serialize};

use super::store::CrashStorage;
use super::world::World;

/// A document with its history: the items that were ever put in, and those that were taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnDoc {
    added: BTreeSet<u32>,
    removed: BTreeSet<u32>,
}

impl OwnDoc {
    /// Most items that are in at one time, so that two siblings' fit one shard.
    pub(super) const LIVE_MAX: usize = 20;

    pub(super) fn add(&mut self, item: u32) {
        self.added.insert(item);
    }

    pub(super) fn erase(&mut self, item: u32) {
        self.added.remove(&item);
        self.removed.insert(item);
    }

    /// The items that are in.
    pub(super) fn live(&self) -> Vec<u32> {
        self.added.difference(&self.removed).copied().collect()
    }

    fn merge(&mut self, other: &Self) {
        self.added.extend(&other.added);
        self.removed.extend(&other.removed);
        self.added.retain(|item| !self.removed.contains(item));
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("sets of numbers are JSON")
    }

    /// `has_areas` says whether each service names one.
    fn state(&self, name: DocName, has_areas: bool) -> Vec<u8> {
        let state = match name {
            DocName::Listing(shard) => {
                let mut state = ShardState::empty(shard);
                if shard == 0 {
                    state.organization = Some(Organization {
                        id: "organisation".into(),
                        name: "An organisation".into(),
                        ..Organization::default()
                    });
                }
                for item in self.live() {
                    state.services.insert(Service {
                        id: word(item),
                        name: "A service".into(),
                        service_areas: area(item).filter(|_| has_areas).into_iter().collect(),
                        ..Service::default()
                    });
                }
                state.to_bytes()
            }
            _ => {
                let mut state = BoardState::default();
                let items: Vec<String> = self.live().into_iter().map(word).collect();
                state.extra.insert("x_items".into(), items.into());
                state.to_bytes()
            }
        };
        state.expect("within the limits")
    }
}

/// The area that followers follow.
pub(super) const FOLLOWED: &str = "Lambeth";

/// In which area an item is; one in seven says nothing of it.
fn area(item: u32) -> Option<ServiceArea> {
    let name = match item % 7 {
        0 => return None,
        1..3 => FOLLOWED,
        _ => "Trafford",
    };
    Some(ServiceArea {
        id: "area".into(),
        name: Some(name.into()),
        ..ServiceArea::default()
    })
}

/// How an item stands in a state.
fn word(item: u32) -> String {
    format!("item-{item}")
}

/// The items of a state, whatever its document.
pub(super) fn items_of(state: &[u8]) -> BTreeSet<u32> {
    let text = String::from_utf8_lossy(state);
    let after = text.split("\"item-").skip(1);
    after
        .filter_map(|rest| rest.split('"').next()?.parse().ok())
        .collect()
}

impl World {
    /// A node's own document; `None` if its store does not answer. One whose history is lost goes on from what
    /// is shown.
    pub(super) fn own_doc(&self, node: usize, key: &DocKey) -> Option<OwnDoc> {
        let replica = &self.nodes[node].replica;
        if let Some(bytes) = replica.storage().get(Table::Own, &key.to_bytes()).ok()? {
            return serde_json::from_slice(&bytes).ok();
        }
        let shown = replica.shown(key).ok()?;
        Some(OwnDoc {
            added: shown.map(|it| items_of(&it.state)).unwrap_or_default(),
            removed: BTreeSet::new(),
        })
    }

    /// The undominated records that it contains.
    pub(super) fn contained_by_own(&self, node: usize, key: &DocKey) -> Vec<RecordId> {
        let replica = &self.nodes[node].replica;
        let own = replica.storage().get(Table::Own, &key.to_bytes());
        match own.expect("a store reads") {
            Some(_) => replica.contained(key).expect("a store reads"),
            None => {
                let shown = replica.shown_id(key).expect("a store reads");
                shown.into_iter().collect()
            }
        }
    }

    /// Publishes an own document as it stands.
    pub(super) fn publish_own(
        &mut self,
        node: usize,
        key: DocKey,
        own: &OwnDoc,
        contains: Vec<RecordId>,
    ) -> Option<SignedRecord> {
        let mut also = Batch::default();
        also.put(Table::Own, key.to_bytes(), own.to_bytes());
        let has_areas = self.scenario.followers_per_mille > 0;
        let state = own.state(key.name, has_areas);
        let sealed = Some(own.to_bytes());
        self.publish(node, key, state, Contained::These(contains), sealed, also)
    }

    /// Publishes all documents of a node's organisation anew, after its nodes have changed.
    pub(super) fn reseal(&mut self, node: usize) {
        let org = self.orgs[self.nodes[node].org].id();
        let keys: Vec<DocKey> = self.nodes[node].replica.documents_of(&org).collect();
        for key in keys.into_iter().filter(|key| !key.name.is_card()) {
            let contains = self.contained_by_own(node, &key);
            if let Some(own) = self.own_doc(node, &key) {
                self.publish_own(node, key, &own, contains);
            }
        }
    }

    /// Follows what an item or a frame has changed: looks at who wrote it, and merges what siblings wrote.
    pub(super) fn follow(&mut self, node: usize) {
        let own = self.orgs[self.nodes[node].org].id();
        for change in self.nodes[node].replica.poll_changes() {
            match change {
                Change::Document(key) => {
                    self.look_at(node, &key);
                    if key.org == own && !key.name.is_card() {
                        self.merge(node, &key);
                        self.publish_overtaken(node, &key);
                    }
                }
                Change::Sealed(key) if key.org == own => self.merge(node, &key),
                _ => {}
            }
        }
    }

    /// Publishes once more what a forgotten life of this node's store has overtaken.
    fn publish_overtaken(&mut self, node: usize, key: &DocKey) {
        if self.nodes[node].hostile || !self.nodes[node].up {
            return;
        }
        let overtaken = self.nodes[node].replica.is_overtaken(key);
        if overtaken.expect("a store reads")
            && let Some(own) = self.own_doc(node, key)
        {
            self.publish_own(node, *key, &own, Vec::new());
        }
    }

    /// Tries again what came to nothing for now.
    pub(super) fn merge_all(&mut self, node: usize) {
        let own = self.orgs[self.nodes[node].org].id();
        let keys: Vec<DocKey> = self.nodes[node].replica.documents_of(&own).collect();
        for key in keys.iter().filter(|key| !key.name.is_card()) {
            self.merge(node, key);
            self.publish_overtaken(node, key);
        }
    }

    /// Merges what siblings wrote and is here sealed; publishes the end of it if it is this node's turn.
    pub(super) fn merge(&mut self, node: usize, key: &DocKey) {
        if self.nodes[node].hostile || !self.nodes[node].up {
            return;
        }
        while let Some(record) = self.unmerged(node, key) {
            if self.merge_one(node, key, &record).is_none() {
                return;
            }
            self.report.merged += 1;
            self.tell(key, || format!("node {node} has merged {record:?}"));
        }
        self.merge_last_resorts(node, key);
        self.take_in_lost(node, key);
        if !self.nodes[node].up {
            return;
        }
        // Also when all was merged before: the node whose turn it is may have been revoked since, or found no room.
        let replica = &self.nodes[node].replica;
        if replica.is_to_publish_merge(key).expect("a store reads") {
            let contains = replica.contained(key).expect("a store reads");
            if let Some(own) = self.own_doc(node, key) {
                self.publish_own(node, *key, &own, contains);
            }
        }
    }

    /// Takes in what may be all that is left of what a sibling, or an earlier life of this node, wrote.
    fn merge_last_resorts(&mut self, node: usize, key: &DocKey) {
        let resorts = self.nodes[node].replica.last_resorts(key);
        for record in resorts.expect("a store reads") {
            let before = self.own_doc(node, key).map(|own| own.live());
            if self.merge_one(node, key, &record).is_none() {
                return;
            }
            self.tell(key, || {
                format!("node {node} has taken in, as a last resort, {record:?}")
            });
            let own = self.own_doc(node, key);
            if let Some(own) = own.filter(|own| before.is_none_or(|it| it != own.live())) {
                let contains = self.contained_by_own(node, key);
                self.publish_own(node, *key, &own, contains);
            }
            if !self.nodes[node].up {
                return;
            }
        }
    }

    /// Takes in the state that is all that is left of what a forgotten life of this node wrote. A document whose
    /// history is lost as well, on this node and for all that it knows, goes on from what is shown.
    fn take_in_lost(&mut self, node: usize, key: &DocKey) {
        let replica = &self.nodes[node].replica;
        let own = replica.storage().get(Table::Own, &key.to_bytes());
        let awaits_history =
            own.expect("a store reads").is_none() && !replica.sealed_ids(key).is_empty();
        if !self.nodes[node].up || awaits_history {
            return;
        }
        let lost = replica.lost_state(key).expect("a store reads");
        let (Some((record, state)), Some(mut own)) = (lost, self.own_doc(node, key)) else {
            return;
        };
        let before = own.live();
        own.added.extend(items_of(&state));
        own.added.retain(|item| !own.removed.contains(item));
        let contains = self.contained_by_own(node, key);
        let replica = &mut self.nodes[node].replica;
        let mut batch = Batch::default();
        batch.put(Table::Own, key.to_bytes(), own.to_bytes());
        Replica::<CrashStorage>::note_contained(&mut batch, key, &contains);
        let noted = replica.note_last_resort(&mut batch, key, record);
        noted.expect("a store reads");
        if replica.storage_mut().commit(batch).is_err() {
            return;
        }
        self.tell(key, || {
            format!("node {node} has taken in what is left of {record:?}")
        });
        if own.live() != before {
            self.publish_own(node, *key, &own, contains);
        }
    }

    fn unmerged(&self, node: usize, key: &DocKey) -> Option<RecordId> {
        let unmerged = self.nodes[node].replica.unmerged(key);
        let unmerged = unmerged.expect("a store reads");
        unmerged.into_iter().find(|it| it.sealed).map(|it| it.id)
    }

    fn merge_one(&mut self, node: usize, key: &DocKey, record: &RecordId) -> Option<()> {
        let replica = &mut self.nodes[node].replica;
        let sealed = replica.sealed_bytes(key, record).ok()??;
        // What cannot be read is given up.
        let sibling: OwnDoc = serde_json::from_slice(&sealed).ok()?;
        let held = replica.storage().get(Table::Own, &key.to_bytes()).ok()?;
        let mut own: OwnDoc = match held {
            Some(bytes) => serde_json::from_slice(&bytes).ok()?,
            None => OwnDoc::default(),
        };
        own.merge(&sibling);
        let mut contains = replica.contained(key).ok()?;
        let mut batch = Batch::default();
        batch.put(Table::Own, key.to_bytes(), own.to_bytes());
        if replica.record_ids(key).contains(record) {
            contains.push(*record);
            Replica::<CrashStorage>::note_contained(&mut batch, key, &contains);
        } else {
            replica.note_last_resort(&mut batch, key, *record).ok()?;
        }
        replica.storage_mut().commit(batch).ok()?;
        replica.storage_mut().flush().ok()
    }
}
