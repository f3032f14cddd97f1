//! Announcements: what gossip carries.
//!
//! A new record travels with its delegation and, when small enough, with its state, compressed. Gossip
//! is a hint, not delivery: whoever misses an announcement learns of it in the next sync.

use minicbor::{Decode, Encode};

use crate::cbor::{self, CborError};
use crate::limits;
use crate::record::SignedRecord;
use crate::replica::{Item, Refusal};

/// One gossip message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Announcement {
    /// The item, a record's state left out.
    #[n(0)]
    pub item: Item,
    /// The record's state as one zstd frame.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub compressed_state: Option<Vec<u8>>,
}

/// Why a message is not an announcement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnnouncementError {
    /// Over [`limits::GOSSIP_MAX_BYTES`].
    #[error("a message of {0} bytes, over the limit")]
    TooLarge(usize),
    /// Not an announcement.
    #[error("not an announcement: {0}")]
    Malformed(#[from] CborError),
    /// The record is refused before its state is looked at.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Announcement {
    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a message; the size is checked first.
    ///
    /// # Errors
    /// Any [`AnnouncementError`] but `Refused`.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnnouncementError> {
        if bytes.len() > limits::GOSSIP_MAX_BYTES {
            return Err(AnnouncementError::TooLarge(bytes.len()));
        }
        Ok(cbor::from_slice(bytes)?)
    }

    /// How long the state is once it is decompressed, by the word of the record's signer: checked
    /// before a byte is decompressed. `None` if the message carries no state.
    ///
    /// # Errors
    /// [`AnnouncementError::Refused`].
    pub fn state_bytes(&self) -> Result<Option<usize>, AnnouncementError> {
        let (Item::Record { record, .. }, Some(_)) = (&self.item, &self.compressed_state) else {
            return Ok(None);
        };
        let record = SignedRecord::verified(record).map_err(Refusal::from)?;
        Ok(usize::try_from(record.get().state_bytes).ok())
    }

    /// The announcement of an item. `compress` turns a state into one zstd frame; a message that would
    /// be too large with it goes without.
    pub fn of(item: Item, compress: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Self {
        let Item::Record {
            record,
            delegation,
            state,
        } = item
        else {
            return Self {
                item,
                compressed_state: None,
            };
        };
        let rest = record.len() + delegation.as_ref().map_or(0, Vec::len) + 64;
        let compressed_state = state
            .and_then(|state| compress(&state))
            .filter(|compressed| compressed.len() + rest <= limits::GOSSIP_MAX_BYTES);
        Self {
            item: Item::Record {
                record,
                delegation,
                state: None,
            },
            compressed_state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(state: Option<Vec<u8>>) -> Item {
        Item::Record {
            record: vec![1; 300],
            delegation: Some(vec![2; 200]),
            state,
        }
    }

    #[test]
    fn a_state_travels_if_it_fits() {
        let small = Announcement::of(item(Some(vec![3; 900])), |state| Some(state.to_vec()));
        assert_eq!(small.compressed_state, Some(vec![3; 900]));
        assert_eq!(Announcement::parse(&small.to_bytes()), Ok(small));
        let large = Announcement::of(item(Some(vec![3; 70_000])), |state| Some(state.to_vec()));
        assert_eq!(large.compressed_state, None);
        assert!(large.to_bytes().len() < 600);
    }

    #[test]
    fn limits_come_first() {
        let large = vec![0; limits::GOSSIP_MAX_BYTES + 1];
        assert_eq!(
            Announcement::parse(&large),
            Err(AnnouncementError::TooLarge(large.len()))
        );
        let announcement = Announcement::of(item(Some(vec![3; 10])), |state| Some(state.to_vec()));
        assert!(matches!(
            announcement.state_bytes(),
            Err(AnnouncementError::Refused(_))
        ));
    }
}
