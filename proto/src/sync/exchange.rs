//! The scopes of a session: what differs is found, and exchanged.

use negentropy::Id;

use super::error::SessionError;
use super::frame::{Frame, SaltedId, Scope};
use super::introduction::heeded_in;
use super::inventory::{Inventory, Shared, Standing};
use super::receipt::Receipt;
use super::session::{Handled, Phase, Session};
use crate::cbor;
use crate::limits;
use crate::planted::{self, Planted};
use crate::replica::{Checked, Outcome, Refusal, Replica, ReplicaError};
use crate::roster::Place;
use crate::storage::{Batch, Storage, Table};

/// An item takes some 64 times as many bytes, both ways, as an id in a list of what the other side lacks.
const LOPSIDED_FACTOR: u64 = 64;

impl Session {
    fn salt(&self) -> [u8; 32] {
        let [initiator, responder] = self.nonces;
        let mut salt = [0; 32];
        let (first, second) = salt.split_at_mut(16);
        first.copy_from_slice(&initiator);
        second.copy_from_slice(&responder);
        salt
    }

    fn begin_scope<S: Storage>(&mut self, scope: Scope, replica: &mut Replica<S>) -> Handled<S> {
        let salt = self.salt();
        let shared = Shared {
            peer: self.peer,
            networks: &self.shared,
            // To a responder that could not take this node in nothing is of any use.
            welcome: self.initiator.then_some(self.peer_knows.as_slice()),
            salt: &salt,
        };
        if scope == Scope::Cards {
            self.held = replica
                .own()
                .iter()
                .map(|org| (*org, replica.fingerprint(org)))
                .collect();
        }
        let mut inventory = Inventory::collect(replica, scope, &shared)?;
        self.reconciler = Some(inventory.reconciler().map_err(SessionError::Reconcile)?);
        self.inventory = Some(inventory);
        self.phase = Phase::Exchange(scope);
        self.last_scope = Some(scope);
        self.is_heeded = None;
        self.need.clear();
        self.have.clear();
        self.rounds = 0;
        self.own_done = false;
        self.peer_done = false;
        Ok(())
    }

    pub(super) fn open<S: Storage>(
        &mut self,
        scope: Scope,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        if scope == Scope::Rest {
            self.push_followed(replica.follows());
        }
        self.begin_scope(scope, replica)?;
        let count = self.inventory.as_ref().map_or(0, Inventory::len);
        let message = match &mut self.reconciler {
            Some(reconciler) => reconciler.initiate().map_err(SessionError::Reconcile)?,
            None => Vec::new(),
        };
        self.push(Frame::Open {
            scope,
            count,
            message,
        });
        Ok(())
    }

    pub(super) fn handle_open<S: Storage>(
        &mut self,
        scope: Scope,
        count: u64,
        message: &[u8],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let in_order = match scope {
            Scope::Cards => self.last_scope.is_none(),
            Scope::Rest => self.last_scope == Some(Scope::Cards),
            Scope::Sealed => self.last_scope == Some(Scope::Rest),
        };
        if !in_order {
            return Err(SessionError::OutOfOrder);
        }
        if scope == Scope::Rest {
            self.push_followed(replica.follows());
        }
        self.begin_scope(scope, replica)?;
        let own = self.inventory.as_ref().map_or(0, Inventory::len);
        if !is_lopsided(own, count) {
            return self.handle_reconcile(message, replica);
        }
        if count > 0 {
            self.push(Frame::SendAll);
        }
        self.send_all(scope, replica);
        Ok(())
    }

    pub(super) fn handle_reconcile<S: Storage>(
        &mut self,
        message: &[u8],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let Phase::Exchange(scope) = self.phase else {
            return Err(SessionError::OutOfOrder);
        };
        if self.own_done {
            return Err(SessionError::OutOfOrder);
        }
        self.rounds += 1;
        self.stats.rounds += 1;
        if self.rounds > limits::RECONCILE_ROUNDS_MAX {
            return Err(SessionError::TooManyRounds);
        }
        let Some(reconciler) = &mut self.reconciler else {
            return Err(SessionError::OutOfOrder);
        };
        if !self.initiator {
            let message = reconciler
                .reconcile(message)
                .map_err(SessionError::Reconcile)?;
            self.push(Frame::Reconcile { message });
            return Ok(());
        }
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = reconciler
            .reconcile_with_ids(message, &mut have, &mut need)
            .map_err(SessionError::Reconcile)?;
        let salted = |ids: Vec<Id>| ids.into_iter().map(|id| SaltedId(id.to_bytes()));
        self.have.extend(salted(have));
        self.need.extend(salted(need));
        match next {
            Some(message) if self.rounds < limits::RECONCILE_ROUNDS_MAX => {
                self.push(Frame::Reconcile { message });
            }
            // Two sides that differ in very much exchange what was found so far; the next session
            // goes on from there.
            Some(_) => {
                self.truncated = true;
                self.exchange_differences(scope, replica);
            }
            None => self.exchange_differences(scope, replica),
        }
        Ok(())
    }

    /// The initiator knows what differs: it asks for what it needs and sends what the peer needs.
    fn exchange_differences<S: Storage>(&mut self, scope: Scope, replica: &mut Replica<S>) {
        let mut wanted = std::mem::take(&mut self.need);
        let have = std::mem::take(&mut self.have);
        let mut items = Vec::new();
        if let Some(inventory) = &mut self.inventory {
            if !planted::is(Planted::ForgetLacking) {
                wanted.extend_from_slice(inventory.lacking());
            }
            if !planted::is(Planted::ForgetHave) {
                items = inventory.pick(&have, replica);
            }
        }
        for ids in wanted.chunks(limits::WANT_MAX_IDS) {
            self.push(Frame::Want { ids: ids.to_vec() });
        }
        self.outbox.push_items(items);
        self.finish_sending(scope);
    }

    pub(super) fn send_all<S: Storage>(&mut self, scope: Scope, replica: &mut Replica<S>) {
        if self.own_done {
            return;
        }
        let items = self
            .inventory
            .as_mut()
            .map(|it| it.all(replica))
            .unwrap_or_default();
        self.outbox.push_items(items);
        self.finish_sending(scope);
    }

    fn finish_sending(&mut self, scope: Scope) {
        self.push(Frame::Done { scope });
        self.own_done = true;
        // What differs is known: nothing is compared any more.
        self.reconciler = None;
    }

    pub(super) fn handle_want<S: Storage>(
        &mut self,
        ids: &[SaltedId],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        if self.own_done {
            return Err(SessionError::OutOfOrder);
        }
        let items = self
            .inventory
            .as_mut()
            .map(|it| it.pick(ids, replica))
            .unwrap_or_default();
        self.outbox.push_items(items);
        Ok(())
    }

    pub(super) fn handle_items<S: Storage>(
        &mut self,
        now_s: u64,
        items: Vec<Result<Checked, Refusal>>,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        // Asked once: what a frame brings makes the roster stale, and to compute it for each would make a join
        // quadratic.
        let is_heeded = match self.is_heeded {
            Some(is_heeded) => is_heeded,
            None => !heeded_in(&self.peer, &self.shared, replica)?.is_empty(),
        };
        self.is_heeded = Some(is_heeded);
        if !is_heeded {
            // A stranger's word is not taken, whoever signed it.
            return Ok(());
        }
        for item in items {
            self.take(now_s, item, replica)?;
        }
        Ok(())
    }

    /// Takes in one item, and counts what became of it.
    pub(super) fn take<S: Storage>(
        &mut self,
        now_s: u64,
        item: Result<Checked, Refusal>,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let outcome = match item {
            Ok(checked) => replica.receive(now_s, checked)?,
            Err(refusal) => Outcome::Refused(refusal),
        };
        match outcome {
            Outcome::Accepted(_) => self.stats.accepted += 1,
            // What this node does not want to hold is nobody's fault, and nobody need try again.
            Outcome::Refused(refusal @ (Refusal::Blocked(_) | Refusal::OverQuota(_))) => {
                *self.stats.declined.entry(refusal.name()).or_default() += 1;
            }
            Outcome::Refused(refusal) => {
                *self.stats.refused.entry(refusal.name()).or_default() += 1;
            }
            Outcome::AlreadyKnown | Outcome::Dominated => {}
        }
        Ok(())
    }

    pub(super) fn handle_done<S: Storage>(
        &mut self,
        scope: Scope,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        if self.peer_done {
            return Err(SessionError::OutOfOrder);
        }
        self.peer_done = true;
        if !self.own_done {
            // The responder has sent what was wanted; an initiator that held nothing has nothing to send.
            self.finish_sending(scope);
        }
        if let Some(inventory) = self.inventory.take() {
            self.handed.extend(inventory.handed_besides());
        }
        self.reconciler = None;
        replica.settle()?;
        match (self.initiator, scope) {
            (false, _) => self.phase = Phase::Between,
            (true, Scope::Cards) => self.open(Scope::Rest, replica)?,
            (true, Scope::Rest) => self.open(Scope::Sealed, replica)?,
            (true, Scope::Sealed) => {
                self.push_receipt(replica)?;
                self.phase = Phase::Receipt;
            }
        }
        Ok(())
    }

    fn push_receipt<S: Storage>(&mut self, replica: &mut Replica<S>) -> Handled<S> {
        let refused = self.stats.refused.values().sum();
        let heeded = heeded_in(&self.peer, &self.shared, replica)?;
        let mut complete = !self.truncated && !heeded.is_empty();
        for org in replica.orgs_of_node(&self.peer)? {
            complete &= !replica.lacks_states_of(&org);
        }
        self.push(Frame::Receipt {
            accepted: self.stats.accepted,
            refused,
            complete,
        });
        Ok(())
    }

    pub(super) fn handle_receipt<S: Storage>(
        &mut self,
        now_s: u64,
        holds_all: bool,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        if !self.initiator {
            if self.last_scope != Some(Scope::Sealed) {
                return Err(SessionError::OutOfOrder);
            }
            self.push_receipt(replica)?;
        }
        self.phase = Phase::Finished;
        let peer_orgs = replica.orgs_of_node(&self.peer)?;
        let mut shown = self.shared.clone();
        let mut standings = shown.iter().map(|id| Standing::of(replica, id, &peer_orgs));
        // Of a stranger there is nothing to remember.
        if self.truncated || !standings.any(|standing| standing.is_any()) {
            return Ok(());
        }
        replica.note_heard();
        replica.note_handed(self.peer, std::mem::take(&mut self.handed));
        if !holds_all || self.outbox.is_cut_short() {
            return Ok(());
        }
        // What a peer was not shown, it does not hold.
        shown.retain(|id| Standing::of(replica, id, &peer_orgs).may_see(Scope::Rest));
        let mut held = std::mem::take(&mut self.held);
        held.retain(|(org, _)| replica.place_among(org, &shown) == Some(Place::Member));
        if let Some(follower) = &self.follower {
            held.retain(|(org, _)| follower.wants_all_of(replica, org));
        }
        let receipt = Receipt { at_s: now_s, held };
        let mut batch = Batch::default();
        batch.put(
            Table::Receipts,
            *self.peer.as_bytes(),
            cbor::to_vec(&receipt),
        );
        replica
            .storage_mut()
            .commit(batch)
            .map_err(ReplicaError::Storage)?;
        Ok(())
    }
}

/// Whether one side holds so little beside the other that lists of ids would cost more bytes than
/// sending everything both ways.
fn is_lopsided(one: u64, other: u64) -> bool {
    one.min(other).saturating_mul(LOPSIDED_FACTOR) <= one.max(other)
}
