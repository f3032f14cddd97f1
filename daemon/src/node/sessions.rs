//! Sync sessions over streams, and when to hold them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use fingerpost_proto::sync::{
    Farewell, FetchedCharter, Frame, Purpose, Session, SessionError, Stats,
};

use super::contacts::Calls;
use super::drive::Source;
use super::ended::word;
use super::{Node, lock};
use crate::keys::random;
use crate::net::{CodecError, Stream, send_alone};
use crate::store::StoreError;

/// After our own change, how long to wait before exchanging with each peer: gossip has mostly brought it
/// by then, and the exchange only confirms it.
const AFTER_CHANGE_MS: std::ops::Range<u64> = 300..2_000;
const BUSY_RETRY_MS: std::ops::Range<u64> = 500..3_000;
const FAILURE_WAIT_MAX_S: u64 = 60;
/// Longest that one session may take, in seconds. What was exchanged by then is kept, and the next session
/// goes on from there.
const SESSION_MAX_S: u64 = 15 * 60;
/// Most peers that are being told at one time to come back later. Streams beyond that are reset.
const DECLINING_MAX: u32 = 64;

/// How long this node bears with its peers in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest silence; and the longest that a peer may take to show that it knows one of our networks.
    pub idle: Duration,
    /// The longest session.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle: Duration::from_millis(limits::SESSION_IDLE_MS),
            whole: Duration::from_secs(SESSION_MAX_S),
        }
    }
}

/// What is known of exchanges with each connected node.
#[derive(Default)]
pub(super) struct Sessions {
    peers: BTreeMap<NodeId, PeerState>,
    /// How many sessions each node has begun that are under way.
    inbound: BTreeMap<NodeId, u32>,
    declining: u32,
    /// The node from which much is coming in. While it does, others wait: they would send the same.
    pub(super) source: Option<Source>,
    pub(super) patience: Patience,
    pub(super) calls: Calls,
}

impl Sessions {
    /// Takes one of `most` places for a session of a peer. No peer gets more than half of them.
    fn admit(&mut self, peer: NodeId, most: u32) -> bool {
        if self.source.is_some_and(|source| source.node != peer) {
            return false;
        }
        let taken: u32 = self.inbound.values().sum();
        let of_peer = self.inbound.get(&peer).copied().unwrap_or(0);
        let free = taken < most && of_peer < most.div_ceil(2);
        if free {
            self.inbound.insert(peer, of_peer + 1);
        }
        free
    }

    /// Notes that this node was told to look for a network where that one answers.
    pub(super) fn seek(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.sought = true;
        }
    }

    pub(super) fn is_sought(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.sought)
    }

    fn leave(&mut self, peer: &NodeId) {
        match self.inbound.get_mut(peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.inbound.remove(peer);
            }
        }
    }
}

/// How a stream that a peer has opened is received.
enum Reception {
    Session,
    Decline,
    Reset,
}

/// Frees a peer's place again, however its session ends.
struct Guest<'a> {
    node: &'a Node,
    peer: NodeId,
    reception: Reception,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut sessions = lock(&self.node.sessions);
        match self.reception {
            Reception::Session => sessions.leave(&self.peer),
            Reception::Decline => sessions.declining = sessions.declining.saturating_sub(1),
            Reception::Reset => {}
        }
    }
}

#[derive(Default, Clone)]
pub(super) struct PeerState {
    pub(super) address: String,
    due: Option<Instant>,
    failures: u32,
    busy: bool,
    /// See [`Sessions::seek`].
    sought: bool,
}

/// Why a session did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// The stream could not be opened.
    #[error("no stream could be opened: {0}")]
    Open(String),
    /// The stream failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The peer broke the protocol, or ended the session.
    #[error(transparent)]
    Session(#[from] SessionError<StoreError>),
    /// The peer closed the stream early.
    #[error("the peer closed the stream before the session was over")]
    Closed,
    /// The peer took longer than a session may take.
    #[error("the session took too long")]
    Overdue,
    /// This node is at fault.
    #[error("{0}")]
    Own(String),
}

impl RunError {
    /// Whether a peer that this node called broke the protocol. Being busy, unreachable or gone is no breach.
    fn is_breach(&self) -> bool {
        match self {
            Self::Session(error) => {
                !matches!(error, SessionError::Farewell(_) | SessionError::Replica(_))
            }
            Self::Codec(error) => {
                matches!(error, CodecError::TooLarge { .. } | CodecError::Corrupt(_))
            }
            Self::Overdue => true,
            Self::Open(_) | Self::Closed | Self::Own(_) => false,
        }
    }
}

fn jitter(range: std::ops::Range<u64>) -> Duration {
    let entropy = random::<8>().map_or(0, u64::from_le_bytes);
    let span = range.end.saturating_sub(range.start).max(1);
    Duration::from_millis(range.start + entropy % span)
}

impl Node {
    /// A connection to a node exists. Whoever dialled begins the exchange.
    pub fn peer_connected(&self, node: NodeId, address: String, outbound: bool) {
        if outbound {
            self.remember_address(&node, &address);
        }
        let is_contact = outbound && self.is_contact(&address);
        // In a large network it may be one that was not looked at.
        lock(&self.company).forget();
        self.refresh_trusted();
        let mut sessions = lock(&self.sessions);
        let peer = sessions.peers.entry(node).or_default();
        peer.address = address;
        peer.sought |= is_contact;
        let wait = if outbound {
            Duration::ZERO
        } else {
            jitter(3_000..6_000)
        };
        let due = Instant::now() + wait;
        peer.due = Some(peer.due.map_or(due, |earlier| earlier.min(due)));
        drop(sessions);
        self.wake.notify_one();
    }

    /// The last connection to a node is gone.
    pub fn peer_disconnected(&self, node: &NodeId) {
        lock(&self.sessions).peers.remove(node);
    }

    pub(super) fn peer_states(&self) -> BTreeMap<NodeId, PeerState> {
        lock(&self.sessions).peers.clone()
    }

    /// Exchange with a node as soon as there is a connection.
    pub(super) fn sync_soon(&self, node: NodeId) {
        if let Some(peer) = lock(&self.sessions).peers.get_mut(&node) {
            peer.due = Some(Instant::now());
        }
        self.wake.notify_one();
    }

    /// Something of our own changed: confirm it with every connected node, each a little later.
    pub(super) fn changed_own(&self) {
        for peer in lock(&self.sessions).peers.values_mut() {
            let due = Instant::now() + jitter(AFTER_CHANGE_MS);
            peer.due = Some(peer.due.map_or(due, |earlier| earlier.min(due)));
        }
        self.wake.notify_one();
    }

    /// Lets the interval's turn fall on one connected node at random.
    pub(super) fn sync_somebody(&self) {
        let mut sessions = lock(&self.sessions);
        let count = sessions.peers.len();
        let Some(at) = random::<8>()
            .ok()
            .map(|e| u64::from_le_bytes(e) as usize)
            .and_then(|e| e.checked_rem(count))
        else {
            return;
        };
        if let Some(peer) = sessions.peers.values_mut().nth(at) {
            peer.due.get_or_insert_with(Instant::now);
        }
    }

    /// The node whose turn it is, and otherwise how long until the next one.
    pub(super) fn next_due(&self) -> Result<NodeId, Duration> {
        let now = Instant::now();
        let mut sessions = lock(&self.sessions);
        let Sessions { peers, inbound, .. } = &*sessions;
        let free = peers
            .iter()
            .filter(|(node, peer)| !peer.busy && !inbound.contains_key(*node));
        let next = free
            .filter_map(|(node, peer)| Some((peer.due?, *node)))
            .min();
        match next {
            Some((due, node)) if due <= now => {
                if let Some(peer) = sessions.peers.get_mut(&node) {
                    peer.due = None;
                    peer.busy = true;
                }
                Ok(node)
            }
            Some((due, _)) => Err(due - now),
            None => Err(Duration::from_secs(60)),
        }
    }

    /// Notes how an exchange that this node began went, and when to try again.
    fn exchange_over(&self, node: &NodeId, result: &Result<Stats, RunError>) {
        let mut sessions = lock(&self.sessions);
        let Some(peer) = sessions.peers.get_mut(node) else {
            return;
        };
        peer.busy = false;
        let retry = match result {
            Ok(_) => {
                peer.failures = 0;
                None
            }
            Err(RunError::Session(SessionError::Farewell(Farewell::Busy))) => {
                Some(jitter(BUSY_RETRY_MS))
            }
            // Strangers stay strangers until one of us learns of the other's network.
            Err(RunError::Session(SessionError::Farewell(Farewell::NothingInCommon))) => None,
            Err(_) => {
                peer.failures = peer.failures.saturating_add(1);
                let wait_s = (1 << peer.failures.min(6)).min(FAILURE_WAIT_MAX_S);
                Some(Duration::from_secs(wait_s) + jitter(0..1_000))
            }
        };
        if let Some(wait) = retry {
            let due = Instant::now() + wait;
            peer.due = Some(peer.due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// Holds one session as the one who begins it.
    pub(super) async fn exchange(self: &Arc<Self>, node: NodeId) {
        let result = self.try_exchange(node).await;
        self.metrics.session(true, word(&result));
        match &result {
            Ok(stats) => tracing::debug!(
                peer = %node.short(), accepted = stats.accepted, sent = stats.sent, rounds = stats.rounds,
                "exchange finished"
            ),
            Err(error) => {
                if let RunError::Session(SessionError::OtherVersion(_)) = error {
                    *lock(&self.other_versions) = Some(error.to_string());
                }
                if error.is_breach() {
                    self.count_refusal("session");
                }
                tracing::debug!(peer = %node.short(), "exchange ended early: {error}");
            }
        }
        self.exchange_over(&node, &result);
    }

    async fn try_exchange(self: &Arc<Self>, node: NodeId) -> Result<Stats, RunError> {
        let networks = self.known_networks();
        if networks.is_empty() {
            return Ok(Stats::default());
        }
        let stream = self
            .net()
            .open_stream(node)
            .await
            .map_err(|error| RunError::Open(error.to_string()))?;
        let nonce = random().map_err(|error| RunError::Own(error.to_string()))?;
        let mut session = Session::initiate(node, Purpose::Sync, networks, nonce);
        if lock(&self.sessions).is_sought(&node) {
            session = session.sought();
        }
        self.drive(session, stream, None)
            .await
            .map(|session| session.stats().clone())
    }

    /// Reads the charter of a network from a connected node.
    pub(super) async fn try_fetch_charter(
        &self,
        node: NodeId,
        network: NetworkId,
    ) -> Result<FetchedCharter, RunError> {
        let stream = self
            .net()
            .open_stream(node)
            .await
            .map_err(|error| RunError::Open(error.to_string()))?;
        let nonce = random().map_err(|error| RunError::Own(error.to_string()))?;
        let session = Session::initiate(node, Purpose::Charter(network), vec![network], nonce);
        let session = self.drive(session, stream, None).await?;
        session.charter().cloned().ok_or(RunError::Closed)
    }

    fn known_networks(&self) -> Vec<NetworkId> {
        self.hold_own_delegations();
        self.replica().networks().map(|(id, _)| id).collect()
    }

    /// Sets how long sessions may take that begin from now on.
    pub fn set_patience(&self, patience: Patience) {
        lock(&self.sessions).patience = patience;
    }

    fn receive_guest(&self, peer: NodeId) -> Guest<'_> {
        let affordable = lock(&self.budgets).may_begin(peer, Instant::now());
        if !affordable {
            self.count_refusal("sessions_over_budget");
        }
        let mut sessions = lock(&self.sessions);
        // When both begin at once, the one with the smaller id goes on: two sessions would carry all twice.
        let crossed = self.id() < peer && sessions.peers.get(&peer).is_some_and(|state| state.busy);
        let reception = if affordable
            && !crossed
            && sessions.admit(peer, self.settings.sync.max_inbound_sessions)
        {
            Reception::Session
        } else if sessions.declining < DECLINING_MAX {
            sessions.declining += 1;
            Reception::Decline
        } else {
            Reception::Reset
        };
        Guest {
            node: self,
            peer,
            reception,
        }
    }

    /// Answers a session that a peer began; too many at once are asked to come back later.
    pub async fn answer(self: Arc<Self>, node: NodeId, stream: Stream) {
        let guest = self.receive_guest(node);
        let result = match guest.reception {
            Reception::Session => self.try_answer(node, stream).await,
            Reception::Decline => self.decline(stream).await,
            Reception::Reset => {
                drop(stream);
                Ok(())
            }
        };
        let ended = match guest.reception {
            Reception::Session => word(&result),
            Reception::Decline => "declined",
            Reception::Reset => "reset",
        };
        self.metrics.session(false, ended);
        if let Err(error) = result {
            if matches!(
                error,
                RunError::Session(_) | RunError::Codec(_) | RunError::Overdue
            ) {
                self.count_refusal("session");
            }
            tracing::debug!(peer = %node.short(), "a session of a peer ended early: {error}");
        }
    }

    async fn decline(&self, stream: Stream) -> Result<(), RunError> {
        let idle = lock(&self.sessions).patience.idle;
        let bye = Frame::Bye {
            farewell: Farewell::Busy,
        }
        .to_bytes();
        let told = tokio::time::timeout(idle, send_alone(stream, &bye)).await;
        Ok(told.map_err(|_| RunError::Overdue)??)
    }

    async fn try_answer(self: &Arc<Self>, node: NodeId, stream: Stream) -> Result<(), RunError> {
        let nonce = random().map_err(|error| RunError::Own(error.to_string()))?;
        let session = Session::respond(node, self.known_networks(), nonce);
        self.drive(session, stream, Some(node)).await?;
        Ok(())
    }

    /// How many sessions are under way that peers began.
    pub(super) fn sessions_inbound(&self) -> u32 {
        lock(&self.sessions).inbound.values().sum()
    }
}
