//! What one peer may have of this node: gossip, sessions, and the work that sessions make.
//!
//! An allowance fills up again with time. What is over it is put off, not punished: gossip is ignored, a session is
//! asked to come back later. Honest peers stay far below; what they cannot say now, a later session carries.
//! Whoever comes under ever new keys meets the limits for all together: connections, sessions at a time, and
//! gossip that waits.

use std::collections::BTreeMap;
use std::time::Instant;

use fingerpost_proto::ids::NodeId;

/// Pieces of gossip that one peer may pass on at once, and so many more each second.
pub const GOSSIP_BURST: u64 = 4096;
/// See [`GOSSIP_BURST`].
pub const GOSSIP_PER_S: u64 = 20;
/// Sessions that one peer may begin at once, and so many more each second.
pub const SESSIONS_BURST: u64 = 120;
/// See [`SESSIONS_BURST`].
pub const SESSIONS_PER_S: u64 = 1;
/// Bytes on the wire, in both directions, that the sessions of one peer may carry at once, and so many more each
/// second: two cold joins of a national directory, and 22 GB a day.
pub const WORK_BURST_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// See [`WORK_BURST_BYTES`].
pub const WORK_PER_S_BYTES: u64 = 256 * 1024;
/// What an item that was refused counts for, in bytes of work: it was checked in vain.
pub const REFUSED_BYTES: u64 = 64 * 1024;
/// Most peers whose spending is remembered.
pub const PEERS_MAX: usize = 1024;

/// What has been spent of one allowance.
#[derive(Debug, Clone, Copy)]
struct Spent {
    amount: u64,
    at: Instant,
}

impl Spent {
    fn new(now: Instant) -> Self {
        Self { amount: 0, at: now }
    }

    fn settle(&mut self, per_s: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let filled = passed_ms.saturating_mul(per_s) / 1000;
        if filled > 0 {
            self.amount = self.amount.saturating_sub(filled);
            self.at = now;
        }
    }

    /// Spends one, unless all is spent.
    fn take(&mut self, burst: u64, per_s: u64, now: Instant) -> bool {
        self.settle(per_s, now);
        let allowed = self.amount < burst;
        self.amount += u64::from(allowed);
        allowed
    }
}

struct Peer {
    gossip: Spent,
    sessions: Spent,
    work: Spent,
    /// Whether it has spent all of its gossip, and not half of it is there again.
    muted: bool,
    seen: Instant,
}

/// What every peer has spent.
#[derive(Default)]
pub(super) struct Budgets(BTreeMap<NodeId, Peer>);

impl Budgets {
    /// Whether a piece of gossip of a peer is looked at.
    pub(super) fn may_gossip(&mut self, peer: NodeId, now: Instant) -> bool {
        let peer = self.peer(peer, now);
        let allowed = peer.gossip.take(GOSSIP_BURST, GOSSIP_PER_S, now);
        peer.muted |= !allowed;
        allowed
    }

    /// Whether gossip does not even run with a peer for now: what it says is not read, so that nothing of it has to be
    /// remembered either. That lasts until half of its allowance is there again.
    pub(super) fn is_muted(&mut self, peer: &NodeId, now: Instant) -> bool {
        let Some(peer) = self.0.get_mut(peer) else {
            return false;
        };
        peer.gossip.settle(GOSSIP_PER_S, now);
        peer.muted &= peer.gossip.amount > GOSSIP_BURST / 2;
        peer.muted
    }

    /// Whether a peer may begin a session now.
    pub(super) fn may_begin(&mut self, peer: NodeId, now: Instant) -> bool {
        let spent = self.peer(peer, now);
        spent.work.settle(WORK_PER_S_BYTES, now);
        spent.work.amount < WORK_BURST_BYTES
            && spent.sessions.take(SESSIONS_BURST, SESSIONS_PER_S, now)
    }

    /// Notes what a session carried that a peer had begun, and how many of its items were refused. It may be more
    /// than is left: then the next one waits the longer.
    pub(super) fn charge(&mut self, peer: NodeId, wire_bytes: u64, refused: u64, now: Instant) {
        let work = &mut self.peer(peer, now).work;
        work.settle(WORK_PER_S_BYTES, now);
        let cost = wire_bytes.saturating_add(refused.saturating_mul(REFUSED_BYTES));
        work.amount = work.amount.saturating_add(cost);
    }

    fn peer(&mut self, peer: NodeId, now: Instant) -> &mut Peer {
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(&peer) {
            self.forget_one(now);
        }
        let found = self.0.entry(peer).or_insert_with(|| Peer {
            gossip: Spent::new(now),
            sessions: Spent::new(now),
            work: Spent::new(now),
            muted: false,
            seen: now,
        });
        found.seen = now;
        found
    }

    /// Forgets the peer that owes the least, of those the one that was seen last the longest ago.
    fn forget_one(&mut self, now: Instant) {
        let owes = |peer: &Peer| {
            let gossip = peer
                .gossip
                .amount
                .saturating_mul(WORK_BURST_BYTES / GOSSIP_BURST);
            let sessions = peer
                .sessions
                .amount
                .saturating_mul(WORK_BURST_BYTES / SESSIONS_BURST);
            peer.work.amount.max(gossip).max(sessions)
        };
        for peer in self.0.values_mut() {
            peer.gossip.settle(GOSSIP_PER_S, now);
            peer.sessions.settle(SESSIONS_PER_S, now);
            peer.work.settle(WORK_PER_S_BYTES, now);
        }
        let least = self
            .0
            .iter()
            .min_by_key(|(_, peer)| (owes(peer), peer.seen));
        if let Some(node) = least.map(|(node, _)| *node) {
            self.0.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How long until all that was spent is there again.
    const FORGIVEN_AFTER: Duration = Duration::from_secs(WORK_BURST_BYTES / WORK_PER_S_BYTES);

    fn node(number: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn gossip_has_a_burst_and_a_rate() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        let taken = |budgets: &mut Budgets, now| {
            (0..2 * GOSSIP_BURST)
                .filter(|_| budgets.may_gossip(node(1), now))
                .count() as u64
        };
        assert_eq!(taken(&mut budgets, now), GOSSIP_BURST);
        assert_eq!(taken(&mut budgets, now), 0);
        assert_eq!(
            taken(&mut budgets, now + Duration::from_secs(3)),
            3 * GOSSIP_PER_S
        );
        // Another peer has its own.
        assert!(budgets.may_gossip(node(2), now));
        // Who was over it is not heard until half of it is there again.
        let half = Duration::from_secs(3 + GOSSIP_BURST / 2 / GOSSIP_PER_S);
        assert!(budgets.is_muted(&node(1), now + half - Duration::from_secs(1)));
        assert!(!budgets.is_muted(&node(1), now + half + Duration::from_secs(1)));
        assert!(!budgets.is_muted(&node(2), now));
    }

    #[test]
    fn sessions_have_a_burst_and_a_rate() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        let begun = (0..2 * SESSIONS_BURST).filter(|_| budgets.may_begin(node(1), now));
        assert_eq!(begun.count() as u64, SESSIONS_BURST);
        let later = now + Duration::from_secs(2);
        let begun = (0..SESSIONS_BURST).filter(|_| budgets.may_begin(node(1), later));
        assert_eq!(begun.count() as u64, 2 * SESSIONS_PER_S);
    }

    #[test]
    fn work_is_paid_for_before_the_next_session() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        budgets.charge(node(1), WORK_BURST_BYTES - REFUSED_BYTES, 0, now);
        assert!(budgets.may_begin(node(1), now));
        budgets.charge(node(1), 0, 1, now);
        assert!(!budgets.may_begin(node(1), now));
        assert!(budgets.may_begin(node(1), now + Duration::from_secs(1)));
        budgets.charge(node(1), u64::MAX, u64::MAX, now);
        assert!(!budgets.may_begin(node(1), now + FORGIVEN_AFTER));
    }

    #[test]
    fn as_many_peers_are_remembered_as_may_be_and_debtors_last() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        budgets.charge(node(0), 2 * WORK_BURST_BYTES, 0, now);
        for number in 1..2 * PEERS_MAX as u16 {
            budgets.may_gossip(node(number), now);
        }
        assert_eq!(budgets.0.len(), PEERS_MAX);
        assert!(!budgets.may_begin(node(0), now), "a debt was forgotten");
    }

    /// A number as the book writes it.
    fn written(number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }

    #[test]
    fn the_book_says_the_same() {
        let page = include_str!("../../../docs/reference/limits.md");
        for (name, value) in [
            ("GOSSIP_BURST", GOSSIP_BURST),
            ("GOSSIP_PER_S", GOSSIP_PER_S),
            ("SESSIONS_BURST", SESSIONS_BURST),
            ("SESSIONS_PER_S", SESSIONS_PER_S),
            ("WORK_BURST_BYTES", WORK_BURST_BYTES),
            ("WORK_PER_S_BYTES", WORK_PER_S_BYTES),
            ("REFUSED_BYTES", REFUSED_BYTES),
            ("PEERS_MAX", PEERS_MAX as u64),
            ("REFUSED_MAX", super::super::REFUSED_MAX),
            ("IMPORT_MAX_S", super::super::IMPORT_MAX_S),
            ("EXPORTS_MAX", super::super::EXPORTS_MAX as u64),
            ("DISK_FREE_MIN_BYTES", super::super::DISK_FREE_MIN_BYTES),
            ("EDIT_FREE_MIN_BYTES", super::super::EDIT_FREE_MIN_BYTES),
            ("ORG_MAX_BYTES", fingerpost_proto::limits::ORG_MAX_BYTES),
            (
                "UNHEARD_MAX_BYTES",
                fingerpost_proto::limits::UNHEARD_MAX_BYTES,
            ),
            (
                "APPLICANTS_MAX",
                fingerpost_proto::limits::APPLICANTS_MAX as u64,
            ),
        ] {
            let row = page
                .lines()
                .find(|line| line.contains(&format!("| `{name}` | ")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in the book"));
            assert!(row.contains(&format!("| {} |", written(value))), "{row}");
        }
    }
}
