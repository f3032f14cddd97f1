//! Words of the field as data: what support there is, for whom, in which form and language; what people call
//! the same thing; and what the acronyms mean.
//!
//! The tables are built in (`proto/vocabulary`, with their sources and licences). The charters of networks add
//! to them ([`crate::charter::directory`]): [`Vocabulary::with`] makes the vocabulary that a node searches with.
//! Names are compared as [`fold`] writes them.

mod explain;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::charter::directory::Directory;
use crate::geography::rows;
use crate::words::{fold, folded_words};

pub use explain::{Explanation, Meaning, TermView};

/// The longest name that is looked for in a text, in words.
const PHRASE_MAX_WORDS: usize = 6;

/// A list of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// Support with work and what stands in its way.
    Support,
    /// Kinds of service (Open Eligibility).
    Service,
    /// Whom a service is for.
    People,
    /// How near to work somebody is.
    Stage,
    /// Fitted to one person, or the same for all.
    Model,
    /// Who may send somebody.
    Referral,
    /// One to one, in a group, online …
    Format,
    /// Who pays.
    Payer,
    /// Languages.
    Language,
}

impl List {
    /// All lists.
    pub const ALL: [List; 9] = [
        List::Support,
        List::Service,
        List::People,
        List::Stage,
        List::Model,
        List::Referral,
        List::Format,
        List::Payer,
        List::Language,
    ];

    /// The lists of what a service does.
    pub const TYPES: &'static [List] = &[List::Support, List::Service];

    /// The word for it in charters and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            List::Support => "support",
            List::Service => "service",
            List::People => "people",
            List::Stage => "stage",
            List::Model => "model",
            List::Referral => "referral",
            List::Format => "format",
            List::Payer => "payer",
            List::Language => "language",
        }
    }

    /// The list of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<List> {
        List::ALL.into_iter().find(|list| list.as_str() == word)
    }
}

impl fmt::Display for List {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A term of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The list.
    pub list: List,
    /// Its id, unique in the list.
    pub id: String,
    /// The id of the wider term, if there is one.
    pub under: Option<String>,
    /// Its name.
    pub name: String,
    /// Other names for it.
    pub also: Vec<String>,
}

/// What a name that somebody asked for stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The term's name, or the text that was asked for when no term has it.
    pub label: String,
    /// Everything that means it or something narrower, folded.
    pub names: BTreeSet<String>,
    /// Whether a list has it.
    pub is_known: bool,
}

/// Terms, synonyms and explanations.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    terms: Vec<Term>,
    /// Places in `terms`, by folded name, other name, synonym and id.
    by_name: BTreeMap<String, BTreeSet<usize>>,
    /// Places in `terms` of those narrower than a term.
    narrower: BTreeMap<(List, String), Vec<usize>>,
    groups: Vec<Vec<String>>,
    /// Places in `groups`, by folded word or phrase.
    by_synonym: BTreeMap<String, BTreeSet<usize>>,
    /// By term in small letters.
    glossary: BTreeMap<String, Vec<Meaning>>,
}

static BUILT_IN: LazyLock<Vocabulary> = LazyLock::new(|| {
    let mut vocabulary = Vocabulary::default();
    let split = |names: &str| -> Vec<String> {
        let names = names.split('|').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    for line in include_str!("../../vocabulary/synonyms.tsv").lines() {
        if !line.starts_with('#') {
            vocabulary.groups.push(split(line));
        }
    }
    let mut add = |list: Option<List>, id: &str, under: &str, name: &str, also: Vec<String>| {
        let Some(list) = list else { return };
        vocabulary.terms.push(Term {
            list,
            id: id.to_owned(),
            under: (!under.is_empty()).then(|| under.to_owned()),
            name: name.to_owned(),
            also,
        });
    };
    for [list, id, under, name, also] in rows(include_str!("../../vocabulary/terms.tsv")) {
        add(List::from_word(list), id, under, name, split(also));
    }
    for [list, id, under, name] in rows(include_str!("../../vocabulary/openeligibility.tsv")) {
        add(List::from_word(list), id, under, name, Vec::new());
    }
    for [code, name, also] in rows(include_str!("../../vocabulary/languages.tsv")) {
        add(Some(List::Language), code, "", name, split(also));
    }
    for [term, stands_for, means] in rows(include_str!("../../vocabulary/glossary.tsv")) {
        vocabulary.explain_as(Meaning {
            term: term.to_owned(),
            stands_for: (!stands_for.is_empty()).then(|| stands_for.to_owned()),
            means: means.to_owned(),
            from: None,
        });
    }
    vocabulary.index();
    vocabulary
});

impl Vocabulary {
    /// What every node knows without any charter.
    #[must_use]
    pub fn built_in() -> &'static Vocabulary {
        &BUILT_IN
    }

    /// This vocabulary with what the charters of networks add, each with the network's name. A term that a list
    /// has already keeps its name and gains the other names.
    #[must_use]
    pub fn with<'a>(
        &self,
        additions: impl IntoIterator<Item = (&'a str, &'a Directory)>,
    ) -> Vocabulary {
        let mut vocabulary = self.clone();
        for (network, directory) in additions {
            for term in &directory.terms {
                let same = |known: &&mut Term| known.list == term.list && known.id == term.id;
                match vocabulary.terms.iter_mut().find(same) {
                    Some(known) => {
                        known.also.extend(term.also.iter().cloned());
                        known.also.push(term.name.clone());
                    }
                    None => vocabulary.terms.push(term.clone()),
                }
            }
            vocabulary.groups.extend(directory.synonyms.iter().cloned());
            for meaning in &directory.glossary {
                vocabulary.explain_as(Meaning {
                    from: Some(network.to_owned()),
                    ..meaning.clone()
                });
            }
        }
        vocabulary.index();
        vocabulary
    }

    fn explain_as(&mut self, meaning: Meaning) {
        let meanings = self
            .glossary
            .entry(meaning.term.to_lowercase())
            .or_default();
        meanings.push(meaning);
    }

    /// Fills the tables by which terms and groups are found.
    fn index(&mut self) {
        self.by_name.clear();
        self.by_synonym.clear();
        self.narrower.clear();
        for (place, group) in self.groups.iter().enumerate() {
            for word in group {
                let places = self.by_synonym.entry(fold(word)).or_default();
                places.insert(place);
            }
        }
        for (place, term) in self.terms.iter().enumerate() {
            if let Some(under) = &term.under {
                let siblings = self.narrower.entry((term.list, under.clone()));
                siblings.or_default().push(place);
            }
            for name in own_names(term, &self.groups, &self.by_synonym) {
                self.by_name.entry(name).or_default().insert(place);
            }
        }
    }

    /// All terms, list by list as they stand in the tables.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.terms.iter()
    }

    /// The terms of some lists with this id, name, other name or synonym.
    #[must_use]
    pub fn find(&self, lists: &[List], text: &str) -> Vec<&Term> {
        self.places(lists, &fold(text))
    }

    fn places(&self, lists: &[List], folded: &str) -> Vec<&Term> {
        let places = self.by_name.get(folded).into_iter().flatten();
        let terms = places.filter_map(|place| self.terms.get(*place));
        terms.filter(|term| lists.contains(&term.list)).collect()
    }

    /// The terms narrower than this one, however far down; without itself.
    #[must_use]
    pub fn descendants(&self, term: &Term) -> Vec<&Term> {
        let mut found: Vec<&Term> = Vec::new();
        let mut due = vec![term];
        // A charter could make a circle of terms: each is looked at once.
        while let Some(wider) = due.pop() {
            let key = (wider.list, wider.id.clone());
            let places = self.narrower.get(&key).into_iter().flatten();
            for next in places.filter_map(|place| self.terms.get(*place)) {
                let is_new = next != term && !found.contains(&next);
                if is_new {
                    found.push(next);
                    due.push(next);
                }
            }
        }
        found
    }

    /// What somebody who asks for `text` in some lists wants: all that means it or something narrower. Text that
    /// no list has stands for itself and its synonyms.
    #[must_use]
    pub fn sought(&self, lists: &[List], text: &str) -> Sought {
        let mut names = BTreeSet::from([fold(text)]);
        names.extend(self.synonyms(text).into_iter().map(fold));
        let terms = self.find(lists, text);
        for term in &terms {
            for each in self.descendants(term).into_iter().chain([*term]) {
                names.extend(own_names(each, &self.groups, &self.by_synonym));
            }
        }
        names.remove("");
        Sought {
            label: terms
                .first()
                .map_or(text.trim(), |term| &term.name)
                .to_owned(),
            names,
            is_known: !terms.is_empty(),
        }
    }

    /// The first word of the first group of synonyms to which a word or phrase belongs: the same for all of them.
    #[must_use]
    pub fn first_of_group(&self, text: &str) -> Option<&str> {
        let place = self.by_synonym.get(&fold(text))?.first()?;
        self.groups.get(*place)?.first().map(String::as_str)
    }

    /// Other words and phrases for this one, as they are written; without itself.
    #[must_use]
    pub fn synonyms(&self, text: &str) -> Vec<&str> {
        let folded = fold(text);
        let groups = self.by_synonym.get(&folded).into_iter().flatten();
        let words = groups.filter_map(|place| self.groups.get(*place)).flatten();
        let mut found: Vec<&str> = Vec::new();
        for word in words.filter(|word| fold(word) != folded) {
            if !found.contains(&word.as_str()) {
                found.push(word);
            }
        }
        found
    }

    /// The terms of some lists whose names stand in a text, word for word. Where one name is part of a longer one
    /// the longer counts: "debt advice" is not "advice".
    #[must_use]
    pub fn in_text(&self, lists: &[List], text: &str) -> Vec<&Term> {
        let words = folded_words(text);
        let mut found: Vec<&Term> = Vec::new();
        let mut from = 0;
        while from < words.len() {
            let longest = PHRASE_MAX_WORDS.min(words.len() - from);
            let hit = (1..=longest).rev().find_map(|length| {
                let phrase = words.get(from..from + length)?.join(" ");
                let terms = self.places(lists, &phrase);
                (!terms.is_empty()).then_some((length, terms))
            });
            let Some((length, terms)) = hit else {
                from += 1;
                continue;
            };
            for term in terms {
                if !found.contains(&term) {
                    found.push(term);
                }
            }
            from += length;
        }
        found
    }
}

/// The names of one term, folded: its own, its id, and the synonyms of its names.
fn own_names(
    term: &Term,
    groups: &[Vec<String>],
    by_synonym: &BTreeMap<String, BTreeSet<usize>>,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = term
        .also
        .iter()
        .chain([&term.name])
        .map(|name| fold(name))
        .collect();
    let places = names
        .iter()
        .filter_map(|name| by_synonym.get(name))
        .flatten();
    let words = places.filter_map(|place| groups.get(*place)).flatten();
    let synonyms: Vec<String> = words.map(|word| fold(word)).collect();
    names.extend(synonyms);
    names.insert(fold(&term.id));
    names.remove("");
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vocabulary() -> &'static Vocabulary {
        Vocabulary::built_in()
    }

    #[test]
    fn the_tables_are_whole() {
        for list in List::ALL {
            let terms: Vec<&Term> = vocabulary()
                .terms()
                .filter(|term| term.list == list)
                .collect();
            assert!(!terms.is_empty(), "{list}");
            let ids: BTreeSet<&str> = terms.iter().map(|term| term.id.as_str()).collect();
            assert_eq!(ids.len(), terms.len(), "{list}");
            for term in terms {
                let is_there = term.under.iter().all(|under| ids.contains(under.as_str()));
                assert!(is_there && !term.name.is_empty(), "{term:?}");
            }
            assert_eq!(List::from_word(list.as_str()), Some(list));
        }
        let rows_of = |table: &str| table.lines().filter(|line| !line.starts_with('#')).count();
        let tables = [
            include_str!("../../vocabulary/terms.tsv"),
            include_str!("../../vocabulary/openeligibility.tsv"),
            include_str!("../../vocabulary/languages.tsv"),
        ];
        assert_eq!(
            vocabulary().terms.len(),
            tables.map(rows_of).iter().sum::<usize>()
        );
        assert!(vocabulary().glossary.len() >= 80);
        let glossary = include_str!("../../vocabulary/glossary.tsv");
        let meanings: usize = vocabulary().glossary.values().map(Vec::len).sum();
        assert_eq!(meanings, rows_of(glossary));
        assert!(vocabulary().groups.iter().all(|group| group.len() > 1));
    }

    #[test]
    fn a_language_has_many_names() {
        for text in ["fa", "Farsi", "Persian", "farsi", "DARI"] {
            let found = vocabulary().find(&[List::Language], text);
            assert_eq!(
                found
                    .iter()
                    .map(|term| term.id.as_str())
                    .collect::<Vec<_>>(),
                ["fa"],
                "{text}"
            );
        }
        assert!(vocabulary().find(&[List::Format], "fa").is_empty());
    }

    #[test]
    fn synonyms_are_found_whatever_their_case_and_accents() {
        assert!(vocabulary().synonyms("Creche").contains(&"childcare"));
        assert!(vocabulary().synonyms("CVs").contains(&"résumé"));
        assert!(
            vocabulary()
                .synonyms("domestic violence")
                .contains(&"domestic abuse")
        );
        assert!(vocabulary().synonyms("plumber").is_empty());
        assert!(!vocabulary().synonyms("farsi").contains(&"Farsi"));
    }

    #[test]
    fn whoever_asks_for_a_wide_term_wants_the_narrower_ones() {
        let sought = vocabulary().sought(List::TYPES, "financial advice");
        assert!(sought.is_known && sought.label == "Financial advice");
        for name in ["Debt advice", "money advice", "Welfare benefits advice"] {
            assert!(sought.names.contains(&fold(name)), "{name}");
        }
        let sought = vocabulary().sought(List::TYPES, "female");
        assert!(
            !sought.is_known && sought.names.contains("women") == sought.names.contains("woman")
        );
        assert!(vocabulary().sought(&[List::People], "female").is_known);
        assert!(
            vocabulary()
                .sought(&[List::Format], "1:1")
                .names
                .contains("one to one")
        );
    }

    #[test]
    fn terms_are_found_in_a_text_the_longest_first() {
        let names = |text| -> Vec<&str> {
            let found = vocabulary().in_text(List::TYPES, text);
            found.iter().map(|term| term.name.as_str()).collect()
        };
        assert!(names("Free Debt Advice for women").contains(&"debt advice"));
        assert!(names("Peer support groups").contains(&"peer support groups"));
        assert!(names("The quick brown fox").is_empty());
        let people = vocabulary().in_text(
            &[List::People],
            "Open to care leavers and women aged 18 to 25",
        );
        assert!(people.iter().any(|term| term.id == "care-leavers"));
    }

    #[test]
    fn a_charter_adds_terms_synonyms_and_explanations() {
        let text = "```toml directory\nsynonyms = [[\"SPAN\", \"single point network\"]]\n\
            [[term]]\nlist = \"people\"\nid = \"tamil\"\nname = \"Tamil communities\"\nalso = [\"Tamils\"]\n\
            [[glossary]]\nterm = \"SPAN\"\nmeans = \"Our helpline.\"\n```";
        let directory = Directory::of(text).unwrap().unwrap();
        let extended = vocabulary().with([("Lambeth", &directory)]);
        assert!(
            extended
                .sought(&[List::People], "Tamils")
                .names
                .contains("tamil community")
                || extended
                    .sought(&[List::People], "Tamils")
                    .names
                    .contains(&fold("Tamil communities"))
        );
        assert_eq!(extended.synonyms("span"), ["single point network"]);
        let explained = extended.explain("span");
        assert_eq!(
            explained.meanings.first().unwrap().from.as_deref(),
            Some("Lambeth")
        );
        assert!(vocabulary().explain("span").meanings.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_a_term_is_called_finds_it(place in 0..Vocabulary::built_in().terms.len()) {
            let term = &vocabulary().terms[place];
            for name in term.also.iter().chain([&term.name, &term.id]) {
                prop_assert!(vocabulary().find(&[term.list], name).contains(&term), "{}", name);
                prop_assert!(vocabulary().sought(&[term.list], name).names.contains(&fold(&term.name)));
            }
        }

        #[test]
        fn synonyms_are_mutual(place in 0..Vocabulary::built_in().groups.len()) {
            let group = &vocabulary().groups[place];
            for word in group {
                for other in group.iter().filter(|other| fold(other) != fold(word)) {
                    prop_assert!(vocabulary().synonyms(word).iter().any(|one| fold(one) == fold(other)));
                }
            }
        }
    }
}
