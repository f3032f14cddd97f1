//! Sealed documents: an owner's own document, encrypted, as its peers keep it.

use minicbor::{Decode, Encode};

use crate::ids::{DocKey, DocName, NodeId, OrgId, RecordId};
use crate::keys::Domain;
use crate::limits;
use crate::record::Hash;
use crate::signed::Statement;

/// A node vouches for the sealed form of the document behind one of its records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Sealed {
    /// [`super::FORMAT`].
    #[n(0)]
    pub format: u32,
    /// Whose document.
    #[n(1)]
    pub org: OrgId,
    /// Which document.
    #[n(2)]
    pub document: DocName,
    /// The node that sealed it; it also wrote the record.
    #[n(3)]
    pub node: NodeId,
    /// The record whose state the document holds.
    #[n(4)]
    pub record: RecordId,
    /// The SHA-256 of the sealed bytes.
    #[n(5)]
    pub hash: Hash,
    /// Their number.
    #[n(6)]
    pub size_bytes: u64,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(7)]
    pub sealed_at_s: u64,
    /// How often the history in it was begun anew, as in the record; absent if never.
    #[n(8)]
    pub generation: Option<u64>,
}

impl Statement for Sealed {
    const DOMAIN: Domain = Domain::Sealed;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.node.as_bytes()
    }
}

impl Sealed {
    /// Which document it is of.
    pub fn key(&self) -> DocKey {
        DocKey {
            org: self.org,
            name: self.document,
        }
    }
}
