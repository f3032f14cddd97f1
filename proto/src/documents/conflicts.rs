//! Fields to which two nodes gave different values while apart. All values are kept, the same one is shown
//! everywhere, and a person chooses.

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, AutomergeError, ObjId, ObjType, ROOT, ReadDoc, Value as Held};
use serde_json::Value;

use super::own::{ChangeNote, DocumentError, OwnDocument, read_note};
use super::read::{Reader, scalar_of};
use super::tree::{collection_name, unescape};

/// A field with more than one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The fields and ids that lead to it, the field itself last, by their names on the wire.
    pub path: Vec<String>,
    /// The different values, the one that is shown first.
    pub values: Vec<Candidate>,
    /// The keys of the document's tree that lead to it.
    place: Vec<String>,
}

/// One of the values of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The value; null if one of the nodes has the field not at all.
    pub value: Value,
    /// Who wrote it; empty if the field is absent.
    pub who: String,
    /// When, in seconds since 1970 by the clock of the node that did; 0 if the field is absent.
    pub time_s: i64,
}

impl Conflict {
    /// The keys of the document's tree that lead to it.
    pub(super) fn place(&self) -> &[String] {
        &self.place
    }
}

impl OwnDocument {
    /// The fields that have more than one value, in the order of their places.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`].
    pub fn conflicts(&mut self) -> Result<Vec<Conflict>, DocumentError> {
        let writers = Writers::of(&mut self.doc);
        let mut search = Search {
            doc: &self.doc,
            writers,
            found: Vec::new(),
        };
        search.look(&[ROOT], &mut Vec::new())?;
        Ok(search.found)
    }

    /// Ends a conflict: the field has the value of this index from now on.
    ///
    /// # Errors
    /// [`DocumentError::NoSuchConflict`]; the document is then as it was.
    pub fn resolve(
        &mut self,
        conflict: &Conflict,
        index: usize,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<(), DocumentError> {
        if !self.conflicts()?.contains(conflict) {
            return Err(DocumentError::NoSuchConflict);
        }
        let chosen = conflict.values.get(index);
        let value = chosen.ok_or(DocumentError::NoSuchConflict)?.value.clone();
        let (field, place) = conflict
            .place
            .split_last()
            .ok_or(DocumentError::NoSuchConflict)?;
        self.commit(note, time_s, |doc| {
            let mut maps = vec![ROOT];
            for key in place {
                maps = Reader::now(doc).maps_under(&maps, key)?;
            }
            for (at, map) in maps.iter().enumerate() {
                let held = Reader::now(doc).keys(std::slice::from_ref(map));
                if at == 0 && !value.is_null() {
                    put(doc, map, field, &value)?;
                } else if held.contains(field) {
                    doc.delete(map, field.as_str())?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Writes a field even if it says so already: that is what ends a conflict.
pub(super) fn put(
    doc: &mut AutoCommit,
    map: &ObjId,
    key: &str,
    value: &Value,
) -> Result<(), AutomergeError> {
    match (value, scalar_of(value)) {
        (_, Some(scalar)) => doc.put(map, key, scalar),
        (Value::Array(items), None) => {
            let list = doc.put_object(map, key, ObjType::List)?;
            for (at, item) in items.iter().enumerate() {
                match (item, scalar_of(item)) {
                    (_, Some(scalar)) => doc.insert(&list, at, scalar)?,
                    (Value::Object(fields), None) => {
                        let inner = doc.insert_object(&list, at, ObjType::Map)?;
                        put_fields(doc, &inner, fields)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        }
        (Value::Object(fields), None) => {
            let inner = doc.put_object(map, key, ObjType::Map)?;
            put_fields(doc, &inner, fields)
        }
        _ => Ok(()),
    }
}

fn put_fields(
    doc: &mut AutoCommit,
    map: &ObjId,
    fields: &serde_json::Map<String, Value>,
) -> Result<(), AutomergeError> {
    fields
        .iter()
        .try_for_each(|(key, value)| put(doc, map, key, value))
}

/// Who made which operations: by actor, the first of each change's numbers.
struct Writers(BTreeMap<Vec<u8>, BTreeMap<u64, (String, i64)>>);

impl Writers {
    fn of(doc: &mut AutoCommit) -> Self {
        let mut by_actor: BTreeMap<Vec<u8>, BTreeMap<u64, (String, i64)>> = BTreeMap::new();
        for change in doc.get_changes(&[]) {
            let who = read_note(change.message()).who;
            by_actor
                .entry(change.actor_id().to_bytes().to_vec())
                .or_default()
                .insert(change.start_op().get(), (who, change.timestamp()));
        }
        Self(by_actor)
    }

    fn wrote(&self, id: &ObjId) -> (String, i64) {
        let ObjId::Id(counter, actor, _) = id else {
            return Default::default();
        };
        let change = self
            .0
            .get(actor.to_bytes())
            .and_then(|changes| changes.range(..=*counter).next_back());
        change.map(|(_, wrote)| wrote.clone()).unwrap_or_default()
    }
}

struct Search<'a> {
    doc: &'a AutoCommit,
    writers: Writers,
    found: Vec<Conflict>,
}

impl Search<'_> {
    /// Looks at one place of the tree, the winner of its maps first (see [`super::read`]).
    fn look(&mut self, maps: &[ObjId], place: &mut Vec<String>) -> Result<(), AutomergeError> {
        let reader = Reader::now(self.doc);
        for key in reader.keys(maps) {
            let inner = reader.maps_under(maps, &key)?;
            place.push(key.clone());
            if collection_name(&key).is_some() {
                for id in Reader::now(self.doc).keys(&inner) {
                    let entity = Reader::now(self.doc).maps_under(&inner, &id)?;
                    place.push(id);
                    self.look(&entity, place)?;
                    place.pop();
                }
            } else {
                self.compare(maps, &key, place)?;
                if let Some(first) = maps.first() {
                    let nested =
                        Reader::now(self.doc).maps_under(std::slice::from_ref(first), &key)?;
                    if self.is_map(first, &key)? {
                        self.look(&nested, place)?;
                    }
                }
            }
            place.pop();
        }
        Ok(())
    }

    fn is_map(&self, map: &ObjId, key: &str) -> Result<bool, AutomergeError> {
        let shown = self.doc.get(map, key)?;
        Ok(matches!(shown, Some((Held::Object(ObjType::Map), _))))
    }

    /// Notes the field if it has different values.
    fn compare(
        &mut self,
        maps: &[ObjId],
        key: &str,
        place: &[String],
    ) -> Result<(), AutomergeError> {
        let mut values: Vec<Candidate> = Vec::new();
        let mut maps_shown = 0;
        for (at, map) in maps.iter().enumerate() {
            let held = self.doc.get_all(map, key)?;
            // Where the map that is read lacks the field, what stands in another is not shown.
            if held.is_empty() && at == 0 {
                add(&mut values, Value::Null, Default::default());
            }
            // automerge lists the winner last.
            for (value, id) in held.into_iter().rev() {
                if at == 0 && matches!(value, Held::Object(ObjType::Map)) {
                    // Maps under one key of one map are read as one: what differs is found within.
                    maps_shown += 1;
                    if maps_shown > 1 {
                        continue;
                    }
                }
                let plain = Reader::now(self.doc).value(&value, &id)?;
                add(&mut values, plain, self.writers.wrote(&id));
            }
        }
        if values.len() > 1 {
            self.found.push(Conflict {
                path: names(place),
                values,
                place: place.to_vec(),
            });
        }
        Ok(())
    }
}

fn add(values: &mut Vec<Candidate>, value: Value, (who, time_s): (String, i64)) {
    if values.iter().all(|known| known.value != value) {
        values.push(Candidate { value, who, time_s });
    }
}

/// What the keys of a place are called on the wire: an id follows a collection.
fn names(place: &[String]) -> Vec<String> {
    let mut after_collection = false;
    let name = |key: &String| {
        if std::mem::take(&mut after_collection) {
            return key.clone();
        }
        match collection_name(key) {
            Some(name) => {
                after_collection = true;
                name.to_owned()
            }
            None => unescape(key).to_owned(),
        }
    };
    place.iter().map(name).collect()
}

#[cfg(test)]
mod tests;
