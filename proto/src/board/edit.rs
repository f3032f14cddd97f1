//! Writing on a board: new notices, changes of them, and making room for both.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{BoardState, Notice, NoticeKind, is_day_or_moment};
use crate::limits::{NAME_MAX_BYTES, NOTICES_MAX, REPLIES_MAX, REPORTS_MAX, SIGNATURES_MAX};
use crate::listing::edit::is_date;
use crate::listing::entities::{Entities, Entity};

/// For how many days a notice is shown whose owner does not say.
pub const NOTICE_DAYS: u32 = 60;
/// For how many days a report or a confirmation counts.
pub const REPORT_DAYS: u32 = 180;
/// Longest that a notice may be shown, in days.
pub const NOTICE_DAYS_MAX: u32 = 400;
/// Most areas, languages and networks that one notice names, each.
pub const WORDS_MAX: usize = 64;

/// What a notice says, as its owner gives it. When a notice is changed, what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// See [`Notice::kind`]. It does not change later.
    #[serde(default)]
    pub kind: Option<String>,
    /// See [`Notice::title`].
    #[serde(default)]
    pub title: Option<String>,
    /// See [`Notice::text`]; an empty one removes it.
    #[serde(default)]
    pub text: Option<String>,
    /// See [`Notice::areas`]; an empty list removes them.
    #[serde(default)]
    pub areas: Option<Vec<String>>,
    /// See [`Notice::languages`]; an empty list removes them.
    #[serde(default)]
    pub languages: Option<Vec<String>>,
    /// See [`Notice::expires`].
    #[serde(default)]
    pub expires: Option<String>,
    /// See [`Notice::starts`]; an empty text removes it.
    #[serde(default)]
    pub starts: Option<String>,
    /// See [`Notice::ends`]; an empty text removes it.
    #[serde(default)]
    pub ends: Option<String>,
    /// See [`Notice::networks`], ids in full; an empty list means all.
    #[serde(default)]
    pub networks: Option<Vec<String>>,
}

/// Why a notice is refused. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No kind, or one that is not known.
    #[error("a notice is one of {}", kinds())]
    Kind,
    /// No title.
    #[error("a notice needs a title of 1 to {NAME_MAX_BYTES} bytes, on one line")]
    Title,
    /// A day that does not exist.
    #[error("\"{0}\" is not a day such as 2026-12-31")]
    Day(String),
    /// A moment that does not exist.
    #[error(
        "\"{0}\" is neither a day such as 2026-12-31 nor one with a time, such as 2026-12-31T09:30"
    )]
    Moment(String),
    /// It would be over before it is shown.
    #[error("it would have expired already, on {0}")]
    Expired(String),
    /// It would be shown for too long.
    #[error("a notice is shown for at most {NOTICE_DAYS_MAX} days, and {0} is later than that")]
    TooLong(String),
    /// It would end before it begins.
    #[error("what it tells of would end before it begins")]
    EndsFirst,
    /// Too many words in one list.
    #[error("a notice names at most {WORDS_MAX} {0}")]
    TooMany(&'static str),
}

fn kinds() -> String {
    let words: Vec<String> = NoticeKind::KNOWN
        .iter()
        .map(NoticeKind::to_string)
        .collect();
    words.join(", ")
}

/// The day that lies so many days after `day`; `day` itself if it is none, or if the calendar ends there.
#[must_use]
pub fn days_after(day: &str, days: u32) -> String {
    let later = |date: jiff::civil::Date| {
        let span = jiff::Span::new().try_days(i64::from(days)).ok()?;
        date.checked_add(span).ok()
    };
    let date: Option<jiff::civil::Date> = day.parse().ok();
    date.and_then(later)
        .map_or_else(|| day.to_owned(), |date| date.to_string())
}

/// How many days lie between two days, if both are days; negative if `to` is the earlier.
#[must_use]
pub fn days_between(from: &str, to: &str) -> Option<i64> {
    let date = |text: &str| {
        let day: Option<jiff::civil::Date> = text.get(..10)?.parse().ok();
        day
    };
    let span = date(from)?.until(date(to)?).ok()?;
    Some(i64::from(span.get_days()))
}

/// A new notice, put up on `today`. One that does not say until when is shown for [`NOTICE_DAYS`], or until what it
/// tells of is over.
///
/// # Errors
/// [`ContentError`].
pub fn new_notice(id: &str, content: &Content, today: &str) -> Result<Notice, ContentError> {
    let kind = content.kind.as_deref().map(NoticeKind::from_word);
    let kind = kind.filter(|kind| NoticeKind::KNOWN.contains(kind));
    let over = content.ends.as_deref().or(content.starts.as_deref());
    let over = over.and_then(|moment| moment.get(..10));
    let usual = days_after(today, NOTICE_DAYS);
    let mut notice = Notice {
        id: id.to_owned(),
        kind: kind.ok_or(ContentError::Kind)?,
        title: String::new(),
        text: None,
        areas: Vec::new(),
        languages: Vec::new(),
        expires: over.map_or(usual, str::to_owned),
        starts: None,
        ends: None,
        posted: Some(today.to_owned()),
        networks: Vec::new(),
        closed: false,
        extra: Map::new(),
    };
    let content = Content {
        kind: None,
        ..content.clone()
    };
    change_notice(&mut notice, &content, today)?;
    Ok(notice)
}

/// Changes what a notice says. Answers whether anything differs.
///
/// # Errors
/// [`ContentError`]; the notice is then as it was.
pub fn change_notice(
    notice: &mut Notice,
    content: &Content,
    today: &str,
) -> Result<bool, ContentError> {
    if content.kind.is_some() {
        return Err(ContentError::Kind);
    }
    let mut changed = notice.clone();
    if let Some(title) = &content.title {
        changed.title = title.trim().to_owned();
    }
    if changed.title.is_empty()
        || changed.title.len() > NAME_MAX_BYTES
        || changed.title.chars().any(char::is_control)
    {
        return Err(ContentError::Title);
    }
    set(&mut changed.text, content.text.as_deref());
    set(&mut changed.starts, content.starts.as_deref());
    set(&mut changed.ends, content.ends.as_deref());
    for (list, given, what) in [
        (&mut changed.areas, &content.areas, "areas"),
        (&mut changed.languages, &content.languages, "languages"),
        (&mut changed.networks, &content.networks, "networks"),
    ] {
        if let Some(given) = given {
            *list = words(given, what)?;
        }
    }
    if let Some(expires) = &content.expires {
        changed.expires.clone_from(expires);
    }
    check_days(&changed, today, content)?;
    let differs = changed != *notice;
    *notice = changed;
    Ok(differs)
}

fn set(field: &mut Option<String>, given: Option<&str>) {
    if let Some(text) = given {
        *field = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    }
}

fn words(given: &[String], what: &'static str) -> Result<Vec<String>, ContentError> {
    let mut words: Vec<String> = Vec::new();
    for word in given.iter().map(|word| word.trim()) {
        if !word.is_empty() && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    match words.len() > WORDS_MAX {
        true => Err(ContentError::TooMany(what)),
        false => Ok(words),
    }
}

fn check_days(notice: &Notice, today: &str, content: &Content) -> Result<(), ContentError> {
    for moment in [&notice.starts, &notice.ends].into_iter().flatten() {
        if !is_day_or_moment(moment) {
            return Err(ContentError::Moment(moment.clone()));
        }
    }
    let starts = notice.starts.as_deref().unwrap_or_default();
    if let Some(ends) = &notice.ends {
        // A day that has no time lasts until its end.
        let same_day = ends.len() == 10 && starts.starts_with(ends.as_str());
        if (ends.as_str() < starts && !same_day) || starts.is_empty() {
            return Err(ContentError::EndsFirst);
        }
    }
    if !is_date(&notice.expires) {
        return Err(ContentError::Day(notice.expires.clone()));
    }
    // A notice that has expired may still be mended, as long as nobody says that it should expire earlier.
    let is_new = notice.posted.as_deref() == Some(today);
    if (is_new || content.expires.is_some()) && notice.expires.as_str() < today {
        return Err(ContentError::Expired(notice.expires.clone()));
    }
    if notice.expires > days_after(today, NOTICE_DAYS_MAX) {
        return Err(ContentError::TooLong(notice.expires.clone()));
    }
    Ok(())
}

/// Takes off a board what counts no more, so that what is new finds room: what has expired, the longest ago first, then
/// notices that were closed; never more than is needed.
pub fn make_room(board: &mut BoardState, today: &str) {
    free(&mut board.notices, NOTICES_MAX, |notice| {
        let over = notice.closed || notice.expires.as_str() < today;
        over.then(|| (notice.closed, notice.expires.clone()))
    });
    free(&mut board.replies, REPLIES_MAX, |reply| {
        let expires = reply.expires.clone().or_else(|| reply.posted.clone())?;
        // A reply that does not say how long it stands goes with the notice, which may have the longest life there is.
        let last = match reply.expires.is_some() {
            true => expires,
            false => days_after(&expires, NOTICE_DAYS_MAX),
        };
        (last.as_str() < today).then_some((false, last))
    });
    free(&mut board.reports, REPORTS_MAX, |report| {
        (report.expires.as_str() < today).then(|| (false, report.expires.clone()))
    });
    free(&mut board.signatures, SIGNATURES_MAX, |signature| {
        let last = days_after(signature.posted.as_deref()?, NOTICE_DAYS_MAX);
        (last.as_str() < today).then_some((false, last))
    });
}

/// Leaves room for one more in a collection, if some in it are over.
fn free<T: Entity>(
    entities: &mut Entities<T>,
    most: usize,
    over: impl Fn(&T) -> Option<(bool, String)>,
) {
    let excess = entities.len().saturating_add(1).saturating_sub(most);
    if excess == 0 {
        return;
    }
    let mut gone: Vec<((bool, String), String)> = entities
        .iter()
        .filter_map(|entity| Some((over(entity)?, entity.id().to_owned())))
        .collect();
    gone.sort();
    for (_, id) in gone.into_iter().take(excess) {
        entities.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TODAY: &str = "2026-11-27";

    fn content(kind: &str, title: &str) -> Content {
        Content {
            kind: Some(kind.into()),
            title: Some(title.into()),
            ..Content::default()
        }
    }

    #[test]
    fn a_new_notice_is_shown_for_a_while_or_until_its_event_is_over() {
        let notice = new_notice("n", &content("need", " A venue "), TODAY).unwrap();
        assert_eq!(notice.title, "A venue");
        assert_eq!(notice.expires, "2027-01-26");
        let event = Content {
            starts: Some("2026-12-04T18:00".into()),
            ..content("event", "Open evening")
        };
        assert_eq!(
            new_notice("n", &event, TODAY).unwrap().expires,
            "2026-12-04"
        );
        let course = Content {
            ends: Some("2026-12-18".into()),
            ..event
        };
        assert_eq!(
            new_notice("n", &course, TODAY).unwrap().expires,
            "2026-12-18"
        );
    }

    #[test]
    fn each_fault_has_its_reason() {
        let with = |change: &dyn Fn(&mut Content)| {
            let mut given = content("need", "A venue");
            change(&mut given);
            new_notice("n", &given, TODAY).map(|_| ())
        };
        assert_eq!(with(&|it| it.kind = None), Err(ContentError::Kind));
        assert_eq!(
            with(&|it| it.kind = Some("wish".into())),
            Err(ContentError::Kind)
        );
        assert_eq!(
            with(&|it| it.title = Some(" ".into())),
            Err(ContentError::Title)
        );
        assert_eq!(
            with(&|it| it.title = Some("a\nb".into())),
            Err(ContentError::Title)
        );
        assert_eq!(
            with(&|it| it.expires = Some("soon".into())),
            Err(ContentError::Day("soon".into()))
        );
        assert_eq!(
            with(&|it| it.expires = Some("2026-11-26".into())),
            Err(ContentError::Expired("2026-11-26".into()))
        );
        assert_eq!(with(&|it| it.expires = Some(TODAY.into())), Ok(()));
        assert_eq!(
            with(&|it| it.expires = Some("2028-11-27".into())),
            Err(ContentError::TooLong("2028-11-27".into()))
        );
        assert_eq!(
            with(&|it| it.starts = Some("noon".into())),
            Err(ContentError::Moment("noon".into()))
        );
        assert_eq!(
            with(&|it| {
                it.starts = Some("2026-12-04".into());
                it.ends = Some("2026-12-03".into());
            }),
            Err(ContentError::EndsFirst)
        );
        assert_eq!(
            with(&|it| it.areas = Some((0..=WORDS_MAX).map(|n| n.to_string()).collect())),
            Err(ContentError::TooMany("areas"))
        );
    }

    #[test]
    fn a_change_touches_what_it_names() {
        let mut notice = new_notice(
            "n",
            &Content {
                areas: Some(vec!["Lambeth".into(), " Lambeth ".into(), "".into()]),
                text: Some("Weekday mornings".into()),
                ..content("venue", "A room")
            },
            TODAY,
        )
        .unwrap();
        assert_eq!(notice.areas, ["Lambeth"]);
        let nothing = change_notice(&mut notice, &Content::default(), "2026-12-01");
        assert_eq!(nothing, Ok(false));
        let change = Content {
            text: Some("".into()),
            expires: Some("2026-12-24".into()),
            ..Content::default()
        };
        assert_eq!(change_notice(&mut notice, &change, "2026-12-01"), Ok(true));
        assert_eq!((notice.text, notice.expires.as_str()), (None, "2026-12-24"));
    }

    #[test]
    fn room_is_made_by_taking_off_what_is_over_and_nothing_else() {
        let mut board = BoardState::default();
        for n in 0..NOTICES_MAX {
            let mut notice = new_notice(&format!("n{n:03}"), &content("need", "x"), TODAY).unwrap();
            if n == 7 {
                notice.expires = "2026-10-01".into();
            }
            notice.closed = n == 3;
            board.notices.insert(notice);
        }
        make_room(&mut board, TODAY);
        assert_eq!(board.notices.len(), NOTICES_MAX - 1);
        assert!(!board.notices.contains("n007") && board.notices.contains("n003"));
        make_room(&mut board, TODAY);
        assert_eq!(board.notices.len(), NOTICES_MAX - 1);
        board
            .notices
            .insert(new_notice("new", &content("need", "x"), TODAY).unwrap());
        make_room(&mut board, TODAY);
        assert!(!board.notices.contains("n003") && board.notices.contains("new"));
    }

    #[test]
    fn days_are_counted_by_the_calendar() {
        assert_eq!(days_after("2028-02-28", 2), "2028-03-01");
        assert_eq!(days_after("soon", 2), "soon");
        assert_eq!(days_between("2026-11-27", "2027-11-27"), Some(365));
        assert_eq!(days_between("2026-11-27T10:00", "2026-11-26"), Some(-1));
        assert_eq!(days_between("", "2026-11-26"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_given_a_notice_is_made_whole_or_not_at_all(
            title in any::<String>(), text in any::<Option<String>>(), expires in any::<Option<String>>(),
            starts in any::<Option<String>>(), areas in any::<Option<Vec<String>>>(),
        ) {
            let given = Content {
                kind: Some("offer".into()), title: Some(title), text, expires, starts, areas,
                ..Content::default()
            };
            if let Ok(notice) = new_notice("n", &given, TODAY) {
                let mut board = BoardState::default();
                board.notices.insert(notice);
                if let Ok(bytes) = board.to_bytes() {
                    prop_assert_eq!(BoardState::parse(&bytes), Ok(board));
                }
            }
        }
    }
}
