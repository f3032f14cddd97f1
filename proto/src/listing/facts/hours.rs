//! When something is open: one schedule of a listing, as far as it can be reckoned with.
//!
//! Schedules are written in the terms of iCalendar's recurrence rules (RFC 5545). Words such as "most
//! mornings" are not understood: a schedule without a day that can be reckoned gives nothing.

use serde::{Deserialize, Serialize};

use crate::day::{Day, weekday};
use crate::limits::HOURS_COUNT_MAX_DAYS;
use crate::listing::model::Schedule;

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Freq {
    #[serde(rename = "d")]
    Daily,
    #[serde(rename = "w")]
    Weekly,
    #[serde(rename = "m")]
    Monthly,
    #[serde(rename = "y")]
    Yearly,
    /// On its first day alone.
    #[serde(rename = "o")]
    Once,
}

/// One rule of when something is open. Times are minutes after midnight, at the place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hours {
    freq: Freq,
    interval: i32,
    /// The day from which intervals are counted.
    start: Option<Day>,
    /// First and last day on which it holds.
    from: Option<Day>,
    to: Option<Day>,
    /// Weekdays, Monday 0, each with which of its kind in the month or year: 0 for every one.
    byday: Vec<(i32, u8)>,
    bymonthday: Vec<i32>,
    byyearday: Vec<i32>,
    byweekno: Vec<i32>,
    /// On which day a week begins, Monday 0.
    wkst: u8,
    opens: Option<u16>,
    closes: Option<u16>,
}

/// A part of a day, in minutes after midnight: from the first up to, not with, the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first minute, 0 to 1,439.
    pub from: u16,
    /// The minute after its last, 1 to 1,440.
    pub to: u16,
}

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 24 * 60;

impl Hours {
    /// What a schedule says; `None` where it names no day that can be reckoned.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Option<Hours> {
        let day = |text: &Option<String>| text.as_deref().and_then(Day::parse);
        let (dtstart, valid_from) = (day(&schedule.dtstart), day(&schedule.valid_from));
        let (until, valid_to) = (day(&schedule.until), day(&schedule.valid_to));
        let byday = weekdays(schedule.byday.as_deref().unwrap_or_default());
        let number = |number: &Option<serde_json::Number>| number.as_ref()?.as_i64();
        let freq = schedule
            .freq
            .as_deref()
            .map(|freq| freq.trim().to_ascii_uppercase());
        let freq = match freq.as_deref() {
            Some("DAILY") => Freq::Daily,
            Some("WEEKLY") => Freq::Weekly,
            Some("MONTHLY") => Freq::Monthly,
            Some("YEARLY") => Freq::Yearly,
            Some("") | None if !byday.is_empty() => Freq::Weekly,
            Some("") | None if dtstart.is_some() => Freq::Once,
            // An event of some days.
            Some("") | None if valid_from.is_some() && valid_to.is_some() => Freq::Daily,
            _ => return None,
        };
        let mut hours = Hours {
            freq,
            interval: number(&schedule.interval).unwrap_or(1).clamp(1, 1_000) as i32,
            start: dtstart.or(valid_from),
            from: dtstart.max(valid_from),
            to: [until, valid_to].into_iter().flatten().min(),
            byday,
            bymonthday: numbers(schedule.bymonthday.as_deref(), 31),
            byyearday: numbers(schedule.byyearday.as_deref(), 366),
            byweekno: numbers(schedule.byweekno.as_deref(), 53),
            wkst: schedule.wkst.as_deref().and_then(weekday).unwrap_or(0),
            opens: schedule.opens_at.as_deref().and_then(minutes),
            closes: schedule.closes_at.as_deref().and_then(minutes),
        };
        if hours.start.is_none() && !hours.names_days() {
            return None;
        }
        if let Some(count) = number(&schedule.count).filter(|count| *count > 0) {
            hours.end_after(count);
        }
        Some(hours)
    }

    /// Whether the rule names days without its start.
    fn names_days(&self) -> bool {
        self.freq == Freq::Daily
            || !self.byday.is_empty()
            || !self.bymonthday.is_empty()
            || !self.byyearday.is_empty()
            || !self.byweekno.is_empty()
    }

    /// Ends the rule with the last of so many occurrences. One that would take longer than we look goes on until
    /// there.
    fn end_after(&mut self, count: i64) {
        let Some(start) = self.start else { return };
        let mut left = count;
        for ahead in 0..HOURS_COUNT_MAX_DAYS {
            let day = start.plus(ahead);
            if self.recurs_on(day) {
                left -= 1;
            }
            if left == 0 {
                self.to = Some(self.to.map_or(day, |to| to.min(day)));
                return;
            }
        }
    }

    /// Whether it is open on a day, whatever the hour.
    #[must_use]
    pub fn is_on(&self, day: Day) -> bool {
        let begun = self.from.is_none_or(|from| day >= from);
        begun && self.to.is_none_or(|to| day <= to) && self.recurs_on(day)
    }

    /// Whether it is open during some part of a day. Where it does not say its hours, it is not said to be.
    #[must_use]
    pub fn is_on_during(&self, day: Day, span: Span) -> bool {
        let (Some(opens), Some(closes)) = (self.opens, self.closes) else {
            return false;
        };
        let overlaps = |from: u16, to: u16| from < span.to && span.from < to;
        if opens < closes {
            return self.is_on(day) && overlaps(opens, closes);
        }
        // Over midnight; equal times mean round the clock.
        (self.is_on(day) && overlaps(opens, DAY_MINUTES))
            || (self.is_on(day.plus(-1)) && overlaps(0, closes))
    }

    fn recurs_on(&self, day: Day) -> bool {
        match self.freq {
            Freq::Once => self.start == Some(day),
            Freq::Daily => {
                let since = self.start.map_or(0, |start| day.0.saturating_sub(start.0));
                since.rem_euclid(self.interval) == 0 && self.has_weekday(day)
            }
            Freq::Weekly => self.recurs_weekly(day),
            Freq::Monthly | Freq::Yearly => self.recurs_by_date(day).unwrap_or(false),
        }
    }

    fn has_weekday(&self, day: Day) -> bool {
        self.byday.is_empty()
            || self
                .byday
                .iter()
                .any(|(_, weekday)| *weekday == day.weekday())
    }

    fn recurs_weekly(&self, day: Day) -> bool {
        let week = |day: Day| {
            let into = (day.weekday() + 7 - self.wkst) % 7;
            day.0.saturating_sub(i32::from(into)).div_euclid(7)
        };
        let is_day = match self.byday.is_empty() {
            true => self.start.map(Day::weekday) == Some(day.weekday()),
            false => self.has_weekday(day),
        };
        let since = self
            .start
            .map_or(0, |start| week(day).saturating_sub(week(start)));
        is_day && since.rem_euclid(self.interval) == 0
    }

    fn recurs_by_date(&self, day: Day) -> Option<bool> {
        let date = day.date()?;
        let start = self.start.and_then(Day::date);
        let months =
            |date: jiff::civil::Date| i32::from(date.year()) * 12 + i32::from(date.month());
        let is_month = self.freq == Freq::Monthly;
        let since = start.map_or(0, |start| match is_month {
            true => months(date) - months(start),
            false => i32::from(date.year() - start.year()),
        });
        if since.rem_euclid(self.interval) != 0 {
            return Some(false);
        }
        let length = match is_month {
            true => i32::from(date.days_in_month()),
            false => i32::from(date.days_in_year()),
        };
        let of_month = i32::from(date.day());
        let of_year = i32::from(date.day_of_year());
        let place = if is_month { of_month } else { of_year };
        let fits = |wanted: &[i32], at: i32, length: i32| {
            wanted.is_empty() || wanted.iter().any(|n| *n == at || *n + length + 1 == at)
        };
        let is_nth = |(nth, weekday): &(i32, u8)| {
            let from_end = -((length - place) / 7 + 1);
            *weekday == day.weekday()
                && (*nth == 0 || *nth == (place - 1) / 7 + 1 || *nth == from_end)
        };
        let by_week = i32::from(date.iso_week_date().week());
        let weeks = i32::from(date.iso_week_date().weeks_in_year());
        let named = (self.byday.is_empty() || self.byday.iter().any(is_nth))
            && fits(&self.bymonthday, of_month, i32::from(date.days_in_month()))
            && fits(&self.byyearday, of_year, i32::from(date.days_in_year()))
            && fits(&self.byweekno, by_week, weeks);
        if self.names_days() {
            return Some(named);
        }
        let start = start?;
        Some(date.day() == start.day() && (is_month || date.month() == start.month()))
    }
}

/// Weekdays such as `TH,FR`, `1MO`, `-1FR`, and names of days.
fn weekdays(text: &str) -> Vec<(i32, u8)> {
    let parts = text.split([',', ';', ' ']).filter(|part| !part.is_empty());
    let found = parts.filter_map(|part| {
        let at = part.find(|c: char| c.is_ascii_alphabetic())?;
        let (nth, name) = part.split_at_checked(at)?;
        let nth = if nth.is_empty() {
            0
        } else {
            nth.parse().ok().filter(|n| (-53..=53).contains(n))?
        };
        Some((nth, weekday(name)?))
    });
    found.collect()
}

/// Numbers from 1 or -1 up to `most`, between commas.
fn numbers(text: Option<&str>, most: i32) -> Vec<i32> {
    let parts = text.unwrap_or_default().split([',', ';', ' ']);
    let found = parts.filter_map(|part| part.trim().parse::<i32>().ok());
    found
        .filter(|number| *number != 0 && number.abs() <= most)
        .collect()
}

/// A time of day such as `09:30` or `09:30:00+01:00`, in minutes after midnight.
fn minutes(text: &str) -> Option<u16> {
    let mut parts = text.trim().split(['Z', '+', '-']).next()?.split(':');
    let (hour, minute): (u16, u16) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn hours(mut schedule: Value) -> Option<Hours> {
        schedule["id"] = json!("s");
        Hours::of(&serde_json::from_value(schedule).unwrap())
    }

    fn days(schedule: Value, from: &str, length: i32) -> Vec<String> {
        let (hours, from) = (hours(schedule).unwrap(), Day::parse(from).unwrap());
        let days = (0..length).map(|ahead| from.plus(ahead));
        days.filter(|day| hours.is_on(*day))
            .map(|day| day.to_string())
            .collect()
    }

    #[test]
    fn weeks_recur() {
        let tuesdays = json!({"freq": "WEEKLY", "byday": "TU,TH"});
        assert_eq!(
            days(tuesdays, "2026-11-23", 7),
            ["2026-11-24", "2026-11-26"]
        );
        let fortnightly =
            json!({"freq": "WEEKLY", "byday": "MO", "interval": 2, "dtstart": "2026-11-02"});
        assert_eq!(
            days(fortnightly, "2026-10-01", 60),
            ["2026-11-02", "2026-11-16"]
        );
        let on_its_day = json!({"freq": "WEEKLY", "dtstart": "2026-11-04", "until": "2026-11-18"});
        assert_eq!(
            days(on_its_day, "2026-11-01", 60),
            ["2026-11-04", "2026-11-11", "2026-11-18"]
        );
        // The example of RFC 5545 on what WKST changes.
        let rule = |wkst| json!({"freq": "WEEKLY", "interval": 2, "count": 4, "byday": "TU,SU", "wkst": wkst, "dtstart": "1997-08-05"});
        assert_eq!(
            days(rule("MO"), "1997-08-01", 60),
            ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"]
        );
        assert_eq!(
            days(rule("SU"), "1997-08-01", 60),
            ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"]
        );
    }

    #[test]
    fn months_and_years_recur() {
        let first_friday = json!({"freq": "MONTHLY", "byday": "1FR"});
        assert_eq!(
            days(first_friday, "2026-11-01", 61),
            ["2026-11-06", "2026-12-04"]
        );
        let last_monday = json!({"freq": "MONTHLY", "byday": "-1MO"});
        assert_eq!(
            days(last_monday, "2026-11-01", 61),
            ["2026-11-30", "2026-12-28"]
        );
        let last_day = json!({"freq": "MONTHLY", "bymonthday": "-1"});
        assert_eq!(
            days(last_day, "2026-02-01", 59),
            ["2026-02-28", "2026-03-31"]
        );
        let friday_13 = json!({"freq": "MONTHLY", "byday": "FR", "bymonthday": "13"});
        assert_eq!(
            days(friday_13, "2026-01-01", 365),
            ["2026-02-13", "2026-03-13", "2026-11-13"]
        );
        let on_its_day = json!({"freq": "MONTHLY", "dtstart": "2026-01-31"});
        assert_eq!(
            days(on_its_day, "2026-01-01", 100),
            ["2026-01-31", "2026-03-31"]
        );
        let yearly = json!({"freq": "YEARLY", "dtstart": "2025-12-24"});
        assert_eq!(days(yearly, "2026-01-01", 365), ["2026-12-24"]);
        let hundredth = json!({"freq": "YEARLY", "byyearday": "100"});
        assert_eq!(days(hundredth, "2026-01-01", 365), ["2026-04-10"]);
        let week = json!({"freq": "YEARLY", "byweekno": "20", "byday": "MO"});
        assert_eq!(days(week, "1997-01-01", 365), ["1997-05-12"]);
    }

    #[test]
    fn what_is_not_a_rule_is_read_as_it_is_meant() {
        assert_eq!(
            days(json!({"byday": "Monday"}), "2026-11-23", 7),
            ["2026-11-23"]
        );
        assert_eq!(
            days(json!({"dtstart": "2026-11-24"}), "2026-11-20", 20),
            ["2026-11-24"]
        );
        let event = json!({"valid_from": "2026-11-24", "valid_to": "2026-11-25"});
        assert_eq!(days(event, "2026-11-20", 20), ["2026-11-24", "2026-11-25"]);
        let ended = json!({"freq": "DAILY", "count": 3, "dtstart": "2026-11-01"});
        assert_eq!(days(ended, "2026-10-01", 60).len(), 3);
        for nothing in [
            json!({}),
            json!({"description": "most mornings", "opens_at": "09:00"}),
            json!({"freq": "HOURLY", "byday": "MO"}),
            json!({"freq": "WEEKLY"}),
        ] {
            assert_eq!(hours(nothing), None);
        }
    }

    #[test]
    fn hours_of_the_day_count_where_they_are_said() {
        let day = Day::parse("2026-11-24").unwrap();
        let evening = Span {
            from: 17 * 60,
            to: 22 * 60,
        };
        let tuesday = |opens: &str, closes: &str| {
            hours(json!({"freq": "WEEKLY", "byday": "TU", "opens_at": opens, "closes_at": closes}))
                .unwrap()
        };
        assert!(tuesday("16:00", "18:00:00").is_on_during(day, evening));
        assert!(!tuesday("09:00", "17:00").is_on_during(day, evening));
        assert!(!tuesday("16:00", "").is_on_during(day, evening));
        assert!(tuesday("16:00", "").is_on(day));
        let night = tuesday("22:00Z", "02:00Z");
        assert!(night.is_on_during(day.plus(1), Span { from: 60, to: 61 }));
        assert!(!night.is_on_during(day, Span { from: 60, to: 61 }));
        assert!(tuesday("00:00", "00:00").is_on_during(day, evening));
    }

    #[test]
    fn counting_is_bounded() {
        let endless =
            hours(json!({"freq": "YEARLY", "count": 500, "dtstart": "2026-01-01"})).unwrap();
        assert_eq!(endless.to, None);
        assert!(endless.is_on(Day::parse("2026-01-01").unwrap().plus(0)));
        let count = i64::from(HOURS_COUNT_MAX_DAYS);
        let daily =
            hours(json!({"freq": "DAILY", "count": count, "dtstart": "2026-01-01"})).unwrap();
        assert_eq!(
            daily.to,
            Day::parse("2026-01-01").map(|day| day.plus(HOURS_COUNT_MAX_DAYS - 1))
        );
    }

    proptest! {
        #[test]
        fn no_schedule_is_too_strange(
            freq in prop::option::of("(DAILY|WEEKLY|MONTHLY|YEARLY|.{0,6})"), byday in "[-0-9MOTUWEHFRSA, ]{0,12}",
            number in -400i64..400, start in prop::option::of("[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]"),
            day in -800_000..3_000_000i32
        ) {
            let schedule = json!({"freq": freq, "byday": byday, "bymonthday": number.to_string(),
                "interval": number, "count": number, "dtstart": start, "opens_at": "1:2", "closes_at": "9:0"});
            if let Some(hours) = hours(schedule) {
                let _ = hours.is_on_during(Day(day), Span { from: 0, to: DAY_MINUTES });
                let text = serde_json::to_string(&hours).unwrap();
                prop_assert_eq!(serde_json::from_str::<Hours>(&text).unwrap(), hours);
            }
        }

        #[test]
        fn every_occurrence_of_a_counted_rule_is_counted(
            count in 1..30i64, interval in 1..4i64, byday in prop::sample::select(vec!["MO", "TU,FR", "SU"])
        ) {
            let rule = json!({"freq": "WEEKLY", "byday": byday, "interval": interval, "count": count, "dtstart": "2026-01-05"});
            let found = days(rule, "2025-12-01", 1_500).len();
            prop_assert_eq!(found as i64, count);
        }
    }
}
