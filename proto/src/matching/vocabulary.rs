//! Matching with the words that searches know, and that charters add to.

use super::words::{Plain, Wording};
use crate::geography;
use crate::vocabulary::{List, Vocabulary};

impl Wording for Vocabulary {
    fn idea(&self, word: &str) -> Option<&str> {
        Plain.idea(word).or_else(|| self.first_of_group(word))
    }

    fn language(&self, word: &str) -> Option<&str> {
        let named = self.find(&[List::Language], word);
        named.first().map(|term| term.id.as_str())
    }

    fn language_names(&self, code: &str) -> Vec<&str> {
        let named = self.find(&[List::Language], code);
        let names = named.first().map(|term| {
            let others = term.also.iter().map(String::as_str);
            std::iter::once(term.name.as_str()).chain(others).collect()
        });
        names.unwrap_or_default()
    }

    fn is_within(&self, inner: &str, outer: &str) -> bool {
        let known = geography::area(inner).zip(geography::area(outer));
        let lies = known.is_some_and(|(inner, outer)| {
            let wider = geography::lies_in(&inner.code);
            inner.code == outer.code || wider.contains(&outer.code.as_str())
        });
        lies || Plain.is_within(inner, outer)
    }

    fn others(&self, word: &str) -> Vec<&str> {
        let mut others = Plain.others(word);
        for synonym in self.synonyms(word) {
            if !others.contains(&synonym) {
                others.push(synonym);
            }
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_knows_what_the_plain_words_know_and_more() {
        let words = Vocabulary::built_in();
        assert_eq!(words.language("farsi"), Some("fa"));
        assert_eq!(words.language("persian"), Some("fa"));
        assert!(words.language_names("fa").contains(&"Persian"));
        assert_eq!(words.language("counselling"), None);
        for word in ["therapist", "creche", "venue"] {
            assert_eq!(words.idea(word), Plain.idea(word), "{word}");
        }
        // Said of boroughs that no list of a few words has.
        assert!(words.is_within("hartlepool", "england"));
        assert!(words.is_within("lambeth", "london"));
        assert!(!words.is_within("trafford", "lambeth"));
        let group = words.others("creche");
        assert!(
            group.iter().any(|it| it.eq_ignore_ascii_case("childcare")),
            "{group:?}"
        );
    }
}
