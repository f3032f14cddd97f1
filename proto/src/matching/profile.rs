//! What a notice or a service says, in the form in which it is compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::words::{Wording, fold, is_common, stem};
use crate::board::{Notice, NoticeKind};
use crate::listing::Entities;
use crate::listing::Service;
use crate::listing::model::ServiceArea;

/// Most words of one text that are looked at.
const WORDS_MAX: usize = 2_000;

/// Longest word that is looked at, in bytes: what is longer is no word.
pub(super) const WORD_MAX_BYTES: usize = 64;

/// On which side of a match something can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Something is asked for.
    Need,
    /// Something is there for others.
    Offer,
    /// Neither: a statement, say.
    Neither,
}

impl Side {
    /// The side of a kind of notice. Money, rooms, training, events and volunteering are put up by those who have them.
    #[must_use]
    pub fn of(kind: &NoticeKind) -> Side {
        match kind {
            NoticeKind::Need => Side::Need,
            NoticeKind::Offer
            | NoticeKind::Training
            | NoticeKind::Venue
            | NoticeKind::Funding
            | NoticeKind::Event
            | NoticeKind::Volunteering => Side::Offer,
            NoticeKind::Question | NoticeKind::Statement | NoticeKind::Other(_) => Side::Neither,
        }
    }
}

/// What is compared of a notice or a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// What it is about by its title, its name, or the terms that it is filed under: ideas or stems, each with a word
    /// that people read.
    pub(super) subject: BTreeMap<String, String>,
    /// The same of its whole text.
    pub(super) text: BTreeMap<String, String>,
    /// Codes of the languages that it names.
    pub(super) languages: BTreeSet<String>,
    /// Areas as they are compared, each with how people read it.
    pub(super) areas: BTreeMap<String, String>,
    /// The idea of the kind of notice that it is, such as a venue, and the word for it.
    pub(super) kind: Option<(String, String)>,
}

impl Profile {
    /// The profile of a notice.
    #[must_use]
    pub fn of_notice(notice: &Notice, wording: &dyn Wording) -> Profile {
        let mut profile = Profile::default();
        profile.read_subject(&notice.title, wording);
        profile.read_text(notice.text.as_deref().unwrap_or_default(), wording);
        for language in &notice.languages {
            profile.read_language(language, wording);
        }
        for area in &notice.areas {
            profile.areas.insert(fold(area), area.clone());
        }
        profile.kind = match notice.kind {
            NoticeKind::Training
            | NoticeKind::Venue
            | NoticeKind::Funding
            | NoticeKind::Volunteering => {
                let word = notice.kind.to_string();
                Some((key_of(&word, wording), word))
            }
            _ => None,
        };
        profile
    }

    /// The profile of a service.
    #[must_use]
    pub fn of_service(service: &Service, wording: &dyn Wording) -> Profile {
        let mut profile = Profile::default();
        profile.read_subject(&service.name, wording);
        profile.read_subject(
            service.alternate_name.as_deref().unwrap_or_default(),
            wording,
        );
        for attribute in service.attributes.iter() {
            let term = attribute.taxonomy_term.as_deref();
            let name = term.and_then(|term| term.name.as_deref());
            let name = name.or(attribute.label.as_deref()).unwrap_or_default();
            // In what form a service comes is not what it is about.
            match attribute.link_type.as_deref().is_some_and(says_how) {
                true => profile.read_text(name, wording),
                false => profile.read_subject(name, wording),
            }
        }
        for text in [
            &service.description,
            &service.interpretation_services,
            &service.eligibility_description,
        ]
        .into_iter()
        .flatten()
        {
            profile.read_text(text, wording);
        }
        // What a description says of a language may be that it is not offered: only the field counts, and what stands
        // in the name.
        profile.languages.clear();
        profile.read_languages_in(&service.name, wording);
        profile.read_languages_in(
            service
                .interpretation_services
                .as_deref()
                .unwrap_or_default(),
            wording,
        );
        for language in service.languages.iter() {
            for name in [&language.name, &language.code, &language.language]
                .into_iter()
                .flatten()
            {
                profile.read_language(name, wording);
            }
        }
        profile.read_areas(&service.service_areas);
        for place in service.service_at_locations.iter() {
            profile.read_areas(&place.service_areas);
            let addresses = place
                .location
                .iter()
                .flat_map(|location| location.addresses.iter());
            for city in addresses.filter_map(|address| address.city.as_ref()) {
                profile.areas.insert(fold(city), city.clone());
            }
        }
        profile
    }

    /// Words to look for in an index, the most telling first: what it is about, with other words for the same, and the
    /// names of its languages.
    #[must_use]
    pub fn search_words(&self, wording: &dyn Wording, most: usize) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut add = |word: &str| {
            if !words.iter().any(|known| known == word) && words.len() < most {
                words.push(word.to_owned());
            }
        };
        let kind = self.kind.iter().map(|(_, word)| word);
        for word in self.subject.values().chain(kind) {
            add(&fold(word));
        }
        for code in &self.languages {
            wording.language_names(code).into_iter().for_each(&mut add);
        }
        for word in self.subject.values() {
            wording.others(&fold(word)).into_iter().for_each(&mut add);
        }
        for word in self.text.values() {
            add(&fold(word));
        }
        words
    }

    fn read_areas(&mut self, areas: &Entities<ServiceArea>) {
        for area in areas.iter() {
            if let Some(name) = area.name.as_ref().or(area.service_area.as_ref()) {
                self.areas.insert(fold(name), name.clone());
            }
        }
    }

    fn read_subject(&mut self, text: &str, wording: &dyn Wording) {
        self.read_languages_in(text, wording);
        read(&mut self.subject, text, wording);
    }

    fn read_text(&mut self, text: &str, wording: &dyn Wording) {
        self.read_languages_in(text, wording);
        read(&mut self.text, text, wording);
    }

    fn read_languages_in(&mut self, text: &str, wording: &dyn Wording) {
        // In running text a code of two letters is more often a word.
        let folded = fold(text);
        let words = folded
            .split(' ')
            .filter(|word| word.chars().count() > 3 || *word == "bsl");
        let named = words
            .take(WORDS_MAX)
            .filter_map(|word| wording.language(word));
        self.languages.extend(named.map(str::to_owned));
    }

    fn read_language(&mut self, name: &str, wording: &dyn Wording) {
        let folded = fold(name);
        let code = wording.language(&folded).map(str::to_owned);
        // `fa-IR`, or "Persian (Farsi)".
        let within = || {
            folded
                .split(' ')
                .find_map(|word| wording.language(word))
                .map(str::to_owned)
        };
        let code = code.or_else(within);
        self.languages.insert(code.unwrap_or(folded));
    }
}

/// Whether a kind of attribute says how a service is given, and not what it is.
pub(super) fn says_how(link_type: &str) -> bool {
    const HOW: &[&str] = &[
        "delivery_format",
        "delivery_model",
        "journey_stage",
        "referral",
        "cost",
        "payer",
    ];
    HOW.contains(&link_type.trim_start_matches("x_"))
}

/// What a word is compared by.
pub(super) fn key_of(word: &str, wording: &dyn Wording) -> String {
    wording.idea(word).map_or_else(|| stem(word), str::to_owned)
}

fn read(into: &mut BTreeMap<String, String>, text: &str, wording: &dyn Wording) {
    for word in fold(text).split(' ').take(WORDS_MAX) {
        let is_number = word.chars().all(|letter| letter.is_ascii_digit());
        let is_word = !is_common(word) && !is_number && word.len() <= WORD_MAX_BYTES;
        if is_word && wording.language(word).is_none() {
            let known = into.entry(key_of(word, wording));
            known.or_insert_with(|| word.to_owned());
        }
    }
}

/// The texts of a field that is a text or a list of texts.
pub(super) fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
