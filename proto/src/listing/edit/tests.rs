use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::listing::arbitrary;
use crate::listing::model::Organization;

fn service() -> Service {
    serde_json::from_value(json!({
        "id": "s", "name": "Counselling", "minimum_age": 16,
        "phones": [{"id": "p", "number": "1"}],
        "service_at_locations": [{"id": "l", "location": {"id": "x", "name": "Hall"}}],
    }))
    .unwrap()
}

fn refused(fields: &[(&str, &str)]) -> EditError {
    let mut edited = service();
    let error = set_fields(&mut edited, fields).unwrap_err();
    assert_eq!(edited, service(), "a refused edit changed something");
    error
}

proptest! {
    #[test]
    fn a_field_that_is_set_and_removed_leaves_the_service_as_it_was(mut service in arbitrary::service(), text in "[a-z]{1,30}") {
        service.description = None;
        service.extra.remove("x_note");
        let mut edited = service.clone();
        set_fields(&mut edited, &[("description", text.as_str()), ("x_note", text.as_str())]).unwrap();
        prop_assert_eq!(edited.description.as_deref(), Some(text.as_str()));
        set_fields(&mut edited, &[("description", ""), ("x_note", "")]).unwrap();
        prop_assert_eq!(edited, service);
    }
}

#[test]
fn fields_are_set_by_name_with_their_types() {
    let mut edited = service();
    set_fields(
        &mut edited,
        &[
            ("name", "Talking therapy"),
            ("minimum_age", "18"),
            ("maximum_age", "25.5"),
            ("assured_date", "2026-11-22"),
            ("status", "temporarily closed"),
            ("email", "hello@example.org"),
            ("x_payer", "{\"nhs\": true, \"none\": null}"),
            ("x_note", "not {json"),
            ("phones.p.number", "0161 496 0000"),
            ("phones.p.extension", "12"),
            ("service_at_locations.l.location.name", "Town hall"),
            ("x_a.b", "1"),
        ],
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&edited).unwrap(),
        json!({
            "id": "s", "name": "Talking therapy", "minimum_age": 18, "maximum_age": 25.5,
            "assured_date": "2026-11-22", "status": "temporarily closed", "email": "hello@example.org",
            "x_payer": {"nhs": true}, "x_note": "not {json", "x_a.b": 1,
            "phones": [{"id": "p", "number": "0161 496 0000", "extension": 12}],
            "service_at_locations": [{"id": "l", "location": {"id": "x", "name": "Town hall"}}],
        })
    );
    set_fields(&mut edited, &[("minimum_age", ""), ("x_payer", "null")]).unwrap();
    assert_eq!(edited.minimum_age, None);
    assert!(!edited.extra.contains_key("x_payer"));

    let mut organization = Organization {
        id: "o".into(),
        name: "Acorn".into(),
        ..Organization::default()
    };
    set_fields(&mut organization, &[("website", "https://example.org")]).unwrap();
    assert_eq!(organization.website.as_deref(), Some("https://example.org"));
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for (field, value) in [
        ("minimum_age", "eighteen"),
        ("minimum_age", "18 years"),
        ("assured_date", "22/11/2026"),
        ("assured_date", "2026-02-30"),
        ("assured_date", "2026-2-3"),
        ("status", "open"),
        ("email", "nobody"),
    ] {
        let error = refused(&[("description", "x"), (field, value)]);
        assert!(
            matches!(error, EditError::WrongValue { .. }),
            "{field}={value}: {error}"
        );
        assert!(error.to_string().contains(value), "{error}");
    }
    assert!(matches!(
        refused(&[("name", " ")]),
        EditError::Required { .. }
    ));
    assert!(matches!(
        refused(&[("phones.p.number", "")]),
        EditError::Required { .. }
    ));
    assert_eq!(refused(&[("id", "other")]), EditError::IdIsFixed);
    let long = "x".repeat(NAME_MAX_BYTES + 1);
    assert!(matches!(
        refused(&[("name", &long)]),
        EditError::TooLong {
            max: NAME_MAX_BYTES,
            ..
        }
    ));
    let long = "x".repeat(TEXT_MAX_BYTES + 1);
    assert!(matches!(
        refused(&[("description", &long)]),
        EditError::TooLong {
            max: TEXT_MAX_BYTES,
            ..
        }
    ));
}

#[test]
fn an_unknown_field_is_answered_with_the_nearest_names() {
    let EditError::UnknownField { near, .. } = refused(&[("minimun_age", "18")]) else {
        panic!("took an unknown field")
    };
    assert_eq!(near[0], "minimum_age");
    let error = refused(&[("opening", "x"), ("zzzzzz", "1")]);
    assert!(error.to_string().contains("x_"), "{error}");
    let error = refused(&[("phones", "1")]);
    assert_eq!(
        error.to_string(),
        "phones holds entries; name one of them and its field, as in phones.ID.FIELD (there are: p)"
    );
    assert!(matches!(
        refused(&[("phones.q.number", "1")]),
        EditError::UnknownEntry { .. }
    ));
    assert!(matches!(
        refused(&[("phones.p", "1")]),
        EditError::HoldsEntries { .. }
    ));
    assert!(matches!(
        refused(&[("program.name", "1")]),
        EditError::UnknownEntry { .. }
    ));
    assert!(matches!(
        refused(&[("fones.p.number", "1")]),
        EditError::UnknownField { .. }
    ));
}

#[test]
fn a_new_service_needs_a_name() {
    let made = new_service("s", "o", &[("name", "Drop-in"), ("fees", "none")]).unwrap();
    assert_eq!(made.status.as_deref(), Some("active"));
    assert_eq!(made.organization_id.as_deref(), Some("o"));
    let error = new_service("s", "o", &[("fees", "none")]).unwrap_err();
    assert!(matches!(error, EditError::Required { .. }), "{error}");
}

#[test]
fn times_have_hours_and_minutes() {
    for (text, good) in [
        ("09:30", true),
        ("23:59:59", true),
        ("10:00Z", true),
        ("9:30", false),
        ("24:00", false),
        ("09:30:00:00", false),
        ("noon", false),
    ] {
        assert_eq!(is_time(text), good, "{text}");
    }
}
