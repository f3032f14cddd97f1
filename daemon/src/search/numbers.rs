//! What the index holds of an entry's facts beside keys: numbers in columns, to compare and to rank by.
//!
//! Everything small stands in one number, because every column costs time at each commit:
//!
//! ```text
//! bits  0–7   youngest age, 255 for none      16–31  day confirmed, 0 for never
//!       8–15  oldest age, 255 for none        32–47  last day shown, 0 for no end
//!       48    it has ended or is closed
//! ```
//!
//! Days are counted from 1970-01-01, which no listing means.

use std::collections::HashMap;

use fingerpost_proto::day::Day;
use fingerpost_proto::filter::Filter;
use fingerpost_proto::geography::Point;
use fingerpost_proto::listing::facts::{Facts, Hours, Span};
use tantivy::columnar::{BytesColumn, Column};
use tantivy::{DocId, SegmentReader};

use super::SearchError;

/// The columns, by name.
pub(super) const SAID_FIELD: &str = "said";
pub(super) const POINTS_FIELD: &str = "points";
pub(super) const HOURS_FIELD: &str = "hours";

const NO_AGE: u64 = 255;

/// A ten-thousandth of a degree to the north is at least so many metres.
const STEP_LEAST_M: u32 = 11;

const ENDED_BIT: u64 = 1 << 48;

/// Puts the small facts into one number.
pub(super) fn pack(facts: &Facts) -> u64 {
    let age = |age: Option<u32>| age.map_or(NO_AGE, |age| u64::from(age).min(NO_AGE - 1));
    let day = |day: Option<Day>| {
        let number = day.map_or(0, |day| day.0.clamp(1, i32::from(u16::MAX)));
        u64::try_from(number).unwrap_or(0)
    };
    age(facts.min_age)
        | age(facts.max_age) << 8
        | day(facts.assured) << 16
        | day(facts.expires) << 32
        | if facts.has_ended { ENDED_BIT } else { 0 }
}

/// Such a number, read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said(u64);

impl Said {
    fn number(self, shift: u32, mask: u64) -> u64 {
        (self.0 >> shift) & mask
    }

    fn takes(self, age: u32) -> bool {
        let (min, max) = (self.number(0, 0xff), self.number(8, 0xff));
        let age = u64::from(age);
        (min == NO_AGE || min <= age) && (max == NO_AGE || age <= max)
    }

    /// The day on which it was confirmed.
    pub(super) fn assured(self) -> Option<Day> {
        day(self.number(16, 0xffff))
    }

    /// The last day on which it is shown.
    pub(super) fn expires(self) -> Option<Day> {
        day(self.number(32, 0xffff))
    }

    pub(super) fn has_ended(self) -> bool {
        self.0 & ENDED_BIT != 0
    }
}

fn day(number: u64) -> Option<Day> {
    i32::try_from(number).ok().filter(|day| *day > 0).map(Day)
}

/// A point as a number.
pub(super) fn point_number(point: Point) -> u64 {
    let part = |number: i32| u64::from(number.wrapping_add(2_000_000).unsigned_abs());
    part(point.lat_e4) << 32 | part(point.lng_e4)
}

fn point_of(number: u64) -> Point {
    let part = |number: u64| i32::try_from(number & 0xffff_ffff).unwrap_or(0) - 2_000_000;
    Point {
        lat_e4: part(number >> 32),
        lng_e4: part(number),
    }
}

/// Opening hours as bytes; equal hours give equal bytes, so a column holds each of them once.
pub(super) fn hours_bytes(hours: &[Hours]) -> Vec<u8> {
    // Numbers and lists of numbers cannot fail to be written.
    serde_json::to_vec(hours).unwrap_or_default()
}

/// The columns of one segment.
pub(super) struct Columns {
    said: Column<u64>,
    points: Option<Column<u64>>,
    hours: Option<BytesColumn>,
}

impl Columns {
    pub(super) fn open(reader: &SegmentReader) -> Result<Columns, SearchError> {
        let fast = reader.fast_fields();
        Ok(Columns {
            said: fast.u64(SAID_FIELD)?,
            points: fast.column_opt::<u64>(POINTS_FIELD)?,
            hours: fast.bytes(HOURS_FIELD)?,
        })
    }

    pub(super) fn said(&self, doc: DocId) -> Said {
        Said(self.said.first(doc).unwrap_or(NO_AGE | NO_AGE << 8))
    }

    /// How far the entry's nearest place is, in metres.
    pub(super) fn distance_m(&self, doc: DocId, from: Point) -> Option<u32> {
        let points = self.points.as_ref()?.values_for_doc(doc);
        points.map(|number| point_of(number).distance_m(from)).min()
    }

    /// Whether one of the entry's places is at most so many metres away.
    fn is_within(&self, doc: DocId, from: Point, most_m: u32) -> bool {
        let Some(points) = &self.points else {
            return false;
        };
        let mut points = points.values_for_doc(doc).map(point_of);
        // Most places are too far north or south, which costs less to see than a distance.
        points.any(|point| {
            let north = point.lat_e4.abs_diff(from.lat_e4);
            north.saturating_mul(STEP_LEAST_M) <= most_m && point.distance_m(from) <= most_m
        })
    }
}

/// A filter that compares numbers, ready for one segment.
pub(super) enum Check {
    Within {
        point: Point,
        within_m: u32,
    },
    Age(u32),
    Fresh(Day),
    Open {
        days: Vec<Day>,
        span: Option<Span>,
        known: HashMap<u64, bool>,
    },
}

impl Check {
    /// What of a filter its keys do not decide.
    pub(super) fn of(filter: &Filter) -> Option<Check> {
        match filter {
            Filter::Near {
                point, within_m, ..
            } => Some(Check::Within {
                point: *point,
                within_m: *within_m,
            }),
            Filter::Age(age) => Some(Check::Age(*age)),
            Filter::Fresh(since) => Some(Check::Fresh(*since)),
            Filter::Open { days, span } => Some(Check::Open {
                days: days.clone(),
                span: *span,
                known: HashMap::new(),
            }),
            Filter::Area(_) | Filter::Term { .. } | Filter::Free | Filter::Accessible => None,
        }
    }

    /// Lets go of what was remembered about one segment.
    pub(super) fn forget(&mut self) {
        if let Check::Open { known, .. } = self {
            known.clear();
        }
    }

    /// Whether an entry passes.
    pub(super) fn passes(&mut self, columns: &Columns, doc: DocId) -> Result<bool, SearchError> {
        Ok(match self {
            Check::Within { point, within_m } => columns.is_within(doc, *point, *within_m),
            Check::Age(age) => columns.said(doc).takes(*age),
            Check::Fresh(since) => columns.said(doc).assured().is_some_and(|day| day >= *since),
            Check::Open { days, span, known } => {
                let Some(hours) = &columns.hours else {
                    return Ok(false);
                };
                let Some(ord) = hours.ords().first(doc) else {
                    return Ok(false);
                };
                if let Some(known) = known.get(&ord) {
                    return Ok(*known);
                }
                let mut bytes = Vec::new();
                hours.ord_to_bytes(ord, &mut bytes)?;
                let rules: Vec<Hours> = serde_json::from_slice(&bytes)
                    .map_err(|_| SearchError::Damaged("opening hours are unreadable".to_owned()))?;
                let is_open = days.iter().any(|day| {
                    rules.iter().any(|rule| match span {
                        Some(span) => rule.is_on_during(*day, *span),
                        None => rule.is_on(*day),
                    })
                });
                known.insert(ord, is_open);
                is_open
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn small_facts_come_back_as_they_went_in(
            min in prop::option::of(0..=150u32), max in prop::option::of(0..=150u32), assured in prop::option::of(1..60_000i32),
            expires in prop::option::of(1..60_000i32), has_ended: bool, age in 0..200u32
        ) {
            let facts = Facts {
                min_age: min, max_age: max, assured: assured.map(Day), expires: expires.map(Day), has_ended,
                ..Facts::default()
            };
            let said = Said(pack(&facts));
            prop_assert_eq!((said.assured(), said.expires(), said.has_ended()), (facts.assured, facts.expires, has_ended));
            prop_assert_eq!(said.takes(age), Filter::Age(age).judge(&facts).passes());
        }

        #[test]
        fn points_come_back_as_they_went_in(lat_e4 in -900_000..=900_000i32, lng_e4 in -1_800_000..=1_800_000i32) {
            let point = Point { lat_e4, lng_e4 };
            prop_assert_eq!(point_of(point_number(point)), point);
        }
    }
}
