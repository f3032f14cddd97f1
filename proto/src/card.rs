//! The card: who an organisation is, which charters it accepts, and the vouches it holds.
//!
//! What a member needs to prove its membership stands on its own card, as certificates that anyone can
//! check ([`Membership`]); nobody keeps a list of members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::{
    Delegated, Delegation, FORMAT as CERTIFICATE_FORMAT, Invitation, Redemption, Vouch,
};
use crate::ids::{NetworkId, NodeId, OrgId};
use crate::json;
use crate::limits;
use crate::signed::Carry;

/// The only card format of this version.
pub const FORMAT: u32 = 1;

/// An organisation's number in a public register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// The register, by its org-id.guide code, such as `GB-CHC`.
    pub scheme: String,
    /// The number there.
    pub identifier: String,
}

/// Who an organisation is: the state of its `card` document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`].
    pub format: u32,
    /// Always `card`.
    pub kind: CardKind,
    /// The name that people know it by.
    pub name: String,
    /// Other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its numbers in public registers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// The nodes that may write for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<Carry<Delegation>>,
    /// Where its nodes can be reached: multiaddrs without the peer id, for members to dial.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<NodeId, Vec<String>>,
    /// The networks whose charter it accepts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<NetworkId, Membership>,
    /// Fields of later versions, carried as they are.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// The `kind` of a card; any other text is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardKind {
    /// A card.
    #[default]
    Card,
}

/// An organisation's place in one network, with its proof.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// Counts acceptances, from 1: a departure ends the epoch it names and those before.
    pub epoch: u32,
    /// When the charter was accepted, in seconds since 1970-01-01 UTC.
    pub accepted_at_s: u64,
    /// Vouches, by voucher.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vouches: BTreeMap<OrgId, Delegated<Vouch>>,
    /// The invitation that was used to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Redeemed>,
    /// Fields of later versions, carried as they are.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// An invitation and the proof that this organisation used it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redeemed {
    /// The pre-signed vouch.
    #[serde(flatten)]
    pub invitation: Delegated<Invitation>,
    /// Signed with the invitation's one-time key.
    pub redemption: Carry<Redemption>,
}

/// Why a card is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The bytes are not bounded JSON of a card.
    #[error(transparent)]
    Json(#[from] json::JsonError),
    /// A format that this version does not know.
    #[error("the card was written by a newer version (format {0})")]
    UnknownFormat(u32),
    /// A name that is empty or too long.
    #[error(
        "an organisation needs a name of 1 to {} bytes",
        limits::NAME_MAX_BYTES
    )]
    BadName,
    /// More entries than the limits allow.
    #[error("too many {0} on one card")]
    TooMany(&'static str),
}

impl Card {
    /// A new card with a name and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            kind: CardKind::Card,
            name: name.into(),
            aliases: Vec::new(),
            identifiers: Vec::new(),
            delegations: Vec::new(),
            nodes: BTreeMap::new(),
            networks: BTreeMap::new(),
            extra: serde_json::Map::new(),
        }
    }

    /// Reads a state that another organisation wrote, under all limits.
    ///
    /// # Errors
    /// Any [`CardError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CardError> {
        let card: Self = json::parse_typed(bytes, &json::Bounds::STATE)?;
        card.check()?;
        Ok(card)
    }

    /// Checks the rules of a card; certificates are checked where they count.
    ///
    /// # Errors
    /// Any [`CardError`] but `Json`.
    pub fn check(&self) -> Result<(), CardError> {
        if self.format != FORMAT {
            return Err(CardError::UnknownFormat(self.format));
        }
        if self.name.trim().is_empty() || self.name.len() > limits::NAME_MAX_BYTES {
            return Err(CardError::BadName);
        }
        if self.networks.len() > limits::NETWORKS_PER_ORG_MAX {
            return Err(CardError::TooMany("networks"));
        }
        if self.delegations.len() > limits::NODES_PER_ORG_MAX {
            return Err(CardError::TooMany("delegations"));
        }
        if self.nodes.len() > limits::NODES_PER_ORG_MAX {
            return Err(CardError::TooMany("nodes"));
        }
        if self
            .nodes
            .values()
            .any(|addresses| addresses.len() > limits::ADDRESSES_MAX)
        {
            return Err(CardError::TooMany("addresses"));
        }
        if self
            .networks
            .values()
            .any(|m| m.vouches.len() > limits::VOUCHES_PER_NETWORK_MAX)
        {
            return Err(CardError::TooMany("vouches"));
        }
        Ok(())
    }

    /// The state's bytes, deterministic.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every key of a card is a text and it holds no floats: serialising cannot fail.
        json::to_bytes(self).unwrap_or_default()
    }
}

/// A vouch that a membership proves, its signatures checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProvenVouch {
    /// Who vouches.
    pub voucher: OrgId,
    /// If by invitation: the one-time key, and when it was used. Of several organisations that used
    /// one key, the roster counts one.
    pub by_invitation: Option<(u64, [u8; 32])>,
}

impl Membership {
    /// The vouches in it that hold for `subject` in `network`; anything else counts for nothing.
    pub fn proven(&self, network: &NetworkId, subject: &OrgId) -> Vec<ProvenVouch> {
        let direct = self.vouches.values().filter_map(|vouch| {
            let vouch = vouch.verified().ok()?;
            let vouch = vouch.get();
            (vouch.network == *network && vouch.subject == *subject && vouch.voucher != *subject)
                .then_some(ProvenVouch {
                    voucher: vouch.voucher,
                    by_invitation: None,
                })
        });
        direct
            .chain(
                self.invitation
                    .as_ref()
                    .and_then(|it| it.proven(network, subject)),
            )
            .collect()
    }
}

impl Redeemed {
    fn proven(&self, network: &NetworkId, subject: &OrgId) -> Option<ProvenVouch> {
        let invitation = self.invitation.verified().ok()?;
        let redemption = self.redemption.verified().ok()?;
        let (invitation, redemption) = (invitation.get(), redemption.get());
        let fits = redemption.format == CERTIFICATE_FORMAT
            && redemption.network == *network
            && invitation.network == *network
            && redemption.subject == *subject
            && redemption.key == invitation.key
            && redemption.redeemed_at_s < invitation.expires_at_s
            && invitation.voucher != *subject;
        fits.then_some(ProvenVouch {
            voucher: invitation.voucher,
            by_invitation: Some((redemption.redeemed_at_s, redemption.key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_comes_back_with_what_it_does_not_know() {
        let mut card = Card::new("Brixton Advice");
        card.identifiers.push(Identifier {
            scheme: "GB-CHC".into(),
            identifier: "123".into(),
        });
        card.networks.insert(
            NetworkId::from_bytes([1; 32]),
            Membership {
                epoch: 1,
                ..Default::default()
            },
        );
        card.extra.insert(
            "succession".into(),
            serde_json::json!({"closed": "2027-01-01"}),
        );
        assert_eq!(Card::parse(&card.to_bytes()), Ok(card));
    }

    #[test]
    fn each_rule_has_its_reason() {
        let parse = |text: &str| Card::parse(text.as_bytes()).map(|_| ());
        assert!(matches!(parse("{"), Err(CardError::Json(_))));
        assert!(matches!(
            parse(r#"{"format":1,"kind":"listing","name":"x"}"#),
            Err(CardError::Json(_))
        ));
        assert_eq!(
            parse(r#"{"format":2,"kind":"card","name":"x"}"#),
            Err(CardError::UnknownFormat(2))
        );
        assert_eq!(
            parse(r#"{"format":1,"kind":"card","name":""}"#),
            Err(CardError::BadName)
        );
        let mut card = Card::new("x");
        for n in 0..=limits::NETWORKS_PER_ORG_MAX as u8 {
            card.networks
                .insert(NetworkId::from_bytes([n; 32]), Membership::default());
        }
        assert_eq!(card.check(), Err(CardError::TooMany("networks")));
    }
}
