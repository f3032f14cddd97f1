//! Reading a running Open Referral web interface: all pages, each service in full, within limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::limits;
use fingerpost_proto::listing::source::{Source, read_json};
use fingerpost_proto::listing::tables::LeftOut;
use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig};

use super::refused;
use crate::error::CliError;

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a whole feed may take.
const FEED_MAX: Duration = Duration::from_secs(30 * 60);
/// Most pages of a feed.
const PAGES_MAX: u64 = 2_000;
/// Most services of a feed, as many as a listing can hold.
const SERVICES_MAX: usize = limits::SERVICES_PER_SHARD_MAX * limits::SHARDS_MAX as usize;
/// How many services a page is asked to hold.
const PAGE_SIZE: usize = 100;
/// How often a server that is busy is asked again.
const TRIES: u32 = 3;

/// Is this a web address, and not a file?
pub(crate) fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Fetches all services of a feed.
///
/// # Errors
/// [`CliError::Refused`] with what the server said; nothing has been changed.
pub(super) async fn fetch(address: &str, tell: &dyn Fn(&str)) -> Result<Source, CliError> {
    tell(&format!("Reading {address} …"));
    let address = address.to_owned();
    let fetched = tokio::task::spawn_blocking(move || Feed::new(&address).read()).await;
    let source = fetched.map_err(|error| {
        refused(
            format!("Reading stopped: {error}. Nothing was changed."),
            "",
        )
    })??;
    tell(&format!("{} services were read.", source.services.len()));
    Ok(source)
}

struct Feed {
    agent: ureq::Agent,
    /// Address of the list of services, without a query.
    services: String,
    /// What the user's address asks for, besides the page.
    query: String,
    began: Instant,
}

impl Feed {
    fn new(address: &str) -> Feed {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .max_redirects(5)
            .http_status_as_error(false)
            .user_agent(concat!("fingerpost/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let path = path.trim_end_matches('/');
        let services = match path.ends_with("/services") {
            true => path.to_owned(),
            false => format!("{path}/services"),
        };
        let own = |part: &&str| {
            !part.is_empty() && !part.starts_with("page=") && !part.starts_with("per_page=")
        };
        let query = query
            .split('&')
            .filter(own)
            .map(|part| format!("&{part}"))
            .collect();
        Feed {
            agent: ureq::Agent::new_with_config(config),
            services,
            query,
            began: Instant::now(),
        }
    }

    fn read(&self) -> Result<Source, CliError> {
        let mut found = Vec::new();
        let mut pages = 1;
        let mut page = 1;
        let mut notes = Vec::new();
        while page <= pages {
            let address = format!(
                "{}?page={page}&per_page={PAGE_SIZE}{}",
                self.services, self.query
            );
            let value = self.json(&address)?;
            let items = match value.get("contents").or(value.get("content")) {
                Some(Value::Array(items)) if value.get("contents").is_some() => items,
                Some(_) => {
                    return Err(refused(
                        format!(
                            "{address} is a feed of Open Referral UK 1, not of version 3. Nothing was changed."
                        ),
                        "Ask the publisher for the address of the version 3 feed.",
                    ));
                }
                None => {
                    return Err(refused(
                        format!(
                            "{address} does not answer with a page of services. Nothing was changed."
                        ),
                        "Give the address of the interface, below which /services is.",
                    ));
                }
            };
            found.extend(items.iter().cloned());
            pages = value
                .get("total_pages")
                .and_then(Value::as_u64)
                .unwrap_or(1)
                .min(PAGES_MAX);
            if items.is_empty() || found.len() >= SERVICES_MAX {
                break;
            }
            page += 1;
        }
        if found.len() > SERVICES_MAX {
            notes.push(format!(
                "The feed has {} services or more; the first {SERVICES_MAX} were read.",
                found.len()
            ));
            found.truncate(SERVICES_MAX);
        }
        let mut source = Source {
            notes,
            ..Source::default()
        };
        for (index, item) in found.into_iter().enumerate() {
            self.service(&mut source, index + 1, item)?;
        }
        Ok(source)
    }

    /// Takes in a service in full; as the list shows it where the server does not give more.
    fn service(&self, source: &mut Source, row: usize, item: Value) -> Result<(), CliError> {
        let id = match item.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        let mut left_out = |reason: String| {
            source.left_out.push(LeftOut {
                table: "services".to_owned(),
                row,
                column: None,
                reason,
            });
        };
        if id.is_empty() || id.contains(['/', '?', '#']) || id.len() > limits::ID_MAX_BYTES {
            left_out("it has no id by which it could be asked for".to_owned());
            return Ok(());
        }
        let (full, fault) = match self.json(&format!("{}/{}", self.services, escaped(&id))) {
            Ok(full) if full.get("id") == item.get("id") => (full, None),
            Ok(_) => (
                item,
                Some("the server gives another service for its id".to_owned()),
            ),
            Err(error) if self.began.elapsed() < FEED_MAX => (item, Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let bytes = serde_json::to_vec(&full).unwrap_or_default();
        match read_json("services", &bytes) {
            Ok(Some(mut one)) => {
                if let Some(fault) = fault {
                    source.notes.push(format!(
                        "Service {id} was taken as the list shows it: {fault}"
                    ));
                }
                source.append(&mut one, row);
            }
            Ok(None) => left_out("it is not a service with its organisation".to_owned()),
            Err(error) => left_out(error.to_string()),
        }
        Ok(())
    }

    fn json(&self, address: &str) -> Result<Value, CliError> {
        let failed = |why: String| {
            refused(
                format!("{address} cannot be read: {why}. Nothing was changed."),
                "Look at the address in a browser, or try again later.",
            )
        };
        if self.began.elapsed() > FEED_MAX {
            return Err(failed(format!(
                "the feed takes longer than {} minutes",
                FEED_MAX.as_secs() / 60
            )));
        }
        for attempt in 1.. {
            let answer = self
                .agent
                .get(address)
                .header("accept", "application/json")
                .call();
            let mut answer = answer.map_err(|error| failed(error.to_string()))?;
            let status = answer.status().as_u16();
            if matches!(status, 429 | 502 | 503 | 504) && attempt < TRIES {
                std::thread::sleep(Duration::from_secs(1 << attempt));
                continue;
            }
            if status != 200 {
                return Err(failed(format!("the server answered {status}")));
            }
            let limit = u64::try_from(limits::IMPORT_MAX_BYTES).unwrap_or(u64::MAX);
            let body = answer.body_mut().with_config().limit(limit).read_to_vec();
            let body = body.map_err(|error| failed(error.to_string()))?;
            fingerpost_proto::json::check_depth(&body, limits::JSON_MAX_DEPTH)
                .map_err(|error| failed(error.to_string()))?;
            return serde_json::from_slice(&body)
                .map_err(|error| failed(format!("it is not JSON ({error})")));
        }
        Err(failed("the server is busy".to_owned()))
    }
}

fn escaped(id: &str) -> String {
    let mut text = String::new();
    for byte in id.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A server that answers some paths, and all others with "not found".
    fn serve(answers: Vec<(&'static str, u16, String)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/api", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut first = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                reader.read_line(&mut first).unwrap();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = answers.iter().find(|(wanted, _, _)| *wanted == path);
                let (status, body) =
                    found.map_or((404, "{}"), |(_, status, body)| (*status, body.as_str()));
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        address
    }

    fn page(number: u8, pages: u8, ids: &[&str]) -> String {
        let contents: Vec<Value> = ids
            .iter()
            .map(|id| serde_json::json!({"id": id, "name": "short", "organization": {"id": "o", "name": "Acorn"}}))
            .collect();
        serde_json::json!({"page_number": number, "total_pages": pages, "contents": contents})
            .to_string()
    }

    #[tokio::test]
    async fn all_pages_are_read_and_each_service_in_full() {
        let full = serde_json::json!({"id": "1", "name": "Full", "phones": [{"id": "p", "number": "1"}],
            "organization": {"id": "o", "name": "Acorn", "website": "https://a.example"}});
        let address = serve(vec![
            (
                "/api/services?page=1&per_page=100",
                200,
                page(1, 2, &["1", "2"]),
            ),
            (
                "/api/services?page=2&per_page=100",
                200,
                page(2, 2, &["a/b"]),
            ),
            ("/api/services/1", 200, full.to_string()),
        ]);
        let source = fetch(&format!("{address}/"), &|_| {}).await.unwrap();
        assert_eq!(source.organizations.len(), 1);
        assert_eq!(source.organizations[0]["website"], "https://a.example");
        let names: Vec<&Value> = source
            .services
            .iter()
            .map(|found| &found.service["name"])
            .collect();
        assert_eq!(names, ["Full", "short"]);
        // The second is not to be had in full, and the third has an id that would lead elsewhere.
        assert!(source.notes[0].contains("404"), "{:?}", source.notes);
        assert_eq!(source.left_out[0].row, 3);
    }

    #[tokio::test]
    async fn what_is_no_feed_is_refused_with_the_reason() {
        let old = serde_json::json!({"content": [], "totalPages": 1}).to_string();
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (status, body, word) in [
            (200, old, "Open Referral UK 1"),
            (200, "{\"a\": 1}".to_owned(), "page of services"),
            (200, "<html>".to_owned(), "not JSON"),
            (200, deep, "nested"),
            (500, "{}".to_owned(), "500"),
        ] {
            let address = serve(vec![(
                "/api/services?page=1&per_page=100&tag=x",
                status,
                body,
            )]);
            let error = fetch(&format!("{address}/services?page=7&tag=x"), &|_| {})
                .await
                .unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(fetch("http://127.0.0.1:1/", &|_| {}).await.is_err());
    }
}
