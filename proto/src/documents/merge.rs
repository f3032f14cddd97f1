//! Taking in what another node of the same owner did.
//!
//! automerge merges everything but one case as people would: what one node removed is gone, although the
//! other node changed it meanwhile. Here a change wins over a removal, so that nothing that somebody wrote
//! is lost unseen: the entity comes back as it was changed, and whoever removed it may do so again.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use serde_json::{Map, Value};

use super::anew::join_heads;
use super::beginning::Beginning;
use super::own::{ChangeNote, DocumentError, OwnDocument};
use super::read::Reader;
use super::tree::{collection_name, fold};
use super::write::write_tree;

/// What a merge brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Whether the other document held changes that this one did not.
    pub gained: bool,
    /// Whether this one held changes that the other did not.
    pub ahead: bool,
    /// Ids of the entities that came back: changed on one side, removed on the other.
    pub kept: Vec<String>,
}

impl OwnDocument {
    /// Takes in what another node of the same owner did. `note` stands in the history if something has to
    /// be brought back. If one of the two began its history anew, that history goes on, and this document is the
    /// one with it from then on.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`].
    pub fn merge(
        &mut self,
        other: &mut OwnDocument,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<Merged, DocumentError> {
        let (ours, theirs) = (
            Beginning::of(&mut self.doc).rank(),
            Beginning::of(&mut other.doc).rank(),
        );
        if ours == theirs {
            return self.merge_same(other, note, time_s);
        }
        let (before, of_other) = (self.heads(), other.heads());
        if ours < theirs {
            let actor = self.doc.get_actor().clone();
            let newer = OwnDocument {
                doc: other.doc.clone().with_actor(actor),
            };
            let mut older = std::mem::replace(self, newer);
            return self.take_over_counted(&mut older, (before, of_other), time_s);
        }
        self.take_over_counted(other, (before, of_other), time_s)
    }

    fn take_over_counted(
        &mut self,
        older: &mut OwnDocument,
        (before, of_other): (Vec<[u8; 32]>, Vec<[u8; 32]>),
        time_s: i64,
    ) -> Result<Merged, DocumentError> {
        let kept = self.take_over(older, time_s)?;
        let after = self.heads();
        Ok(Merged {
            gained: after != before,
            ahead: after != of_other,
            kept,
        })
    }

    /// [`merge`](Self::merge) of two documents whose history begins alike.
    pub(super) fn merge_same(
        &mut self,
        other: &mut OwnDocument,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<Merged, DocumentError> {
        let common = self.common_version(other);
        let base = match common.is_empty() {
            true => Map::new(),
            false => Reader::at(&self.doc, &common).root()?,
        };
        let ours = Reader::now(&self.doc).root()?;
        let theirs = Reader::now(&other.doc).root()?;
        let (before, of_other) = (self.heads(), other.heads());
        self.doc.merge(&mut other.doc)?;
        join_heads(&mut self.doc, time_s);
        let after = self.heads();
        let mut merged = Reader::now(&self.doc).root()?;
        let mut kept = Vec::new();
        for (one, another) in [(&ours, &theirs), (&theirs, &ours)] {
            bring_back(&base, one, another, &mut merged, &mut kept);
        }
        if !kept.is_empty() {
            // What comes out of a document is folded already; a wire form folds to the same.
            let tree = fold(&super::tree::unfold(&merged));
            self.commit(note, time_s, |doc| write_tree(doc, &tree))?;
        }
        Ok(Merged {
            gained: after != before,
            ahead: after != of_other,
            kept,
        })
    }

    /// The last version that both documents contain.
    fn common_version(&mut self, other: &mut OwnDocument) -> Vec<ChangeHash> {
        let changes = other.doc.get_changes(&[]);
        let theirs: BTreeSet<ChangeHash> = changes.iter().map(|change| change.hash()).collect();
        let mut heads = BTreeSet::new();
        for change in self.doc.get_changes(&[]) {
            if theirs.contains(&change.hash()) {
                for dependency in change.deps() {
                    heads.remove(dependency);
                }
                heads.insert(change.hash());
            }
        }
        heads.into_iter().collect()
    }
}

/// Puts back into `merged` the entities of `changed` that differ from `base` and that `other` lacks.
fn bring_back(
    base: &Map<String, Value>,
    changed: &Map<String, Value>,
    other: &Map<String, Value>,
    merged: &mut Map<String, Value>,
    kept: &mut Vec<String>,
) {
    for (key, value) in base {
        let (Value::Object(base), Some(Value::Object(changed))) = (value, changed.get(key)) else {
            continue;
        };
        let nothing = Map::new();
        let other = other.get(key).and_then(Value::as_object);
        let Some(Value::Object(merged)) = merged.get_mut(key) else {
            continue;
        };
        if collection_name(key).is_none() {
            bring_back(base, changed, other.unwrap_or(&nothing), merged, kept);
            continue;
        }
        let other = other.unwrap_or(&nothing);
        for (id, entity) in changed {
            let Some(was) = base.get(id) else { continue };
            match (other.get(id), merged.get_mut(id)) {
                (None, None) if was != entity => {
                    merged.insert(id.clone(), entity.clone());
                    kept.push(id.clone());
                }
                (Some(Value::Object(other)), Some(Value::Object(merged))) => {
                    if let (Value::Object(was), Value::Object(entity)) = (was, entity) {
                        bring_back(was, entity, other, merged, kept);
                    }
                }
                _ => {}
            }
        }
    }
}
