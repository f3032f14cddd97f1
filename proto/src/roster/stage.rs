//! One stage of a network's life: who is admitted, who has a voice and who is removed under one text of the
//! charter.

use std::collections::{BTreeMap, BTreeSet};

use super::Standing;
use crate::ids::{CharterId, InviteId, OrgId};

type Orgs = BTreeSet<OrgId>;

/// The vouches that count, by voucher and by subject.
pub(super) struct Vouches {
    given: BTreeMap<OrgId, Orgs>,
    received: BTreeMap<OrgId, Orgs>,
}

impl Vouches {
    /// Sorts out which vouches count: direct ones, and of those by invitation one for each key.
    pub(super) fn of(standings: &BTreeMap<OrgId, Standing>) -> Self {
        let winners = invitation_winners(standings);
        let mut given: BTreeMap<OrgId, Orgs> = BTreeMap::new();
        let mut received: BTreeMap<OrgId, Orgs> = BTreeMap::new();
        for (org, standing) in standings {
            if standing.epoch == 0 && standing.left_epoch == 0 {
                continue;
            }
            for vouch in &standing.vouches {
                let counts = vouch.by_invitation.is_none_or(|(_, key)| {
                    winners.get(&(vouch.voucher, key)).map(|(_, org)| org) == Some(org)
                });
                if counts && vouch.voucher != *org {
                    given.entry(vouch.voucher).or_default().insert(*org);
                    received.entry(*org).or_default().insert(vouch.voucher);
                }
            }
        }
        Self { given, received }
    }

    fn by(&self, voucher: &OrgId) -> impl Iterator<Item = &OrgId> {
        self.given.get(voucher).into_iter().flatten()
    }

    /// Whether one of the vouches for an organisation counts.
    pub(super) fn counts(&self, voucher: &OrgId, subject: &OrgId) -> bool {
        self.given
            .get(voucher)
            .is_some_and(|subjects| subjects.contains(subject))
    }

    /// Who vouches for an organisation, so that it counts.
    pub(super) fn vouchers(&self, subject: &OrgId) -> Orgs {
        self.received.get(subject).cloned().unwrap_or_default()
    }
}

/// An invitation vouches once. Whoever the inviter settled it for has the vouch; until then, of several
/// organisations that used its key, all nodes count the same one: the earliest use, then the smallest id.
pub(super) fn invitation_winners(
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

/// Which organisation goes on for which.
#[derive(Default, Clone)]
pub(super) struct Heirs(BTreeMap<OrgId, OrgId>);

impl Heirs {
    /// Who an organisation is now: itself, or the end of its line.
    pub(super) fn now(&self, org: &OrgId) -> OrgId {
        let mut at = *org;
        // A line is no longer than there are heirs; longer means that it goes round.
        for _ in 0..self.0.len() {
            match self.0.get(&at) {
                Some(next) => at = *next,
                None => break,
            }
        }
        at
    }

    pub(super) fn is_replaced(&self, org: &OrgId) -> bool {
        self.now(org) != *org
    }

    /// An organisation with all keys from which the line leads through it, whatever comes after it.
    fn older_keys_of(&self, org: &OrgId) -> Orgs {
        let mut found = Orgs::from([*org]);
        while let Some(older) = self
            .0
            .iter()
            .find(|(old, new)| found.contains(new) && !found.contains(old))
        {
            found.insert(*older.0);
        }
        found
    }

    /// An organisation with all that it goes on for.
    pub(super) fn line_of(&self, org: &OrgId) -> Orgs {
        let mut line: Orgs = self
            .0
            .keys()
            .filter(|old| self.now(old) == *org)
            .copied()
            .collect();
        line.insert(*org);
        line
    }
}

/// A key that was passed on stays passed on, also when the organisation has left. Of several heirs of one key
/// it is the smallest.
fn find_heirs_by_key(standings: &BTreeMap<OrgId, Standing>) -> Heirs {
    let mut heirs = BTreeMap::new();
    for (new, standing) in standings {
        for old in standing.rekeyed_from.iter().filter(|old| *old != new) {
            heirs.entry(*old).or_insert(*new);
        }
    }
    Heirs(heirs)
}

/// What is computed of a stage.
pub(super) struct Stage<'a> {
    standings: &'a BTreeMap<OrgId, Standing>,
    vouches: &'a Vouches,
    anchors: &'a Orgs,
    needed: u32,
    pub(super) admitted: Orgs,
    pub(super) voice: Orgs,
    pub(super) removed: Orgs,
    pub(super) heirs: Heirs,
}

impl<'a> Stage<'a> {
    pub(super) fn compute(
        standings: &'a BTreeMap<OrgId, Standing>,
        vouches: &'a Vouches,
        anchors: &'a Orgs,
        needed: u32,
    ) -> Self {
        let mut stage = Self::undivided(standings, vouches, anchors, needed);
        stage.removed = stage.find_removed();
        if !stage.removed.is_empty() {
            let removed = stage.removed.clone();
            stage.heirs.0.retain(|old, _| !removed.contains(old));
            stage.refresh(&removed);
        }
        stage
    }

    /// Those from whom admission reaches outwards.
    pub(super) fn anchors(&self) -> &Orgs {
        self.anchors
    }

    /// The stage before anybody is removed: by what it says, the accused are judged.
    pub(super) fn undivided(
        standings: &'a BTreeMap<OrgId, Standing>,
        vouches: &'a Vouches,
        anchors: &'a Orgs,
        needed: u32,
    ) -> Self {
        let mut stage = Self::with_keys_passed_on(standings, vouches, anchors, needed);
        let voted = stage.find_voted_heirs();
        if !voted.is_empty() {
            stage.heirs.0.extend(voted);
            stage.refresh(&Orgs::new());
        }
        stage
    }

    /// The stage that knows who changed its key, and no other heirs: by what it says, these are chosen.
    pub(super) fn with_keys_passed_on(
        standings: &'a BTreeMap<OrgId, Standing>,
        vouches: &'a Vouches,
        anchors: &'a Orgs,
        needed: u32,
    ) -> Self {
        let mut stage = Self {
            standings,
            vouches,
            anchors,
            needed,
            admitted: Orgs::new(),
            voice: Orgs::new(),
            removed: Orgs::new(),
            heirs: find_heirs_by_key(standings),
        };
        stage.refresh(&Orgs::new());
        stage
    }

    fn refresh(&mut self, out: &Orgs) {
        self.admitted = self.closure(self.anchors.clone(), self.needed, out, out);
        self.voice = self.voices(out, out);
    }

    /// The least set that holds the seeds, heirs of those in it, and everybody for whom enough in it vouch.
    /// `mute` vouch for nobody; `out` are never in it.
    fn closure(&self, seeds: Orgs, needed: u32, mute: &Orgs, out: &Orgs) -> Orgs {
        let mut found: Orgs = seeds.difference(out).copied().collect();
        let mut queue: Vec<OrgId> = found.iter().copied().collect();
        let mut received: BTreeMap<OrgId, Orgs> = BTreeMap::new();
        while let Some(voucher) = queue.pop() {
            let heir = self.heirs.0.get(&voucher);
            if let Some(heir) = heir.filter(|heir| !out.contains(heir))
                && found.insert(*heir)
            {
                queue.push(*heir);
            }
            if mute.contains(&voucher) {
                continue;
            }
            // One that changed its key is one: it does not vouch twice, nor for itself.
            let voice = self.heirs.now(&voucher);
            for subject in self.vouches.by(&voucher) {
                if out.contains(subject) || self.heirs.now(subject) == voice {
                    continue;
                }
                let of_subject = received.entry(*subject).or_default();
                of_subject.insert(voice);
                if of_subject.len() >= needed as usize && found.insert(*subject) {
                    queue.push(*subject);
                }
            }
        }
        found
    }

    /// Those whose word counts in votes: see the module's documentation.
    fn voices(&self, mute: &Orgs, out: &Orgs) -> Orgs {
        if self.needed > 1 {
            return self.closure(self.anchors.clone(), self.needed, mute, out);
        }
        let mut seeds = self.anchors.clone();
        for anchor in self.anchors.difference(mute) {
            seeds.extend(self.vouches.by(anchor));
        }
        self.closure(seeds, 2, mute, out)
    }

    fn is_present(&self, org: &OrgId) -> bool {
        self.standings.get(org).is_some_and(Standing::accepts) && !self.heirs.is_replaced(org)
    }

    /// Of the organisations that claim to go on for another, those for which more than half of its vouchers
    /// speak. They outrank a key that was passed on, for a key may be stolen.
    fn find_voted_heirs(&self) -> BTreeMap<OrgId, OrgId> {
        let mut voted: BTreeMap<OrgId, OrgId> = BTreeMap::new();
        for (new, standing) in self.standings.iter().filter(|(_, it)| it.accepts()) {
            for old in &standing.claims {
                // In the order of their ids, so the smallest of several is the one.
                if self.admitted.contains(old) && self.is_voted_heir(old, new) {
                    voted.entry(*old).or_insert(*new);
                }
            }
        }
        voted
    }

    fn is_voted_heir(&self, old: &OrgId, new: &OrgId) -> bool {
        let voters = self.voters_on(old, new);
        2 * self.votes_for(&voters, old, new).count() > voters.len()
    }

    /// Who has a say in whether `new` goes on for `old`: those who vouch for `old` or for a key that it had
    /// before, under the keys that they have now; or everybody with a voice, where it is a founder.
    pub(super) fn voters_on(&self, old: &OrgId, new: &OrgId) -> Orgs {
        let keys = self.heirs.older_keys_of(old);
        let parties = [old, new].map(|party| self.heirs.now(party));
        let has_a_say = |voter: &OrgId| !parties.contains(voter) && self.is_present(voter);
        let vouchers: Orgs = match keys.is_disjoint(self.anchors) {
            true => keys
                .iter()
                .flat_map(|key| self.vouches.vouchers(key))
                .collect(),
            false => Orgs::new(),
        };
        let admitted = vouchers.intersection(&self.admitted);
        let mut voters: Orgs = admitted.map(|voter| self.heirs.now(voter)).collect();
        voters.retain(has_a_say);
        if voters.is_empty() {
            voters.clone_from(&self.voice);
            voters.retain(has_a_say);
        }
        voters
    }

    /// Those of the voters who have signed for it.
    pub(super) fn votes_for<'v>(
        &self,
        voters: &'v Orgs,
        old: &OrgId,
        new: &OrgId,
    ) -> impl Iterator<Item = &'v OrgId> {
        voters.iter().filter(|voter| {
            let standing = self.standings.get(voter);
            standing.and_then(|it| it.successors.get(old)) == Some(new)
        })
    }

    /// All accused are judged at once, by everybody else's word: being accused takes nobody's voice.
    fn find_removed(&self) -> Orgs {
        let accused: Orgs = self
            .standings
            .values()
            .flat_map(|standing| &standing.objections)
            .map(|accused| self.heirs.now(accused))
            .filter(|accused| self.admitted.contains(accused))
            .collect();
        accused
            .into_iter()
            .filter(|accused| self.is_outvoted(accused))
            .collect()
    }

    fn is_outvoted(&self, accused: &OrgId) -> bool {
        let (against, all) = self.judgement(accused);
        2 * against.len() > all
    }

    /// Who of those that judge an organisation objects to it, and how many have a say, itself included.
    pub(super) fn judgement(&self, accused: &OrgId) -> (Orgs, usize) {
        let line = self.heirs.line_of(accused);
        let founder = line.iter().any(|org| self.anchors.contains(org));
        let leans_on = line.iter().any(|org| self.vouches.by(org).next().is_some());
        let electorate = match founder || !leans_on {
            true => self.voice.clone(),
            false => self.voices(&line, &Orgs::new()),
        };
        let judges: Orgs = electorate
            .into_iter()
            .filter(|org| !line.contains(org) && self.is_present(org))
            .collect();
        let objects = |judge: &&OrgId| {
            self.standings
                .get(judge)
                .is_some_and(|standing| !standing.objections.is_disjoint(&line))
        };
        let against = judges.iter().filter(objects).copied().collect();
        (against, judges.len() + 1)
    }

    /// Who accepts an amendment of this stage's text `current`, each once, and how many have a voice in it.
    pub(super) fn tally(&self, current: &CharterId, candidate: &CharterId) -> (Orgs, usize) {
        let accepts = |org: &&OrgId| {
            self.standings
                .get(org)
                .is_some_and(|standing| standing.amendments.get(current) == Some(candidate))
        };
        let acceptors: Orgs = self
            .voice
            .iter()
            .filter(accepts)
            .map(|org| self.heirs.now(org))
            .collect();
        let mut electorate = acceptors.clone();
        electorate.extend(self.voice.iter().filter(|org| self.is_present(org)));
        (acceptors, electorate.len())
    }
}
