//! `fingerpost explain`: what a term means, and what is spelt nearly like it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{List, Term, Vocabulary};
use crate::words::{distance, fold, folded_words};

/// Most near terms that are named.
const NEAR_MAX: usize = 8;

/// What a term means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// The term.
    pub term: String,
    /// What an acronym stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<String>,
    /// What it means, in plain words.
    pub means: String,
    /// The network whose charter says so; none for what is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A term of a list, with what is around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermView {
    /// Which list.
    pub list: List,
    /// Its id in the list.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of the wider term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// The names of terms that are one step narrower.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub narrower: Vec<String>,
}

/// Everything that is known of a term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked for.
    pub term: String,
    /// What it means.
    pub meanings: Vec<Meaning>,
    /// Where it stands in the lists by which services are filed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<TermView>,
    /// What else people call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub synonyms: Vec<String>,
    /// Terms like it, where there is nothing under this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

impl Explanation {
    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.meanings.is_empty() && self.terms.is_empty() && self.synonyms.is_empty()
    }
}

impl Vocabulary {
    /// What is known of a term; terms like it where there is nothing.
    #[must_use]
    pub fn explain(&self, text: &str) -> Explanation {
        let text = text.trim();
        let exact = text.to_lowercase();
        // "CVs" is the plural of CV as well as CVS in another case.
        let keys = BTreeSet::from([exact.clone(), fold(text), exact.replace('.', "")]);
        let meanings = keys
            .iter()
            .filter_map(|key| self.glossary.get(key))
            .flatten();
        let mut explanation = Explanation {
            term: text.to_owned(),
            meanings: meanings.cloned().collect(),
            terms: self
                .find(&List::ALL, text)
                .into_iter()
                .map(|term| self.view(term))
                .collect(),
            synonyms: self.synonyms(text).into_iter().map(str::to_owned).collect(),
            near: Vec::new(),
        };
        if explanation.is_empty() {
            explanation.near = self.near(&List::ALL, text);
        }
        explanation
    }

    fn view(&self, term: &Term) -> TermView {
        let wider = |id: &String| {
            self.terms
                .iter()
                .find(|it| it.list == term.list && it.id == *id)
        };
        let narrower = self.narrower.get(&(term.list, term.id.clone()));
        let narrower = narrower
            .into_iter()
            .flatten()
            .filter_map(|place| self.terms.get(*place));
        TermView {
            list: term.list,
            id: term.id.clone(),
            name: term.name.clone(),
            under: term
                .under
                .as_ref()
                .and_then(wider)
                .map(|term| term.name.clone()),
            narrower: narrower.map(|term| term.name.clone()).collect(),
        }
    }

    /// Terms of some lists that are spelt nearly like a text, or share a word with it, the nearest first; with
    /// all lists, those of the glossary too.
    #[must_use]
    pub fn near(&self, lists: &[List], text: &str) -> Vec<String> {
        let folded = fold(text);
        let most = if folded.chars().count() <= 4 { 1 } else { 2 };
        let words: BTreeSet<String> = folded_words(text)
            .into_iter()
            .filter(|word| word.len() > 3)
            .collect();
        let how_near = |name: &str| -> Option<usize> {
            let shared = || folded_words(name).iter().any(|word| words.contains(word));
            distance(&fold(name), &folded, most).or_else(|| shared().then_some(most + 1))
        };
        let terms = self.terms.iter().filter(|term| lists.contains(&term.list));
        let mut found: BTreeSet<(usize, String)> = terms
            .flat_map(|term| term.also.iter().chain([&term.name]))
            .filter_map(|name| Some((how_near(name)?, name.clone())))
            .collect();
        if lists.len() == List::ALL.len() {
            let meanings = self.glossary.values().flatten();
            found.extend(meanings.filter_map(|meaning| {
                let near = [Some(&meaning.term), meaning.stands_for.as_ref()];
                let near = near
                    .into_iter()
                    .flatten()
                    .filter_map(|name| how_near(name))
                    .min()?;
                Some((near, meaning.term.clone()))
            }));
        }
        let mut names: Vec<String> = Vec::new();
        for (_, name) in found {
            if names.len() < NEAR_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_are_explained_in_any_case() {
        for text in ["CMHT", "cmht", " Cmht "] {
            let explained = Vocabulary::built_in().explain(text);
            let meaning = explained.meanings.first().unwrap();
            assert_eq!(
                meaning.stands_for.as_deref(),
                Some("community mental health team"),
                "{text}"
            );
            assert!(explained.near.is_empty());
        }
        for text in [
            "CVS", "DBS", "GP", "ESA", "PIP", "IAPT", "VCSE", "HSDS", "GSS", "need", "charter",
        ] {
            assert!(
                !Vocabulary::built_in().explain(text).meanings.is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_term_of_a_list_is_shown_with_what_is_around_it() {
        let explained = Vocabulary::built_in().explain("debt advice");
        let view = explained.terms.first().unwrap();
        assert_eq!(
            (view.list, view.under.as_deref()),
            (List::Support, Some("Financial advice"))
        );
        assert!(explained.synonyms.contains(&"money advice".to_owned()));
    }

    #[test]
    fn near_terms_are_named_where_there_is_none() {
        let explained = Vocabulary::built_in().explain("CMHTT");
        assert!(
            explained.is_empty() && explained.near.contains(&"CMHT".to_owned()),
            "{explained:?}"
        );
        let explained = Vocabulary::built_in().explain("zzzzzzzzzz");
        assert!(explained.is_empty() && explained.near.is_empty());
    }
}
