//! Atom (RFC 4287).

use std::str::FromStr;

use atom_syndication::{Category, Entry, Feed, FixedDateTime, Person, Text};
use fingerpost_proto::api::{NoticeView, Notices};

use super::stable_id;
use crate::output::{one_line, plain};

/// What stands where no day is known.
const LONG_AGO: &str = "1970-01-01";

/// The notices that stand, as a feed.
pub(crate) fn atom(notices: &Notices) -> String {
    let of = notices.organisation.as_ref();
    let title = of.map_or_else(
        || "Notices".to_owned(),
        |org| format!("Notices for {}", one_line(&org.name)),
    );
    let id = of.map(|org| format!("urn:uuid:{}", stable_id(org, "notices")));
    let latest = notices
        .notices
        .iter()
        .filter_map(|it| it.posted.as_deref())
        .max();
    let feed = Feed {
        title: Text::plain(title),
        id: id.unwrap_or_else(|| "urn:uuid:7fd1b0f0-5d3e-5f0c-9a49-6f0b6c7b4f10".to_owned()),
        updated: moment(latest),
        entries: notices.notices.iter().map(entry).collect(),
        ..Feed::default()
    };
    format!("{}\n", feed.to_string())
}

fn entry(notice: &NoticeView) -> Entry {
    let posted = moment(notice.posted.as_deref());
    let categories = std::iter::once(&notice.kind).chain(&notice.areas);
    let summary = plain(notice.text.as_deref().unwrap_or_default());
    Entry {
        title: Text::plain(format!(
            "{}: {}",
            one_line(&notice.kind),
            one_line(&notice.title)
        )),
        id: format!("urn:uuid:{}", stable_id(&notice.organisation, &notice.id)),
        updated: posted,
        published: notice.posted.as_ref().map(|_| posted),
        authors: vec![Person {
            name: one_line(&notice.organisation.name),
            ..Person::default()
        }],
        categories: categories
            .map(|term| Category {
                term: one_line(term),
                ..Category::default()
            })
            .collect(),
        summary: Some(Text::plain(
            format!("{summary}\nShown until {}", one_line(&notice.expires))
                .trim()
                .to_owned(),
        )),
        ..Entry::default()
    }
}

/// The beginning of a day in UTC. Days are all that a notice tells of its time.
fn moment(day: Option<&str>) -> FixedDateTime {
    let at = |day: &str| FixedDateTime::from_str(&format!("{day}T00:00:00Z")).ok();
    day.and_then(at)
        .or_else(|| at(LONG_AGO))
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;
    use fingerpost_proto::api::{NoticeState, OrgRef};
    use fingerpost_proto::ids::OrgId;

    #[test]
    fn a_feed_can_be_read_back_and_its_ids_are_stable() {
        let organisation = OrgRef {
            id: OrgId::from_bytes([1; 32]),
            name: "Aid <& Co>\u{1b}".into(),
        };
        let notice = NoticeView {
            id: "n".into(),
            organisation: organisation.clone(),
            kind: "need".into(),
            title: "A venue </title> with a crèche".into(),
            text: Some("Weekday mornings & more".into()),
            areas: vec!["Lambeth".into()],
            languages: Vec::new(),
            posted: Some("2026-11-20".into()),
            expires: "2026-12-31".into(),
            starts: None,
            ends: None,
            networks: Vec::new(),
            state: NoticeState::Open,
            own: false,
            replies: 0,
            signatures: 0,
        };
        let notices = Notices {
            organisation: Some(organisation),
            notices: vec![notice],
        };
        let written = atom(&notices);
        let read: Feed = written.parse().unwrap();
        let entry = &read.entries[0];
        assert_eq!(entry.title.value, "need: A venue </title> with a crèche");
        assert_eq!(entry.authors[0].name, "Aid <& Co>");
        assert_eq!(entry.updated.to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!(read.updated, entry.updated);
        assert!(entry.id.starts_with("urn:uuid:") && entry.id.len() == 45);
        assert_eq!(atom(&notices), written);
        assert!(
            atom(&Notices {
                organisation: None,
                notices: Vec::new()
            })
            .parse::<Feed>()
            .is_ok()
        );
    }
}
