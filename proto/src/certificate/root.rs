//! What an organisation's root key says besides delegations: a node may write no longer, or the
//! organisation goes on under another key.

use minicbor::{Decode, Encode};

use super::FORMAT;
use crate::ids::{DocName, NodeId, OrgId};
use crate::keys::Domain;
use crate::limits;
use crate::record::{Instance, Record};
use crate::signed::Statement;

/// The last record of one document, by one instance of a node's store, that still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct LastRecord {
    /// Which document.
    #[n(0)]
    pub document: DocName,
    /// Which store of the node.
    #[n(1)]
    pub instance: Instance,
    /// Its number.
    #[n(2)]
    pub seq: u64,
}

/// A node may write for the organisation no longer: it was lost, stolen or given away.
///
/// Whoever holds the node can date its records as it likes, so it is not a date that ends its right
/// but the last records that count. Vouches, invitations and departures that it signed stand: else
/// revoking a node could take away the membership of others.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Revocation {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// Whose node.
    #[n(1)]
    pub org: OrgId,
    /// Which node.
    #[n(2)]
    pub node: NodeId,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(3)]
    pub revoked_at_s: u64,
    /// The last records that count, sorted; a document or instance that is not named counts for nothing.
    #[n(4)]
    pub last: Vec<LastRecord>,
}

impl Statement for Revocation {
    const DOMAIN: Domain = Domain::Revocation;
    const MAX_BYTES: usize = limits::REVOCATION_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.org.as_bytes()
    }
}

impl Revocation {
    /// Whether a record that the node wrote still counts; one of another node or organisation does.
    pub fn allows(&self, record: &Record) -> bool {
        if self.format != FORMAT || record.org != self.org || record.writer.node != self.node {
            return true;
        }
        self.last.iter().any(|last| {
            last.document == record.document
                && last.instance == record.writer.instance
                && record.seq <= last.seq
        })
    }
}

/// The old root key of an organisation says which key it goes on under.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Rekeying {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The organisation under its old key.
    #[n(1)]
    pub old: OrgId,
    /// The same under its new key.
    #[n(2)]
    pub new: OrgId,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(3)]
    pub at_s: u64,
}

impl Statement for Rekeying {
    const DOMAIN: Domain = Domain::Rekeying;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.old.as_bytes()
    }
}
