//! iCalendar (RFC 5545), as much of it as events need.

use fingerpost_proto::api::{Calendar, CalendarEvent};
use jiff::Timestamp;

use super::stable_id;
use crate::output::plain;

/// Longest line, in bytes, without its end (section 3.1).
const LINE_MAX_BYTES: usize = 75;

/// A calendar. Times are those of the clocks at the place: they carry no zone.
pub(crate) fn ical(calendar: &Calendar) -> String {
    let mut text = String::new();
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Fingerpost//fingerpost//EN",
        "CALSCALE:GREGORIAN",
    ] {
        fold(line, &mut text);
    }
    for event in &calendar.events {
        for line in lines(event) {
            fold(&line, &mut text);
        }
    }
    fold("END:VCALENDAR", &mut text);
    text
}

fn lines(event: &CalendarEvent) -> Vec<String> {
    let mut lines = vec![
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", stable_id(&event.organisation, &event.id)),
        format!("DTSTAMP:{}", stamp(event.issued_at_s)),
        when("DTSTART", &event.starts),
    ];
    if let Some(ends) = &event.ends {
        lines.push(ends_at(&event.starts, ends));
    }
    // It was made of letters, digits and the signs of a rule alone; what is not is no rule.
    let is_rule = |rule: &&String| {
        rule.chars()
            .all(|c| c.is_ascii_alphanumeric() || "=;,+-".contains(c))
    };
    lines.extend(
        event
            .recurs
            .iter()
            .filter(is_rule)
            .map(|rule| format!("RRULE:{rule}")),
    );
    lines.push(format!("SUMMARY:{}", escape(&event.title)));
    let text = event.text.as_deref().unwrap_or_default();
    let owner = &event.organisation.name;
    lines.push(format!(
        "DESCRIPTION:{}",
        escape(format!("{text}\n{owner}").trim())
    ));
    lines.extend(
        event
            .place
            .iter()
            .map(|place| format!("LOCATION:{}", escape(place))),
    );
    lines.push("END:VEVENT".to_owned());
    lines
}

/// The end, in the same form as the beginning, as section 3.8.2.2 demands. A day is there the one after the last.
fn ends_at(starts: &str, ends: &str) -> String {
    let day = ends.get(..10).unwrap_or(ends);
    match (starts.contains('T'), ends.contains('T')) {
        (false, _) => when("DTEND", &fingerpost_proto::board::edit::days_after(day, 1)),
        (true, true) => when("DTEND", ends),
        (true, false) => when("DTEND", &format!("{day}T23:59")),
    }
}

/// A day, or a moment by the clocks there.
fn when(name: &str, moment: &str) -> String {
    let digits: String = moment
        .chars()
        .filter(|letter| letter.is_ascii_digit() || *letter == 'T')
        .collect();
    match moment.contains('T') {
        true => format!("{name}:{digits}00"),
        false => format!("{name};VALUE=DATE:{digits}"),
    }
}

fn stamp(at_s: u64) -> String {
    let at = i64::try_from(at_s)
        .ok()
        .and_then(|at_s| Timestamp::from_second(at_s).ok());
    at.unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// A text as section 3.3.11 writes it.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '\\' | ';' | ',' => {
                safe.push('\\');
                safe.push(letter);
            }
            '\n' => safe.push_str("\\n"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Writes a line, broken where it is too long, and never within a character.
fn fold(line: &str, into: &mut String) {
    let mut length = 0;
    for letter in line.chars() {
        if length + letter.len_utf8() > LINE_MAX_BYTES {
            into.push_str("\r\n ");
            length = 1;
        }
        into.push(letter);
        length += letter.len_utf8();
    }
    into.push_str("\r\n");
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
    use fingerpost_proto::api::OrgRef;
    use fingerpost_proto::ids::OrgId;

    fn event(title: &str) -> CalendarEvent {
        CalendarEvent {
            organisation: OrgRef {
                id: OrgId::from_bytes([1; 32]),
                name: "Aid, & Co".into(),
            },
            id: "n".into(),
            title: title.into(),
            text: None,
            starts: "2027-01-31T18:00".into(),
            ends: Some("2027-01-31T20:30".into()),
            recurs: Some("FREQ=WEEKLY;COUNT=3".into()),
            place: Some("Hall; Lambeth".into()),
            issued_at_s: 1_800_000_000,
        }
    }

    fn one(event: CalendarEvent) -> String {
        ical(&Calendar {
            events: vec![event],
        })
    }

    #[test]
    fn an_event_is_written_as_the_standard_says() {
        let text = one(event("Open evening"));
        assert!(text.ends_with("END:VCALENDAR\r\n"));
        for line in [
            "DTSTART:20270131T180000",
            "DTEND:20270131T203000",
            "RRULE:FREQ=WEEKLY;COUNT=3",
            "SUMMARY:Open evening",
            "DESCRIPTION:Aid\\, & Co",
            "LOCATION:Hall\\; Lambeth",
            "DTSTAMP:20270115T080000Z",
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
        }
        let days = CalendarEvent {
            starts: "2027-01-30".into(),
            ends: Some("2027-01-31".into()),
            ..event("Fair")
        };
        let text = one(days);
        assert!(text.contains("DTSTART;VALUE=DATE:20270130\r\n"), "{text}");
        assert!(text.contains("DTEND;VALUE=DATE:20270201\r\n"), "{text}");
    }

    #[test]
    fn long_lines_are_folded_within_no_character_and_nothing_new_begins_in_a_text() {
        let title = format!("{}\r\nEND:VEVENT\nBEGIN:VEVENT", "crèche é".repeat(30));
        let mut hostile = event(&title);
        hostile.recurs = Some("FREQ=DAILY\r\nX:1".into());
        let text = one(hostile);
        assert!(
            text.split("\r\n").all(|line| line.len() <= LINE_MAX_BYTES),
            "{text}"
        );
        assert_eq!(text.matches("\r\nEND:VEVENT\r\n").count(), 1, "{text}");
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains(&"crèche é".repeat(30)) && !unfolded.contains("X:1"));
    }

    #[test]
    fn ids_are_stable_and_differ_between_organisations() {
        let uid = |event: &CalendarEvent| stable_id(&event.organisation, &event.id);
        let (one, mut other) = (event("a"), event("b"));
        assert_eq!(uid(&one), uid(&other));
        other.organisation.id = OrgId::from_bytes([2; 32]);
        assert_ne!(uid(&one), uid(&other));
    }
}
