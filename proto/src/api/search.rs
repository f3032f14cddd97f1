//! `GET /v1/search` and `GET /v1/explain`.

use serde::{Deserialize, Serialize};

use super::OrgRef;

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A service, or a strand of one.
    Service,
    /// An organisation.
    Organisation,
    /// A notice on a board.
    Notice,
}

/// What is asked of `GET /v1/search`, as it stands in the query. Whatever is absent filters nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchRequest {
    /// Words.
    pub text: Option<String>,
    /// Only entries of this kind.
    pub kind: Option<EntryKind>,
    /// Only entries of this organisation: a name, or an id in full or in short.
    pub organisation: Option<String>,
    /// Most results.
    pub limit: Option<usize>,
    /// How many are passed over.
    pub offset: Option<usize>,
    /// A postcode, its first half, or "LATITUDE,LONGITUDE".
    pub near: Option<String>,
    /// How far from there, in kilometres.
    pub within_km: Option<f64>,
    /// An area, by name or GSS code.
    pub area: Option<String>,
    /// An age in years.
    pub age: Option<u32>,
    /// Whom it is for.
    #[serde(rename = "for")]
    pub people: Option<String>,
    /// What it does.
    #[serde(rename = "type")]
    pub kind_of_support: Option<String>,
    /// How near to work somebody is.
    pub stage: Option<String>,
    /// Bespoke, or defined.
    pub model: Option<String>,
    /// A language, by name or code.
    pub language: Option<String>,
    /// It costs nothing.
    pub free: bool,
    /// Who may send somebody.
    pub refer: Option<String>,
    /// One to one, in a group, online …
    pub format: Option<String>,
    /// Who pays.
    pub payer: Option<String>,
    /// A day or weekday, perhaps with a time or part of the day.
    pub on: Option<String>,
    /// It is open at this moment.
    pub open_now: bool,
    /// It says that disabled people can get in.
    pub accessible: bool,
    /// It was confirmed within this time, such as `90d`.
    pub fresh: Option<String>,
    /// Entries that nobody has confirmed for long are shown too.
    pub include_stale: bool,
    /// Whether counts of what the results say are wanted.
    pub facets: bool,
    /// Whether each result is to say why it is one.
    pub explain: bool,
}

/// `GET /v1/search`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPage {
    /// How many entries match in all.
    pub total: usize,
    /// The page that was asked for, best first; the same on every node that holds the same listings.
    pub results: Vec<SearchResult>,
    /// How many more match that nobody has confirmed for so long that they are left out.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub hidden: usize,
    /// What a person should know about this search: words that no list has, distances that are rough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the matches say, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<FacetGroup>,
    /// Where nothing matches: what would without one of the conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The id of the service, organisation or notice; for `GET /v1/entries/{id}`.
    pub id: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// Who publishes it.
    pub organisation: OrgRef,
    /// `active`, `inactive`, `defunct` or `temporarily closed`, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was last assured, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured_date: Option<String>,
    /// Whether that is so long ago that it should be checked before anybody is sent there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// How far it is from the place that was asked for, in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<u32>,
    /// Why it is a result, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
}

/// Why an entry is a result: what it says to one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The condition: a word, or a filter such as `--age 18`.
    pub asked: String,
    /// What the entry says to it.
    pub answer: String,
    /// False where the entry says nothing, and passes all the same.
    pub said: bool,
}

/// Counts of what matches say to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetGroup {
    /// The name of the filter: `type`, `for`, `area` …
    pub name: String,
    /// The answers, the most frequent first.
    pub counts: Vec<FacetCount>,
}

/// How many matches say something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetCount {
    /// What they say; the filter takes it as it stands here.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// A condition without which there would be results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The condition to leave out: a word, or a filter such as `--age 18`.
    pub without: String,
    /// How many results there would be.
    pub found: usize,
}

fn is_nought(number: &usize) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
