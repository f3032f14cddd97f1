//! Whether something that is offered answers a need, and why.

use std::collections::BTreeMap;

use super::profile::Profile;
use super::words::Wording;
use super::{About, Reason};

/// How much a word in both titles counts; what follows is measured against it.
const IN_BOTH_TITLES: u32 = 100;
/// A word that stands in one title, and in the other's text.
const IN_ONE_TITLE: u32 = 60;
/// A word that stands in both texts.
const IN_TEXTS: u32 = 15;
/// A language that is asked for and offered.
const LANGUAGE: u32 = 100;
/// An area that both name.
const AREA: u32 = 30;
/// What is needed is the kind of thing that the notice is.
const KIND: u32 = 80;
/// Less than this is no match: one word in the text of both is chance.
const LEAST: u32 = 60;
/// Most words that a reason names.
const WORDS_SHOWN: usize = 5;

/// That something may answer a need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// How well. Comparable among the pairings of one need.
    pub score: u32,
    /// Why, the weightiest first, and then what speaks against it.
    pub reasons: Vec<Reason>,
}

/// Whether `offer` may answer `need`; `None` if nothing speaks for it.
#[must_use]
pub fn pair(need: &Profile, offer: &Profile, wording: &dyn Wording) -> Option<Pairing> {
    let mut reasons = Vec::new();
    let mut score = subject(need, offer, &mut reasons);
    let by_kind = offer
        .kind
        .iter()
        .find(|(key, _)| need.subject.contains_key(key) && !offer.subject.contains_key(key));
    if let Some((_, word)) = by_kind {
        score = score.saturating_add(KIND);
        reasons.push(reason(About::Kind, vec![word.clone()]));
    }
    // What speaks of nothing that is needed answers nothing, whatever language it is in.
    if reasons.is_empty() && !(need.subject.is_empty() && need.text.is_empty()) {
        return None;
    }
    if !need.languages.is_empty() {
        let names = |codes: Vec<&String>| {
            let name = |code: &String| {
                let names = wording.language_names(code);
                capital(names.first().copied().unwrap_or(code))
            };
            codes.into_iter().map(name).collect::<Vec<_>>()
        };
        let (offered, missing): (Vec<_>, Vec<_>) = need
            .languages
            .iter()
            .partition(|code| offer.languages.contains(*code));
        if offered.is_empty() {
            score /= 2;
            reasons.push(reason(About::LanguageUnknown, names(missing)));
        } else {
            score = score.saturating_add(LANGUAGE);
            reasons.insert(0, reason(About::Language, names(offered)));
        }
    }
    if !need.areas.is_empty() && !offer.areas.is_empty() {
        let shared = shared_areas(&need.areas, &offer.areas, wording);
        if shared.is_empty() {
            score /= 2;
            let elsewhere = offer.areas.values().take(WORDS_SHOWN).cloned().collect();
            reasons.push(reason(About::Elsewhere, elsewhere));
        } else {
            score = score.saturating_add(AREA);
            reasons.push(reason(About::Area, shared));
        }
    }
    reasons.sort_by_key(|reason| reason.about.is_against());
    (score >= LEAST).then_some(Pairing { score, reasons })
}

fn subject(need: &Profile, offer: &Profile, reasons: &mut Vec<Reason>) -> u32 {
    let mut found: Vec<(u32, String)> = Vec::new();
    let texts = need.text.iter();
    let texts = texts.filter(|(key, _)| !need.subject.contains_key(*key));
    for (key, word) in need.subject.iter().chain(texts) {
        let asked = need.subject.contains_key(key);
        let weight = match (
            asked,
            offer.subject.contains_key(key),
            offer.text.contains_key(key),
        ) {
            (true, true, _) => IN_BOTH_TITLES,
            (true, false, true) | (false, true, _) => IN_ONE_TITLE,
            (false, false, true) => IN_TEXTS,
            (_, false, false) => continue,
        };
        let theirs = offer.subject.get(key).or_else(|| offer.text.get(key));
        let shown = match theirs {
            Some(theirs) if theirs != word => format!("{word} / {theirs}"),
            _ => word.clone(),
        };
        found.push((weight, shown));
    }
    // The longer of two texts has more words in common with anything: only the best few count.
    found.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
    found.truncate(WORDS_SHOWN);
    let score = found.iter().map(|(weight, _)| weight).sum();
    if !found.is_empty() {
        let words = found.into_iter().map(|(_, word)| word).collect();
        reasons.push(reason(About::Subject, words));
    }
    score
}

/// The areas of which one lies within one of the others, as people read the smaller of the two.
pub(super) fn shared_areas(
    ours: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
    wording: &dyn Wording,
) -> Vec<String> {
    let mut shared = Vec::new();
    for (our, our_name) in ours {
        for (their, their_name) in theirs {
            let smaller = match (wording.is_within(our, their), wording.is_within(their, our)) {
                (true, _) => our_name,
                (false, true) => their_name,
                (false, false) => continue,
            };
            if !shared.contains(smaller) && shared.len() < WORDS_SHOWN {
                shared.push(smaller.clone());
            }
        }
    }
    shared
}

pub(super) fn reason(about: About, words: Vec<String>) -> Reason {
    Reason { about, words }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Notice;
    use crate::listing::Service;
    use crate::matching::{Plain, Side};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn notice(kind: &str, title: &str, text: &str, area: &str) -> Notice {
        serde_json::from_value(json!({
            "id": "n", "kind": kind, "title": title, "text": text, "areas": [area], "expires": "2026-12-31",
        }))
        .unwrap()
    }

    fn need(title: &str, text: &str) -> Profile {
        Profile::of_notice(&notice("need", title, text, "London"), &Plain)
    }

    fn service(value: Value) -> Profile {
        let mut value = value;
        value["id"] = json!("s");
        let service: Service = serde_json::from_value(value).unwrap();
        Profile::of_service(&service, &Plain)
    }

    fn offer(kind: &str, title: &str, text: &str, area: &str) -> Profile {
        Profile::of_notice(&notice(kind, title, text, area), &Plain)
    }

    fn scored(need: &Profile, offer: &Profile) -> u32 {
        pair(need, offer, &Plain).map_or(0, |pairing| pairing.score)
    }

    #[test]
    fn a_farsi_speaking_therapist_is_found_among_services_that_list_persian() {
        let need = need(
            "Farsi-speaking therapist",
            "counselling for a client who speaks Farsi",
        );
        for language in [
            json!({"id": "l", "name": "Persian"}),
            json!({"id": "l", "name": "Persian (Farsi)"}),
            json!({"id": "l", "code": "fa"}),
            json!({"id": "l", "language": "Farsi"}),
        ] {
            let one = service(json!({
                "name": "Counselling in Brixton", "languages": [language],
                "service_areas": [{"id": "a", "name": "Lambeth"}],
            }));
            let found = pair(&need, &one, &Plain).unwrap();
            let reasons: Vec<String> = found.reasons.iter().map(Reason::to_string).collect();
            assert_eq!(
                reasons,
                [
                    "offered in Persian",
                    "both speak of therapist / counselling",
                    "both in Lambeth"
                ],
                "{language}"
            );
        }
        let silent = service(json!({"name": "Counselling in Brixton"}));
        let found = pair(&need, &silent, &Plain).unwrap_or_else(|| Pairing {
            score: 0,
            reasons: Vec::new(),
        });
        let persian =
            service(json!({"name": "Counselling", "languages": [{"id": "l", "name": "Persian"}]}));
        assert!(found.score < scored(&need, &persian));
        let gardening =
            service(json!({"name": "Gardening", "languages": [{"id": "l", "name": "Persian"}]}));
        assert_eq!(scored(&need, &gardening), 0);
    }

    #[test]
    fn what_a_description_says_of_a_language_is_not_taken_for_an_offer_of_it() {
        let need = need("Farsi-speaking therapist", "");
        let without =
            service(json!({"name": "Counselling", "description": "We cannot offer Farsi."}));
        let found = pair(&need, &without, &Plain);
        assert!(found.is_none_or(|it| {
            it.reasons
                .iter()
                .any(|it| it.about == About::LanguageUnknown)
        }));
    }

    #[test]
    fn a_need_for_a_venue_meets_a_venue_and_one_with_a_creche_meets_it_better() {
        let plain = need("Venue", "meeting space in different parts of London");
        let creche = need("A room with a crèche", "");
        let hall = offer("venue", "Church hall", "", "Islington");
        let with = offer(
            "offer",
            "Venue with crèche",
            "rooms free on weekday mornings",
            "Lambeth",
        );
        assert!(scored(&plain, &hall) > 0 && scored(&plain, &with) > 0);
        assert!(scored(&creche, &with) > scored(&creche, &hall));
        let kind = pair(
            &plain,
            &offer("venue", "The Old Mill", "", "London"),
            &Plain,
        )
        .unwrap();
        assert_eq!(kind.reasons[0].to_string(), "it is venue");
    }

    #[test]
    fn what_is_elsewhere_is_said_to_be_and_counts_less() {
        let need = need("Debt advice", "");
        let here = offer("offer", "Debt advice", "", "Camden");
        let there = offer("offer", "Debt advice", "", "Leeds");
        assert!(scored(&need, &here) > scored(&need, &there));
        let against = pair(&need, &there, &Plain).unwrap();
        assert_eq!(
            against.reasons.last().unwrap().to_string(),
            "but is about Leeds"
        );
    }

    #[test]
    fn only_what_others_can_use_stands_on_the_side_of_offers() {
        use crate::board::NoticeKind;
        assert_eq!(Side::of(&NoticeKind::Need), Side::Need);
        assert_eq!(Side::of(&NoticeKind::Venue), Side::Offer);
        assert_eq!(Side::of(&NoticeKind::Statement), Side::Neither);
        assert_eq!(Side::of(&NoticeKind::Other("swap".into())), Side::Neither);
    }

    proptest! {
        #[test]
        fn a_pairing_has_a_reason_and_is_the_same_every_time(
            title in ".{0,40}", text in ".{0,80}", other in ".{0,40}", area in ".{0,12}",
        ) {
            let need = need(&title, &text);
            let offer = offer("offer", &other, &text, &area);
            let found = pair(&need, &offer, &Plain);
            prop_assert_eq!(&found, &pair(&need, &offer, &Plain));
            if let Some(found) = found {
                prop_assert!(found.reasons.iter().any(|reason| !reason.about.is_against()));
            }
        }
    }
}
