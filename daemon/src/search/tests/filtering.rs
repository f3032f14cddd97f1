//! Filters, facets, nearness, freshness and synonyms.

use fingerpost_proto::filter::{Asked, Now, filters};
use fingerpost_proto::geography;
use fingerpost_proto::listing::{Service, ShardState};
use fingerpost_proto::{api::SearchRequest, listing::facts::Facts};
use serde_json::{Value, json};

use super::*;

fn today() -> Day {
    Day::parse("2026-11-27").unwrap()
}

/// Services as a listing would have them.
fn services(values: Vec<Value>) -> Vec<Entry> {
    let values: Vec<Value> = (1..)
        .zip(values)
        .map(|(n, mut value): (usize, Value)| {
            value["id"] = json!(format!("s{n}"));
            if value.get("name").is_none() {
                value["name"] = json!(format!("Service {n}"));
            }
            value
        })
        .collect();
    let shard = json!({"format": 1, "kind": "listing", "shard": 0, "services": values});
    let state: ShardState = serde_json::from_value(shard).unwrap();
    entries_of("org-a", "listing/0", "Harbour Trust", &state)
}

fn at(latitude: f64) -> Value {
    json!([{"id": "p", "location": {"id": "l", "latitude": latitude, "longitude": -0.112}}])
}

fn ids(index: &SearchIndex, change: impl FnOnce(&mut SearchRequest)) -> Vec<String> {
    let mut request = SearchRequest::default();
    change(&mut request);
    let now = Now {
        today: today(),
        minute: 18 * 60,
    };
    let Asked {
        filters,
        near,
        reach_m,
        ..
    } = filters(&request, Vocabulary::built_in(), now).unwrap();
    let query = Query {
        filters: filters.into_iter().map(|(_, filter)| filter).collect(),
        near: near.map(|place| (place.point, reach_m)),
        limit: 100,
        ..Query::default()
    };
    let page = index.search(&query).unwrap();
    page.results.into_iter().map(|hit| hit.id).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn every_filter_finds_what_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let tuesday = json!([{"id": "x", "freq": "WEEKLY", "byday": "TU", "opens_at": "17:00", "closes_at": "20:00"}]);
    let index = holding(
        dir.path(),
        services(vec![
            json!({"minimum_age": 18, "languages": [{"id": "l", "name": "Persian"}], "schedules": tuesday}),
            json!({"maximum_age": 17, "x_delivery_format": ["group", "online"], "x_referral": "GP", "fees": "free"}),
            json!({"x_journey_stage": "ready", "x_delivery_model": "bespoke", "assured_date": "2026-11-01",
                "service_areas": [{"id": "a", "name": "Trafford"}]}),
            json!({"service_at_locations": [{"id": "p", "location": {"id": "l", "accessibility": [{"id": "y", "description": "Ramp"}]}}],
                "schedules": [{"id": "z", "freq": "WEEKLY", "byday": "FR", "opens_at": "09:00", "closes_at": "18:30"}]}),
        ]),
    );
    assert_eq!(ids(&index, |it| it.age = Some(17)), ["s2", "s3", "s4"]);
    assert_eq!(ids(&index, |it| it.age = Some(18)), ["s1", "s3", "s4"]);
    assert_eq!(ids(&index, |it| it.language = some("farsi")), ["s1"]);
    assert_eq!(
        ids(&index, |it| it.language = some("en")),
        ["s2", "s3", "s4"]
    );
    assert_eq!(ids(&index, |it| it.format = some("group")), ["s2"]);
    assert_eq!(ids(&index, |it| it.refer = some("doctor")), ["s2"]);
    assert_eq!(ids(&index, |it| it.free = true), ["s2"]);
    assert_eq!(ids(&index, |it| it.stage = some("work-ready")), ["s3"]);
    assert_eq!(ids(&index, |it| it.model = some("bespoke")), ["s3"]);
    assert_eq!(ids(&index, |it| it.fresh = some("90d")), ["s3"]);
    assert_eq!(
        ids(&index, |it| it.area = some("Greater Manchester")),
        ["s3"]
    );
    assert_eq!(ids(&index, |it| it.accessible = true), ["s4"]);
    assert_eq!(ids(&index, |it| it.on = some("tuesday")), ["s1"]);
    assert_eq!(ids(&index, |it| it.on = some("2026-11-27")), ["s4"]);
    assert_eq!(ids(&index, |it| it.on = some("tuesday evening")), ["s1"]);
    assert!(ids(&index, |it| it.on = some("tuesday morning")).is_empty());
    assert_eq!(
        ids(&index, |it| it.open_now = true),
        ["s4"],
        "a Friday at 18:00"
    );
    assert_eq!(
        ids(&index, |it| (it.age, it.format, it.free) =
            (Some(10), some("online"), true)),
        ["s2"]
    );
    assert!(ids(&index, |it| (it.age, it.free) = (Some(18), true)).is_empty());
}

#[test]
fn nearer_comes_first_and_areas_stand_in_for_places() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        services(vec![
            json!({"service_at_locations": at(51.55)}),
            json!({"service_areas": [{"id": "a", "name": "London"}]}),
            json!({"service_at_locations": at(51.475)}),
            json!({"service_areas": [{"id": "a", "name": "Leeds"}]}),
        ]),
    );
    assert_eq!(
        ids(&index, |it| it.near = some("SW9")),
        ["s3", "s1", "s2", "s4"]
    );
    assert_eq!(
        ids(&index, |it| (it.near, it.within_km) =
            (some("SW9"), Some(3.0))),
        ["s3", "s2"]
    );
    let place = geography::place("SW9").unwrap();
    let query = Query {
        near: Some((place.point, 50_000)),
        limit: 10,
        ..Query::default()
    };
    let page = index.search(&query).unwrap();
    assert!(page.results[0].distance_m.unwrap() < page.results[1].distance_m.unwrap());
    assert_eq!(page.results[2].distance_m, None);
    let far = index
        .search(&Query {
            limit: 10,
            ..Query::default()
        })
        .unwrap();
    assert!(far.results.iter().all(|hit| hit.distance_m.is_none()));
}

#[test]
fn the_fresh_come_first_and_the_very_old_are_hidden_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        services(vec![
            json!({"name": "Debt advice", "assured_date": "2020-01-01"}),
            json!({"name": "Debt advice", "assured_date": "2026-01-01"}),
            json!({"name": "Debt advice"}),
            json!({"name": "Debt advice", "assured_date": "2026-11-01"}),
            json!({"name": "Debt advice", "assured_date": "2026-11-01", "status": "defunct"}),
        ]),
    );
    let search = |text: Option<&str>, hide_before: Option<Day>| {
        let query = Query {
            text: text.map(str::to_owned),
            stale_before: Some(today().plus(-180)),
            hide_before,
            limit: 10,
            ..Query::default()
        };
        let page = index.search(&query).unwrap();
        let ids: Vec<String> = page.results.into_iter().map(|hit| hit.id).collect();
        (ids.join(" "), page.total, page.hidden)
    };
    let hide = Some(today().plus(-730));
    for text in [None, Some("debt")] {
        assert_eq!(search(text, hide), ("s4 s3 s2 s5".to_owned(), 4, 1));
        assert_eq!(search(text, None), ("s4 s3 s1 s2 s5".to_owned(), 5, 0));
    }
}

#[test]
fn notices_are_found_until_they_expire() {
    let dir = tempfile::tempdir().unwrap();
    let board: fingerpost_proto::board::BoardState = serde_json::from_value(json!({
        "format": 1, "kind": "board", "notices": [
            {"id": "n1", "kind": "need", "title": "Farsi-speaking therapist", "areas": ["Lambeth"], "languages": ["fa"], "expires": "2026-11-27"},
            {"id": "n2", "kind": "need", "title": "Therapist", "expires": "2026-11-26"},
            {"id": "n3", "kind": "need", "title": "Therapist", "expires": "2027-01-01", "closed": true},
            {"id": "n4", "kind": "need", "title": "Therapist", "expires": "2027-01-01", "networks": ["elsewhere"]},
        ],
    }))
    .unwrap();
    let entries = notice_entries("org-a", "board", "Harbour Trust", &board, &|notice| {
        notice.networks.is_empty()
    });
    let index = holding(dir.path(), entries);
    let query = Query {
        text: some("therapist"),
        kind: Some(Kind::Notice),
        today: Some(today()),
        limit: 10,
        ..Query::default()
    };
    let page = index.search(&query).unwrap();
    assert_eq!((page.total, page.results[0].id.as_str()), (1, "n1"));
    let tomorrow = Query {
        today: Some(today().plus(1)),
        ..query
    };
    assert_eq!(index.search(&tomorrow).unwrap().total, 0);
    assert_eq!(ids(&index, |it| it.language = some("Persian")), ["n1"]);
    assert_eq!(ids(&index, |it| it.area = some("London")), ["n1"]);
}

#[test]
fn facets_count_what_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        services(vec![
            json!({"x_delivery_format": "1:1"}),
            json!({"x_delivery_format": ["one_to_one", "group"], "fees": "free"}),
            json!({"service_areas": [{"id": "a", "name": "E08000009"}]}),
        ]),
    );
    let query = Query {
        facets: true,
        limit: 1,
        ..Query::default()
    };
    let facets = index.search(&query).unwrap().facets;
    let count = |group: &str, name: &str| facets.get(&(group.to_owned(), name.to_owned())).copied();
    assert_eq!(count("format", "one to one"), Some(2));
    assert_eq!(count("format", "group"), Some(1));
    assert_eq!(count("kind", "service"), Some(3));
    assert_eq!(count("area", "Trafford"), Some(1));
    assert_eq!(count("cost", "free"), Some(1));
    let none = index
        .search(&Query {
            limit: 1,
            ..Query::default()
        })
        .unwrap();
    assert!(none.facets.is_empty());
}

#[test]
fn synonyms_find_but_count_for_less() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        services(vec![
            json!({"name": "Persian counselling"}),
            json!({"name": "Counselling in Farsi"}),
            json!({"name": "Help after domestic abuse"}),
            json!({"name": "Write your résumé"}),
        ]),
    );
    let ids = |text: &str, vocabulary: bool| {
        let query = Query {
            text: some(text),
            vocabulary: vocabulary.then(|| Arc::new(Vocabulary::built_in().clone())),
            limit: 10,
            ..Query::default()
        };
        let page = index.search(&query).unwrap();
        page.results
            .into_iter()
            .map(|hit| hit.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("farsi", true), ["s2", "s1"]);
    assert_eq!(ids("farsi", false), ["s2"]);
    assert_eq!(ids("persian therapist", true), ["s1", "s2"]);
    assert_eq!(ids("domestic violence", true), ["s3"]);
    assert_eq!(ids("CV", true), ["s4"]);
    assert!(
        ids("abuse violence", true).is_empty(),
        "words that do not follow one another"
    );
}

#[test]
fn a_strand_in_another_shard_takes_from_its_parent() {
    let parent: Service =
        serde_json::from_value(json!({"id": "p", "name": "Parent", "minimum_age": 18})).unwrap();
    let shard = json!({"format": 1, "kind": "listing", "shard": 1, "services": [{"id": "s", "name": "Strand", "x_parent_service": "p"}]});
    let bytes = serde_json::to_vec(&shard).unwrap();
    assert!(names_parents_elsewhere(
        "listing/1".parse().unwrap(),
        &bytes
    ));
    let state: ShardState = serde_json::from_value(shard).unwrap();
    assert_eq!(parents_elsewhere(&state).collect::<Vec<_>>(), ["p"]);
    let alone = entries_of("o", "listing/1", "O", &state);
    assert_eq!(alone[0].facts, Facts::default());
    let with = entries_with("o", "listing/1", "O", &state, &|id| {
        (id == "p").then(|| parent.clone())
    });
    assert_eq!(with[0].facts.min_age, Some(18));
    let plain =
        serde_json::to_vec(&json!({"format": 1, "kind": "listing", "shard": 0, "services": []}))
            .unwrap();
    assert!(!names_parents_elsewhere(
        "listing/0".parse().unwrap(),
        &plain
    ));
}
