//! The protocol is pure: these tests look at what it is built from.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may look at the world; the protocol may not"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that bring a runtime, sockets, files or a clock. An exact name, or a prefix with `*`. (automerge
/// brings `getrandom` and `tracing`; clippy bans what draws chance, and tracing does nothing by itself.)
const BANNED: [&str; 33] = [
    "actix*",
    "async-io",
    "async-std",
    "chrono",
    "futures-executor",
    "futures-timer",
    "fs4",
    "glommio",
    "gloo*",
    "hyper*",
    "instant",
    "libp2p*",
    "mio",
    "monoio",
    "nix",
    "notify",
    "polling",
    "quinn*",
    "reqwest",
    "rustix",
    "sled",
    "smol",
    "socket2",
    "tantivy",
    "tempfile",
    "time",
    "tokio*",
    "ureq",
    "wasm-timer",
    "web-time",
    "windows-sys",
    "axum*",
    "clap*",
];

fn manifest_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO"));
    // Flags from the environment would take the place of those in `.cargo/config.toml`.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(arguments).current_dir(manifest_dir());
    command.output().expect("cargo runs")
}

fn is_banned(name: &str) -> bool {
    BANNED.iter().any(|banned| match banned.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *banned,
    })
}

fn dependencies(format: &str) -> Vec<String> {
    let output = cargo(&[
        "tree",
        "-p",
        "fingerpost-proto",
        "-e",
        "normal",
        "--prefix",
        "none",
        "--format",
        format,
        "--locked",
        "--offline",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("names are text")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_it_depends_on_has_a_runtime_a_socket_or_a_clock() {
    let names = dependencies("{lib}");
    assert!(names.len() > 20, "cargo tree answered {names:?}");
    for line in dependencies("{p}") {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!is_banned(name), "proto depends on {name}");
    }
    assert!(is_banned("tokio-util") && is_banned("time") && !is_banned("timeago"));
}

/// jiff can read the system's clock and time zone. Without these features it has no zone database, and the
/// clock stays out by clippy's ban on `Timestamp::now` and `Zoned::now`.
#[test]
fn the_calendar_crate_comes_without_the_systems_time_zones() {
    let lines = dependencies("{p} {f}");
    let jiff = lines
        .iter()
        .find(|line| line.starts_with("jiff v"))
        .expect("proto uses jiff");
    for feature in ["tz-system", "tzdb-zoneinfo", "tzdb-concatenated", "js"] {
        assert!(!jiff.contains(feature), "{jiff}");
    }
}

#[test]
fn clippy_bans_clocks_chance_files_sockets_and_environment() {
    let text =
        std::fs::read_to_string(manifest_dir().join("clippy.toml")).expect("proto/clippy.toml");
    for banned in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "jiff::Timestamp::now",
        "std::time::Instant",
        "std::time::SystemTime",
        "automerge::ActorId::random",
        "uuid::Uuid::new_v4",
        "getrandom::fill",
        "rand::rng",
        "std::fs::read",
        "std::fs::write",
        "std::fs::File",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::net::UdpSocket",
        "std::env::var",
        "std::env::args",
        "std::thread::spawn",
        "std::process::Command",
    ] {
        assert!(
            text.contains(&format!("path = \"{banned}\"")),
            "proto/clippy.toml does not ban {banned}"
        );
    }
}

#[test]
fn it_compiles_where_there_is_no_operating_system() {
    const TARGET: &str = "wasm32-unknown-unknown";
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let libraries = output
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let installed = libraries
        .as_deref()
        .map(Path::new)
        .and_then(|path| std::fs::read_dir(path).ok());
    if installed.is_none_or(|mut entries| entries.next().is_none()) {
        let note =
            format!("skipped: the target {TARGET} is not installed (rustup target add {TARGET})\n");
        // Past the test harness, which hides what a passing test prints.
        std::io::stderr().write_all(note.as_bytes()).ok();
        return;
    }
    // A directory of its own, for the tests' build holds the lock of the usual one.
    let target_dir = manifest_dir().join("../target/purity");
    let target_dir = target_dir.to_str().expect("a path of text");
    let output = cargo(&[
        "check",
        "-p",
        "fingerpost-proto",
        "--lib",
        "--target",
        TARGET,
        "--target-dir",
        target_dir,
        "--locked",
        "--offline",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
