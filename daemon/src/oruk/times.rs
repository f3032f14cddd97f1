//! Moments as feeds write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A date, or a date with a time, in seconds since 1970-01-01 UTC. What names no time zone is taken for UTC.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_second());
    }
    let local = text.parse::<DateTime>().ok();
    let local = local.or_else(|| Some(text.parse::<Date>().ok()?.to_datetime(Default::default())));
    let at = local?.to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp().as_second())
}

/// A moment in the form of RFC 3339.
pub(super) fn rfc3339(at_s: i64) -> Option<String> {
    Timestamp::from_second(at_s).ok().map(|at| at.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_feeds_write_them() {
        for (text, at_s) in [
            ("2023-03-15T10:30:45Z", Some(1_678_876_245)),
            ("2023-03-15T10:30:45.123Z", Some(1_678_876_245)),
            ("2023-03-15T11:30:45+01:00", Some(1_678_876_245)),
            ("2023-03-15T10:30:45", Some(1_678_876_245)),
            ("2023-03-15 10:30:45", Some(1_678_876_245)),
            ("2023-03-15", Some(1_678_838_400)),
            ("last spring", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), at_s, "{text}");
        }
        assert_eq!(rfc3339(1_678_876_245).unwrap(), "2023-03-15T10:30:45Z");
        assert_eq!(rfc3339(i64::MAX), None);
    }
}
