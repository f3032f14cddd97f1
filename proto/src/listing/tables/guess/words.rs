//! What the words of a header, and the values below it, look like.

/// The words of a header in lower case: `areaCode`, `area_code` and `Area code` are the same.
pub(super) fn words(header: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(header.len());
    let mut lower = false;
    for letter in header.chars() {
        if letter.is_uppercase() && lower {
            spaced.push(' ');
        }
        lower = letter.is_lowercase();
        match letter {
            letter if letter.is_alphanumeric() || letter == '-' => {
                spaced.extend(letter.to_lowercase())
            }
            _ => spaced.push(' '),
        }
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Is this the word, or its plural, or (of a longer word) its beginning?
pub(super) fn matches(have: &str, word: &str) -> bool {
    let have = have
        .replace("organisation", "organization")
        .replace("e-mail", "email");
    let word = word
        .replace("organisation", "organization")
        .replace("e-mail", "email");
    have == word
        || have.strip_suffix('s') == Some(word.as_str())
        || have
            .strip_suffix("-id")
            .is_some_and(|have| format!("{have} id") == word)
        || (word.len() >= 6 && have.starts_with(&word))
        || have == format!("{word}-id") && word.len() > 2
}

pub(super) fn is_postcode(value: &str) -> bool {
    crate::listing::secret::postcode(value) == Some(value.trim().len())
}

/// What separates the values of a cell, if it holds several.
pub(super) fn split_of(value: &str) -> Option<&'static str> {
    ["\n", ";", "|"]
        .into_iter()
        .find(|split| value.contains(split))
}
