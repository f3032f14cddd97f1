//! The board, and keeping entries right.

use serde_json::{Value, json};

use super::{document, done, has, last_body, streams};
use crate::fake::{Fake, run_in};

/// Commands with the request that each makes last, and the body of that; null for none.
fn commands() -> Vec<(Vec<&'static str>, &'static str, Value)> {
    vec![
        (
            vec![
                "notice",
                "post",
                "--kind",
                "need",
                "--title",
                "A venue",
                "--text",
                "Mornings",
                "--area",
                "Lambeth",
                "--area",
                "Southwark",
                "--language",
                "fa",
                "--expires",
                "2027-01-31",
                "--network",
                "North",
            ],
            "POST /v1/notices",
            json!({
                "kind": "need", "title": "A venue", "text": "Mornings", "areas": ["Lambeth", "Southwark"],
                "languages": ["fa"], "expires": "2027-01-31", "starts": null, "ends": null, "networks": ["North"],
            }),
        ),
        (
            vec![
                "notice", "list", "--kind", "need", "--area", "Lambeth", "--mine",
            ],
            "GET /v1/notices?kind=need&area=Lambeth&mine=true",
            Value::Null,
        ),
        (
            vec!["notice", "list", "--all-mine"],
            "GET /v1/notices?all=true",
            Value::Null,
        ),
        (
            vec!["notice", "show", "n-1", "--org", "Aid"],
            "GET /v1/notices/n-1?org=Aid",
            Value::Null,
        ),
        (
            vec![
                "notice",
                "edit",
                "n-1",
                "--title",
                "A room",
                "--no-area",
                "--all-networks",
            ],
            "PATCH /v1/notices/n-1",
            json!({
                "kind": null, "title": "A room", "text": null, "areas": [], "languages": null, "expires": null,
                "starts": null, "ends": null, "networks": [],
            }),
        ),
        (
            vec!["notice", "close", "n-1"],
            "POST /v1/notices/n-1/close",
            Value::Null,
        ),
        (
            vec!["notice", "sign", "n-1"],
            "POST /v1/notices/n-1/sign",
            json!({"text_hash": "ab".repeat(32), "withdraw": false}),
        ),
        (
            vec!["notice", "sign", "n-1", "--withdraw"],
            "POST /v1/notices/n-1/sign",
            json!({"text_hash": "ab".repeat(32), "withdraw": true}),
        ),
        (
            vec!["notice", "history"],
            "GET /v1/board/history",
            Value::Null,
        ),
        (vec!["notice", "undo"], "POST /v1/board/undo", Value::Null),
        (
            vec!["reply", "n-1", "We have one"],
            "POST /v1/notices/n-1/replies",
            json!({"text": "We have one"}),
        ),
        (
            vec!["assure", "s-1", "Drop-in"],
            "POST /v1/assure",
            json!({"services": ["s-1", "Drop-in"], "all": false}),
        ),
        (
            vec!["assure", "--all"],
            "POST /v1/assure",
            json!({"services": [], "all": true}),
        ),
        (
            vec!["due", "--days", "90"],
            "GET /v1/due?days=90",
            Value::Null,
        ),
        (
            vec!["report", "s-1", "phone disconnected"],
            "POST /v1/reports",
            json!({"service": "s-1", "organisation": null, "wrong": "phone disconnected"}),
        ),
        (
            vec!["report", "--confirm", "s-1", "--of", "Aid & Co"],
            "POST /v1/reports",
            json!({"service": "s-1", "organisation": "Aid & Co", "wrong": null}),
        ),
        (
            vec!["matches", "--org", "Aid"],
            "GET /v1/matches?org=Aid",
            Value::Null,
        ),
        (
            vec!["twins", "--near"],
            "GET /v1/twins?where=near",
            Value::Null,
        ),
        (
            vec!["twins", "--elsewhere"],
            "GET /v1/twins?where=elsewhere",
            Value::Null,
        ),
        (
            vec![
                "seat",
                "add",
                "Partnership board",
                "--role",
                "chair",
                "--kind",
                "board",
            ],
            "POST /v1/seats",
            json!({"body": "Partnership board", "role": "chair", "kind": "board"}),
        ),
        (
            vec!["seat", "remove", "Partnership board"],
            "POST /v1/seats/remove",
            json!({"body": "Partnership board", "role": null}),
        ),
        (vec!["seat", "list"], "GET /v1/seats", Value::Null),
        (
            vec!["map", "--peers"],
            "GET /v1/map?peers=true",
            Value::Null,
        ),
        (
            vec!["digest", "--since", "2w", "--mine"],
            "GET /v1/digest?days=14&mine=true",
            Value::Null,
        ),
        (
            vec!["feed", "--atom", "--mine"],
            "GET /v1/notices?mine=true",
            Value::Null,
        ),
        (vec!["feed", "--ical"], "GET /v1/calendar", Value::Null),
    ]
}

#[test]
fn each_command_sends_what_was_typed_and_says_what_is_refused() {
    for (args, line, body) in commands() {
        let fake = Fake::contented();
        done(&fake, &args);
        let requests = fake.requests();
        let made = requests.last().unwrap();
        assert_eq!(made.line, line, "{args:?}");
        match body {
            Value::Null => assert_eq!(made.body, b"", "{args:?}"),
            body => assert_eq!(last_body(&fake), body, "{args:?}"),
        }
        let fake = Fake::refusing(404, fingerpost_proto::api::ErrorCode::NotFound);
        let (data, talk) = streams(&run_in(fake.home(), &args, b""), 4);
        assert_eq!(data, "", "{args:?}");
        has(&talk, &["It was refused", "hint: Try something else."]);
    }
}

#[test]
fn with_json_each_prints_one_document_and_nothing_drives_the_terminal_without() {
    for (args, _, _) in commands() {
        let fake = Fake::contented();
        let (data, _) = streams(&fake.run(&[&args[..], &["--json"]].concat()), 0);
        let printed: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(printed["format"], 1, "{args:?}");
        let (data, talk) = done(&fake, &args);
        for printed in [data, talk] {
            assert!(
                !printed.contains(['\u{1b}', '\u{9b}']),
                "{args:?}: {printed:?}"
            );
        }
    }
    assert_eq!(
        document(&Fake::contented(), &["matches"])["needs"][0]["matches"][0]["score"],
        230
    );
}

#[test]
fn a_text_that_seems_to_name_a_person_is_not_published_unless_it_is_confirmed() {
    let texts: [&[&str]; 4] = [
        &[
            "notice",
            "post",
            "--kind",
            "need",
            "--title",
            "Ring Jo on 020 7946 0999",
        ],
        &["notice", "edit", "n-1", "--text", "NHS number 943 476 5919"],
        &["reply", "n-1", "write to jo@example.org"],
        &["report", "s-1", "Jo's number is 07700 900123 now"],
    ];
    for args in texts {
        let fake = Fake::contented();
        let (data, talk) = streams(&fake.run(args), 1);
        assert_eq!(data, "");
        has(&talk, &["seems to hold", "Nothing was published", "--yes"]);
        assert!(fake.requests().is_empty(), "{args:?}");
        let (_, talk) = done(&fake, &[args, &["--yes"]].concat());
        has(&talk, &["warning: This text seems to hold"]);
        assert_eq!(fake.requests().len(), 1, "{args:?}");
    }
}

#[test]
fn what_is_shown_says_who_and_why() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["notice", "show", "n-1"]);
    has(
        &data,
        &[
            "need: A venue for",
            "Only for: North West",
            "Signed by 1 other organisation:",
            "an earlier wording: this does not count",
            "South Aid, 2026-11-22: We have one.",
        ],
    );
    let (data, talk) = done(&fake, &["due"]);
    has(
        &data,
        &["329", "Aid & Co reports on 2026-11-21: phone disconnected"],
    );
    has(&talk, &["2 of 12 services to be looked at"]);
    let (data, _) = done(&fake, &["matches"]);
    has(
        &data,
        &[
            "You need: A venue",
            "service: Counselling, Aid & Co (s-2)",
            "offered in Persian",
        ],
    );
    let (data, _) = done(&fake, &["twins"]);
    has(&data, &["Aid & Co (org1", "3 services, 71% alike"]);
    let (data, _) = done(&fake, &["show", "s-1"]);
    has(
        &data,
        &[
            "Found right by 2 other organisations that used it, last on 2026-11-20",
            "Reported as wrong by Aid & Co on 2026-11-21: phone disconnected",
        ],
    );
}

#[test]
fn the_map_the_digest_and_the_feeds_have_their_forms() {
    let fake = Fake::contented();
    for (args, begins) in [
        (&["map", "--format", "svg"][..], "<svg "),
        (&["map", "--format", "dot"], "digraph map {"),
        (&["map", "--format", "mermaid"], "flowchart LR"),
        (&["map", "--format", "json"], "{\"format\":1,"),
        (&["digest", "--format", "html"], "<!DOCTYPE html>"),
        (&["digest", "--format", "markdown"], "# "),
        (&["feed", "--atom"], "<?xml "),
        (&["feed", "--ical"], "BEGIN:VCALENDAR\r\n"),
    ] {
        let (data, _) = done(&fake, args);
        assert!(data.starts_with(begins), "{args:?}: {data}");
    }
    let (data, talk) = done(&fake, &["map"]);
    has(&data, &["→ Partnership board: chair"]);
    has(&talk, &["3 organisations without a seat left out"]);
}

#[test]
fn a_command_line_that_says_too_little_or_too_much_is_refused() {
    for args in [
        &["assure"][..],
        &["assure", "s-1", "--all"],
        &["report", "s-1"],
        &["report", "s-1", "wrong", "--confirm"],
        &["notice", "post", "--kind", "wish", "--title", "x"],
        &[
            "notice",
            "post",
            "--kind",
            "need",
            "--title",
            "x",
            "--expires",
            "soon",
        ],
        &["notice", "edit", "n-1"],
        &["notice", "edit", "n-1", "--area", "x", "--no-area"],
        &["twins", "--near", "--elsewhere"],
        &["feed"],
        &["feed", "--atom", "--ical"],
        &["digest", "--since", "lately"],
        &["map", "--org", "x"],
    ] {
        let fake = Fake::contented();
        streams(&fake.run(args), 2);
        assert!(fake.requests().is_empty(), "{args:?}");
    }
}
