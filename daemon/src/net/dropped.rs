//! What the network layer turns away by itself, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why something was turned away before the node heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// A piece of gossip over its limit.
    GossipTooLarge,
    /// Gossip of a network that this node does not follow, or before it listens.
    GossipUnknown,
    /// Gossip while too much of it waited for judgement.
    GossipWaiting,
    /// Gossip that was not judged in time.
    GossipLate,
    /// A stream while too many waited to be taken.
    StreamsWaiting,
    /// A place at this relay that was refused: to a node of no member, or over a bound.
    Reservation,
    /// A connection through this relay that was refused.
    Circuit,
    /// A connection that came to nothing: over a limit, or given up by the caller.
    Connection,
}

impl Dropped {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::GossipTooLarge,
        Self::GossipUnknown,
        Self::GossipWaiting,
        Self::GossipLate,
        Self::StreamsWaiting,
        Self::Reservation,
        Self::Circuit,
        Self::Connection,
    ];

    /// A short fixed name, for counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::GossipTooLarge => "gossip_too_large",
            Self::GossipUnknown => "gossip_unknown",
            Self::GossipWaiting => "gossip_waiting",
            Self::GossipLate => "gossip_late",
            Self::StreamsWaiting => "streams_waiting",
            Self::Reservation => "reservation",
            Self::Circuit => "circuit",
            Self::Connection => "connection",
        }
    }
}

/// How often, by reason.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Dropped::ALL.len()]);

impl Counts {
    pub(super) fn add(&self, reason: Dropped) {
        if let Some(count) = self.0.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, reason: Dropped) -> u64 {
        let count = self.0.get(reason as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count_and_name() {
        let counts = Counts::default();
        for (at, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            for _ in 0..=at {
                counts.add(reason);
            }
        }
        for (at, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(counts.get(reason), at as u64 + 1);
        }
        let names: std::collections::BTreeSet<_> = Dropped::ALL.map(Dropped::name).into();
        assert_eq!(names.len(), Dropped::ALL.len());
    }
}
