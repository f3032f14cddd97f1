//! What a seed asks for: how large the federation is, and how bad the weather.

use super::Random;

/// The circumstances of one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What everything follows from.
    pub seed: u64,
    /// Organisations that are members from the beginning, the founder included.
    pub founded_with: u64,
    /// Organisations that join on the way.
    pub joiners: u64,
    /// Of 1,000 organisations, how many have a second node.
    pub sibling_per_mille: u64,
    /// How long edits are made and things go wrong, in virtual milliseconds.
    pub busy_ms: u64,
    /// Mean time between two pieces of work, in virtual milliseconds.
    pub work_every_ms: u64,
    /// Mean time between two sync sessions that a node begins, in virtual milliseconds.
    pub sync_every_ms: u64,
    /// Longest delay of a message, in virtual milliseconds.
    pub delay_max_ms: u64,
    /// Of 1,000 announcements, how many are lost.
    pub loss_per_mille: u64,
    /// Of 1,000 announcements, how many arrive twice.
    pub duplicate_per_mille: u64,
    /// Of 1,000 frames, how many break their session.
    pub cut_per_mille: u64,
    /// Mean time between two crashes, in virtual milliseconds.
    pub crash_every_ms: u64,
    /// Mean time between two changes of who can reach whom, in virtual milliseconds.
    pub partition_every_ms: u64,
    /// Furthest that a node's clock is off, in seconds, either way.
    pub clock_off_max_s: u64,
}

impl Plan {
    /// The plan of a seed: from a handful of nodes in fair weather to many in a storm.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5157_4f52_4c44_0001);
        Self {
            seed,
            founded_with: random.between(3, 7),
            joiners: random.between(0, 4),
            sibling_per_mille: random.between(100, 500),
            busy_ms: 120_000,
            work_every_ms: random.between(700, 3_000),
            sync_every_ms: random.between(4_000, 12_000),
            delay_max_ms: random.between(5, 2_500),
            loss_per_mille: random.between(0, 500),
            duplicate_per_mille: random.between(0, 200),
            cut_per_mille: random.between(0, 150),
            crash_every_ms: random.between(5_000, 60_000),
            partition_every_ms: random.between(8_000, 60_000),
            clock_off_max_s: random.between(0, 250),
        }
    }
}
