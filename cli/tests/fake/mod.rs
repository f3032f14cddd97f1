//! A daemon that answers every request with what a test gave it, at the socket of a temporary home.

mod board;
mod listing;
mod membership;
mod nodes;
mod operating;
mod reach;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use fingerpost_proto::api;
use fingerpost_proto::ids::OrgId;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use reach::silent;

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
    listing::canned(method, path)
        .or_else(|| membership::canned(method, path))
        .or_else(|| nodes::canned(method, path))
        .or_else(|| operating::canned(method, path))
        .or_else(|| board::canned(method, path))
        .or_else(|| reach::canned(method, path))
}

fn value(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap()
}

/// A name that would colour the terminal.
pub(crate) const NAME: &str = "Crèche \u{1b}[31mAid\u{9b}2J";

/// The organisation of this node.
pub(crate) fn org() -> api::OrgRef {
    other(1, NAME)
}

/// Any organisation.
pub(crate) fn other(byte: u8, name: &str) -> api::OrgRef {
    api::OrgRef {
        id: OrgId::from_bytes([byte; 32]),
        name: name.into(),
    }
}
