//! A daemon of its own, over real sockets, under a flood: its memory stays flat.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{DEADLINE, MEMORY_KIB, Party, Site, listing, until};
use fingerpost_daemon::net::Net;
use fingerpost_daemon::node::By;
use fingerpost_proto::announcement::Announcement;
use fingerpost_proto::ids::{DocName, NetworkId, NodeId};
use fingerpost_proto::keys::SecretKey;
use futures::io::AsyncWriteExt;
use serde_json::{Value, json};

/// Announcements, streams of rubbish, and sessions that are begun and left.
const ANNOUNCEMENTS: u64 = 2_000;
const STREAMS: u64 = 400;
/// How often all of that comes; more often when `FINGERPOST_FLOOD_ROUNDS` says so.
const ROUNDS: u64 = 3;
/// By so much memory may rise from the first flood to the last, in KiB.
const FLAT_KIB: u64 = 24 * 1024;

struct Daemon {
    child: Child,
    dir: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = "[network]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\n";
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::write(dir.path().join("home/config.toml"), config).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_fingerpostd"))
            .arg("--home")
            .arg(dir.path().join("home"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Option<String> {
        request(&self.dir.path().join("home/api.sock"), method, path, body)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    /// Memory now, and at the highest, in KiB.
    fn memory_kib(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let value = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (value("VmRSS:"), value("VmHWM:"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn request(socket: &Path, method: &str, path: &str, body: &Value) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: fingerpost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

/// A stranger's record, signed as it should be: it must be checked before it can be refused.
fn announcement(number: u64) -> Vec<u8> {
    let stranger = Party::on(SecretKey::from_seed(&[7; 32]));
    let item = stranger.item(DocName::Listing(0), number + 1, &listing("Rubbish"));
    Announcement::of(item, |state| zstd::bulk::compress(state, 3).ok()).to_bytes()
}

async fn flood(net: &Net, target: NodeId, network: NetworkId, round: u64) {
    let gossip = async {
        for number in 0..ANNOUNCEMENTS {
            // A queue that is full is the flood's own limit.
            let announcement = announcement(round * ANNOUNCEMENTS + number);
            let _ = net.publish(network, announcement).await;
        }
    };
    let streams = async {
        let rubbish = vec![0xa5; 64 * 1024];
        for number in 0..STREAMS {
            let Ok(mut stream) = net.open_stream(target).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let _ = match number % 2 {
                0 => stream.write_all(&rubbish).await,
                _ => stream.write_all(&[]).await,
            };
        }
    };
    tokio::join!(gossip, streams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_under_a_flood() {
    let daemon = Daemon::start();
    until("the daemon", || {
        daemon.ask("GET", "/v1/status", &Value::Null).is_some()
    })
    .await;
    let org = daemon.json("POST", "/v1/orgs", &json!({"name": "Lambeth Pools"}));
    let found =
        json!({"name": "Brixton", "charter": "We take care.", "vouches": 1, "founders": []});
    daemon.json("POST", "/v1/networks", &found);
    assert_eq!(org["name"], "Lambeth Pools");
    let mut ticket = Value::Null;
    until("an address on the ticket", || {
        ticket = daemon.json("POST", "/v1/invitations", &json!({"valid_s": 3600}));
        ticket["ticket"].is_string()
    })
    .await;
    let site = Site::start("A member that means no good").await;
    let by = By::user("test").unwrap();
    let text = ticket["ticket"].as_str().unwrap().to_owned();
    site.node().join(site.org, &text, true, by).await.unwrap();
    let status = daemon.json("GET", "/v1/status", &Value::Null);
    let target: NodeId = serde_json::from_value(status["node"].clone()).unwrap();
    let network = *site
        .status()
        .await
        .networks
        .first()
        .map(|it| &it.id)
        .unwrap();
    let net = site.node().net().clone();
    until("the daemon to take the member in", || {
        daemon.json("GET", "/v1/status", &Value::Null)["networks"][0]["members"] == 2
    })
    .await;
    // What a first exchange needs is no flood.
    tokio::time::timeout(DEADLINE, async {
        while net.subscribers(network).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let mut highest = Vec::new();
    let (before, _) = daemon.memory_kib();
    let rounds = std::env::var("FINGERPOST_FLOOD_ROUNDS").ok();
    for round in 0..rounds.and_then(|it| it.parse().ok()).unwrap_or(ROUNDS) {
        let begun = Instant::now();
        flood(&net, target, network, round).await;
        let (after, most) = daemon.memory_kib();
        println!(
            "flood {round} of {ANNOUNCEMENTS} announcements and {STREAMS} streams in {:?}: {before} KiB before all, {after} KiB after, {most} KiB at the highest",
            begun.elapsed()
        );
        let figures = daemon.ask("GET", "/metrics", &Value::Null).unwrap();
        let told = |line: &&str| {
            line.starts_with("fingerpost_gossip_total") || line.contains("over_budget")
        };
        println!("{:?}", figures.lines().filter(told).collect::<Vec<_>>());
        highest.push(most);
    }
    let (first, last) = (highest[0], highest[highest.len() - 1]);
    assert!(first.saturating_sub(before) < MEMORY_KIB, "{highest:?}");
    // What the first flood took is used again: memory does not follow the length of a flood.
    assert!(last.saturating_sub(first) < FLAT_KIB, "{highest:?}");
    // It was not idle, and it is well.
    let figures = daemon.ask("GET", "/metrics", &Value::Null).unwrap();
    let refused = figures
        .lines()
        .any(|line| line.starts_with("fingerpost_refused_total"));
    assert!(refused, "{figures}");
    let service = json!({"fields": [["name", "Diving"]]});
    daemon.json("POST", "/v1/services", &service);
    site.until_found("Diving", &["Diving"]).await;
    site.stop().await;
}
