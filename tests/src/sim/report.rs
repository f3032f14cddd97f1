//! What is told of a run.

use super::Trace;

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The fingerprint of all events.
    pub trace: Trace,
    /// Events of the simulator.
    pub events: u64,
    /// Nodes at the end.
    pub nodes: usize,
    /// Those of them that break the rules.
    pub hostile: usize,
    /// Members at the end.
    pub members: usize,
    /// Documents that each honest node holds.
    pub documents: usize,
    /// Edits whose authors were told that they are safe.
    pub acknowledged: usize,
    /// Of those, the ones that only the disk held whose old copy was put back.
    pub rolled_back_edits: usize,
    /// Edits that were refused, for lack of room or because of a wrong clock.
    pub refused_edits: u64,
    /// Items taken out.
    pub erased: u64,
    /// Merges of siblings' documents.
    pub merged: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Sides of sessions that ran to their end.
    pub finished: u64,
    /// Sessions that were cut by the network.
    pub cut: u64,
    /// Sessions that a node ended because of what its peer sent.
    pub broken_off: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Crashes.
    pub crashes: u64,
    /// Batches that crashes took away.
    pub lost_batches: u64,
    /// Old copies put back.
    pub restored: u64,
    /// Times that a disk was full.
    pub full: u64,
    /// Times that the network fell apart.
    pub partitions: u64,
    /// Times that a node was cut off one way.
    pub one_way: u64,
    /// Times that a node became slow.
    pub slow: u64,
    /// Clocks that jumped.
    pub clocks: u64,
    /// Departures.
    pub left: u64,
    /// Organisations that came back.
    pub came_back: u64,
    /// Organisations that joined on the way.
    pub joined: u64,
    /// Nodes that were stolen, and revoked.
    pub stolen: u64,
    /// Attacks.
    pub attacks: u64,
    /// Items that honest nodes refused.
    pub refused_items: u64,
    /// Organisations of which the nodes at the end leave something out, since they do not follow it.
    pub left_out: u64,
    /// Virtual time that the healed network needed to agree, in milliseconds.
    pub settled_in_ms: u64,
}

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All honest connected nodes hold equal documents and rosters.
    Agreement,
    /// No acknowledged edit is lost, and what was erased stays so.
    Loss,
    /// Nothing unauthorised is stored.
    Unauthorised,
    /// Every limit holds.
    Limit,
    /// Work per session stays within its bound, and honest sessions do not fail.
    Session,
    /// What is in memory is what the store holds, and the store opens.
    Store,
    /// Something panicked.
    Panic,
    /// Nothing is left to happen, or it never ends.
    Stuck,
}

/// The first thing that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which promise.
    pub kind: Kind,
    /// What was seen.
    pub what: String,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
}

impl Failure {
    /// A failure at the end.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            at_ms: 0,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.kind, self.at_ms, self.what)
    }
}
