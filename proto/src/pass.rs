//! Passes: what lets another node write for an organisation, as one line of text that it alone can read.
//!
//! `fingerpostpass1_` and base64url of the sealed content and four bytes of SHA-256 against typing
//! mistakes. The content is sealed by the caller: to the key of the node that it is for. It is the node's
//! delegation, where to find the organisation's networks and, when the organisation itself is handed over,
//! the seed of its root key. The digit is the version.

use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::cbor;
use crate::certificate::{Delegation, FORMAT as CERTIFICATE_FORMAT};
use crate::ids::{NetworkId, NodeId};
use crate::keys::SecretKey;
use crate::limits;
use crate::record::Hash;
use crate::signed::Signed;

/// The only format of this version.
pub const FORMAT: u32 = 1;
const PREFIX: &str = "fingerpostpass";
const VERSION: &str = "1";
const CHECKSUM_BYTES: usize = 4;

/// What a pass holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// What the node may write, and for whom.
    pub delegation: Signed<Delegation>,
    /// The organisation's root key, if the organisation is handed over.
    pub root: Option<SecretKey>,
    /// The networks that the organisation takes part in.
    pub networks: Vec<NetworkId>,
    /// The node that made the pass.
    pub giver: NodeId,
    /// Where the network can be reached: multiaddrs without the peer id, the giver's first.
    pub addresses: Vec<String>,
}

/// Why a text is not a usable pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// It does not begin like a pass.
    #[error("this is not a pass: a pass is one line that begins with \"{PREFIX}{VERSION}_\"")]
    NotAPass,
    /// It is a pass of another version.
    #[error(
        "this pass was made by another version of Fingerpost (version {0}, this program reads version {VERSION})"
    )]
    OtherVersion(String),
    /// It was cut short, or a character changed.
    #[error("this pass is damaged: a part is missing or was changed; copy the whole line again")]
    Damaged,
    /// Its parts do not fit each other: somebody made it up.
    #[error("this pass was not made by the organisation that it names")]
    Forged,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Packed {
    #[n(0)]
    format: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    delegation: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    root: Option<[u8; 32]>,
    #[n(3)]
    networks: Vec<NetworkId>,
    #[n(4)]
    giver: NodeId,
    #[n(5)]
    addresses: Vec<String>,
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.root.zeroize();
    }
}

impl Content {
    /// The bytes that are to be sealed. What is over the limits is left out, the last ones first.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let packed = Packed {
            format: FORMAT,
            delegation: self.delegation.to_bytes(),
            root: self.root.as_ref().map(SecretKey::to_seed),
            networks: first(&self.networks, limits::NETWORKS_PER_ORG_MAX),
            giver: self.giver,
            addresses: first(&self.addresses, limits::ADDRESSES_MAX),
        };
        Zeroizing::new(cbor::to_vec(&packed))
    }

    /// Reads what was sealed, and checks that it fits together.
    ///
    /// # Errors
    /// [`PassError::Damaged`], [`PassError::Forged`], [`PassError::OtherVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PassError> {
        let mut packed: Packed = cbor::from_slice(bytes).map_err(|_| PassError::Damaged)?;
        if packed.format != FORMAT {
            return Err(PassError::OtherVersion(packed.format.to_string()));
        }
        if packed.networks.len() > limits::NETWORKS_PER_ORG_MAX
            || packed.addresses.len() > limits::ADDRESSES_MAX
        {
            return Err(PassError::Damaged);
        }
        let delegation: Signed<Delegation> =
            Signed::verified(&packed.delegation).map_err(|_| PassError::Forged)?;
        let root = packed.root.as_ref().map(SecretKey::from_seed);
        let fits = delegation.get().format == CERTIFICATE_FORMAT
            && root
                .as_ref()
                .is_none_or(|root| root.org_id() == delegation.get().org);
        if !fits {
            return Err(PassError::Forged);
        }
        Ok(Self {
            delegation,
            root,
            networks: std::mem::take(&mut packed.networks),
            giver: packed.giver,
            addresses: std::mem::take(&mut packed.addresses),
        })
    }
}

fn first<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    all.iter().take(most).cloned().collect()
}

/// The line of text around a sealed content.
pub fn to_text(sealed: &[u8]) -> String {
    let bytes = [sealed, &checksum(sealed)].concat();
    let body = data_encoding::BASE64URL_NOPAD.encode(&bytes);
    format!("{PREFIX}{VERSION}_{body}")
}

/// The sealed content of a line. White space around and line breaks within it do no harm.
///
/// # Errors
/// Any [`PassError`] but `Forged`.
pub fn from_text(text: &str) -> Result<Vec<u8>, PassError> {
    if text.len() > limits::PASS_MAX_CHARS {
        return Err(PassError::NotAPass);
    }
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (version, body) = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .filter(|(version, _)| {
            (1..=4).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit())
        })
        .ok_or(PassError::NotAPass)?;
    if version != VERSION {
        return Err(PassError::OtherVersion(version.to_owned()));
    }
    let bytes = data_encoding::BASE64URL_NOPAD
        .decode(body.as_bytes())
        .map_err(|_| PassError::Damaged)?;
    let (sealed, sum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(PassError::Damaged)?;
    match checksum(sealed) == *sum {
        true => Ok(sealed.to_vec()),
        false => Err(PassError::Damaged),
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hash::of(bytes).0;
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Role;
    use proptest::prelude::*;

    fn content(root: bool) -> Content {
        let key = SecretKey::from_seed(&[1; 32]);
        let delegation = Delegation {
            format: CERTIFICATE_FORMAT,
            org: key.org_id(),
            node: NodeId::from_bytes([2; 32]),
            role: Role::Editor,
            not_before_s: 1,
            not_after_s: None,
        };
        Content {
            delegation: Signed::sign(delegation, &key),
            root: root.then_some(key),
            networks: vec![NetworkId::from_bytes([3; 32])],
            giver: NodeId::from_bytes([4; 32]),
            addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
        }
    }

    #[test]
    fn it_comes_back_with_and_without_the_root_key() {
        for root in [false, true] {
            let bytes = content(root).to_bytes();
            let read = Content::parse(&bytes).unwrap();
            assert_eq!(read.to_bytes(), bytes);
            assert_eq!(read.root.is_some(), root);
            let text = to_text(&bytes);
            let folded = format!("  {}\n{}\r\n", &text[..40], &text[40..]);
            assert_eq!(from_text(&folded).unwrap(), *bytes);
        }
        assert!(!format!("{:?}", content(true)).contains("1, 1, 1"));
    }

    #[test]
    fn each_rule_has_its_reason() {
        let bytes = content(false).to_bytes();
        let text = to_text(&bytes);
        assert_eq!(from_text("fingerpost1_abc"), Err(PassError::NotAPass));
        assert_eq!(
            from_text("fingerpostpass2_abc"),
            Err(PassError::OtherVersion("2".into()))
        );
        assert_eq!(from_text(&text[..text.len() - 3]), Err(PassError::Damaged));
        let long = format!("{text}{}", " ".repeat(limits::PASS_MAX_CHARS));
        assert_eq!(from_text(&long), Err(PassError::NotAPass));
        let mut other = content(true);
        other.root = Some(SecretKey::from_seed(&[9; 32]));
        assert_eq!(
            Content::parse(&other.to_bytes()).map(|_| ()),
            Err(PassError::Forged)
        );
        let mut many = content(false);
        many.addresses = vec!["/ip4/192.0.2.1/tcp/1".into(); limits::ADDRESSES_MAX + 1];
        let read = Content::parse(&many.to_bytes()).unwrap();
        assert_eq!(read.addresses.len(), limits::ADDRESSES_MAX);
    }

    #[test]
    fn the_longest_pass_is_within_the_limit() {
        let mut full = content(true);
        full.networks = vec![NetworkId::from_bytes([3; 32]); limits::NETWORKS_PER_ORG_MAX];
        full.addresses = vec!["a".repeat(250); limits::ADDRESSES_MAX];
        // What sealing adds: a header for one recipient, a nonce, and the authentication of each chunk.
        let sealed = full.to_bytes().len() + 512;
        assert!(to_text(&vec![0; sealed]).len() < limits::PASS_MAX_CHARS);
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_and_damage_found(at in 0usize..200, bit in 0u8..8, rubbish in ".{0,300}") {
            let _ = from_text(&rubbish);
            let mut bytes = content(true).to_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // A changed address or network is what sealing is for; the signed part never passes.
            if let Ok(read) = Content::parse(&bytes) {
                prop_assert_eq!(read.delegation, content(true).delegation);
            }
        }
    }
}
