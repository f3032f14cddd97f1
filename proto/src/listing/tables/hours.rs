//! Opening hours as people write them, where they can be read without guessing.

use crate::listing::model::Schedule;

/// Days in the order of the week, as RFC 5545 writes them.
const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const NAMES: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Words that change nothing.
const FILLERS: &[&str] = &[
    "open", "from", "every", "the", "on", "each", "between", "and",
];

/// When something is open in a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The days, as RFC 5545 writes them, such as `MO`.
    pub days: Vec<&'static str>,
    /// Opening time, `HH:MM`.
    pub opens_at: String,
    /// Closing time, `HH:MM`.
    pub closes_at: String,
}

/// A day of the week as RFC 5545 writes it, from its name or the beginning of it.
#[must_use]
pub fn weekday(text: &str) -> Option<&'static str> {
    day_number(&text.trim().to_lowercase()).and_then(|number| DAYS.get(number).copied())
}

fn day_number(word: &str) -> Option<usize> {
    let word = word.trim_end_matches('.');
    let singular = word.strip_suffix('s').unwrap_or(word);
    let code = DAYS.iter().position(|code| code.eq_ignore_ascii_case(word));
    code.or_else(|| {
        NAMES.iter().position(|name| {
            singular.len() >= 3 && name.starts_with(singular) || *name == word || {
                // "tues", "thurs": their own endings look like a plural.
                word.len() >= 3 && name.starts_with(word)
            }
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Day(usize),
    Days(usize, usize),
    /// Minutes since midnight as written; whether "am" or "pm" stood behind it, and which.
    Time(u16, Option<bool>),
    Dash,
    Closed,
    Pause,
}

/// Reads opening hours. `None` where anything is not understood: the words are then better than half of them.
#[must_use]
pub fn read(text: &str) -> Option<Vec<Opening>> {
    let tokens = tokens(text)?;
    let mut openings = Vec::new();
    let mut days: Vec<usize> = Vec::new();
    let mut days_done = false;
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match *token {
            Token::Day(from) => {
                if std::mem::take(&mut days_done) {
                    days.clear();
                }
                days.push(from);
                if let [Token::Dash, Token::Day(to), tail @ ..] = rest {
                    days.extend(range(from, *to).skip(1));
                    rest = tail;
                }
            }
            Token::Days(from, to) => {
                if std::mem::take(&mut days_done) {
                    days.clear();
                }
                days.extend(range(from, to));
            }
            Token::Time(from, from_half) => {
                let [Token::Dash, Token::Time(to, to_half), tail @ ..] = rest else {
                    return None;
                };
                rest = tail;
                if days.is_empty() {
                    return None;
                }
                let (opens, closes) = clock(from, from_half, *to, *to_half)?;
                openings.push(Opening {
                    days: days
                        .iter()
                        .filter_map(|day| DAYS.get(*day).copied())
                        .collect(),
                    opens_at: time(opens),
                    closes_at: time(closes),
                });
                days_done = true;
            }
            Token::Closed => {
                days.clear();
                days_done = false;
            }
            Token::Pause => {}
            Token::Dash => return None,
        }
    }
    (!openings.is_empty() && (days_done || days.is_empty())).then_some(openings)
}

fn range(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let length = (to.saturating_add(7).saturating_sub(from)) % 7;
    (0..=length).map(move |step| from.saturating_add(step) % 7)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let text = text
        .to_lowercase()
        .replace(['–', '—', '−'], "-")
        .replace('\u{a0}', " ")
        .replace("12 noon", "12noon")
        .replace(" to ", "-");
    let mut spaced = String::with_capacity(text.len().saturating_mul(2));
    for letter in text.chars() {
        match letter {
            '-' | ',' | ';' | '&' | '/' | '\n' | '(' | ')' => {
                spaced.push(' ');
                spaced.push(if letter == '-' { '-' } else { ',' });
                spaced.push(' ');
            }
            other => spaced.push(other),
        }
    }
    let mut tokens = Vec::new();
    let mut words = spaced.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let word = word.trim_end_matches([':', '.']);
        let token = match word {
            "" => continue,
            "-" => Token::Dash,
            "," => Token::Pause,
            "closed" => Token::Closed,
            "daily" | "day" | "days" => Token::Days(0, 6),
            "weekdays" | "weekday" => Token::Days(0, 4),
            "weekends" | "weekend" => Token::Days(5, 6),
            filler if FILLERS.contains(&filler) => continue,
            other => match day_number(other) {
                Some(day) => Token::Day(day),
                None => {
                    let (minutes, mut half) = minutes(other)?;
                    if half.is_none()
                        && let Some(next) = words.peek()
                    {
                        half = match next.trim_end_matches('.') {
                            "am" | "a.m" => Some(false),
                            "pm" | "p.m" => Some(true),
                            _ => None,
                        };
                        if half.is_some() {
                            words.next();
                        }
                    }
                    Token::Time(minutes, half)
                }
            },
        };
        tokens.push(token);
    }
    Some(tokens)
}

/// Minutes since midnight of `9`, `9.30am`, `09:30`, `noon`.
fn minutes(word: &str) -> Option<(u16, Option<bool>)> {
    match word {
        "noon" | "12noon" | "midday" => return Some((720, Some(true))),
        "midnight" => return Some((1440, None)),
        _ => {}
    }
    let (digits, half) = match word {
        _ if word.ends_with("am") => (word.trim_end_matches("am"), Some(false)),
        _ if word.ends_with("pm") => (word.trim_end_matches("pm"), Some(true)),
        _ => (word, None),
    };
    let (hours, minutes) = match digits.split_once([':', '.']) {
        Some((hours, minutes)) => (
            hours,
            minutes.parse::<u16>().ok().filter(|_| minutes.len() == 2)?,
        ),
        None => (digits, 0),
    };
    let hours: u16 = hours.parse().ok().filter(|hours| *hours <= 24)?;
    if minutes > 59 {
        return None;
    }
    // 24-hour time says so itself: by two digits and a colon, or by an hour past twelve.
    let half = match half {
        None if hours > 12 || (digits.len() == 5 && digits.contains(':')) => Some(hours >= 12),
        other => other,
    };
    Some((hours.checked_mul(60)?.checked_add(minutes)?, half))
}

/// The two times in minutes since midnight, if there is only one way to read them.
fn clock(from: u16, from_half: Option<bool>, to: u16, to_half: Option<bool>) -> Option<(u16, u16)> {
    let fix = |minutes: u16, afternoon: bool| match (minutes / 60, afternoon) {
        (12, false) => minutes.saturating_sub(720),
        (0..=11, true) => minutes.saturating_add(720),
        _ => minutes,
    };
    let closes = match to_half {
        Some(half) => fix(to, half),
        None if from_half == Some(true) => fix(to, true),
        None if to.is_multiple_of(1440) => 1440,
        // "9am - 5" closes in the afternoon; "9 - 5" alone could be read in two ways.
        None if from_half == Some(false) && to <= from => fix(to, true),
        None => return None,
    };
    let opens = match from_half {
        Some(half) => fix(from, half),
        None if fix(from, true) < closes => fix(from, true),
        None => fix(from, false),
    };
    (opens < closes && closes <= 1440).then_some((opens, closes))
}

fn time(minutes: u16) -> String {
    match minutes {
        1440 => "23:59".to_owned(),
        _ => format!("{:02}:{:02}", minutes / 60, minutes % 60),
    }
}

/// A schedule in a few words, for tables that people read.
#[must_use]
pub fn in_words(schedule: &Schedule) -> String {
    if let Some(words) = schedule
        .description
        .as_ref()
        .filter(|words| !words.is_empty())
    {
        return words.clone();
    }
    let days: Vec<&str> = schedule
        .byday
        .iter()
        .flat_map(|days| days.split(','))
        .map(|day| {
            let number = DAYS.iter().position(|code| day.trim().ends_with(code));
            let name = number.and_then(|number| NAMES.get(number)).copied();
            name.unwrap_or(day)
        })
        .collect();
    let mut words: Vec<String> = days.iter().map(|day| capital(day)).collect();
    words = vec![words.join(", ")];
    if let (Some(opens), Some(closes)) = (&schedule.opens_at, &schedule.closes_at) {
        words.push(format!("{opens}-{closes}"));
    }
    words.join(" ").trim().to_owned()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<String> {
        let openings = read(text)?;
        let words = openings.iter().map(|opening| {
            format!(
                "{} {}-{}",
                opening.days.join(","),
                opening.opens_at,
                opening.closes_at
            )
        });
        Some(words.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn hours_that_can_be_read_in_one_way_are_read() {
        for (text, read) in [
            ("Wednesday 10am - 4pm", "WE 10:00-16:00"),
            ("Wednesday 9:30am - 12noon", "WE 09:30-12:00"),
            ("Tuesday - Friday 12noon - 2pm", "TU,WE,TH,FR 12:00-14:00"),
            ("Thursday 1.30 - 3.30pm", "TH 13:30-15:30"),
            ("Weds 12-2pm", "WE 12:00-14:00"),
            (
                "Monday to Friday 9am to 5pm, Saturday 10-1pm",
                "MO,TU,WE,TH,FR 09:00-17:00; SA 10:00-13:00",
            ),
            ("Mon & Thurs 18:00-20:30", "MO,TH 18:00-20:30"),
            (
                "Sunday: Closed Monday: 8:30-12:00 , 13:00-17:00",
                "MO 08:30-12:00; MO 13:00-17:00",
            ),
            ("daily 9am - 1:30pm", "MO,TU,WE,TH,FR,SA,SU 09:00-13:30"),
        ] {
            assert_eq!(one(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn hours_that_leave_a_question_are_not_read() {
        for text in [
            "Not known",
            "Contact for details",
            "One morning per week",
            "Monday 9 - 5",
            "9am - 5pm",
            "Monday - Friday 8am - 4pm. Please ring.",
            "Monday",
            "2nd Monday 9am - 5pm",
            "Friday 25am - 4pm",
            "",
        ] {
            assert_eq!(one(text), None, "{text}");
        }
        assert_eq!(weekday("Sunday"), Some("SU"));
        assert_eq!(weekday("thurs"), Some("TH"));
        assert_eq!(weekday("Sometimes"), None);
    }
}
