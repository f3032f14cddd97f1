//! How alike two organisations are: whom they serve, what they do, and where.

use std::collections::BTreeMap;

use super::need::{reason, shared_areas};
use super::profile::{Profile, WORD_MAX_BYTES, key_of, says_how, texts};
use super::words::{Wording, fold, is_common};
use super::{About, Reason};
use crate::listing::{Listing, Service};

/// What the work counts for, in thousandths.
const WORK: u32 = 600;
/// What the people served count for.
const PEOPLE: u32 = 300;
/// What the area counts for.
const AREA: u32 = 100;
/// Less than this is no likeness.
const LEAST: u32 = 60;
/// Most words that a reason names.
const WORDS_SHOWN: usize = 5;
/// Kinds of attribute that say whom a service is for.
const FOR_WHOM: &[&str] = &[
    "eligibility",
    "eligibility_description",
    "audience",
    "target_group",
];

/// What an organisation does, for whom and where, weighed alike however many services it lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrgProfile {
    /// What it does: in how many of its services.
    work: BTreeMap<String, (u32, String)>,
    /// Whom it serves.
    people: BTreeMap<String, (u32, String)>,
    areas: BTreeMap<String, String>,
}

/// How alike two organisations are, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// From 0, nothing in common, to 1000.
    pub score: u32,
    /// In what, the weightiest first.
    pub reasons: Vec<Reason>,
    /// Whether they work in the same area.
    pub near: bool,
}

impl OrgProfile {
    /// The profile of an organisation by its listing.
    #[must_use]
    pub fn of(listing: &Listing, wording: &dyn Wording) -> OrgProfile {
        let mut profile = OrgProfile::default();
        for service in listing.services.iter() {
            let of_service = Profile::of_service(service, wording);
            profile.areas.extend(of_service.areas);
            for word in people_of(service) {
                add(&mut profile.people, key_of(&fold(&word), wording), &word);
            }
            // What it is filed under says best what it is; where nobody has filed it, its name must do.
            let terms = terms_of(service);
            for term in &terms {
                add(&mut profile.work, key_of(&fold(term), wording), term);
            }
            let words = of_service.subject.into_iter();
            for (key, word) in words.filter(|_| terms.is_empty()) {
                if !profile.people.contains_key(&key) {
                    add(&mut profile.work, key, &word);
                }
            }
        }
        for location in listing.organization.locations.iter() {
            for city in location
                .addresses
                .iter()
                .filter_map(|address| address.city.as_ref())
            {
                profile.areas.insert(fold(city), city.clone());
            }
        }
        profile
    }

    /// Whether it works in one of some areas: also if they are none, which means everywhere, or if it does not say where
    /// it works.
    #[must_use]
    pub fn works_in(&self, areas: &[String], wording: &dyn Wording) -> bool {
        let areas: BTreeMap<String, String> = areas
            .iter()
            .map(|area| (fold(area), area.clone()))
            .collect();
        areas.is_empty()
            || self.areas.is_empty()
            || !shared_areas(&self.areas, &areas, wording).is_empty()
    }

    /// Words and short terms to look for in an index, the most frequent first.
    #[must_use]
    pub fn search_words(&self, most: usize) -> Vec<String> {
        let mut words: Vec<&(u32, String)> =
            self.work.values().chain(self.people.values()).collect();
        words.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
        words.retain(|(_, word)| word.len() <= WORD_MAX_BYTES);
        words
            .into_iter()
            .take(most)
            .map(|(_, word)| word.clone())
            .collect()
    }
}

fn add(into: &mut BTreeMap<String, (u32, String)>, key: String, word: &str) {
    if key.is_empty() || is_common(&key) {
        return;
    }
    let entry = into.entry(key).or_insert_with(|| (0, word.to_owned()));
    entry.0 = entry.0.saturating_add(1);
}

/// Whom a service is for, by the terms that say so.
fn people_of(service: &Service) -> Vec<String> {
    let attributes = service.attributes.iter();
    let named = attributes.filter(|attribute| {
        let kind = attribute.link_type.as_deref();
        kind.is_some_and(|kind| FOR_WHOM.contains(&kind))
    });
    let named = named.filter_map(|attribute| {
        let term = attribute.taxonomy_term.as_deref()?;
        term.name.clone()
    });
    let extensions = texts(service.extra.get("x_eligibility")).into_iter();
    named.chain(extensions.map(str::to_owned)).collect()
}

/// What a service is filed under, whole terms but for those that say whom it is for.
fn terms_of(service: &Service) -> Vec<String> {
    let attributes = service.attributes.iter();
    let others = attributes.filter(|attribute| {
        let kind = attribute.link_type.as_deref();
        !kind.is_some_and(|kind| FOR_WHOM.contains(&kind) || says_how(kind))
    });
    let names = others.filter_map(|attribute| attribute.taxonomy_term.as_deref()?.name.clone());
    names.collect()
}

/// How alike two organisations are; `None` if they have next to nothing in common.
#[must_use]
pub fn alike(ours: &OrgProfile, theirs: &OrgProfile, wording: &dyn Wording) -> Option<Likeness> {
    let (work, work_words) = overlap(&ours.work, &theirs.work);
    let (people, people_words) = overlap(&ours.people, &theirs.people);
    let shared = shared_areas(&ours.areas, &theirs.areas, wording);
    let near = !shared.is_empty();
    let mut score = (work * WORK + people * PEOPLE) / 1000;
    // An area in common makes nobody alike, but the more so who already are.
    if score >= LEAST && near {
        score = score.saturating_add(AREA);
    }
    let mut reasons = Vec::new();
    for (about, words) in [
        (About::Work, work_words),
        (About::People, people_words),
        (About::Area, shared),
    ] {
        if !words.is_empty() {
            reasons.push(reason(about, words));
        }
    }
    (score >= LEAST).then_some(Likeness {
        score,
        reasons,
        near,
    })
}

/// How much of two sets of words is in common, in thousandths: the cosine of their shares, so that a long listing
/// is not more like everybody than a short one.
fn overlap(
    ours: &BTreeMap<String, (u32, String)>,
    theirs: &BTreeMap<String, (u32, String)>,
) -> (u32, Vec<String>) {
    let square = |set: &BTreeMap<String, (u32, String)>| -> u64 {
        let counts = set.values().map(|(count, _)| u64::from(*count));
        counts
            .map(|count| count.saturating_mul(count))
            .fold(0, u64::saturating_add)
    };
    let mut shared: Vec<(u64, &String)> = Vec::new();
    for (key, (count, word)) in ours {
        if let Some((other, _)) = theirs.get(key) {
            shared.push((u64::from(*count).saturating_mul(u64::from(*other)), word));
        }
    }
    let product: u64 = shared
        .iter()
        .map(|(product, _)| *product)
        .fold(0, u64::saturating_add);
    let length = square(ours).saturating_mul(square(theirs)).isqrt();
    let share = product
        .saturating_mul(1000)
        .checked_div(length)
        .unwrap_or(0);
    shared.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
    let words = shared.into_iter().take(WORDS_SHOWN);
    (
        u32::try_from(share.min(1000)).unwrap_or(1000),
        words.map(|(_, word)| word.clone()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Plain;
    use proptest::prelude::*;
    use serde_json::json;

    fn profile(services: &[(&str, &str, &str)]) -> OrgProfile {
        let services: Vec<_> = services
            .iter()
            .enumerate()
            .map(|(at, (name, whom, area))| {
                json!({
                    "id": format!("s{at}"), "name": name,
                    "service_areas": [{"id": "a", "name": area}],
                    "attributes": [{"id": "w", "link_type": "eligibility",
                        "taxonomy_term": {"id": "t", "name": whom}}],
                })
            })
            .collect();
        let listing: Listing = serde_json::from_value(json!({
            "organization": {"id": "o", "name": "O"}, "services": services,
        }))
        .unwrap_or_else(|_| Listing {
            organization: serde_json::from_value(json!({"id": "o", "name": "O"})).unwrap(),
            services: serde_json::from_value(json!(services)).unwrap(),
        });
        OrgProfile::of(&listing, &Plain)
    }

    #[test]
    fn those_who_do_the_same_for_the_same_people_are_alike() {
        let ours = profile(&[
            ("Debt advice", "women", "Lambeth"),
            ("Benefits check", "women", "Lambeth"),
        ]);
        let twin = profile(&[("Advice on debts", "women", "Southwark")]);
        let near = profile(&[("Advice on debts", "women", "Lambeth")]);
        let other = profile(&[("Allotment club", "older people", "Lambeth")]);
        let likeness = alike(&ours, &twin, &Plain).unwrap();
        assert!(!likeness.near);
        let reasons: Vec<String> = likeness.reasons.iter().map(Reason::to_string).collect();
        assert_eq!(reasons, ["both do advice, debt", "both serve women"]);
        let nearer = alike(&ours, &near, &Plain).unwrap();
        assert!(nearer.near && nearer.score > likeness.score);
        assert_eq!(alike(&ours, &other, &Plain), None);
    }

    #[test]
    fn an_area_concerns_those_who_work_there_or_do_not_say_where() {
        let ours = profile(&[("Debt advice", "women", "Lambeth")]);
        let works_in = |profile: &OrgProfile, areas: &[&str]| {
            let areas: Vec<String> = areas.iter().map(|area| (*area).to_owned()).collect();
            profile.works_in(&areas, &Plain)
        };
        assert!(works_in(&ours, &["Leeds", "London"]) && works_in(&ours, &[]));
        assert!(!works_in(&ours, &["Leeds"]));
        assert!(works_in(&OrgProfile::default(), &["Leeds"]));
    }

    #[test]
    fn how_a_service_is_given_makes_nobody_alike() {
        let of = |name: &str, whole: &str| {
            let services = json!([{"id": "s", "name": name, "attributes": [
                {"id": "a", "link_type": "delivery_format", "taxonomy_term": {"id": "t", "name": "online"}},
                {"id": "b", "link_type": "service_type", "taxonomy_term": {"id": "u", "name": whole}}]}]);
            let listing = Listing {
                organization: serde_json::from_value(json!({"id": "o", "name": "O"})).unwrap(),
                services: serde_json::from_value(services).unwrap(),
            };
            OrgProfile::of(&listing, &Plain)
        };
        assert_eq!(
            alike(&of("a", "Housing"), &of("b", "Gardening"), &Plain),
            None
        );
        let same = alike(&of("a", "Housing"), &of("b", "Accommodation"), &Plain).unwrap();
        assert_eq!(same.reasons[0].to_string(), "both do Housing");
    }

    #[test]
    fn a_long_listing_is_no_more_alike_than_a_short_one() {
        let ours = profile(&[("Debt advice", "women", "Lambeth")]);
        let short = profile(&[("Debt advice", "women", "Leeds")]);
        let long: Vec<_> = (0..50).map(|_| ("Debt advice", "women", "Leeds")).collect();
        let score = |theirs: &OrgProfile| alike(&ours, theirs, &Plain).unwrap().score;
        assert_eq!(score(&short), score(&profile(&long)));
    }

    proptest! {
        #[test]
        fn likeness_is_mutual_and_bounded(
            one in prop::collection::vec(("[a-e]{3}", "[a-c]{3}"), 0..6),
            other in prop::collection::vec(("[a-e]{3}", "[a-c]{3}"), 0..6),
        ) {
            let of = |list: &[(String, String)]| {
                let list: Vec<_> = list.iter().map(|(name, whom)| (name.as_str(), whom.as_str(), "Leeds")).collect();
                profile(&list)
            };
            let (one, other) = (of(&one), of(&other));
            let there = alike(&one, &other, &Plain).map(|likeness| likeness.score);
            let back = alike(&other, &one, &Plain).map(|likeness| likeness.score);
            prop_assert_eq!(there, back);
            prop_assert!(there.unwrap_or(0) <= 1000);
        }
    }
}
