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
