//! Backups and checks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{document, done, file, has, last_body, streams};
use crate::fake::{Fake, run_in};

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn a_backup_is_read_back_before_it_gets_its_name() {
    let fake = Fake::contented();
    let (dir, passphrase) = file("passphrase", PASSPHRASE);
    let path = dir.path().join("node.backup");
    let args = [
        "backup",
        path.to_str().unwrap(),
        "--passphrase-file",
        passphrase.to_str().unwrap(),
    ];
    let (data, talk) = done(&fake, &args);
    has(
        &data,
        &[
            "node.backup (",
            "3 documents, 1 service, with its root key",
            "the way to North West",
            "the settings",
        ],
    );
    has(&talk, &["read back and checked"]);
    assert!(!talk.contains(PASSPHRASE) && !data.contains(PASSPHRASE));
    let lines: Vec<String> = fake
        .requests()
        .iter()
        .map(|made| made.line.clone())
        .collect();
    assert_eq!(lines, ["POST /v1/backup", "POST /v1/backup/check"]);
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        last_body(&fake),
        json!({"file": written, "passphrase": PASSPHRASE})
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // One that is there is replaced only when told, and nothing lies about afterwards.
    fs::write(&path, "something else").unwrap();
    let (_, talk) = streams(&fake.run(&args), 1);
    has(&talk, &["exists. Nothing was changed.", "--overwrite"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    let all = [&args[..], &["--overwrite"]].concat();
    assert_eq!(document(&fake, &all)["organisations"][0]["services"], 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_backup_that_the_daemon_does_not_make_or_cannot_read_back_leaves_no_file() {
    let fake = Fake::refusing(409, fingerpost_proto::api::ErrorCode::Refused);
    let (dir, passphrase) = file("passphrase", PASSPHRASE);
    let path = dir.path().join("node.backup");
    let args = [
        "backup",
        path.to_str().unwrap(),
        "--passphrase-file",
        passphrase.to_str().unwrap(),
    ];
    streams(&fake.run(&args), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    fs::write(&passphrase, "short").unwrap();
    let (_, talk) = streams(&Fake::contented().run(&args), 1);
    has(&talk, &["fewer than 10 characters"]);
}

#[test]
fn a_backup_is_restored_from_a_file_or_the_network_but_not_from_both() {
    let fake = Fake::contented();
    let (dir, backup) = file("node.backup", "-----BEGIN AGE ENCRYPTED FILE-----\n");
    let passphrase = dir.path().join("passphrase");
    fs::write(&passphrase, PASSPHRASE).unwrap();
    let args = [
        "restore",
        backup.to_str().unwrap(),
        "--passphrase-file",
        passphrase.to_str().unwrap(),
    ];
    let (data, talk) = done(&fake, &args);
    has(
        &data,
        &["Backup of ", "Back with history: card, listing/0\n"],
    );
    has(
        &talk,
        &["note: the settings are in place", "fingerpost node add"],
    );
    assert_eq!(fake.requests()[0].line, "POST /v1/backup/restore");
    assert_eq!(document(&fake, &args)["complete"], false);
    for wrong in [
        &["restore"][..],
        &["restore", "--ticket", "T"],
        &["restore", "--from-network"],
        &["restore", "x", "--from-network", "--ticket", "T"],
        &[
            "restore",
            "--from-network",
            "--ticket",
            "T",
            "--words-file",
            "x",
            "--passphrase-file",
            "y",
        ],
        &[
            "restore",
            "--from-network",
            "--ticket",
            "T",
            "--passphrase-file",
            "y",
        ],
        &["backup"],
        &["backup", "x", "--check", "y"],
        &["backup", "-", "--passphrase-file", "y"],
        &["backup", "--check", "y", "--org", "Aid"],
    ] {
        streams(&run_in(fake.home(), wrong, b""), 2);
    }
}

#[test]
fn the_doctor_fails_when_a_check_does() {
    let fake = Fake::contented();
    let (data, talk) = streams(&fake.run(&["doctor"]), 1);
    has(
        &data,
        &[
            "ok       daemon",
            "warning  programs",
            "ok       keys",
            "warning  clock     what was found of the clock",
            "→ look at it",
            "FAILED   disk",
            "→ make room",
        ],
    );
    has(&talk, &["1 of 5 checks failed", "hint: "]);
    let (data, _) = streams(&fake.run(&["doctor", "--json"]), 1);
    let report: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (&report["format"], &report["well"], &report["running"]),
        (&json!(1), &json!(false), &json!(true))
    );
    assert_eq!(report["checks"][4]["remedy"], "make room");
}
