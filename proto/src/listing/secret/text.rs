//! Finding what gives a place away in running text.

use std::collections::BTreeSet;

/// What stands where something was left out of a text.
const LEFT_OUT: &str = "[not shown]";

/// The text without what gives a place away, if it says any of it.
pub(super) fn without_mentions(
    text: &str,
    words: &BTreeSet<String>,
    postcodes: bool,
) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    let mut inside_word = false;
    while let Some(letter) = rest.chars().next() {
        let found = match inside_word {
            true => None,
            // The longest wins, so that nothing of a longer one is left.
            false => words
                .iter()
                .filter_map(|word| beginning(rest, word))
                .chain(
                    (postcodes && !letter.is_whitespace())
                        .then(|| postcode(rest))
                        .flatten(),
                )
                .max(),
        };
        match found.and_then(|length| rest.split_at_checked(length)) {
            Some((mention, after)) if mention != LEFT_OUT => {
                clean.push_str(LEFT_OUT);
                changed = true;
                rest = after;
                inside_word = false;
            }
            _ => {
                clean.push(letter);
                inside_word = letter.is_alphanumeric();
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
    }
    changed.then_some(clean)
}

/// How many bytes of the text are this word, whatever the case of its letters and the space between them.
fn beginning(text: &str, word: &str) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    let mut wanted = word.chars().peekable();
    let mut end = 0;
    while let Some(letter) = wanted.next() {
        if letter.is_whitespace() {
            while wanted.peek().is_some_and(|next| next.is_whitespace()) {
                wanted.next();
            }
            let mut spaces = 0_usize;
            while letters
                .next_if(|(_, have)| have.is_whitespace() || *have == ',')
                .is_some()
            {
                spaces = spaces.saturating_add(1);
            }
            if spaces == 0 {
                return None;
            }
            continue;
        }
        let (at, have) = letters.next()?;
        if !have.to_lowercase().eq(letter.to_lowercase()) {
            return None;
        }
        end = at.saturating_add(have.len_utf8());
    }
    let ends = letters
        .peek()
        .is_none_or(|(_, next)| !next.is_alphanumeric());
    (end > 0 && ends).then_some(end)
}

/// How many bytes at the beginning of the text are a full postcode of the United Kingdom.
#[must_use]
pub fn postcode(text: &str) -> Option<usize> {
    let bytes = text.trim_start().as_bytes();
    let skipped = text.len().saturating_sub(bytes.len());
    let letters = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    if !(1..=2).contains(&letters) {
        return None;
    }
    let outward = bytes
        .get(letters..)?
        .iter()
        .take(3)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    // The district has one digit, two, or a digit and a letter; the inward part a digit and two letters.
    for length in (1..=outward.min(2)).rev() {
        let district = bytes.get(letters..letters.checked_add(length)?)?;
        let good = match district {
            [one] => one.is_ascii_digit(),
            [one, two] => one.is_ascii_digit() && two.is_ascii_alphanumeric(),
            _ => false,
        };
        let after = letters.checked_add(length)?;
        let spaces = bytes
            .get(after..)?
            .iter()
            .take(2)
            .take_while(|byte| **byte == b' ')
            .count();
        let inward = after.checked_add(spaces)?;
        let end = inward.checked_add(3)?;
        if let (true, Some([digit, one, two])) = (good, bytes.get(inward..end))
            && digit.is_ascii_digit()
            && one.is_ascii_alphabetic()
            && two.is_ascii_alphabetic()
            && bytes
                .get(end)
                .is_none_or(|next| !next.is_ascii_alphanumeric())
        {
            return end.checked_add(skipped);
        }
    }
    None
}
