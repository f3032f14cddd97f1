//! Charters: the founding record of a network, whose hash is the network's id.

pub mod directory;

use minicbor::{Decode, Encode};

use crate::cbor::{self, CborError};
use crate::ids::{NetworkId, OrgId};
use crate::limits;
use crate::record::Hash;

/// The only charter format of this version.
pub const FORMAT: u32 = 1;

/// What the members of a network have agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Charter {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network's name; two networks may share one, their ids differ.
    #[n(1)]
    pub name: String,
    /// The text that an organisation accepts when it joins; may be empty.
    #[n(2)]
    pub text: String,
    /// How many distinct members must vouch for an organisation, from 1.
    #[n(3)]
    pub vouches_needed: u32,
    /// The founders, sorted: members without anybody's vouch.
    #[n(4)]
    pub anchors: Vec<OrgId>,
    /// When it was founded, in seconds since 1970-01-01 UTC.
    #[n(5)]
    pub founded_at_s: u64,
    /// Random bytes of the founder's, so that two networks founded alike stay two.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

/// Why a charter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// Larger than [`limits::CHARTER_MAX_BYTES`].
    #[error("the charter is over the limit of {} KiB", limits::CHARTER_MAX_BYTES / 1024)]
    TooLarge,
    /// Not a charter.
    #[error("not a charter: {0}")]
    Malformed(#[from] CborError),
    /// A format that this version does not know.
    #[error("the charter was written by a newer version (format {0})")]
    UnknownFormat(u32),
    /// The name is empty or too long.
    #[error("a network needs a name of 1 to {} bytes", limits::NAME_MAX_BYTES)]
    BadName,
    /// No anchors, too many, or out of order; or a number of vouches that nobody could ever reach.
    #[error("the charter's founders or vouches are out of range")]
    BadRule,
    /// The charter is not the one that was asked for.
    #[error("this is the charter of another network")]
    OtherNetwork,
}

impl Charter {
    /// Checks every rule of a charter.
    ///
    /// # Errors
    /// Any [`CharterError`] but `Malformed` and `OtherNetwork`.
    pub fn check(&self) -> Result<(), CharterError> {
        if self.format != FORMAT {
            return Err(CharterError::UnknownFormat(self.format));
        }
        if self.name.trim().is_empty() || self.name.len() > limits::NAME_MAX_BYTES {
            return Err(CharterError::BadName);
        }
        let anchors = self.anchors.len();
        if anchors == 0
            || anchors > limits::ANCHORS_MAX
            || !self.anchors.is_sorted_by(|a, b| a < b)
            || self.vouches_needed == 0
            || self.vouches_needed as usize > limits::VOUCHES_PER_NETWORK_MAX
        {
            return Err(CharterError::BadRule);
        }
        if cbor::to_vec(self).len() > limits::CHARTER_MAX_BYTES {
            return Err(CharterError::TooLarge);
        }
        Ok(())
    }

    /// The form that is sent, stored and hashed.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// The network that this charter founds.
    pub fn network(&self) -> NetworkId {
        let mut bytes = b"fingerpost/charter/1\0".to_vec();
        bytes.extend_from_slice(&self.to_bytes());
        NetworkId::from_bytes(Hash::of(&bytes).0)
    }

    /// Reads the charter of `network`.
    ///
    /// # Errors
    /// Any [`CharterError`]; the size is checked before anything is parsed.
    pub fn parse(bytes: &[u8], network: &NetworkId) -> Result<Self, CharterError> {
        if bytes.len() > limits::CHARTER_MAX_BYTES {
            return Err(CharterError::TooLarge);
        }
        let charter: Self = cbor::from_slice(bytes)?;
        charter.check()?;
        if charter.network() != *network {
            return Err(CharterError::OtherNetwork);
        }
        Ok(charter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter() -> Charter {
        Charter {
            format: FORMAT,
            name: "Lambeth".into(),
            text: "We refer people to one another with care.".into(),
            vouches_needed: 1,
            anchors: vec![OrgId::from_bytes([1; 32])],
            founded_at_s: 1,
            nonce: [0; 16],
        }
    }

    #[test]
    fn a_charter_is_known_by_its_hash() {
        let bytes = charter().to_bytes();
        let id = charter().network();
        assert_eq!(Charter::parse(&bytes, &id), Ok(charter()));
        let other = Charter {
            nonce: [1; 16],
            ..charter()
        };
        assert_eq!(
            Charter::parse(&other.to_bytes(), &id),
            Err(CharterError::OtherNetwork)
        );
    }

    #[test]
    fn each_rule_has_its_reason() {
        let with = |change: &dyn Fn(&mut Charter)| {
            let mut charter = charter();
            change(&mut charter);
            charter.check()
        };
        assert_eq!(with(&|_| ()), Ok(()));
        assert_eq!(with(&|c| c.format = 2), Err(CharterError::UnknownFormat(2)));
        assert_eq!(with(&|c| c.name = " ".into()), Err(CharterError::BadName));
        assert_eq!(
            with(&|c| c.name = "x".repeat(1025)),
            Err(CharterError::BadName)
        );
        assert_eq!(with(&|c| c.anchors.clear()), Err(CharterError::BadRule));
        assert_eq!(
            with(&|c| c.anchors = vec![OrgId::from_bytes([1; 32]); 2]),
            Err(CharterError::BadRule)
        );
        let many = (0..=limits::ANCHORS_MAX as u8)
            .map(|n| OrgId::from_bytes([n; 32]))
            .collect::<Vec<_>>();
        assert_eq!(
            with(&|c| c.anchors = many.clone()),
            Err(CharterError::BadRule)
        );
        assert_eq!(with(&|c| c.vouches_needed = 0), Err(CharterError::BadRule));
        let text = "x".repeat(limits::CHARTER_MAX_BYTES);
        assert_eq!(
            with(&|c| c.text = text.clone()),
            Err(CharterError::TooLarge)
        );
        let id = charter().network();
        assert_eq!(
            Charter::parse(text.as_bytes(), &id),
            Err(CharterError::Malformed(CborError::Malformed))
        );
        assert_eq!(
            Charter::parse(&vec![0; limits::CHARTER_MAX_BYTES + 1], &id),
            Err(CharterError::TooLarge)
        );
    }
}
