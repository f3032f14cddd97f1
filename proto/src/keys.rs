//! Ed25519 keys and domain-separated signatures (RFC 8032).
//!
//! What is signed is a domain, a zero byte, and the payload as it is carried: a signature made for
//! one purpose can never be taken for another. Signatures are checked with `verify_strict` and one by
//! one: batch verification accepts a slightly different set, and nodes must agree.

use std::fmt;

use bech32::{Bech32, Hrp};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::{Zeroize, Zeroizing};

use crate::ids::{NodeId, OrgId};
use crate::planted::{self, Planted};

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A record of a document's state, by a node.
    Record,
    /// The right to write for an organisation, by its root key.
    Delegation,
    /// A member's word that an organisation belongs, by a node.
    Vouch,
    /// A vouch for whoever holds a one-time key, by a node.
    Invitation,
    /// The use of an invitation, by its one-time key.
    Redemption,
    /// An organisation's statement that it has left a network, by a node.
    Departure,
    /// A new text for a charter, by a member's node.
    Amendment,
    /// The end of a node's right to write, by the organisation's root key.
    Revocation,
    /// The passing of an organisation to a new root key, by the old one.
    Rekeying,
    /// The sealed document behind a record, by a node.
    Sealed,
}

impl Domain {
    /// The text that is signed before the payload.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "fingerpost/record/1",
            Self::Delegation => "fingerpost/delegation/1",
            Self::Vouch => "fingerpost/vouch/1",
            Self::Invitation => "fingerpost/invitation/1",
            Self::Redemption => "fingerpost/redemption/1",
            Self::Departure => "fingerpost/departure/1",
            Self::Amendment => "fingerpost/amendment/1",
            Self::Revocation => "fingerpost/revocation/1",
            Self::Rekeying => "fingerpost/rekeying/1",
            Self::Sealed => "fingerpost/sealed/1",
        }
    }

    fn message(self, payload: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.as_str().len() + 1 + payload.len());
        message.extend_from_slice(self.as_str().as_bytes());
        message.push(0);
        message.extend_from_slice(payload);
        message
    }
}

/// A signature that does not fit its key, domain and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// A secret key; wiped from memory when dropped, and never shown by `Debug`.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed. The caller provides the entropy, and wipes its copy.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored; the caller wipes it.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The organisation of which this is the root key.
    pub fn org_id(&self) -> OrgId {
        OrgId::from_bytes(self.public())
    }

    /// The node of which this is the device key.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_bytes(self.public())
    }

    /// The same key for opening what was sealed to its public half ([`sealing_recipient`]), as an age
    /// identity (`AGE-SECRET-KEY-1…`).
    pub fn sealing_identity(&self) -> Zeroizing<String> {
        let mut scalar = self.0.to_scalar_bytes();
        let text = Zeroizing::new(bech32_text("age-secret-key-", &scalar));
        scalar.zeroize();
        Zeroizing::new(text.to_uppercase())
    }

    /// Signs `payload` for one purpose.
    pub fn sign(&self, domain: Domain, payload: &[u8]) -> [u8; 64] {
        self.0.sign(&domain.message(payload)).to_bytes()
    }
}

impl Clone for SecretKey {
    fn clone(&self) -> Self {
        let mut seed = self.to_seed();
        let copy = Self::from_seed(&seed);
        seed.zeroize();
        copy
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The X25519 key to which documents are sealed for a node or an organisation, as an age recipient
/// (`age1…`): the point of the Ed25519 key on the Montgomery form of the curve (RFC 7748, section 4.1). So
/// whoever is named by a key can be sealed to, and nobody has to publish a second one. `None` if the bytes
/// are no point of the curve.
pub fn sealing_recipient(public: &[u8; 32]) -> Option<String> {
    let point = VerifyingKey::from_bytes(public).ok()?;
    let recipient = point.to_montgomery().to_bytes();
    // A point of small order would make the seal open to everybody.
    (!point.is_weak()).then(|| bech32_text("age", &recipient))
}

fn bech32_text(prefix: &str, bytes: &[u8]) -> String {
    match Hrp::parse(prefix).map(|hrp| bech32::encode::<Bech32>(hrp, bytes)) {
        Ok(Ok(text)) => text,
        // The prefixes are constants of this file and the data is 32 bytes: neither can fail.
        _ => String::new(),
    }
}

/// Checks a signature strictly: no small-order keys, no malleable encodings.
pub fn verify(
    domain: Domain,
    public: &[u8; 32],
    payload: &[u8],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    if planted::is(Planted::SkipSignature) {
        return Ok(());
    }
    VerifyingKey::from_bytes(public)
        .and_then(|key| {
            key.verify_strict(&domain.message(payload), &Signature::from_bytes(signature))
        })
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_one_purpose() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign(Domain::Record, b"hello");
        assert_eq!(
            verify(Domain::Record, &key.public(), b"hello", &signature),
            Ok(())
        );
        assert_eq!(
            verify(Domain::Vouch, &key.public(), b"hello", &signature),
            Err(BadSignature)
        );
        assert_eq!(
            verify(Domain::Record, &key.public(), b"hallo", &signature),
            Err(BadSignature)
        );
    }

    #[test]
    fn small_order_keys_are_refused() {
        // The identity point, encoded: it would "sign" anything under plain verification.
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(
            verify(Domain::Record, &weak, b"any", &signature),
            Err(BadSignature)
        );
    }

    #[test]
    fn sealing_keys_are_of_the_form_that_age_reads() {
        let key = SecretKey::from_seed(&[9; 32]);
        let recipient = sealing_recipient(&key.public()).unwrap();
        assert!(
            recipient.starts_with("age1") && recipient.len() == 62,
            "{recipient}"
        );
        let identity = key.sealing_identity();
        assert!(identity.starts_with("AGE-SECRET-KEY-1") && identity.len() == 74);
        let mut weak = [0; 32];
        weak[0] = 1;
        assert_eq!(sealing_recipient(&weak), None);
        assert_eq!(sealing_recipient(&[2; 32]), None);
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(
            format!("{:?}", SecretKey::from_seed(&[9; 32])),
            "SecretKey(…)"
        );
    }
}
