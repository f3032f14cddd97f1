//! Answers about the board, and what keeps entries right.

use fingerpost_proto::api::{self, NoticeState};
use fingerpost_proto::matching::{About, Reason};
use serde_json::Value;

use super::listing::{edited, history};
use super::{NAME, org, other, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("GET", "/v1/notices") => value(&api::Notices {
            organisation: Some(org()),
            notices: vec![notice()],
        }),
        ("GET", "/v1/notices/n-1") => value(&detail()),
        ("POST", "/v1/notices")
        | ("PATCH", "/v1/notices/n-1")
        | (
            "POST",
            "/v1/notices/n-1/close"
            | "/v1/notices/n-1/replies"
            | "/v1/notices/n-1/sign"
            | "/v1/board/undo"
            | "/v1/reports",
        ) => value(&api::Posted {
            organisation: org(),
            notice: Some(notice()),
            id: "n-1".into(),
            changed: true,
        }),
        ("GET", "/v1/board/history") => value(&history()),
        ("POST", "/v1/assure") => value(&edited()),
        ("GET", "/v1/due") => value(&due()),
        ("GET", "/v1/matches") => value(&api::Matches {
            organisation: org(),
            needs: vec![matched()],
            others: vec![matched()],
        }),
        ("GET", "/v1/twins") => value(&api::Twins {
            organisation: org(),
            twins: vec![api::Twin {
                organisation: other(7, "Aid & Co"),
                score: 714,
                near: true,
                reasons: vec![reason()],
                services: 3,
            }],
        }),
        ("GET" | "POST", "/v1/seats") | ("POST", "/v1/seats/remove") => value(&seats()),
        ("GET", "/v1/map") => value(&map()),
        ("GET", "/v1/digest") => value(&digest()),
        ("GET", "/v1/calendar") => value(&api::Calendar {
            events: vec![event()],
        }),
        _ => return None,
    })
}

fn notice() -> api::NoticeView {
    api::NoticeView {
        id: "n-1".into(),
        organisation: org(),
        kind: "need".into(),
        title: format!("A venue for {NAME}"),
        text: Some("Weekday mornings.\u{1b}[2J".into()),
        areas: vec!["Lambeth".into()],
        languages: vec!["fa".into()],
        posted: Some("2026-11-20".into()),
        expires: "2026-12-31".into(),
        starts: Some("2027-01-31T18:00".into()),
        ends: None,
        networks: vec!["North West".into()],
        state: NoticeState::Open,
        own: true,
        replies: 1,
        signatures: 1,
    }
}

fn detail() -> api::NoticeDetail {
    let signature = |current| api::SignatureView {
        organisation: other(7, "Aid & Co"),
        posted: Some("2026-11-21".into()),
        current,
    };
    api::NoticeDetail {
        notice: notice(),
        replies: vec![api::ReplyView {
            id: "r-1".into(),
            organisation: other(8, "South Aid"),
            text: "We have one.".into(),
            posted: Some("2026-11-22".into()),
        }],
        signed_by: vec![signature(true), signature(false)],
        text_hash: "ab".repeat(32),
        issued_at_s: 1,
    }
}

fn due() -> api::Due {
    let service = |name: &str, reports| api::DueService {
        id: "s-1".into(),
        name: name.into(),
        assured_date: Some("2026-01-02".into()),
        age_days: Some(329),
        findings: api::Findings {
            confirmed: 2,
            confirmed_on: None,
            reports,
        },
    };
    let report = api::ReportView {
        organisation: other(7, "Aid & Co"),
        text: "phone disconnected".into(),
        posted: "2026-11-21".into(),
    };
    api::Due {
        organisation: org(),
        days: 180,
        services: vec![service(NAME, vec![report]), service("Drop-in", Vec::new())],
        of: 12,
    }
}

fn reason() -> Reason {
    Reason {
        about: About::Language,
        words: vec!["Persian".into()],
    }
}

fn matched() -> api::Matched {
    api::Matched {
        need: notice(),
        matches: vec![api::MatchView {
            kind: "service".into(),
            id: "s-2".into(),
            title: "Counselling".into(),
            organisation: other(7, "Aid & Co"),
            score: 230,
            reasons: vec![reason()],
        }],
    }
}

fn seats() -> api::Seats {
    api::Seats {
        organisation: org(),
        seats: vec![api::SeatView {
            id: "t-1".into(),
            body: "Partnership board".into(),
            organisation: None,
            kind: Some("board".into()),
            role: "chair".into(),
        }],
    }
}

fn map() -> api::MapView {
    let place = |id: &str, label: &str, kind: &str| api::MapPlace {
        id: id.into(),
        label: label.into(),
        kind: kind.into(),
    };
    api::MapView {
        places: vec![
            place("body/board", "Partnership board", "board"),
            place("org1x", NAME, "organisation"),
        ],
        links: vec![api::MapLink {
            from: "org1x".into(),
            to: "body/board".into(),
            label: "chair".into(),
        }],
        without_seats: 3,
    }
}

fn digest() -> api::Digest {
    api::Digest {
        organisation: org(),
        since: "2026-11-20".into(),
        until: "2026-11-27".into(),
        sections: vec![api::DigestSection {
            title: "Said to you".into(),
            items: vec![api::DigestItem {
                text: format!("{NAME} replies"),
                detail: Some("We have one.".into()),
                id: Some("n-1".into()),
            }],
            more: 2,
            command: "fingerpost notice list --mine".into(),
        }],
    }
}

fn event() -> api::CalendarEvent {
    api::CalendarEvent {
        organisation: org(),
        id: "n-1".into(),
        title: NAME.into(),
        text: None,
        starts: "2027-01-31".into(),
        ends: None,
        recurs: None,
        place: None,
        issued_at_s: 1,
    }
}
