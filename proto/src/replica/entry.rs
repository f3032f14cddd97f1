//! What is kept of one document: its undominated records, and what is here of their states.

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::ids::{NodeId, RecordId};
use crate::record::SignedRecord;

/// What is here of the state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Nothing: it is asked for.
    Lacking,
    /// The state.
    Held,
    /// Nothing, because this node does not follow it: by the word of a peer that has the state, or by its own judgement.
    Unfollowed {
        /// Whether a peer says so.
        by_peer: bool,
    },
}

impl Holding {
    pub(crate) fn is_held(self) -> bool {
        self == Self::Held
    }

    pub(crate) fn is_lacking(self) -> bool {
        self == Self::Lacking
    }

    pub(crate) fn is_unfollowed(self) -> bool {
        matches!(self, Self::Unfollowed { .. })
    }
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Held {
    #[cbor(n(0), with = "minicbor::bytes")]
    record: Vec<u8>,
    #[n(1)]
    has_state: bool,
    /// Whether a peer's word is the reason, if the state is not followed.
    #[n(2)]
    unfollowed: Option<bool>,
}

/// What is kept of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct StoredEntry {
    /// The undominated records, ordered by id.
    #[n(0)]
    current: Vec<Held>,
    /// The last record whose state was held, while no current one's is.
    #[n(1)]
    fallback: Option<Held>,
}

/// A record of an entry, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) record: SignedRecord,
    pub(super) holding: Holding,
}

impl Kept {
    fn encode(&self) -> Held {
        let (has_state, unfollowed) = match self.holding {
            Holding::Lacking => (false, None),
            Holding::Held => (true, None),
            Holding::Unfollowed { by_peer } => (false, Some(by_peer)),
        };
        Held {
            record: self.record.to_bytes(),
            has_state,
            unfollowed,
        }
    }

    fn decode(held: Held) -> Option<Self> {
        let holding = match (held.has_state, held.unfollowed) {
            (true, _) => Holding::Held,
            (false, None) => Holding::Lacking,
            (false, Some(by_peer)) => Holding::Unfollowed { by_peer },
        };
        Some(Self {
            record: SignedRecord::from_trusted(&held.record).ok()?,
            holding,
        })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) current: Vec<Kept>,
    pub(super) fallback: Option<Kept>,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        cbor::to_vec(&StoredEntry {
            current: self.current.iter().map(Kept::encode).collect(),
            fallback: self.fallback.as_ref().map(Kept::encode),
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: StoredEntry = cbor::from_kept(bytes).ok()?;
        let current = stored.current.into_iter().map(Kept::decode);
        let fallback = match stored.fallback {
            Some(held) => Some(Kept::decode(held)?),
            None => None,
        };
        Some(Self {
            current: current.collect::<Option<_>>()?,
            fallback,
        })
    }

    /// Whether a node wrote any of what the current records contain.
    pub(super) fn names(&self, node: &NodeId) -> bool {
        self.current.iter().any(|kept| {
            kept.record
                .get()
                .clock()
                .any(|seen| seen.writer.node == *node)
        })
    }
}

/// The reconciliation entry of one undominated record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) id: RecordId,
    pub(crate) holding: Holding,
}

pub(super) fn summaries(entry: &Entry) -> Vec<Summary> {
    let summary = |kept: &Kept| Summary {
        id: kept.record.id(),
        holding: kept.holding,
    };
    entry.current.iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DocName;
    use crate::testing::Party;

    #[test]
    fn entries_come_back_as_they_were_kept() {
        let party = Party::new(1);
        let kept = |holding| {
            let record = party.record(DocName::Listing(0), 1, &[], b"{}");
            let record = SignedRecord::sign(record, &party.node).unwrap();
            Kept { record, holding }
        };
        let all = [
            Holding::Lacking,
            Holding::Held,
            Holding::Unfollowed { by_peer: true },
            Holding::Unfollowed { by_peer: false },
        ];
        let entry = Entry {
            current: all.map(kept).to_vec(),
            fallback: Some(kept(Holding::Held)),
        };
        assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        assert_eq!(Entry::decode(b"nonsense"), None);
    }
}
