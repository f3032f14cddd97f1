//! What a listing says, in a form that can be filtered by: [`Facts`].
//!
//! A fact is taken only from what the listing says; where it says nothing, the fact is absent, and each filter
//! decides what absence means ([`crate::filter`]). A strand says little itself: what it leaves out it has from
//! its parent service.

mod extract;
mod hours;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::day::Day;
use crate::filter::lists_of;
use crate::geography::{self, Point};
use crate::vocabulary::Vocabulary;

pub use extract::{PARENT_FIELD, parent_of};
pub use hours::{DAY_MINUTES, Hours, Span};

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Whom it is for.
    People,
    /// What it does.
    Type,
    /// For which stage of the way to work.
    Stage,
    /// Fitted to one person, or the same for all.
    Model,
    /// In which language.
    Language,
    /// Who may send somebody.
    Referral,
    /// One to one, in a group, online …
    Format,
    /// Who pays.
    Payer,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Aspect; 8] = [
        Aspect::People,
        Aspect::Type,
        Aspect::Stage,
        Aspect::Model,
        Aspect::Language,
        Aspect::Referral,
        Aspect::Format,
        Aspect::Payer,
    ];

    /// The word for it in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::People => "for",
            Aspect::Type => "type",
            Aspect::Stage => "stage",
            Aspect::Model => "model",
            Aspect::Language => "language",
            Aspect::Referral => "refer",
            Aspect::Format => "format",
            Aspect::Payer => "payer",
        }
    }

    /// The aspect of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Aspect> {
        Aspect::ALL
            .into_iter()
            .find(|aspect| aspect.as_str() == word)
    }
}

/// What it costs the person who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Nothing, at least for some.
    Free,
    /// Something.
    Paid,
}

/// What a service, an organisation or a notice says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Youngest age, in whole years.
    pub min_age: Option<u32>,
    /// Oldest age, in whole years.
    pub max_age: Option<u32>,
    /// Terms as they are compared, each with how the listing writes it.
    pub terms: BTreeMap<(Aspect, String), String>,
    /// GSS codes of areas that it serves.
    pub serves: BTreeSet<String>,
    /// GSS codes of local authorities in which it takes place.
    pub lies_in: BTreeSet<String>,
    /// Names of areas and places, as they are compared.
    pub places: BTreeSet<String>,
    /// Where it takes place.
    pub points: BTreeSet<Point>,
    /// Whether a point is only the centre of a postcode's first half.
    pub is_rough: bool,
    /// When it is open.
    pub hours: Vec<Hours>,
    /// What it costs.
    pub cost: Option<Cost>,
    /// Whether it says that disabled people can get in.
    pub accessible: Option<bool>,
    /// The day on which somebody last confirmed it.
    pub assured: Option<Day>,
    /// It says that it has ended or is closed.
    pub has_ended: bool,
    /// The last day on which it is shown; notices have one.
    pub expires: Option<Day>,
}

/// What facets call entries that cost nothing.
const FREE: &str = "free";

impl Facts {
    /// What the entry is counted under: the group (an aspect, `area` or `cost`), and the name in it as people read it.
    #[must_use]
    pub fn facets(&self) -> BTreeSet<(&'static str, String)> {
        let vocabulary = Vocabulary::built_in();
        let mut facets = BTreeSet::new();
        for ((aspect, name), shown) in &self.terms {
            let known = vocabulary.find(lists_of(*aspect), name);
            let label = known.first().map_or(shown, |term| &term.name);
            facets.insert((aspect.as_str(), label.clone()));
        }
        for code in self.serves.iter().chain(&self.lies_in) {
            let area = geography::area(code);
            facets.extend(area.map(|area| ("area", area.name.clone())));
        }
        if self.cost == Some(Cost::Free) {
            facets.insert(("cost", FREE.to_owned()));
        }
        facets
    }

    /// The terms of one aspect, as they are compared.
    pub fn terms_of(&self, aspect: Aspect) -> impl Iterator<Item = &str> {
        let terms = self.terms.keys().filter(move |(of, _)| *of == aspect);
        terms.map(|(_, name)| name.as_str())
    }
}
