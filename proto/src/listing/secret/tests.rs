use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::listing::arbitrary;

fn listing(service: Value) -> Listing {
    let organization = json!({
        "id": "o", "name": "Acorn", "description": "Our house at 12 Rose Lane is open all year.",
        "locations": [{"id": "house", "name": "Rose House"}, {"id": "office", "name": "Office"}],
        "phones": [{"id": "p", "number": "1", "location_id": "house"}],
    });
    serde_json::from_value(json!({"organization": organization, "services": [service]})).unwrap()
}

fn refuge() -> Value {
    json!({
        "id": "11111111-1111-4111-8111-111111111111", "name": "Refuge",
        "description": "Come to ROSE  HOUSE, 12 Rose Lane, M1 1AA. Or near: SW1A 2AA. Ask for Ann.",
        "pc_address": "12 Rose Lane", "x_delivery_format": "in person",
        "phones": [
            {"id": "h", "number": "0800 111 222", "description": "Helpline"},
            {"id": "d", "number": "0161 496 0123", "location_id": "house"},
        ],
        "contacts": [{"id": "c", "name": "Ann", "service_at_location_id": "at"}],
        "metadata": [{"id": "m", "previous_value": "12 Rose Lane"}],
        "service_areas": [{"id": "a", "name": "Trafford", "extent": "{\"point\": [1, 2]}"}],
        "service_at_locations": [{
            "id": "at", "description": "Ring twice", "phones": [{"id": "q", "number": "0161 496 0124"}],
            "service_areas": [{"id": "b", "name": "Salford"}],
            "schedules": [{"id": "s", "byday": "MO", "service_at_location_id": "at"}],
            "location": {
                "id": "house", "name": "Rose House", "latitude": 53.480759, "longitude": -2.242631,
                "addresses": [{"id": "x", "address_1": "12 Rose Lane", "city": "Sale", "postal_code": "M1 1AA"}],
                "phones": [{"id": "r", "number": "0161 496 0125"}],
            },
        }],
    })
}

const SECRETS: &[&str] = &[
    "Rose",
    "ROSE",
    "M1 1AA",
    "SW1A 2AA",
    "53.48",
    "2.2426",
    "0161",
    "\"house\"",
    "Ring twice",
    "point",
    "\"at\"",
    "pc_address",
];

#[test]
fn of_a_confidential_service_only_the_area_is_kept() {
    for mark in [json!(true), json!("yes"), json!("TRUE"), json!(1)] {
        let mut service = refuge();
        service[CONFIDENTIAL] = mark;
        let mut listing = listing(service);
        let told = conceal(&mut listing);
        let text = listing.to_export().unwrap().to_string();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for kept in [
            "Refuge",
            "0800 111 222",
            "Trafford",
            "Salford",
            "\"MO\"",
            "in person",
            "Office",
            "Come to [not shown], [not shown], [not shown]. Or near: [not shown].",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        assert_eq!(told.len(), 2);
        assert!(
            told[0]
                .sentence()
                .contains("street and postcode, coordinates"),
            "{}",
            told[0].sentence()
        );
        // Nothing is left to do, and the ids of a second import are those of the first.
        assert!(conceal(&mut listing.clone()).is_empty());
    }
    let mut open = listing(refuge());
    let before = open.clone();
    assert!(conceal(&mut open).is_empty());
    assert_eq!(open, before);
}

#[test]
fn a_place_that_is_marked_goes_and_the_service_stays() {
    for (pointer, mark) in [
        ("/service_at_locations/0", json!({"confidential": "Yes"})),
        (
            "/service_at_locations/0/location",
            json!({"x_confidential": true}),
        ),
        (
            "/service_at_locations/0/location/addresses/0",
            json!({"hide_address": true}),
        ),
    ] {
        let mut service = refuge();
        let place = service.pointer_mut(pointer).unwrap();
        place
            .as_object_mut()
            .unwrap()
            .extend(mark.as_object().unwrap().clone());
        service["service_at_locations"]
            .as_array_mut()
            .unwrap()
            .push(json!({"id": "other", "location": {"id": "hall", "name": "Town hall"}}));
        let mut listing = listing(service);
        assert!(!conceal(&mut listing).is_empty());
        let text = listing.to_export().unwrap().to_string();
        for secret in ["M1 1AA", "53.48", "0161 496 0123", "0161 496 0125"] {
            assert!(!text.contains(secret), "{pointer}: {secret} in {text}");
        }
        // Another place of the same service, and a postcode that is not of the secret one, stay.
        assert!(
            text.contains("Town hall") && text.contains("SW1A 2AA"),
            "{text}"
        );
    }
}

#[test]
fn strands_terms_and_towns_count_too() {
    let mut strand = refuge();
    strand["id"] = json!("22222222-2222-4222-8222-222222222222");
    strand["x_parent_service"] = refuge()["id"].clone();
    strand["service_areas"] = json!([]);
    strand["service_at_locations"][0]["service_areas"] = json!([]);
    let mut parent = refuge();
    parent["attributes"] =
        json!([{"id": "t", "taxonomy_term": {"id": "u", "name": "Confidential location"}}]);
    let mut listing = listing(parent);
    listing
        .services
        .insert(serde_json::from_value(strand.clone()).unwrap());
    conceal(&mut listing);
    let shown = listing
        .services
        .get("22222222-2222-4222-8222-222222222222")
        .unwrap();
    assert!(shown.service_at_locations.is_empty());
    // The town is all that was said of the area.
    assert_eq!(
        shown.service_areas.iter().next().unwrap().name.as_deref(),
        Some("Sale")
    );
    // Unless it does not look like a town.
    strand["service_at_locations"][0]["location"]["addresses"][0]["city"] =
        json!("12 Rose Lane, Sale");
    listing
        .services
        .insert(serde_json::from_value(strand).unwrap());
    let told = conceal(&mut listing);
    assert!(told[0].without_area && told[0].sentence().contains("names no area"));
}

#[test]
fn postcodes_are_recognised() {
    for (text, length) in [
        ("M1 1AA", 6),
        ("m11aa", 5),
        ("SW1A 2AA, London", 8),
        ("EC1A1BB", 7),
        ("B33 8TH.", 7),
        ("CR2 6XH", 7),
        ("DN55 1PT", 8),
    ] {
        assert_eq!(postcode(text), Some(length), "{text}");
    }
    for text in [
        "", "M1", "Room 12", "12 Rose", "ABC 1AA", "M1 1AAA", "X 1AA",
    ] {
        assert_eq!(postcode(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_of_a_place_is_left_in_any_listing(listing in arbitrary::listing()) {
        let mut listing = listing;
        let ids: Vec<String> = listing.services.ids().map(str::to_owned).collect();
        for id in &ids {
            listing.services.get_mut(id).unwrap().extra.insert(CONFIDENTIAL.to_owned(), json!(true));
        }
        conceal(&mut listing);
        for service in &listing.services {
            prop_assert!(service.service_at_locations.is_empty() && service.metadata.is_empty());
            prop_assert!(service.phones.iter().all(|phone| phone.location_id.as_deref().unwrap_or_default().is_empty()));
            prop_assert!(service.extra.keys().all(|name| HARMLESS.contains(&name.as_str())));
        }
        let once = listing.clone();
        conceal(&mut listing);
        prop_assert_eq!(listing, once);
    }
}
