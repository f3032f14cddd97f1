//! Amendments: new texts for a charter.

use minicbor::{Decode, Encode};

use super::{ByNode, FORMAT};
use crate::charter::CharterError;
use crate::ids::{CharterId, NetworkId, NodeId, OrgId};
use crate::keys::Domain;
use crate::limits;
use crate::record::Hash;
use crate::signed::{Signed, Statement};

/// A member proposes a new text for the charter.
///
/// It comes into force when more than half of those who have a voice have accepted it on their
/// cards ([`crate::roster`]). The network's id stays that of its founding charter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Amendment {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// The text that it would replace: of rival amendments to one text, each member accepts one.
    #[n(2)]
    pub previous: CharterId,
    /// The network's name from then on.
    #[n(3)]
    pub name: String,
    /// The text.
    #[n(4)]
    pub text: String,
    /// How many distinct members must vouch for an organisation from then on, from 1.
    #[n(5)]
    pub vouches_needed: u32,
    /// Who proposes it.
    #[n(6)]
    pub proposer: OrgId,
    /// The proposer's node that signed.
    #[n(7)]
    pub node: NodeId,
    /// When, in seconds since 1970-01-01 UTC.
    #[n(8)]
    pub proposed_at_s: u64,
}

impl Statement for Amendment {
    const DOMAIN: Domain = Domain::Amendment;
    const MAX_BYTES: usize = limits::CHARTER_MAX_BYTES + limits::CERTIFICATE_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.node.as_bytes()
    }
}

impl ByNode for Amendment {
    fn org(&self) -> OrgId {
        self.proposer
    }

    fn node(&self) -> NodeId {
        self.node
    }

    fn at_s(&self) -> u64 {
        self.proposed_at_s
    }

    fn format(&self) -> u32 {
        self.format
    }
}

impl Amendment {
    /// Checks the rules of the text.
    ///
    /// # Errors
    /// [`CharterError`].
    pub fn check(&self) -> Result<(), CharterError> {
        if self.format != FORMAT {
            return Err(CharterError::UnknownFormat(self.format));
        }
        if self.name.trim().is_empty() || self.name.len() > limits::NAME_MAX_BYTES {
            return Err(CharterError::BadName);
        }
        if self.vouches_needed == 0
            || self.vouches_needed as usize > limits::VOUCHES_PER_NETWORK_MAX
        {
            return Err(CharterError::BadRule);
        }
        if self.name.len() + self.text.len() > limits::CHARTER_MAX_BYTES {
            return Err(CharterError::TooLarge);
        }
        Ok(())
    }
}

/// The name of an amendment's text.
pub fn charter_id(amendment: &Signed<Amendment>) -> CharterId {
    CharterId::from_bytes(Hash::of(amendment.payload()).0)
}
