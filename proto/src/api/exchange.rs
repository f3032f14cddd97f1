//! Taking the merged view out, and what in it is probably there twice.

use serde::{Deserialize, Serialize};

use super::{EntryKind, OrgRef};
use crate::listing::Listing;
use crate::listing::duplicates::Reason;

/// `GET /v1/export`: a part of the merged view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportPage {
    /// Listings, or what of them was asked for.
    pub listings: Vec<ExportedListing>,
    /// How many organisations there are to go through in all.
    pub total: usize,
    /// The `offset` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
}

/// A listing in an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedListing {
    /// Whose.
    pub organisation: OrgRef,
    /// The organisation with the services that were asked for.
    pub listing: Listing,
}

/// `GET /v1/duplicates`: entries of different organisations that are probably about the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// How many entries were compared.
    pub compared: usize,
    /// Pairs, the surest first.
    pub pairs: Vec<DuplicatePair>,
    /// How many more pairs there are than are shown.
    pub more: usize,
}

/// Two entries that are probably about the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicatePair {
    /// The one.
    pub one: DuplicateEntry,
    /// The other, of another organisation.
    pub other: DuplicateEntry,
    /// Why.
    pub reasons: Vec<Reason>,
    /// How sure that is, 60 to 100.
    pub score: u32,
}

/// One entry of such a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateEntry {
    /// Its id, as `GET /v1/entries/{id}` takes it.
    pub id: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// Who publishes it.
    pub organisation: OrgRef,
}
