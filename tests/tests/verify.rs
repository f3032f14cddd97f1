//! `docs/verify_record.py`, a second implementation of the record format, agrees with the node.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use fingerpost_tests::process::{Node, Ran};
use serde_json::Value;

const LISTING: &str = r#"{
  "id": "1b9dd02c-6f38-4c4a-9c5e-0a8a2c3f7a10",
  "name": "Harbour Advice",
  "services": [
    {"id": "5d6a1a8e-2f0b-4b52-8a5c-3f9f4d1f2c01", "name": "Debt advice", "status": "active"},
    {"id": "5d6a1a8e-2f0b-4b52-8a5c-3f9f4d1f2c02", "name": "Crèche on Tuesdays", "status": "active"}
  ]
}"#;

/// Whether this machine can run the script; says so when it cannot.
fn python_is_there() -> bool {
    let there = Command::new("python3")
        .args([
            "-c",
            "import cryptography.hazmat.primitives.asymmetric.ed25519",
        ])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        let note = "skipped: python3 with the package `cryptography` is not installed\n";
        // Past the test harness, which hides what a passing test prints.
        std::io::stderr().write_all(note.as_bytes()).ok();
    }
    there
}

fn verify(export: &Value) -> Result<Ran, Fail> {
    let script = workspace_dir().join("docs/verify_record.py");
    let mut child = Command::new("python3")
        .arg(script)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(export)?)?;
    }
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn exported(home: &Path) -> Result<(Value, String), Fail> {
    let node = Node::start(home)?;
    let org = node.json(&["org", "create", "--name", "Harbour Advice"])?;
    let org = org["id"].as_str().unwrap_or_default().to_owned();
    let imported = node.cli_with_input(&["listing", "import", "-"], LISTING.as_bytes())?;
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    Ok((node.json(&["record", "export", &org])?, org))
}

/// The bytes behind a field of an item, with one bit flipped, put back.
fn flip(export: &Value, item: usize, field: &str, bit: usize) -> Value {
    let mut export = export.clone();
    let place = &mut export["items"][item][field];
    let mut bytes = from_base64(place.as_str().unwrap_or_default());
    let at = bit % (bytes.len() * 8);
    bytes[at / 8] ^= 1 << (at % 8);
    *place = Value::from(to_base64(&bytes));
    export
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(text: &str) -> Vec<u8> {
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit).unwrap_or(0);
    let digits: Vec<usize> = text.trim_end_matches('=').bytes().map(value).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let number =
            four.iter().fold(0, |number, digit| number << 6 | digit) << (6 * (4 - four.len()));
        number
            .to_be_bytes()
            .into_iter()
            .skip(5)
            .take(four.len() - 1)
    });
    bytes.collect()
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            match at <= three.len() {
                true => text.push(char::from(DIGITS[number >> (18 - 6 * at) & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[test]
fn the_script_reads_what_a_node_exports_and_refuses_it_with_any_bit_flipped() -> Result<(), Fail> {
    if !python_is_there() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let (export, org) = exported(&dir.path().join("home"))?;
    let ran = verify(&export)?;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines = [
        format!("card of {org}"),
        format!("listing/0 of {org}"),
        "organisation: Harbour Advice".to_owned(),
        "service: Debt advice (5d6a1a8e-2f0b-4b52-8a5c-3f9f4d1f2c01)".to_owned(),
        "service: Crèche on Tuesdays (5d6a1a8e-2f0b-4b52-8a5c-3f9f4d1f2c02)".to_owned(),
        "2 records hold".to_owned(),
    ];
    for line in lines {
        assert!(
            ran.stdout.contains(&line),
            "{line} is not in:\n{}",
            ran.stdout
        );
    }
    let unchanged = flip(&flip(&export, 1, "record", 9), 1, "record", 9);
    assert_eq!(unchanged, export, "the test's own base64 is wrong");
    // Bits all over each part; 67 is prime, so that every bit of a byte has its turn.
    for field in ["record", "delegation", "state"] {
        for step in 0..24 {
            let ran = verify(&flip(&export, 1, field, 5 + step * 67))?;
            assert_eq!(
                ran.code,
                Some(1),
                "bit {} of {field}: {}",
                5 + step * 67,
                ran.stdout
            );
            assert!(ran.stderr.starts_with("refused: item 2"), "{}", ran.stderr);
            assert_eq!(
                ran.stdout, "",
                "something was shown before everything was checked"
            );
        }
    }
    Ok(())
}

#[test]
fn the_script_refuses_what_is_no_export() -> Result<(), Fail> {
    if !python_is_there() {
        return Ok(());
    }
    for wrong in [
        "[]",
        "{}",
        r#"{"format":2,"items":[]}"#,
        r#"{"format":1,"items":[{"record":"!"}]}"#,
    ] {
        assert_eq!(
            verify(&serde_json::from_str(wrong)?)?.code,
            Some(1),
            "{wrong}"
        );
    }
    Ok(())
}
