//! Beginning a document's history anew, and taking in what was written under an older one.

use std::collections::BTreeSet;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, ChangeHash, ReadDoc};
use serde_json::{Map, Value};

use super::beginning::{Beginning, Message, Says};
use super::conflicts::{Candidate, Conflict, put};
use super::own::{ChangeNote, DocumentError, OwnDocument};
use super::read::Reader;
use super::three_way::{combine, common, entity_ids, strip};
use super::tree::{fold, unfold};
use super::write::write_tree;
use crate::limits;
use crate::record::Hash;

/// What stands in the history of what was written under an older one.
const TAKEN_OVER: &str = "written before the history was begun anew";

impl OwnDocument {
    /// How often its history was begun anew. Of two documents the one with the higher generation goes on, and what
    /// the other has besides is taken over into it.
    pub fn generation(&mut self) -> u64 {
        Beginning::of(&mut self.doc).says.generation
    }

    /// Whether an entity with this id was erased from the document.
    pub fn was_erased(&mut self, id: &str) -> bool {
        Beginning::of(&mut self.doc).erased().contains(id)
    }

    /// Which of these entities the document holds, or held at any version that is left of its history.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`].
    pub fn ever_held(&mut self, ids: &BTreeSet<String>) -> Result<BTreeSet<String>, DocumentError> {
        let mut held = BTreeSet::new();
        let versions = self.doc.get_changes_meta(&[]);
        let versions: Vec<ChangeHash> = versions.into_iter().map(|change| change.hash).collect();
        held.extend(entity_ids(&Reader::now(&self.doc).root()?));
        for version in versions.iter().rev() {
            if ids.is_subset(&held) {
                break;
            }
            let heads = std::slice::from_ref(version);
            held.extend(entity_ids(&Reader::at(&self.doc, heads).root()?));
        }
        Ok(ids.intersection(&held).cloned().collect())
    }

    /// Lets go of the history: the document says the same, but for the entities in `erased`, and its history begins
    /// with that. Values that wait for a person's choice still do.
    ///
    /// # Errors
    /// [`DocumentError`]; the document is then as it was.
    pub fn begin_anew(
        &mut self,
        erased: &[String],
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<(), DocumentError> {
        let beginning = Beginning::of(&mut self.doc);
        let says = Beginning::next(&mut [(&beginning, &mut self.doc)], erased);
        self.replace_history(says, note, time_s)
    }

    /// A document that says `wire` and has no history, where one that was begun anew so often was lost.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn recovered(
        wire: &Value,
        generation: u64,
        actor: &[u8; 16],
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<OwnDocument, DocumentError> {
        let mut document = OwnDocument::new(actor);
        if generation == 0 {
            document.update(wire, note, time_s)?;
            return Ok(document);
        }
        let tree = fold(wire.as_object().ok_or(DocumentError::NotAnObject)?);
        let says = Says {
            generation,
            ..Says::default()
        };
        write_root(&mut document.doc, &tree, says, note, time_s)?;
        Ok(document)
    }

    fn replace_history(
        &mut self,
        says: Says,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<(), DocumentError> {
        let gone: BTreeSet<String> = says.erased.iter().cloned().collect();
        let conflicts = carried(self.conflicts()?, &gone);
        let mut tree = Reader::now(&self.doc).root()?;
        strip(&mut tree, &gone);
        let actor = self.doc.get_actor().clone();
        let mut doc = OwnDocument::new(&[0; 16]).doc.with_actor(actor);
        // What comes out of a document is folded already; a wire form folds to the same.
        write_root(&mut doc, &fold(&unfold(&tree)), says, note, time_s)?;
        let root = doc.get_heads();
        for conflict in conflicts {
            put_beside(&mut doc, &root, &conflict)?;
        }
        join_heads(&mut doc, time_s);
        self.doc = doc;
        Ok(())
    }

    /// Takes over from `older`, whose history began before this one's, what this one does not contain. Answers the ids
    /// of entities that were changed there and removed here.
    pub(super) fn take_over(
        &mut self,
        older: &mut OwnDocument,
        time_s: i64,
    ) -> Result<Vec<String>, DocumentError> {
        let (beginning, before) = (Beginning::of(&mut self.doc), Beginning::of(&mut older.doc));
        let mut erased = beginning.erased();
        erased.extend(before.erased());
        let root: Vec<ChangeHash> = beginning.root.into_iter().collect();
        let ours = tree_at(&self.doc, &root)?;
        let mut theirs = Reader::now(&older.doc).root()?;
        strip(&mut theirs, &erased);
        let contained = beginning.contained_of(&mut older.doc, &before);
        let mut base = match &contained {
            Some(heads) => tree_at(&older.doc, heads)?,
            None => {
                let root: Vec<ChangeHash> = before.root.into_iter().collect();
                common(&tree_at(&older.doc, &root)?, &ours)
            }
        };
        strip(&mut base, &erased);
        let mut found = combine(&base, &ours, &theirs);
        let mut beside = self.beside(&root, older)?;
        if found.tree != ours {
            beside.commit(&taken_over(), last_change_s(&mut older.doc), |doc| {
                write_tree(doc, &fold(&unfold(&found.tree)))
            })?;
        }
        let heads = beside.doc.get_heads();
        for mut conflict in carried(older.conflicts()?, &erased) {
            let known = match &contained {
                Some(heads) => values_at(&older.doc, heads, conflict.place())?,
                None => value_under(&base, conflict.place())
                    .cloned()
                    .into_iter()
                    .collect(),
            };
            conflict.values.retain(|it| !known.contains(&it.value));
            if !conflict.values.is_empty() {
                put_beside(&mut beside.doc, &heads, &conflict)?;
                found.disputed.push(conflict.place().to_vec());
            }
        }
        join_heads(&mut beside.doc, last_change_s(&mut older.doc));
        let heads = beside.doc.get_heads();
        let known = |hash| self.doc.get_change_meta_by_hash(hash).is_some();
        let kept = match heads.iter().all(known) {
            true => Vec::new(),
            false => {
                self.restate(&found.disputed, time_s)?;
                self.merge_same(&mut beside, &taken_over(), time_s)?.kept
            }
        };
        let unknown = before
            .says
            .erased
            .iter()
            .any(|id| !beginning.erased().contains(id));
        if unknown {
            // The other erased something that stands in this history.
            let mut histories = [(&beginning, &mut self.doc), (&before, &mut older.doc)];
            let says = Beginning::next(&mut histories, &[]);
            self.replace_history(says, &taken_over(), time_s)?;
        }
        Ok(kept)
    }

    /// This document as its root left it, to be written to by an actor that is the same wherever the same is taken
    /// over, so that it is written once.
    fn beside(
        &mut self,
        root: &[ChangeHash],
        older: &mut OwnDocument,
    ) -> Result<OwnDocument, DocumentError> {
        let mut name = b"fingerpost/taken-over/1\0".to_vec();
        for hash in root.iter().chain(&older.doc.get_heads()) {
            name.extend(hash.0);
        }
        fork(&mut self.doc, root, Hash::of(&name).0)
    }

    /// Says once more what these fields say, so that what is taken over stands beside it. Fields that have more than
    /// one value were written since the root: nothing takes their place.
    fn restate(&mut self, fields: &[Vec<String>], time_s: i64) -> Result<(), DocumentError> {
        let tree = Reader::now(&self.doc).root()?;
        let waiting = self.conflicts()?;
        let waits = |place: &&Vec<String>| waiting.iter().any(|it| it.place() == place.as_slice());
        let mut fields = fields.iter().filter(|place| !waits(place)).peekable();
        if fields.peek().is_none() {
            return Ok(());
        }
        self.commit(&taken_over(), time_s, |doc| {
            for place in fields {
                if let Some(value) = value_under(&tree, place) {
                    put_at(doc, place, value)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A document at a version, to be written to by an actor that is named by a hash.
#[allow(
    clippy::disallowed_methods,
    reason = "the actor that automerge draws is replaced before anything is written"
)]
fn fork(
    doc: &mut AutoCommit,
    version: &[ChangeHash],
    name: [u8; 32],
) -> Result<OwnDocument, DocumentError> {
    let actor = name.first_chunk::<16>().copied().unwrap_or_default();
    let doc = doc.fork_at(version)?;
    Ok(OwnDocument {
        doc: doc.with_actor(ActorId::from(&actor)),
    })
}

fn taken_over() -> ChangeNote {
    ChangeNote {
        who: "this node".into(),
        what: TAKEN_OVER.into(),
        operation: String::new(),
    }
}

/// A record has no room for more than some heads; a change that does nothing joins them.
pub(super) fn join_heads(doc: &mut AutoCommit, time_s: i64) {
    if doc.get_heads().len() > limits::HEADS_MAX {
        doc.empty_change(CommitOptions::default().with_time(time_s));
    }
}

fn tree_at(doc: &AutoCommit, heads: &[ChangeHash]) -> Result<Map<String, Value>, DocumentError> {
    match heads.is_empty() {
        true => Ok(Map::new()),
        false => Ok(Reader::at(doc, heads).root()?),
    }
}

fn last_change_s(doc: &mut AutoCommit) -> i64 {
    let changes = doc.get_changes_meta(&[]);
    let times = changes.iter().map(|change| change.timestamp);
    times.max().unwrap_or_default()
}

fn write_root(
    doc: &mut AutoCommit,
    tree: &Map<String, Value>,
    says: Says,
    note: &ChangeNote,
    time_s: i64,
) -> Result<(), DocumentError> {
    let message = Message {
        note: note.clone(),
        begins: says,
    };
    let message = serde_json::to_string(&message)?;
    let options = || {
        CommitOptions::default()
            .with_message(message.clone())
            .with_time(time_s)
    };
    write_tree(doc, tree)?;
    if doc.commit_with(options()).is_none() {
        // A document that says nothing begins somewhere too.
        doc.empty_change(options());
    }
    Ok(())
}

/// All values of a field at a version, as [`OwnDocument::conflicts`] would name them.
fn values_at(
    doc: &AutoCommit,
    heads: &[ChangeHash],
    place: &[String],
) -> Result<Vec<Value>, DocumentError> {
    let mut values = Vec::new();
    let Some((field, above)) = place.split_last().filter(|_| !heads.is_empty()) else {
        return Ok(values);
    };
    let reader = Reader::at(doc, heads);
    let mut maps = vec![automerge::ROOT];
    for key in above {
        maps = reader.maps_under(&maps, key)?;
    }
    for map in maps {
        let held = doc.get_all_at(&map, field.as_str(), heads)?;
        if held.is_empty() {
            values.push(Value::Null);
        }
        for (value, id) in held {
            values.push(reader.value(&value, &id)?);
        }
    }
    Ok(values)
}

fn value_under<'a>(tree: &'a Map<String, Value>, place: &[String]) -> Option<&'a Value> {
    let (field, above) = place.split_last()?;
    let map = above
        .iter()
        .try_fold(tree, |map, key| map.get(key)?.as_object());
    map?.get(field)
}

/// Writes a field even if it says so already.
fn put_at(doc: &mut AutoCommit, place: &[String], value: &Value) -> Result<(), DocumentError> {
    let Some((field, above)) = place.split_last() else {
        return Ok(());
    };
    let mut maps = vec![automerge::ROOT];
    for key in above {
        maps = Reader::now(doc).maps_under(&maps, key)?;
    }
    let Some(map) = maps.first() else {
        return Ok(());
    };
    // automerge leaves out what is so already, unless it is taken away first.
    if doc.get(map, field.as_str())?.is_some() {
        doc.delete(map, field.as_str())?;
    }
    if !value.is_null() {
        put(doc, map, field, value)?;
    }
    Ok(())
}

/// The conflicts that still stand without what was erased, as many as are carried.
fn carried(conflicts: Vec<Conflict>, erased: &BTreeSet<String>) -> Vec<Conflict> {
    let stands = |it: &Conflict| it.place().iter().all(|key| !erased.contains(key));
    let standing = conflicts.into_iter().filter(stands);
    standing.take(limits::CONFLICTS_CARRIED_MAX).collect()
}

/// Writes the values of a conflict upon a version, each beside the others, with who wrote it and when. What was shown before is
/// written by the actor that wins.
fn put_beside(
    doc: &mut AutoCommit,
    version: &[ChangeHash],
    conflict: &Conflict,
) -> Result<(), DocumentError> {
    for (at, candidate) in conflict.values.iter().enumerate() {
        let Candidate { value, who, time_s } = candidate;
        let mut name = serde_json::to_vec(&(conflict.place(), value, who, time_s))?;
        name.extend(version.iter().flat_map(|hash| hash.0));
        let mut actor = Hash::of(&name).0;
        let rank = u8::try_from(at).unwrap_or(u8::MAX);
        if let Some(first) = actor.first_mut() {
            *first = u8::MAX.saturating_sub(rank);
        }
        let mut beside = fork(doc, version, actor)?;
        let note = ChangeNote {
            who: who.clone(),
            ..taken_over()
        };
        beside.commit(&note, *time_s, |doc| put_at(doc, conflict.place(), value))?;
        doc.merge(&mut beside.doc)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
