//! What travels: a record with its delegation and its state, or a departure.

use minicbor::{Decode, Encode};

use crate::board::BoardState;
use crate::card::{Card, Membership};
use crate::cbor::CborError;
use crate::certificate::{
    Amendment, ByNode, CertificateError, Delegation, Departure, FORMAT, Sealed, check_delegated,
};
use crate::ids::DocName;
use crate::json;
use crate::limits;
use crate::listing::ShardState;
use crate::planted::{self, Planted};
use crate::record::{Hash, SignedRecord};
use crate::replica::Refusal;
use crate::signed::{Signed, SignedError};

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
    /// An amendment of a charter.
    #[n(2)]
    Amendment {
        /// The signed amendment.
        #[cbor(n(0), with = "minicbor::bytes")]
        amendment: Vec<u8>,
        /// The delegation of the node that signed it.
        #[cbor(n(1), with = "minicbor::bytes")]
        delegation: Vec<u8>,
    },
    /// The sealed document behind a record.
    #[n(3)]
    Sealed {
        /// The signed statement about it.
        #[cbor(n(0), with = "minicbor::bytes")]
        sealed: Vec<u8>,
        /// The sealed bytes, which only the organisation's own nodes can open.
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
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
    /// An amendment.
    Amendment(Box<CheckedAmendment>),
    /// A sealed document.
    Sealed(Box<CheckedSealed>),
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
    /// The membership that it carries, parsed.
    pub membership: Membership,
}

/// A checked amendment.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedAmendment {
    /// The amendment.
    pub amendment: Signed<Amendment>,
    /// The delegation that covers it.
    pub delegation: Signed<Delegation>,
}

/// A sealed document that is the one its statement names. Whether its node may speak for the
/// organisation depends on the record, which the replica knows.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedSealed {
    /// The statement.
    pub sealed: Signed<Sealed>,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
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
                if !planted::is(Planted::TakeAnothersDeparture) {
                    check_delegated(departure.get(), delegation.get())?;
                }
                // Epochs count from 1: there is nothing that epoch 0 could end.
                let membership = departure_membership(departure.get())
                    .filter(|_| departure.get().epoch > 0)
                    .ok_or(SignedError::Malformed(CborError::Malformed))
                    .map_err(CertificateError::from)?;
                Ok(Checked::Departure(Box::new(CheckedDeparture {
                    departure,
                    delegation,
                    membership,
                })))
            }
            Self::Amendment {
                amendment,
                delegation,
            } => {
                let amendment = Signed::<Amendment>::verified(&amendment)?;
                let delegation =
                    Signed::<Delegation>::verified(&delegation).map_err(Refusal::BadDelegation)?;
                check_delegated(amendment.get(), delegation.get())?;
                amendment.get().check()?;
                Ok(Checked::Amendment(Box::new(CheckedAmendment {
                    amendment,
                    delegation,
                })))
            }
            Self::Sealed { sealed, bytes } => check_sealed(&sealed, bytes),
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
            Self::Amendment {
                amendment,
                delegation,
            } => amendment.len() + delegation.len(),
            Self::Sealed { sealed, bytes } => sealed.len() + bytes.len(),
        };
        parts + 32
    }
}

fn check_state(record: &SignedRecord, bytes: Vec<u8>) -> Result<(Vec<u8>, State), Refusal> {
    let stated = record.get();
    let fits = bytes.len() as u64 == stated.state_bytes && Hash::of(&bytes) == stated.state_hash;
    if !fits && !planted::is(Planted::SkipStateHash) {
        return Err(Refusal::StateMismatch);
    }
    let state = State::parse(stated.document, &bytes)?;
    Ok((bytes, state))
}

fn check_sealed(sealed: &[u8], bytes: Vec<u8>) -> Result<Checked, Refusal> {
    if bytes.len() > limits::SEALED_MAX_BYTES {
        return Err(Refusal::SealedTooLarge);
    }
    let sealed = Signed::<Sealed>::verified(sealed)?;
    let stated = sealed.get();
    if stated.format != FORMAT {
        return Err(CertificateError::UnknownFormat(stated.format).into());
    }
    if bytes.len() as u64 != stated.size_bytes || Hash::of(&bytes) != stated.hash {
        return Err(Refusal::StateMismatch);
    }
    Ok(Checked::Sealed(Box::new(CheckedSealed { sealed, bytes })))
}

/// The membership section that a departure carries.
pub(super) fn departure_membership(departure: &Departure) -> Option<Membership> {
    json::parse_typed(&departure.membership, &json::Bounds::STATE).ok()
}

/// The identity of a departure among the items of a reconciliation.
pub(crate) fn departure_id(departure: &Signed<Departure>) -> [u8; 32] {
    Hash::of(departure.payload()).0
}

impl CheckedAmendment {
    /// The form that is stored and sent.
    pub fn to_item(&self) -> Item {
        Item::Amendment {
            amendment: self.amendment.to_bytes(),
            delegation: self.delegation.to_bytes(),
        }
    }
}

impl CheckedSealed {
    /// The form that is stored and sent.
    pub(crate) fn to_item(&self) -> Item {
        Item::Sealed {
            sealed: self.sealed.to_bytes(),
            bytes: self.bytes.clone(),
        }
    }
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
