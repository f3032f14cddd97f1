//! Collections of entities, keyed by id, and what each kind of entity is made of.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::limits::ID_MAX_BYTES;

/// Something with a stable id that lives in a collection: a service, a phone, a notice.
pub trait Entity: Clone + Serialize + DeserializeOwned {
    /// The id, unique in its collection.
    fn id(&self) -> &str;
    /// What this kind of entity is made of.
    fn shape() -> &'static Shape;
}

/// Fields that hold other entities, each with what those are made of.
pub type Nested = &'static [(&'static str, fn() -> &'static Shape)];

/// What one kind of entity is made of: drives everything that must walk listings without knowing
/// each struct (folding into automerge, import, edits by field name).
pub struct Shape {
    /// Name of the kind, such as `service`; part of the ids that import makes.
    pub kind: &'static str,
    /// Text fields without which the entity does not parse (besides `id`).
    pub required: &'static [&'static str],
    /// Optional text fields.
    pub text: &'static [&'static str],
    /// Optional number fields.
    pub number: &'static [&'static str],
    /// Optional fields that feeds fill with a number or a text.
    pub loose: &'static [&'static str],
    /// Fields that hold a collection of entities.
    pub many: Nested,
    /// Fields that hold one nested entity.
    pub one: Nested,
}

impl Shape {
    /// The shape of the entities in the collection field `field`, if it is one.
    #[must_use]
    pub fn many(&self, field: &str) -> Option<&'static Shape> {
        find(self.many, field)
    }

    /// The shape of the entity in the field `field`, if it holds one.
    #[must_use]
    pub fn one(&self, field: &str) -> Option<&'static Shape> {
        find(self.one, field)
    }

    /// Names of the fields that hold a text, a number, or either.
    pub fn scalars(&self) -> impl Iterator<Item = &'static str> {
        self.required
            .iter()
            .chain(self.text)
            .chain(self.number)
            .chain(self.loose)
            .map(|name| plain(name))
    }

    /// Is this a text field, required or not?
    #[must_use]
    pub fn is_text(&self, field: &str) -> bool {
        has(self.required, field) || has(self.text, field)
    }

    /// Is this a number field?
    #[must_use]
    pub fn is_number(&self, field: &str) -> bool {
        has(self.number, field)
    }

    /// Does the entity not parse without this field?
    #[must_use]
    pub fn is_required(&self, field: &str) -> bool {
        field == "id" || has(self.required, field)
    }

    /// Is this the name of a field that the kind defines?
    #[must_use]
    pub fn knows(&self, field: &str) -> bool {
        field == "id"
            || self.scalars().any(|name| name == field)
            || self.many(field).is_some()
            || self.one(field).is_some()
    }
}

/// A field called `type` is spelled `r#type` in Rust, and so in the shape.
fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

fn has(names: &'static [&'static str], field: &str) -> bool {
    names.iter().any(|name| plain(name) == field)
}

fn find(fields: Nested, field: &str) -> Option<&'static Shape> {
    fields
        .iter()
        .find(|(name, _)| *name == field)
        .map(|(_, shape)| shape())
}

/// Is `id` fit to be an entity's id: not empty, at most [`ID_MAX_BYTES`] long, no control
/// characters?
#[must_use]
pub fn is_acceptable_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_MAX_BYTES && !id.chars().any(char::is_control)
}

/// Entities by id. On the wire this is an array of objects in the order of their ids.
#[derive(Clone, PartialEq)]
pub struct Entities<T>(BTreeMap<String, T>);

impl<T> Default for Entities<T> {
    fn default() -> Self {
        Entities(BTreeMap::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for Entities<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.values()).finish()
    }
}

impl<T> Entities<T> {
    /// The entity with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&T> {
        self.0.get(id)
    }

    /// The entity with this id, to change. Its id must stay as it is.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.0.get_mut(id)
    }

    /// Is there an entity with this id?
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Takes the entity with this id out.
    pub fn remove(&mut self, id: &str) -> Option<T> {
        self.0.remove(id)
    }

    /// Ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Entities, in the order of their ids.
    pub fn iter(&self) -> btree_map::Values<'_, String, T> {
        self.0.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Entity> Entities<T> {
    /// Puts an entity in under its id and returns the one that stood there.
    pub fn insert(&mut self, entity: T) -> Option<T> {
        self.0.insert(entity.id().to_owned(), entity)
    }
}

impl<'a, T> IntoIterator for &'a Entities<T> {
    type Item = &'a T;
    type IntoIter = btree_map::Values<'a, String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Entities<T> {
    type Item = T;
    type IntoIter = btree_map::IntoValues<String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

impl<T: Entity> FromIterator<T> for Entities<T> {
    /// Of two entities with one id, the later stays.
    fn from_iter<I: IntoIterator<Item = T>>(entities: I) -> Self {
        Entities(
            entities
                .into_iter()
                .map(|entity| (entity.id().to_owned(), entity))
                .collect(),
        )
    }
}

impl<T: Serialize> Serialize for Entities<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values())
    }
}

impl<'de, T: Entity> Deserialize<'de> for Entities<T> {
    /// An array in any order, or null for none. Refuses a second entity with one id, and an id that
    /// is not [acceptable](is_acceptable_id).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);
        impl<'de, T: Entity> Visitor<'de> for Collect<T> {
            type Value = Entities<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of objects")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Entities::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut entities = Entities::default();
                while let Some(entity) = items.next_element::<T>()? {
                    if !is_acceptable_id(entity.id()) {
                        return Err(A::Error::custom(format_args!(
                            "the id of a {} must have 1 to {ID_MAX_BYTES} bytes and no control characters",
                            T::shape().kind
                        )));
                    }
                    if let Some(earlier) = entities.insert(entity) {
                        return Err(A::Error::custom(format_args!(
                            "two entries have the id {:?}",
                            earlier.id()
                        )));
                    }
                }
                Ok(entities)
            }
        }
        deserializer.deserialize_any(Collect(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::model::Phone;

    #[test]
    fn a_collection_is_an_array_in_the_order_of_ids() {
        let phones: Entities<Phone> =
            serde_json::from_str(r#"[{"id":"b","number":"2"},{"id":"a","number":"1"}]"#).unwrap();
        assert_eq!(phones.ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            serde_json::to_string(&phones).unwrap(),
            r#"[{"id":"a","number":"1"},{"id":"b","number":"2"}]"#
        );
        let none: Entities<Phone> = serde_json::from_str("null").unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn an_id_twice_an_empty_one_and_one_over_the_limit_are_refused() {
        let twice = r#"[{"id":"a","number":"1"},{"id":"a","number":"1"}]"#;
        let error = serde_json::from_str::<Entities<Phone>>(twice).unwrap_err();
        assert!(
            error.to_string().contains("two entries have the id \"a\""),
            "{error}"
        );
        for (id, good) in [
            (String::new(), false),
            ("a".repeat(ID_MAX_BYTES), true),
            ("a".repeat(ID_MAX_BYTES + 1), false),
            ("a\\u0000".to_owned(), false),
        ] {
            let text = format!(r#"[{{"id":"{id}","number":"1"}}]"#);
            assert_eq!(
                serde_json::from_str::<Entities<Phone>>(&text).is_ok(),
                good,
                "{id:?}"
            );
        }
    }
}
