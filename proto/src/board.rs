//! Boards: what an organisation needs and offers, and its replies to the notices of others.
//!
//! Every notice expires. A reader shows a notice until its `expires` day has passed, whatever the
//! owner does afterwards, so a board never fills with what nobody took down.

pub mod edit;
mod entries;
pub mod personal;
pub mod tally;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::ids::NetworkId;
use crate::json;
use crate::limits::{NOTICES_MAX, REPLIES_MAX, REPORTS_MAX, SIGNATURES_MAX};
use crate::listing::edit::{is_date, is_time};
use crate::listing::entities::{Entities, Entity, Shape};
use crate::listing::state::{
    Head, STATE_FORMAT, StateError, check_count, check_name, parse_state, state_bytes,
};

pub use entries::{Report, Signature, Verdict, text_hash};

/// What `kind` says in the state of a board.
pub const BOARD_KIND: &str = "board";

/// The state of a board as it travels between organisations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardState {
    /// Always [`STATE_FORMAT`].
    pub format: u32,
    /// Always [`BOARD_KIND`].
    pub kind: String,
    /// The organisation's notices.
    #[serde(default)]
    pub notices: Entities<Notice>,
    /// Its replies to other organisations' notices.
    #[serde(default, skip_serializing_if = "Entities::is_empty")]
    pub replies: Entities<Reply>,
    /// The statements of other organisations that it has signed.
    #[serde(default, skip_serializing_if = "Entities::is_empty")]
    pub signatures: Entities<Signature>,
    /// What it found when it used services of other organisations.
    #[serde(default, skip_serializing_if = "Entities::is_empty")]
    pub reports: Entities<Report>,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// An entry on a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The stable id, a UUID.
    pub id: String,
    /// What sort of notice it is.
    pub kind: NoticeKind,
    /// One line.
    pub title: String,
    /// The whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Areas it concerns: names, or GSS codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
    /// Languages it concerns: ISO 639 codes, or names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Last day on which it is shown, `YYYY-MM-DD`.
    pub expires: String,
    /// When what it tells of begins, for an event or a training: `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM` by the
    /// clocks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// When it ends, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// Day on which it was put up, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Networks that it is meant for, by id; none means all of the organisation's networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// It has been answered or withdrawn before it expired.
    #[serde(default, skip_serializing_if = "is_false")]
    pub closed: bool,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// An answer to another organisation's notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The stable id, a UUID.
    pub id: String,
    /// Id of the organisation that owns the notice, as it is written in tickets and commands.
    pub organisation: String,
    /// Id of the notice.
    pub notice: String,
    /// The answer.
    pub text: String,
    /// Day on which it was written, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Last day on which it is shown, `YYYY-MM-DD`; with the notice when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// What sort of notice it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// Something is needed.
    Need,
    /// Something is offered.
    Offer,
    /// Training.
    Training,
    /// A room or a building.
    Venue,
    /// Money to apply for.
    Funding,
    /// An event.
    Event,
    /// Volunteering.
    Volunteering,
    /// A question.
    Question,
    /// A statement.
    Statement,
    /// A sort that this version does not know. It is carried and shown under its own name.
    Other(String),
}

impl NoticeKind {
    /// The kinds that this version knows.
    pub const KNOWN: [NoticeKind; 9] = [
        NoticeKind::Need,
        NoticeKind::Offer,
        NoticeKind::Training,
        NoticeKind::Venue,
        NoticeKind::Funding,
        NoticeKind::Event,
        NoticeKind::Volunteering,
        NoticeKind::Question,
        NoticeKind::Statement,
    ];

    /// The word that stands in the state.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            NoticeKind::Need => "need",
            NoticeKind::Offer => "offer",
            NoticeKind::Training => "training",
            NoticeKind::Venue => "venue",
            NoticeKind::Funding => "funding",
            NoticeKind::Event => "event",
            NoticeKind::Volunteering => "volunteering",
            NoticeKind::Question => "question",
            NoticeKind::Statement => "statement",
            NoticeKind::Other(word) => word,
        }
    }

    /// The kind for a word.
    #[must_use]
    pub fn from_word(word: &str) -> NoticeKind {
        NoticeKind::KNOWN
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .unwrap_or_else(|| NoticeKind::Other(word.to_owned()))
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for NoticeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NoticeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| NoticeKind::from_word(&word))
    }
}

/// Is this a day that exists, `YYYY-MM-DD`, or such a day with a time, `YYYY-MM-DDTHH:MM`?
#[must_use]
pub fn is_day_or_moment(text: &str) -> bool {
    match text.split_once('T') {
        None => is_date(text),
        Some((day, time)) => is_date(day) && time.len() == "09:30".len() && is_time(time),
    }
}

impl Notice {
    /// Whether it still stands on a day written `YYYY-MM-DD`: it is not closed, and has not expired.
    #[must_use]
    pub fn is_open(&self, day: &str) -> bool {
        !self.closed && self.expires.as_str() >= day
    }

    /// Whether members of a network are shown this notice, on a day written `YYYY-MM-DD`: it is meant for
    /// their network or for all, it is not closed, and it has not expired.
    ///
    /// This is a courtesy and no secret: the whole board travels to every network of its organisation.
    #[must_use]
    pub fn is_shown_in(&self, network: &NetworkId, day: &str) -> bool {
        let meant = self.networks.is_empty() || self.networks.iter().any(|it| network.matches(it));
        meant && self.is_open(day)
    }
}

impl Default for BoardState {
    fn default() -> Self {
        BoardState {
            format: STATE_FORMAT,
            kind: BOARD_KIND.to_owned(),
            notices: Entities::default(),
            replies: Entities::default(),
            signatures: Entities::default(),
            reports: Entities::default(),
            extra: Map::new(),
        }
    }
}

impl Head for BoardState {
    fn head(&self) -> (u32, &str) {
        (self.format, &self.kind)
    }
}

impl BoardState {
    /// Reads the state that a record vouches for.
    ///
    /// # Errors
    /// [`StateError`]: each limit and each fault has its own variant.
    pub fn parse(bytes: &[u8]) -> Result<BoardState, StateError> {
        let state: BoardState = parse_state(bytes, BOARD_KIND, &SHAPE)?;
        state.check()?;
        Ok(state)
    }

    /// Writes the state in the one form in which it is hashed and sent.
    ///
    /// # Errors
    /// [`StateError`] when the state breaks a limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        self.check()?;
        state_bytes(self)
    }

    fn check(&self) -> Result<(), StateError> {
        check_count("notices", self.notices.len(), NOTICES_MAX)?;
        check_count("replies", self.replies.len(), REPLIES_MAX)?;
        check_count("signatures", self.signatures.len(), SIGNATURES_MAX)?;
        check_count("reports", self.reports.len(), REPORTS_MAX)?;
        for notice in &self.notices {
            let owner = format!("notices, id {}", notice.id);
            check_name(&owner, &notice.title)?;
            let posted = notice.posted.as_deref();
            check_dates(&owner, [Some(notice.expires.as_str()), posted])?;
            check_moments(&owner, [notice.starts.as_deref(), notice.ends.as_deref()])?;
        }
        for reply in &self.replies {
            let owner = format!("replies, id {}", reply.id);
            check_dates(&owner, [reply.expires.as_deref(), reply.posted.as_deref()])?;
        }
        for signature in &self.signatures {
            let owner = format!("signatures, id {}", signature.id);
            check_dates(&owner, [signature.posted.as_deref(), None])?;
        }
        for report in &self.reports {
            let owner = format!("reports, id {}", report.id);
            check_dates(
                &owner,
                [Some(report.expires.as_str()), Some(&report.posted)],
            )?;
        }
        Ok(())
    }
}

fn check_dates(owner: &str, dates: [Option<&str>; 2]) -> Result<(), StateError> {
    match dates.into_iter().flatten().find(|date| !is_date(date)) {
        None => Ok(()),
        Some(date) => Err(wrong(owner, date, "a date such as 2026-11-30")),
    }
}

fn check_moments(owner: &str, moments: [Option<&str>; 2]) -> Result<(), StateError> {
    let mut given = moments.into_iter().flatten();
    match given.find(|moment| !is_day_or_moment(moment)) {
        None => Ok(()),
        Some(moment) => Err(wrong(
            owner,
            moment,
            "a date such as 2026-11-30, or one with a time such as 2026-11-30T09:30",
        )),
    }
}

fn wrong(owner: &str, found: &str, expected: &str) -> StateError {
    StateError::Field {
        place: json::Place {
            path: owner.to_owned(),
            ..json::Place::default()
        },
        message: format!("{found:?} is not {expected}"),
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Entity for Notice {
    fn id(&self) -> &str {
        &self.id
    }

    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape {
            kind: "notice",
            required: &["kind", "title", "expires"],
            text: &["text", "posted", "starts", "ends"],
            number: &[],
            loose: &[],
            many: &[],
            one: &[],
        };
        &SHAPE
    }
}

impl Entity for Reply {
    fn id(&self) -> &str {
        &self.id
    }

    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape {
            kind: "reply",
            required: &["organisation", "notice", "text"],
            text: &["posted", "expires"],
            number: &[],
            loose: &[],
            many: &[],
            one: &[],
        };
        &SHAPE
    }
}

/// What a board is made of, for folding and for finding duplicates.
pub(crate) static SHAPE: Shape = Shape {
    kind: BOARD_KIND,
    required: &[],
    text: &[],
    number: &[],
    loose: &[],
    many: &[
        ("notices", <Notice as Entity>::shape),
        ("replies", <Reply as Entity>::shape),
        ("signatures", <Signature as Entity>::shape),
        ("reports", <Report as Entity>::shape),
    ],
    one: &[],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TEXT_MAX_BYTES;
    use serde_json::json;

    fn board(notices: usize, replies: usize) -> Value {
        let notice = |index| json!({"id": format!("n{index}"), "kind": "need", "title": "A venue with a crèche", "expires": "2026-12-31"});
        let reply = |index| json!({"id": format!("r{index}"), "organisation": "o", "notice": "n", "text": "We have one"});
        json!({
            "format": 1, "kind": "board",
            "notices": (0..notices).map(notice).collect::<Vec<_>>(),
            "replies": (0..replies).map(reply).collect::<Vec<_>>(),
        })
    }

    fn parse(value: &Value) -> Result<BoardState, StateError> {
        BoardState::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_board_keeps_every_field_and_unknown_kinds() {
        let mut value = board(1, 1);
        value["notices"][0]["kind"] = json!("swap");
        value["notices"][0]["x_payer"] = json!({"nhs": true});
        value["x_more"] = json!([1, 2.0]);
        let state = parse(&value).unwrap();
        assert_eq!(
            state.notices.get("n0").unwrap().kind,
            NoticeKind::Other("swap".into())
        );
        let bytes = state.to_bytes().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn a_board_over_its_limits_is_refused() {
        assert!(parse(&board(NOTICES_MAX, REPLIES_MAX)).is_ok());
        for (value, what) in [
            (board(NOTICES_MAX + 1, 0), "notices"),
            (board(0, REPLIES_MAX + 1), "replies"),
        ] {
            let error = parse(&value).unwrap_err();
            assert!(
                matches!(&error, StateError::TooMany { what: found, .. } if *found == what),
                "{error}"
            );
        }
        for (field, most) in [("signatures", SIGNATURES_MAX), ("reports", REPORTS_MAX)] {
            let entry = |index| {
                json!({"id": format!("e{index}"), "organisation": "o", "notice": "n", "text_hash": "00",
                    "service": "s", "verdict": "wrong", "posted": "2026-11-27", "expires": "2026-12-31"})
            };
            let mut value = board(0, 0);
            value[field] = (0..most).map(entry).collect();
            assert!(parse(&value).is_ok(), "{field}");
            value[field] = (0..=most).map(entry).collect();
            let error = parse(&value).unwrap_err();
            assert!(
                matches!(&error, StateError::TooMany { what, .. } if *what == field),
                "{error}"
            );
        }
        let mut long = board(1, 0);
        long["notices"][0]["text"] = json!("x".repeat(TEXT_MAX_BYTES + 1));
        assert!(matches!(
            parse(&long).unwrap_err(),
            StateError::TextTooLong { .. }
        ));
    }

    #[test]
    fn a_notice_must_expire_on_a_day_that_exists() {
        let mut value = board(2, 0);
        value["notices"][1]["expires"] = json!("2026-02-30");
        let error = parse(&value).unwrap_err();
        assert!(error.to_string().contains("2026-02-30"), "{error}");
        value["notices"][1]
            .as_object_mut()
            .unwrap()
            .remove("expires");
        let error = parse(&value).unwrap_err();
        let StateError::Field { place, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(place.path, "notices[1]");
    }

    #[test]
    fn what_begins_on_no_day_of_the_calendar_is_refused() {
        for (starts, good) in [
            ("2026-12-01", true),
            ("2026-12-01T09:30", true),
            ("2026-12-32", false),
            ("2026-12-01T9:30", false),
            ("2026-12-01T09:30Z", false),
            ("2026-12-01T25:00", false),
            ("09:30", false),
        ] {
            let mut value = board(1, 0);
            value["notices"][0]["starts"] = json!(starts);
            assert_eq!(parse(&value).is_ok(), good, "{starts}");
        }
    }

    #[test]
    fn a_notice_is_shown_in_the_networks_that_it_names_until_it_expires() {
        let (one, other) = (
            NetworkId::from_bytes([1; 32]),
            NetworkId::from_bytes([2; 32]),
        );
        let shown = |change: &dyn Fn(&mut Value)| {
            let mut value = board(1, 0);
            change(&mut value["notices"][0]);
            let state = parse(&value).unwrap();
            assert_eq!(
                BoardState::parse(&state.to_bytes().unwrap()),
                Ok(state.clone())
            );
            let notice = state.notices.get("n0").unwrap().clone();
            [one, other].map(|network| notice.is_shown_in(&network, "2026-12-31"))
        };
        assert_eq!(shown(&|_| ()), [true, true]);
        assert_eq!(
            shown(&|it| it["networks"] = json!([one.to_string()])),
            [true, false]
        );
        assert_eq!(
            shown(&|it| it["networks"] = json!([other.short(), "net1x"])),
            [false, true]
        );
        assert_eq!(shown(&|it| it["closed"] = json!(true)), [false, false]);
        assert_eq!(
            shown(&|it| it["expires"] = json!("2026-12-30")),
            [false, false]
        );
    }

    #[test]
    fn a_listing_is_not_a_board() {
        let error = parse(&json!({"format": 1, "kind": "listing", "shard": 0})).unwrap_err();
        assert!(matches!(error, StateError::WrongKind { .. }), "{error}");
        let error = parse(&json!({"format": 2, "kind": "board", "notices": {}})).unwrap_err();
        assert!(matches!(error, StateError::UnknownFormat { .. }), "{error}");
    }
}
