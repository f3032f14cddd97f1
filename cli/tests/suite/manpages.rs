//! Man pages of all commands.

use std::collections::BTreeSet;

use super::streams;
use crate::fake::run_in;

#[test]
fn every_command_gets_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("share/man");
    let args = ["manpages", man.to_str().unwrap()];
    let (data, talk) = streams(&run_in(dir.path(), &args, b""), 0);
    assert!(talk.contains("man pages written"), "{talk}");
    let listed: BTreeSet<&str> = data.lines().collect();
    let found: BTreeSet<String> = std::fs::read_dir(&man)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    assert_eq!(listed, found.iter().map(String::as_str).collect());
    for name in [
        "fingerpost",
        "fingerpost-org-hand-over",
        "fingerpost-invite-cancel",
    ] {
        let page = std::fs::read_to_string(man.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let page = std::fs::read_to_string(man.join("fingerpost-key-export.1")).unwrap();
    assert!(page.contains("passphrase"), "{page}");

    let output = run_in(dir.path(), &[&args[..], &["--json"]].concat(), b"");
    let (data, talk) = streams(&output, 0);
    assert_eq!(talk, "");
    let document: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["files"].as_array().unwrap().len(), listed.len());

    std::fs::write(dir.path().join("taken"), "").unwrap();
    let taken = dir.path().join("taken");
    let (_, talk) = streams(
        &run_in(dir.path(), &["manpages", taken.to_str().unwrap()], b""),
        1,
    );
    assert!(talk.contains("hint: "), "{talk}");
}

/// Commands below a command, from their own help: so nothing is missed that is built in later.
fn below(home: &std::path::Path, command: &[&str]) -> Vec<String> {
    let (help, _) = streams(&run_in(home, &[&["help"], command].concat(), b""), 0);
    let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_is_in_the_reference() {
    let home = tempfile::tempdir().unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/commands.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut count = 0;
    for command in below(home.path(), &[]) {
        let inner = below(home.path(), &[&command]);
        let full: Vec<String> = if inner.is_empty() {
            vec![format!("fingerpost {command}")]
        } else {
            let names = inner.iter();
            names
                .map(|name| format!("fingerpost {command} {name}"))
                .collect()
        };
        for name in full {
            count += 1;
            assert!(page.contains(&format!("`{name}")), "{name} is not there");
        }
    }
    assert!(count > 50, "only {count} commands were found");
}
