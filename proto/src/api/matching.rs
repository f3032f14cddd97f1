//! Needs with what may answer them, and organisations that are like one's own.

use serde::{Deserialize, Serialize};

use super::{NoticeView, OrgRef};
use crate::matching::Reason;

/// `GET /v1/matches?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Whose needs and offers.
    pub organisation: OrgRef,
    /// Each of its needs that stands, with what others have for it.
    pub needs: Vec<Matched>,
    /// Each need of others that it may be able to answer, with what it has for that.
    pub others: Vec<Matched>,
}

/// A need, and what may answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// The need.
    pub need: NoticeView,
    /// What may answer it, the best first.
    pub matches: Vec<MatchView>,
}

/// Something that may answer a need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchView {
    /// `service`, or the kind of the notice.
    pub kind: String,
    /// Id of the service or the notice.
    pub id: String,
    /// Its name or title.
    pub title: String,
    /// Whose it is.
    pub organisation: OrgRef,
    /// How well it fits; comparable among the matches of one need.
    pub score: u32,
    /// Why, and what speaks against it.
    pub reasons: Vec<Reason>,
}

/// `GET /v1/twins?org=&where=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twins {
    /// Whose.
    pub organisation: OrgRef,
    /// Organisations that are like it, the most alike first.
    pub twins: Vec<Twin>,
}

/// An organisation that is like another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// Which.
    pub organisation: OrgRef,
    /// How alike, from 0 to 1000.
    pub score: u32,
    /// Whether both work in the same area.
    pub near: bool,
    /// In what they are alike.
    pub reasons: Vec<Reason>,
    /// How many services it lists.
    pub services: usize,
}

/// Which twins are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TwinsWhere {
    /// All.
    #[default]
    Anywhere,
    /// Those that work in the same area: to work with.
    Near,
    /// Those that do not: to learn from.
    Elsewhere,
}
