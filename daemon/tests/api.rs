//! The local API against a web page that is open on the same machine.
//!
//! A browser cannot open a Unix socket; but a proxy on the machine, or a later listener of ours, could. So the
//! API bears the attack as if the page could reach it: it answers to one name, to requests that no page can make
//! without being asked for leave first, and changes nothing on a mere `GET`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Site, WORD, soon};
use fingerpost_daemon::api;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

/// What the command line sends with every request.
const OURS: &str = "Host: fingerpost\r\nContent-Type: application/json\r\n";

/// A node with its API.
struct Served {
    site: Site,
    socket: PathBuf,
    _stop: watch::Sender<bool>,
    _directory: TempDir,
}

impl Served {
    async fn start() -> Self {
        let (site, _) = Site::founder().await;
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("api.sock");
        let listener = api::bind(&socket).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let node = Arc::clone(site.node());
        tokio::spawn(api::serve(listener, node, stopped));
        Self {
            site,
            socket,
            _stop: stop,
            _directory: directory,
        }
    }

    /// Sends a request with these headers; its status and its body.
    async fn ask(&self, request: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{request} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        // Whoever is refused early may find the connection closed.
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = Vec::new();
        soon("an answer", stream.read_to_end(&mut answer))
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Asks in every way in which something could be changed, and finds that nothing was.
    async fn refuses(&self, what: &str, headers: &str) {
        let listing = serde_json::json!({
            "id": "o", "name": "Evil Pools", "services": [{"id": "s", "name": "Evil advice"}],
        });
        let requests = [
            ("GET /v1/status", String::new()),
            ("GET /v1/listing", String::new()),
            ("POST /v1/listing/import?replace=true", listing.to_string()),
            ("POST /v1/orgs", r#"{"name":"Evil Pools"}"#.into()),
            ("POST /v1/keys/words", r#"{"org":null}"#.into()),
            ("POST /v1/networks/leave", r#"{"network":null}"#.into()),
            ("POST /v1/listing/undo", String::new()),
        ];
        for (request, body) in requests {
            let (status, answer) = self.ask(request, headers, &body).await;
            assert_eq!(status, 403, "{what}: {request}: {answer}");
            assert!(answer.contains("\"hint\""), "{answer}");
            // A refusal tells a page nothing, and invites it to nothing.
            assert!(!answer.contains(WORD) && !answer.contains("access-control"));
        }
        self.site.is_well().await;
        assert_eq!(self.site.status().await.organisations.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_refused_whatever_it_asks() {
    let served = Served::start().await;
    let pages = [
        (
            "its origin",
            format!("{OURS}Origin: http://evil.example\r\n"),
        ),
        ("no origin to speak of", format!("{OURS}Origin: null\r\n")),
        (
            "a name that leads here",
            "Host: evil.example\r\nContent-Type: application/json\r\n".into(),
        ),
        (
            "a port of this machine",
            "Host: 127.0.0.1:7788\r\nContent-Type: application/json\r\n".into(),
        ),
        ("two names", format!("{OURS}Host: evil.example\r\n")),
        ("no name", "Content-Type: application/json\r\n".into()),
        (
            "a link or an image",
            format!("{OURS}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
        ),
        (
            "a page of the same site",
            format!("{OURS}Sec-Fetch-Site: same-origin\r\n"),
        ),
    ];
    for (what, headers) in pages {
        served.refuses(what, &headers).await;
    }
    // The command line is heard all the while.
    let (status, answer) = served.ask("GET /v1/status", OURS, "").await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_no_request() {
    let served = Served::start().await;
    let body = r#"{"name":"Evil Pools"}"#;
    for kind in [
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/plain; application/json\r\n",
        "",
    ] {
        let headers = format!("Host: fingerpost\r\n{kind}");
        let (status, answer) = served.ask("POST /v1/orgs", &headers, body).await;
        assert_eq!(status, 403, "{kind}: {answer}");
    }
    assert_eq!(served.site.status().await.organisations.len(), 1);
    let (status, answer) = served.ask("POST /v1/orgs", OURS, body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(served.site.status().await.organisations.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_by_reading() {
    let served = Served::start().await;
    // What changes something when it is posted changes nothing when it is fetched.
    for path in [
        "/v1/listing/import",
        "/v1/listing/undo",
        "/v1/services",
        "/v1/orgs/use",
        "/v1/orgs/hand-over",
        "/v1/orgs/rekey",
        "/v1/nodes/join",
        "/v1/nodes/revoke",
        "/v1/keys/export",
        "/v1/keys/words",
        "/v1/keys/import",
        "/v1/restore",
        "/v1/networks",
        "/v1/networks/preview",
        "/v1/networks/join",
        "/v1/networks/leave",
        "/v1/charter/propose",
        "/v1/charter/accept",
        "/v1/invitations/cancel",
        "/v1/vouches",
        "/v1/objections",
        "/v1/objections/withdraw",
        "/v1/away",
        "/v1/close",
        "/v1/succession/merge",
        "/v1/succession/propose",
        "/v1/succession/sign",
        "/v1/conflicts/resolve",
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let (status, answer) = served.ask(&format!("{method} {path}"), OURS, "").await;
            assert_eq!(status, 405, "{method} {path}: {answer}");
        }
    }
    served.site.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_on_the_machine_can_open_the_socket() {
    let served = Served::start().await;
    let mode = std::fs::metadata(&served.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // And no socket of the network listens for it: what speaks HTTP there is not answered in HTTP.
    let addresses = served.site.node().net().listen_addresses();
    assert!(!addresses.is_empty());
    for address in addresses {
        let port = address.split('/').nth(4).unwrap().to_owned();
        let request = format!("GET /v1/status HTTP/1.1\r\n{OURS}\r\n");
        let mut stream = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.ok();
        let mut answer = Vec::new();
        soon("the end", stream.read_to_end(&mut answer)).await.ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            !answer.contains("HTTP/1.1 2") && !answer.contains(WORD),
            "{answer}"
        );
    }
}
