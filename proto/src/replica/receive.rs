//! Taking in what peers (and this node itself) publish.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::delegations::{check, is_of};
use super::undominated::{replace, settle_fallback, stand_in_rank};
use super::writes::Writes;
use super::{
    Change, Checked, CheckedRecord, Entry, Holding, Kept, Refusal, Replica, ReplicaError, State,
    delegation_key, node_org_key, state_key,
};
use crate::card::Card;
use crate::cbor;
use crate::certificate::FORMAT;
use crate::ids::{DocKey, DocName, OrgId, RecordId};
use crate::limits;
use crate::planted::{self, Planted};
use crate::record::SignedRecord;
use crate::roster::{Place, Standing};
use crate::storage::{Batch, Storage, Table};

/// What became of an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is new, and kept.
    Accepted(Accepted),
    /// It was held already.
    AlreadyKnown,
    /// A record that is held contains it: it changes nothing.
    Dominated,
    /// It is refused; nothing of it is kept.
    Refused(Refusal),
}

/// An accepted record or departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The document; the card for a departure.
    pub key: DocKey,
    /// The record's id, or the departure's.
    pub id: RecordId,
    /// Whether it only brought the state of a record that was held without.
    pub only_state: bool,
}

pub(super) type Received<S> = Result<Outcome, ReplicaError<<S as Storage>::Error>>;

impl<S: Storage> Replica<S> {
    /// Takes in a checked item at `now_s` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// [`ReplicaError`] if the store fails; the replica is unchanged then.
    pub fn receive(&mut self, now_s: u64, item: Checked) -> Received<S> {
        match item {
            Checked::Record(record) => self.receive_with(now_s, *record, Writes::default()),
            Checked::Departure(departure) => self.receive_departure(now_s, &departure),
            Checked::Amendment(amendment) => self.receive_amendment(now_s, &amendment),
            Checked::Sealed(sealed) => self.receive_sealed(&sealed),
        }
    }

    /// Takes in a record, and applies `writes` together with it if it is accepted.
    pub(super) fn receive_with(
        &mut self,
        now_s: u64,
        mut item: CheckedRecord,
        mut writes: Writes,
    ) -> Received<S> {
        let without = self.leave_out(&mut item);
        let record = item.record.get();
        let key = record.key();
        let mut entry = self.entry(&key)?;
        // What is known already costs one look-up, whoever sends it.
        let held = entry
            .current
            .iter()
            .position(|kept| kept.record.id() == item.record.id());
        if let Some(kept) = held.and_then(|at| entry.current.get_mut(at)) {
            return match item.state {
                Some((state, parsed)) if !kept.holding.is_held() => {
                    kept.holding = Holding::Held;
                    self.fill_state(key, entry, &item.record, state, &parsed)
                }
                _ => {
                    if without.is_unfollowed() {
                        self.hold_as(&key, &item.record.id(), without)?;
                    }
                    Ok(Outcome::AlreadyKnown)
                }
            };
        }
        let ahead_s = record.issued_at_s.saturating_sub(now_s);
        if ahead_s > limits::CLOCK_AHEAD_MAX_S {
            return Ok(Outcome::Refused(Refusal::FromTheFuture(ahead_s)));
        }
        let card = match &item.state {
            Some((_, State::Card(card))) => Some(card.as_ref()),
            _ => None,
        };
        if !key.name.is_card() && !self.own.contains(&key.org) && self.is_outlived(&key.org) {
            return Ok(Outcome::Dominated);
        }
        if let Err(refusal) = self.check_place(&key, card) {
            return Ok(Outcome::Refused(refusal));
        }
        if self.lacks_room(record)? {
            return Ok(Outcome::Refused(Refusal::NoRoom));
        }
        if self.is_over_quota(record)? {
            return Ok(Outcome::Refused(Refusal::OverQuota(key.org)));
        }
        if let Err(refusal) = self.check_delegation(&item, &mut writes.batch)? {
            return Ok(Outcome::Refused(refusal));
        }
        if let Some(card) = card {
            self.learn_nodes(&item.record, card, &mut writes.batch)?;
            // Revocations count even if the card that brings them is dominated, by a thief's card perhaps.
            if self.learn_revocations(&key.org, card)? {
                entry = self.entry(&key)?;
            }
        }
        if !self.allows(item.record.get())? {
            return Ok(Outcome::Refused(Refusal::Revoked(
                item.record.get().writer.node,
            )));
        }
        self.note_equivocation(&key, &entry, &item.record, &mut writes)?;
        if entry
            .current
            .iter()
            .any(|kept| item.record.get().compare(kept.record.get()) == Some(Ordering::Less))
            && !planted::is(Planted::AcceptDominated)
        {
            return self.receive_dominated(key, entry, item, writes);
        }
        let id = item.record.id();
        let (bytes, parsed) = item.state.unzip();
        self.wipe_older(&key, item.record.get(), &entry, &mut writes);
        if let Some(refusal) = replace(
            key,
            &mut entry,
            item.record,
            (bytes, without),
            &mut writes.batch,
        ) {
            return Ok(Outcome::Refused(refusal));
        }
        self.follow_card(key, &entry, (id, parsed.as_ref()), &mut writes)?;
        self.write_entry(key, &entry, writes)?;
        Ok(Outcome::Accepted(Accepted {
            key,
            id,
            only_state: false,
        }))
    }

    /// Takes the state out of an item if this node does not follow it. Answers how the record is then held.
    fn leave_out(&mut self, item: &mut CheckedRecord) -> Holding {
        let org = item.record.get().org;
        match &item.state {
            Some((_, state)) if !self.follows_state(&org, state) => {
                item.state = None;
                Holding::Unfollowed { by_peer: false }
            }
            _ => Holding::Lacking,
        }
    }

    /// A record that is contained in a current one changes nothing, unless nobody here knows what that says.
    fn receive_dominated(
        &mut self,
        key: DocKey,
        mut entry: Entry,
        item: CheckedRecord,
        mut writes: Writes,
    ) -> Received<S> {
        let kept = Kept {
            record: item.record,
            holding: Holding::Held,
        };
        let fallback = entry.fallback.as_ref();
        let is_better = fallback.is_none_or(|it| stand_in_rank(it) < stand_in_rank(&kept));
        let Some((bytes, parsed)) = item
            .state
            .filter(|_| is_better && entry.lacks_heir_of(&kept))
        else {
            self.apply(writes)?;
            return Ok(Outcome::Dominated);
        };
        let id = kept.record.id();
        let at = state_key(&key, &id);
        writes.batch.put(Table::States, at, bytes);
        let gone = entry.fallback.take().into_iter().chain([kept]).collect();
        settle_fallback(&mut entry, gone, &key, &mut writes.batch);
        self.follow_card(key, &entry, (id, Some(&parsed)), &mut writes)?;
        self.write_entry(key, &entry, writes)?;
        Ok(Outcome::Dominated)
    }

    fn fill_state(
        &mut self,
        key: DocKey,
        mut entry: Entry,
        record: &SignedRecord,
        bytes: Vec<u8>,
        state: &State,
    ) -> Received<S> {
        let mut writes = Writes::default();
        writes
            .batch
            .put(Table::States, state_key(&key, &record.id()), bytes);
        if let State::Card(card) = state {
            self.learn_nodes(record, card, &mut writes.batch)?;
            if self.learn_revocations(&key.org, card)? {
                entry = self.entry(&key)?;
                let Some(kept) = entry
                    .current
                    .iter_mut()
                    .find(|kept| kept.record.id() == record.id())
                else {
                    return Ok(Outcome::Refused(Refusal::Revoked(record.get().writer.node)));
                };
                kept.holding = Holding::Held;
            }
        }
        self.wipe_older(&key, record.get(), &entry, &mut writes);
        let gone = entry.fallback.take().into_iter().collect();
        settle_fallback(&mut entry, gone, &key, &mut writes.batch);
        self.follow_card(key, &entry, (record.id(), Some(state)), &mut writes)?;
        self.write_entry(key, &entry, writes)?;
        Ok(Outcome::Accepted(Accepted {
            key,
            id: record.id(),
            only_state: true,
        }))
    }

    fn write_entry(
        &mut self,
        key: DocKey,
        entry: &Entry,
        mut writes: Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        if !writes.publishing && entry.names(&self.node) {
            self.note_behind(&key, entry)?;
        }
        self.put_entry(&mut writes, key, entry);
        self.apply(writes)
    }

    /// Whether the organisation's documents are taken at all.
    fn check_place(&mut self, key: &DocKey, card: Option<&Card>) -> Result<(), Refusal> {
        if self.own.contains(&key.org) {
            return Ok(());
        }
        if !key.name.is_card() && self.blocked.contains(&key.org) {
            return Err(Refusal::Blocked(key.org));
        }
        if !key.name.is_card() {
            return match self.place(&key.org) {
                // What of a replaced organisation is not wanted any more, is not asked here.
                Some(Place::Member | Place::Replaced) => Ok(()),
                Some(Place::Left) => Err(Refusal::HasLeft(key.org)),
                _ => Err(Refusal::NotAMember(key.org)),
            };
        }
        // The standing answers for cards; computing the roster for each would make a join quadratic.
        let mut active = self.networks.values().filter(|network| network.active);
        match card {
            _ if active.any(|network| network.accepts(&key.org)) => Ok(()),
            Some(card) => self.check_newcomer(&key.org, card),
            None => Err(Refusal::NotAMember(key.org)),
        }
    }

    /// Whether the card of an organisation that is neither member nor applicant names one of our
    /// networks, in an epoch that it has not left.
    fn check_newcomer(&mut self, org: &OrgId, card: &Card) -> Result<(), Refusal> {
        let mut left = false;
        let mut full = false;
        for (id, network) in self
            .networks
            .iter_mut()
            .filter(|(_, network)| network.active)
        {
            let Some(membership) = card.networks.get(id) else {
                continue;
            };
            if membership.epoch <= network.left_epoch(org) {
                left |= network.left_epoch(org) > 0;
            } else if network.has_room_for(org, || membership.proven(id, org)) {
                return Ok(());
            } else {
                full = true;
            }
        }
        Err(match (left, full) {
            (_, true) => Refusal::TooManyApplicants,
            (true, false) => Refusal::HasLeft(*org),
            (false, false) => Refusal::NotAMember(*org),
        })
    }

    /// Finds a delegation under which a record may have been written, and keeps a new one.
    fn check_delegation(
        &self,
        item: &CheckedRecord,
        batch: &mut Batch,
    ) -> Result<Result<(), Refusal>, ReplicaError<S::Error>> {
        let record = item.record.get();
        let (org, node) = (record.org, record.writer.node);
        let mut held = self.delegations(&org, &node)?;
        let known = held.last().map(|_| check(held.covering(record), record));
        let sent = item.delegation.as_ref();
        let checked = match (known, sent.map(|sent| check(Some(sent), record))) {
            (Some(Ok(())), _) | (_, Some(Ok(()))) => Ok(()),
            (Some(refused), None | Some(Err(Refusal::NotDelegated { .. }))) => refused,
            (_, Some(refused)) => refused,
            (None, None) => Err(Refusal::NotDelegated { org, node }),
        };
        let sent = sent.filter(|sent| is_of(sent.get(), record));
        if let (Ok(()), Some(sent)) = (&checked, sent) {
            if held.is_empty() && self.count_nodes(&org)? >= limits::NODES_PER_ORG_MAX {
                return Ok(Err(Refusal::TooManyNodes));
            }
            if held.add(sent) {
                batch.put(
                    Table::Delegations,
                    delegation_key(&org, &node),
                    held.encode(),
                );
                if !self.is_revoked(&org, &node)? {
                    batch.put(Table::NodeOrgs, node_org_key(&node, &org), Vec::new());
                }
            }
        }
        Ok(checked)
    }

    /// Keeps the delegations that a card lists, so that a node that has written nothing yet is known for
    /// a member's when it calls. What does not check is passed over: it makes nobody a writer.
    fn learn_nodes(
        &self,
        record: &SignedRecord,
        card: &Card,
        batch: &mut Batch,
    ) -> Result<(), ReplicaError<S::Error>> {
        let org = record.get().org;
        let mut nodes = self.count_nodes(&org)?;
        for carried in &card.delegations {
            let Ok(claimed) = carried.claimed() else {
                continue;
            };
            // The delegation of the writer itself came with the record.
            let node = claimed.node;
            if claimed.org != org || claimed.format != FORMAT || node == record.get().writer.node {
                continue;
            }
            let mut held = self.delegations(&org, &node)?;
            if held.contains(&claimed) || (held.is_empty() && nodes >= limits::NODES_PER_ORG_MAX) {
                continue;
            }
            let Ok(delegation) = carried.verified() else {
                continue;
            };
            nodes += usize::from(held.is_empty());
            if held.add(&delegation) {
                batch.put(
                    Table::Delegations,
                    delegation_key(&org, &node),
                    held.encode(),
                );
                if !self.is_revoked(&org, &node)? {
                    batch.put(Table::NodeOrgs, node_org_key(&node, &org), Vec::new());
                }
            }
        }
        Ok(())
    }

    /// How many nodes may write for an organisation: those that were revoked no longer count, or an
    /// organisation could replace its machines only so often.
    pub(super) fn count_nodes(&self, org: &OrgId) -> Result<usize, ReplicaError<S::Error>> {
        let mut nodes = 0;
        self.storage
            .scan(Table::Delegations, org.as_bytes(), &mut |_, _| {
                nodes += 1;
                true
            })?;
        Ok(usize::saturating_sub(nodes, self.count_revoked(org)?))
    }

    /// Keeps the proof when two different records claim one place; one for each document and node is
    /// enough to know that a key was copied. Both records count as their clocks say.
    fn note_equivocation(
        &self,
        key: &DocKey,
        entry: &Entry,
        record: &SignedRecord,
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        let mut known = entry.current.iter().chain(&entry.fallback);
        let Some(kept) = known.find(|kept| {
            kept.record.get().same_place(record.get()) && kept.record.id() != record.id()
        }) else {
            return Ok(());
        };
        let place = [
            key.to_bytes().as_slice(),
            record.get().writer.node.as_bytes(),
        ]
        .concat();
        if self.storage.get(Table::Proofs, &place)?.is_none() {
            let mut both = [kept.record.to_bytes(), record.to_bytes()];
            both.sort();
            writes.batch.put(
                Table::Proofs,
                place,
                cbor::to_vec(&super::view::StoredProof::new(both)),
            );
            writes.changes.push(Change::Equivocation(*key));
        }
        Ok(())
    }

    /// Reads from the cards that are held now what they say of their organisation's place in each of our
    /// networks. `arrived` is the record that came in, with its parsed state.
    pub(super) fn follow_card(
        &self,
        key: DocKey,
        entry: &Entry,
        arrived: (RecordId, Option<&State>),
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        if !key.name.is_card() {
            return Ok(());
        }
        let cards = self.cards_of(&key, entry, arrived)?;
        if cards.is_empty() && !entry.current.is_empty() {
            return Ok(());
        }
        for (id, network) in &self.networks {
            let departed = self.departed(id, &key.org)?;
            let cards = cards.iter().map(Cow::as_ref);
            let standing = Standing::of(id, &key.org, cards, departed);
            if network.standings.get(&key.org) != standing.as_ref() {
                writes.put_standing(*id, key.org, standing);
            }
        }
        Ok(())
    }

    /// The cards of an entry: all undominated ones whose state is held, else the last that was.
    fn cards_of<'c>(
        &self,
        key: &DocKey,
        entry: &Entry,
        (id, arrived): (RecordId, Option<&'c State>),
    ) -> Result<Vec<Cow<'c, Card>>, ReplicaError<S::Error>> {
        let current = entry.current.iter().filter(|kept| kept.holding.is_held());
        let mut kept: Vec<&Kept> = current.collect();
        if kept.is_empty() {
            kept.extend(&entry.fallback);
        }
        let mut cards = Vec::with_capacity(kept.len());
        for kept in kept {
            match arrived {
                Some(State::Card(card)) if kept.record.id() == id => {
                    cards.push(Cow::Borrowed(&**card))
                }
                _ => {
                    let state = self
                        .storage
                        .get(Table::States, &state_key(key, &kept.record.id()))?;
                    cards.extend(
                        state
                            .and_then(|bytes| Card::parse(&bytes).ok())
                            .map(Cow::Owned),
                    );
                }
            }
        }
        Ok(cards)
    }

    /// The cards of an organisation that count at the moment.
    pub(super) fn held_cards(&self, org: &OrgId) -> Result<Vec<Card>, ReplicaError<S::Error>> {
        let key = DocKey {
            org: *org,
            name: DocName::Card,
        };
        let entry = self.entry(&key)?;
        let cards = self.cards_of(&key, &entry, (RecordId::from_bytes([0; 32]), None))?;
        Ok(cards.into_iter().map(Cow::into_owned).collect())
    }

    /// Whether a peer holds what this store has written and forgotten.
    pub(super) fn note_behind(
        &mut self,
        key: &DocKey,
        entry: &Entry,
    ) -> Result<(), ReplicaError<S::Error>> {
        let Some(instance) = self.instance()? else {
            return Ok(());
        };
        let written = self.last_written(key)?;
        let known = entry
            .current
            .iter()
            .flat_map(|kept| kept.record.get().clock().collect::<Vec<_>>())
            .filter(|seen| seen.writer.node == self.node && seen.writer.instance == instance)
            .map(|seen| seen.seq)
            .max();
        if known > Some(written) && !self.behind {
            self.behind = true;
            self.changes.insert(Change::FoundBehind);
        }
        Ok(())
    }
}
