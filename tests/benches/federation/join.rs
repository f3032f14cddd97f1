//! A newcomer fetches everything: how long, how many bytes, how much memory on both sides; and the same while the two
//! are killed again and again. Beside it, git clones the same documents.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fingerpost_proto::replica::Item;
use serde_json::{Value, json};

use crate::fill;
use crate::measure::{cpu_s, disk_bytes, peak_mb, wire_bytes};
use crate::node::Ask;
use crate::peers::{Peer, join};

const POLL: Duration = Duration::from_millis(20);

/// Pause between two looks at how many services are found: to count them takes some time of many.
fn count_pause(size: u32) -> Duration {
    POLL.max(Duration::from_millis(u64::from(size) / 100))
}

/// Up to so many organisations git does the same.
const GIT_MAX_ORGS: u32 = 20_000;
/// The area that somebody follows who does not follow everything.
const FOLLOWED: &str = "Lambeth";
/// How often the nodes are killed.
const KILLS: u64 = 20;
const COMPRESSION_LEVEL: i32 = 3;

fn settled(peer: &mut Peer) {
    peer.reach(&Ask::Indexed, 1, Duration::from_millis(100));
}

/// A cold join of a federation of this size.
pub(crate) fn measure(size: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut full = Peer::start(&fill::home(dir.path(), size), 3_600);
    settled(&mut full);
    let documents = full.count(&Ask::Held);
    let services = full.count(&Ask::Services(None));
    let mut empty = Peer::start(&dir.path().join("empty"), 1);
    let cpu_before = (cpu_s(full.pid()), cpu_s(empty.pid()));
    let (begun, wire) = (Instant::now(), wire_bytes());
    join(&mut full, &mut empty, "Newcomer");
    empty.reach(&Ask::Held, documents, POLL);
    let stored_s = begun.elapsed().as_secs_f64();
    let wire = wire_bytes() - wire;
    empty.reach(&Ask::Services(None), services, count_pause(size));
    let searchable_s = begun.elapsed().as_secs_f64();
    empty.ask(&Ask::Joined);
    let cpu = (
        cpu_s(full.pid()) - cpu_before.0,
        cpu_s(empty.pid()) - cpu_before.1,
    );
    let mut result = json!({
        "organisations": size,
        "documents": documents,
        "services": services,
        "stored_s": stored_s,
        "searchable_s": searchable_s,
        "wire_mb": wire as f64 / 1e6,
        "cpu_s": {"full": cpu.0, "empty": cpu.1},
        "peak_mb": {"full": peak_mb(full.pid()), "empty": peak_mb(empty.pid())},
        "peak_without_files_mb": {"empty": empty.anonymous_peak_mb},
    });
    full.stop();
    empty.stop();
    // Half a million files would take longer than all else.
    if size <= GIT_MAX_ORGS {
        result["git"] = git(dir.path(), size);
    }
    result
}

/// A cold join of a node that follows one area only.
pub(crate) fn measure_following(size: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut full = Peer::start(&fill::home(dir.path(), size), 3_600);
    settled(&mut full);
    let documents = full.count(&Ask::Held);
    let home = dir.path().join("empty");
    let mut empty = Peer::start(&home, 1);
    empty.ask(&Ask::Follow(FOLLOWED.to_owned()));
    let cpu_before = (cpu_s(full.pid()), cpu_s(empty.pid()));
    let (begun, wire) = (Instant::now(), wire_bytes());
    join(&mut full, &mut empty, "Newcomer");
    empty.reach(&Ask::Held, documents, POLL);
    while empty.count(&Ask::Lacking) > 0 {
        std::thread::sleep(count_pause(size));
    }
    let stored_s = begun.elapsed().as_secs_f64();
    let wire = wire_bytes() - wire;
    empty.ask(&Ask::Joined);
    let cpu = (
        cpu_s(full.pid()) - cpu_before.0,
        cpu_s(empty.pid()) - cpu_before.1,
    );
    let services = empty.count(&Ask::Services(None));
    let peak = (peak_mb(full.pid()), peak_mb(empty.pid()));
    full.stop();
    empty.stop();
    let kb = |part: &str| disk_bytes(&home.join(part)) as f64 / 1e3 / f64::from(size);
    json!({
        "organisations": size,
        "follows": FOLLOWED,
        "documents": documents,
        "services": services,
        "stored_s": stored_s,
        "wire_mb": wire as f64 / 1e6,
        "cpu_s": {"full": cpu.0, "empty": cpu.1},
        "peak_mb": {"full": peak.0, "empty": peak.1},
        "disk_kb_an_organisation": {"store": kb("store"), "index": kb("index")},
    })
}

/// A cold join during which both sides are killed in turn.
pub(crate) fn measure_killed(size: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let home = fill::home(dir.path(), size);
    let mut full = Peer::start(&home, 3_600);
    settled(&mut full);
    let documents = full.count(&Ask::Held);
    let services = full.count(&Ask::Services(None));
    let mut empty = Peer::start(&dir.path().join("empty"), 1);
    let (begun, wire) = (Instant::now(), wire_bytes());
    join(&mut full, &mut empty, "Newcomer");
    let mut kills = 0;
    // Spread over the documents that come, and no two at the same.
    for kill in 1..=KILLS {
        empty.reach(&Ask::Held, documents * kill / (KILLS + 1), POLL);
        kills += 1;
        if kill % 2 == 0 {
            let home = empty.home().to_owned();
            empty.kill();
            empty = Peer::start(&home, 1);
        } else {
            full.kill();
            full = Peer::start(&home, 3_600);
        }
    }
    empty.reach(&Ask::Held, documents, POLL);
    let stored_s = begun.elapsed().as_secs_f64();
    let wire = wire_bytes() - wire;
    empty.reach(&Ask::Services(None), services, count_pause(size));
    let searchable_s = begun.elapsed().as_secs_f64();
    let result = json!({
        "organisations": size,
        "kills": kills,
        "stored_s": stored_s,
        "searchable_s": searchable_s,
        "wire_mb": wire as f64 / 1e6,
    });
    full.stop();
    empty.stop();
    result
}

fn run(dir: &Path, args: &[&str]) {
    let ended = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(ended.is_ok_and(|it| it.success()), "git {args:?}");
}

/// What git needs for a clone of the same documents, each a file, from its own server; and how small they are as one
/// compressed stream.
fn git(dir: &Path, size: u32) -> Value {
    if Command::new("git").arg("--version").output().is_err() {
        return Value::Null;
    }
    let source = dir.join("source");
    fs::create_dir_all(&source).unwrap();
    let made = fill::federation(size, fingerpost_proto::ids::OrgId::from_bytes([1; 32]));
    let mut stream = zstd::stream::write::Encoder::new(Vec::new(), COMPRESSION_LEVEL).unwrap();
    for (at, item) in fill::items(&made, 0..size).enumerate() {
        let Item::Record { state, .. } = item else {
            continue;
        };
        let state = state.unwrap_or_default();
        std::io::Write::write_all(&mut stream, &state).unwrap();
        // Not too many in one directory, as anybody would do it.
        let shelf = source.join((at / 1_000).to_string());
        fs::create_dir_all(&shelf).unwrap();
        fs::write(shelf.join(format!("{at}.json")), state).unwrap();
    }
    let stream_bytes = stream.finish().unwrap().len();
    run(&source, &["init", "-q", "-b", "main"]);
    run(&source, &["add", "."]);
    let name = [
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@example.org",
    ];
    let commit = [&name[..], &["commit", "-q", "-m", "all"]].concat();
    run(&source, &commit);
    // As a server keeps it that many have cloned from.
    run(&source, &["repack", "-a", "-d", "-q"]);
    let mut server = Command::new("git")
        .args([
            "daemon",
            "--reuseaddr",
            "--export-all",
            "--listen=127.0.0.1",
            "--port=19418",
        ])
        .arg(format!("--base-path={}", dir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let listening = || std::net::TcpStream::connect("127.0.0.1:19418").is_ok();
    for _ in 0..200 {
        if listening() {
            break;
        }
        std::thread::sleep(POLL);
    }
    let (begun, wire) = (Instant::now(), wire_bytes());
    run(
        dir,
        &["clone", "-q", "git://127.0.0.1:19418/source", "cloned"],
    );
    let clone_s = begun.elapsed().as_secs_f64();
    let wire = wire_bytes() - wire;
    server.kill().ok();
    server.wait().ok();
    json!({
        "clone_s": clone_s,
        "wire_mb": wire as f64 / 1e6,
        "states_as_one_stream_mb": stream_bytes as f64 / 1e6,
    })
}
