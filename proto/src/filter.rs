//! Filters of a search: each a pure rule over what a listing says ([`Facts`]).
//!
//! An index finds the same by keys and numbers ([`Facts::keys`], [`Filter::keys`]); a test compares the two over
//! real listings. What a listing does not say decides nobody's fate silently: [`Filter::judge`] tells "says no"
//! from "does not say", and only age, and English, pass without a word.

mod asked;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::day::Day;
use crate::geography::{self, Place, Point};
use crate::listing::facts::{Aspect, Cost, Facts, Span};
use crate::vocabulary::{List, Sought, Vocabulary};
use crate::words::fold;

pub use asked::{AskError, Asked, Now, days_of, filters};

/// For how many weeks "on Mondays" looks ahead: long enough for whatever happens once a month.
const WEEKS_AHEAD: i32 = 5;

/// One condition of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// It takes place within a distance of a point; or, where it says no place, it serves that area.
    Near {
        /// From where.
        point: Point,
        /// How far, in metres.
        within_m: u32,
        /// The local authority there, and what that lies in, as GSS codes.
        areas: BTreeSet<String>,
    },
    /// It serves an area, or takes place in it.
    Area(SoughtArea),
    /// It takes people of this age, in years; passes where no age is said.
    Age(u32),
    /// It is filed under a term.
    Term {
        /// What the term is about.
        aspect: Aspect,
        /// The term.
        sought: Sought,
        /// Whether it passes where nothing is said.
        unsaid_passes: bool,
    },
    /// It costs nothing.
    Free,
    /// It is open on one of these days.
    Open {
        /// The days.
        days: Vec<Day>,
        /// During this part of the day; none for any hour.
        span: Option<Span>,
    },
    /// It says that disabled people can get in.
    Accessible,
    /// It was confirmed on this day or later.
    Fresh(Day),
}

/// An area that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoughtArea {
    /// Its name, or the text that was asked for.
    pub label: String,
    /// Its GSS code, where it is known.
    pub code: Option<String>,
    /// The codes of what it lies in.
    pub wider: Vec<String>,
    /// The name as it is compared.
    pub name: String,
}

impl SoughtArea {
    /// The area of a name or GSS code. One that is not known is looked for by its name alone.
    #[must_use]
    pub fn of(text: &str) -> SoughtArea {
        let area = geography::area(text);
        let label = area.map_or(text.trim(), |area| &area.name);
        SoughtArea {
            label: label.to_owned(),
            code: area.map(|area| area.code.clone()),
            wider: area.map_or_else(Vec::new, |area| {
                geography::lies_in(&area.code)
                    .into_iter()
                    .map(str::to_owned)
                    .collect()
            }),
            name: fold(label),
        }
    }
}

/// What a filter makes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The entry says that it fits, and how.
    Yes(String),
    /// The entry says nothing about it. Whether that passes.
    Unsaid(bool),
    /// The entry says otherwise.
    No,
}

impl Verdict {
    /// Whether the entry is a result.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Verdict::Yes(_) | Verdict::Unsaid(true))
    }
}

/// The letter that stands before the terms of an aspect in the index.
fn letter(aspect: Aspect) -> char {
    match aspect {
        Aspect::People => 'p',
        Aspect::Type => 't',
        Aspect::Stage => 's',
        Aspect::Model => 'm',
        Aspect::Language => 'l',
        Aspect::Referral => 'r',
        Aspect::Format => 'f',
        Aspect::Payer => 'y',
    }
}

/// The lists in which the terms of an aspect stand.
#[must_use]
pub fn lists_of(aspect: Aspect) -> &'static [List] {
    match aspect {
        Aspect::People => &[List::People],
        Aspect::Type => List::TYPES,
        Aspect::Stage => &[List::Stage],
        Aspect::Model => &[List::Model],
        Aspect::Language => &[List::Language],
        Aspect::Referral => &[List::Referral],
        Aspect::Format => &[List::Format],
        Aspect::Payer => &[List::Payer],
    }
}

const KEY_FREE: &str = "$free";
const KEY_ACCESSIBLE: &str = "$accessible";
const KEY_NO_LANGUAGE: &str = "$no language";

impl Facts {
    /// What an index finds the entry by. An entry has a key of [`Filter::keys`] exactly when the filter passes.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for (aspect, name) in self.terms.keys() {
            keys.insert(format!("{}{name}", letter(*aspect)));
        }
        if self.terms_of(Aspect::Language).next().is_none() {
            keys.insert(KEY_NO_LANGUAGE.to_owned());
        }
        for code in &self.serves {
            keys.insert(format!("A{code}"));
            if self.points.is_empty() {
                keys.insert(format!("V{code}"));
            }
        }
        keys.extend(self.lies_in.iter().map(|code| format!("I{code}")));
        for code in self.serves.iter().chain(&self.lies_in) {
            let wider = geography::lies_in(code).into_iter();
            keys.extend(wider.map(|code| format!("W{code}")));
        }
        keys.extend(self.places.iter().map(|name| format!("N{name}")));
        if self.cost == Some(Cost::Free) {
            keys.insert(KEY_FREE.to_owned());
        }
        if self.accessible == Some(true) {
            keys.insert(KEY_ACCESSIBLE.to_owned());
        }
        keys
    }

    /// How far its nearest place is from a point, in metres.
    #[must_use]
    pub fn distance_m(&self, point: Point) -> Option<u32> {
        self.points
            .iter()
            .map(|place| place.distance_m(point))
            .min()
    }
}

impl Filter {
    /// Near a place.
    #[must_use]
    pub fn near(place: &Place, within_m: u32) -> Filter {
        let authority = place.authority.iter();
        let wider = authority.clone().flat_map(|code| geography::lies_in(code));
        Filter::Near {
            point: place.point,
            within_m,
            areas: wider
                .map(str::to_owned)
                .chain(authority.clone().cloned())
                .collect(),
        }
    }

    /// Filed under a term of a vocabulary. A listing that names no language is taken for English.
    #[must_use]
    pub fn term(vocabulary: &Vocabulary, aspect: Aspect, text: &str) -> Filter {
        let sought = vocabulary.sought(lists_of(aspect), text);
        let unsaid_passes = aspect == Aspect::Language && sought.names.contains("en");
        Filter::Term {
            aspect,
            sought,
            unsaid_passes,
        }
    }

    /// Open on a weekday (Monday 0), regularly: on one of the next five.
    #[must_use]
    pub fn on_weekday(weekday: u8, today: Day, span: Option<Span>) -> Filter {
        let ahead = (i32::from(weekday) - i32::from(today.weekday())).rem_euclid(7);
        Filter::Open {
            days: (0..WEEKS_AHEAD)
                .map(|week| today.plus(ahead + 7 * week))
                .collect(),
            span,
        }
    }

    /// The keys of which an entry must have one; `None` for filters that compare numbers. [`Filter::Near`] is passed
    /// by those keys as well as by a point.
    #[must_use]
    pub fn keys(&self) -> Option<Vec<String>> {
        match self {
            Filter::Near { areas, .. } => {
                Some(areas.iter().map(|code| format!("V{code}")).collect())
            }
            Filter::Area(area) => {
                let code = area.code.iter();
                let here =
                    code.flat_map(|code| ["A", "I", "W"].map(|kind| format!("{kind}{code}")));
                let wider = area.wider.iter().map(|code| format!("A{code}"));
                Some(
                    here.chain(wider)
                        .chain([format!("N{}", area.name)])
                        .collect(),
                )
            }
            Filter::Term {
                aspect,
                sought,
                unsaid_passes,
            } => {
                let names = sought
                    .names
                    .iter()
                    .map(|name| format!("{}{name}", letter(*aspect)));
                let unsaid = unsaid_passes.then(|| KEY_NO_LANGUAGE.to_owned());
                Some(names.chain(unsaid).collect())
            }
            Filter::Free => Some(vec![KEY_FREE.to_owned()]),
            Filter::Accessible => Some(vec![KEY_ACCESSIBLE.to_owned()]),
            Filter::Age(_) | Filter::Open { .. } | Filter::Fresh(_) => None,
        }
    }

    /// Whether the filter asks for something that only services say: it leaves out organisations and notices.
    #[must_use]
    pub fn is_about_services(&self) -> bool {
        match self {
            Filter::Near { .. } | Filter::Area(_) => false,
            Filter::Term { aspect, .. } => *aspect != Aspect::Language,
            _ => true,
        }
    }

    /// Whether an entry fits, and what it says to that.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Verdict {
        match self {
            Filter::Near {
                point,
                within_m,
                areas,
            } => near(facts, *point, *within_m, areas),
            Filter::Area(area) => in_area(facts, area),
            Filter::Age(age) => of_age(facts, *age),
            Filter::Term {
                aspect,
                sought,
                unsaid_passes,
            } => {
                let mut terms = facts
                    .terms
                    .iter()
                    .filter(|((of, _), _)| of == aspect)
                    .peekable();
                if terms.peek().is_none() {
                    return Verdict::Unsaid(*unsaid_passes);
                }
                let found = terms.find(|((_, name), _)| sought.names.contains(name));
                found.map_or(Verdict::No, |(_, shown)| {
                    Verdict::Yes(format!("says {shown:?}"))
                })
            }
            Filter::Free => match facts.cost {
                Some(Cost::Free) => Verdict::Yes("costs nothing, at least for some".to_owned()),
                Some(Cost::Paid) => Verdict::No,
                None => Verdict::Unsaid(false),
            },
            Filter::Open { days, span } => open(facts, days, *span),
            Filter::Accessible => match facts.accessible {
                Some(true) => Verdict::Yes("says that people can get in".to_owned()),
                Some(false) => Verdict::No,
                None => Verdict::Unsaid(false),
            },
            Filter::Fresh(since) => match facts.assured {
                Some(day) if day >= *since => Verdict::Yes(format!("confirmed on {day}")),
                Some(_) => Verdict::No,
                None => Verdict::Unsaid(false),
            },
        }
    }
}

fn near(facts: &Facts, point: Point, within_m: u32, areas: &BTreeSet<String>) -> Verdict {
    match facts.distance_m(point) {
        Some(distance_m) if distance_m <= within_m => {
            Verdict::Yes(format!("{} away", kilometres(distance_m)))
        }
        Some(_) => Verdict::No,
        None => match facts.serves.iter().find(|code| areas.contains(*code)) {
            Some(code) => {
                let name = geography::area(code).map_or(code.as_str(), |area| &area.name);
                Verdict::Yes(format!("names no place, and serves {name}"))
            }
            None if facts.serves.is_empty() => Verdict::Unsaid(false),
            None => Verdict::No,
        },
    }
}

/// A distance for people: metres below one kilometre, else kilometres with one decimal.
#[must_use]
pub fn kilometres(distance_m: u32) -> String {
    match distance_m {
        0..1_000 => format!("{distance_m} m"),
        _ => format!("{}.{} km", distance_m / 1_000, distance_m % 1_000 / 100),
    }
}

fn in_area(facts: &Facts, area: &SoughtArea) -> Verdict {
    let named =
        |code: &str| geography::area(code).map_or(code.to_owned(), |area| area.name.clone());
    if facts.serves.is_empty() && facts.lies_in.is_empty() && facts.places.is_empty() {
        return Verdict::Unsaid(false);
    }
    let is_within = |code: &String| {
        area.code
            .as_deref()
            .is_some_and(|wanted| code == wanted || geography::lies_in(code).contains(&wanted))
    };
    if let Some(code) = facts.lies_in.iter().find(|code| is_within(code)) {
        return Verdict::Yes(format!("takes place in {}", named(code)));
    }
    let serves = |code: &&String| is_within(code) || area.wider.contains(code);
    if let Some(code) = facts.serves.iter().find(serves) {
        return Verdict::Yes(format!("serves {}", named(code)));
    }
    match facts.places.contains(&area.name) {
        true => Verdict::Yes(format!("names {}", area.label)),
        false => Verdict::No,
    }
}

fn of_age(facts: &Facts, age: u32) -> Verdict {
    let fits =
        facts.min_age.is_none_or(|min| min <= age) && facts.max_age.is_none_or(|max| age <= max);
    match (facts.min_age, facts.max_age) {
        (None, None) => Verdict::Unsaid(true),
        _ if !fits => Verdict::No,
        (Some(min), Some(max)) => Verdict::Yes(format!("for people of {min} to {max}")),
        (Some(min), None) => Verdict::Yes(format!("for people of {min} and over")),
        (None, Some(max)) => Verdict::Yes(format!("for people up to {max}")),
    }
}

fn open(facts: &Facts, days: &[Day], span: Option<Span>) -> Verdict {
    if facts.hours.is_empty() {
        return Verdict::Unsaid(false);
    }
    let found = days.iter().find(|day| is_open(facts, **day, span));
    found.map_or(Verdict::No, |day| Verdict::Yes(format!("open on {day}")))
}

fn is_open(facts: &Facts, day: Day, span: Option<Span>) -> bool {
    facts.hours.iter().any(|hours| match span {
        Some(span) => hours.is_on_during(day, span),
        None => hours.is_on(day),
    })
}
