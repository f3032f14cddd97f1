//! The commands of joining, leaving, keys and nodes, one test a command.

mod board;
mod conflicts;
mod keys;
mod manpages;
mod membership;
mod nodes;
mod operating;
mod reach;
mod search;
mod succession;
mod terminal;

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::fake::{Fake, run_in, text};

/// Id of the node that the daemon knows beside its own, in full.
pub(crate) const NODE: &str = "node1qcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqzd5qaz";

/// Commands with the request that each makes last, and the body of that request; an empty text for none.
pub(crate) const COMMANDS: &[(&[&str], &str, &str)] = &[
    (
        &[
            "found",
            "North West",
            "--vouches",
            "2",
            "--founder",
            FOUNDER,
        ],
        "POST /v1/networks",
        r#"{"name":"North West","charter":"","vouches":2,"founders":["org1pyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysp4rh96"]}"#,
    ),
    (
        &["charter", "show", "--network", "North West"],
        "GET /v1/charter?network=North%20West",
        "",
    ),
    (
        &[
            "charter",
            "propose",
            "-",
            "--name",
            "West",
            "--vouches",
            "2",
        ],
        "POST /v1/charter/propose",
        r#"{"network":null,"name":"West","text":"{\"items\": []}","vouches":2}"#,
    ),
    (
        &[
            "charter",
            "propose",
            "--vouches",
            "3",
            "--network",
            "net1x",
            "--org",
            "Aid",
        ],
        "POST /v1/charter/propose?org=Aid",
        r#"{"network":"net1x","name":null,"text":null,"vouches":3}"#,
    ),
    (
        &["charter", "accept", "chr1x", "--network", "net1x"],
        "POST /v1/charter/accept",
        r#"{"network":"net1x","amendment":"chr1x"}"#,
    ),
    (
        &[
            "invite",
            "--note",
            "for the food bank",
            "--network",
            "net1x",
        ],
        "POST /v1/invitations",
        r#"{"network":"net1x","valid_s":604800,"note":"for the food bank"}"#,
    ),
    (
        &["invite", "list", "--network", "net1x", "--org", "Aid"],
        "GET /v1/invitations?org=Aid&network=net1x",
        "",
    ),
    (
        &["invite", "cancel", "inv1x"],
        "POST /v1/invitations/cancel",
        r#"{"invitation":"inv1x"}"#,
    ),
    (&["peers"], "GET /v1/peers", ""),
    (
        &["peers", "add", "192.0.2.7:7787"],
        "POST /v1/peers",
        r#"{"address":"192.0.2.7:7787"}"#,
    ),
    (
        &["ping", "Aid"],
        "POST /v1/ping",
        r#"{"org":"Aid","times":5}"#,
    ),
    (
        &["waiting", "--network", "North West"],
        "GET /v1/waiting?network=North%20West",
        "",
    ),
    (
        &[
            "vouch",
            "South Aid",
            "--note",
            "we know them",
            "--network",
            "net1x",
        ],
        "POST /v1/vouches",
        r#"{"network":"net1x","subject":"South Aid","note":"we know them"}"#,
    ),
    (
        &[
            "object",
            "South Aid",
            "--reason",
            "not a charity",
            "--org",
            "Aid",
        ],
        "POST /v1/objections?org=Aid",
        r#"{"network":null,"subject":"South Aid","reason":"not a charity"}"#,
    ),
    (
        &["object", "South Aid", "--withdraw", "--network", "net1x"],
        "POST /v1/objections/withdraw",
        r#"{"network":"net1x","subject":"South Aid"}"#,
    ),
    (&["block", "--list"], "GET /v1/blocks", ""),
    (
        &["block", "South Aid"],
        "POST /v1/blocks",
        r#"{"subject":"South Aid","block":true}"#,
    ),
    (
        &["unblock", "South Aid"],
        "POST /v1/blocks",
        r#"{"subject":"South Aid","block":false}"#,
    ),
    (
        &[
            "away",
            "--until",
            "2027-01-04",
            "--from",
            "2026-12-20",
            "--note",
            "ask us",
        ],
        "POST /v1/away",
        r#"{"from":"2026-12-20","until":"2027-01-04","note":"ask us"}"#,
    ),
    (
        &["away", "--back", "--org", "Aid"],
        "POST /v1/away?org=Aid",
        r#"{"from":null,"until":null,"note":null}"#,
    ),
    (
        &[
            "close",
            "--on",
            "2027-03-31",
            "--clients-to",
            "A",
            "B",
            "--confirm",
            "Aid",
        ],
        "POST /v1/close",
        r#"{"on":"2027-03-31","clients_to":["A","B"],"confirm":"Aid"}"#,
    ),
    (
        &["close", "--cancel", "--confirm", "Aid"],
        "POST /v1/close",
        r#"{"on":null,"clients_to":[],"confirm":"Aid"}"#,
    ),
    (
        &[
            "succession",
            "merge",
            "--into",
            "South Aid",
            "--confirm",
            "Aid",
        ],
        "POST /v1/succession/merge",
        r#"{"into":"South Aid","confirm":"Aid"}"#,
    ),
    (
        &["succession", "merge", "--cancel", "--confirm", "Aid"],
        "POST /v1/succession/merge",
        r#"{"into":null,"confirm":"Aid"}"#,
    ),
    (
        &["succession", "propose", "Old Aid", "--network", "net1x"],
        "POST /v1/succession/propose",
        r#"{"network":"net1x","old":"Old Aid","withdraw":false}"#,
    ),
    (
        &[
            "succession",
            "sign",
            "Old Aid",
            "--to",
            "New Aid",
            "--withdraw",
        ],
        "POST /v1/succession/sign",
        r#"{"network":null,"old":"Old Aid","new":"New Aid","withdraw":true}"#,
    ),
    (
        &["succession", "status", "--network", "net1x"],
        "GET /v1/succession?network=net1x",
        "",
    ),
    (
        &["org", "use", "Aid"],
        "POST /v1/orgs/use",
        r#"{"org":"Aid"}"#,
    ),
    (
        &["org", "hand-over", "Aid & Co", "--to", NODE],
        "POST /v1/orgs/hand-over?org=Aid%20%26%20Co",
        r#"{"to":"node1qcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqzd5qaz"}"#,
    ),
    (
        &["org", "rekey", "Aid", "--confirm", "Aid"],
        "POST /v1/orgs/rekey?org=Aid",
        r#"{"confirm":"Aid"}"#,
    ),
    (
        &["node", "list", "--org", "Aid"],
        "GET /v1/nodes?org=Aid",
        "",
    ),
    (
        &["node", "add", NODE, "--role", "admin"],
        "POST /v1/nodes",
        r#"{"node":"node1qcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqzd5qaz","role":"admin"}"#,
    ),
    (
        &["node", "add", NODE],
        "POST /v1/nodes",
        r#"{"node":"node1qcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrqzd5qaz","role":"editor"}"#,
    ),
    (
        &["node", "join", "fingerpostpass1_abc"],
        "POST /v1/nodes/join",
        r#"{"pass":"fingerpostpass1_abc"}"#,
    ),
    (
        &["node", "revoke", "node1x", "--confirm", "crèche [31maid2j"],
        "POST /v1/nodes/revoke",
        r#"{"node":"node1x"}"#,
    ),
    (
        &["key", "print", "--org", "Aid"],
        "POST /v1/keys/words?org=Aid",
        "{}",
    ),
    (
        &["conflicts", "--org", "Aid"],
        "GET /v1/conflicts?org=Aid",
        "",
    ),
    (&["conflicts", "list"], "GET /v1/conflicts", ""),
    (
        &["conflicts", "resolve", "c1", "--keep", "2"],
        "POST /v1/conflicts/resolve",
        r#"{"id":"c1","keep":2}"#,
    ),
];

/// Id of an organisation in full.
pub(crate) const FOUNDER: &str = "org1pyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysp4rh96";

/// Command lines that are wrong, or ask for something that only a person on a terminal could answer.
pub(crate) const WRONG: &[&[&str]] = &[
    &["found", "North West", "--vouches", "0"],
    &["found", "North West", "--vouches", "2"],
    &["found", "North West", "--founder", "South Aid"],
    &["charter"],
    &["charter", "propose"],
    &["charter", "show", "--org", "Aid"],
    &["invite", "list", "--qr"],
    &["invite", "cancel"],
    &["invite", "--note", "x", "list"],
    &["vouch"],
    &["waiting", "--org", "Aid"],
    &["object", "South Aid"],
    &["object", "South Aid", "--reason", "x", "--withdraw"],
    &["block"],
    &["block", "South Aid", "--list"],
    &["unblock"],
    &["away"],
    &["away", "--until", "4 January"],
    &["away", "--until", "2027-02-29"],
    &["away", "--until", "2026-12-20", "--from", "2027-01-04"],
    &["away", "--back", "--note", "x"],
    &["close", "--clients-to", "South Aid"],
    &["close", "--on", "2027-03-31"],
    &["close", "--on", "31.3.2027", "--confirm", "Aid"],
    &["close", "--on", "2027-03-31", "--cancel"],
    &["succession", "merge"],
    &["succession", "merge", "--into", "South Aid"],
    &["succession", "status", "--org", "Aid"],
    &["org", "use"],
    &["org", "use", "Aid", "--org", "Aid"],
    &["org", "hand-over", "Aid"],
    &["org", "hand-over", "Aid", "--to", "the laptop"],
    &["org", "rekey"],
    &["org", "rekey", "Aid", "--org", "Other", "--confirm", "Aid"],
    &["node", "add", "the laptop"],
    &["node", "add", NODE, "--role", "owner"],
    &["node", "join"],
    &["node", "join", "fingerpostpass1_abc", "--file", "x"],
    &["node", "revoke", "node1x"],
    &["key", "export"],
    &["key", "export", "--to", "never-written.age"],
    &["key", "export", "--to", "-", "--passphrase-file", "x"],
    &["key", "import"],
    &["key", "import", "x", "--words-file", "y"],
    &[
        "key",
        "import",
        "--words-file",
        "x",
        "--passphrase-file",
        "y",
    ],
    &["restore", "--ticket", "TICKET"],
    &["restore", "--from-network", "--ticket", "TICKET"],
    &["conflicts", "resolve", "c1"],
    &["conflicts", "resolve", "c1", "--keep", "0"],
];

/// A directory with one file.
fn file(name: &str, content: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    (dir, path)
}

/// Runs a command that must succeed, and gives what it printed on each stream.
fn done(fake: &Fake, args: &[&str]) -> (String, String) {
    streams(&run_in(fake.home(), args, b""), 0)
}

/// What was printed by a command that ended with this exit code.
fn streams(output: &Output, exit_code: i32) -> (String, String) {
    let (data, talk) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit_code), "{data}{talk}");
    (data.to_owned(), talk.to_owned())
}

/// The document that a command prints with `--json`.
fn document(fake: &Fake, args: &[&str]) -> Value {
    let (data, talk) = done(fake, &[args, &["--json"]].concat());
    assert_eq!(talk, "", "{args:?}");
    let document: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(document["format"], 1, "{args:?}");
    document
}

/// The body of the latest request.
fn last_body(fake: &Fake) -> Value {
    serde_json::from_slice(&fake.requests().last().unwrap().body).unwrap()
}

/// Asserts that each of these parts stands in a text.
fn has(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "{part:?} is missing in: {printed}");
    }
}

#[test]
fn each_command_sends_what_was_typed() {
    for (args, line, body) in COMMANDS {
        let fake = Fake::contented();
        streams(&run_in(fake.home(), args, b"{\"items\": []}"), 0);
        let requests = fake.requests();
        let made = requests.iter().find(|made| made.line == *line);
        let made = made.unwrap_or_else(|| panic!("{args:?} made {requests:?}"));
        if body.is_empty() {
            assert_eq!(made.body, b"", "{args:?}");
            continue;
        }
        let sent: Value = serde_json::from_slice(&made.body).unwrap();
        assert_eq!(
            sent,
            serde_json::from_str::<Value>(body).unwrap(),
            "{args:?}"
        );
    }
}

#[test]
fn what_the_daemon_refuses_is_said_by_each_command() {
    for (args, _, _) in COMMANDS {
        let fake = Fake::refusing(404, fingerpost_proto::api::ErrorCode::NotFound);
        let output = run_in(fake.home(), args, b"{\"items\": []}");
        let (data, talk) = streams(&output, 4);
        assert_eq!(data, "", "{args:?}");
        has(&talk, &["It was refused", "hint: Try something else."]);
    }
}
