//! What must hold throughout, and what once the network has healed.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::certificate::Sealed;
use fingerpost_proto::ids::{DocKey, NodeId, OrgId, RecordId};
use fingerpost_proto::limits;
use fingerpost_proto::record::{Hash, SignedRecord};
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::roster::Place;
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::{Storage, Table};

use super::hostile::Verdict;
use super::own::items_of;
use super::report::{Failure, Kind, Report};
use super::world::{Event, Node, World};

/// What two nodes that are in sync may exchange to find that out, in frames and bytes of both sides.
const IN_SYNC_MAX_FRAMES: u64 = 24;
/// A scope of fewer than 32 items is compared by its ids, of 32 bytes each, both ways.
const IN_SYNC_MAX_BYTES: u64 = 3 * 2 * 32 * 32 + 2 * 1024;

pub(super) type Check = Result<(), Failure>;

pub(super) fn fault<T>(kind: Kind, what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(kind, what))
}

impl World {
    /// Looks at a document that has just changed.
    pub(super) fn look_at(&mut self, node: usize, key: &DocKey) {
        if self.nodes[node].hostile {
            return;
        }
        self.tell(key, || {
            format!("node {node} holds: {}", self.held_of(node, key))
        });
        for id in self.nodes[node].replica.record_ids(key) {
            let Some(Verdict::Counts(record) | Verdict::Ended(record)) = self.signed.get(&id)
            else {
                return self.fail(
                    Kind::Unauthorised,
                    format!("node {node} has taken {id:?} of {key}, which nobody with the right to has signed"),
                );
            };
            let writer = record.writer.node;
            let is_honest = |it: &Node| !it.hostile && it.id == writer;
            if self.known.insert(id) && !self.nodes.iter().any(is_honest) {
                self.revealed_ms = self.now_ms;
            }
        }
    }

    /// Every second of virtual time one honest node is looked at closely.
    pub(super) fn look(&mut self) {
        let honest: Vec<usize> = self.honest().collect();
        if let Some(node) = self.random.pick(&honest).copied() {
            let checked = self
                .limits_hold(node)
                .and_then(|()| self.store_is_true(node));
            if let Err(failure) = checked {
                self.fail(failure.kind, failure.what);
            }
        }
        self.later(1_000, Event::Look);
    }

    /// Whether what a node has in memory is what it would find in its store.
    fn store_is_true(&mut self, node: usize) -> Check {
        let it = &mut self.nodes[node];
        let mut store = it.replica.storage().clone();
        store.set_room(None);
        let again = Replica::open(store, it.id, it.replica.own().clone());
        let Ok(mut again) = again else {
            return fault(
                Kind::Store,
                format!("the store of node {node} does not open"),
            );
        };
        it.replica.settle().ok();
        again.settle().ok();
        let full = it.full;
        for org in it.replica.organisations() {
            if !full && it.replica.fingerprint(&org) != again.fingerprint(&org) {
                let what = format!("node {node} has other documents of {org:?} in memory");
                return fault(Kind::Store, what);
            }
        }
        let (one, two) = (
            it.replica.roster(&self.network),
            again.roster(&self.network),
        );
        match one == two {
            true => Ok(()),
            false => fault(
                Kind::Store,
                format!("node {node} has another roster in memory"),
            ),
        }
    }

    fn limits_hold(&mut self, node: usize) -> Check {
        let over = |what: &str| fault(Kind::Limit, format!("node {node} holds too {what}"));
        let network = self.network;
        let replica = &mut self.nodes[node].replica;
        let Some(roster) = replica.roster(&network).cloned() else {
            return fault(Kind::Store, format!("node {node} has no roster"));
        };
        let own = replica.own().clone();
        let mut bytes: BTreeMap<OrgId, u64> = BTreeMap::new();
        for (key, state) in replica.storage().entries(Table::States) {
            let Some(key) = DocKey::from_bytes(&key[..35]) else {
                return fault(Kind::Store, "a state stands under no document");
            };
            if state.len() > limits::STATE_MAX_BYTES {
                return over("large a state");
            }
            if !key.name.is_card() {
                *bytes.entry(key.org).or_default() += state.len() as u64;
            }
        }
        for (org, bytes) in bytes {
            let heard = own.contains(&org) || roster.has_voice(&org);
            let most = match heard {
                true => limits::ORG_MAX_BYTES,
                false => limits::UNHEARD_MAX_BYTES,
            };
            // A voice that was lost leaves what was taken before.
            if bytes > most && (heard || self.crowded.contains(&org)) {
                return over(&format!("much of {org:?}: {bytes} bytes"));
            }
        }
        let mut writers: BTreeMap<OrgId, usize> = BTreeMap::new();
        let storage = replica.storage();
        for (key, _) in storage.entries(Table::Delegations) {
            if !storage.entries(Table::Revocations).any(|(it, _)| it == key) {
                let org = key.first_chunk().copied().map(OrgId::from_bytes);
                *writers.entry(org.expect("a key of two ids")).or_default() += 1;
            }
        }
        if writers
            .values()
            .any(|count| *count > limits::NODES_PER_ORG_MAX)
        {
            return over("many nodes of one organisation");
        }
        for (_, sealed) in storage.entries(Table::Sealed) {
            if sealed.len() > limits::SEALED_MAX_BYTES + limits::CERTIFICATE_MAX_BYTES + 64 {
                return over("large a sealed document");
            }
        }
        let applicants = roster
            .places()
            .filter(|(_, place)| *place == Place::Applicant);
        if applicants.count() > limits::APPLICANTS_MAX + limits::APPLICANTS_MAX / 2 {
            return over("many applicants");
        }
        for org in replica.organisations() {
            for key in replica.documents_of(&org).collect::<Vec<_>>() {
                if replica.record_ids(&key).len() > limits::CONCURRENT_MAX_RECORDS {
                    return over("many records of one document");
                }
            }
        }
        Ok(())
    }

    /// The records of everything that a node holds.
    fn held(&self, node: usize) -> BTreeMap<DocKey, Vec<RecordId>> {
        let replica = &self.nodes[node].replica;
        let orgs = replica.organisations().into_iter();
        let keys = orgs.flat_map(|org| replica.documents_of(&org).collect::<Vec<_>>());
        keys.filter(|key| key.name.is_card() || !self.crowded.contains(&key.org))
            .map(|key| (key, replica.record_ids(&key)))
            .collect()
    }

    /// Whether all honest nodes that take part hold equal documents and rosters, and those that left nothing.
    pub(super) fn agreed(&mut self) -> Check {
        let network = self.network;
        let mut first: Option<(usize, BTreeMap<DocKey, Vec<RecordId>>)> = None;
        let honest: Vec<usize> = self.honest().collect();
        for node in honest.iter().copied() {
            let org = self.nodes[node].org;
            let takes_part = self.orgs[org].takes_part;
            if self.nodes[node].replica.is_active(&network) != takes_part {
                let what = format!(
                    "node {node} does not know whether it takes part: {takes_part}; {}",
                    self.standings_of(org)
                );
                return fault(Kind::Agreement, what);
            }
            self.nodes[node].replica.settle().ok();
            let own = self.orgs[org].id();
            let replica = &self.nodes[node].replica;
            if !takes_part {
                if replica.organisations().iter().any(|org| *org != own) {
                    let what = format!("node {node} has left and still holds others' documents");
                    return fault(Kind::Agreement, what);
                }
                continue;
            }
            let held = self.held(node);
            match &first {
                None => first = Some((node, held)),
                Some((one, wanted)) if *wanted != held => {
                    let what = self.difference((*one, wanted), (node, &held));
                    return fault(Kind::Agreement, what);
                }
                Some(_) => {}
            }
        }
        let Some((one, held)) = first else {
            return fault(Kind::Agreement, "nobody takes part");
        };
        self.states_are_gone(&honest)?;
        self.rosters_agree(&honest, one)?;
        self.siblings_agree(&honest, &held)
    }

    /// What all nodes take an organisation's epoch to be, and the one that it left; with a star its own nodes.
    fn standings_of(&self, org: usize) -> String {
        let id = self.orgs[org].id();
        let says = |node: &Node| {
            let standing = node.replica.standing(&self.network, &id);
            let own = if node.org == org { "*" } else { "" };
            let (epoch, left) = standing.map_or((0, 0), |it| (it.epoch, it.left_epoch));
            let active = node.replica.is_active(&self.network);
            format!(
                "{own}{epoch}/{left}{}",
                if active { "" } else { " inactive" }
            )
        };
        self.nodes.iter().map(says).collect::<Vec<_>>().join(", ")
    }

    fn difference(
        &self,
        (one, first): (usize, &BTreeMap<DocKey, Vec<RecordId>>),
        (two, second): (usize, &BTreeMap<DocKey, Vec<RecordId>>),
    ) -> String {
        let keys: BTreeSet<&DocKey> = first.keys().chain(second.keys()).collect();
        let differ = keys
            .into_iter()
            .find(|key| first.get(key) != second.get(key));
        let Some(key) = differ else {
            return "nothing".into();
        };
        let org = self.orgs.iter().position(|org| org.id() == key.org);
        let hostile = org.map(|org| self.orgs[org].plan.hostile);
        let says = |held: Option<&Vec<RecordId>>| -> Vec<String> {
            let name = |id: &RecordId| match self.signed.get(id) {
                Some(Verdict::Counts(record)) => {
                    let by = self.nodes.iter().position(|it| it.id == record.writer.node);
                    format!("{} of node {by:?}", record.seq)
                }
                other => format!("{other:?}"),
            };
            held.into_iter().flatten().map(name).collect()
        };
        let standings = org.map(|org| self.standings_of(org)).unwrap_or_default();
        format!(
            "node {one} and node {two} differ in {key} of organisation {org:?} (hostile: {hostile:?}): {:?} and {:?}, and the one's comes to {} at the other; {standings}",
            says(first.get(key)),
            says(second.get(key)),
            self.would_become(one, two, key),
        )
    }

    /// What becomes of a document of one node if another is given it now.
    fn would_become(&self, from: usize, to: usize, key: &DocKey) -> String {
        let it = &self.nodes[to];
        let store = it.replica.storage().clone();
        let Ok(mut copy) = Replica::open(store, it.id, it.replica.own().clone()) else {
            return "nothing".into();
        };
        let items = self.nodes[from].replica.items(key).unwrap_or_default();
        let became = items.into_iter().map(|item| {
            let outcome = item.check().map(|it| copy.receive(self.clock_s(to), it));
            format!("{outcome:?}")
        });
        became.collect::<Vec<_>>().join(", ")
    }

    fn rosters_agree(&mut self, honest: &[usize], one: usize) -> Check {
        let network = self.network;
        let roster = self.nodes[one].replica.roster(&network).cloned();
        for node in honest.iter().copied() {
            let takes_part = self.orgs[self.nodes[node].org].takes_part;
            if takes_part && self.nodes[node].replica.roster(&network) != roster.as_ref() {
                let what = format!("node {one} and node {node} have different rosters");
                return fault(Kind::Agreement, what);
            }
        }
        let Some(roster) = roster else {
            return fault(Kind::Agreement, "there is no roster");
        };
        for (number, org) in self.orgs.iter().enumerate() {
            if !org.plan.hostile && org.joined && roster.is_member(&org.id()) != org.takes_part {
                let place = roster.place_of(&org.id());
                let what = format!(
                    "organisation {number}, which takes part: {}, is {place:?}",
                    org.takes_part
                );
                return fault(Kind::Agreement, what);
            }
        }
        self.report.members = roster.member_count();
        Ok(())
    }

    /// Whether siblings have merged, as far as what they sealed is anywhere.
    fn siblings_agree(&self, honest: &[usize], held: &BTreeMap<DocKey, Vec<RecordId>>) -> Check {
        for (key, ids) in held
            .iter()
            .filter(|(key, ids)| !key.name.is_card() && ids.len() > 1)
        {
            let org = self.orgs.iter().find(|org| org.id() == key.org);
            if org.is_none_or(|org| org.plan.hostile || !org.takes_part) {
                continue;
            }
            let sealed = |id: &RecordId| {
                let mut nodes = honest.iter();
                nodes.any(|node| self.nodes[*node].replica.sealed_ids(key).contains(id))
            };
            if ids.iter().all(sealed) {
                let what = format!("{key} was not merged: {}", ids.len());
                return fault(Kind::Agreement, what);
            }
        }
        for key in held.keys().filter(|key| !key.name.is_card()) {
            self.last_resorts_are_taken(honest, key)?;
        }
        Ok(())
    }

    /// Whether the nodes of a document's owner have taken in what is left of records whose states are nowhere.
    fn last_resorts_are_taken(&self, honest: &[usize], key: &DocKey) -> Check {
        let writes = |node: &&usize| {
            let org = &self.orgs[self.nodes[**node].org];
            org.id() == key.org && org.takes_part && !org.plan.hostile
        };
        for owner in honest.iter().filter(writes) {
            let replica = &self.nodes[*owner].replica;
            let known = replica.record_ids(key);
            let bare = |id: &RecordId| {
                let at = [key.to_bytes().as_slice(), id.as_bytes()].concat();
                let state = replica.storage().get(Table::States, &at);
                state.is_ok_and(|state| state.is_none()) && !replica.sealed_ids(key).contains(id)
            };
            if !known.iter().any(bare) {
                continue;
            }
            let held = replica.sealed_ids(key);
            let waits = |id: &RecordId, by: &NodeId| {
                !known.contains(id)
                    && !held.contains(id)
                    && replica.speaks_for(by, &key.org).unwrap_or(false)
            };
            let mut others = honest.iter().flat_map(|node| self.sealed_at(*node, key));
            let is_taken = replica.last_resorts(key).is_ok_and(|left| left.is_empty());
            if !is_taken || others.any(|(id, by)| waits(&id, &by)) {
                let what = format!("node {owner} has not taken in what is left of {key}");
                return fault(Kind::Agreement, what);
            }
        }
        Ok(())
    }

    /// The sealed forms of a document that a node holds, by record and sealer.
    fn sealed_at(&self, node: usize, key: &DocKey) -> Vec<(RecordId, NodeId)> {
        let replica = &self.nodes[node].replica;
        let sealed = replica.sealed_ids(key).into_iter().filter_map(|id| {
            let at = [key.to_bytes().as_slice(), id.as_bytes()].concat();
            let stored = replica.storage().get(Table::Sealed, &at).ok()??;
            let Ok(Item::Sealed { sealed, .. }) = fingerpost_proto::cbor::from_slice(&stored)
            else {
                return None;
            };
            let sealed = Signed::<Sealed>::from_trusted(&sealed).ok()?;
            Some((id, sealed.get().node))
        });
        sealed.collect()
    }

    /// What must hold at the end, when all agree.
    pub(super) fn finish(mut self) -> Result<Report, Failure> {
        let honest: Vec<usize> = self.honest().collect();
        for node in honest.iter().copied() {
            self.limits_hold(node)?;
            self.store_is_true(node)?;
            self.nothing_unauthorised(node)?;
            self.report.left_out += self.nodes[node].replica.unfollowed().len() as u64;
        }
        self.nothing_lost(&honest)?;
        self.in_sync_costs_little(&honest)?;
        self.report.trace = self.trace;
        self.report.nodes = self.nodes.len();
        self.report.hostile = self.nodes.len() - honest.len();
        self.report.acknowledged = self.acknowledged.len();
        Ok(self.report)
    }

    /// Every record that is held was signed by somebody with the right to, is one that still counts, and stands
    /// with its own state; nothing is left of those before it.
    fn nothing_unauthorised(&mut self, node: usize) -> Check {
        let bad = |what: String| fault(Kind::Unauthorised, format!("node {node} {what}"));
        let it = &self.nodes[node];
        let mut states = it.replica.storage().entries(Table::States).count();
        let mut documents = 0;
        for org in it.replica.organisations() {
            for key in it.replica.documents_of(&org) {
                documents += 1;
                for item in it.replica.items(&key).expect("a store reads") {
                    let Item::Record { record, state, .. } = item else {
                        continue;
                    };
                    let record = SignedRecord::from_trusted(&record).expect("a node holds records");
                    match self.signed.get(&record.id()) {
                        Some(Verdict::Counts(_)) => {}
                        // Whoever has left is told of nothing any more.
                        Some(Verdict::Ended(_)) if !self.orgs[it.org].takes_part => {}
                        verdict => return bad(format!("holds of {key}: {verdict:?}")),
                    }
                    states -= usize::from(state.is_some());
                    if state.is_some_and(|state| Hash::of(&state) != record.get().state_hash) {
                        return bad(format!("holds a wrong state of {key}"));
                    }
                }
            }
        }
        if states > 0 && it.replica.counts().1 == 0 {
            return bad(format!("holds {states} states that have been replaced"));
        }
        for (key, value) in it.replica.storage().entries(Table::Sealed) {
            let Ok(Item::Sealed { sealed, bytes }) = fingerpost_proto::cbor::from_slice(value)
            else {
                return bad("holds a sealed document that is none".into());
            };
            let sealed =
                Signed::<Sealed>::from_trusted(&sealed).expect("a node holds certificates");
            let of_org = |it: &Node| self.orgs[it.org].id() == sealed.get().org;
            let by = self.nodes.iter().find(|it| it.id == sealed.get().node);
            let is_right = sealed.get().hash == Hash::of(&bytes)
                && by.is_some_and(of_org)
                && key.starts_with(sealed.get().org.as_bytes());
            if !is_right {
                return bad(format!(
                    "holds a wrong sealed document of {:?}",
                    sealed.get().org
                ));
            }
        }
        let never_doubted = |id: &[u8]| {
            let by = self.nodes.iter().find(|it| it.id.as_bytes() == id);
            by.is_some_and(|it| !it.hostile && !it.rolled_back)
        };
        if let Some((key, _)) = (it.replica.storage().entries(Table::Proofs))
            .find(|(key, _)| never_doubted(&key[35..67]))
        {
            return bad(format!(
                "holds a proof against an honest node: {:?}",
                &key[35..39]
            ));
        }
        self.report.documents = self.report.documents.max(documents);
        Ok(())
    }

    /// Every edit that was acknowledged is in what everybody holds, unless its organisation has left; and what was
    /// taken out is in nobody's.
    fn nothing_lost(&self, honest: &[usize]) -> Check {
        let taking_part =
            |node: &&usize| self.orgs[self.nodes[**node].org].takes_part && self.keeps_all(**node);
        let Some(one) = honest.iter().find(taking_part).copied() else {
            return Ok(());
        };
        for edit in &self.acknowledged {
            let org = &self.orgs[self.nodes[edit.node].org];
            if org.plan.hostile || !org.takes_part {
                continue;
            }
            let items = self.nodes[one].replica.items(&edit.key);
            let items = items.expect("a store reads");
            let mut found: BTreeSet<u32> = BTreeSet::new();
            for item in &items {
                if let Item::Record { state, .. } = item {
                    found.extend(items_of(state.as_deref().unwrap_or_default()));
                }
            }
            // While what a newer record says is nowhere to be had, the last that is known is shown.
            let shown = self.nodes[one].replica.shown(&edit.key);
            let shown = shown.expect("a store reads").map(|it| it.state);
            let last_known = items_of(&shown.unwrap_or_default());
            let tried = self.erasing.contains(&(edit.key, edit.item));
            let (is_lost, what) = match edit.erased {
                // A record that nobody could merge still shows it.
                true => (found.contains(&edit.item) && items.len() == 1, "came back"),
                false => {
                    let is_there = found.contains(&edit.item) || last_known.contains(&edit.item);
                    (!is_there && !tried, "is lost")
                }
            };
            if is_lost {
                let what = format!(
                    "item {} of {}, acknowledged by node {} at {} ms under {:?}, {what}",
                    edit.item, edit.key, edit.node, edit.at_ms, edit.seen
                );
                return fault(Kind::Loss, what);
            }
        }
        Ok(())
    }

    /// Nodes that agree find that out at little cost, however much they hold.
    fn in_sync_costs_little(&mut self, honest: &[usize]) -> Check {
        let taking_part: Vec<usize> = honest
            .iter()
            .copied()
            .filter(|node| self.orgs[self.nodes[*node].org].takes_part && self.keeps_all(*node))
            .collect();
        for _ in 0..3 {
            let ends = [0; 2].map(|_| self.random.pick(&taking_part).copied().unwrap_or(0));
            let [one, two] = ends;
            if one == two || !self.crowded.is_empty() {
                continue;
            }
            // Sealed documents may still be on their way.
            let cost = self
                .session_now(one, two)
                .and_then(|_| self.session_now(one, two));
            match cost {
                Ok((frames, bytes, _))
                    if frames <= IN_SYNC_MAX_FRAMES && bytes <= IN_SYNC_MAX_BYTES => {}
                Ok((frames, bytes, told)) => {
                    let what = format!(
                        "nodes {one} and {two} agree, and needed {frames} frames and {bytes} bytes to find out: {told:?}"
                    );
                    return fault(Kind::Session, what);
                }
                Err(error) => return fault(Kind::Session, error),
            }
        }
        Ok(())
    }
}
