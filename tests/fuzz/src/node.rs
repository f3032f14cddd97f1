//! A whole node: what comes by gossip, and what is asked through the local API.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::api;
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::By;
use fingerpost_daemon::run::Running;
use fingerpost_proto::api::{CreateOrg, Found};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::fixtures::{Party, listing_file, world};
use super::{Seeds, seed};

/// After this a request is taken never to be answered.
const DEADLINE: Duration = Duration::from_secs(60);
/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The id of a service that it holds.
const SERVICE: &str = "5d6a1a8e-2f0b-4b52-8a5c-000000000001";

/// The node, while a target runs.
static NODE: Mutex<Option<Served>> = Mutex::new(None);

struct Served {
    runtime: Runtime,
    running: Running,
    socket: PathBuf,
    _directory: TempDir,
}

impl Served {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path().join("home"));
        home.prepare().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut settings = Settings::default();
        settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
        settings.network.mdns = false;
        let socket = directory.path().join("api.sock");
        let running = runtime.block_on(async {
            let keys = Keys::open(&home.keys()).unwrap();
            let running = Running::start(home, settings, keys).await.unwrap();
            let listener = api::bind(&socket).await.unwrap();
            let serving = api::serve(listener, Arc::clone(&running.node), running.stopped());
            tokio::spawn(serving);
            running
        });
        let create = CreateOrg {
            name: "Brixton Advice".into(),
            identifiers: Vec::new(),
        };
        let by = By::user("test").unwrap();
        let org = running.node.create_org(&create, &by).unwrap().id;
        running
            .node
            .import(
                &org,
                &listing_file(),
                fingerpost_daemon::node::Importing::default(),
                &by,
            )
            .unwrap();
        let found = Found {
            name: "Brixton".into(),
            charter: "We take care.".into(),
            vouches: 1,
            founders: Vec::new(),
        };
        running.node.found(&org, &found, &by).unwrap();
        let begun = Instant::now();
        while running.node.entry(SERVICE).is_err() {
            assert!(begun.elapsed() < DEADLINE, "the listing cannot be found");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            runtime,
            running,
            socket,
            _directory: directory,
        }
    }

    fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // A server that has refused may close before it was told everything.
        stream.write_all(request).ok();
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).ok();
        answer
    }
}

fn with_node<T>(work: impl FnOnce(&Served) -> T) -> T {
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    work(node.get_or_insert_with(Served::start))
}

/// Ends the node, if one runs; whoever drives targets calls it when it is done.
pub fn stop() {
    let node = NODE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Served {
        runtime, running, ..
    }) = node
    {
        runtime.block_on(running.stop()).unwrap();
    }
}

/// Anybody may say anything: the node judges it, and holds what its own organisation wrote and nothing else.
pub fn gossip(data: &[u8]) -> bool {
    with_node(|served| {
        let from = Party::new(60).node.node_id();
        let node = &served.running.node;
        let unreadable = || {
            node.status()
                .unwrap()
                .refused
                .get("bad_announcement")
                .copied()
        };
        let before = unreadable();
        let _entered = served.runtime.enter();
        node.handle_gossip(from, data);
        let status = node.status().unwrap();
        assert_eq!(status.store.documents, 2, "a card and a listing");
        assert_eq!(node.members(None).unwrap().members.len(), 1);
        before == unreadable()
    })
}

/// A request: its first line is the method and the target, all that follows is the body. It is answered, and
/// never by a failure of the node's own.
pub fn api_request(data: &[u8]) -> bool {
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (line, body) = data.split_at(at);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    // What would be another request is hyper's to refuse; ours begin behind it.
    if line.contains(&b'\r') || line.is_empty() {
        return false;
    }
    let head = format!(
        " HTTP/1.1\r\nHost: fingerpost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let request = [line, head.as_bytes(), body].concat();
    with_node(|served| {
        let answer = served.ask(&request);
        let shown = String::from_utf8_lossy(&answer);
        let status = shown
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5));
        let status: u16 = status.and_then(|status| status.parse().ok()).unwrap_or(0);
        assert!((200..500).contains(&status), "{shown}");
        // It is as well as it was.
        served.running.node.status().unwrap();
        status < 300
    })
}

pub fn api_request_seeds() -> Seeds {
    let invite = r#"{"network":null,"valid_s":3600,"note":null}"#;
    let node = world().member.node.node_id();
    let requests = [
        ("status", "GET /v1/status".to_owned()),
        ("search", "GET /v1/search?text=cr%C3%A8che&kind=service&limit=5&offset=0".to_owned()),
        ("listing", "GET /v1/listing".to_owned()),
        ("history", "GET /v1/listing/history".to_owned()),
        ("entry", format!("GET /v1/entries/{SERVICE}")),
        ("service", "POST /v1/services\n{\"fields\":[[\"name\",\"Advice\"]]}".to_owned()),
        (
            "edit",
            "PATCH /v1/services/5d6a1a8e-2f0b-4b52-8a5c-000000000002\n{\"fields\":[[\"status\",\"inactive\"]]}".to_owned(),
        ),
        ("import", format!("POST /v1/listing/import\n{}", String::from_utf8_lossy(&listing_file()))),
        ("invite", format!("POST /v1/invitations\n{invite}")),
        ("members", "GET /v1/members".to_owned()),
        ("nodes", format!("POST /v1/nodes\n{{\"node\":\"{node}\",\"role\":\"editor\"}}")),
        ("conflicts", "GET /v1/conflicts".to_owned()),
        ("refused-words", "POST /v1/keys/import\n{\"key\":{\"words\":\"abandon art\"}}".to_owned()),
        ("undo", "POST /v1/listing/undo".to_owned()),
    ];
    let seeds = requests.into_iter();
    seeds.map(|(name, request)| seed(name, request)).collect()
}
