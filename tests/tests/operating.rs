//! Looking after a node: checks, figures, backups that a power cut interrupts, and a log that tells no secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::binaries;
use fingerpost_tests::process::{LOOPBACK_CONFIG, Node, Ran};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
/// How often a restore is interrupted; more often when `FINGERPOST_CRASH_ROUNDS` says so.
const ROUNDS: u64 = 4;

fn ok(node: &Node, args: &[&str]) -> Ran {
    let ran = node.cli(args).unwrap();
    let said = format!(
        "fingerpost {args:?}: {}{}\n{}",
        ran.stdout,
        ran.stderr,
        node.log()
    );
    assert_eq!(ran.code, Some(0), "{said}");
    ran
}

fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|it| it["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {report}"))
}

#[test]
fn the_doctor_looks_at_a_node_that_runs_and_at_one_that_does_not() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let mut node = Node::start(&dir.path().join("node"))?;
    ok(&node, &["org", "create", "--name", "Food Bank"]);
    let report = node.json(&["doctor"])?;
    assert_eq!(report["well"], true, "{report}");
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "daemon",
            "settings",
            "keys",
            "permissions",
            "clock",
            "store",
            "index",
            "peers",
            "reachability",
            "disk",
            "version"
        ]
    );
    assert_eq!(check(&report, "peers")["outcome"], "warning");

    // A key that others can read, while it runs.
    let key = node.home().join("keys/node.key");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644))?;
    let ran = node.cli(&["doctor"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.contains("FAILED   permissions") && ran.stdout.contains("chmod"),
        "{}",
        ran.stdout
    );
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600))?;

    node.stop()?;
    let ran = node.cli(&["doctor"])?;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.contains("FAILED   daemon") && ran.stdout.contains("fingerpostd --home"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("ok       store"), "{}", ran.stdout);
    // A damaged store is found, and not touched.
    let db = node.home().join("store/db");
    let whole = fs::read(&db)?;
    fs::write(&db, vec![0xa5; whole.len()])?;
    let ran = node.cli(&["doctor"])?;
    assert!(ran.stdout.contains("FAILED   store"), "{}", ran.stdout);
    fs::write(&db, whole)?;
    node.restart()?;
    assert_eq!(node.json(&["doctor"])?["well"], true);

    let nowhere = dir.path().join("nowhere").display().to_string();
    let ran = node.cli(&["--home", &nowhere, "doctor"])?;
    assert_ne!(ran.code, Some(0), "{ran:?}");
    Ok(())
}

fn http(mut stream: impl Read + Write, extra: &str) -> String {
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: fingerpost\r\nConnection: close\r\n{extra}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn figures_are_served_on_the_socket_and_on_a_port_only_if_asked() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let home = dir.path().join("node");
    fs::create_dir(&home)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(
        home.join("config.toml"),
        format!("{LOOPBACK_CONFIG}\n[metrics]\nport = {port}\n"),
    )?;
    let node = Node::start(&home)?;
    ok(&node, &["org", "create", "--name", "Food Bank"]);
    ok(&node, &["service", "add", "name=Parcels"]);
    let answer = http(UnixStream::connect(home.join("api.sock"))?, "");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("openmetrics-text"),
        "{answer}"
    );
    for line in [
        "fingerpost_organisations_own 1",
        "fingerpost_documents 2",
        "# EOF",
    ] {
        assert!(answer.lines().any(|it| it == line), "{line} in:\n{answer}");
    }
    // Nobody is named.
    assert!(!answer.contains("Food Bank") && !answer.contains("Parcels"));
    let tcp = || std::net::TcpStream::connect(("127.0.0.1", port));
    let answer = http(tcp()?, "");
    assert!(answer.contains("fingerpost_documents 2"), "{answer}");
    let refused = http(tcp()?, "Origin: http://example.org\r\n");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    // What each of them means is in the book.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let page = fs::read_to_string(page)?;
    for line in answer
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let name = line.split(' ').next().unwrap();
        assert!(
            page.contains(&format!("`{name}")),
            "{name} is not in docs/reference/metrics.md"
        );
    }
    Ok(())
}

#[test]
fn a_restore_that_a_power_cut_interrupts_is_run_again() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let pass = file(dir.path(), "pass", "four words of nonsense\n");
    let mut office = Node::start(&dir.path().join("office"))?;
    ok(&office, &["org", "create", "--name", "Food Bank"]);
    for number in 0..12 {
        ok(
            &office,
            &["service", "add", &format!("name=Parcels {number}")],
        );
    }
    let backup = dir.path().join("office.backup").display().to_string();
    ok(&office, &["backup", &backup, "--passphrase-file", &pass]);
    assert_eq!(fs::metadata(&backup)?.permissions().mode() & 0o777, 0o600);
    let again = office.cli(&["backup", &backup, "--passphrase-file", &pass])?;
    assert_eq!(again.code, Some(1), "{again:?}");
    ok(
        &office,
        &["backup", &backup, "--overwrite", "--passphrase-file", &pass],
    );
    ok(
        &office,
        &["backup", "--check", &backup, "--passphrase-file", &pass],
    );
    let history = office.json(&["listing", "history"])?["entries"]
        .as_array()
        .unwrap()
        .len();
    office.stop()?;

    let rounds = std::env::var("FINGERPOST_CRASH_ROUNDS").ok();
    let rounds = rounds.and_then(|it| it.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        let home = dir.path().join(format!("laptop-{round}"));
        let mut laptop = Node::start(&home)?;
        let mut restoring = std::process::Command::new(&binaries()?.fingerpost)
            .arg("--home")
            .arg(&home)
            .args(["restore", &backup, "--passphrase-file", &pass])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        // The rounds share out the time that a restore takes.
        std::thread::sleep(Duration::from_millis(400 + round * 1_600 / rounds));
        laptop.kill()?;
        restoring.wait()?;
        laptop.restart()?;
        ok(&laptop, &["restore", &backup, "--passphrase-file", &pass]);
        laptop.wait_for(&["status"], PATIENCE, |it| {
            it["organisations"][0]["services"] == 12
        })?;
        let here = laptop.json(&["listing", "history"])?["entries"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(here, history, "round {round}");
        ok(&laptop, &["service", "add", "name=One more"]);
        assert_eq!(laptop.json(&["doctor"])?["well"], true);
    }
    Ok(())
}

/// A life with everything that is secret or personal in it, under a log that says all that this program can say.
#[test]
fn nothing_secret_or_personal_is_in_any_log() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let loud = LOOPBACK_CONFIG.replace(
        "filter = \"info\"",
        "filter = \"debug,fingerpost_daemon=trace,fingerpost_proto=trace,fingerpost_config=trace\"",
    );
    let mut nodes = Vec::new();
    for name in ["first", "second", "third"] {
        let home = dir.path().join(name);
        fs::create_dir(&home)?;
        fs::write(home.join("config.toml"), &loud)?;
        nodes.push(Node::start(&home)?);
    }
    let (first, second, third) = (&nodes[0], &nodes[1], &nodes[2]);
    let mut secrets: Vec<String> = Vec::new();
    ok(first, &["org", "create", "--name", "Food Bank"]);
    ok(second, &["org", "create", "--name", "Advice Centre"]);
    ok(
        first,
        &[
            "found",
            "Valley",
            "--charter",
            &file(dir.path(), "charter", "We take care.\n"),
        ],
    );
    let ticket = first.json(&["invite"])?["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(second, &["join", &ticket, "--accept-charter"]);
    let listing = r#"{"id":"7c9c0d8e-9c1f-4c5b-9d3a-0d0f6f1d2a01","name":"Food Bank","email":"zilpha@example.org",
        "services":[{"id":"7c9c0d8e-9c1f-4c5b-9d3a-0d0f6f1d2a02","name":"Parcels","status":"active",
        "contacts":[{"id":"7c9c0d8e-9c1f-4c5b-9d3a-0d0f6f1d2a03","name":"Zilpha Quennell","email":"quennell@example.org",
        "phones":[{"id":"7c9c0d8e-9c1f-4c5b-9d3a-0d0f6f1d2a04","number":"020 7946 0999"}]}]}]}"#;
    ok(
        first,
        &[
            "listing",
            "import",
            &file(dir.path(), "listing.json", listing),
        ],
    );
    ok(
        first,
        &[
            "service",
            "set",
            "7c9c0d8e-9c1f-4c5b-9d3a-0d0f6f1d2a02",
            "email=quennell.two@example.org",
        ],
    );
    let long = PATIENCE;
    second.wait_for(&["search", "Parcels"], long, |it| {
        !it["results"].as_array().unwrap().is_empty()
    })?;
    second.cli(&["search", "Zilpha Quennell"])?;
    let pass = third.json(&["status"])?["node"]
        .as_str()
        .unwrap()
        .to_owned();
    let pass = first.json(&["node", "add", &pass])?["pass"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(third, &["node", "join", &pass]);
    third.wait_for(&["status"], long, |it| {
        it["organisations"][0]["services"] == 1
    })?;
    let words = first.json(&["key", "print"])?["words"]
        .as_array()
        .unwrap()
        .clone();
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    let phrase = "correct-horse-battery-staple";
    let phrase_file = file(dir.path(), "phrase", &format!("{phrase}\n"));
    let at = |name: &str| dir.path().join(name).display().to_string();
    ok(
        first,
        &[
            "key",
            "export",
            "--to",
            &at("key"),
            "--passphrase-file",
            &phrase_file,
        ],
    );
    ok(
        first,
        &["backup", &at("backup"), "--passphrase-file", &phrase_file],
    );
    ok(
        first,
        &["restore", &at("backup"), "--passphrase-file", &phrase_file],
    );
    let wrong = file(dir.path(), "wrong", "a-wrong-passphrase-indeed\n");
    first.cli(&["restore", &at("backup"), "--passphrase-file", &wrong])?;
    second.cli(&["join", &format!("{ticket}x"), "--accept-charter"])?;
    third.cli(&["node", "join", &format!("{pass}x")])?;
    ok(first, &["doctor"]);

    for node in &nodes {
        for entry in fs::read_dir(node.home().join("keys"))? {
            let content = fs::read_to_string(entry?.path()).unwrap_or_default();
            // The last word of a key's line is its secret; a delegation is none.
            if content.starts_with("fingerpost-secret-key") {
                secrets.extend(content.split_whitespace().last().map(str::to_owned));
            }
        }
    }
    assert!(secrets.len() >= 5, "{} keys", secrets.len());
    secrets.push(words[..3].join(" "));
    secrets.extend([
        ticket[ticket.len() - 60..].to_owned(),
        pass[pass.len() - 60..].to_owned(),
    ]);
    for personal in [
        "zilpha",
        "Zilpha",
        "quennell",
        "Quennell",
        "7946 0999",
        "79460999",
        "example.org",
        phrase,
        "a-wrong-passphrase",
        "AGE-SECRET-KEY",
        "BEGIN AGE",
    ] {
        secrets.push(personal.to_owned());
    }
    for node in &mut nodes {
        node.stop()?;
        let log = node.log();
        assert!(
            log.contains("DEBUG") || log.contains("TRACE"),
            "the log is not loud:\n{log}"
        );
        for secret in &secrets {
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(
                line,
                None,
                "\"{secret}\" is in the log of {}",
                node.home().display()
            );
        }
    }
    Ok(())
}
