//! Writing a tree into automerge, touching only what differs.

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, AutomergeError, ObjId, ObjType, Prop, ROOT, Value as Held};
use serde_json::{Map, Value};

use super::own::DocumentError;
use super::read::{Field, Reader, scalar_of};
use super::tree::collection_name;

/// Makes the document say `tree`. What is already so is left alone, conflicts included: only a
/// person's own choice settles them.
pub(super) fn write_tree(
    doc: &mut AutoCommit,
    tree: &Map<String, Value>,
) -> Result<(), DocumentError> {
    write_map(doc, &[ROOT], tree)?;
    Ok(())
}

/// `maps` is one place of the tree, the winner first (see [`super::read`]).
fn write_map(
    doc: &mut AutoCommit,
    maps: &[ObjId],
    tree: &Map<String, Value>,
) -> Result<(), AutomergeError> {
    let Some((winner, others)) = maps.split_first() else {
        return Ok(());
    };
    let held: BTreeMap<String, Field> = Reader::now(doc)
        .fields(winner)
        .into_iter()
        .map(|field| (field.name.clone(), field))
        .collect();
    for key in held.keys().filter(|key| !tree.contains_key(*key)) {
        doc.delete(winner, key.as_str())?;
    }
    let hidden = Reader::now(doc).keys(others);
    for key in hidden {
        if collection_name(&key).is_some() && !tree.contains_key(&key) {
            delete_everywhere(doc, others, &key)?;
        }
    }
    for (key, value) in tree {
        if let (Some(_), Value::Object(entities)) = (collection_name(key), value) {
            write_collection(doc, maps, key, entities)?;
            continue;
        }
        write_field(doc, winner, key, value, held.get(key))?;
    }
    Ok(())
}

fn write_field(
    doc: &mut AutoCommit,
    map: &ObjId,
    key: &str,
    value: &Value,
    held: Option<&Field>,
) -> Result<(), AutomergeError> {
    match (value, held) {
        (Value::Object(fields), Some(field)) if field.value == Held::Object(ObjType::Map) => {
            let maps = Reader::now(doc).maps_under(std::slice::from_ref(map), key)?;
            write_map(doc, &maps, fields)
        }
        (Value::Array(items), Some(field)) if field.value == Held::Object(ObjType::List) => {
            write_list(doc, &field.id, items)
        }
        (_, Some(field)) if is_same_scalar(&field.value, value) => Ok(()),
        _ => put(doc, map, Prop::Map(key.to_owned()), value, Place::Put),
    }
}

fn is_same_scalar(held: &Held<'_>, value: &Value) -> bool {
    match (held, scalar_of(value)) {
        (Held::Scalar(held), Some(scalar)) => held.as_ref() == &scalar,
        _ => false,
    }
}

fn write_collection(
    doc: &mut AutoCommit,
    maps: &[ObjId],
    key: &str,
    entities: &Map<String, Value>,
) -> Result<(), AutomergeError> {
    let mut held = Reader::now(doc).maps_under(maps, key)?;
    if held.is_empty() {
        let Some(winner) = maps.first() else {
            return Ok(());
        };
        held.push(doc.put_object(winner, key, ObjType::Map)?);
    }
    for id in Reader::now(doc).keys(&held) {
        if !entities.contains_key(&id) {
            delete_everywhere(doc, &held, &id)?;
        }
    }
    for (id, entity) in entities {
        let Value::Object(fields) = entity else {
            continue;
        };
        let mut entity = Reader::now(doc).maps_under(&held, id)?;
        if entity.is_empty() {
            let Some(winner) = held.first() else { continue };
            entity.push(doc.put_object(winner, id.as_str(), ObjType::Map)?);
        }
        write_map(doc, &entity, fields)?;
    }
    Ok(())
}

fn delete_everywhere(
    doc: &mut AutoCommit,
    maps: &[ObjId],
    key: &str,
) -> Result<(), AutomergeError> {
    for map in maps {
        if Reader::now(doc)
            .keys(std::slice::from_ref(map))
            .contains(key)
        {
            doc.delete(map, key)?;
        }
    }
    Ok(())
}

/// Replaces what lies between the common beginning and the common end.
fn write_list(doc: &mut AutoCommit, list: &ObjId, items: &[Value]) -> Result<(), AutomergeError> {
    let held = Reader::now(doc).value(&Held::Object(ObjType::List), list)?;
    let held = held.as_array().map(Vec::as_slice).unwrap_or_default();
    let same_start = held.iter().zip(items).take_while(|(a, b)| a == b).count();
    let held_rest = held.get(same_start..).unwrap_or_default();
    let rest = items.get(same_start..).unwrap_or_default();
    let same_end = held_rest
        .iter()
        .rev()
        .zip(rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    for _ in 0..held_rest.len().saturating_sub(same_end) {
        doc.delete(list, same_start)?;
    }
    let new = rest.len().saturating_sub(same_end);
    for (offset, item) in rest.iter().take(new).enumerate() {
        let at = same_start.saturating_add(offset);
        put(doc, list, Prop::Seq(at), item, Place::Insert)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Place {
    Put,
    Insert,
}

/// Writes a value that is not there yet.
fn put(
    doc: &mut AutoCommit,
    object: &ObjId,
    at: Prop,
    value: &Value,
    place: Place,
) -> Result<(), AutomergeError> {
    let object_type = match value {
        Value::Object(_) => ObjType::Map,
        Value::Array(_) => ObjType::List,
        _ => {
            let scalar = scalar_of(value).unwrap_or(automerge::ScalarValue::Null);
            return match (place, at) {
                (Place::Insert, Prop::Seq(index)) => doc.insert(object, index, scalar),
                (_, at) => doc.put(object, at, scalar),
            };
        }
    };
    let inner = match (place, at) {
        (Place::Insert, Prop::Seq(index)) => doc.insert_object(object, index, object_type)?,
        (_, at) => doc.put_object(object, at, object_type)?,
    };
    match value {
        Value::Object(fields) => write_map(doc, &[inner], fields),
        Value::Array(items) => write_list(doc, &inner, items),
        _ => Ok(()),
    }
}
