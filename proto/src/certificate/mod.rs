//! Certificates: what organisations say of nodes and of one another.
//!
//! Each is a deterministic CBOR array whose first element is the format, signed for one purpose
//! ([`crate::keys::Domain`]). A certificate made by a node counts together with the delegation under which
//! that node acts; [`Delegated`] carries the two side by side, so that whoever reads it needs nothing else.

mod amendment;
mod root;
mod sealed;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::ids::{DocName, NetworkId, NodeId, OrgId};
use crate::keys::Domain;
use crate::limits;
use crate::signed::{Carry, Signed, SignedError, Statement};

pub use amendment::{Amendment, charter_id};
pub use root::{LastRecord, Rekeying, Revocation};
pub use sealed::Sealed;

/// The only certificate format of this version.
pub const FORMAT: u32 = 1;

/// What a node may do for an organisation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May write the listing and the board.
    #[n(0)]
    Editor,
    /// May also write the card: join, leave, vouch, object.
    #[n(1)]
    Admin,
}

impl Role {
    /// Whether this role may write the document.
    pub fn may_write(self, document: DocName) -> bool {
        match self {
            Self::Admin => true,
            Self::Editor => !document.is_card(),
        }
    }
}

/// The organisation's root key says that a node may write for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Delegation {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// Whose documents.
    #[n(1)]
    pub org: OrgId,
    /// Which node.
    #[n(2)]
    pub node: NodeId,
    /// What it may write.
    #[n(3)]
    pub role: Role,
    /// From when, in seconds since 1970-01-01 UTC.
    #[n(4)]
    pub not_before_s: u64,
    /// Until when (exclusive), in the same unit; open-ended if absent.
    #[n(5)]
    pub not_after_s: Option<u64>,
}

impl Statement for Delegation {
    const DOMAIN: Domain = Domain::Delegation;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.org.as_bytes()
    }
}

impl Delegation {
    /// Whether the delegation holds at a moment (seconds since 1970).
    pub fn holds_at(&self, at_s: u64) -> bool {
        self.not_before_s <= at_s && self.not_after_s.is_none_or(|end| at_s < end)
    }
}

/// A member's word that an organisation belongs in a network.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Vouch {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Who belongs.
    #[n(2)]
    pub subject: OrgId,
    /// Who says so.
    #[n(3)]
    pub voucher: OrgId,
    /// The voucher's node that signed.
    #[n(4)]
    pub node: NodeId,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(5)]
    pub issued_at_s: u64,
    /// What the voucher wants the others to know, at most [`limits::NOTE_MAX_BYTES`].
    #[n(6)]
    pub note: Option<String>,
}

impl Statement for Vouch {
    const DOMAIN: Domain = Domain::Vouch;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.node.as_bytes()
    }
}

/// A vouch for whoever holds a one-time key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Invitation {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Who invites, and so vouches.
    #[n(2)]
    pub voucher: OrgId,
    /// The inviter's node that signed.
    #[n(3)]
    pub node: NodeId,
    /// The public half of the one-time key.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// When, in seconds since 1970-01-01 UTC.
    #[n(5)]
    pub issued_at_s: u64,
    /// Until when it may be used (exclusive), in the same unit.
    #[n(6)]
    pub expires_at_s: u64,
}

impl Statement for Invitation {
    const DOMAIN: Domain = Domain::Invitation;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.node.as_bytes()
    }
}

/// The use of an invitation by an organisation, signed with the one-time key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Redemption {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Who joins.
    #[n(2)]
    pub subject: OrgId,
    /// The public half of the one-time key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// When, in seconds since 1970-01-01 UTC.
    #[n(4)]
    pub redeemed_at_s: u64,
}

impl Statement for Redemption {
    const DOMAIN: Domain = Domain::Redemption;
    const MAX_BYTES: usize = limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        &self.key
    }
}

/// An organisation's statement that it has left a network.
///
/// It carries the proof by which the organisation had been admitted, because others may have been
/// admitted on its word: nodes drop its documents and keep this, and nobody else's membership moves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Departure {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Who leaves.
    #[n(2)]
    pub org: OrgId,
    /// Its node that signed.
    #[n(3)]
    pub node: NodeId,
    /// The epoch of the acceptance that this ends: a later acceptance, with a higher one, rejoins.
    #[n(4)]
    pub epoch: u32,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(5)]
    pub left_at_s: u64,
    /// The vouches it held: its [`crate::card::Membership`] as JSON, without objections.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub membership: Vec<u8>,
}

impl Statement for Departure {
    const DOMAIN: Domain = Domain::Departure;
    const MAX_BYTES: usize = limits::DEPARTURE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.node.as_bytes()
    }
}

/// A statement that a node makes for its organisation.
pub trait ByNode: Statement {
    /// For which organisation.
    fn org(&self) -> OrgId;
    /// Which node.
    fn node(&self) -> NodeId;
    /// When, in seconds since 1970-01-01 UTC.
    fn at_s(&self) -> u64;
    /// The format, which must be [`FORMAT`].
    fn format(&self) -> u32;
}

macro_rules! by_node {
    ($($kind:ty: $org:ident, $at:ident;)*) => {$(
        impl ByNode for $kind {
            fn org(&self) -> OrgId { self.$org }
            fn node(&self) -> NodeId { self.node }
            fn at_s(&self) -> u64 { self.$at }
            fn format(&self) -> u32 { self.format }
        }
    )*};
}

by_node! {
    Vouch: voucher, issued_at_s;
    Invitation: voucher, issued_at_s;
    Departure: org, left_at_s;
}

/// Why a certificate does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes or the signature are wrong.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// A format that this version does not know.
    #[error("written by a newer version (format {0})")]
    UnknownFormat(u32),
    /// The delegation is for another organisation or node.
    #[error("the node is not delegated by the organisation it speaks for")]
    NotDelegated,
    /// The delegation did not hold at that time, or its role does not allow this.
    #[error("the delegation does not allow this")]
    NotAllowed,
}

/// A certificate made by a node, with the delegation under which the node acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Delegated<T> {
    /// The certificate.
    pub certificate: Carry<T>,
    /// The delegation.
    pub delegation: Carry<Delegation>,
}

impl<T: ByNode + Clone> Delegated<T> {
    /// Puts a certificate beside its delegation.
    pub fn new(certificate: &Signed<T>, delegation: &Signed<Delegation>) -> Self {
        Self {
            certificate: Carry::new(certificate),
            delegation: Carry::new(delegation),
        }
    }

    /// Checks both signatures and that the delegation covers the certificate.
    ///
    /// # Errors
    /// Any [`CertificateError`].
    pub fn verified(&self) -> Result<Signed<T>, CertificateError> {
        let certificate = self.certificate.verified()?;
        let delegation = self.delegation.verified()?;
        check_delegated(certificate.get(), delegation.get())?;
        Ok(certificate)
    }
}

/// Checks that a delegation, whose signature was checked, covers a node's statement.
///
/// # Errors
/// [`CertificateError::UnknownFormat`], [`CertificateError::NotDelegated`], [`CertificateError::NotAllowed`].
pub fn check_delegated<T: ByNode>(
    statement: &T,
    delegation: &Delegation,
) -> Result<(), CertificateError> {
    if statement.format() != FORMAT || delegation.format != FORMAT {
        return Err(CertificateError::UnknownFormat(
            statement.format().max(delegation.format),
        ));
    }
    if delegation.org != statement.org() || delegation.node != statement.node() {
        return Err(CertificateError::NotDelegated);
    }
    if delegation.role != Role::Admin || !delegation.holds_at(statement.at_s()) {
        return Err(CertificateError::NotAllowed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;

    fn delegation(
        role: Role,
        not_after_s: Option<u64>,
    ) -> (SecretKey, SecretKey, Signed<Delegation>) {
        let root = SecretKey::from_seed(&[1; 32]);
        let node = SecretKey::from_seed(&[2; 32]);
        let delegation = Delegation {
            format: FORMAT,
            org: root.org_id(),
            node: node.node_id(),
            role,
            not_before_s: 100,
            not_after_s,
        };
        let signed = Signed::sign(delegation, &root);
        (root, node, signed)
    }

    fn vouch(root: &SecretKey, node: &SecretKey, issued_at_s: u64) -> Signed<Vouch> {
        let vouch = Vouch {
            format: FORMAT,
            network: NetworkId::from_bytes([5; 32]),
            subject: OrgId::from_bytes([6; 32]),
            voucher: root.org_id(),
            node: node.node_id(),
            issued_at_s,
            note: None,
        };
        Signed::sign(vouch, node)
    }

    #[test]
    fn a_vouch_counts_under_its_delegation_only() {
        let (root, node, admin) = delegation(Role::Admin, Some(200));
        let at = |t| {
            Delegated::new(&vouch(&root, &node, t), &admin)
                .verified()
                .map(|_| ())
        };
        assert_eq!(at(150), Ok(()));
        assert_eq!(at(99), Err(CertificateError::NotAllowed));
        assert_eq!(at(200), Err(CertificateError::NotAllowed));
        let (_, _, editor) = delegation(Role::Editor, None);
        assert_eq!(
            Delegated::new(&vouch(&root, &node, 150), &editor)
                .verified()
                .map(|_| ()),
            Err(CertificateError::NotAllowed)
        );
        let stranger = SecretKey::from_seed(&[3; 32]);
        assert_eq!(
            Delegated::new(&vouch(&root, &stranger, 150), &admin)
                .verified()
                .map(|_| ()),
            Err(CertificateError::NotDelegated)
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (root, node, _) = delegation(Role::Admin, None);
        let bytes = vouch(&root, &node, 150).to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(Signed::<Vouch>::verified(&wrong).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_oversize_certificate_is_refused_before_parsing() {
        let bytes = vec![0xff; limits::CERTIFICATE_MAX_BYTES + 1];
        assert_eq!(
            Signed::<Vouch>::verified(&bytes),
            Err(SignedError::TooLarge)
        );
    }
}
