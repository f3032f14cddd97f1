//! The state machine of one session.

use negentropy::{Negentropy, NegentropyStorageVector};

use super::Purpose;
use super::charter::FetchedCharter;
use super::error::SessionError;
use super::follow::Follower;
use super::frame::{Farewell, Frame, SaltedId, Scope, Tag, VERSION};
use super::incoming::Incoming;
use super::introduction::known_in;
use super::inventory::Inventory;
use super::outbox::Outbox;
use super::receipt::Stats;
use crate::charter::Charter;
use crate::ids::{CharterId, NetworkId, NodeId, OrgId, RecordId};
use crate::limits;
use crate::record::Hash;
use crate::replica::{Item, Replica, ReplicaError};
use crate::storage::Storage;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Hello,
    Networks,
    /// The initiator, until the responder has answered its introduction.
    Introduction,
    /// The responder, between scopes; the initiator never.
    Between,
    Charter,
    Exchange(Scope),
    Receipt,
    Finished,
}

/// One side of one session.
pub struct Session {
    pub(super) initiator: bool,
    pub(super) purpose: Purpose,
    pub(super) peer: NodeId,
    pub(super) known: Vec<NetworkId>,
    pub(super) shared: Vec<NetworkId>,
    /// The networks in which the peer says that it knows this node, or takes what it sends.
    pub(super) peer_knows: Vec<NetworkId>,
    /// Whether this node makes itself known even to a peer that it does not know.
    pub(super) is_sought: bool,
    pub(super) was_introduced: bool,
    /// Whether what the peer sends in this scope is taken, once that was asked.
    pub(super) is_heeded: Option<bool>,
    pub(super) own_nonce: [u8; 16],
    pub(super) nonces: [[u8; 16]; 2],
    pub(super) phase: Phase,
    pub(super) last_scope: Option<Scope>,
    pub(super) inventory: Option<Inventory>,
    /// What the peer follows, if not everything.
    pub(super) follower: Option<Follower>,
    /// The records whose sealed forms the peer was handed as their owner.
    pub(super) handed: Vec<RecordId>,
    pub(super) reconciler: Option<Negentropy<'static, NegentropyStorageVector>>,
    pub(super) need: Vec<SaltedId>,
    pub(super) have: Vec<SaltedId>,
    pub(super) rounds: u32,
    pub(super) own_done: bool,
    pub(super) peer_done: bool,
    pub(super) outbox: Outbox,
    /// Whether the reconciliation was broken off, so that some differences stay.
    pub(super) truncated: bool,
    pub(super) stats: Stats,
    pub(super) held: Vec<(OrgId, Hash)>,
    pub(super) charter: Option<FetchedCharter>,
}

pub(super) type Handled<S> = Result<(), SessionError<<S as Storage>::Error>>;

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

    /// The peer answers where this node was told to look for a network: it is told of this node's
    /// organisations even if nothing is known of it yet.
    #[must_use]
    pub fn sought(self) -> Self {
        Self {
            is_sought: true,
            ..self
        }
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
            peer_knows: Vec::new(),
            is_sought: false,
            was_introduced: false,
            is_heeded: None,
            own_nonce,
            nonces: [[0; 16]; 2],
            phase: Phase::Hello,
            last_scope: None,
            inventory: None,
            follower: None,
            handed: Vec::new(),
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

    pub(super) fn push(&mut self, frame: Frame) {
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
            (Phase::Networks, Frame::Networks { tags, known }) => {
                self.handle_networks(&tags, &known, replica)
            }
            (
                Phase::Between | Phase::Introduction,
                Frame::Introduce {
                    delegations, known, ..
                },
            ) => self.handle_introduction(now_s, (incoming.checked, delegations), &known, replica),
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
            (Phase::Exchange(_), Frame::Reconcile { message }) => {
                self.handle_reconcile(&message, replica)
            }
            (Phase::Exchange(scope), Frame::SendAll) if self.initiator => {
                self.send_all(scope, replica);
                Ok(())
            }
            (Phase::Exchange(_), Frame::Want { ids }) if !self.initiator => {
                self.handle_want(&ids, replica)
            }
            (Phase::Exchange(_), Frame::Items { .. }) => {
                self.handle_items(now_s, incoming.checked, replica)
            }
            (Phase::Between, Frame::Follow { followed }) => {
                self.handle_followed(&followed, replica)
            }
            (Phase::Exchange(Scope::Rest), Frame::Follow { followed }) if self.initiator => {
                self.handle_followed(&followed, replica)
            }
            (Phase::Exchange(Scope::Rest), Frame::Spared { records }) => {
                self.handle_spared(&records, replica)
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
            let tags = self.tags(&self.known);
            self.push(Frame::Networks {
                tags,
                known: Vec::new(),
            });
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
        known: &[Tag],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        self.shared = self.named(&self.known, tags);
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
            // Until an introduction says otherwise: who needs none knows this node.
            self.peer_knows.clone_from(&self.shared);
            let known = known_in(&self.peer, &self.shared, replica)?;
            self.push(Frame::Networks {
                tags: self.tags(&self.shared),
                known: self.tags(&known),
            });
            self.phase = Phase::Between;
            return Ok(());
        }
        self.peer_knows = self.named(&self.shared, known);
        match self.purpose {
            Purpose::Charter(network) => {
                self.push(Frame::WantCharter {
                    tag: Tag::of(&network, &self.nonces),
                });
                self.phase = Phase::Charter;
                Ok(())
            }
            Purpose::Sync => self.introduce_or_open(replica),
        }
    }

    /// The tags of some networks in this session.
    pub(super) fn tags(&self, networks: &[NetworkId]) -> Vec<Tag> {
        let tags = networks.iter().map(|id| Tag::of(id, &self.nonces));
        tags.collect()
    }

    /// Those of some networks that the tags name.
    pub(super) fn named(&self, networks: &[NetworkId], tags: &[Tag]) -> Vec<NetworkId> {
        let is_named = |id: &&NetworkId| tags.contains(&Tag::of(id, &self.nonces));
        networks.iter().filter(is_named).copied().collect()
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

    /// The next frame to send, if there is one now.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn poll_frame<S: Storage>(
        &mut self,
        replica: &Replica<S>,
    ) -> Result<Option<Frame>, ReplicaError<S::Error>> {
        self.outbox
            .poll(&mut self.stats, self.follower.as_ref(), replica)
    }

    /// Counts a frame that was sent; the caller knows its size.
    pub fn note_sent(&mut self, size_bytes: usize) {
        self.stats.sent_bytes += size_bytes as u64;
    }
}
