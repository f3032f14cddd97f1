//! Each filter, and that keys decide as it does.

use super::*;
use crate::listing::arbitrary;
use proptest::prelude::*;
use serde_json::{Value, json};

fn facts(mut service: Value) -> Facts {
    service["id"] = json!("s");
    service["name"] = json!("A service");
    Facts::of_service(&serde_json::from_value(service).unwrap(), None)
}

fn term(aspect: Aspect, text: &str) -> Filter {
    Filter::term(Vocabulary::built_in(), aspect, text)
}

/// What an index decides: by keys, or for numbers by the rule itself.
fn by_keys(filter: &Filter, facts: &Facts) -> bool {
    let keys = facts.keys();
    let has_key = filter
        .keys()
        .map(|wanted| wanted.iter().any(|key| keys.contains(key)));
    match filter {
        Filter::Near {
            point, within_m, ..
        } => has_key == Some(true) || facts.distance_m(*point).is_some_and(|far| far <= *within_m),
        _ => has_key.unwrap_or_else(|| filter.judge(facts).passes()),
    }
}

fn filters() -> Vec<Filter> {
    let today = Day::parse("2026-11-27").unwrap();
    let area = |text| Filter::Area(SoughtArea::of(text));
    let sw9 = geography::place("SW9").unwrap();
    vec![
        Filter::near(&sw9, 5_000),
        area("Trafford"),
        area("London"),
        area("Avon & Somerset"),
        Filter::Age(18),
        term(Aspect::People, "women"),
        term(Aspect::Type, "housing advice"),
        term(Aspect::Language, "English"),
        term(Aspect::Language, "Farsi"),
        term(Aspect::Format, "1:1"),
        term(Aspect::Referral, "self"),
        Filter::Free,
        Filter::on_weekday(1, today, None),
        Filter::Accessible,
        Filter::Fresh(today),
    ]
}

#[test]
fn areas_hold_what_lies_in_them_and_are_served_by_what_they_lie_in() {
    let passes = |service: Value, area: &str| {
        Filter::Area(SoughtArea::of(area))
            .judge(&facts(service))
            .passes()
    };
    let serves = |name: &str| json!({"service_areas": [{"id": "1", "name": name}]});
    for area in [
        "Trafford",
        "E08000009",
        "Greater Manchester",
        "North West",
        "England",
    ] {
        assert!(passes(serves("Trafford"), area), "{area}");
    }
    assert!(passes(serves("Greater Manchester"), "Trafford"));
    assert!(passes(serves("nationwide"), "Trafford"));
    assert!(!passes(serves("Greater Manchester"), "Leeds"));
    assert!(passes(serves("Avon & Somerset"), "avon and somerset"));
    let at = |postcode: &str| json!({"service_at_locations": [{"id": "1", "location": {"id": "l", "addresses": [{"id": "a", "postal_code": postcode}]}}]});
    assert!(passes(at("SW9 7AA"), "Lambeth") && passes(at("SW9 7AA"), "London"));
    assert!(!passes(at("SW9 7AA"), "Southwark"));
    assert_eq!(
        Filter::Area(SoughtArea::of("Leeds")).judge(&facts(json!({}))),
        Verdict::Unsaid(false)
    );
}

#[test]
fn near_is_by_distance_or_by_area_where_there_is_no_place() {
    let sw9 = geography::place("SW9").unwrap();
    let near = |service: Value| Filter::near(&sw9, 3_000).judge(&facts(service));
    let at = |lat: f64| json!({"latitude": lat, "longitude": -0.112, "id": "l"});
    let placed = |lat: f64| json!({"service_at_locations": [{"id": "1", "location": at(lat)}], "service_areas": [{"id": "1", "name": "London"}]});
    assert!(matches!(near(placed(51.475)), Verdict::Yes(text) if text.ends_with("away")));
    assert_eq!(near(placed(51.6)), Verdict::No);
    assert!(
        matches!(near(json!({"service_areas": [{"id": "1", "name": "London"}]})), Verdict::Yes(text) if text.contains("serves London"))
    );
    assert_eq!(
        near(json!({"service_areas": [{"id": "1", "name": "Leeds"}]})),
        Verdict::No
    );
    assert_eq!(near(json!({})), Verdict::Unsaid(false));
}

#[test]
fn ages_pass_where_none_is_said() {
    let age = |service: Value, age| Filter::Age(age).judge(&facts(service)).passes();
    assert!(age(json!({}), 18));
    assert!(age(json!({"minimum_age": 18}), 18) && !age(json!({"minimum_age": 18}), 17));
    assert!(age(json!({"maximum_age": 25}), 25) && !age(json!({"maximum_age": 25}), 26));
}

#[test]
fn terms_are_found_by_any_of_their_names_and_by_wider_ones() {
    let says =
        |service: Value, aspect, text: &str| term(aspect, text).judge(&facts(service)).passes();
    let persian = || json!({"languages": [{"id": "1", "name": "Persian", "code": "fa"}]});
    for text in ["Farsi", "fa", "persian"] {
        assert!(says(persian(), Aspect::Language, text), "{text}");
    }
    assert!(!says(persian(), Aspect::Language, "English"));
    assert!(
        says(json!({}), Aspect::Language, "English") && !says(json!({}), Aspect::Language, "Farsi")
    );
    let female = json!({"attributes": [{"id": "1", "link_type": "eligibility", "taxonomy_term": {"id": "t", "name": "female"}}]});
    assert!(says(female.clone(), Aspect::People, "women") && !says(female, Aspect::People, "men"));
    let mentoring =
        json!({"attributes": [{"id": "1", "taxonomy_term": {"id": "t", "name": "Mentoring"}}]});
    assert!(says(
        mentoring.clone(),
        Aspect::Type,
        "Coaching and mentoring"
    ));
    assert!(!says(mentoring, Aspect::Type, "Financial advice"));
}

#[test]
fn weekdays_mean_every_week_or_once_a_month() {
    let today = Day::parse("2026-11-27").unwrap();
    let on = |service: Value| {
        Filter::on_weekday(1, today, None)
            .judge(&facts(service))
            .passes()
    };
    assert!(on(
        json!({"schedules": [{"id": "1", "freq": "WEEKLY", "byday": "TU"}]})
    ));
    assert!(on(
        json!({"schedules": [{"id": "1", "freq": "MONTHLY", "byday": "-1TU"}]})
    ));
    assert!(!on(
        json!({"schedules": [{"id": "1", "freq": "WEEKLY", "byday": "WE"}]})
    ));
    assert!(!on(
        json!({"schedules": [{"id": "1", "freq": "WEEKLY", "byday": "TU", "until": "2026-01-01"}]})
    ));
    assert!(!on(json!({})));
}

#[test]
fn distances_are_short_for_people() {
    assert_eq!([kilometres(850), kilometres(2_349)], ["850 m", "2.3 km"]);
}

proptest! {
    #[test]
    fn keys_decide_as_the_rule_does(service in arbitrary::service(), area in prop::sample::select(vec!["Trafford", "Lambeth", "London", "Wales", "nationwide", "Nowhere"]),
        name in prop::sample::select(vec!["female", "housing advice", "Farsi", "one_to_one", "self"]), min in prop::option::of(0..40u32)) {
        let mut facts = Facts::of_service(&service, None);
        let extra = self::facts(json!({
            "minimum_age": min, "service_areas": [{"id": "1", "name": area}], "fees": if min.is_some() { "free" } else { "" },
            "x_referral": name, "x_delivery_format": name, "languages": [{"id": "1", "name": name}],
            "attributes": [{"id": "1", "link_type": "eligibility", "taxonomy_term": {"id": "t", "name": name}}, {"id": "2", "taxonomy_term": {"id": "u", "name": name}}],
        }));
        for facts in [&facts.clone(), &extra] {
            for filter in filters() {
                prop_assert_eq!(by_keys(&filter, facts), filter.judge(facts).passes(), "{:?} {:?}", filter, facts);
            }
        }
        facts.points.clear();
        for filter in filters() {
            prop_assert_eq!(by_keys(&filter, &facts), filter.judge(&facts).passes(), "{:?}", filter);
        }
    }
}
