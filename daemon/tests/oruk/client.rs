//! A plain client.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) type Answer = (u16, BTreeMap<String, String>, String);

/// Where the interface is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// A body that came in pieces, put together.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

impl Client {
    pub(crate) async fn send(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        let more: String = more
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{more}\r\n",
            self.0
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let body = &bytes[end + 4..];
        let body = match headers.get("transfer-encoding").map(String::as_str) {
            Some("chunked") => joined(body),
            _ => body.to_vec(),
        };
        (status, headers, String::from_utf8(body).unwrap())
    }

    pub(crate) async fn get(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        self.send("GET", path, more).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path, &[]).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// All pages of a list, each checked against the others.
    pub(crate) async fn pages(&self, path: &str, per_page: usize) -> Vec<Value> {
        let mut pages: Vec<Value> = Vec::new();
        loop {
            let and = if path.contains('?') { '&' } else { '?' };
            let number = pages.len() + 1;
            let page = self
                .json(&format!("{path}{and}page={number}&per_page={per_page}"))
                .await;
            let size = page["contents"].as_array().unwrap().len();
            assert_eq!(
                (page["size"].as_u64(), page["page_number"].as_u64()),
                (Some(size as u64), Some(number as u64))
            );
            assert_eq!(page["first_page"], number == 1);
            assert_eq!(page["empty"], size == 0);
            let is_last = page["last_page"].as_bool().unwrap();
            assert!(is_last || size == per_page);
            pages.push(page);
            if is_last {
                let all: usize = pages
                    .iter()
                    .map(|it| it["contents"].as_array().unwrap().len())
                    .sum();
                assert!(pages.iter().all(|it| it["total_items"] == all), "{path}");
                return pages;
            }
        }
    }

    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let pages = self.pages(path, 500).await.into_iter();
        pages
            .flat_map(|it| it["contents"].as_array().unwrap().clone())
            .collect()
    }

    pub(crate) async fn lines(&self, path: &str) -> Vec<Value> {
        let (status, headers, body) = self.get(path, &[]).await;
        assert_eq!(
            (status, headers["content-type"].as_str()),
            (200, "application/x-ndjson")
        );
        body.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
