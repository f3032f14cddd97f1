//! Small edits by field name, as people type them: `minimum_age=18`.

use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::entities::{Entity, Shape};
use super::model::Service;
use crate::limits::{NAME_MAX_BYTES, TEXT_MAX_BYTES};

/// Why an edit was refused. Nothing has been changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EditError {
    /// There is no such field.
    #[error("there is no field {field:?}{}", suggestion(near))]
    UnknownField {
        /// The field as it was given.
        field: String,
        /// Fields with a similar name.
        near: Vec<String>,
    },
    /// The value does not fit the field.
    #[error("{field}: {expected} belongs here, not {value:?}")]
    WrongValue {
        /// The field.
        field: String,
        /// What the field takes, in words.
        expected: String,
        /// The value as it was given.
        value: String,
    },
    /// The value is longer than a text may be.
    #[error("{field}: this text has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// The field.
        field: String,
        /// Length, in bytes of UTF-8.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
    },
    /// The field may not be removed.
    #[error("{field} cannot be left empty")]
    Required {
        /// The field.
        field: String,
    },
    /// Ids stay what they are.
    #[error("an id cannot be changed; add a new entry and remove the old one")]
    IdIsFixed,
    /// The field holds entries, not a value.
    #[error(
        "{field} holds entries; name one of them and its field, as in {field}.ID.FIELD{}",
        known(ids)
    )]
    HoldsEntries {
        /// The field.
        field: String,
        /// Ids of the entries that are there.
        ids: Vec<String>,
    },
    /// There is no entry with this id.
    #[error("{field} has no entry {id:?}{}", known(ids))]
    UnknownEntry {
        /// The field.
        field: String,
        /// The id as it was given.
        id: String,
        /// Ids of the entries that are there.
        ids: Vec<String>,
    },
}

fn suggestion(near: &[String]) -> String {
    if near.is_empty() {
        return "; a field of your own must begin with x_".to_owned();
    }
    format!("; did you mean {}?", near.join(" or "))
}

fn known(ids: &[String]) -> String {
    if ids.is_empty() {
        return "; there are none".to_owned();
    }
    format!(" (there are: {})", ids.join(", "))
}

/// Values that `status` of a service may have.
pub const STATUSES: &[&str] = &["active", "inactive", "defunct", "temporarily closed"];
const LOCATION_TYPES: &[&str] = &["physical", "postal", "virtual"];
const DATES: &[&str] = &[
    "assured_date",
    "valid_from",
    "valid_to",
    "dtstart",
    "until",
    "last_action_date",
];
const TIMES: &[&str] = &["opens_at", "closes_at"];

/// Sets fields of an organisation, a service or another entity, all of them or none.
///
/// A field is a name from Open Referral, an `x_…` field (its value is JSON if it parses, else a
/// text), or a path to a field of an entry inside, such as `phones.ID.number` or
/// `service_at_locations.ID.location.name`. An empty value removes the field.
///
/// # Errors
/// [`EditError`] for the first field that cannot be set; the entity is then as it was.
pub fn set_fields<T, F, V>(entity: &mut T, fields: &[(F, V)]) -> Result<(), EditError>
where
    T: Entity,
    F: AsRef<str>,
    V: AsRef<str>,
{
    let mut value = serde_json::to_value(&*entity).unwrap_or_default();
    for (field, text) in fields {
        let (field, text) = (field.as_ref(), text.as_ref());
        let mut map = value.as_object_mut().map_or_else(Map::new, std::mem::take);
        set_path(&mut map, T::shape(), field, field, text)?;
        value = Value::Object(map);
    }
    *entity = serde_json::from_value(value).map_err(|error| EditError::WrongValue {
        field: fields
            .first()
            .map_or_else(String::new, |(field, _)| field.as_ref().to_owned()),
        expected: error.to_string(),
        value: String::new(),
    })?;
    Ok(())
}

/// Makes a service, for `service add`. `name` must be among the fields; `status` is `active`
/// unless they say otherwise.
///
/// # Errors
/// [`EditError`], as [`set_fields`].
pub fn new_service<F, V>(
    id: &str,
    organization_id: &str,
    fields: &[(F, V)],
) -> Result<Service, EditError>
where
    F: AsRef<str>,
    V: AsRef<str>,
{
    let mut service = Service {
        id: id.to_owned(),
        organization_id: (!organization_id.is_empty()).then(|| organization_id.to_owned()),
        status: Some("active".to_owned()),
        ..Service::default()
    };
    set_fields(&mut service, fields)?;
    if service.name.is_empty() {
        return Err(EditError::Required {
            field: "name".to_owned(),
        });
    }
    Ok(service)
}

/// `full` is the path as it was given, for errors; `path` is what is left of it.
fn set_path(
    map: &mut Map<String, Value>,
    shape: &Shape,
    full: &str,
    path: &str,
    text: &str,
) -> Result<(), EditError> {
    let Some((head, rest)) = path.split_once('.').filter(|_| !path.starts_with("x_")) else {
        return set_field(map, shape, full, path, text);
    };
    if let Some(inner) = shape.one(head) {
        let Some(Value::Object(nested)) = map.get_mut(head) else {
            return Err(EditError::UnknownEntry {
                field: head.to_owned(),
                id: String::new(),
                ids: Vec::new(),
            });
        };
        return set_path(nested, inner, full, rest, text);
    }
    let Some(inner) = shape.many(head) else {
        return Err(unknown_field(shape, head));
    };
    let ids = ids_in(map, head);
    let Some((id, rest)) = rest.split_once('.') else {
        return Err(EditError::HoldsEntries {
            field: head.to_owned(),
            ids,
        });
    };
    let items = map.get_mut(head).and_then(Value::as_array_mut);
    let nested = items
        .and_then(|items| {
            items
                .iter_mut()
                .find(|item| item.get("id").and_then(Value::as_str) == Some(id))
        })
        .and_then(Value::as_object_mut);
    match nested {
        Some(nested) => set_path(nested, inner, full, rest, text),
        None => Err(EditError::UnknownEntry {
            field: head.to_owned(),
            id: id.to_owned(),
            ids,
        }),
    }
}

fn set_field(
    map: &mut Map<String, Value>,
    shape: &Shape,
    full: &str,
    field: &str,
    text: &str,
) -> Result<(), EditError> {
    if field == "id" {
        return Err(EditError::IdIsFixed);
    }
    let own = field.starts_with("x_") && field.len() > 2;
    let defined = shape.scalars().any(|name| name == field);
    if !own && !defined {
        if shape.many(field).is_some() || shape.one(field).is_some() {
            return Err(EditError::HoldsEntries {
                field: field.to_owned(),
                ids: ids_in(map, field),
            });
        }
        return Err(unknown_field(shape, field));
    }
    if text.trim().is_empty() {
        if shape.is_required(field) {
            return Err(EditError::Required {
                field: full.to_owned(),
            });
        }
        map.remove(field);
        return Ok(());
    }
    let value = value_for(shape, full, field, text)?;
    if value.is_null() {
        map.remove(field);
    } else {
        map.insert(field.to_owned(), value);
    }
    Ok(())
}

/// The value of a field as a text says it, checked as an edit is; for tables that are imported.
pub(crate) fn checked_value(shape: &Shape, field: &str, text: &str) -> Result<Value, EditError> {
    value_for(shape, field, field, text)
}

fn value_for(shape: &Shape, full: &str, field: &str, text: &str) -> Result<Value, EditError> {
    let wrong = |expected: String| EditError::WrongValue {
        field: full.to_owned(),
        expected,
        value: text.to_owned(),
    };
    let max = if field == "name" {
        NAME_MAX_BYTES
    } else {
        TEXT_MAX_BYTES
    };
    if text.len() > max {
        return Err(EditError::TooLong {
            field: full.to_owned(),
            bytes: text.len(),
            max,
        });
    }
    if shape.is_number(field) {
        return text
            .trim()
            .parse::<Number>()
            .map(Value::Number)
            .map_err(|_| wrong("a number such as 18".to_owned()));
    }
    if !shape.is_text(field) && shape.knows(field) {
        // A number or a text: whichever it looks like.
        return Ok(text
            .parse::<Number>()
            .map_or_else(|_| Value::from(text), Value::Number));
    }
    if !shape.knows(field) {
        let mut value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        crate::json::strip_nulls(&mut value);
        return Ok(value);
    }
    let one_of = match field {
        "status" => Some(STATUSES),
        "location_type" | "address_type" => Some(LOCATION_TYPES),
        _ => None,
    };
    if let Some(words) = one_of.filter(|words| !words.contains(&text)) {
        return Err(wrong(format!("one of {}", words.join(", "))));
    }
    if DATES.contains(&field) && !is_date(text) {
        return Err(wrong("a date such as 2026-11-30".to_owned()));
    }
    if TIMES.contains(&field) && !is_time(text) {
        return Err(wrong("a time such as 09:30".to_owned()));
    }
    if (field == "email" || field.ends_with("_email")) && !looks_like_email(text) {
        return Err(wrong("an e-mail address".to_owned()));
    }
    Ok(Value::from(text))
}

/// Is this a day that exists, written `YYYY-MM-DD`?
#[must_use]
pub fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let digits =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    match (year.parse(), month.parse(), day.parse()) {
        (Ok(year), Ok(month), Ok(day)) => jiff::civil::Date::new(year, month, day).is_ok(),
        _ => false,
    }
}

/// Is this a time of day, `HH:MM` or `HH:MM:SS`, perhaps with a zone behind it as ORUK allows?
pub(crate) fn is_time(text: &str) -> bool {
    let clock = text.split(['Z', '+', '-']).next().unwrap_or_default();
    let parts: Vec<&str> = clock.split(':').collect();
    let limits = [23_u8, 59, 59];
    (2..=3).contains(&parts.len())
        && parts.iter().zip(limits).all(|(part, max)| {
            part.len() == 2 && part.parse::<u8>().is_ok_and(|number| number <= max)
        })
}

fn looks_like_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
    })
}

fn ids_in(map: &Map<String, Value>, field: &str) -> Vec<String> {
    let items = map.get(field).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(|item| item.get("id").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

fn unknown_field(shape: &Shape, field: &str) -> EditError {
    let collections = shape.many.iter().chain(shape.one).map(|(name, _)| *name);
    let mut near: Vec<(usize, &str)> = shape
        .scalars()
        .chain(collections)
        .map(|name| (distance(name, field), name))
        .filter(|(distance, name)| {
            *distance <= 3 && *distance < name.len().max(1)
                || (field.len() >= 3 && name.contains(field))
        })
        .collect();
    near.sort_unstable();
    EditError::UnknownField {
        field: field.to_owned(),
        near: near
            .into_iter()
            .take(3)
            .map(|(_, name)| name.to_owned())
            .collect(),
    }
}

/// Number of single-character edits from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.chars().enumerate() {
        let mut previous = index;
        let mut next = vec![index.saturating_add(1)];
        for (above, right) in row.iter().skip(1).zip(&to) {
            let beside = next.last().copied().unwrap_or_default();
            let replaced = previous.saturating_add(usize::from(left != *right));
            next.push(
                replaced
                    .min(above.saturating_add(1))
                    .min(beside.saturating_add(1)),
            );
            previous = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
