//! Making entries fit the schemas of Open Referral UK 3.0, without saying anything that the listing does not.
//!
//! The schemas demand fields that many honest listings lack. Where one is missing it is there and empty; a `status`
//! is `active`, for a service that a directory lists without saying that it has ended is on offer. A value that the
//! schema's list of words does not have is left out.

use fingerpost_proto::listing::entities::Shape;
use serde_json::{Map, Value};

/// What is written where a field that the schemas demand is missing: kind of entity, field, value.
const DEMANDED: &[(&str, &str, &str)] = &[
    ("service", "status", "active"),
    ("organization", "description", ""),
    ("organization_identifier", "identifier_type", ""),
    ("organization_identifier", "identifier", ""),
    ("location", "location_type", "physical"),
    ("address", "address_1", ""),
    ("address", "city", ""),
    ("address", "state_province", ""),
    ("address", "postal_code", ""),
    ("address", "country", "GB"),
    ("address", "address_type", "physical"),
    ("taxonomy_term", "name", ""),
    ("taxonomy_term", "description", ""),
    ("taxonomy", "name", ""),
    ("taxonomy", "description", ""),
];

/// Fields that may hold certain words alone.
const WORDS: &[(&str, &str, &[&str])] = &[
    (
        "service",
        "status",
        &["active", "inactive", "defunct", "temporarily closed"],
    ),
    (
        "location",
        "location_type",
        &["physical", "postal", "virtual"],
    ),
    (
        "address",
        "address_type",
        &["physical", "postal", "virtual"],
    ),
    ("schedule", "freq", &["WEEKLY", "MONTHLY"]),
];

/// Makes an entity fit, with everything in it.
pub(super) fn conform(entity: &mut Map<String, Value>, shape: &Shape) {
    for (kind, field, words) in WORDS.iter().filter(|(kind, ..)| *kind == shape.kind) {
        debug_assert_eq!(*kind, shape.kind);
        let fits = |it: &Value| it.as_str().is_some_and(|it| words.contains(&it));
        if entity.get(*field).is_some_and(|it| !fits(it)) {
            entity.remove(*field);
        }
    }
    for (_, field, value) in DEMANDED.iter().filter(|(kind, ..)| *kind == shape.kind) {
        entity.entry(*field).or_insert_with(|| Value::from(*value));
    }
    for (field, inner) in shape.many {
        let items = entity.get_mut(*field).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            if let Some(item) = item.as_object_mut() {
                conform(item, inner());
            }
        }
    }
    for (field, inner) in shape.one {
        if let Some(item) = entity.get_mut(*field).and_then(Value::as_object_mut) {
            conform(item, inner());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use fingerpost_proto::listing::Service;
    use fingerpost_proto::listing::entities::Entity;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_demanded_is_there_and_what_does_not_fit_is_not() {
        let mut service = json!({
            "id": "s", "name": "Advice", "status": "open",
            "schedules": [{"id": "a", "freq": "DAILY"}, {"id": "b", "freq": "WEEKLY"}],
            "service_at_locations": [{"id": "p", "location": {"id": "l", "addresses": [{"id": "d", "city": "Sale"}]}}],
        });
        conform(service.as_object_mut().unwrap(), Service::shape());
        assert_eq!(
            service,
            json!({
                "id": "s", "name": "Advice", "status": "active",
                "schedules": [{"id": "a"}, {"id": "b", "freq": "WEEKLY"}],
                "service_at_locations": [{"id": "p", "location": {
                    "id": "l", "location_type": "physical",
                    "addresses": [{"id": "d", "address_1": "", "city": "Sale", "state_province": "",
                        "postal_code": "", "country": "GB", "address_type": "physical"}],
                }}],
            })
        );
    }
}
