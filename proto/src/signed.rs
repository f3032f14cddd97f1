//! A signed payload as it is carried: the bytes that were signed, and the signature.
//!
//! The payload is never decoded and encoded again on the way to a signature check, so nothing that a
//! decoder forgives can slip between what was signed and what is understood.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use minicbor::{Decode, Encode};

use crate::cbor::{self, CborError};
use crate::keys::{BadSignature, Domain, SecretKey, verify};

/// A statement that is signed for one purpose.
pub trait Statement: Encode<()> + for<'b> Decode<'b, ()> {
    /// The purpose, signed with the payload.
    const DOMAIN: Domain;
    /// Largest signed form, in bytes.
    const MAX_BYTES: usize;

    /// The public key that must have signed it.
    fn signer(&self) -> &[u8; 32];
}

/// Why signed bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Larger than its kind may be.
    #[error("larger than the limit")]
    TooLarge,
    /// Not the expected structure, or not in deterministic form.
    #[error(transparent)]
    Malformed(#[from] CborError),
    /// The signature does not fit.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Carried {
    #[cbor(n(0), with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: [u8; 64],
}

/// A statement with the bytes that its signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    statement: T,
    payload: Vec<u8>,
    signature: [u8; 64],
}

impl<T: Statement> Signed<T> {
    /// Signs a statement. The caller holds the key that [`Statement::signer`] names.
    pub fn sign(statement: T, key: &SecretKey) -> Self {
        let payload = cbor::to_vec(&statement);
        let signature = key.sign(T::DOMAIN, &payload);
        Self {
            statement,
            payload,
            signature,
        }
    }

    /// The form that is sent and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(&Carried {
            payload: self.payload.clone(),
            signature: self.signature,
        })
    }

    /// Decodes without checking the signature; for bytes that this node checked before it stored
    /// them. Anything from elsewhere goes through [`Signed::verified`].
    ///
    /// # Errors
    /// [`SignedError::TooLarge`] before anything is parsed; [`SignedError::Malformed`].
    pub fn from_trusted(bytes: &[u8]) -> Result<Self, SignedError> {
        if bytes.len() > T::MAX_BYTES {
            return Err(SignedError::TooLarge);
        }
        let Carried { payload, signature } = cbor::from_kept(bytes)?;
        let statement = cbor::from_kept(&payload)?;
        Ok(Self {
            statement,
            payload,
            signature,
        })
    }

    /// Decodes what comes from elsewhere without checking the signature: what it claims, to see whether a check is worth
    /// while. Nothing of it may be believed.
    ///
    /// # Errors
    /// [`SignedError::TooLarge`] before anything is parsed; [`SignedError::Malformed`].
    pub fn claimed(bytes: &[u8]) -> Result<Self, SignedError> {
        if bytes.len() > T::MAX_BYTES {
            return Err(SignedError::TooLarge);
        }
        let Carried { payload, signature } = cbor::from_slice(bytes)?;
        let statement = cbor::from_slice(&payload)?;
        Ok(Self {
            statement,
            payload,
            signature,
        })
    }

    /// Decodes and checks the signature over the carried payload.
    ///
    /// # Errors
    /// Any [`SignedError`].
    pub fn verified(bytes: &[u8]) -> Result<Self, SignedError> {
        let signed = Self::claimed(bytes)?;
        verify(
            T::DOMAIN,
            signed.statement.signer(),
            &signed.payload,
            &signed.signature,
        )?;
        Ok(signed)
    }

    /// Joins a statement with a signature that was carried apart from it, and checks it.
    ///
    /// # Errors
    /// [`SignedError::BadSignature`].
    pub fn from_parts(statement: T, signature: [u8; 64]) -> Result<Self, SignedError> {
        let payload = cbor::to_vec(&statement);
        verify(T::DOMAIN, statement.signer(), &payload, &signature)?;
        Ok(Self {
            statement,
            payload,
            signature,
        })
    }

    /// What is stated.
    pub fn get(&self) -> &T {
        &self.statement
    }

    /// The bytes that the signature covers.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The Ed25519 signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// A signed statement in JSON documents and in text: base64url of the carried bytes.
///
/// The bytes never change, so what a check has found is kept: whoever checks a card's vouches on one core
/// spares the replica on another the work.
pub struct Carry<T> {
    text: String,
    checked: Arc<OnceLock<Result<Signed<T>, SignedError>>>,
}

impl<T: Statement + Clone> Carry<T> {
    /// Decodes and checks the signature.
    ///
    /// # Errors
    /// Any [`SignedError`]; text that is not base64url counts as malformed.
    pub fn verified(&self) -> Result<Signed<T>, SignedError> {
        let check = || Signed::verified(&self.bytes()?);
        self.checked.get_or_init(check).clone()
    }
}

impl<T: Statement> Carry<T> {
    /// Wraps a signed statement for a document.
    pub fn new(signed: &Signed<T>) -> Self {
        Self::of(data_encoding::BASE64URL_NOPAD.encode(&signed.to_bytes()))
    }

    /// Decodes without checking the signature: what it claims, to see whether a check is worth while.
    ///
    /// # Errors
    /// [`SignedError::TooLarge`], [`SignedError::Malformed`].
    pub fn claimed(&self) -> Result<T, SignedError> {
        Ok(Signed::claimed(&self.bytes()?)?.statement)
    }

    fn bytes(&self) -> Result<Vec<u8>, SignedError> {
        if self.text.len() > T::MAX_BYTES * 2 {
            return Err(SignedError::TooLarge);
        }
        let bytes = data_encoding::BASE64URL_NOPAD.decode(self.text.as_bytes());
        Ok(bytes.map_err(|_| CborError::Malformed)?)
    }
}

impl<T> Carry<T> {
    fn of(text: String) -> Self {
        Self {
            text,
            checked: Arc::default(),
        }
    }
}

impl<T> Clone for Carry<T> {
    fn clone(&self) -> Self {
        Self {
            text: self.text.clone(),
            checked: Arc::clone(&self.checked),
        }
    }
}

impl<T> PartialEq for Carry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for Carry<T> {}

impl<T> PartialOrd for Carry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Carry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl<T> std::fmt::Debug for Carry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Carry({} characters)", self.text.len())
    }
}

impl<T> serde::Serialize for Carry<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> serde::Deserialize<'de> for Carry<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::of)
    }
}
