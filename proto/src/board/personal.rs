//! What in a text looks as if it were somebody's own data: a notice is read by everybody, and must name nobody
//! whom an organisation serves.
//!
//! This finds what has a form of its own: phone numbers, e-mail addresses, NHS numbers, National Insurance numbers.
//! It does not find names. So it helps people to notice a slip, and promises nothing.

use std::fmt;

/// Something in a text that looks like a person's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// A phone number.
    Phone,
    /// An e-mail address.
    Email,
    /// An NHS number: ten digits whose last one is the check digit of the others.
    NhsNumber,
    /// A National Insurance number.
    InsuranceNumber,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Suspicion::Phone => "a phone number",
            Suspicion::Email => "an e-mail address",
            Suspicion::NhsNumber => "an NHS number",
            Suspicion::InsuranceNumber => "a National Insurance number",
        })
    }
}

/// Fewest and most digits of a phone number.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 10..=15;

/// What looks like a person's data in a text, each kind once, in a fixed order.
#[must_use]
pub fn suspicions(text: &str) -> Vec<Suspicion> {
    let mut found = Vec::new();
    for digits in digit_runs(text) {
        if is_nhs_number(&digits) {
            found.push(Suspicion::NhsNumber);
        } else if is_phone(&digits) {
            found.push(Suspicion::Phone);
        }
    }
    if text.split_whitespace().any(is_email) {
        found.push(Suspicion::Email);
    }
    if has_insurance_number(text) {
        found.push(Suspicion::InsuranceNumber);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Runs of digits as people group them: spaces, hyphens, dots and brackets do not end a run, but a line break,
/// a letter, or two of them on each other do.
fn digit_runs(text: &str) -> Vec<String> {
    let mut runs = Vec::new();
    let (mut run, mut gap) = (String::new(), 0_usize);
    for letter in text.chars() {
        let joins = matches!(letter, ' ' | '-' | '.' | '(' | ')' | '\u{a0}' | '\u{2011}');
        if letter.is_ascii_digit() {
            run.push(letter);
            gap = 0;
        } else if letter == '+' && run.is_empty() {
            run.push(letter);
        } else if !run.is_empty() && joins && gap < 2 {
            gap = gap.saturating_add(1);
        } else if !run.is_empty() {
            runs.push(std::mem::take(&mut run));
            gap = 0;
        }
    }
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

/// A number that begins like one: with 0, or with + and a country.
fn is_phone(run: &str) -> bool {
    let digits = run.trim_start_matches('+');
    let begins = run.starts_with('0') || run.starts_with('+');
    begins && PHONE_DIGITS.contains(&digits.len())
}

/// The check digit of an NHS number: the weighted sum of the first nine, modulo 11.
fn is_nhs_number(run: &str) -> bool {
    let digits: Vec<u32> = run.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let (Some((last, first)), 10) = (digits.split_last(), digits.len()) else {
        return false;
    };
    let weights = (2..=10).rev();
    let sum: u32 = first
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let check = (11 - sum % 11) % 11;
    // A run of one digit only is nobody's number.
    check == *last && digits.iter().any(|digit| digit != last)
}

fn is_email(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && host.split('.').count() > 1
            && host.split('.').all(|part| !part.is_empty())
    })
}

/// Two letters, six digits, and a letter from A to D, with or without spaces between the pairs.
fn has_insurance_number(text: &str) -> bool {
    let letters: Vec<char> = text
        .chars()
        .filter(|letter| *letter != ' ')
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    letters.windows(9).any(|window| match window {
        [a, b, digits @ .., last] => {
            a.is_ascii_uppercase()
                && b.is_ascii_uppercase()
                && digits.iter().all(char::is_ascii_digit)
                && ('A'..='D').contains(last)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_somebodys_data_is_found() {
        for (text, found) in [
            ("Ring Jo on 020 7946 0999", vec![Suspicion::Phone]),
            ("(01632) 960-001, evenings", vec![Suspicion::Phone]),
            ("+44 20 7946 0999", vec![Suspicion::Phone]),
            ("her NHS number is 943 476 5919", vec![Suspicion::NhsNumber]),
            ("write to jo.bloggs@example.org.", vec![Suspicion::Email]),
            ("NI: QQ 12 34 56 C", vec![Suspicion::InsuranceNumber]),
            (
                "jo@example.org, 07700 900123",
                vec![Suspicion::Phone, Suspicion::Email],
            ),
        ] {
            assert_eq!(suspicions(text), found, "{text}");
        }
    }

    #[test]
    fn ordinary_notices_raise_no_suspicion() {
        for text in [
            "A Farsi-speaking therapist for a client near SW9",
            "Rooms free on weekday mornings, 10.00 - 12.30, from 2026-11-30 to 2027-01-15",
            "Up to 150 people; £12,500 for 2026/27; charity 1234567",
            "9434765918 is one digit off",
            "3333333333",
            "reply @ the desk, or see example.org",
            "",
        ] {
            assert_eq!(suspicions(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = suspicions(&text);
        }

        #[test]
        fn an_nhs_number_is_found_however_it_is_grouped(digits in prop::collection::vec(0u32..10, 9)) {
            let sum: u32 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
            let check = (11 - sum % 11) % 11;
            prop_assume!(check < 10 && digits.iter().any(|digit| *digit != check));
            let number: String = digits.iter().chain([&check]).map(u32::to_string).collect();
            let grouped = format!("no. {} {} {}!", &number[..3], &number[3..6], &number[6..]);
            prop_assert!(suspicions(&grouped).contains(&Suspicion::NhsNumber));
        }
    }
}
