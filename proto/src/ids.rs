//! Names of things: organisations, nodes, networks and documents.
//!
//! Identifiers are 32 bytes and are written as bech32m (BIP-350): a prefix that says what they are
//! (`org1…`, `node1…`, `net1…`), an alphabet without look-alike letters, and a checksum that
//! catches up to four mistyped characters. People use the short form, which carries the first eight
//! bytes with a checksum of its own: `org1` and 19 characters. A short form is looked up among the
//! organisations that a node knows; if two match, the node asks instead of guessing.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// Length of the part of an identifier that the short form carries, in bytes.
pub const SHORT_BYTES: usize = 8;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The checksum or the alphabet does not fit: a typing mistake.
    #[error("\"{0}\" is not a valid identifier: a character is wrong or missing")]
    Mistyped(String),
    /// It is an identifier of something else.
    #[error("this names a {found}, but a {wanted} is needed here")]
    WrongKind {
        /// The prefix that was found, such as `net`.
        found: String,
        /// The prefix that was expected, such as `org`.
        wanted: &'static str,
    },
    /// It is a short form where only the full form will do.
    #[error("this is the short form; the full identifier is needed here")]
    Short,
}

fn encode(prefix: &str, bytes: &[u8]) -> String {
    match Hrp::parse(prefix).map(|hrp| bech32::encode::<Bech32m>(hrp, bytes)) {
        Ok(Ok(text)) => text,
        // The prefixes are constants of this file and the data is 32 bytes: neither can fail.
        _ => String::new(),
    }
}

fn decode(wanted: &'static str, text: &str) -> Result<Vec<u8>, IdError> {
    let mistyped = || IdError::Mistyped(text.chars().take(80).collect());
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
        .map_err(|_| mistyped())?;
    let found = checked.hrp().to_lowercase();
    if found != wanted {
        return Err(IdError::WrongKind { found, wanted });
    }
    Ok(checked.byte_iter().collect())
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps the raw bytes; any 32 bytes are an identifier.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The form for people: the first eight bytes, checksummed.
            pub fn short(&self) -> String {
                encode($prefix, self.0.first_chunk::<SHORT_BYTES>().map_or(&[][..], |c| &c[..]))
            }

            /// Whether `text` is this identifier, in full or in short form.
            pub fn matches(&self, text: &str) -> bool {
                decode($prefix, text).is_ok_and(|bytes| {
                    bytes == self.0 || (bytes.len() == SHORT_BYTES && self.0.starts_with(&bytes))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode($prefix, &self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = decode($prefix, text.trim())?;
                if bytes.len() == SHORT_BYTES {
                    return Err(IdError::Short);
                }
                <[u8; 32]>::try_from(bytes)
                    .map(Self)
                    .map_err(|_| IdError::Mistyped(text.chars().take(80).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                crate::cbor::decode_array(d).map(Self)
            }
        }
    };
}

identifier!(
    /// An organisation: its Ed25519 root public key.
    OrgId,
    "org"
);
identifier!(
    /// A node: its Ed25519 device public key, which is also its libp2p identity.
    NodeId,
    "node"
);
identifier!(
    /// A network: the SHA-256 of its founding charter.
    NetworkId,
    "net"
);
identifier!(
    /// A text of a charter: of the founding one the network's id, of an amendment the SHA-256 of its
    /// signed payload.
    CharterId,
    "chr"
);
identifier!(
    /// An invitation: the public half of its one-time key.
    InviteId,
    "inv"
);
identifier!(
    /// A record: the SHA-256 of its signed payload.
    RecordId,
    "rec"
);

/// The name of a document within its organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocName {
    /// Who the organisation is and which networks it belongs to: `card`.
    Card,
    /// One shard of its listing: `listing/0`, `listing/1`, …
    Listing(u16),
    /// Its notices: `board`.
    Board,
}

impl DocName {
    /// Whether this is the card, which travels before everything else.
    pub fn is_card(self) -> bool {
        self == Self::Card
    }

    /// A fixed-size key that sorts cards first, then shards by number, then the board.
    pub fn to_key(self) -> [u8; 3] {
        match self {
            Self::Card => [0, 0, 0],
            Self::Listing(shard) => {
                let [high, low] = shard.to_be_bytes();
                [1, high, low]
            }
            Self::Board => [2, 0, 0],
        }
    }

    /// The inverse of [`DocName::to_key`].
    pub fn from_key(key: [u8; 3]) -> Option<Self> {
        match key {
            [0, 0, 0] => Some(Self::Card),
            [1, high, low] => Some(Self::Listing(u16::from_be_bytes([high, low]))),
            [2, 0, 0] => Some(Self::Board),
            _ => None,
        }
    }
}

impl fmt::Display for DocName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Card => f.write_str("card"),
            Self::Listing(shard) => write!(f, "listing/{shard}"),
            Self::Board => f.write_str("board"),
        }
    }
}

/// A text that names no kind of document that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names no kind of document that this version knows")]
pub struct UnknownDocName(pub String);

impl FromStr for DocName {
    type Err = UnknownDocName;

    fn from_str(text: &str) -> Result<Self, UnknownDocName> {
        let unknown = || UnknownDocName(text.chars().take(40).collect());
        match text {
            "card" => Ok(Self::Card),
            "board" => Ok(Self::Board),
            _ => {
                let digits = text.strip_prefix("listing/").ok_or_else(unknown)?;
                let shard: u16 = digits.parse().map_err(|_| unknown())?;
                // One spelling only: `listing/07` would name the same shard twice.
                if shard >= limits::SHARDS_MAX || shard.to_string() != digits {
                    return Err(unknown());
                }
                Ok(Self::Listing(shard))
            }
        }
    }
}

impl<C> minicbor::Encode<C> for DocName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for DocName {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::message)
    }
}

impl Serialize for DocName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DocName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One document of the federation: whose, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocKey {
    /// The organisation that owns it.
    pub org: OrgId,
    /// Which of its documents.
    pub name: DocName,
}

impl DocKey {
    /// The key under which stores keep it: 35 bytes, all documents of an organisation together.
    pub fn to_bytes(self) -> [u8; 35] {
        let mut key = [0; 35];
        let (org, name) = key.split_at_mut(32);
        org.copy_from_slice(self.org.as_bytes());
        name.copy_from_slice(&self.name.to_key());
        key
    }

    /// The inverse of [`DocKey::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (org, name) = bytes.split_first_chunk::<32>()?;
        Some(Self {
            org: OrgId::from_bytes(*org),
            name: DocName::from_key(name.try_into().ok()?)?,
        })
    }
}

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.org.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_forms_come_back(bytes: [u8; 32]) {
            let id = OrgId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<OrgId>().unwrap(), id);
            prop_assert!(id.matches(&id.short()));
            prop_assert!(id.matches(&id.to_string().to_uppercase()));
            prop_assert_eq!(id.short().len(), 23);
            prop_assert_eq!(id.short().parse::<OrgId>(), Err(IdError::Short));
        }

        #[test]
        fn one_wrong_character_is_noticed(bytes: [u8; 32], at in 4usize..62, with in 0usize..32) {
            let text = OrgId::from_bytes(bytes).to_string();
            let letter = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[with];
            let mut wrong = text.clone().into_bytes();
            prop_assume!(wrong[at] != letter);
            wrong[at] = letter;
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert!(matches!(wrong.parse::<OrgId>(), Err(IdError::Mistyped(_))));
        }

        #[test]
        fn document_names_come_back(shard in 0..limits::SHARDS_MAX) {
            for name in [DocName::Card, DocName::Board, DocName::Listing(shard)] {
                prop_assert_eq!(name.to_string().parse::<DocName>().unwrap(), name);
                let key = DocKey { org: OrgId::from_bytes([3; 32]), name };
                prop_assert_eq!(DocKey::from_bytes(&key.to_bytes()), Some(key));
            }
        }
    }

    #[test]
    fn kinds_are_told_apart() {
        let text = NetworkId::from_bytes([1; 32]).to_string();
        assert_eq!(
            text.parse::<OrgId>(),
            Err(IdError::WrongKind {
                found: "net".into(),
                wanted: "org"
            })
        );
    }

    #[test]
    fn a_document_name_has_one_spelling() {
        for text in [
            "listing/07",
            "listing/64",
            "listing/-1",
            "listing",
            "cards",
            "listing/+1",
        ] {
            assert!(text.parse::<DocName>().is_err(), "{text}");
        }
    }
}
