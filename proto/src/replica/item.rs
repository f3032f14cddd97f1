//! What travels: a record with its delegation and its state, or a departure.

use minicbor::{Decode, Encode};

use crate::board::BoardState;
use crate::card::Card;
use crate::certificate::{ByNode, Delegation, Departure, check_delegated};
use crate::ids::DocName;
use crate::listing::ShardState;
use crate::record::{Hash, SignedRecord};
use crate::replica::Refusal;
use crate::signed::Signed;

/// One item as it is carried; nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Item {
    /// A record, with what the receiver may lack.
    #[n(0)]
    Record {
        /// The signed record.
        #[cbor(n(0), with = "minicbor::bytes")]
        record: Vec<u8>,
        /// The delegation of its writer, unless it was sent before.
        #[cbor(n(1), with = "minicbor::bytes")]
        delegation: Option<Vec<u8>>,
        /// The state's bytes, unless the sender has none.
        #[cbor(n(2), with = "minicbor::bytes")]
        state: Option<Vec<u8>>,
    },
    /// A departure.
    #[n(1)]
    Departure {
        /// The signed departure.
        #[cbor(n(0), with = "minicbor::bytes")]
        departure: Vec<u8>,
        /// The delegation of the node that signed it.
        #[cbor(n(1), with = "minicbor::bytes")]
        delegation: Vec<u8>,
    },
}

/// A state that passed every limit, as its type.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// A card.
    Card(Box<Card>),
    /// A shard of a listing.
    Listing(Box<ShardState>),
    /// A board.
    Board(Box<BoardState>),
}

impl State {
    /// Parses the state of a document under all limits.
    ///
    /// # Errors
    /// [`Refusal::Card`], [`Refusal::Listing`] or [`Refusal::Board`].
    pub fn parse(name: DocName, bytes: &[u8]) -> Result<Self, Refusal> {
        Ok(match name {
            DocName::Card => Self::Card(Box::new(Card::parse(bytes)?)),
            DocName::Listing(shard) => Self::Listing(Box::new(ShardState::parse(bytes, shard)?)),
            DocName::Board => {
                Self::Board(Box::new(BoardState::parse(bytes).map_err(Refusal::Board)?))
            }
        })
    }
}

/// An item whose signatures, hash and limits were checked. What depends on the replica (who is a
/// member, what is known already) has not been.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// A record.
    Record(Box<CheckedRecord>),
    /// A departure.
    Departure(Box<CheckedDeparture>),
}

/// A checked record.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedRecord {
    /// The record.
    pub record: SignedRecord,
    /// The delegation that came with it, its signature checked.
    pub delegation: Option<Signed<Delegation>>,
    /// The state's bytes and what they say.
    pub state: Option<(Vec<u8>, State)>,
}

/// A checked departure.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedDeparture {
    /// The departure.
    pub departure: Signed<Departure>,
    /// The delegation that covers it.
    pub delegation: Signed<Delegation>,
}

impl Item {
    /// Checks everything that needs no replica: sizes, signatures, hash, JSON under its limits. Hashes
    /// and signatures come before parsing. A pure function: callers may run it on every core.
    ///
    /// # Errors
    /// Any [`Refusal`] that does not depend on the replica.
    pub fn check(self) -> Result<Checked, Refusal> {
        match self {
            Self::Record {
                record,
                delegation,
                state,
            } => {
                let record = SignedRecord::verified(&record)?;
                let delegation = delegation
                    .map(|bytes| Signed::<Delegation>::verified(&bytes))
                    .transpose()
                    .map_err(Refusal::BadDelegation)?;
                let state = state.map(|bytes| check_state(&record, bytes)).transpose()?;
                Ok(Checked::Record(Box::new(CheckedRecord {
                    record,
                    delegation,
                    state,
                })))
            }
            Self::Departure {
                departure,
                delegation,
            } => {
                let departure = Signed::<Departure>::verified(&departure)?;
                let delegation =
                    Signed::<Delegation>::verified(&delegation).map_err(Refusal::BadDelegation)?;
                check_delegated(departure.get(), delegation.get())?;
                Ok(Checked::Departure(Box::new(CheckedDeparture {
                    departure,
                    delegation,
                })))
            }
        }
    }

    /// Roughly how many bytes it takes in a frame.
    pub fn size_bytes(&self) -> usize {
        let parts = match self {
            Self::Record {
                record,
                delegation,
                state,
            } => {
                record.len()
                    + delegation.as_ref().map_or(0, Vec::len)
                    + state.as_ref().map_or(0, Vec::len)
            }
            Self::Departure {
                departure,
                delegation,
            } => departure.len() + delegation.len(),
        };
        parts + 32
    }
}

fn check_state(record: &SignedRecord, bytes: Vec<u8>) -> Result<(Vec<u8>, State), Refusal> {
    let stated = record.get();
    if bytes.len() as u64 != stated.state_bytes || Hash::of(&bytes) != stated.state_hash {
        return Err(Refusal::StateMismatch);
    }
    let state = State::parse(stated.document, &bytes)?;
    Ok((bytes, state))
}

/// The identity of a departure among the items of a reconciliation.
pub(crate) fn departure_id(departure: &Signed<Departure>) -> [u8; 32] {
    Hash::of(departure.payload()).0
}

impl CheckedDeparture {
    /// The form that is stored.
    pub(crate) fn to_item(&self) -> Item {
        Item::Departure {
            departure: self.departure.to_bytes(),
            delegation: self.delegation.to_bytes(),
        }
    }

    /// When it was stated, in seconds since 1970-01-01 UTC.
    pub(crate) fn at_s(&self) -> u64 {
        self.departure.get().at_s()
    }
}
