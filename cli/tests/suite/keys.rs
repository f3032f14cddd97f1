//! Keys on paper and in files, and coming back from the network with them.

use std::os::unix::fs::PermissionsExt;

use fingerpost_proto::ids::OrgId;
use serde_json::json;

use super::{document, done, file, has, last_body, streams};
use crate::fake::{Fake, NAME, run_in, text};

const PASSPHRASE: &str = "correct horse battery";

/// The words that the fake daemon knows.
fn words() -> String {
    let words: Vec<String> = ('a'..='x').map(|letter| format!("word{letter}")).collect();
    words.join(" ")
}

#[test]
fn a_key_is_exported_to_a_new_file_that_only_its_owner_reads() {
    let fake = Fake::contented();
    let (dir, passphrase) = file("passphrase", &format!("{PASSPHRASE}\nignored\n"));
    let passphrase = passphrase.to_str().unwrap();
    let path = dir.path().join("aid.age");
    let args = ["key", "export", "--to", path.to_str().unwrap()];
    let args = [&args[..], &["--passphrase-file", passphrase]].concat();
    let (data, talk) = done(&fake, &args);
    assert_eq!(data, format!("{}\n", path.display()));
    has(&talk, &["keep them apart"]);
    assert!(!talk.contains(PASSPHRASE), "{talk}");
    assert_eq!(fake.requests()[0].line, "POST /v1/keys/export");
    assert_eq!(last_body(&fake), json!({ "passphrase": PASSPHRASE }));
    let content = std::fs::read_to_string(&path).unwrap();
    assert_eq!(content, "-----BEGIN AGE ENCRYPTED FILE-----\n");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A second time the file is there, and the daemon is not even asked.
    let (_, talk) = streams(&fake.run(&args), 1);
    has(&talk, &["is never overwritten", "hint: "]);
    assert_eq!(fake.requests().len(), 1);
    std::fs::remove_file(&path).unwrap();
    let exported = document(&fake, &args);
    assert_eq!(exported["path"], path.to_str().unwrap());
    assert!(exported.get("file").is_none(), "{exported}");
}

#[test]
fn a_key_that_was_refused_leaves_no_file() {
    let fake = Fake::refusing(409, fingerpost_proto::api::ErrorCode::Refused);
    let (dir, passphrase) = file("passphrase", PASSPHRASE);
    let path = dir.path().join("aid.age");
    let args = ["key", "export", "--to", path.to_str().unwrap()];
    let args = [
        &args[..],
        &["--passphrase-file", passphrase.to_str().unwrap()],
    ]
    .concat();
    streams(&fake.run(&args), 1);
    assert!(!path.exists());
    streams(&run_in(dir.path(), &args, b""), 3);
    assert!(!path.exists());
}

#[test]
fn a_short_passphrase_protects_nothing() {
    let fake = Fake::contented();
    // Characters are counted, not bytes.
    let (dir, passphrase) = file("passphrase", "ééééééééé\n");
    let path = dir.path().join("aid.age");
    let args = ["key", "export", "--to", path.to_str().unwrap()];
    let args = [
        &args[..],
        &["--passphrase-file", passphrase.to_str().unwrap()],
    ]
    .concat();
    let (_, talk) = streams(&fake.run(&args), 1);
    has(&talk, &["fewer than 10 characters", "No file was written"]);
    let (_, talk) = streams(&fake.run(&args[..4]), 2);
    has(&talk, &["nobody to ask", "--passphrase-file"]);
    assert!(!path.exists());
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn the_paper_key_has_six_rows_and_is_read_back_as_it_was_printed() {
    let fake = Fake::contented();
    let (paper, talk) = done(&fake, &["key", "print"]);
    has(&talk, &["Whoever reads these words is your organisation"]);
    has(
        &paper,
        &[
            "Paper key of Crèche",
            &OrgId::from_bytes([1; 32]).to_string(),
            "Printed on 20",
        ],
    );
    let rows: Vec<&str> = paper.lines().skip(4).collect();
    assert_eq!(rows.len(), 6, "{paper}");
    assert_eq!(
        rows[0],
        " 1 worda       2 wordb       3 wordc       4 wordd"
    );
    assert_eq!(
        rows[5],
        "21 wordu      22 wordv      23 wordw      24 wordx"
    );
    let printed = document(&fake, &["key", "print"]);
    assert_eq!(printed["words"].as_array().unwrap().len(), 24);
    assert_eq!(printed["printed_on"].as_str().unwrap().len(), 10);

    let (_dir, path) = file("paper.txt", &paper);
    let (data, talk) = done(
        &fake,
        &["key", "import", "--words-file", path.to_str().unwrap()],
    );
    assert_eq!(data, format!("{}\n", OrgId::from_bytes([1; 32])));
    has(&talk, &["holds the root key of Crèche"]);
    assert_eq!(last_body(&fake), json!({"key": {"words": words()}}));
    assert_eq!(fake.requests().last().unwrap().line, "POST /v1/keys/import");
}

#[test]
fn a_key_is_imported_from_a_file_with_its_passphrase() {
    let fake = Fake::contented();
    let (dir, key) = file("aid.age", "AGE FILE\n");
    let passphrase = dir.path().join("passphrase");
    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    let (key, passphrase) = (key.to_str().unwrap(), passphrase.to_str().unwrap());
    let args = ["key", "import", key, "--passphrase-file", passphrase];
    assert_eq!(document(&fake, &args)["root_key"], true);
    let sent = json!({"key": {"file": {"file": "AGE FILE\n", "passphrase": PASSPHRASE}}});
    assert_eq!(last_body(&fake), sent);

    has(&streams(&fake.run(&args[..3]), 2).1, &["--passphrase-file"]);
    has(
        &streams(&fake.run(&["key", "import"]), 2).1,
        &["nobody to ask", "--words-file"],
    );
    std::fs::write(key, "").unwrap();
    has(
        &streams(&fake.run(&args), 1).1,
        &["is empty", "Nothing was changed"],
    );
    std::fs::write(key, "one two three").unwrap();
    let output = fake.run(&["key", "import", "--words-file", key]);
    has(
        &streams(&output, 1).1,
        &["does not hold the 24 words", "Nothing was changed"],
    );
    assert!(
        !text(&output.stderr).contains("three"),
        "the words were shown"
    );
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn restore_brings_back_what_the_network_keeps() {
    let fake = Fake::contented();
    let (dir, kept) = file("words.txt", &words());
    let args = ["restore", "--from-network", "--ticket", "TICKET"];
    let by_words = [&args[..], &["--words-file", kept.to_str().unwrap()]].concat();
    let (data, talk) = done(&fake, &by_words);
    has(
        &data,
        &[
            "Crèche [31mAid2J is back.",
            "Back with history: card, listing/0\n",
            "Back without history: board\n",
        ],
    );
    has(&talk, &["The rest comes by itself"]);
    assert_eq!(
        last_body(&fake),
        json!({"ticket": "TICKET", "key": {"words": words()}})
    );
    assert_eq!(fake.requests()[0].line, "POST /v1/restore");
    assert_eq!(document(&fake, &by_words)["organisation"]["name"], NAME);

    let passphrase = dir.path().join("passphrase");
    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    let by_file = ["--key-file", kept.to_str().unwrap(), "--passphrase-file"];
    done(
        &fake,
        &[&args[..], &by_file, &[passphrase.to_str().unwrap()]].concat(),
    );
    assert_eq!(last_body(&fake)["key"]["file"]["passphrase"], PASSPHRASE);
    has(&streams(&fake.run(&args), 2).1, &["--words-file"]);
}
