//! Days and moments in words. Days are those of UTC, on every node alike.

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

/// A moment for people, to the minute.
pub(super) fn moment(at_s: u64) -> String {
    let text: String = text(at_s).chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_a_day_and_words() {
        assert_eq!(day_of(1_796_083_199), "2026-11-30");
        assert_eq!(day_of(1_796_083_200), "2026-12-01");
        assert_eq!(moment(1_796_083_260), "2026-12-01 00:01 UTC");
        assert!(day_of(1_796_083_200) > day_of(1_796_083_199));
        assert_eq!(day_of(u64::MAX), "");
    }
}
