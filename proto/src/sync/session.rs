//! The state machine of one session.

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::Purpose;
use super::charter::FetchedCharter;
use super::error::SessionError;
use super::frame::{Farewell, Frame, SaltedId, Scope, Tag, VERSION};
use super::incoming::Incoming;
use super::inventory::{Inventory, Shared};
use super::outbox::Outbox;
use super::receipt::{Receipt, Stats};
use crate::cbor;
use crate::charter::Charter;
use crate::ids::{CharterId, NetworkId, NodeId, OrgId};
use crate::limits;
use crate::record::Hash;
use crate::replica::{Checked, Item, Outcome, Refusal, Replica, ReplicaError};
use crate::roster::Place;
use crate::storage::{Batch, Storage, Table};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Hello,
    Networks,
    /// The responder, between scopes; the initiator never.
    Between,
    Charter,
    Exchange(Scope),
    Receipt,
    Finished,
}

/// An item takes some 64 times as many bytes, both ways, as an id in a list of what the other side lacks.
const LOPSIDED_FACTOR: u64 = 64;

/// One side of one session.
pub struct Session {
    initiator: bool,
    purpose: Purpose,
    peer: NodeId,
    known: Vec<NetworkId>,
    shared: Vec<NetworkId>,
    own_nonce: [u8; 16],
    nonces: [[u8; 16]; 2],
    phase: Phase,
    last_scope: Option<Scope>,
    inventory: Option<Inventory>,
    reconciler: Option<Negentropy<'static, NegentropyStorageVector>>,
    need: Vec<SaltedId>,
    have: Vec<SaltedId>,
    rounds: u32,
    own_done: bool,
    peer_done: bool,
    outbox: Outbox,
    /// Whether the reconciliation was broken off, so that some differences stay.
    truncated: bool,
    stats: Stats,
    held: Vec<(OrgId, Hash)>,
    charter: Option<FetchedCharter>,
}

type Handled<S> = Result<(), SessionError<<S as Storage>::Error>>;

impl Session {
    /// Begins a session with a peer. `networks` are those to speak of; `nonce` is random.
    pub fn initiate(
        peer: NodeId,
        purpose: Purpose,
        networks: Vec<NetworkId>,
        nonce: [u8; 16],
    ) -> Self {
        let mut session = Self::new(true, peer, purpose, networks, nonce);
        session.push(Frame::Hello {
            version: VERSION,
            nonce,
        });
        session
    }

    /// Answers a peer that begins a session.
    pub fn respond(peer: NodeId, networks: Vec<NetworkId>, nonce: [u8; 16]) -> Self {
        Self::new(false, peer, Purpose::Sync, networks, nonce)
    }

    fn new(
        initiator: bool,
        peer: NodeId,
        purpose: Purpose,
        known: Vec<NetworkId>,
        own_nonce: [u8; 16],
    ) -> Self {
        Self {
            initiator,
            purpose,
            peer,
            known,
            shared: Vec::new(),
            own_nonce,
            nonces: [[0; 16]; 2],
            phase: Phase::Hello,
            last_scope: None,
            inventory: None,
            reconciler: None,
            need: Vec::new(),
            have: Vec::new(),
            rounds: 0,
            own_done: false,
            peer_done: false,
            outbox: Outbox::default(),
            truncated: false,
            stats: Stats::default(),
            held: Vec::new(),
            charter: None,
        }
    }

    /// Whether nothing more will be received. Frames may still be waiting to be sent.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// The other side.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// What the session did so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The networks that both sides know.
    pub fn shared(&self) -> &[NetworkId] {
        &self.shared
    }

    /// The charter that the session was for, once it is here.
    pub fn charter(&self) -> Option<&FetchedCharter> {
        self.charter.as_ref()
    }

    fn push(&mut self, frame: Frame) {
        self.outbox.push(frame);
    }

    /// Takes in the next frame of the peer, at `now_s` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// [`SessionError`]; the session is over then, and what was accepted is kept.
    pub fn handle_frame<S: Storage>(
        &mut self,
        now_s: u64,
        incoming: Incoming,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        self.stats.received_bytes += incoming.size_bytes as u64;
        if self.stats.received_bytes > limits::SESSION_MAX_BYTES {
            return Err(SessionError::TooManyBytes);
        }
        match (self.phase, incoming.frame) {
            (
                _,
                Frame::Bye {
                    farewell: Farewell::Done,
                },
            ) => {
                self.phase = Phase::Finished;
                Ok(())
            }
            (_, Frame::Bye { farewell }) => Err(SessionError::Farewell(farewell)),
            (Phase::Hello, Frame::Hello { version, nonce }) => self.handle_hello(version, nonce),
            (Phase::Networks, Frame::Networks { tags }) => self.handle_networks(&tags, replica),
            (Phase::Between, Frame::WantCharter { tag }) => self.handle_want_charter(tag, replica),
            (
                Phase::Charter,
                Frame::Charter {
                    charter,
                    in_force,
                    chain,
                },
            ) if self.initiator => self.handle_charter(&charter, in_force, chain),
            (
                Phase::Between,
                Frame::Open {
                    scope,
                    count,
                    message,
                },
            ) => self.handle_open(scope, count, &message, replica),
            (Phase::Exchange(_), Frame::Reconcile { message }) => self.handle_reconcile(&message),
            (Phase::Exchange(scope), Frame::SendAll) if self.initiator => {
                self.send_all(scope);
                Ok(())
            }
            (Phase::Exchange(_), Frame::Want { ids }) if !self.initiator => self.handle_want(&ids),
            (Phase::Exchange(_), Frame::Items { .. }) => {
                self.handle_items(now_s, incoming.checked, replica)
            }
            (Phase::Exchange(scope), Frame::Done { scope: done }) if scope == done => {
                self.handle_done(scope, replica)
            }
            (
                Phase::Between | Phase::Receipt,
                Frame::Receipt {
                    refused, complete, ..
                },
            ) => self.handle_receipt(now_s, refused == 0 && complete, replica),
            _ => Err(SessionError::OutOfOrder),
        }
    }

    fn handle_hello<E: std::error::Error>(
        &mut self,
        version: u32,
        nonce: [u8; 16],
    ) -> Result<(), SessionError<E>> {
        if version != VERSION {
            return Err(SessionError::OtherVersion(version));
        }
        self.phase = Phase::Networks;
        if self.initiator {
            self.nonces = [self.own_nonce, nonce];
            let tags = self
                .known
                .iter()
                .map(|id| Tag::of(id, &self.nonces))
                .collect();
            self.push(Frame::Networks { tags });
        } else {
            self.nonces = [nonce, self.own_nonce];
            self.push(Frame::Hello {
                version: VERSION,
                nonce: self.own_nonce,
            });
        }
        Ok(())
    }

    fn handle_networks<S: Storage>(
        &mut self,
        tags: &[Tag],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let nonces = self.nonces;
        self.shared = self
            .known
            .iter()
            .copied()
            .filter(|id| tags.contains(&Tag::of(id, &nonces)))
            .collect();
        if self.shared.is_empty() {
            self.push(Frame::Bye {
                farewell: Farewell::NothingInCommon,
            });
            self.phase = Phase::Finished;
            return match self.initiator {
                true => Err(SessionError::Farewell(Farewell::NothingInCommon)),
                false => Ok(()),
            };
        }
        if !self.initiator {
            let tags = self.shared.iter().map(|id| Tag::of(id, &nonces)).collect();
            self.push(Frame::Networks { tags });
            self.phase = Phase::Between;
            return Ok(());
        }
        match self.purpose {
            Purpose::Charter(network) => {
                self.push(Frame::WantCharter {
                    tag: Tag::of(&network, &nonces),
                });
                self.phase = Phase::Charter;
                Ok(())
            }
            Purpose::Sync => self.open(Scope::Cards, replica),
        }
    }

    fn handle_want_charter<S: Storage>(
        &mut self,
        tag: Tag,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let wanted = self
            .shared
            .iter()
            .find(|id| Tag::of(id, &self.nonces) == tag);
        let network = wanted.copied().ok_or(SessionError::OutOfOrder)?;
        let charter = replica.charter(&network).ok_or(SessionError::OutOfOrder)?;
        let charter = charter.to_bytes();
        let in_force = replica.terms_in_force(&network)?;
        let chain = in_force.map(|terms| terms.chain).unwrap_or_default();
        let in_force = match chain.last() {
            Some(id) => replica.amendment_item(&network, id)?,
            None => None,
        };
        self.push(Frame::Charter {
            charter,
            in_force,
            chain,
        });
        // One charter, then goodbye: a session that asks for more could fill our memory with answers.
        self.phase = Phase::Charter;
        Ok(())
    }

    fn handle_charter<E: std::error::Error>(
        &mut self,
        bytes: &[u8],
        in_force: Option<Item>,
        chain: Vec<CharterId>,
    ) -> Result<(), SessionError<E>> {
        if let Purpose::Charter(network) = self.purpose {
            let charter = Charter::parse(bytes, &network)?;
            self.charter = Some(FetchedCharter::check(charter, in_force, chain)?);
        }
        self.push(Frame::Bye {
            farewell: Farewell::Done,
        });
        self.phase = Phase::Finished;
        Ok(())
    }

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
            salt: &salt,
        };
        if scope == Scope::Cards {
            self.held = replica
                .own()
                .iter()
                .map(|org| (*org, replica.fingerprint(org)))
                .collect();
        }
        let inventory = Inventory::collect(replica, scope, &shared)?;
        self.reconciler = Some(inventory.reconciler().map_err(SessionError::Reconcile)?);
        self.inventory = Some(inventory);
        self.phase = Phase::Exchange(scope);
        self.last_scope = Some(scope);
        self.need.clear();
        self.have.clear();
        self.rounds = 0;
        self.own_done = false;
        self.peer_done = false;
        Ok(())
    }

    fn open<S: Storage>(&mut self, scope: Scope, replica: &mut Replica<S>) -> Handled<S> {
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

    fn handle_open<S: Storage>(
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
        self.begin_scope(scope, replica)?;
        let own = self.inventory.as_ref().map_or(0, Inventory::len);
        if !is_lopsided(own, count) {
            return self.handle_reconcile(message);
        }
        if count > 0 {
            self.push(Frame::SendAll);
        }
        self.send_all(scope);
        Ok(())
    }

    fn handle_reconcile<E: std::error::Error>(
        &mut self,
        message: &[u8],
    ) -> Result<(), SessionError<E>> {
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
                self.exchange_differences(scope);
            }
            None => self.exchange_differences(scope),
        }
        Ok(())
    }

    /// The initiator knows what differs: it asks for what it needs and sends what the peer needs.
    fn exchange_differences(&mut self, scope: Scope) {
        let mut wanted = std::mem::take(&mut self.need);
        let have = std::mem::take(&mut self.have);
        let mut items = Vec::new();
        if let Some(inventory) = &mut self.inventory {
            wanted.extend_from_slice(inventory.lacking());
            items = inventory.pick(&have);
        }
        for ids in wanted.chunks(limits::WANT_MAX_IDS) {
            self.push(Frame::Want { ids: ids.to_vec() });
        }
        self.outbox.push_items(items);
        self.finish_sending(scope);
    }

    fn send_all(&mut self, scope: Scope) {
        if self.own_done {
            return;
        }
        let items = self
            .inventory
            .as_mut()
            .map(Inventory::all)
            .unwrap_or_default();
        self.outbox.push_items(items);
        self.finish_sending(scope);
    }

    fn finish_sending(&mut self, scope: Scope) {
        self.push(Frame::Done { scope });
        self.own_done = true;
    }

    fn handle_want<E: std::error::Error>(
        &mut self,
        ids: &[SaltedId],
    ) -> Result<(), SessionError<E>> {
        if self.own_done {
            return Err(SessionError::OutOfOrder);
        }
        let items = self
            .inventory
            .as_mut()
            .map(|it| it.pick(ids))
            .unwrap_or_default();
        self.outbox.push_items(items);
        Ok(())
    }

    fn handle_items<S: Storage>(
        &mut self,
        now_s: u64,
        items: Vec<Result<Checked, Refusal>>,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        for item in items {
            let outcome = match item {
                Ok(checked) => replica.receive(now_s, checked)?,
                Err(refusal) => Outcome::Refused(refusal),
            };
            match outcome {
                Outcome::Accepted(_) => self.stats.accepted += 1,
                // What this node does not want to hold is nobody's fault, and nobody need try again.
                Outcome::Refused(Refusal::Blocked(_) | Refusal::OverQuota(_)) => {}
                Outcome::Refused(refusal) => {
                    *self.stats.refused.entry(refusal.name()).or_default() += 1;
                }
                Outcome::AlreadyKnown | Outcome::Dominated => {}
            }
        }
        Ok(())
    }

    fn handle_done<S: Storage>(&mut self, scope: Scope, replica: &mut Replica<S>) -> Handled<S> {
        if self.peer_done {
            return Err(SessionError::OutOfOrder);
        }
        self.peer_done = true;
        if !self.own_done {
            // The responder has sent what was wanted; an initiator that held nothing has nothing to send.
            self.finish_sending(scope);
        }
        self.inventory = None;
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

    fn push_receipt<S: Storage>(&mut self, replica: &Replica<S>) -> Handled<S> {
        let refused = self.stats.refused.values().sum();
        let mut complete = !self.truncated;
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

    fn handle_receipt<S: Storage>(
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
        if !holds_all || self.truncated || self.outbox.is_cut_short() {
            return Ok(());
        }
        let shared = self.shared.clone();
        let mut held = std::mem::take(&mut self.held);
        held.retain(|(org, _)| replica.place_among(org, &shared) == Some(Place::Member));
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

    /// The next frame to send, if there is one now.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn poll_frame<S: Storage>(
        &mut self,
        replica: &Replica<S>,
    ) -> Result<Option<Frame>, ReplicaError<S::Error>> {
        self.outbox.poll(&mut self.stats, replica)
    }

    /// Counts a frame that was sent; the caller knows its size.
    pub fn note_sent(&mut self, size_bytes: usize) {
        self.stats.sent_bytes += size_bytes as u64;
    }
}

/// Whether one side holds so little beside the other that lists of ids would cost more bytes than
/// sending everything both ways.
fn is_lopsided(one: u64, other: u64) -> bool {
    one.min(other).saturating_mul(LOPSIDED_FACTOR) <= one.max(other)
}
