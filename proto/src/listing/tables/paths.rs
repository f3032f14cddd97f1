//! Fields of a listing by path, such as `service_at_locations.location.addresses.postal_code`.
//!
//! A collection on the path means its first entry, or the one whose number (counted from 1) stands in
//! brackets: `phones[2].number`.

use serde_json::{Map, Value};

use crate::listing::edit::checked_value;
use crate::listing::entities::Shape;

/// Most entries of one collection that a row can fill.
const ENTRIES_MAX: usize = 100;

/// A path taken apart.
struct Step<'a> {
    field: &'a str,
    number: usize,
    rest: Option<&'a str>,
}

fn step(path: &str) -> Result<Step<'_>, String> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let (field, number) = match head.split_once('[') {
        None => (head, 1),
        Some((field, number)) => {
            let number = number
                .strip_suffix(']')
                .and_then(|number| number.parse().ok());
            let number = number.filter(|number| (1..=ENTRIES_MAX).contains(number));
            (
                field,
                number.ok_or_else(|| {
                    format!("{head}: the number in brackets must be 1 to {ENTRIES_MAX}")
                })?,
            )
        }
    };
    Ok(Step {
        field,
        number,
        rest,
    })
}

/// Does this path lead to a field that holds a value?
pub(super) fn check(shape: &'static Shape, path: &str) -> Result<(), String> {
    let Step { field, rest, .. } = step(path)?;
    match (shape.many(field).or_else(|| shape.one(field)), rest) {
        (Some(inner), Some(rest)) => check(inner, rest),
        (Some(_), None) => Err(format!(
            "{field} holds entries; name a field of them, as in {field}.name"
        )),
        (None, None) if field.starts_with("x_") && field.len() > 2 => Ok(()),
        (None, None) if shape.scalars().any(|name| name == field) => Ok(()),
        (None, _) => Err(format!(
            "a {} has no field {field}; one of your own must begin with x_",
            shape.kind.replace('_', " ")
        )),
    }
}

/// The path with the innermost of its collections meaning entry `number` (counted from 1) further on.
pub(super) fn shifted(shape: &'static Shape, path: &str, by: usize) -> Option<String> {
    let Step {
        field,
        number,
        rest,
    } = step(path).ok()?;
    let rest = rest?;
    let inner = shape.many(field).or_else(|| shape.one(field))?;
    if let Some(deeper) = shifted(inner, rest, by) {
        let head = if number == 1 {
            field.to_owned()
        } else {
            format!("{field}[{number}]")
        };
        return Some(format!("{head}.{deeper}"));
    }
    shape.many(field)?;
    Some(format!("{field}[{}].{rest}", number.checked_add(by)?))
}

/// Does the entry that holds this field exist already? A field of the entity itself always does.
pub(super) fn is_there(map: &Map<String, Value>, path: &str) -> bool {
    let Ok(Step {
        field,
        number,
        rest,
    }) = step(path)
    else {
        return false;
    };
    let Some(rest) = rest else {
        return true;
    };
    let inner = match map.get(field) {
        Some(Value::Array(items)) => items.get(number.saturating_sub(1)),
        other => other,
    };
    inner
        .and_then(Value::as_object)
        .is_some_and(|inner| !inner.is_empty() && is_there(inner, rest))
}

/// Puts a text into a field. A second text for one field goes below the first.
pub(super) fn put(
    map: &mut Map<String, Value>,
    shape: &'static Shape,
    path: &str,
    text: &str,
) -> Result<(), String> {
    let Step {
        field,
        number,
        rest,
    } = step(path)?;
    let Some(rest) = rest else {
        let value = if shape.scalars().any(|name| name == field) {
            checked_value(shape, field, text).map_err(|error| error.to_string())?
        } else {
            Value::from(text)
        };
        match (map.get_mut(field), value) {
            (Some(Value::String(before)), Value::String(more)) if *before != more => {
                before.push('\n');
                before.push_str(&more);
            }
            (_, value) => {
                map.insert(field.to_owned(), value);
            }
        }
        return Ok(());
    };
    if let Some(inner) = shape.one(field) {
        let entry = map
            .entry(field)
            .or_insert_with(|| Value::Object(Map::new()));
        return entry
            .as_object_mut()
            .map_or(Ok(()), |entry| put(entry, inner, rest, text));
    }
    let Some(inner) = shape.many(field) else {
        return Err(format!("{field} holds no entries"));
    };
    let items = map.entry(field).or_insert_with(|| Value::Array(Vec::new()));
    let Some(items) = items.as_array_mut() else {
        return Ok(());
    };
    while items.len() < number.min(ENTRIES_MAX) {
        items.push(Value::Object(Map::new()));
    }
    match items
        .get_mut(number.saturating_sub(1))
        .and_then(Value::as_object_mut)
    {
        Some(entry) => put(entry, inner, rest, text),
        None => Err(format!("more than {ENTRIES_MAX} entries in {field}")),
    }
}

/// Takes out entries with nothing in them, and those that lack what nothing works without; gives the kinds of the
/// latter.
pub(crate) fn tidy(map: &mut Map<String, Value>, shape: &'static Shape) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    let mut empty = Vec::new();
    for (field, value) in map.iter_mut() {
        if let (Some(inner), Value::Array(items)) = (shape.many(field), &mut *value) {
            items.retain_mut(|item| keeps(item, inner, &mut lacking));
            if items.is_empty() {
                empty.push(field.clone());
            }
        } else if let Some(inner) = shape.one(field)
            && !keeps(value, inner, &mut lacking)
        {
            empty.push(field.clone());
        }
    }
    for field in empty {
        map.remove(&field);
    }
    lacking
}

fn keeps(item: &mut Value, shape: &'static Shape, lacking: &mut Vec<&'static str>) -> bool {
    let Some(fields) = item.as_object_mut() else {
        return true;
    };
    lacking.extend(tidy(fields, shape));
    let known = fields.keys().any(|field| field != "id");
    let complete = shape
        .required
        .iter()
        .all(|field| fields.contains_key(*field));
    if known && !complete {
        lacking.push(shape.kind);
    }
    complete && (known || fields.contains_key("id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::entities::Entity;
    use crate::listing::model::Service;
    use serde_json::json;

    #[test]
    fn values_go_where_the_path_says() {
        let shape = Service::shape();
        let mut map = Map::new();
        for (path, text) in [
            ("name", "Advice"),
            ("minimum_age", "18"),
            ("phones[2].number", "2"),
            (
                "service_at_locations.location.addresses.postal_code",
                "M1 1AA",
            ),
            ("service_at_locations.location.latitude", "53.5"),
            ("description", "One"),
            ("description", "Two"),
            ("x_mine", "own"),
        ] {
            put(&mut map, shape, path, text).unwrap();
            assert!(is_there(&map, path), "{path}");
        }
        assert!(!is_there(&map, "languages.name"));
        assert!(put(&mut map, shape, "minimum_age", "many").is_err());
        map.insert(
            "contacts".to_owned(),
            json!([{"phones": [{"description": "no number"}]}]),
        );
        assert_eq!(tidy(&mut map, shape), ["phone"]);
        assert_eq!(
            Value::Object(map),
            json!({
                "name": "Advice", "minimum_age": 18, "phones": [{"number": "2"}], "description": "One\nTwo", "x_mine": "own",
                "service_at_locations": [{"location": {"addresses": [{"postal_code": "M1 1AA"}], "latitude": 53.5}}],
            })
        );
    }

    #[test]
    fn paths_are_checked_and_shifted() {
        let shape = Service::shape();
        for path in ["name", "x_a", "phones.number", "phones[3].languages.name"] {
            assert_eq!(check(shape, path), Ok(()));
        }
        for path in [
            "nmae",
            "phones",
            "phones.nmae",
            "name.first",
            "phones[0].number",
            "phones[x].number",
        ] {
            assert!(check(shape, path).is_err(), "{path}");
        }
        assert!(check(shape, &format!("phones[{}].number", ENTRIES_MAX + 1)).is_err());
        assert_eq!(
            shifted(shape, "languages.name", 2).as_deref(),
            Some("languages[3].name")
        );
        assert_eq!(
            shifted(shape, "phones[2].languages.name", 1).as_deref(),
            Some("phones[2].languages[2].name")
        );
        assert_eq!(shifted(shape, "name", 1), None);
    }
}
