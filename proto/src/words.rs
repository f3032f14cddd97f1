//! How names are compared: without case, accents, punctuation and English plurals.
//!
//! Two names are the same when [`fold`] makes the same of them. It is kept simple on purpose: what it
//! makes stands in the search index and must be the same on every node.

/// The longest text that is folded, in characters; the rest of a longer one is left out.
const FOLD_MAX_CHARS: usize = 4_096;

/// A name as it is compared: lower case, without accents, words parted by single spaces, each word in the
/// singular. `&` counts as "and", and an apostrophe as nothing.
///
/// ```
/// use fingerpost_proto::words::fold;
/// assert_eq!(fold("Women's Crèches & CVs"), "women creche and cv");
/// assert_eq!(fold("one_to_one"), fold("One-to-one"));
/// ```
#[must_use]
pub fn fold(name: &str) -> String {
    folded_words(name).join(" ")
}

/// The words of a text, each as [`fold`] writes it.
#[must_use]
pub fn folded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars().take(FOLD_MAX_CHARS) {
        match character {
            '\'' | '’' | '‘' | 'ʼ' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{300}'..='\u{36f}' =>
                {}
            '&' => {
                end(&mut word, &mut words);
                words.push("and".to_owned());
            }
            _ if character.is_alphanumeric() => word.push(character),
            _ => end(&mut word, &mut words),
        }
    }
    end(&mut word, &mut words);
    words
}

/// Takes up a finished word.
fn end(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(singular(word));
        word.clear();
    }
}

/// One word without case, accents and the `s` of a plural. "CVs" loses it too; "CVS", "bus" and "crisis" do not.
fn singular(word: &str) -> String {
    let is_plural_of_letters = word.len() <= 4
        && word.strip_suffix('s').is_some_and(|letters| {
            letters.len() > 1 && letters.chars().all(|c| c.is_ascii_uppercase())
        });
    let mut plain = String::with_capacity(word.len());
    for character in word.chars().flat_map(char::to_lowercase) {
        match unaccented(character) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(character),
        }
    }
    let keeps = ["ss", "us", "is", "as", "os"]
        .iter()
        .any(|ending| plain.ends_with(ending));
    if is_plural_of_letters || (plain.len() > 3 && plain.ends_with('s') && !keeps) {
        plain.pop();
    }
    plain
}

/// The plain letters for one with an accent, as they occur in the languages written in Britain.
fn unaccented(character: char) -> Option<&'static str> {
    Some(match character {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' => "d",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// How many single-letter changes (a letter put in, left out or exchanged) make `right` of `left`, counted up to
/// `most`; `None` if it takes more.
#[must_use]
pub fn distance(left: &str, right: &str, most: usize) -> Option<usize> {
    let right: Vec<char> = right.chars().take(FOLD_MAX_CHARS).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().take(FOLD_MAX_CHARS).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(above + 1);
        for ((other, diagonal), up) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let exchanged = diagonal + usize::from(*other != letter);
            let beside = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            next.push(exchanged.min(up + 1).min(beside));
        }
        if next.iter().min().is_none_or(|least| *least > most) {
            return None;
        }
        row = next;
    }
    row.last().copied().filter(|found| *found <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_people_take_for_the_same_are_the_same() {
        for (left, right) in [
            ("CVs", "cv"),
            ("crèche", "CRECHES"),
            ("peer support groups", "Peer-support group"),
            ("Avon & Somerset", "avon and somerset"),
            ("women’s centre", "womens centre"),
            ("Ynys Môn", "ynys mon"),
        ] {
            assert_eq!(fold(left), fold(right));
        }
        for (left, right) in [("CVS", "CV"), ("bus", "bu"), ("crisis", "crisi")] {
            assert_ne!(fold(left), fold(right));
        }
        assert_eq!(fold(" -- "), "");
    }

    #[test]
    fn letters_that_differ_are_counted() {
        assert_eq!(distance("gp", "gp", 2), Some(0));
        assert_eq!(distance("cmht", "cht", 2), Some(1));
        assert_eq!(distance("counselling", "counciling", 2), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }

    proptest! {
        #[test]
        fn folding_is_stable_on_plain_words(text in "[a-rt-z ]{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }

        #[test]
        fn any_text_folds_to_words_with_single_spaces(text in ".{0,60}") {
            let folded = fold(&text);
            prop_assert!(!folded.contains("  ") && folded.trim() == folded);
        }

        #[test]
        fn the_distance_is_the_same_both_ways(left in "[a-d]{0,8}", right in "[a-d]{0,8}") {
            prop_assert_eq!(distance(&left, &right, 3), distance(&right, &left, 3));
        }
    }
}
