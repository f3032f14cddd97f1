//! What one organisation's statements say of its place in one network, and of others there.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::card::{Card, Membership, ProvenVouch};
use crate::certificate::{FORMAT, Rekeying};
use crate::ids::{CharterId, InviteId, NetworkId, OrgId};
use crate::signed::Carry;

/// What one organisation's statements say of its place in one network, and of others there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Standing {
    /// The epoch of the acceptance on its card; 0 if it accepts nothing, or its card is not held.
    #[n(0)]
    pub epoch: u32,
    /// The epoch that its departure ends; 0 if it never left.
    #[n(1)]
    pub left_epoch: u32,
    /// Its proven vouches, from the card or the departure; sorted, each once.
    #[n(2)]
    pub vouches: Vec<ProvenVouch>,
    /// To whom it objects.
    #[n(3)]
    pub objections: BTreeSet<OrgId>,
    /// The amendments it accepts, by the text that each replaces.
    #[n(4)]
    pub amendments: BTreeMap<CharterId, CharterId>,
    /// By its word, who goes on for an organisation that lost its root key.
    #[n(5)]
    pub successors: BTreeMap<OrgId, OrgId>,
    /// Organisations that it says it goes on for.
    #[n(6)]
    pub claims: BTreeSet<OrgId>,
    /// Older keys of this organisation, each proven by its own signature.
    #[n(7)]
    pub rekeyed_from: BTreeSet<OrgId>,
    /// Its invitations that are settled: used by whom, or cancelled.
    #[n(8)]
    pub invitations: BTreeMap<InviteId, Option<OrgId>>,
}

impl Standing {
    /// What an organisation's departure proves, which ends `epoch`.
    pub fn of_departure(
        network: &NetworkId,
        org: &OrgId,
        epoch: u32,
        membership: &Membership,
    ) -> Self {
        let mut standing = Self {
            left_epoch: epoch,
            ..Self::default()
        };
        standing.add_proof(membership, network, org);
        standing.add_older_keys(&membership.rekeyings, org);
        standing
    }

    /// What an organisation's cards (several, while siblings have written apart) and what its departure proves say
    /// together; `None` if none of them counts. A card that a departure has ended says nothing, so it
    /// does not matter whether it is still held, nor what came first.
    pub fn of<'a>(
        network: &NetworkId,
        org: &OrgId,
        cards: impl IntoIterator<Item = &'a Card>,
        departed: Option<&Self>,
    ) -> Option<Self> {
        let mut standing = departed.cloned().unwrap_or_default();
        for card in cards {
            let Some(membership) = card.networks.get(network) else {
                continue;
            };
            if membership.epoch > standing.left_epoch {
                standing.epoch = standing.epoch.max(membership.epoch);
                standing.add_proof(membership, network, org);
                standing.add_word(membership, org);
                standing.add_older_keys(&card.rekeyings, org);
            }
        }
        (standing != Self::default()).then_some(standing)
    }

    /// What stays when the organisation leaves. Where siblings have written apart and differ, all
    /// nodes take the same of the two.
    fn add_proof(&mut self, membership: &Membership, network: &NetworkId, org: &OrgId) {
        self.vouches.extend(membership.proven(network, org));
        self.vouches.sort();
        self.vouches.dedup();
        for (previous, acceptance) in &membership.amendments {
            let accepted = self
                .amendments
                .entry(*previous)
                .or_insert(acceptance.amendment);
            *accepted = (*accepted).min(acceptance.amendment);
        }
        for (invitation, settled) in &membership.invitations {
            let used_by = self
                .invitations
                .entry(*invitation)
                .or_insert(settled.used_by);
            *used_by = (*used_by).max(settled.used_by);
        }
    }

    /// What ends when the organisation leaves.
    fn add_word(&mut self, membership: &Membership, org: &OrgId) {
        let others = membership.objections.keys().filter(|it| *it != org);
        self.objections.extend(others);
        for (old, vote) in &membership.successors {
            let to = self.successors.entry(*old).or_insert(vote.to);
            *to = (*to).min(vote.to);
        }
        self.claims
            .extend(membership.claims.iter().filter(|it| *it != org));
    }

    fn add_older_keys(&mut self, rekeyings: &[Carry<Rekeying>], org: &OrgId) {
        // Each key has signed for the next: the chain ends with the organisation's own.
        let links: BTreeMap<OrgId, OrgId> = rekeyings
            .iter()
            .filter_map(|carried| {
                let rekeying = carried.verified().ok()?;
                let rekeying = rekeying.get();
                (rekeying.format == FORMAT).then_some((rekeying.new, rekeying.old))
            })
            .collect();
        let mut newest = *org;
        while let Some(old) = links.get(&newest) {
            if *old == *org || !self.rekeyed_from.insert(*old) {
                break;
            }
            newest = *old;
        }
    }

    /// Whether the organisation accepts the charter now.
    pub fn accepts(&self) -> bool {
        self.epoch > self.left_epoch
    }

    /// Whether its last word is that it left.
    pub fn left(&self) -> bool {
        self.left_epoch > 0 && self.epoch <= self.left_epoch
    }
}
