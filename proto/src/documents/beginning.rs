//! Where a document's history begins.
//!
//! Most documents begin with their first change. One whose history was let go of, because something in it was
//! erased or because it had grown too long, begins anew: its first change, the **root**, says all that the document
//! said, and its message says which histories that contains (the **lineage**) and what was erased. Whoever comes with
//! an older history can so tell what in it is new, without the history that is gone.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{AutoCommit, ChangeHash};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::own::ChangeNote;
use crate::limits;

/// How many bytes of an actor's id name it in a lineage: enough that an organisation never sees two alike.
const ACTOR_PREFIX_BYTES: usize = 8;

/// The root of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The change that begins the history; `None` for one that never was begun anew.
    pub(super) root: Option<ChangeHash>,
    /// What it says of itself.
    pub(super) says: Says,
}

/// What a root says besides the document's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Says {
    /// How often the history was begun anew, this time included.
    pub(super) generation: u64,
    /// The histories that the root contains, the latest first.
    #[serde(default)]
    pub(super) lineage: Vec<Ancestor>,
    /// Ids of the entities that were erased, the latest last.
    #[serde(default)]
    pub(super) erased: Vec<String>,
}

/// A history that a root contains, as far as it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ancestor {
    /// Its root in hexadecimal; empty for a history that never was begun anew.
    root: String,
    /// By actor, the number of its last change that is contained.
    clock: BTreeMap<String, u64>,
}

/// The message of a root: a note for people, and the rest.
#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    #[serde(flatten)]
    pub(super) note: ChangeNote,
    pub(super) begins: Says,
}

impl Beginning {
    /// Looks for the root of a document; of several, which only a faulty sibling makes, the latest counts.
    pub(super) fn of(doc: &mut AutoCommit) -> Self {
        let changes = doc.get_changes_meta(&[]);
        let roots = changes.iter().filter(|change| change.deps.is_empty());
        let found = roots.filter_map(|change| {
            let message: Message = serde_json::from_str(change.message.as_deref()?).ok()?;
            (message.begins.generation > 0).then_some(Self {
                root: Some(change.hash),
                says: message.begins,
            })
        });
        found.max_by_key(Self::rank).unwrap_or_default()
    }

    /// Of two histories that began anew, which one goes on.
    pub(super) fn rank(&self) -> (u64, Option<ChangeHash>) {
        (self.says.generation, self.root)
    }

    pub(super) fn erased(&self) -> BTreeSet<String> {
        self.says.erased.iter().cloned().collect()
    }

    fn name(&self) -> String {
        self.root
            .map_or_else(String::new, |hash| HEXLOWER.encode(&hash.0))
    }

    /// The version up to which a history is contained in this root: the heads of what both have. `None` if nothing is
    /// known of it.
    pub(super) fn contained_of(
        &self,
        doc: &mut AutoCommit,
        history: &Self,
    ) -> Option<Vec<ChangeHash>> {
        let name = history.name();
        let ancestor = self.says.lineage.iter().find(|it| it.root == name)?;
        let mut heads = BTreeSet::new();
        for change in doc.get_changes_meta(&[]) {
            let last = ancestor.clock.get(&prefix(change.actor.to_bytes()));
            if last.is_some_and(|last| change.seq <= *last) {
                for dependency in &change.deps {
                    heads.remove(dependency);
                }
                heads.insert(change.hash);
            }
        }
        Some(heads.into_iter().collect())
    }

    /// What a root says that takes the place of these histories, each with its document, and erases `erased`.
    pub(super) fn next(histories: &mut [(&Self, &mut AutoCommit)], erased: &[String]) -> Says {
        let mut next = Says::default();
        let mut lineage: Vec<Ancestor> = Vec::new();
        for (history, doc) in histories.iter_mut() {
            next.generation = next.generation.max(history.says.generation);
            let this = Ancestor {
                root: history.name(),
                clock: clock_of(doc),
            };
            for ancestor in std::iter::once(&this).chain(&history.says.lineage) {
                add_ancestor(&mut lineage, ancestor);
            }
            add_erased(&mut next.erased, &history.says.erased);
        }
        next.generation = next.generation.saturating_add(1);
        let mut size_bytes = 0;
        lineage.retain(|ancestor| {
            size_bytes += serde_json::to_string(ancestor).map_or(0, |text| text.len());
            size_bytes <= limits::LINEAGE_MAX_BYTES
        });
        next.lineage = lineage;
        add_erased(&mut next.erased, erased);
        let over = next.erased.len().saturating_sub(limits::ERASED_MAX);
        next.erased.drain(..over);
        next
    }
}

fn add_ancestor(lineage: &mut Vec<Ancestor>, ancestor: &Ancestor) {
    match lineage.iter_mut().find(|it| it.root == ancestor.root) {
        None => lineage.push(ancestor.clone()),
        Some(known) => {
            for (actor, number) in &ancestor.clock {
                let last = known.clock.entry(actor.clone()).or_default();
                *last = (*last).max(*number);
            }
        }
    }
}

fn add_erased(known: &mut Vec<String>, more: &[String]) {
    for id in more {
        if !known.contains(id) {
            known.push(id.clone());
        }
    }
}

fn clock_of(doc: &mut AutoCommit) -> BTreeMap<String, u64> {
    let mut clock = BTreeMap::new();
    for change in doc.get_changes_meta(&[]) {
        let last = clock.entry(prefix(change.actor.to_bytes())).or_default();
        *last = change.seq.max(*last);
    }
    clock
}

fn prefix(actor: &[u8]) -> String {
    HEXLOWER.encode(actor.get(..ACTOR_PREFIX_BYTES).unwrap_or(actor))
}
