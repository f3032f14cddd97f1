//! The statements of a network, numbered and indexed so that a change costs what it touches.
//!
//! Every node keeps one of these for each network, for as long as it runs. What is computed from it does not
//! depend on the order in which statements came: numbers are handed out in that order, so wherever one of
//! several is chosen, it is chosen by its id.

use std::collections::{BTreeMap, BTreeSet};

use super::Standing;
use super::marks::{Marks, Number};
use crate::card::ProvenVouch;
use crate::ids::{InviteId, OrgId};

/// An invitation: who gave it, and its one-time key.
type Invitation = (OrgId, InviteId);

/// A key that is mentioned no more keeps its number until there are so many numbers and twice as many as were in use when
/// that was last looked at: so what the looking costs is spread over what made it necessary.
const NUMBERS_SPARE: usize = 4_096;

/// The statements of one network.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// Those who keep a number whatever is said: the founders.
    founders: Vec<OrgId>,
    numbers: BTreeMap<OrgId, Number>,
    ids: Vec<OrgId>,
    standings: Vec<Option<Standing>>,
    heard: usize,
    /// With more numbers than this it is looked which are still in use.
    numbers_max: usize,
    /// For whom each vouches, so that it counts; sorted.
    given: Vec<Vec<Number>>,
    /// Who vouches for each, so that it counts; sorted.
    received: Vec<Vec<Number>>,
    /// Who used an invitation, and when by their word.
    uses: BTreeMap<Invitation, BTreeSet<(u64, OrgId)>>,
    objecting: BTreeSet<Number>,
    claiming: BTreeSet<Number>,
    rekeyed: BTreeSet<Number>,
}

impl Register {
    /// An empty register of a network with these founders.
    pub fn new(founders: impl IntoIterator<Item = OrgId>) -> Self {
        let mut register = Self {
            founders: founders.into_iter().collect(),
            ..Self::default()
        };
        for founder in register.founders.clone() {
            register.enter(founder);
        }
        register.numbers_max = 2 * register.ids.len() + NUMBERS_SPARE;
        register
    }

    /// Takes in what an organisation's statements say now; `None` if they say nothing any more. Answers whether
    /// that is another thing than before.
    pub fn set(&mut self, org: OrgId, standing: Option<Standing>) -> bool {
        if self.get(&org) == standing.as_ref() {
            return false;
        }
        if self.ids.len() > self.numbers_max {
            self.renumber();
        }
        let number = self.enter(org);
        for mentioned in standing.iter().flat_map(mentioned) {
            self.enter(mentioned);
        }
        let before = self
            .standings
            .get_mut(number)
            .and_then(|it| std::mem::replace(it, standing));
        let now = self.standings.get(number).and_then(Option::as_ref);
        self.heard += usize::from(now.is_some());
        self.heard -= usize::from(before.is_some());
        for (said, index) in [
            (
                now.is_some_and(|it| !it.objections.is_empty()),
                &mut self.objecting,
            ),
            (
                now.is_some_and(|it| !it.claims.is_empty()),
                &mut self.claiming,
            ),
            (
                now.is_some_and(|it| !it.rekeyed_from.is_empty()),
                &mut self.rekeyed,
            ),
        ] {
            match said {
                true => index.insert(number),
                false => index.remove(&number),
            };
        }
        let touched = self.follow_invitations(org, number, before.as_ref());
        for subject in touched {
            self.sort_out(subject);
        }
        true
    }

    /// Brings the uses of invitations up to date, and answers whose vouches may count otherwise than before.
    fn follow_invitations(
        &mut self,
        org: OrgId,
        number: Number,
        before: Option<&Standing>,
    ) -> BTreeSet<Number> {
        let now = self.standings.get(number).and_then(Option::as_ref);
        let mut changed: BTreeSet<Invitation> = BTreeSet::new();
        for (standing, enters) in [(before, false), (now, true)] {
            let Some(standing) = standing else {
                continue;
            };
            for vouch in &standing.vouches {
                let Some((at_s, key)) = vouch.by_invitation else {
                    continue;
                };
                let invitation = (vouch.voucher, key);
                let uses = self.uses.entry(invitation).or_default();
                match enters {
                    true => uses.insert((at_s, org)),
                    false => uses.remove(&(at_s, org)),
                };
                changed.insert(invitation);
            }
            changed.extend(standing.invitations.keys().map(|key| (org, *key)));
        }
        let mut touched = BTreeSet::from([number]);
        for invitation in changed {
            let uses = self.uses.get(&invitation);
            if uses.is_some_and(BTreeSet::is_empty) {
                self.uses.remove(&invitation);
                continue;
            }
            let users = uses.into_iter().flatten();
            touched.extend(users.filter_map(|(_, user)| self.number(user)));
        }
        touched
    }

    /// Sorts out which of the vouches for an organisation count: direct ones, and of those by invitation one for
    /// each key.
    fn sort_out(&mut self, subject: Number) {
        let (Some(org), standing) = (self.id(subject), self.standing(subject)) else {
            return;
        };
        let heard = standing.filter(|it| it.epoch > 0 || it.left_epoch > 0);
        let vouches = heard.into_iter().flat_map(|it| &it.vouches);
        let counts = |vouch: &&ProvenVouch| {
            vouch.voucher != org
                && vouch
                    .by_invitation
                    .is_none_or(|(_, key)| self.winner(&vouch.voucher, &key) == Some(org))
        };
        let mut vouchers: Vec<Number> = vouches
            .filter(counts)
            .filter_map(|it| self.number(&it.voucher))
            .collect();
        vouchers.sort_unstable();
        vouchers.dedup();
        let Some(before) = self.received.get_mut(subject) else {
            return;
        };
        let before = std::mem::replace(before, vouchers.clone());
        for voucher in before {
            if let Some(given) = self.given.get_mut(voucher)
                && vouchers.binary_search(&voucher).is_err()
                && let Ok(at) = given.binary_search(&subject)
            {
                given.remove(at);
            }
        }
        for voucher in vouchers {
            if let Some(given) = self.given.get_mut(voucher)
                && let Err(at) = given.binary_search(&subject)
            {
                given.insert(at, subject);
            }
        }
    }

    /// For whom an invitation counts. Whoever the inviter settled it for has the vouch; until then, of several
    /// organisations that used its key, all nodes count the same one: the earliest use, then the smallest id.
    pub(super) fn winner(&self, inviter: &OrgId, key: &InviteId) -> Option<OrgId> {
        let uses = self.uses.get(&(*inviter, *key))?;
        let settled = self.get(inviter).and_then(|it| it.invitations.get(key));
        match settled {
            None => uses.first().map(|(_, org)| *org),
            Some(used_by) => (*used_by).filter(|org| uses.iter().any(|(_, user)| user == org)),
        }
    }

    /// The number of an organisation, which gets one if it has none.
    fn enter(&mut self, org: OrgId) -> Number {
        let next = self.ids.len();
        let number = *self.numbers.entry(org).or_insert(next);
        if number == next {
            self.ids.push(org);
            self.standings.push(None);
            self.given.push(Vec::new());
            self.received.push(Vec::new());
        }
        number
    }

    /// Forgets the numbers of those whom nobody mentions any more.
    fn renumber(&mut self) {
        let empty = Self::new(std::mem::take(&mut self.founders));
        let before = std::mem::replace(self, empty);
        self.numbers_max = usize::MAX;
        for (org, standing) in before.ids.into_iter().zip(before.standings) {
            if standing.is_some() {
                self.set(org, standing);
            }
        }
        self.numbers_max = 2 * self.ids.len() + NUMBERS_SPARE;
    }

    /// What an organisation's statements say.
    pub fn get(&self, org: &OrgId) -> Option<&Standing> {
        self.standing(self.number(org)?)
    }

    /// Everybody who has said anything, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&OrgId, &Standing)> {
        let all = self.ids.iter().zip(&self.standings);
        all.filter_map(|(org, standing)| Some((org, standing.as_ref()?)))
    }

    /// How many have said anything.
    pub fn len(&self) -> usize {
        self.heard
    }

    /// Whether nobody has said anything.
    pub fn is_empty(&self) -> bool {
        self.heard == 0
    }

    pub(super) fn number(&self, org: &OrgId) -> Option<Number> {
        self.numbers.get(org).copied()
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

    /// Of two organisations, the one with the smaller id.
    pub(super) fn smaller(&self, one: Number, two: Number) -> Number {
        match self.id(two) < self.id(one) {
            true => two,
            false => one,
        }
    }

    /// How many organisations are numbered.
    pub(super) fn numbered(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn standing(&self, org: Number) -> Option<&Standing> {
        self.standings.get(org)?.as_ref()
    }

    /// Everybody who has said anything.
    pub(super) fn standings(&self) -> impl Iterator<Item = (Number, &Standing)> {
        let all = self.standings.iter().enumerate();
        all.filter_map(|(org, standing)| Some((org, standing.as_ref()?)))
    }

    /// Those who object to somebody.
    pub(super) fn objecting(&self) -> impl Iterator<Item = &Standing> {
        self.objecting.iter().filter_map(|org| self.standing(*org))
    }

    /// Those who claim somebody's place.
    pub(super) fn claiming(&self) -> impl Iterator<Item = (Number, &Standing)> {
        let all = self.claiming.iter();
        all.filter_map(|org| Some((*org, self.standing(*org)?)))
    }

    /// Those who had another key before.
    pub(super) fn rekeyed(&self) -> impl Iterator<Item = (Number, &Standing)> {
        let all = self.rekeyed.iter();
        all.filter_map(|org| Some((*org, self.standing(*org)?)))
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

/// Whoever a standing names.
fn mentioned(standing: &Standing) -> Vec<OrgId> {
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
        .collect()
}
