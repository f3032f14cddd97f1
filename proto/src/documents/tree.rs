//! Between the arrays of the wire and the maps of the document.
//!
//! A collection field `phones` becomes a map under the key `phones[]`, from id to entity (without
//! its `id`), so that entities that two nodes add while apart are all there afterwards. The card has
//! maps whose keys are ids already, such as its networks: they stand under `networks{}` and are merged alike.
//! Only fields that the kind of entity defines as such are folded; arrays in
//! fields that we do not know keep their order and stay arrays. A field whose own name ends in a
//! mark, and one without a name, which automerge does not take, get another mark, so that
//! every tree can be told back exactly.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::listing::entities::Shape;

/// What the key of a folded collection ends in.
pub(super) const MARK: &str = "[]";
/// What the key of a map ends in that is merged entry by entry.
const KEYED_MARK: &str = "{}";

/// The card has no collections of entities, but maps by id: see [`keyed`].
static CARD: Shape = Shape {
    kind: "card",
    ..LEAF
};

/// An organisation's place in one network.
static MEMBERSHIP: Shape = Shape {
    kind: "membership",
    ..LEAF
};

/// A document of a kind that we do not know has no collections.
const LEAF: Shape = Shape {
    kind: "entry",
    required: &[],
    text: &[],
    number: &[],
    loose: &[],
    many: &[],
    one: &[],
};

static ENTRY: Shape = LEAF;

/// What the entries of a map are made of whose keys are ids; `None` for any other field.
fn keyed(shape: &Shape, field: &str) -> Option<&'static Shape> {
    match (shape.kind, field) {
        ("card", "networks") => Some(&MEMBERSHIP),
        ("card", "seats") => Some(&ENTRY),
        (
            "membership",
            "vouches" | "given" | "invitations" | "objections" | "amendments" | "successors",
        ) => Some(&ENTRY),
        _ => None,
    }
}

/// What the document is made of, going by its `kind`.
fn shape_of(fields: &Map<String, Value>) -> &'static Shape {
    match fields.get("kind").and_then(Value::as_str) {
        Some(crate::listing::state::LISTING_KIND) => &crate::listing::state::SHAPE,
        Some(crate::board::BOARD_KIND) => &crate::board::SHAPE,
        Some("card") => &CARD,
        _ => &ENTRY,
    }
}

/// From the wire to the document: collections become maps keyed by id.
#[must_use]
pub fn fold(wire: &Map<String, Value>) -> Map<String, Value> {
    fold_fields(wire, Some(shape_of(wire)))
}

fn fold_fields(fields: &Map<String, Value>, shape: Option<&'static Shape>) -> Map<String, Value> {
    let mut folded = Map::new();
    for (name, value) in fields {
        if let Some(inner) = shape.and_then(|shape| shape.many(name))
            && let Some(entities) = fold_collection(value, inner)
        {
            folded.insert(format!("{name}{MARK}"), Value::Object(entities));
            continue;
        }
        if let Some(inner) = shape.and_then(|shape| keyed(shape, name))
            && let Some(entries) = fold_keyed(value, inner)
        {
            folded.insert(format!("{name}{KEYED_MARK}"), Value::Object(entries));
            continue;
        }
        let inner = shape.and_then(|shape| shape.one(name));
        folded.insert(escape(name), fold_value(value, inner));
    }
    folded
}

fn fold_value(value: &Value, shape: Option<&'static Shape>) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fold_fields(fields, shape)),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fold_value(item, None)).collect())
        }
        scalar => scalar.clone(),
    }
}

/// A map from id to entity, when every element is an object with an id of its own, in order; else
/// nothing, and the array stays as it is.
fn fold_collection(value: &Value, shape: &'static Shape) -> Option<Map<String, Value>> {
    let mut seen = BTreeSet::new();
    let mut entities = Map::new();
    for item in value.as_array()? {
        let fields = item.as_object()?;
        let id = fields.get("id")?.as_str().filter(|id| !id.is_empty())?;
        if !seen.insert(id) {
            return None;
        }
        let mut entity = fold_fields(fields, Some(shape));
        entity.remove("id");
        entities.insert(id.to_owned(), Value::Object(entity));
    }
    Some(entities)
}

/// The map with its entries folded, when every entry is an object; else nothing, and it stays as it is.
fn fold_keyed(value: &Value, shape: &'static Shape) -> Option<Map<String, Value>> {
    let entries = value.as_object()?.iter().map(|(id, entry)| {
        let fields = entry.as_object().filter(|_| !id.is_empty())?;
        let folded = Value::Object(fold_fields(fields, Some(shape)));
        Some((id.clone(), folded))
    });
    entries.collect()
}

/// From the document to the wire: maps keyed by id become arrays in the order of ids.
#[must_use]
pub fn unfold(tree: &Map<String, Value>) -> Map<String, Value> {
    let mut wire = Map::new();
    for (key, value) in tree {
        match (marked(key), value) {
            (Some((name, MARK)), Value::Object(entities)) => {
                wire.insert(name.to_owned(), unfold_collection(entities));
            }
            (Some((name, _)), Value::Object(entries)) => {
                // Its keys are ids, never field names: they are not unescaped.
                let entries = entries.iter();
                let entries = entries.map(|(id, entry)| (id.clone(), unfold_value(entry)));
                wire.insert(name.to_owned(), Value::Object(entries.collect()));
            }
            _ => {
                wire.insert(unescape(key).to_owned(), unfold_value(value));
            }
        }
    }
    wire
}

fn unfold_value(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(unfold(fields)),
        Value::Array(items) => Value::Array(items.iter().map(unfold_value).collect()),
        scalar => scalar.clone(),
    }
}

fn unfold_collection(entities: &Map<String, Value>) -> Value {
    let mut sorted: Vec<(&String, &Value)> = entities.iter().collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    let entities = sorted.into_iter().map(|(id, entity)| {
        let mut fields = entity.as_object().map(unfold).unwrap_or_default();
        fields.insert("id".to_owned(), Value::from(id.as_str()));
        Value::Object(fields)
    });
    Value::Array(entities.collect())
}

/// The name of the field that is folded under `key`, if one is: a collection, or a map by ids.
pub(super) fn collection_name(key: &str) -> Option<&str> {
    marked(key).map(|(name, _)| name)
}

fn marked(key: &str) -> Option<(&str, &'static str)> {
    [MARK, KEYED_MARK].into_iter().find_map(|mark| {
        let name = key.strip_suffix(mark)?;
        (!name.is_empty() && !name.ends_with(mark)).then_some((name, mark))
    })
}

fn escape(name: &str) -> String {
    match [MARK, KEYED_MARK]
        .into_iter()
        .find(|mark| name.ends_with(mark))
    {
        Some(mark) => format!("{name}{mark}"),
        None if name.is_empty() => MARK.to_owned(),
        None => name.to_owned(),
    }
}

pub(super) fn unescape(key: &str) -> &str {
    for mark in [MARK, KEYED_MARK] {
        match key.strip_suffix(mark) {
            Some(name) if (name.is_empty() && mark == MARK) || name.ends_with(mark) => {
                return name;
            }
            _ => {}
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round(wire: Value) -> (Value, Value) {
        let tree = fold(wire.as_object().unwrap());
        (Value::Object(tree.clone()), Value::Object(unfold(&tree)))
    }

    #[test]
    fn collections_become_maps_and_come_back_as_arrays() {
        let wire = json!({
            "kind": "listing",
            "services": [{"id": "s", "name": "n", "phones": [{"id": "p", "number": "1"}], "x_list": [{"id": "b"}, {"id": "a"}]}],
            "organization": {"id": "o", "contacts": []},
        });
        let (tree, back) = round(wire.clone());
        assert_eq!(
            tree,
            json!({
                "kind": "listing",
                "services[]": {"s": {"name": "n", "phones[]": {"p": {"number": "1"}}, "x_list": [{"id": "b"}, {"id": "a"}]}},
                "organization": {"id": "o", "contacts[]": {}},
            })
        );
        assert_eq!(back, wire);
    }

    #[test]
    fn maps_by_id_keep_their_keys() {
        let wire = json!({
            "kind": "card",
            "networks": {"n": {"epoch": 1, "given": {"o[]": {"x": 1}}, "invitation": {"a": "b"}}, "m{}": {}},
            "nodes": {"node": ["address"]},
        });
        let (tree, back) = round(wire.clone());
        assert_eq!(
            tree,
            json!({
                "kind": "card",
                "networks{}": {"n": {"epoch": 1, "given{}": {"o[]": {"x": 1}}, "invitation": {"a": "b"}}, "m{}": {}},
                "nodes": {"node": ["address"]},
            })
        );
        assert_eq!(back, wire);
    }

    #[test]
    fn nothing_that_a_stranger_writes_is_taken_for_a_collection() {
        for wire in [
            json!({"kind": "listing", "services[]": {"a": {"b": 1}}, "[]": 1, "": 2, "x[][]": [3]}),
            json!({"kind": "listing", "x_own": {"services": {"a": {"name": 1}}, "phones[]": [], "": []}}),
            json!({"kind": "listing", "services": [{"name": "without id"}]}),
            json!({"kind": "listing", "services": {"not": "an array"}}),
            json!({"kind": "listing", "services": [{"id": "a"}, {"id": "a"}]}),
            json!({"kind": "card", "vouches": {"network": [{"id": "x"}]}, "delegations": ["text"]}),
            json!({"kind": "card", "{}": 1, "x{}": {"a": {}}, "x{}{}": 2, "x[]{}": 3, "x{}[]": [4], "networks{}": {"n": {}}}),
            json!({"kind": "card", "networks": {"n": {"given": {"o": "not an object"}, "vouches": []}, "": {}}}),
            json!({"kind": "card", "networks": "none"}),
            json!({"services": [{"id": "b"}, {"id": "a"}]}),
        ] {
            assert_eq!(round(wire.clone()).1, wire);
        }
    }
}
