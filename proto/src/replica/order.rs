//! In which order the cards of a network travel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Replica;
use crate::ids::{NetworkId, OrgId};
use crate::roster::Place;
use crate::storage::Storage;

impl<S: Storage> Replica<S> {
    /// Those with a place in a network: founders, then whoever is admitted by the word of those before it, then all
    /// others. In another order a node that knows nobody yet would take most of them for applicants, of whom it holds
    /// only so many.
    pub(crate) fn cards_in_order(&mut self, network: &NetworkId) -> Vec<OrgId> {
        let Some(roster) = self.roster(network) else {
            return Vec::new();
        };
        let needed = roster.vouches_needed().max(1) as usize;
        let mut next: VecDeque<OrgId> = roster.anchors().iter().copied().collect();
        let all: Vec<OrgId> = roster
            .places()
            .filter(|(_, place)| *place != Place::Left)
            .map(|(org, _)| *org)
            .collect();
        let mut subjects: BTreeMap<OrgId, Vec<OrgId>> = BTreeMap::new();
        for org in &all {
            let standing = self.standing(network, org);
            let vouches = standing.iter().flat_map(|standing| &standing.vouches);
            let vouchers: BTreeSet<OrgId> = vouches.map(|vouch| vouch.voucher).collect();
            for voucher in vouchers {
                subjects.entry(voucher).or_default().push(*org);
            }
        }
        let mut reached: BTreeSet<OrgId> = next.iter().copied().collect();
        let mut missing: BTreeMap<OrgId, usize> = BTreeMap::new();
        let mut order = Vec::with_capacity(all.len());
        while let Some(org) = next.pop_front() {
            order.push(org);
            for subject in subjects.remove(&org).unwrap_or_default() {
                let missing = missing.entry(subject).or_insert(needed);
                *missing = missing.saturating_sub(1);
                if *missing == 0 && reached.insert(subject) {
                    next.push_back(subject);
                }
            }
        }
        order.extend(all.iter().filter(|org| !reached.contains(*org)));
        // Founders who have left, or never came, have no card here.
        let known: BTreeSet<&OrgId> = all.iter().collect();
        order.retain(|org| known.contains(org));
        order
    }
}
