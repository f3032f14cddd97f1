//! An organisation's own documents, as CRDTs on its own nodes.
//!
//! A document holds the same tree as its state, with one difference: a collection of entities
//! (an array on the wire) is a map keyed by id, so that two nodes can each add a service while apart
//! and both stay. [`fold`] and [`unfold`] go between the two.
//!
//! Only the owner's own bytes are ever loaded here. What another organisation sends is JSON and
//! never reaches automerge.

mod anew;
mod beginning;
mod conflicts;
mod merge;
mod own;
mod read;
mod regain;
mod three_way;
mod tree;
mod write;

pub use conflicts::{Candidate, Conflict};
pub use merge::Merged;
pub use own::{ChangeNote, DocumentError, HistoryEntry, OwnDocument};
pub use tree::{fold, unfold};
