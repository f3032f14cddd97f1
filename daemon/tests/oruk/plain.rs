//! A plain look at listings as their files have them: what parameters are compared with.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::geography;
use serde_json::Value;

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn ids(contents: &[Value]) -> BTreeSet<String> {
    contents.iter().map(|it| text(&it["id"])).collect()
}

/// What stands in a list, if there is one.
pub(crate) fn each<'a>(of: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[field].as_array().into_iter().flatten()
}

/// Terms of a service or place as its file has it.
#[allow(dead_code, reason = "each program takes what it needs of this")]
pub(crate) fn terms(of: &Value) -> impl Iterator<Item = &Value> {
    each(of, "attributes").map(|it| &it["taxonomy_term"])
}

/// Codes of the areas that a service says it serves.
fn codes(service: &Value) -> BTreeSet<String> {
    let places = each(service, "service_at_locations").flat_map(|it| each(it, "service_areas"));
    let mut codes = BTreeSet::new();
    for area in each(service, "service_areas").chain(places) {
        if let Some(code) = area["uri"].as_str().and_then(geography::code_in_uri) {
            codes.insert(code.to_owned());
            continue;
        }
        let names = [&area["name"], &area["service_area"]];
        for name in names.into_iter().filter_map(Value::as_str) {
            // "Kent, Surrey and Sussex" is each of them.
            let parts = name.split([',', ';', '/', '&']);
            let parts = parts.flat_map(|part| part.split(" and "));
            let known: Vec<_> = match geography::area(name) {
                Some(whole) => vec![whole],
                None => parts.filter_map(geography::area).collect(),
            };
            codes.extend(known.into_iter().map(|it| it.code.clone()));
        }
    }
    codes
}

/// Whether one of the areas of a service, or where it names none of its parent, holds an outcode; or none is named.
pub(crate) fn covers(service: &Value, services: &BTreeMap<String, Value>, outcode: &str) -> bool {
    let mut own = codes(service);
    if own.is_empty()
        && let Some(parent) = service["x_parent_service"].as_str()
    {
        own = services.get(parent).map(codes).unwrap_or_default();
    }
    let authority = geography::place(outcode).unwrap().authority.unwrap();
    let wider = geography::lies_in(&authority);
    own.is_empty() || own.contains(&authority) || wider.iter().any(|it| own.contains(*it))
}

/// Whether a location is within some metres of a point: by its coordinates, or else by its first postcode that is known.
pub(crate) fn is_within(location: &Value, centre: geography::Point, metres: u32) -> bool {
    let degrees = location["latitude"]
        .as_f64()
        .zip(location["longitude"].as_f64());
    let exact = degrees.and_then(|(lat, lng)| geography::Point::from_degrees(lat, lng));
    let mut rough =
        each(location, "addresses").filter_map(|it| geography::place(it["postal_code"].as_str()?));
    let point = exact.or_else(|| rough.next().map(|it| it.point));
    point.is_some_and(|point| point.distance_m(centre) <= metres)
}
