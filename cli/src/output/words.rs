//! Times, durations and numbers in plain words.

use std::time::{SystemTime, UNIX_EPOCH};

use fingerpost_proto::api::{OrgRef, SucceededBy};
use fingerpost_proto::card::Pause;
use jiff::Timestamp;

use crate::output::{one_line, plain};

/// Units of a duration that is typed, with their length in seconds.
const TYPED_UNITS: &[(&str, u64)] = &[
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 24 * 3600),
    ("w", 7 * 24 * 3600),
];

/// Units for telling how long ago something was, longest first, with their length in seconds.
const SPOKEN_UNITS: &[(&str, u64)] = &[
    ("day", 24 * 3600),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
];

/// From when on a date says more than a number of days, in seconds.
pub(crate) const DATE_FROM_S: u64 = 14 * 24 * 3600;

/// The time now, in seconds since 1970-01-01 UTC.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment as date and time, such as `22 November 2026, 16:05 UTC`.
pub(crate) fn moment(at_s: u64) -> String {
    formatted(at_s, "%-d %B %Y, %H:%M UTC")
}

/// The day of a moment in UTC, as it is typed: `2026-11-22`.
pub(crate) fn date(at_s: u64) -> String {
    formatted(at_s, "%Y-%m-%d")
}

fn formatted(at_s: u64, format: &str) -> String {
    let at = i64::try_from(at_s)
        .ok()
        .and_then(|at_s| Timestamp::from_second(at_s).ok());
    match at {
        Some(at) => at.strftime(format).to_string(),
        None => "a date out of range".to_owned(),
    }
}

/// The names of organisations, with commas between them.
pub(crate) fn names(orgs: &[OrgRef]) -> String {
    let names: Vec<String> = orgs.iter().map(|org| one_line(&org.name)).collect();
    names.join(", ")
}

/// A pause, after "is": `away from 2026-12-20 to 2027-01-04: ask the food bank`.
pub(crate) fn pause(pause: &Pause) -> String {
    let note = pause
        .note
        .as_ref()
        .map(|note| format!(": {}", one_line(note)));
    format!(
        "away from {} to {}{}",
        one_line(&pause.from),
        one_line(&pause.until),
        note.unwrap_or_default()
    )
}

/// What comes after an organisation, as sentences that begin with its name.
pub(crate) fn succession(after: &SucceededBy) -> Vec<String> {
    let named = |org: &OrgRef| format!("{} ({})", one_line(&org.name), org.id.short());
    let mut sentences = Vec::new();
    if let Some(now) = &after.now {
        sentences.push(format!("goes on under another key, as {}", named(now)));
    }
    if let Some(into) = &after.merged_into {
        sentences.push(format!("has become part of {}", named(into)));
    }
    let clients: Vec<String> = after.clients_to.iter().map(named).collect();
    let clients = match clients.as_slice() {
        [] => String::new(),
        some => format!("people can turn to {}", some.join(", ")),
    };
    match (&after.closes_on, clients.is_empty()) {
        (Some(day), true) => sentences.push(format!("has its last day on {}", one_line(day))),
        (Some(day), false) => {
            sentences.push(format!("has its last day on {}; {clients}", one_line(day)))
        }
        (None, false) => sentences.push(format!("says that {clients}")),
        (None, true) => {}
    }
    sentences
}

/// How long ago a moment was: `3 minutes ago`; a date when that says more.
pub(crate) fn ago(at_s: u64, now_s: u64) -> String {
    match now_s.checked_sub(at_s) {
        // Clocks of two machines are seldom the same to the second.
        None if at_s - now_s < 60 => "just now".to_owned(),
        None => moment(at_s),
        Some(0..5) => "just now".to_owned(),
        Some(age_s) if age_s >= DATE_FROM_S => moment(at_s),
        Some(age_s) => format!("{} ago", span(age_s)),
    }
}

/// [`ago`], or `never`.
pub(crate) fn ago_or_never(at_s: Option<u64>, now_s: u64) -> String {
    at_s.map_or_else(|| "never".to_owned(), |at_s| ago(at_s, now_s))
}

/// A length of time in its largest unit: `3 minutes`.
pub(crate) fn span(length_s: u64) -> String {
    let (unit, unit_s) = SPOKEN_UNITS
        .iter()
        .find(|(_, unit_s)| length_s >= *unit_s)
        .copied()
        .unwrap_or(("second", 1));
    count(length_s / unit_s, unit)
}

/// A number with its regular noun: `1 node`, `1,204 nodes`, `2 entries`,
/// `3 vouches`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let digits = grouped(number);
    if number == 1 {
        return format!("{digits} {noun}");
    }
    if noun.ends_with("ch") {
        return format!("{digits} {noun}es");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{digits} {stem}ies"),
        _ => format!("{digits} {noun}s"),
    }
}

/// Digits in groups of three: `3,226`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the unit that suits it: `3.4 MB`.
pub(crate) fn bytes(size_bytes: u64) -> String {
    let tenths = |unit_bytes: u64| {
        let tenths = size_bytes.saturating_mul(10) / unit_bytes;
        format!("{}.{}", grouped(tenths / 10), tenths % 10)
    };
    match size_bytes {
        0..1_000 => count(size_bytes, "byte"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

/// Reads a duration as people type it, `30m`, `12h`, `7d` or `2w`, in seconds.
///
/// # Errors
/// What a duration looks like.
pub(crate) fn parse_duration_s(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "\"{}\" is not a duration such as 30m, 12h, 7d or 2w",
            plain(text)
        )
    };
    let at = text
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let (_, unit_s) = TYPED_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(*unit_s) {
        Some(length_s) if length_s > 0 => Ok(length_s),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago() {
        let now_s = 1_795_363_200;
        for (age_s, text) in [
            (0, "just now"),
            (7, "7 seconds ago"),
            (60, "1 minute ago"),
            (190, "3 minutes ago"),
            (7200, "2 hours ago"),
            (3 * 86_400 + 5, "3 days ago"),
            (20 * 86_400, "2 November 2026, 16:00 UTC"),
        ] {
            assert_eq!(ago(now_s - age_s, now_s), text);
        }
        assert_eq!(ago(now_s + 30, now_s), "just now");
        assert_eq!(ago(now_s + 3600, now_s), "22 November 2026, 17:00 UTC");
        assert_eq!(ago(u64::MAX, now_s), "a date out of range");
        assert_eq!(ago_or_never(None, now_s), "never");
        assert_eq!(date(now_s), "2026-11-22");
    }

    #[test]
    fn durations_are_read_as_people_type_them() {
        assert_eq!(parse_duration_s("30m"), Ok(1800));
        assert_eq!(parse_duration_s("12h"), Ok(43_200));
        assert_eq!(parse_duration_s("7d"), Ok(604_800));
        assert_eq!(parse_duration_s("2w"), Ok(1_209_600));
        for wrong in [
            "",
            "d",
            "7",
            "7 d",
            "-7d",
            "7x",
            "0d",
            "99999999999999999999d",
            "1.5h",
            "7ü",
        ] {
            assert!(
                parse_duration_s(wrong).unwrap_err().contains("12h"),
                "{wrong}"
            );
        }
        assert!(parse_duration_s(&format!("{}w", u64::MAX)).is_err());
    }

    #[test]
    fn numbers_and_sizes() {
        assert_eq!(count(1_u64, "node"), "1 node");
        assert_eq!(count(3226_usize, "entry"), "3,226 entries");
        assert_eq!(count(2_u64, "day"), "2 days");
        assert_eq!(count(3_u64, "vouch"), "3 vouches");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(3_450_000), "3.4 MB");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(u64::MAX), "1,844,674,407.3 GB");
    }
}
