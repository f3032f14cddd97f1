//! One stage of a network's life: who is admitted, who has a voice and who is removed under one text of the
//! charter.

use std::collections::BTreeMap;

use super::Standing;
use super::heirs::Heirs;
use super::marks::{Marks, Number};
use super::register::Register;
use crate::ids::CharterId;

/// What is computed of a stage.
pub(super) struct Stage<'a> {
    pub(super) known: &'a Register,
    anchors: &'a Marks,
    needed: u32,
    pub(super) admitted: Marks,
    pub(super) voice: Marks,
    /// When each that has a voice was found to have one: whoever had enough vouches from those found before has
    /// one without the others.
    found_as: Vec<usize>,
    pub(super) removed: Marks,
    pub(super) heirs: Heirs,
}

impl<'a> Stage<'a> {
    pub(super) fn compute(known: &'a Register, anchors: &'a Marks, needed: u32) -> Self {
        let mut stage = Self::undivided(known, anchors, needed);
        stage.removed = stage.find_removed();
        if !stage.removed.is_empty() {
            let removed = stage.removed.clone();
            stage.heirs = stage.heirs.without(&removed, known);
            stage.refresh(&removed);
        }
        stage
    }

    /// The stage before anybody is removed: by what it says, the accused are judged.
    pub(super) fn undivided(known: &'a Register, anchors: &'a Marks, needed: u32) -> Self {
        let mut stage = Self::with_keys_passed_on(known, anchors, needed);
        let voted = stage.find_voted_heirs();
        if !voted.is_empty() {
            stage.heirs = stage.heirs.and(voted, known);
            stage.refresh(&Marks::default());
        }
        stage
    }

    /// The stage that knows who changed its key, and no other heirs: by what it says, these are chosen.
    pub(super) fn with_keys_passed_on(
        known: &'a Register,
        anchors: &'a Marks,
        needed: u32,
    ) -> Self {
        let mut stage = Self {
            known,
            anchors,
            needed,
            admitted: Marks::default(),
            voice: Marks::default(),
            found_as: Vec::new(),
            removed: Marks::default(),
            heirs: Heirs::by_key(known),
        };
        stage.refresh(&Marks::default());
        stage
    }

    /// Those from whom admission reaches outwards.
    pub(super) fn anchors(&self) -> &Marks {
        self.anchors
    }

    fn refresh(&mut self, out: &Marks) {
        self.admitted = self.closure(self.anchors.clone(), self.needed, out, out).0;
        (self.voice, self.found_as) = self.voices(out, out);
    }

    /// The least set that holds the seeds, heirs of those in it, and everybody for whom enough in it vouch.
    /// `mute` vouch for nobody; `out` are never in it. Answers also as the how manieth each was found.
    fn closure(&self, seeds: Marks, needed: u32, mute: &Marks, out: &Marks) -> (Marks, Vec<usize>) {
        let mut found = seeds;
        found.retain(|org| !out.has(org));
        let mut queue: Vec<Number> = found.iter().collect();
        let mut found_as = vec![0; self.known.numbered()];
        let mut count = 0;
        let mut note = |org: Number| {
            count += 1;
            found_as.get_mut(org).into_iter().for_each(|it| *it = count);
        };
        let mut received: Vec<Vec<Number>> = vec![Vec::new(); self.known.numbered()];
        while let Some(voucher) = queue.pop() {
            let heir = self.heirs.next(voucher);
            if let Some(heir) = heir.filter(|heir| !out.has(*heir))
                && found.add(heir)
            {
                note(heir);
                queue.push(heir);
            }
            if mute.has(voucher) {
                continue;
            }
            // One that changed its key is one: it does not vouch twice, nor for itself.
            let voice = self.heirs.now(voucher);
            for subject in self.known.given_by(voucher) {
                if found.has(*subject) || out.has(*subject) || self.heirs.now(*subject) == voice {
                    continue;
                }
                let Some(vouchers) = received.get_mut(*subject) else {
                    continue;
                };
                if !vouchers.contains(&voice) {
                    vouchers.push(voice);
                }
                if vouchers.len() >= needed as usize && found.add(*subject) {
                    note(*subject);
                    queue.push(*subject);
                }
            }
        }
        (found, found_as)
    }

    /// Those whose word counts in votes: see the module's documentation. Answers also as the how manieth each was
    /// found.
    fn voices(&self, mute: &Marks, out: &Marks) -> (Marks, Vec<usize>) {
        if self.needed > 1 {
            return self.closure(self.anchors.clone(), self.needed, mute, out);
        }
        let mut seeds = self.anchors.clone();
        for anchor in self.anchors.iter().filter(|anchor| !mute.has(*anchor)) {
            seeds.extend(self.known.given_by(anchor).iter().copied());
        }
        self.closure(seeds, 2, mute, out)
    }

    fn is_present(&self, org: Number) -> bool {
        self.known.standing(org).is_some_and(Standing::accepts) && !self.heirs.is_replaced(org)
    }

    /// Of the organisations that claim to go on for another, those for which more than half of its vouchers
    /// speak. They outrank a key that was passed on, for a key may be stolen.
    fn find_voted_heirs(&self) -> BTreeMap<Number, Number> {
        let mut voted = BTreeMap::new();
        for (new, standing) in self.known.claiming().filter(|(_, it)| it.accepts()) {
            for old in standing
                .claims
                .iter()
                .filter_map(|old| self.known.number(old))
            {
                // Of several, the smallest is the one.
                if self.admitted.has(old) && self.is_voted_heir(old, new) {
                    let heir = voted.entry(old).or_insert(new);
                    *heir = self.known.smaller(*heir, new);
                }
            }
        }
        voted
    }

    fn is_voted_heir(&self, old: Number, new: Number) -> bool {
        let voters = self.voters_on(old, new);
        2 * self.votes_for(&voters, old, new).count() > voters.count()
    }

    /// Who has a say in whether `new` goes on for `old`: those who vouch for `old` or for a key that it had
    /// before, under the keys that they have now; or everybody with a voice, where it is a founder.
    pub(super) fn voters_on(&self, old: Number, new: Number) -> Marks {
        let keys = self.heirs.older_keys_of(old);
        let parties = [old, new].map(|party| self.heirs.now(party));
        let has_a_say = |voter: Number| !parties.contains(&voter) && self.is_present(voter);
        let mut voters = Marks::default();
        if !keys.iter().any(|key| self.anchors.has(key)) {
            let vouchers = keys.iter().flat_map(|key| self.known.vouchers_of(key));
            let admitted = vouchers.filter(|voter| self.admitted.has(**voter));
            voters.extend(admitted.map(|voter| self.heirs.now(*voter)));
            voters.retain(has_a_say);
        }
        if voters.is_empty() {
            voters.clone_from(&self.voice);
            voters.retain(has_a_say);
        }
        voters
    }

    /// Those of the voters who have signed for it.
    pub(super) fn votes_for(
        &self,
        voters: &Marks,
        old: Number,
        new: Number,
    ) -> impl Iterator<Item = Number> {
        let parties = self.known.id(old).zip(self.known.id(new));
        let signed = move |voter: &Number| {
            let standing = self.known.standing(*voter);
            let named = |(old, new)| standing.and_then(|it| it.successors.get(&old)) == Some(&new);
            parties.is_some_and(named)
        };
        voters.iter().filter(signed)
    }

    /// All accused are judged at once, by everybody else's word: being accused takes nobody's voice.
    fn find_removed(&self) -> Marks {
        let objections = self.known.objecting().flat_map(|it| &it.objections);
        let accused: Marks = objections
            .filter_map(|accused| self.known.number(accused))
            .map(|accused| self.heirs.now(accused))
            .filter(|accused| self.admitted.has(*accused))
            .collect();
        accused.iter().filter(|it| self.is_outvoted(*it)).collect()
    }

    fn is_outvoted(&self, accused: Number) -> bool {
        let (against, all) = self.judgement(accused);
        2 * against.count() > all
    }

    /// Who of those that judge an organisation objects to it, and how many have a say, itself included.
    pub(super) fn judgement(&self, accused: Number) -> (Marks, usize) {
        let line = self.heirs.line_of(accused);
        let founder = line.iter().any(|org| self.anchors.has(org));
        let mut judges = match founder || self.speak_without(&line) {
            true => self.voice.clone(),
            false => self.voices(&line, &Marks::default()).0,
        };
        judges.retain(|org| !line.has(org) && self.is_present(org));
        let names = self.known.ids(line.iter());
        let objects = |judge: &Number| {
            let standing = self.known.standing(*judge);
            standing.is_some_and(|it| !it.objections.is_disjoint(&names))
        };
        let against = judges.iter().filter(objects).collect();
        (against, judges.count() + 1)
    }

    /// How many have a voice and are there to use it.
    pub(super) fn present_voices(&self) -> usize {
        self.voice
            .iter()
            .filter(|org| self.is_present(*org))
            .count()
    }

    /// Whether everybody else has a voice also without the word of some, as far as can be told without finding all
    /// voices again: everybody for whom they vouch has enough vouches from others who were found before it.
    /// `line` is no founder's.
    fn speak_without(&self, line: &Marks) -> bool {
        let needed = match self.needed {
            0 | 1 => 2,
            needed => needed as usize,
        };
        let found_as = |org: Number| self.found_as.get(org).copied().unwrap_or(0);
        let mut leaning = line.iter().flat_map(|org| self.known.given_by(org));
        leaning.all(|subject| {
            // Seeds were found as the zeroth.
            if !self.voice.has(*subject) || line.has(*subject) || found_as(*subject) == 0 {
                return true;
            }
            let vouchers = self.known.vouchers_of(*subject).iter();
            let others = vouchers.filter(|it| {
                self.voice.has(**it) && !line.has(**it) && found_as(**it) < found_as(*subject)
            });
            let mut others: Vec<Number> = others.map(|it| self.heirs.now(*it)).collect();
            others.retain(|it| *it != self.heirs.now(*subject));
            others.sort_unstable();
            others.dedup();
            others.len() >= needed
        })
    }

    /// Who accepts an amendment of this stage's text `current`, each once, and how many have a voice in it.
    pub(super) fn tally(&self, current: &CharterId, candidate: &CharterId) -> (Marks, usize) {
        let accepts = |org: &Number| {
            let standing = self.known.standing(*org);
            standing.is_some_and(|it| it.amendments.get(current) == Some(candidate))
        };
        let accepting = self.voice.iter().filter(accepts);
        let acceptors: Marks = accepting.map(|org| self.heirs.now(org)).collect();
        let mut electorate = acceptors.clone();
        electorate.extend(self.voice.iter().filter(|org| self.is_present(*org)));
        (acceptors, electorate.count())
    }
}
