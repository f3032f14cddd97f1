//! Entries of different organisations that are probably about the same thing.
//!
//! They are shown to people with the reasons, and never merged: each belongs to whoever says it. Comparing all with
//! all would take for ever, so only entries are compared that share a **key**: a number in a register, a phone, a web address, or
//! two of the rarer words of their names. A key that very many share (the phone of a council) tells nothing and is not used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{Organization, Service};
use super::source::ORIGINAL_ORGANIZATION;

/// A key that more entries share is not used.
const KEY_MAX_ENTRIES: usize = 64;
/// Most pairs that are given.
pub const PAIRS_MAX: usize = 5_000;
/// From this on a pair is given.
const SCORE_MIN: u32 = 60;

/// Words of which names are full, and which tell nothing.
const COMMON: &[&str] = &[
    "the",
    "and",
    "of",
    "for",
    "in",
    "at",
    "a",
    "an",
    "to",
    "on",
    "with",
    "ltd",
    "limited",
    "cic",
    "cio",
    "charity",
    "trust",
    "foundation",
    "uk",
    "service",
    "services",
    "group",
    "project",
    "centre",
    "center",
    "association",
    "society",
    "community",
    "support",
];

/// What is compared of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The organisation that says it (any text that names it).
    pub org: String,
    /// Id of the service; empty for the organisation itself.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Register and number, as in `GB-CHC-1234567`.
    pub identifiers: BTreeSet<String>,
    /// Postcodes without spaces, in capitals.
    pub postcodes: BTreeSet<String>,
    /// Digits of its phones, from the first that is not zero; without the country.
    pub phones: BTreeSet<String>,
    /// Hosts of its websites, without `www`.
    pub hosts: BTreeSet<String>,
}

/// Why two entries are taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The same number in the same register.
    Identifier,
    /// The same name, but for case, punctuation and words such as "Ltd".
    SameName,
    /// Nearly the same name.
    SimilarName,
    /// The same postcode.
    Postcode,
    /// The same phone number.
    Phone,
    /// The same website.
    Website,
}

impl Reason {
    /// In plain words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Reason::Identifier => "same number in a register",
            Reason::SameName => "same name",
            Reason::SimilarName => "similar name",
            Reason::Postcode => "same postcode",
            Reason::Phone => "same phone",
            Reason::Website => "same website",
        }
    }

    fn weight(self) -> u32 {
        match self {
            Reason::Identifier => 100,
            Reason::SameName => 70,
            Reason::SimilarName => 40,
            Reason::Phone => 35,
            Reason::Postcode => 25,
            Reason::Website => 20,
        }
    }
}

/// Two entries that are probably about the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Numbers of the two in what was compared, the lower first.
    pub entries: (usize, usize),
    /// Why.
    pub reasons: Vec<Reason>,
    /// How sure that is, 60 to 100.
    pub score: u32,
}

/// Pairs of entries of different organisations, the surest first; also how many were left out because there were
/// more than [`PAIRS_MAX`].
#[must_use]
pub fn pairs(subjects: &[Subject]) -> (Vec<Pair>, usize) {
    let names: Vec<String> = subjects
        .iter()
        .map(|subject| plain_name(&subject.name))
        .collect();
    let mut keys: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, (subject, name)) in subjects.iter().zip(&names).enumerate() {
        for key in keys_of(subject, name) {
            keys.entry(key).or_default().push(index);
        }
    }
    let mut compared = BTreeSet::new();
    let mut found = Vec::new();
    for entries in keys
        .into_values()
        .filter(|entries| (2..=KEY_MAX_ENTRIES).contains(&entries.len()))
    {
        for (place, one) in entries.iter().enumerate() {
            for two in entries.iter().skip(place.saturating_add(1)) {
                if one != two && compared.insert((*one, *two)) {
                    found.extend(compare(subjects, &names, *one, *two));
                }
            }
        }
    }
    found.sort_by(|a, b| {
        b.score
            .cmp(&a.score)
            .then_with(|| a.entries.cmp(&b.entries))
    });
    let over = found.len().saturating_sub(PAIRS_MAX);
    found.truncate(PAIRS_MAX);
    (found, over)
}

fn compare(subjects: &[Subject], names: &[String], one: usize, two: usize) -> Option<Pair> {
    let (a, b) = (subjects.get(one)?, subjects.get(two)?);
    if a.org == b.org {
        return None;
    }
    let share = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).next().is_some();
    let (name_a, name_b) = (names.get(one)?, names.get(two)?);
    let mut reasons = Vec::new();
    if share(&a.identifiers, &b.identifiers) {
        reasons.push(Reason::Identifier);
    }
    match similarity(name_a, name_b) {
        100 => reasons.push(Reason::SameName),
        75.. => reasons.push(Reason::SimilarName),
        _ => {}
    }
    for (reason, a, b) in [
        (Reason::Postcode, &a.postcodes, &b.postcodes),
        (Reason::Phone, &a.phones, &b.phones),
        (Reason::Website, &a.hosts, &b.hosts),
    ] {
        if share(a, b) {
            reasons.push(reason);
        }
    }
    let score = reasons
        .iter()
        .map(|reason| reason.weight())
        .sum::<u32>()
        .min(100);
    // What one address or one number shares may still be two things: some name must speak for it, or two of them.
    (score >= SCORE_MIN).then_some(Pair {
        entries: (one.min(two), one.max(two)),
        reasons,
        score,
    })
}

fn keys_of(subject: &Subject, name: &str) -> Vec<String> {
    let with = |kind: &str, texts: &BTreeSet<String>| {
        texts
            .iter()
            .map(|text| format!("{kind}:{text}"))
            .collect::<Vec<_>>()
    };
    let mut keys = [
        with("i", &subject.identifiers),
        with("p", &subject.phones),
        with("h", &subject.hosts),
    ]
    .concat();
    if !name.is_empty() {
        keys.push(format!("n:{name}"));
    }
    let words: BTreeSet<&str> = name.split(' ').filter(|word| !word.is_empty()).collect();
    let words: Vec<&str> = words.into_iter().take(8).collect();
    for (place, one) in words.iter().enumerate() {
        for two in words.iter().skip(place.saturating_add(1)) {
            keys.push(format!("w:{one} {two}"));
        }
        // A name of one word, or a place with it.
        keys.extend(
            subject
                .postcodes
                .iter()
                .map(|postcode| format!("c:{postcode} {one}")),
        );
    }
    keys
}

/// A name in lower case, without punctuation and without the words that names are full of.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let lower: String = name
        .to_lowercase()
        .replace(['\'', '’', '.'], "")
        .replace('&', " and ")
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                ' '
            }
        })
        .collect();
    let all: Vec<&str> = lower.split_whitespace().collect();
    let telling: Vec<&str> = all
        .iter()
        .copied()
        .filter(|word| !COMMON.contains(word))
        .collect();
    if telling.is_empty() {
        all.join(" ")
    } else {
        telling.join(" ")
    }
}

/// How alike two plain names are, in percent: by the pairs of letters that both have.
fn similarity(one: &str, two: &str) -> usize {
    if one.is_empty() || two.is_empty() {
        return 0;
    }
    if one == two {
        return 100;
    }
    let pairs = |text: &str| {
        let mut counts: BTreeMap<(char, char), usize> = BTreeMap::new();
        let letters: Vec<char> = text
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .take(256)
            .collect();
        for pair in letters.windows(2) {
            if let [first, second] = pair {
                let count = counts.entry((*first, *second)).or_default();
                *count = count.saturating_add(1);
            }
        }
        counts
    };
    let (one, two) = (pairs(one), pairs(two));
    let shared: usize = one
        .iter()
        .map(|(pair, count)| (*count).min(two.get(pair).copied().unwrap_or(0)))
        .sum();
    let all = one
        .values()
        .sum::<usize>()
        .saturating_add(two.values().sum::<usize>());
    shared
        .saturating_mul(200)
        .checked_div(all)
        .unwrap_or(0)
        .min(99)
}

impl Subject {
    /// What is compared of an organisation. `identifiers` of its card, as in `GB-CHC-1234567`, go with those of its listing.
    #[must_use]
    pub fn of_organization<I: IntoIterator<Item = String>>(
        org: &str,
        organization: &Organization,
        identifiers: I,
    ) -> Subject {
        let mut subject = Subject {
            org: org.to_owned(),
            name: organization.name.clone(),
            ..Subject::default()
        };
        subject.identifiers.extend(
            identifiers
                .into_iter()
                .map(|identifier| identifier.to_uppercase()),
        );
        for identifier in &organization.organization_identifiers {
            subject.identifier(
                identifier.identifier_scheme.as_deref(),
                identifier.identifier.as_deref(),
            );
        }
        subject.phones.extend(
            organization
                .phones
                .iter()
                .filter_map(|phone| digits(&phone.number)),
        );
        subject
            .hosts
            .extend(organization.website.as_deref().and_then(host));
        let addresses = organization
            .locations
            .iter()
            .flat_map(|location| &location.addresses);
        subject.postcodes.extend(
            addresses
                .filter_map(|address| address.postal_code.as_deref())
                .filter_map(folded_postcode),
        );
        subject
    }

    /// What is compared of a service.
    #[must_use]
    pub fn of_service(org: &str, service: &Service) -> Subject {
        let mut subject = Subject {
            org: org.to_owned(),
            id: service.id.clone(),
            name: service.name.clone(),
            ..Subject::default()
        };
        if let Some(Value::Object(of)) = service.extra.get(ORIGINAL_ORGANIZATION) {
            for identifier in of
                .get("organization_identifiers")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let text = |field: &str| identifier.get(field).and_then(Value::as_str);
                subject.identifier(text("identifier_scheme"), text("identifier"));
            }
            subject
                .hosts
                .extend(of.get("website").and_then(Value::as_str).and_then(host));
        }
        let places = service.service_at_locations.iter();
        let locations = places.clone().filter_map(|place| place.location.as_ref());
        let there = places
            .flat_map(|place| &place.phones)
            .chain(locations.clone().flat_map(|location| &location.phones));
        let contacts = service.contacts.iter().flat_map(|contact| &contact.phones);
        let phones = service.phones.iter().chain(there).chain(contacts);
        subject
            .phones
            .extend(phones.filter_map(|phone| digits(&phone.number)));
        subject.hosts.extend(service.url.as_deref().and_then(host));
        let addresses = locations.flat_map(|location| &location.addresses);
        subject.postcodes.extend(
            addresses
                .filter_map(|address| address.postal_code.as_deref())
                .filter_map(folded_postcode),
        );
        subject
    }

    fn identifier(&mut self, scheme: Option<&str>, number: Option<&str>) {
        if let (Some(scheme), Some(number)) = (scheme, number) {
            let number: String = number
                .chars()
                .filter(|letter| letter.is_alphanumeric())
                .collect();
            let number = number.trim_start_matches('0');
            if !number.is_empty() {
                self.identifiers
                    .insert(format!("{}-{number}", scheme.trim()).to_uppercase());
            }
        }
    }
}

fn digits(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let national = digits
        .strip_prefix("0044")
        .or_else(|| digits.strip_prefix("44"))
        .unwrap_or(&digits);
    let national = national.trim_start_matches('0');
    (national.len() >= 7).then(|| national.to_owned())
}

fn folded_postcode(postcode: &str) -> Option<String> {
    let folded: String = postcode
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect();
    (folded.len() >= 5).then_some(folded)
}

/// The host of a web address, unless it is one where everybody has a page.
fn host(address: &str) -> Option<String> {
    const SHARED: &[&str] = &[
        "facebook.com",
        "twitter.com",
        "instagram.com",
        "nhs.uk",
        "gov.uk",
        "example.com",
        "x.com",
    ];
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest
        .split(['/', '?', '#', ':'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let shared = SHARED.iter().any(|shared| {
        host == *shared || (host.ends_with(&format!(".{shared}")) && !shared.ends_with(".uk"))
    });
    (host.contains('.') && !shared).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(org: &str, name: &str) -> Subject {
        Subject {
            org: org.to_owned(),
            name: name.to_owned(),
            ..Subject::default()
        }
    }

    #[test]
    fn the_same_thing_in_two_listings_is_found_with_the_reasons() {
        let service = |value: Value| -> Service { serde_json::from_value(value).unwrap() };
        let one = Subject::of_service(
            "a",
            &service(json!({
                "id": "1", "name": "Stretford Food Bank", "phones": [{"id": "p", "number": "+44 (0)161 496 0000"}],
                "service_at_locations": [{"id": "l", "location": {"id": "m", "addresses": [{"id": "n", "postal_code": "M32 0DF"}]}}],
            })),
        );
        let two = Subject::of_service(
            "b",
            &service(json!({
                "id": "2", "name": "The Stretford Foodbank", "phones": [{"id": "p", "number": "0161 496 0000"}],
                "service_at_locations": [{"id": "l", "location": {"id": "m", "addresses": [{"id": "n", "postal_code": "m320df"}]}}],
            })),
        );
        let (found, over) = pairs(&[one.clone(), two.clone(), named("c", "Sale Library")]);
        assert_eq!(over, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].entries, (0, 1));
        assert_eq!(
            found[0].reasons,
            [Reason::SimilarName, Reason::Postcode, Reason::Phone]
        );
        // Within one organisation nothing is said: it knows its own listing.
        let own = Subject {
            org: "a".to_owned(),
            ..two
        };
        assert!(pairs(&[one, own]).0.is_empty());
    }

    #[test]
    fn a_shared_address_alone_or_a_common_word_is_no_reason() {
        let at = |org: &str, name: &str| Subject {
            postcodes: BTreeSet::from(["M11AA".to_owned()]),
            ..named(org, name)
        };
        assert!(
            pairs(&[at("a", "Yoga"), at("b", "Debt advice")])
                .0
                .is_empty()
        );
        assert!(
            pairs(&[
                named("a", "Trafford Centre Trust"),
                named("b", "Trafford Youth")
            ])
            .0
            .is_empty()
        );
        let (found, _) = pairs(&[
            named("a", "LGBT Foundation"),
            named("b", "The LGBT Foundation Ltd."),
        ]);
        assert_eq!(found[0].reasons, [Reason::SameName]);
    }

    #[test]
    fn numbers_in_registers_are_compared_without_their_zeros() {
        let of = |name: &str, number: &str| {
            let organization = json!({"id": "o", "name": name, "organization_identifiers":
                [{"id": "i", "identifier_scheme": "GB-COH", "identifier": number}]});
            serde_json::from_value(organization).unwrap()
        };
        let one = Subject::of_organization("a", &of("Wildlife", "00738693"), None);
        let two = Subject::of_organization("b", &of("Trees", "738693"), None);
        assert_eq!(pairs(&[one, two]).0[0].reasons, [Reason::Identifier]);
        assert_eq!(
            host("https://www.Example.org/a?b"),
            Some("example.org".to_owned())
        );
        assert_eq!(host("https://www.facebook.com/us"), None);
        assert_eq!(host("https://www.nhs.uk/"), None);
    }

    #[test]
    fn many_pairs_are_bounded_and_common_keys_not_used() {
        let same: Vec<Subject> = (0..KEY_MAX_ENTRIES + 1)
            .map(|org| named(&org.to_string(), "Advice"))
            .collect();
        assert!(pairs(&same).0.is_empty());
        let groups = (0..40).flat_map(|group| {
            (0..20).map(move |org| named(&format!("{org}"), &format!("Advice{group} Line{group}")))
        });
        let many: Vec<Subject> = groups.collect();
        let (found, over) = pairs(&many);
        assert_eq!((found.len(), over), (PAIRS_MAX, 40 * 190 - PAIRS_MAX));
    }
}
