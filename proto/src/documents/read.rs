//! Reading the tree out of automerge.
//!
//! When two nodes, while apart, each create the same collection (the first phone of a service), the
//! document holds two maps under one key. automerge names one of them the winner, but what stands in
//! the other is wanted too. So a place in the tree is a list of maps, the winner first: plain fields
//! come from the winner, the entities of collections from all of them.

use std::collections::BTreeSet;

use automerge::{
    AutoCommit, AutomergeError, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue,
    Value as Held,
};
use serde_json::{Map, Number, Value};

use super::tree::collection_name;

/// A document at one version.
pub(super) struct Reader<'a> {
    doc: &'a AutoCommit,
    heads: Option<&'a [ChangeHash]>,
}

/// A field of a map.
pub(super) struct Field {
    pub(super) name: String,
    /// The value that wins, and its object when it is one.
    pub(super) value: Held<'static>,
    pub(super) id: ObjId,
    /// There is more than one value.
    pub(super) conflict: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn now(doc: &'a AutoCommit) -> Reader<'a> {
        Reader { doc, heads: None }
    }

    pub(super) fn at(doc: &'a AutoCommit, heads: &'a [ChangeHash]) -> Reader<'a> {
        Reader {
            doc,
            heads: Some(heads),
        }
    }

    pub(super) fn root(&self) -> Result<Map<String, Value>, AutomergeError> {
        self.map(&[ROOT])
    }

    /// The fields of one map.
    pub(super) fn fields(&self, map: &ObjId) -> Vec<Field> {
        let range = match self.heads {
            None => self.doc.map_range(map, ..),
            Some(heads) => self.doc.map_range_at(map, .., heads),
        };
        range
            .map(|item| Field {
                id: item.id(),
                name: item.key.into_owned(),
                conflict: item.conflict,
                value: item.value.into_value(),
            })
            .collect()
    }

    /// The maps that stand under `name` in any of `maps`, the winner first.
    pub(super) fn maps_under(
        &self,
        maps: &[ObjId],
        name: &str,
    ) -> Result<Vec<ObjId>, AutomergeError> {
        let mut found = Vec::new();
        for map in maps {
            let values = match self.heads {
                None => self.doc.get_all(map, name),
                Some(heads) => self.doc.get_all_at(map, name, heads),
            }?;
            // automerge lists the winner last.
            let inner = values
                .into_iter()
                .rev()
                .filter(|(value, _)| matches!(value, Held::Object(ObjType::Map)));
            found.extend(inner.map(|(_, id)| id));
        }
        Ok(found)
    }

    /// The keys in any of `maps`.
    pub(super) fn keys(&self, maps: &[ObjId]) -> BTreeSet<String> {
        let keys = |map| match self.heads {
            None => self.doc.keys(map),
            Some(heads) => self.doc.keys_at(map, heads),
        };
        maps.iter().flat_map(keys).collect()
    }

    fn map(&self, maps: &[ObjId]) -> Result<Map<String, Value>, AutomergeError> {
        let mut tree = Map::new();
        let Some((winner, others)) = maps.split_first() else {
            return Ok(tree);
        };
        let mut collections = BTreeSet::new();
        for field in self.fields(winner) {
            if collection_name(&field.name).is_some() {
                collections.insert(field.name);
                continue;
            }
            let value = if field.conflict && field.value.is_object() {
                match field.value {
                    Held::Object(ObjType::Map) => {
                        let maps = self.maps_under(std::slice::from_ref(winner), &field.name)?;
                        Value::Object(self.map(&maps)?)
                    }
                    _ => self.value(&field.value, &field.id)?,
                }
            } else {
                self.value(&field.value, &field.id)?
            };
            tree.insert(field.name, value);
        }
        let elsewhere = self.keys(others);
        collections.extend(
            elsewhere
                .into_iter()
                .filter(|key| collection_name(key).is_some()),
        );
        for key in collections {
            let maps = self.maps_under(maps, &key)?;
            let entities = self.collection(&maps)?;
            tree.insert(key, Value::Object(entities));
        }
        Ok(tree)
    }

    fn collection(&self, maps: &[ObjId]) -> Result<Map<String, Value>, AutomergeError> {
        let mut entities = Map::new();
        for id in self.keys(maps) {
            let entity = self.map(&self.maps_under(maps, &id)?)?;
            entities.insert(id, Value::Object(entity));
        }
        Ok(entities)
    }

    /// The plain value that automerge holds as `value`, with object `id`.
    pub(super) fn value(&self, value: &Held<'_>, id: &ObjId) -> Result<Value, AutomergeError> {
        match value {
            Held::Object(ObjType::Map | ObjType::Table) => {
                Ok(Value::Object(self.map(std::slice::from_ref(id))?))
            }
            Held::Object(ObjType::List) => {
                let range = match self.heads {
                    None => self.doc.list_range(id, ..),
                    Some(heads) => self.doc.list_range_at(id, .., heads),
                };
                range
                    .map(|item| {
                        let id = item.id();
                        self.value(&item.value.into_value(), &id)
                    })
                    .collect::<Result<Vec<Value>, _>>()
                    .map(Value::Array)
            }
            Held::Object(ObjType::Text) => match self.heads {
                None => self.doc.text(id),
                Some(heads) => self.doc.text_at(id, heads),
            }
            .map(Value::String),
            Held::Scalar(scalar) => Ok(plain(scalar)),
        }
    }
}

/// A scalar as JSON. Those that we never write come out as near as JSON has them.
fn plain(scalar: &ScalarValue) -> Value {
    match scalar {
        ScalarValue::Str(text) => Value::from(text.as_str()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Value::from(*number),
        ScalarValue::Uint(number) => Value::from(*number),
        ScalarValue::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ScalarValue::Boolean(flag) => Value::from(*flag),
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Bytes(_) | ScalarValue::Unknown { .. } | ScalarValue::Null => Value::Null,
    }
}

/// JSON scalars as automerge holds them: integers stay integers and fractions fractions.
pub(super) fn scalar_of(value: &Value) -> Option<ScalarValue> {
    match value {
        Value::Null => Some(ScalarValue::Null),
        Value::Bool(flag) => Some(ScalarValue::Boolean(*flag)),
        Value::String(text) => Some(ScalarValue::from(text.as_str())),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Some(ScalarValue::Int(number)),
            (None, Some(number), _) => Some(ScalarValue::Uint(number)),
            (None, None, Some(number)) => Some(ScalarValue::F64(number)),
            (None, None, None) => None,
        },
        Value::Array(_) | Value::Object(_) => None,
    }
}
