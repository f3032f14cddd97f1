//! A daemon that answers every request with what a test gave it, at the socket of a temporary home.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use fingerpost_proto::api;
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::{InviteId, NetworkId, NodeId, OrgId, RecordId};
use fingerpost_proto::listing::{Changes, EntityRef};
use fingerpost_proto::roster::Place;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path with query, such as `GET /v1/status`.
    pub(crate) line: String,
    /// Headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A home with something that listens at its socket.
pub(crate) struct Fake {
    home: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers each request with what `answer` makes of it: a status and a body.
    pub(crate) fn new(answer: impl Fn(&Request) -> (u16, Vec<u8>) + Send + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("api.sock")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up early is none of the fake's business.
                let _ = serve(stream.unwrap(), &answer, &seen);
            }
        });
        Self { home, requests }
    }

    /// A daemon for which everything goes well.
    pub(crate) fn contented() -> Self {
        Self::new(|request| {
            let json =
                canned(&request.line).unwrap_or_else(|| panic!("the API has no {}", request.line));
            (200, json.to_string().into_bytes())
        })
    }

    /// A daemon that refuses everything.
    pub(crate) fn refusing(status: u16, code: api::ErrorCode) -> Self {
        let error = api::ApiError {
            code,
            message: "It was refused. Nothing was changed.".into(),
            hint: Some("Try something else.".into()),
        };
        let body = serde_json::to_vec(&error).unwrap();
        Self::new(move |_| (status, body.clone()))
    }

    /// The home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs the command line against this daemon, without a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        run_in(self.home(), args, b"")
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// The program, with the home in its environment.
pub(crate) fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    command
        .env("FINGERPOST_HOME", home)
        .env_remove("XDG_DATA_HOME");
    command
}

/// Runs the command line with `input` on standard input.
pub(crate) fn run_in(home: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = program(home)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that needs no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What was printed, as text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn serve(
    mut stream: UnixStream,
    answer: &impl Fn(&Request) -> (u16, Vec<u8>),
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request {
        line,
        headers,
        body,
    };
    seen.lock().unwrap().push(request.clone());
    let (status, body) = answer(&request);
    write!(
        stream,
        "HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// The answer of a daemon that holds one organisation in one network.
fn canned(line: &str) -> Option<Value> {
    let (method, target) = line.split_once(' ')?;
    let path = target.split('?').next()?;
    Some(match (method, path) {
        ("GET", "/v1/status") => value(&status()),
        ("GET", "/v1/orgs") => value(&api::Organisations {
            organisations: vec![org_info()],
        }),
        ("POST", "/v1/orgs") => value(&org_info()),
        ("POST", "/v1/listing/import" | "/v1/listing/undo" | "/v1/services") => value(&edited()),
        ("PATCH" | "DELETE", "/v1/services/s-1") => value(&edited()),
        ("GET", "/v1/listing") => value(&api::ListingView {
            organisation: org(),
            listing: json!({"id": "o-1", "name": NAME, "services": [service()]}),
            issued_at_s: Some(1),
            outdated: true,
        }),
        ("GET", "/v1/listing/history") => value(&history()),
        ("GET", "/v1/search") => value(&page()),
        ("GET", "/v1/entries/s-1") => value(&entry()),
        ("POST", "/v1/networks" | "/v1/networks/join") => value(&network()),
        ("POST", "/v1/networks/preview") => value(&api::CharterView {
            network: NetworkId::from_bytes([3; 32]),
            name: "North \u{1b}[31mWest".into(),
            charter: "Be kind.\u{1b}[2J".into(),
            vouches_needed: 1,
            invited_by: OrgId::from_bytes([1; 32]),
            expires_at_s: 2_000_000_000,
        }),
        ("POST", "/v1/networks/leave") => value(&api::Left {
            network: NetworkId::from_bytes([3; 32]),
            name: "North West".into(),
            already: false,
            told: 2,
        }),
        ("POST", "/v1/invitations") => value(&api::Invited {
            ticket: "fingerpost-ticket".into(),
            id: InviteId::from_bytes([4; 32]),
            network: NetworkId::from_bytes([3; 32]),
            name: "North West".into(),
            expires_at_s: 2_000_000_000,
        }),
        ("GET", "/v1/members") => value(&members()),
        ("GET", "/v1/records") => value(&api::Records {
            items: vec![record_item()],
        }),
        ("POST", "/v1/records") => value(&api::Delivered {
            outcomes: vec![
                api::DeliveryOutcome::Accepted,
                api::DeliveryOutcome::Dominated,
            ],
        }),
        _ => return None,
    })
}

fn value(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap()
}

/// A name that would colour the terminal.
const NAME: &str = "Crèche \u{1b}[31mAid\u{9b}2J";

fn org() -> api::OrgRef {
    api::OrgRef {
        id: OrgId::from_bytes([1; 32]),
        name: NAME.into(),
    }
}

fn org_info() -> api::OrgInfo {
    let id = OrgId::from_bytes([1; 32]);
    api::OrgInfo {
        id,
        short: id.short(),
        name: NAME.into(),
        identifiers: Vec::new(),
        services: 3,
        shards: 1,
        role: Role::Admin,
        root_key: true,
        current: true,
        present: true,
    }
}

fn network() -> api::NetworkInfo {
    let id = NetworkId::from_bytes([3; 32]);
    api::NetworkInfo {
        id,
        short: id.short(),
        name: "North West".into(),
        place: Some(Place::Applicant),
        members: 2,
        vouches_needed: 1,
        waiting_for: Some("a member to be reached".into()),
        asks: Vec::new(),
    }
}

fn status() -> api::Status {
    api::Status {
        headline: format!("{NAME}: 1 of 1 other nodes has your latest listing."),
        node: NodeId::from_bytes([2; 32]),
        version: "0.1.0".into(),
        started_at_s: 1,
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        organisations: vec![api::OrgStatus {
            org: org_info(),
            nodes_known: 1,
            nodes_with_latest: 1,
            last_exchange_s: Some(1),
        }],
        networks: vec![network()],
        peers: vec![api::PeerInfo {
            node: NodeId::from_bytes([4; 32]),
            organisations: vec![org()],
            connected: true,
            address: None,
            last_exchange_s: None,
            has_latest: true,
        }],
        lacking: api::Lacking {
            states: 1,
            listings: vec![org()],
            never_met: Vec::new(),
        },
        store: api::StoreHealth {
            documents: 4,
            size_bytes: 1500,
            set_aside: None,
        },
        index: api::IndexHealth {
            entries: 3,
            ready: true,
        },
        warnings: vec![format!("Look at {NAME}")],
        refused: [("bad_signature".to_owned(), 2)].into(),
        traffic: api::Traffic {
            sessions: 4,
            sent_bytes: 12_000,
            received_bytes: 900,
        },
    }
}

fn edited() -> api::Edited {
    let added = EntityRef {
        id: "s-1".into(),
        name: NAME.into(),
    };
    api::Edited {
        organisation: org(),
        changes: Changes {
            added: vec![added; 25],
            ..Changes::default()
        },
        summary: "25 services added".into(),
        records: vec![RecordId::from_bytes([5; 32])],
        service: None,
        notes: vec![format!("{NAME} has no status")],
    }
}

fn history() -> api::History {
    api::History {
        organisation: org(),
        entries: vec![api::HistoryItem {
            operation: "op-1".into(),
            at_s: 1,
            who: "alice".into(),
            what: format!("added {NAME}"),
            documents: vec!["listing/0".into()],
        }],
    }
}

fn service() -> Value {
    json!({"id": "s-1", "name": NAME, "description": "Warm\u{1b}[5m meals.", "status": "active"})
}

fn page() -> api::SearchPage {
    api::SearchPage {
        total: 57,
        results: vec![api::SearchResult {
            id: "s-1".into(),
            kind: api::EntryKind::Service,
            name: NAME.into(),
            organisation: org(),
            status: Some("active".into()),
            assured_date: None,
        }],
    }
}

fn entry() -> api::EntryView {
    api::EntryView {
        id: "s-1".into(),
        kind: api::EntryKind::Service,
        name: NAME.into(),
        organisation: org(),
        content: service(),
        assured_date: None,
        issued_at_s: 1,
        signed_by: NodeId::from_bytes([2; 32]),
        record: RecordId::from_bytes([5; 32]),
        networks: vec!["North West".into()],
        conflict: true,
        outdated: true,
        away: None,
        succession: None,
    }
}

fn members() -> api::Members {
    api::Members {
        network: NetworkId::from_bytes([3; 32]),
        name: "North West".into(),
        members: vec![api::Member {
            org: org(),
            short: org().id.short(),
            place: Place::Member,
            has_voice: true,
            anchor: false,
            vouched_by: vec![api::VouchInfo {
                org: org(),
                note: None,
                by_invitation: false,
                counts: true,
            }],
            objections: Vec::new(),
            objections_needed: 0,
            since_s: Some(1),
            last_exchange_s: None,
            connected: false,
            services: 3,
            latest_held: true,
            away: None,
            succession: None,
            blocked: false,
            own: false,
        }],
    }
}

fn record_item() -> api::RecordItem {
    api::RecordItem {
        record: "cmVjb3Jk".into(),
        delegation: None,
        state: Some("e30=".into()),
    }
}
