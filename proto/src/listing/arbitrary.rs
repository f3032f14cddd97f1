//! Random valid listings for property tests, made from the shapes, so that a field added to a struct
//! is tested without a word here.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::entities::{Entity, Shape};
use super::model::{Organization, Service};
use super::state::{LISTING_KIND, Listing, STATE_FORMAT};
use crate::limits::SHARDS_MAX;

/// A canonical UUID.
pub(crate) fn uuid() -> BoxedStrategy<String> {
    any::<u128>()
        .prop_map(|bits| uuid::Uuid::from_u128(bits).to_string())
        .boxed()
}

/// A text that is not blank.
pub(crate) fn name() -> BoxedStrategy<String> {
    "[A-Za-zÀ-ž]\\PC{0,20}".boxed()
}

/// A number in any form that JSON tells apart. Fractions are multiples of 1/64, which every
/// parser of JSON reads exactly.
pub(crate) fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|parts| Value::from(f64::from(parts) / 64.0)),
        any::<i16>().prop_map(|whole| Value::from(f64::from(whole))),
    ]
    .boxed()
}

/// Any JSON without nulls in objects.
pub(crate) fn json_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        number(),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            Just(String::new()),
            "[a-z_]{1,6}",
            "[a-z]{0,2}(\\[\\]){1,2}",
            select(vec!["id", "services", "phones", "kind", "contacts[]"]).prop_map(str::to_owned),
        ];
        let item = prop_oneof![4 => inner.clone(), 1 => Just(Value::Null)];
        prop_oneof![
            vec(item, 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Fields that no struct knows.
pub(crate) fn extra() -> BoxedStrategy<Map<String, Value>> {
    btree_map("(x|pc)_[a-zA-Z]{1,6}(\\[\\])?", json_value(), 0..3)
        .prop_map(|fields| fields.into_iter().collect())
        .boxed()
}

/// An entity of a shape, as JSON, with entities inside it to a depth of `levels`.
pub(crate) fn entity(shape: &'static Shape, levels: usize) -> BoxedStrategy<Value> {
    let mut fields: Vec<&'static str> = shape
        .scalars()
        .filter(|field| !shape.is_required(field))
        .collect();
    if levels > 0 {
        let nested = shape.many.iter().chain(shape.one);
        fields.extend(nested.map(|(name, _)| *name));
    }
    let most = fields.len().min(6);
    let chosen = subsequence(fields, 0..=most).prop_flat_map(move |fields| {
        fields
            .into_iter()
            .map(|field| {
                value_for(shape, field, levels)
                    .prop_map(move |value| (field.to_owned(), value))
                    .boxed()
            })
            .collect::<Vec<_>>()
    });
    let required: Vec<_> = shape.required.iter().map(|_| name()).collect();
    (uuid(), required, chosen, extra())
        .prop_map(move |(id, required, chosen, extra)| {
            let mut map = extra;
            map.extend(chosen);
            map.insert("id".to_owned(), Value::from(id));
            let names = shape.required.iter().map(|name| (*name).to_owned());
            map.extend(names.zip(required.into_iter().map(Value::from)));
            Value::Object(map)
        })
        .boxed()
}

fn value_for(shape: &'static Shape, field: &str, levels: usize) -> BoxedStrategy<Value> {
    let below = levels.saturating_sub(1);
    if let Some(inner) = shape.many(field) {
        // Not empty: an empty collection is the same as none.
        return vec(entity(inner, below), 1..3)
            .prop_map(|mut items| {
                items.sort_by_key(|item| item["id"].as_str().map(str::to_owned));
                Value::from(items)
            })
            .boxed();
    }
    if let Some(inner) = shape.one(field) {
        return entity(inner, below);
    }
    if shape.is_number(field) {
        return number();
    }
    if shape.is_text(field) {
        return any::<String>().prop_map(Value::from).boxed();
    }
    prop_oneof![number(), any::<String>().prop_map(Value::from)].boxed()
}

/// A service.
pub(crate) fn service() -> BoxedStrategy<Service> {
    entity(Service::shape(), 3)
        .prop_map(|value| serde_json::from_value(value).unwrap())
        .boxed()
}

/// An organisation.
pub(crate) fn organization() -> BoxedStrategy<Organization> {
    entity(Organization::shape(), 2)
        .prop_map(|value| serde_json::from_value(value).unwrap())
        .boxed()
}

/// A listing of a few services.
pub(crate) fn listing() -> BoxedStrategy<Listing> {
    (organization(), vec(service(), 0..5))
        .prop_map(|(organization, services)| Listing {
            organization,
            services: services.into_iter().collect(),
        })
        .boxed()
}

/// A listing of many services of a few kilobytes each, to fill shards with.
pub(crate) fn large_listing() -> BoxedStrategy<Listing> {
    let service = (uuid(), 0..60_000_usize).prop_map(|(id, length)| Service {
        id,
        name: "A service".to_owned(),
        description: Some("x".repeat(length)),
        ..Service::default()
    });
    (organization(), vec(service, 0..100))
        .prop_map(|(organization, services)| Listing {
            organization,
            services: services.into_iter().collect(),
        })
        .boxed()
}

/// The state of a shard, as JSON.
pub(crate) fn shard_value() -> BoxedStrategy<Value> {
    let services = vec(entity(Service::shape(), 3), 0..4);
    let organization = entity(Organization::shape(), 2);
    (0..SHARDS_MAX, services, organization, extra())
        .prop_map(|(shard, mut services, organization, extra)| {
            services.sort_by_key(|service| service["id"].as_str().map(str::to_owned));
            let mut state = Map::from_iter(extra);
            state.insert("format".to_owned(), json!(STATE_FORMAT));
            state.insert("kind".to_owned(), json!(LISTING_KIND));
            state.insert("shard".to_owned(), json!(shard));
            state.insert("services".to_owned(), Value::from(services));
            if shard == 0 {
                state.insert("organization".to_owned(), organization);
            }
            Value::Object(state)
        })
        .boxed()
}
