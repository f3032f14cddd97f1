//! Taking in a state whose history is lost.

use automerge::ChangeHash;
use serde_json::{Map, Value};

use super::beginning::Beginning;
use super::own::{ChangeNote, DocumentError, OwnDocument};
use super::read::Reader;
use super::three_way::{combine, common, strip};
use super::tree::{fold, unfold};
use super::write::write_tree;

type Tree = Map<String, Value>;

impl OwnDocument {
    /// Takes in what a state says that this document never said, as one change. Whoever wrote that state had a history
    /// which is lost, so what was removed there cannot be told from what was never known there: nothing of this
    /// document goes away, and of two values of one field the one that this document never had is taken; the other stays
    /// in its history. What was erased does not come back. Returns whether there was anything to take in.
    ///
    /// # Errors
    /// [`DocumentError`]; the document is then as it was.
    pub fn take_in(
        &mut self,
        wire: &Value,
        note: &ChangeNote,
        time_s: i64,
    ) -> Result<bool, DocumentError> {
        let mut theirs = fold(wire.as_object().ok_or(DocumentError::NotAnObject)?);
        strip(&mut theirs, &Beginning::of(&mut self.doc).erased());
        let said = self.said_of(&theirs)?;
        let ours = Reader::now(&self.doc).root()?;
        let found = combine(&said, &ours, &theirs);
        if found.tree == ours {
            return Ok(false);
        }
        // What comes out of a document is folded already; a wire form folds to the same.
        let tree = fold(&unfold(&found.tree));
        self.commit(note, time_s, |doc| write_tree(doc, &tree))
    }

    /// As much of a tree as this document says, or said at any version that is left of its history.
    fn said_of(&mut self, tree: &Tree) -> Result<Tree, DocumentError> {
        let mut said = common(tree, &Reader::now(&self.doc).root()?);
        let versions = self.doc.get_changes_meta(&[]);
        let versions: Vec<ChangeHash> = versions.into_iter().map(|change| change.hash).collect();
        for version in versions.iter().rev() {
            if said == *tree {
                break;
            }
            let version = Reader::at(&self.doc, std::slice::from_ref(version)).root()?;
            unite(&mut said, common(tree, &version));
        }
        Ok(said)
    }
}

/// Adds to one part of a tree another part of the same tree.
fn unite(part: &mut Tree, other: Tree) {
    for (key, value) in other {
        match (part.get_mut(&key), value) {
            (Some(Value::Object(part)), Value::Object(other)) => unite(part, other),
            (_, value) => {
                part.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
