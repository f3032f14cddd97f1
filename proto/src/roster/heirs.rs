//! Which organisation goes on for which.

use std::collections::BTreeMap;

use super::marks::{Marks, Number};
use super::register::Register;

/// Which organisation goes on for which, and who each is now.
#[derive(Default, Clone)]
pub(super) struct Heirs {
    next: BTreeMap<Number, Number>,
    /// Who each is now, of those for whom another goes on.
    end: BTreeMap<Number, Number>,
}

impl Heirs {
    /// `smaller` tells which of two organisations has the smaller id.
    pub(super) fn of(
        next: BTreeMap<Number, Number>,
        smaller: impl Fn(Number, Number) -> Number,
    ) -> Self {
        let mut heirs = Self {
            next,
            end: BTreeMap::new(),
        };
        heirs.find_ends(smaller);
        heirs
    }

    /// A key that was passed on stays passed on, also when the organisation has left. Of several heirs of one
    /// key it is the smallest.
    pub(super) fn by_key(known: &Register) -> Self {
        let mut next = BTreeMap::new();
        for (new, standing) in known.rekeyed() {
            let older = standing
                .rekeyed_from
                .iter()
                .filter_map(|old| known.number(old));
            for old in older.filter(|old| *old != new) {
                let heir = next.entry(old).or_insert(new);
                *heir = known.smaller(*heir, new);
            }
        }
        Self::of(next, |one, two| known.smaller(one, two))
    }

    /// With some heirs more, before whom those that were there stand back.
    pub(super) fn and(&self, more: BTreeMap<Number, Number>, known: &Register) -> Self {
        let mut next = self.next.clone();
        next.extend(more);
        Self::of(next, |one, two| known.smaller(one, two))
    }

    /// Without the heirs of some.
    pub(super) fn without(&self, gone: &Marks, known: &Register) -> Self {
        let mut next = self.next.clone();
        next.retain(|old, _| !gone.has(*old));
        Self::of(next, |one, two| known.smaller(one, two))
    }

    /// Follows each line to its end. One that goes round ends with the smallest of those it goes round by.
    fn find_ends(&mut self, smaller: impl Fn(Number, Number) -> Number) {
        for first in self.next.keys() {
            let mut line = vec![*first];
            let end = loop {
                let at = line.last().copied().unwrap_or(*first);
                if let Some(end) = self.end.get(&at) {
                    break *end;
                }
                let Some(next) = self.next.get(&at) else {
                    break at;
                };
                if let Some(round) = line.iter().position(|it| it == next) {
                    let round = line.iter().skip(round).copied();
                    break round.reduce(&smaller).unwrap_or(at);
                }
                line.push(*next);
            };
            for org in line.into_iter().filter(|org| *org != end) {
                self.end.insert(org, end);
            }
        }
    }

    /// Who comes right after an organisation.
    pub(super) fn next(&self, org: Number) -> Option<Number> {
        self.next.get(&org).copied()
    }

    /// Who an organisation is now: itself, or the end of its line.
    pub(super) fn now(&self, org: Number) -> Number {
        self.end.get(&org).copied().unwrap_or(org)
    }

    pub(super) fn is_replaced(&self, org: Number) -> bool {
        self.end.contains_key(&org)
    }

    /// An organisation with all that it goes on for.
    pub(super) fn line_of(&self, org: Number) -> Marks {
        let before = self.end.iter().filter(|(_, end)| **end == org);
        before.map(|(old, _)| *old).chain([org]).collect()
    }

    /// An organisation with all keys from which the line leads through it, whatever comes after it.
    pub(super) fn older_keys_of(&self, org: Number) -> Marks {
        let mut found = Marks::from_iter([org]);
        let leads_there = |found: &Marks| {
            let mut lines = self.next.iter();
            lines.find(|(old, new)| found.has(**new) && !found.has(**old))
        };
        while let Some((old, _)) = leads_there(&found) {
            found.add(*old);
        }
        found
    }

    /// Everybody for whom another goes on, each with that one.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Number, Number)> {
        self.end.iter().map(|(old, end)| (*old, *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_to_their_end() {
        let heirs = Heirs::of([(1, 2), (2, 5), (3, 5), (7, 8)].into(), Number::min);
        assert_eq!(
            [0, 1, 2, 3, 5, 7].map(|org| heirs.now(org)),
            [0, 5, 5, 5, 5, 8]
        );
        assert_eq!(heirs.line_of(5).iter().collect::<Vec<_>>(), [1, 2, 3, 5]);
        assert_eq!(heirs.older_keys_of(2).iter().collect::<Vec<_>>(), [1, 2]);
        assert!(heirs.is_replaced(2) && !heirs.is_replaced(5));
    }

    #[test]
    fn a_line_that_goes_round_ends_with_the_smallest_whatever_else_there_is() {
        let round = [(4, 6), (6, 9), (9, 4), (1, 6)];
        for more in [vec![], vec![(20, 21)], vec![(0, 3), (3, 0)]] {
            let heirs = Heirs::of(round.into_iter().chain(more).collect(), Number::min);
            assert_eq!([1, 4, 6, 9].map(|org| heirs.now(org)), [4; 4]);
            assert!(!heirs.is_replaced(4));
            assert_eq!(heirs.line_of(4).iter().collect::<Vec<_>>(), [1, 4, 6, 9]);
        }
    }
}
