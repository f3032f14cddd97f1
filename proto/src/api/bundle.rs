//! Bundles: a network in one file.

use serde::{Deserialize, Serialize};

use super::OrgRef;
use crate::ids::{NetworkId, NodeId};

/// The content type of a bundle. It is none that a page in a browser may send elsewhere without asking.
pub const BUNDLE_TYPE: &str = "application/vnd.fingerpost.bundle";

/// `POST /v1/bundle`: what became of a bundle. Whatever was taken is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedBundle {
    /// The network that it says it is of.
    pub network: NetworkId,
    /// That network's name.
    pub name: String,
    /// The node that made it, by its own word.
    pub node: NodeId,
    /// When, by its own word.
    pub made_at_s: u64,
    /// If it holds only what was issued since a moment, that moment.
    pub since_s: Option<u64>,
    /// How many items came.
    pub items: u64,
    /// Of those: new, and kept.
    pub added: u64,
    /// Known already.
    pub known: u64,
    /// Older than what is held, or not for this node to keep.
    pub older: u64,
    /// Of organisations that are in none of this node's networks, so far as it knows.
    pub foreign: u64,
    /// Not taken though sound: blocked, or more than one organisation may fill.
    pub declined: u64,
    /// Refused, or damaged.
    pub refused: u64,
    /// The first of those that were refused, damaged or of nobody that is known.
    pub faults: Vec<BundleFault>,
    /// How many items there should have been besides.
    pub missing: u64,
    /// Whether the file was whole.
    pub whole: bool,
    /// Why reading ended before the file did, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl ImportedBundle {
    /// How many items were left out.
    pub fn left_out(&self) -> u64 {
        let parts = [self.refused, self.foreign, self.missing];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Whether everything in it was taken, or was no news.
    pub fn is_complete(&self) -> bool {
        self.whole && self.left_out() == 0 && self.stopped.is_none()
    }
}

/// A line of a bundle that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFault {
    /// Which, from 1.
    pub line: u64,
    /// A fixed name of the reason.
    pub reason: String,
    /// The reason in words.
    pub message: String,
}

/// The bundle that was imported last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBundle {
    /// When it was imported.
    pub imported_at_s: u64,
    /// Of which network.
    pub network: NetworkId,
    /// The network's name then.
    pub name: String,
    /// The node that made it, by its own word.
    pub node: NodeId,
    /// The organisations that this node writes for, as far as they are known.
    pub organisations: Vec<OrgRef>,
    /// When it was made, by its own word.
    pub made_at_s: u64,
    /// How many items were new.
    pub added: u64,
    /// Whether everything in it was taken, or was no news.
    pub complete: bool,
}
