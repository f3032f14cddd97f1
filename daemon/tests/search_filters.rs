//! Filters over all real listings: the index finds exactly what the rules say, and the rules say what a plain look at
//! the files says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod corpus;

use std::collections::BTreeSet;

use corpus::{Corpus, corpus, everything, shared};
use fingerpost_daemon::search::{Kind, Query, entries_of};
use fingerpost_proto::api::SearchRequest;
use fingerpost_proto::day::Day;
use fingerpost_proto::filter::{Filter, Now, filters};
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::vocabulary::Vocabulary;
use serde_json::{Value, json};

fn now() -> Now {
    Now {
        today: Day::parse("2026-11-27").unwrap(),
        minute: 600,
    }
}

fn filters_of(request: &SearchRequest) -> Vec<Filter> {
    let asked = filters(request, Vocabulary::built_in(), now()).unwrap();
    asked
        .filters
        .into_iter()
        .map(|(_, filter)| filter)
        .collect()
}

/// The ids that the index finds, page by page.
fn found(corpus: &Corpus, filters: &[Filter]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    loop {
        let query = Query {
            kind: Some(Kind::Service),
            filters: filters.to_vec(),
            limit: 1_000,
            offset: ids.len(),
            ..Query::default()
        };
        let page = corpus.index.search(&query).unwrap();
        let before = ids.len();
        ids.extend(page.results.into_iter().map(|hit| hit.id));
        if ids.len() == before {
            assert_eq!(page.total, before);
            return ids;
        }
    }
}

/// The ids of those that a plain look at the files finds. The second argument of `is` is the parent of a strand.
fn looked(corpus: &Corpus, is: impl Fn(&Value, Option<&Value>) -> bool) -> BTreeSet<String> {
    let all = corpus.services.iter();
    let fits = all.filter(|(_, service)| {
        let parent = service["x_parent_service"].as_str();
        is(service, parent.and_then(|id| corpus.services.get(id)))
    });
    fits.map(|(id, _)| id.clone()).collect()
}

fn names<'a>(service: &'a Value, link_type: &str) -> Vec<&'a str> {
    let attributes = service["attributes"].as_array().unwrap().iter();
    let linked = attributes.filter(|attribute| attribute["link_type"] == link_type);
    linked
        .filter_map(|attribute| attribute["taxonomy_term"]["name"].as_str())
        .collect()
}

fn request(change: impl FnOnce(&mut SearchRequest)) -> SearchRequest {
    let mut request = SearchRequest::default();
    change(&mut request);
    request
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_index_finds_what_a_plain_look_at_the_files_finds() {
    let Some(folder) = shared("data/moj-oruk") else {
        return;
    };
    let Some(authorities) = shared("data/uk-local-authorities.csv") else {
        return;
    };
    let corpus = corpus(&[folder]);
    assert_eq!(corpus.services.len(), 3_226);
    let check = |what: &str, request: SearchRequest, expected: BTreeSet<String>| {
        assert_eq!(found(&corpus, &filters_of(&request)), expected, "{what}");
        assert!(
            !expected.is_empty() && expected.len() < corpus.services.len(),
            "{what} says nothing"
        );
    };

    let takes = |service: &Value, age: i64| {
        let least = service["minimum_age"].as_i64().unwrap_or(0);
        least <= age && age <= service["maximum_age"].as_i64().unwrap_or(200)
    };
    for age in [17, 18, 25, 26] {
        let expected = looked(&corpus, |service, parent| {
            takes(parent.unwrap_or(service), age)
        });
        if age == 17 {
            // Everything here is for adults, and a strand takes its parent's word for it.
            assert!(
                found(
                    &corpus,
                    &filters_of(&request(|it| it.age = Some(age as u32)))
                )
                .is_empty()
            );
            continue;
        }
        check(
            &format!("age {age}"),
            request(|it| it.age = Some(age as u32)),
            expected,
        );
    }

    for (asked, sex) in [("women", "female"), ("men", "male"), ("Female", "female")] {
        let expected = looked(&corpus, |service, parent| {
            names(parent.unwrap_or(service), "eligibility").contains(&sex)
        });
        check(asked, request(|it| it.people = some(asked)), expected);
    }

    for (asked, format) in [
        ("group", "group"),
        ("1:1", "one_to_one"),
        ("digital", "online"),
        ("prison", "in_custody"),
    ] {
        let expected = looked(&corpus, |service, parent| {
            let own = names(service, "delivery_format");
            let parents = parent.map_or_else(Vec::new, |it| names(it, "delivery_format"));
            if own.is_empty() { parents } else { own }.contains(&format)
        });
        check(asked, request(|it| it.format = some(asked)), expected);
    }

    for asked in ["Social Inclusion", "lifestyle & associates"] {
        let wanted = asked.replace('&', "and").to_lowercase();
        let expected = looked(&corpus, |service, parent| {
            let of = [Some(service), parent].into_iter().flatten();
            let mut names = of.flat_map(|it| names(it, "service_type"));
            names.any(|name| name.to_lowercase() == wanted)
        });
        check(
            asked,
            request(|it| it.kind_of_support = some(asked)),
            expected,
        );
    }

    let table = std::fs::read_to_string(authorities).unwrap();
    let of_london = table.lines().filter(|line| line.contains("E12000007"));
    let boroughs: BTreeSet<String> = of_london
        .map(|line| line.split(',').nth(1).unwrap().to_lowercase())
        .chain([String::from("london")])
        .collect();
    let expected = looked(&corpus, |service, _| {
        let mut areas = service["service_areas"].as_array().unwrap().iter();
        let coded = areas.any(|area| {
            let uri = area["uri"].as_str().unwrap_or_default();
            uri.ends_with("/E12000007") || uri.contains("/E09") || uri.ends_with("/E92000001")
        });
        let places = service["x_delivery_places"].as_array();
        let mut places = places.into_iter().flatten().filter_map(Value::as_str);
        coded || places.any(|place| boroughs.contains(&place.to_lowercase()))
    });
    check("London", request(|it| it.area = some("London")), expected);

    let expected = looked(&corpus, |service, _| {
        let areas = service["service_areas"].as_array().unwrap().iter();
        let places = service["x_delivery_places"]
            .as_array()
            .into_iter()
            .flatten();
        let mut names = areas
            .filter_map(|area| area["name"].as_str())
            .chain(places.filter_map(Value::as_str));
        names.any(|name| name.to_lowercase() == "dyfed-powys")
    });
    check(
        "Dyfed-Powys",
        request(|it| it.area = some("dyfed powys")),
        expected,
    );
}

/// Services that say what no real listing here says: places, hours, languages, costs, and when they were confirmed.
fn add_made_up(corpus: &mut Corpus) {
    let pick = |of: &[Value], n: usize| of[n % of.len()].clone();
    let languages = [
        json!([]),
        json!([{"id": "l", "name": "Persian"}]),
        json!([{"id": "l", "code": "en-GB"}]),
    ];
    let schedules = [
        json!([]),
        json!([{"id": "s", "freq": "WEEKLY", "byday": "TU", "opens_at": "18:00", "closes_at": "20:00"}]),
        json!([{"id": "s", "freq": "MONTHLY", "byday": "-1FR", "opens_at": "09:00", "closes_at": "17:00"}]),
        json!([{"id": "s", "freq": "WEEKLY", "byday": "TU", "until": "2020-01-01"}]),
        json!([{"id": "s", "description": "most mornings"}]),
    ];
    let places = [
        json!([]),
        json!([{"id": "p", "location": {"id": "l", "latitude": 51.48, "longitude": -0.11, "accessibility": [{"id": "a", "description": "Ramp"}]}}]),
        json!([{"id": "p", "location": {"id": "l", "addresses": [{"id": "a", "postal_code": "M1 1AA"}]}}]),
        json!([{"id": "p", "location": {"id": "l", "latitude": 53.42, "longitude": -2.32, "accessibility": [{"id": "a", "description": "No ramp"}]}}]),
    ];
    let fees = [json!(""), json!("free"), json!("ask us")];
    let dates = [Value::Null, json!("2026-11-01"), json!("2025-01-01")];
    let areas = [
        json!([]),
        json!([{"id": "a", "name": "Lambeth"}]),
        json!([{"id": "a", "name": "nationwide"}]),
    ];
    let services: Vec<Value> = (0..1_200)
        .map(|n| {
            json!({
                "id": format!("made-up-{n}"), "name": "Made up", "languages": pick(&languages, n), "schedules": pick(&schedules, n / 3),
                "service_at_locations": pick(&places, n / 7), "fees": pick(&fees, n / 11), "assured_date": pick(&dates, n / 13),
                "service_areas": pick(&areas, n / 17), "x_referral": if n % 5 == 0 { json!(["self", "GP"]) } else { json!(null) },
            })
        })
        .collect();
    let shard = json!({"format": 1, "kind": "listing", "shard": 0, "services": services});
    let state: ShardState = serde_json::from_value(shard).unwrap();
    let entries = entries_of("made-up", "listing/0", "Made up", &state);
    corpus.entries.extend(entries.clone());
    corpus
        .index
        .replace_document("made-up", "listing/0", entries, 1_000)
        .unwrap();
    corpus.index.flush().unwrap();
}

#[test]
fn the_index_agrees_with_the_rules_alone_and_together() {
    let Some(mut corpus) = everything() else {
        return;
    };
    add_made_up(&mut corpus);
    let requests = [
        request(|it| (it.near, it.within_km) = (some("SW9 7AA"), Some(5.0))),
        request(|it| (it.near, it.within_km) = (some("M1"), Some(30.0))),
        request(|it| it.area = some("Trafford")),
        request(|it| it.area = some("Wales")),
        request(|it| it.area = some("E12000002")),
        request(|it| it.age = Some(18)),
        request(|it| it.people = some("women")),
        request(|it| it.kind_of_support = some("housing")),
        request(|it| it.kind_of_support = some("debt advice")),
        request(|it| it.language = some("English")),
        request(|it| it.language = some("Farsi")),
        request(|it| it.free = true),
        request(|it| it.refer = some("self")),
        request(|it| it.format = some("telephone")),
        request(|it| it.on = some("tuesday evening")),
        request(|it| it.open_now = true),
        request(|it| it.accessible = true),
        request(|it| it.fresh = some("90d")),
        request(|it| (it.near, it.within_km) = (some("M33 7AA"), Some(3.0))),
        request(|it| it.area = some("Bolton")),
        request(|it| it.on = some("wednesday 11:00")),
        request(|it| {
            it.language = some("Farsi");
            it.refer = some("self");
            (it.near, it.within_km) = (some("SW9"), Some(5.0));
        }),
        request(|it| {
            it.area = some("Trafford");
            it.on = some("tuesday evening");
            it.free = true;
        }),
        request(|it| {
            it.area = some("London");
            it.age = Some(18);
            it.people = some("women");
            it.format = some("group");
        }),
        request(|it| {
            it.area = some("Greater Manchester");
            it.kind_of_support = some("accommodation");
            it.people = some("men");
        }),
    ];
    for request in requests {
        let filters = filters_of(&request);
        let services = corpus
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::Service);
        let passing =
            services.filter(|entry| filters.iter().all(|it| it.judge(&entry.facts).passes()));
        let expected: BTreeSet<String> = passing.map(|entry| entry.id.clone()).collect();
        assert_eq!(found(&corpus, &filters), expected, "{request:?}");
        assert!(!expected.is_empty(), "{request:?} says nothing");
    }
}

/// The names that a text finds.
fn names_of(corpus: &Corpus, text: &str) -> Vec<String> {
    let query = Query {
        text: some(text),
        limit: 20,
        vocabulary: Some(Vocabulary::built_in().clone().into()),
        ..Query::default()
    };
    let page = corpus.index.search(&query).unwrap();
    page.results.into_iter().map(|hit| hit.name).collect()
}

#[test]
fn typing_mistakes_and_other_words_for_the_same_find_it() {
    let Some(corpus) = everything() else {
        return;
    };
    for (asked, name) in [
        ("persian therapist", "Counselling in Farsi and Dari"),
        ("persian counsellor", "Therapist in Farsi"),
        ("venue creche", "Room hire with crèche"),
        ("room hire childcare", "Room hire with crèche"),
        ("résumé interview practice", "CV and interview practice"),
        ("autistic job coach", "Autism job coaching"),
        ("luncheon club", "Lunch club for over sixties"),
        ("grief group", "Bereavement group"),
        ("voluntary work garden kitchen", "Supported volunteering"),
        ("womens recovry group", "Women's recovery group"),
        ("bereavemnt group", "Bereavement group"),
        ("benifits checks", "Benefits checks"),
        ("telephonne money advice", "Telephone money advice"),
    ] {
        let names = names_of(&corpus, asked);
        assert!(names.iter().any(|it| it == name), "{asked}: {names:?}");
    }
}
