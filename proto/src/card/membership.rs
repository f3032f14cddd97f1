//! An organisation's place in one network, as it stands on its card.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::CardError;
use crate::certificate::{
    Delegated, FORMAT as CERTIFICATE_FORMAT, Invitation, Redemption, Rekeying, Vouch,
};
use crate::ids::{CharterId, InviteId, NetworkId, OrgId};
use crate::limits;
use crate::signed::Carry;

/// An organisation's place in one network, with its proof and with what it says of others there.
///
/// What is said here without a certificate (objections, acceptances) counts by the signature of the
/// card's record, for as long as it stands on the card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// Counts acceptances, from 1: a departure ends the epoch it names and those before.
    pub epoch: u32,
    /// When the charter was accepted, in seconds since 1970-01-01 UTC.
    pub accepted_at_s: u64,
    /// Vouches for this organisation, by voucher.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vouches: BTreeMap<OrgId, Delegated<Vouch>>,
    /// The invitation that was used to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Redeemed>,
    /// Vouches for others, held ready until they carry them on their own cards.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<OrgId, Delegated<Vouch>>,
    /// What became of this organisation's invitations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invitations: BTreeMap<InviteId, Settled>,
    /// Organisations that, by its word, do not belong here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objections: BTreeMap<OrgId, Objection>,
    /// The amendments it accepts, by the text that each replaces: one of several rivals.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub amendments: BTreeMap<CharterId, Acceptance>,
    /// By its word, who goes on for an organisation that lost its root key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub successors: BTreeMap<OrgId, SuccessorVote>,
    /// Organisations that this one says it goes on for, having lost their root key.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub claims: BTreeSet<OrgId>,
    /// In a departure alone: the older keys of the organisation, so that whoever has one of them cannot come
    /// back as the organisation after it has left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rekeyings: Vec<Carry<Rekeying>>,
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

/// What became of an invitation, by the inviter's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Who used it, and now has a direct vouch; nobody if it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<OrgId>,
    /// When, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// A member's word that an organisation does not belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// Why, for every member to read; at most [`limits::REASON_MAX_BYTES`].
    pub reason: String,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// The acceptance of an amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Which.
    pub amendment: CharterId,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// A word for the successor of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessorVote {
    /// Who goes on for it.
    pub to: OrgId,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// A vouch that a membership proves, its signatures checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct ProvenVouch {
    /// Who vouches.
    #[n(0)]
    pub voucher: OrgId,
    /// If by invitation: when it was used, and its one-time key. Of several organisations that used
    /// one key, the roster counts one.
    #[n(1)]
    pub by_invitation: Option<(u64, InviteId)>,
}

impl Membership {
    /// The vouches in it that hold for `subject` in `network`; anything else counts for nothing.
    pub fn proven(&self, network: &NetworkId, subject: &OrgId) -> Vec<ProvenVouch> {
        let direct = self.vouches.values().filter_map(|vouch| {
            let vouch = vouch.verified().ok()?;
            let vouch = vouch.get();
            let fits = vouch.network == *network
                && vouch.subject == *subject
                && vouch.voucher != *subject
                && vouch.note.as_ref().map_or(0, String::len) <= limits::NOTE_MAX_BYTES;
            fits.then_some(ProvenVouch {
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

    /// What a departure carries of it: the proof on which others may depend, the organisation's older keys,
    /// and nothing of what is said about others.
    #[must_use]
    pub fn for_departure(&self, rekeyings: Vec<Carry<Rekeying>>) -> Self {
        Self {
            rekeyings,
            epoch: self.epoch,
            accepted_at_s: self.accepted_at_s,
            vouches: self.vouches.clone(),
            invitation: self.invitation.clone(),
            invitations: self.invitations.clone(),
            amendments: self.amendments.clone(),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), CardError> {
        let too_long = |reason: &String| reason.len() > limits::REASON_MAX_BYTES;
        if self.objections.values().any(|o| too_long(&o.reason)) {
            return Err(CardError::ReasonTooLong);
        }
        let counts = [
            (
                self.vouches.len(),
                limits::VOUCHES_PER_NETWORK_MAX,
                "vouches",
            ),
            (
                self.given.len(),
                limits::GIVEN_PER_NETWORK_MAX,
                "vouches for others",
            ),
            (
                self.invitations.len(),
                limits::INVITATIONS_PER_NETWORK_MAX,
                "invitations",
            ),
            (
                self.objections.len(),
                limits::OBJECTIONS_PER_NETWORK_MAX,
                "objections",
            ),
            (
                self.amendments.len(),
                limits::AMENDMENTS_IN_FORCE_MAX,
                "amendments",
            ),
            (
                self.successors.len(),
                limits::SUCCESSIONS_PER_NETWORK_MAX,
                "successions",
            ),
            (self.rekeyings.len(), limits::REKEYINGS_MAX, "older keys"),
            (
                self.claims.len(),
                limits::SUCCESSIONS_PER_NETWORK_MAX,
                "successions",
            ),
        ];
        match counts.into_iter().find(|(count, most, _)| count > most) {
            Some((_, _, what)) => Err(CardError::TooMany(what)),
            None => Ok(()),
        }
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
        fits.then(|| ProvenVouch {
            voucher: invitation.voucher,
            by_invitation: Some((
                redemption.redeemed_at_s,
                InviteId::from_bytes(redemption.key),
            )),
        })
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
