//! Days as numbers, which compare and subtract like the days that they name.

use jiff::Span;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use crate::listing::edit::is_date;

/// A day: how many days after 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    const FIRST: Date = date(1970, 1, 1);

    /// The day written `YYYY-MM-DD`, with nothing or a time after it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Day> {
        let (day, rest) = text.trim().split_at_checked(10)?;
        let ends = rest.is_empty() || rest.starts_with(['T', ' ', 'Z']);
        if !ends || !is_date(day) {
            return None;
        }
        day.parse().ok().and_then(Day::of)
    }

    /// The number of a date; `None` where it is out of reach.
    #[must_use]
    pub fn of(date: Date) -> Option<Day> {
        Day::FIRST.until(date).ok().map(|span| Day(span.get_days()))
    }

    /// The date of this number; `None` before the year -9999 and after 9999.
    #[must_use]
    pub fn date(self) -> Option<Date> {
        let ahead = Span::new().try_days(self.0).ok()?;
        Day::FIRST.checked_add(ahead).ok()
    }

    /// So many days later; earlier if negative.
    #[must_use]
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }

    /// The day of the week, Monday 0 to Sunday 6.
    #[must_use]
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        self.0.wrapping_add(3).rem_euclid(7) as u8
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.date() {
            Some(date) => write!(formatter, "{date}"),
            None => write!(formatter, "day {}", self.0),
        }
    }
}

/// The days of the week as they are written in iCalendar, Monday first.
pub const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// Their names.
pub const WEEKDAY_NAMES: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The day of the week, Monday 0, of a name or the beginning of one of at least two letters.
#[must_use]
pub fn weekday(name: &str) -> Option<u8> {
    let name = name.trim().to_lowercase();
    let begins = |full: &&str| name.len() >= 2 && full.to_lowercase().starts_with(&name);
    let place = WEEKDAY_NAMES.iter().position(begins)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_counted_and_named() {
        assert_eq!(Day::parse("1970-01-01"), Some(Day(0)));
        let day = Day::parse("2026-11-27T10:00:00Z").unwrap();
        assert_eq!((day.to_string().as_str(), day.weekday()), ("2026-11-27", 4));
        assert_eq!(day.plus(4).to_string(), "2026-12-01");
        for text in ["2026-11-31", "2026-11-2", "27/11/2026", "2026-11-277", ""] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        assert_eq!(Day(i32::MAX).date(), None);
        assert_eq!(weekday("tues"), Some(1));
        assert_eq!(weekday("SU"), Some(6));
        assert_eq!(weekday("t"), None);
        assert_eq!(weekday("someday"), None);
    }

    proptest! {
        #[test]
        fn a_day_reads_as_it_is_written(number in -10_000..60_000i32) {
            let day = Day(number);
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
            let weekday = day.date().unwrap().weekday().to_monday_zero_offset();
            prop_assert_eq!(i16::from(day.weekday()), i16::from(weekday));
        }
    }
}
