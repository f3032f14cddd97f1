//! What is asked on a terminal, and what becomes of the answers.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Output, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use super::{has, last_body};
use crate::fake::{Fake, program, text};

/// Runs a command whose standard input and error are a terminal on which `typed` was typed; gives what it
/// printed as data, and what stands on the terminal.
fn on_terminal(fake: &Fake, args: &[&str], typed: &str) -> (Output, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let inner = File::from(rustix::fs::open(&name, flags, Mode::empty()).unwrap());
    let mut command = program(fake.home());
    command
        .args(args)
        .stdin(Stdio::from(inner.try_clone().unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::from(inner));
    let child = command.spawn().unwrap();
    // The command holds copies of the terminal's inner end; so when it ends, reading here ends too.
    drop(command);
    let mut outer = File::from(terminal);
    outer.write_all(typed.as_bytes()).unwrap();
    let (mut shown, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(length) = outer.read(&mut part) {
        if length == 0 {
            break;
        }
        shown.extend_from_slice(&part[..length]);
    }
    (child.wait_with_output().unwrap(), text(&shown).to_owned())
}

#[test]
fn names_are_asked_for_before_something_that_cannot_be_missed() {
    for (args, line, question) in [
        (
            &["close", "--on", "2027-03-31"][..],
            "POST /v1/close",
            "to close it:",
        ),
        (
            &["succession", "merge", "--into", "South Aid"],
            "POST /v1/succession/merge",
            "to merge it:",
        ),
        (
            &["org", "rekey"],
            "POST /v1/orgs/rekey",
            "to give it a new key:",
        ),
        (
            &["leave"],
            "POST /v1/networks/leave",
            "Type the name of the network to leave it:",
        ),
    ] {
        let fake = Fake::contented();
        let (output, shown) = on_terminal(&fake, args, "  The name \n");
        assert_eq!(output.status.code(), Some(0), "{shown}");
        has(&shown, &[question]);
        assert_eq!(fake.requests().last().unwrap().line, line);
        assert_eq!(last_body(&fake)["confirm"], "The name", "{args:?}");
    }
}

#[test]
fn a_node_is_revoked_when_the_typed_name_fits() {
    let fake = Fake::contented();
    let args = ["node", "revoke", "node1x"];
    let (output, shown) = on_terminal(&fake, &args, "Another\n");
    assert_eq!(output.status.code(), Some(1), "{shown}");
    has(
        &shown,
        &[
            "will write for Crèche [31mAid2J no longer",
            "Nothing was changed",
        ],
    );
    let (output, shown) = on_terminal(&fake, &args, "crèche [31mAid2J\n");
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(
        fake.requests().last().unwrap().line,
        "POST /v1/nodes/revoke"
    );
}

#[test]
fn a_conflict_is_shown_and_the_choice_asked_for() {
    let fake = Fake::contented();
    let args = ["conflicts", "resolve", "c1"];
    let (output, shown) = on_terminal(&fake, &args, "2\n");
    assert_eq!(output.status.code(), Some(0), "{shown}");
    has(
        &shown,
        &["1  Warm[5m meals.", "Which value is right? [1 to 2]"],
    );
    assert_eq!(last_body(&fake), json!({"id": "c1", "keep": 2}));
    for wrong in ["3\n", "0\n", "\n", "the first\n"] {
        let (output, shown) = on_terminal(&fake, &args, wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {shown}");
        has(&shown, &["None of the values was chosen"]);
    }
    let (output, shown) = on_terminal(&fake, &["conflicts", "resolve", "c9"], "1\n");
    assert_eq!(output.status.code(), Some(4), "{shown}");
    let resolved = fake.requests();
    let resolved = resolved.iter().filter(|one| one.line.starts_with("POST"));
    assert_eq!(resolved.count(), 1);
}

#[test]
fn the_words_of_a_paper_key_are_typed_row_by_row() {
    let fake = Fake::contented();
    let typed = "1 worda 2 wordb 3 wordc 4 wordd\nonly three words\n";
    let rest = "x x x x\n".repeat(4) + "20 y 21. y Y y\n";
    let (output, shown) = on_terminal(&fake, &["key", "import"], &format!("{typed}{rest}"));
    assert_eq!(output.status.code(), Some(0), "{shown}");
    has(
        &shown,
        &["Words 1 to 4:", "That was 3 of 4 words", "Words 21 to 24:"],
    );
    let words = format!("worda wordb wordc wordd {}y y y y", "x ".repeat(16));
    assert_eq!(last_body(&fake), json!({"key": {"words": words}}));

    // Or all in one line, as they are pasted.
    let (output, shown) = on_terminal(&fake, &["key", "import"], &format!("{words}\n"));
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(last_body(&fake), json!({"key": {"words": words}}));

    // The end of the input in the middle changes nothing.
    let (output, shown) = on_terminal(&fake, &["key", "import"], "x x x x\n\u{4}");
    assert_eq!(output.status.code(), Some(1), "{shown}");
    has(&shown, &["Nothing was changed"]);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn a_charter_is_read_before_it_is_accepted() {
    let fake = Fake::contented();
    let (output, shown) = on_terminal(&fake, &["join", "TICKET"], "n\n");
    assert_eq!(output.status.code(), Some(1), "{shown}");
    has(
        &shown,
        &[
            "Be kind.",
            "Does your organisation accept",
            "nothing was joined",
        ],
    );
    let (output, shown) = on_terminal(&fake, &["join", "TICKET"], "yes\n");
    assert_eq!(output.status.code(), Some(0), "{shown}");
    has(&shown, &["Waiting for: a member to be reached"]);
}

#[test]
fn with_json_nobody_is_asked_even_on_a_terminal() {
    let fake = Fake::contented();
    for args in [
        &["close", "--on", "2027-03-31", "--json"][..],
        &["conflicts", "resolve", "c1", "--json"],
        &["key", "import", "--json"],
        &["node", "revoke", "node1x", "--json"],
    ] {
        let (output, shown) = on_terminal(&fake, args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {shown}");
        has(&shown, &["\"code\":\"usage\""]);
    }
    assert_eq!(fake.requests().len(), 0);
}
