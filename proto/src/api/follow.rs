//! What a node follows: see [`crate::interest`].

use serde::{Deserialize, Serialize};

use super::OrgRef;
use crate::ids::NetworkId;

/// `GET /v1/follow`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// Areas, by name; empty for all.
    pub areas: Vec<String>,
    /// What services do; empty for everything.
    pub types: Vec<String>,
    /// Networks; empty for all.
    pub networks: Vec<FollowedNetwork>,
    /// Organisations of which everything is kept, whatever the others say.
    pub organisations: Vec<OrgRef>,
    /// Of how many organisations something is left to others.
    pub left_out: usize,
    /// Whether what is held already is still being gone through.
    #[serde(default)]
    pub going_through: bool,
    /// Whether the request changed anything.
    #[serde(default)]
    pub changed: bool,
}

/// A network that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedNetwork {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
}

/// `POST /v1/follow`: what to follow as well, or no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Areas, by name or GSS code.
    #[serde(default)]
    pub areas: Vec<String>,
    /// What services do, by a term of the vocabulary.
    #[serde(default)]
    pub types: Vec<String>,
    /// Networks, by name or id.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Organisations, by name or id.
    #[serde(default)]
    pub organisations: Vec<String>,
    /// Not to follow these any more.
    #[serde(default)]
    pub remove: bool,
    /// To follow everything, and forget all conditions.
    #[serde(default)]
    pub everything: bool,
}
