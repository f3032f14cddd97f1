//! The command line as other programs and people meet it: exit codes, JSON, hints, streams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod fake;
mod suite;

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Output, Stdio};

use fake::{Fake, program, run_in, text};
use fingerpost_proto::api::{Delivered, DeliveryOutcome, ErrorCode};
use serde_json::Value;

/// Commands that ask the daemon, each with a request that it makes; [`suite::COMMANDS`] has more.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["status"], "GET /v1/status"),
    (
        &["org", "create", "--name", "Aid", "--identifier", "GB-CHC-1"],
        "POST /v1/orgs",
    ),
    (&["org", "list"], "GET /v1/orgs"),
    (&["listing", "import", "-"], "POST /v1/listing/import"),
    (
        &["listing", "import", "-", "--replace", "--org", "Aid & Co"],
        "POST /v1/listing/import?org=Aid%20%26%20Co&replace=true",
    ),
    (&["listing", "show"], "GET /v1/listing"),
    (&["listing", "show", "Aid"], "GET /v1/listing?org=Aid"),
    (
        &["listing", "export", "--org", "Aid"],
        "GET /v1/listing?org=Aid",
    ),
    (&["listing", "history"], "GET /v1/listing/history"),
    (&["listing", "undo"], "POST /v1/listing/undo"),
    (&["service", "add", "name=Lunch club"], "POST /v1/services"),
    (
        &["service", "set", "s-1", "status=active"],
        "PATCH /v1/services/s-1",
    ),
    (&["service", "remove", "s-1"], "DELETE /v1/services/s-1"),
    (&["search"], "GET /v1/search?limit=20&offset=0"),
    (
        &[
            "search", "warm", "meals", "--kind", "service", "--limit", "5", "--offset", "10",
        ],
        "GET /v1/search?text=warm%20meals&kind=service&limit=5&offset=10",
    ),
    (
        &["search", "--org", "Aid"],
        "GET /v1/search?organisation=Aid&limit=20&offset=0",
    ),
    (&["show", "s-1"], "GET /v1/entries/s-1"),
    (&["found", "North West"], "POST /v1/networks"),
    (&["invite", "--expires", "12h"], "POST /v1/invitations"),
    (
        &["join", "TICKET", "--accept-charter"],
        "POST /v1/networks/preview",
    ),
    (
        &["members", "--network", "North West"],
        "GET /v1/members?network=North%20West",
    ),
    (
        &["leave", "--confirm", "North West"],
        "POST /v1/networks/leave",
    ),
    (
        &["record", "export", "Aid", "card"],
        "GET /v1/records?org=Aid&document=card",
    ),
    (&["record", "import", "-"], "POST /v1/records"),
];

/// Input that every command which reads any understands.
const INPUT: &[u8] = br#"{"items": []}"#;

/// Every command that asks the daemon, but for those that need files.
fn commands() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    let more = suite::COMMANDS.iter().map(|(args, line, _)| (*args, *line));
    COMMANDS.iter().copied().chain(more)
}

fn exit_code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn every_command_prints_one_json_document_with_its_format_first() {
    let fake = Fake::contented();
    for (args, request) in commands() {
        let before = fake.requests().len();
        let args = [args, &["--json"]].concat();
        let output = run_in(fake.home(), &args, INPUT);
        assert_eq!(exit_code(&output), 0, "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{args:?}");
        let stdout = text(&output.stdout);
        assert!(
            stdout.starts_with("{\"format\":1,") && stdout.ends_with("}\n"),
            "{stdout}"
        );
        assert_eq!(stdout.lines().count(), 1, "{args:?}");
        serde_json::from_str::<Value>(stdout).unwrap();
        let requests = &fake.requests()[before..];
        assert!(
            requests.iter().any(|made| made.line == request),
            "{args:?} made {requests:?}"
        );
    }
    for args in [
        ["completions", "bash", "--json"],
        ["help", "search", "--json"],
    ] {
        let output = fake.run(&args);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["format"], 1, "{args:?}");
    }
}

#[test]
fn no_command_lets_a_name_drive_the_terminal() {
    let fake = Fake::contented();
    for (args, _) in commands() {
        for json in [&["--json"][..], &[]] {
            let output = run_in(fake.home(), &[args, json].concat(), INPUT);
            assert_eq!(exit_code(&output), 0, "{args:?}: {}", text(&output.stderr));
            for stream in [&output.stdout, &output.stderr] {
                let printed = text(stream);
                let bad = printed
                    .chars()
                    .find(|letter| letter.is_control() && *letter != '\n');
                assert_eq!(bad, None, "{args:?} printed {printed:?}");
            }
            assert!(!output.stdout.is_empty(), "{args:?}");
        }
    }
}

#[test]
fn requests_name_the_daemon_and_carry_what_was_typed() {
    let fake = Fake::contented();
    fake.run(&[
        "service",
        "set",
        "s-1",
        "url=https://x.example/?a=b",
        "email=",
    ]);
    fake.run(&["join", "TICKET", "--accept-charter"]);
    fake.run(&["leave", "--network", "net1x", "--confirm", "North West"]);
    fake.run(&["invite", "--expires", "2w"]);
    let requests = fake.requests();
    for request in &requests {
        let header = |name: &str| request.headers.iter().find(|(known, _)| known == name);
        assert_eq!(header("host").unwrap().1, "fingerpost");
        assert!(header("origin").is_none());
    }
    let bodies: Vec<Value> = requests
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            serde_json::json!({"fields": [["url", "https://x.example/?a=b"], ["email", ""]]}),
            serde_json::json!({"ticket": "TICKET", "accept_charter": false}),
            serde_json::json!({"ticket": "TICKET", "accept_charter": true}),
            serde_json::json!({"network": "net1x", "confirm": "North West"}),
            serde_json::json!({"network": null, "valid_s": 1_209_600, "note": null}),
        ]
    );
}

#[test]
fn data_go_to_standard_output_and_talk_to_standard_error() {
    let fake = Fake::contented();
    let output = fake.run(&["invite"]);
    assert_eq!(text(&output.stdout), "fingerpost-ticket\n");
    assert!(
        text(&output.stderr).contains("until 18 May 2033"),
        "{}",
        text(&output.stderr)
    );

    let output = fake.run(&["listing", "export"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listing["services"][0]["id"], "s-1");
    assert!(text(&output.stderr).contains("newer version"));

    let output = fake.run(&["search", "meals"]);
    assert_eq!(text(&output.stdout).lines().count(), 2);
    assert!(text(&output.stderr).contains("1 to 1 of 57 entries found. The next: --offset 1"));

    let output = fake.run(&["join", "TICKET", "--accept-charter"]);
    let talk = text(&output.stderr);
    assert!(talk.contains("Be kind.") && talk.contains("Waiting for: a member to be reached"));

    let output = fake.run(&["status"]);
    let printed = text(&output.stdout);
    assert!(
        printed
            .lines()
            .next()
            .unwrap()
            .contains("has your latest listing"),
        "{printed}"
    );
    for part in [
        "1 of 1 other node has the latest",
        "waiting to be admitted",
        "1 vouch needed",
    ] {
        assert!(printed.contains(part), "{part} is missing in: {printed}");
    }

    let output = run_in(fake.home(), &["listing", "import", "-"], b"{}");
    assert!(
        text(&output.stdout).contains("added    and 5 more"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(fake.requests().last().unwrap().body, b"{}");
}

#[test]
fn what_the_daemon_refuses_decides_the_exit_code() {
    for (status, code, expected, name) in [
        (400, ErrorCode::BadInput, 1, "bad_input"),
        (404, ErrorCode::NotFound, 4, "not_found"),
        (409, ErrorCode::Refused, 1, "refused"),
        (500, ErrorCode::Internal, 1, "internal"),
    ] {
        let fake = Fake::refusing(status, code);
        let output = fake.run(&["show", "s-1"]);
        assert_eq!(exit_code(&output), expected);
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr),
            "error: It was refused. Nothing was changed.\nhint: Try something else.\n"
        );
        let output = fake.run(&["show", "s-1", "--json"]);
        assert_eq!(exit_code(&output), expected);
        assert_eq!(text(&output.stdout), "");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(text(&output.stderr).starts_with("{\"format\":1,"));
        assert_eq!(error["error"]["code"], name);
        assert_eq!(error["error"]["exit_code"], expected);
        assert_eq!(error["error"]["hint"], "Try something else.");
    }
}

#[test]
fn a_refused_record_is_shown_and_ends_with_exit_code_1() {
    let delivered = Delivered {
        outcomes: vec![
            DeliveryOutcome::AlreadyKnown,
            DeliveryOutcome::Refused {
                reason: "bad_signature".into(),
                message: "the signature does not fit".into(),
            },
        ],
    };
    let body = serde_json::to_vec(&delivered).unwrap();
    let fake = Fake::new(move |_| (200, body.clone()));
    let output = run_in(fake.home(), &["record", "import", "-"], INPUT);
    assert_eq!(exit_code(&output), 1);
    assert_eq!(
        text(&output.stdout),
        "1: known already\n2: refused (bad_signature): the signature does not fit\n"
    );
    assert!(text(&output.stderr).contains("1 of 2 items refused"));
    let output = run_in(fake.home(), &["record", "import", "-", "--json"], INPUT);
    assert_eq!(exit_code(&output), 1);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["outcomes"][1]["reason"], "bad_signature");

    let output = run_in(fake.home(), &["record", "import", "-"], b"{\"items\": 7}");
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output.stderr).contains("Nothing was changed"));
}

#[test]
fn without_a_daemon_every_command_ends_with_exit_code_3_and_says_how_to_start_one() {
    let missing = tempfile::tempdir().unwrap().path().join("none");
    let empty = tempfile::tempdir().unwrap();
    let dead = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(dead.path().join("api.sock")).unwrap());
    for home in [missing.as_path(), empty.path(), dead.path()] {
        let output = run_in(home, &["status"], b"");
        assert_eq!(exit_code(&output), 3);
        let told = text(&output.stderr);
        let start = format!("fingerpostd --home {}", home.display());
        assert!(
            told.starts_with("error: No daemon runs for") && told.contains(&start),
            "{told}"
        );
    }
    for (args, _) in commands() {
        let output = run_in(empty.path(), &[args, &["--json"]].concat(), INPUT);
        assert_eq!(exit_code(&output), 3, "{args:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], "no_daemon", "{args:?}");
    }
    let flag = ["status", "--home", missing.to_str().unwrap()];
    assert!(text(&run_in(empty.path(), &flag, b"").stderr).contains("none"));
}

#[test]
fn a_wrong_command_line_ends_with_exit_code_2() {
    let fake = Fake::contented();
    for args in [
        &[][..],
        &["nonsense"],
        &["status", "--nonsense"],
        &["status", "--org", "Aid"],
        &["demo", "--home", "x"],
        &["demo", "--nodes", "1"],
        &["help", "nonsense"],
        &["org", "create"],
        &["listing", "show", "Aid", "--org", "Other"],
        &["service", "add"],
        &["service", "set", "s-1"],
        &["service", "set", "s-1", "status"],
        &["search", "--kind", "place"],
        &["invite", "--expires", "soon"],
        &["join", "TICKET"],
        &["leave"],
        &["completions", "cobol"],
        &["manpages"],
        &["manpages", "man", "--home", "x"],
    ]
    .iter()
    .chain(suite::WRONG)
    {
        let args = *args;
        let output = fake.run(args);
        assert_eq!(exit_code(&output), 2, "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
        let output = fake.run(&[args, &["--json"]].concat());
        assert_eq!(exit_code(&output), 2, "{args:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], "usage", "{args:?}");
    }
    assert_eq!(
        fake.requests().len(),
        0,
        "a wrong command line reached the daemon"
    );
    assert!(text(&fake.run(&["join", "TICKET"]).stderr).contains("--accept-charter"));
    assert!(text(&fake.run(&["leave"]).stderr).contains("--confirm"));
}

#[test]
fn help_lists_every_command() {
    let home = tempfile::tempdir().unwrap();
    let commands = [
        "status",
        "org",
        "listing",
        "service",
        "search",
        "show",
        "conflicts",
        "found",
        "charter",
        "invite",
        "join",
        "waiting",
        "vouch",
        "object",
        "block",
        "unblock",
        "members",
        "away",
        "leave",
        "close",
        "succession",
        "node",
        "key",
        "restore",
        "record",
        "demo",
        "completions",
        "manpages",
        "help",
    ];
    for args in [&["help"][..], &["--help"], &["-h"]] {
        let output = run_in(home.path(), args, b"");
        assert_eq!(exit_code(&output), 0);
        for command in commands {
            let line = format!("\n  {command} ");
            assert!(
                text(&output.stdout).contains(&line),
                "{args:?} lacks {command}"
            );
        }
        assert!(text(&output.stdout).contains("3 no daemon runs"));
    }
    let output = run_in(home.path(), &["help", "listing", "import"], b"");
    assert!(text(&output.stdout).contains("--replace"));
    assert!(text(&output.stdout).contains("Usage: fingerpost listing import"));
    let output = run_in(home.path(), &["--version"], b"");
    assert_eq!(
        text(&output.stdout),
        concat!("fingerpost ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn completions_know_the_commands() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run_in(home.path(), &["completions", shell], b"");
        assert_eq!(exit_code(&output), 0, "{shell}");
        for word in [
            "fingerpost",
            "accept-charter",
            "listing",
            "history",
            "hand-over",
            "passphrase-file",
            "manpages",
            "unblock",
        ] {
            assert!(text(&output.stdout).contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let services: Vec<Value> = (0..20_000)
        .map(|at| serde_json::json!({"id": at.to_string(), "name": "x".repeat(50)}))
        .collect();
    let listing = serde_json::json!({
        "organisation": {"id": fingerpost_proto::ids::OrgId::from_bytes([1; 32]), "name": "Aid"},
        "listing": {"name": "Aid", "services": services},
        "issued_at_s": null,
        "outdated": false,
    });
    let body = listing.to_string().into_bytes();
    let fake = Fake::new(move |_| (200, body.clone()));
    for args in [
        &["listing", "export"][..],
        &["listing", "export", "--json"],
        &["listing", "show"],
    ] {
        let mut child = program(fake.home())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Like `| head -c 10`: reads a little and closes the pipe, which holds far less than comes.
        let mut start = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(exit_code(&output), 0, "{args:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_an_error_with_a_hint() {
    for (status, body) in [
        (200, "<html>"),
        (200, "{}"),
        (200, ""),
        (502, "<html>"),
        (404, ""),
    ] {
        let fake = Fake::new(move |_| (status, body.as_bytes().to_vec()));
        let output = fake.run(&["search", "meals"]);
        assert_eq!(exit_code(&output), 1, "{status} {body}");
        assert!(text(&output.stderr).contains("hint: "), "{status} {body}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_the_daemon_is_asked() {
    let fake = Fake::contented();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("listing.json");
    let args = ["listing", "import", path.to_str().unwrap()];
    let output = fake.run(&args);
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output.stderr).contains("listing.json"));

    let length = fingerpost_proto::limits::IMPORT_MAX_BYTES as u64 + 1;
    File::create(&path).unwrap().set_len(length).unwrap();
    let output = fake.run(&args);
    assert_eq!(exit_code(&output), 1);
    assert!(
        text(&output.stderr).contains("Nothing was changed"),
        "{}",
        text(&output.stderr)
    );

    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let output = fake.run(&["found", "North West", "--charter", path.to_str().unwrap()]);
    assert_eq!(exit_code(&output), 1);
    assert!(text(&output.stderr).contains("UTF-8"));
    assert_eq!(fake.requests().len(), 0);
}
