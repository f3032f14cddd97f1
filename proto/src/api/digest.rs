//! What concerns one organisation, on one page; and what has a date.

use serde::{Deserialize, Serialize};

use super::OrgRef;

/// `GET /v1/digest?org=&days=&mine=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Whom it is for.
    pub organisation: OrgRef,
    /// The first day that it covers, `YYYY-MM-DD`.
    pub since: String,
    /// The last, today.
    pub until: String,
    /// What there is, the most pressing first. A section that is empty is left out.
    pub sections: Vec<DigestSection>,
}

/// One part of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestSection {
    /// Its heading.
    pub title: String,
    /// The items, the most pressing first.
    pub items: Vec<DigestItem>,
    /// How many more there are, which no longer fit.
    pub more: usize,
    /// The command that shows all.
    pub command: String,
}

/// One line of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestItem {
    /// What.
    pub text: String,
    /// More on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Id of the notice or service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `GET /v1/calendar?org=&mine=`: events and trainings of boards, and courses of listings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// What has a date, in the order of beginnings.
    pub events: Vec<CalendarEvent>,
}

/// Something with a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarEvent {
    /// Whose.
    pub organisation: OrgRef,
    /// Id of the notice, or of the service with that of its schedule after a slash.
    pub id: String,
    /// What.
    pub title: String,
    /// More on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it begins for the first time: `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM` by the clocks there.
    pub starts: String,
    /// When it ends for the first time, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// How it recurs, as an RRULE of RFC 5545 without its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurs: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When the record that vouches for it was issued, in seconds since 1970-01-01 UTC.
    pub issued_at_s: u64,
}
