//! What is taken from listings, and what is not.

use super::*;
use crate::limits::FACTS_PER_ENTRY_MAX;
use crate::listing::Service;
use crate::listing::arbitrary;
use proptest::prelude::*;
use serde_json::{Value, json};

fn facts(mut service: Value) -> Facts {
    service["id"] = json!("s");
    if service.get("name").is_none() {
        service["name"] = json!("A service");
    }
    Facts::of_service(&serde_json::from_value(service).unwrap(), None)
}

fn terms(facts: &Facts, aspect: Aspect) -> Vec<&str> {
    facts.terms_of(aspect).collect()
}

#[test]
fn ages_are_those_that_are_said() {
    let ages = |value| {
        let facts = facts(value);
        (facts.min_age, facts.max_age)
    };
    assert_eq!(
        ages(json!({"minimum_age": 18, "maximum_age": 25.5})),
        (Some(18), Some(25))
    );
    assert_eq!(
        ages(json!({"minimum_age": -1, "maximum_age": -1})),
        (None, None)
    );
    assert_eq!(
        ages(json!({"minimum_age": 0, "maximum_age": 0})),
        (None, None)
    );
    assert_eq!(
        ages(json!({"minimum_age": 0, "maximum_age": 5})),
        (Some(0), Some(5))
    );
}

#[test]
fn attributes_are_told_apart_by_what_links_them() {
    let facts = facts(json!({"attributes": [
        {"id": "1", "link_type": "eligibility", "taxonomy_term": {"id": "t1", "name": "female", "taxonomy": "moj-crs/sex"}},
        {"id": "2", "link_type": "delivery_format", "taxonomy_term": {"id": "t2", "name": "one_to_one"}},
        {"id": "3", "link_type": "service_type", "taxonomy_term": {"id": "t3", "name": "Accommodation"}},
    ]}));
    assert_eq!(terms(&facts, Aspect::People), ["female"]);
    assert_eq!(terms(&facts, Aspect::Format), ["one to one"]);
    assert_eq!(terms(&facts, Aspect::Type), ["accommodation"]);
}

#[test]
fn extensions_hold_a_text_or_several() {
    let facts = facts(json!({
        "x_delivery_format": "group", "x_referral": ["self", {"name": "GP"}], "x_journey_stage": ["ready"],
        "x_payer": 7,
    }));
    assert_eq!(terms(&facts, Aspect::Format), ["group"]);
    assert_eq!(terms(&facts, Aspect::Referral), ["gp", "self"]);
    assert_eq!(terms(&facts, Aspect::Stage), ["ready"]);
    assert!(terms(&facts, Aspect::Payer).is_empty());
}

#[test]
fn names_and_prose_give_the_terms_that_they_name() {
    let facts = facts(json!({
        "name": "Debt advice", "eligibility_description": "For care leavers and women.",
        "application_process": "You can self-refer, or come through your GP.",
        "interpretation_services": "Interpreters for Somali and BSL",
    }));
    assert!(terms(&facts, Aspect::Type).contains(&"debt advice"));
    assert!(terms(&facts, Aspect::People).contains(&"care leaver"));
    assert!(terms(&facts, Aspect::Referral).contains(&"self referral"));
    assert!(terms(&facts, Aspect::Referral).contains(&"gp"));
    assert!(terms(&facts, Aspect::Language).contains(&"somali"));
}

#[test]
fn places_come_from_coordinates_postcodes_codes_and_names() {
    let facts = facts(json!({
        "service_areas": [
            {"id": "1", "name": "London", "uri": "http://statistics.data.gov.uk/id/statistical-geography/E12000007"},
            {"id": "2", "name": "Kent, Surrey and Sussex"},
        ],
        "service_at_locations": [
            {"id": "a", "location": {"id": "la", "name": "The Hub", "latitude": 53.4239, "longitude": -2.3212}},
            {"id": "b", "location": {"id": "lb", "addresses": [{"id": "x", "postal_code": "sw9 7aa", "city": "London"}]}},
        ],
    }));
    assert!(
        facts.serves.contains("E12000007")
            && facts.serves.contains("E10000016")
            && facts.serves.contains("E10000030")
    );
    assert_eq!(
        facts.lies_in.iter().collect::<Vec<_>>(),
        ["E08000009", "E09000022"]
    );
    assert_eq!(facts.points.len(), 2);
    assert!(facts.is_rough && facts.places.contains("the hub"));
}

#[test]
fn costs_are_free_only_where_it_is_said() {
    let cost = |value| facts(value).cost;
    assert_eq!(cost(json!({})), None);
    assert_eq!(cost(json!({"fees": "Contact us for details"})), None);
    assert_eq!(
        cost(json!({"fees_description": "Free of charge to residents"})),
        Some(Cost::Free)
    );
    assert_eq!(
        cost(json!({"cost_options": [{"id": "c", "amount": 5}]})),
        Some(Cost::Paid)
    );
    assert_eq!(
        cost(json!({"cost_options": [{"id": "c", "amount": 0.0}, {"id": "d", "amount": 5}]})),
        Some(Cost::Free)
    );
    assert_eq!(cost(json!({"x_payer": "NHS"})), Some(Cost::Free));
    assert_eq!(
        cost(json!({"x_payer": ["NHS", "client"]})),
        Some(Cost::Paid)
    );
}

#[test]
fn access_is_what_the_place_says() {
    let at = |text: &str| {
        facts(json!({"service_at_locations": [{"id": "a", "location": {"id": "l", "accessibility": [{"id": "x", "description": text}]}}]}))
            .accessible
    };
    assert_eq!(at("Step-free from the street"), Some(true));
    assert_eq!(at("No step-free access"), Some(false));
    assert_eq!(facts(json!({})).accessible, None);
}

#[test]
fn a_strand_has_from_its_parent_what_it_does_not_say() {
    let service = |value: Value| -> Service { serde_json::from_value(value).unwrap() };
    let parent = service(json!({
        "id": "p", "name": "Parent", "minimum_age": 18, "status": "defunct", "fees": "free",
        "attributes": [{"id": "1", "link_type": "eligibility", "taxonomy_term": {"id": "t", "name": "male"}},
            {"id": "2", "link_type": "service_type", "taxonomy_term": {"id": "u", "name": "Accommodation"}}],
        "service_areas": [{"id": "1", "name": "Wales"}],
    }));
    let strand = service(json!({
        "id": "s", "name": "Evening strand", "x_parent_service": "p", "x_delivery_format": "group",
        "service_areas": [{"id": "1", "name": "Gwynedd"}],
    }));
    let facts = Facts::of_service(&strand, Some(&parent));
    assert_eq!(
        (facts.min_age, facts.cost, facts.has_ended),
        (Some(18), Some(Cost::Free), true)
    );
    assert_eq!(terms(&facts, Aspect::People), ["male"]);
    assert_eq!(terms(&facts, Aspect::Type), ["accommodation"]);
    assert_eq!(facts.serves.iter().collect::<Vec<_>>(), ["W06000002"]);
}

#[test]
fn facts_are_bounded() {
    let many: Vec<String> = (0..=FACTS_PER_ENTRY_MAX)
        .map(|n| format!("term{n}"))
        .collect();
    let facts = facts(json!({"x_delivery_format": many, "x_delivery_places": many}));
    assert_eq!(facts.terms.len(), FACTS_PER_ENTRY_MAX);
    assert_eq!(facts.places.len(), FACTS_PER_ENTRY_MAX);
}

proptest! {
    #[test]
    fn no_service_is_too_strange(listing in arbitrary::listing()) {
        for service in &listing.services {
            let alone = Facts::of_service(service, None);
            // A parent that says the same adds nothing.
            prop_assert_eq!(Facts::of_service(service, Some(service)), alone);
        }
    }
}
