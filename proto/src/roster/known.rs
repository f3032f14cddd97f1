//! The statements of a network, prepared to be counted.
//!
//! Organisations are numbered in the order of their ids, so that sets are rows of marks, and the smallest
//! number is the smallest id. A roster is computed again whenever a statement changes, by every node.

use std::collections::{BTreeMap, BTreeSet};

use super::Standing;
use crate::ids::{InviteId, OrgId};

/// An organisation's place in the order of all ids that statements mention.
pub(super) type Number = usize;

/// A set of organisations.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Marks(Vec<bool>);

impl Marks {
    pub(super) fn has(&self, org: Number) -> bool {
        self.0.get(org).copied().unwrap_or(false)
    }

    /// Whether it was not there before.
    pub(super) fn add(&mut self, org: Number) -> bool {
        if self.0.len() <= org {
            self.0.resize(org + 1, false);
        }
        self.0
            .get_mut(org)
            .is_some_and(|mark| !std::mem::replace(mark, true))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Number) -> bool) {
        for (org, mark) in self.0.iter_mut().enumerate() {
            *mark &= !*mark || keep(org);
        }
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Number> {
        let marked = self.0.iter().enumerate().filter(|(_, mark)| **mark);
        marked.map(|(org, _)| org)
    }

    pub(super) fn count(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromIterator<Number> for Marks {
    fn from_iter<I: IntoIterator<Item = Number>>(all: I) -> Self {
        let mut marks = Self::default();
        marks.extend(all);
        marks
    }
}

impl Extend<Number> for Marks {
    fn extend<I: IntoIterator<Item = Number>>(&mut self, all: I) {
        for org in all {
            self.add(org);
        }
    }
}

/// What was said, and which vouches count.
pub(super) struct Known<'a> {
    ids: Vec<OrgId>,
    standings: Vec<Option<&'a Standing>>,
    given: Vec<Vec<Number>>,
    received: Vec<Vec<Number>>,
    /// Which organisation an invitation counts for.
    pub(super) winners: BTreeMap<(OrgId, InviteId), (u64, OrgId)>,
}

impl<'a> Known<'a> {
    /// Numbers everybody whom a statement mentions, and sorts out which vouches count: direct ones, and of those by
    /// invitation one for each key.
    pub(super) fn of(
        standings: &'a BTreeMap<OrgId, Standing>,
        anchors: impl IntoIterator<Item = OrgId>,
    ) -> Self {
        let mut ids: Vec<OrgId> = anchors.into_iter().collect();
        for (org, standing) in standings {
            ids.push(*org);
            ids.extend(mentioned(standing));
        }
        ids.sort_unstable();
        ids.dedup();
        let everybody = ids.len();
        let mut known = Self {
            standings: ids.iter().map(|org| standings.get(org)).collect(),
            ids,
            given: vec![Vec::new(); everybody],
            received: vec![Vec::new(); everybody],
            winners: invitation_winners(standings),
        };
        known.sort_out(standings);
        known
    }

    fn sort_out(&mut self, standings: &BTreeMap<OrgId, Standing>) {
        for (org, standing) in standings {
            let Some(subject) = self.number(org) else {
                continue;
            };
            if standing.epoch == 0 && standing.left_epoch == 0 {
                continue;
            }
            let winners = &self.winners;
            let counts = |by_invitation: Option<(u64, InviteId)>, voucher: OrgId| {
                by_invitation.is_none_or(|(_, key)| {
                    winners.get(&(voucher, key)).map(|(_, org)| org) == Some(org)
                })
            };
            let vouches = standing.vouches.iter();
            let mut vouchers: Vec<Number> = vouches
                .filter(|it| it.voucher != *org && counts(it.by_invitation, it.voucher))
                .filter_map(|it| self.number(&it.voucher))
                .collect();
            vouchers.sort_unstable();
            vouchers.dedup();
            for voucher in &vouchers {
                if let Some(given) = self.given.get_mut(*voucher) {
                    given.push(subject);
                }
            }
            if let Some(received) = self.received.get_mut(subject) {
                *received = vouchers;
            }
        }
    }

    pub(super) fn number(&self, org: &OrgId) -> Option<Number> {
        self.ids.binary_search(org).ok()
    }

    pub(super) fn numbers<'o>(&self, orgs: impl IntoIterator<Item = &'o OrgId>) -> Marks {
        orgs.into_iter()
            .filter_map(|org| self.number(org))
            .collect()
    }

    pub(super) fn id(&self, org: Number) -> Option<OrgId> {
        self.ids.get(org).copied()
    }

    pub(super) fn ids(&self, orgs: impl IntoIterator<Item = Number>) -> BTreeSet<OrgId> {
        orgs.into_iter().filter_map(|org| self.id(org)).collect()
    }

    /// How many organisations are numbered.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn standing(&self, org: Number) -> Option<&'a Standing> {
        self.standings.get(org).copied().flatten()
    }

    /// Everybody who has said anything.
    pub(super) fn standings(&self) -> impl Iterator<Item = (Number, &'a Standing)> {
        let all = self.standings.iter().enumerate();
        all.filter_map(|(org, standing)| Some((org, (*standing)?)))
    }

    /// For whom an organisation vouches, so that it counts; each once.
    pub(super) fn given_by(&self, voucher: Number) -> &[Number] {
        self.given.get(voucher).map_or(&[], Vec::as_slice)
    }

    /// Who vouches for an organisation, so that it counts; each once, in ascending order.
    pub(super) fn vouchers_of(&self, subject: Number) -> &[Number] {
        self.received.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Whether one of the vouches for an organisation counts.
    pub(super) fn counts(&self, voucher: &OrgId, subject: &OrgId) -> bool {
        match (self.number(voucher), self.number(subject)) {
            (Some(voucher), Some(subject)) => {
                self.vouchers_of(subject).binary_search(&voucher).is_ok()
            }
            _ => false,
        }
    }
}

fn mentioned(standing: &Standing) -> impl Iterator<Item = OrgId> {
    let vouchers = standing.vouches.iter().map(|it| it.voucher);
    let votes = standing
        .successors
        .iter()
        .flat_map(|(old, new)| [*old, *new]);
    let others = [
        &standing.objections,
        &standing.claims,
        &standing.rekeyed_from,
    ];
    vouchers
        .chain(votes)
        .chain(others.into_iter().flatten().copied())
}

/// An invitation vouches once. Whoever the inviter settled it for has the vouch; until then, of several
/// organisations that used its key, all nodes count the same one: the earliest use, then the smallest id.
fn invitation_winners(
    standings: &BTreeMap<OrgId, Standing>,
) -> BTreeMap<(OrgId, InviteId), (u64, OrgId)> {
    let mut winners: BTreeMap<(OrgId, InviteId), (u64, OrgId)> = BTreeMap::new();
    for (org, standing) in standings {
        for vouch in &standing.vouches {
            let Some((at_s, key)) = vouch.by_invitation else {
                continue;
            };
            let settled = standings
                .get(&vouch.voucher)
                .and_then(|inviter| inviter.invitations.get(&key));
            if settled.is_some_and(|used_by| *used_by != Some(*org)) {
                continue;
            }
            let claim = (at_s, *org);
            let winner = winners.entry((vouch.voucher, key)).or_insert(claim);
            *winner = (*winner).min(claim);
        }
    }
    winners
}
