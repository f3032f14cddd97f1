//! The card: who an organisation is, which charters it accepts, and the vouches it holds.
//!
//! What a member needs to prove its membership stands on its own card, as certificates that anyone can
//! check ([`Membership`]); nobody keeps a list of members.

mod membership;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::{Delegation, Rekeying, Revocation};
use crate::ids::{NetworkId, NodeId, OrgId};
use crate::json;
use crate::limits;
use crate::signed::{Carry, Signed};

pub use membership::{
    Acceptance, Membership, Objection, ProvenVouch, Redeemed, Settled, SuccessorVote,
};

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
    /// Nodes that may write for it no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocations: Vec<Carry<Revocation>>,
    /// Its older keys, each of which has passed the organisation on to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rekeyings: Vec<Carry<Rekeying>>,
    /// When it is closed to referrals for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// What comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<Succession>,
    /// The seats that it holds on other bodies, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seats: BTreeMap<String, Seat>,
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

/// A time in which an organisation is closed to referrals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The first day, as `YYYY-MM-DD`.
    pub from: String,
    /// The last day, as `YYYY-MM-DD`.
    pub until: String,
    /// What people should know, such as whom to ask meanwhile; at most [`limits::REASON_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A seat that an organisation holds on a forum, a board or another body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The name of the body.
    pub body: String,
    /// The body itself, if it is an organisation of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrgId>,
    /// What sort of body it is, such as `forum` or `partnership board`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the organisation does there, such as `chair`, `member` or `represents the carers' groups`.
    pub role: String,
}

impl Seat {
    fn is_acceptable(&self) -> bool {
        let texts = [Some(&self.body), Some(&self.role), self.kind.as_ref()];
        let mut given = texts.into_iter().flatten();
        given.all(|text| !text.trim().is_empty() && text.len() <= limits::NAME_MAX_BYTES)
    }
}

/// What comes after this organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// It became part of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<OrgId>,
    /// Its last day, as `YYYY-MM-DD`; from the next on, search leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_on: Option<String>,
    /// Where the people it served can turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients_to: Vec<OrgId>,
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
    /// A seat without a body or a role, or with one that is too long.
    #[error(
        "a seat names a body and a role, each of 1 to {} bytes",
        limits::NAME_MAX_BYTES
    )]
    BadSeat,
    /// A reason or a note that is too long.
    #[error("a reason or a note has at most {} bytes", limits::REASON_MAX_BYTES)]
    ReasonTooLong,
}

impl Card {
    /// Puts revocations on the card that it does not say yet, as far as there is room, and takes off it the nodes
    /// that they end. Whoever publishes a card says those of [`crate::replica::Replica::unsaid_revocations`].
    pub fn say_revocations(&mut self, unsaid: &[Signed<Revocation>]) {
        for revocation in unsaid {
            let is_said =
                |it: &Carry<Revocation>| it.claimed().is_ok_and(|it| it == *revocation.get());
            if self.revocations.len() >= limits::REVOCATIONS_MAX
                || self.revocations.iter().any(is_said)
            {
                continue;
            }
            let node = revocation.get().node;
            let keeps = |it: &Carry<Delegation>| it.claimed().is_ok_and(|it| it.node != node);
            self.delegations.retain(keeps);
            self.nodes.remove(&node);
            self.revocations.push(Carry::new(revocation));
        }
    }

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
            revocations: Vec::new(),
            rekeyings: Vec::new(),
            pauses: Vec::new(),
            succession: None,
            seats: BTreeMap::new(),
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

    /// The name in the state of a card that was checked when it came in; cheaper than to read all of it.
    pub fn name_in(bytes: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let named: Named = serde_json::from_slice(bytes).ok()?;
        Some(named.name)
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
        let notes = self.pauses.iter().filter_map(|pause| pause.note.as_ref());
        if notes
            .into_iter()
            .any(|note| note.len() > limits::REASON_MAX_BYTES)
        {
            return Err(CardError::ReasonTooLong);
        }
        if !self.seats.values().all(Seat::is_acceptable) {
            return Err(CardError::BadSeat);
        }
        let addresses = self.nodes.values().map(Vec::len).max().unwrap_or(0);
        let succession = self.succession.as_ref().map_or(0, |s| s.clients_to.len());
        let counts = [
            (
                self.networks.len(),
                limits::NETWORKS_PER_ORG_MAX,
                "networks",
            ),
            (
                self.delegations.len(),
                limits::NODES_PER_ORG_MAX,
                "delegations",
            ),
            (self.nodes.len(), limits::NODES_PER_ORG_MAX, "nodes"),
            (addresses, limits::ADDRESSES_MAX, "addresses"),
            (
                self.revocations.len(),
                limits::REVOCATIONS_MAX,
                "revocations",
            ),
            (self.rekeyings.len(), limits::REKEYINGS_MAX, "older keys"),
            (self.pauses.len(), limits::PAUSES_MAX, "pauses"),
            (self.seats.len(), limits::SEATS_MAX, "seats"),
            (
                succession,
                limits::SUCCESSIONS_PER_NETWORK_MAX,
                "successors",
            ),
        ];
        if let Some((_, _, what)) = counts.into_iter().find(|(count, most, _)| count > most) {
            return Err(CardError::TooMany(what));
        }
        self.networks.values().try_for_each(Membership::check)
    }

    /// The state's bytes, deterministic.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every key of a card is a text and it holds no floats: serialising cannot fail.
        json::to_bytes(self).unwrap_or_default()
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
        assert_eq!(Card::name_in(&card.to_bytes()), Some(card.name.clone()));
        card.extra.insert(
            "x_hearing_loop".into(),
            serde_json::json!({"since": "2027-01-01"}),
        );
        assert_eq!(Card::parse(&card.to_bytes()), Ok(card));
    }

    #[test]
    fn seats_are_bounded_and_say_where_and_what() {
        let seat = Seat {
            body: "Partnership Board".into(),
            organisation: None,
            kind: Some("board".into()),
            role: "chair".into(),
        };
        let mut card = Card::new("Brixton Advice");
        for n in 0..limits::SEATS_MAX {
            card.seats.insert(format!("s{n}"), seat.clone());
        }
        assert_eq!(Card::parse(&card.to_bytes()), Ok(card.clone()));
        card.seats.insert("more".into(), seat.clone());
        assert_eq!(card.check(), Err(CardError::TooMany("seats")));
        card.seats.clear();
        let silent = Seat {
            role: " ".into(),
            ..seat
        };
        card.seats.insert("silent".into(), silent);
        assert_eq!(card.check(), Err(CardError::BadSeat));
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
