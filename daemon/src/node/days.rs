//! Days and moments in words. Days are those of UTC, on every node alike.

use fingerpost_proto::day::Day;
use fingerpost_proto::filter::Now;

use super::now_s;

fn text(at_s: u64) -> String {
    let second = i64::try_from(at_s).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).map_or_else(|_| String::new(), |at| at.to_string())
}

/// The day of a moment (seconds since 1970-01-01 UTC), as `YYYY-MM-DD`.
pub(super) fn day_of(at_s: u64) -> String {
    text(at_s).chars().take(10).collect()
}

/// Today, as `YYYY-MM-DD`: such texts compare like the days that they name.
pub(super) fn today() -> String {
    day_of(now_s())
}

/// The clock of the United Kingdom, whose services open and close by it: an hour ahead from the last Sunday of March to
/// the last of October.
const UK_CLOCK: &str = "GMT0BST,M3.5.0/1,M10.5.0";

/// The day and minute by the clock of the United Kingdom.
pub(super) fn here_and_now() -> Now {
    here(now_s())
}

fn here(at_s: u64) -> Now {
    let second = i64::try_from(at_s).unwrap_or(i64::MAX);
    let zone = jiff::tz::TimeZone::posix(UK_CLOCK).unwrap_or(jiff::tz::TimeZone::UTC);
    let at = jiff::Timestamp::from_second(second)
        .unwrap_or_default()
        .to_zoned(zone);
    Now {
        today: Day::of(at.date()).unwrap_or(Day(0)),
        minute: u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap_or(0),
    }
}

/// A moment for people, to the minute.
pub(super) fn moment(at_s: u64) -> String {
    let text: String = text(at_s).chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_in_summer() {
        let here = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            let now = here(u64::try_from(at.as_second()).unwrap());
            (now.today.to_string(), now.minute)
        };
        assert_eq!(here("2026-11-27T10:00:00Z"), ("2026-11-27".into(), 600));
        assert_eq!(here("2026-06-30T23:30:00Z"), ("2026-07-01".into(), 30));
        assert_eq!(here("2026-03-29T00:59:00Z").1, 59);
        assert_eq!(here("2026-03-29T01:00:00Z").1, 120);
    }

    #[test]
    fn moments_have_a_day_and_words() {
        assert_eq!(day_of(1_796_083_199), "2026-11-30");
        assert_eq!(day_of(1_796_083_200), "2026-12-01");
        assert_eq!(moment(1_796_083_260), "2026-12-01 00:01 UTC");
        assert!(day_of(1_796_083_200) > day_of(1_796_083_199));
        assert_eq!(day_of(u64::MAX), "");
    }
}
