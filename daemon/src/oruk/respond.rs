//! Answers, and what stands in their heads.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fingerpost_proto::record::Hash;
use futures::stream;
use serde_json::{Value, json};

use super::view::{Found, Reader};
use crate::node::Node;

/// Entries between two looks at the catalogue while all of them are sent.
const STREAM_CHUNK: usize = 200;
/// Chunks that may wait for a slow reader.
const STREAM_AHEAD: usize = 4;

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a public request failed: {error}");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "this node could not read its directory just now; try again in a moment"
                .to_owned(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"message": self.message}))).into_response()
    }
}

/// The answer with its mark, or nothing but the mark where the reader has it already.
pub(super) fn answer(asked: &HeaderMap, value: &Value) -> Response {
    let body = value.to_string();
    let Hash(hash) = Hash::of(body.as_bytes());
    let mark = format!("\"{}\"", data_encoding::HEXLOWER.encode(&hash[..16]));
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|it| it.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known
            .split(',')
            .map(|it| it.trim().trim_start_matches("W/"))
            .any(|it| it == mark || it == "*")
    });
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(
        HeaderValue::from_str(&mark)
            .ok()
            .map(|mark| (header::ETAG, mark)),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Everything that was found, one entry a line, as fast as it is read.
pub(super) fn stream(
    node: Arc<Node>,
    found: Vec<Found>,
    show: impl Fn(&mut Reader<'_>, &Found) -> Option<Value> + Send + 'static,
) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(STREAM_AHEAD);
    tokio::task::spawn_blocking(move || {
        for chunk in found.chunks(STREAM_CHUNK) {
            let lines = node.with_catalogue(|catalogue| {
                let mut reader = Reader::new(&node, catalogue);
                let shown = chunk.iter().filter_map(|one| show(&mut reader, one));
                shown.map(|it| format!("{it}\n")).collect::<String>()
            });
            // The reader has gone.
            if sender.blocking_send(lines.into()).is_err() {
                return;
            }
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(chunks)).into_response()
}

/// Pages in browsers may read everything, and nobody may do more than read.
pub(super) async fn for_everybody(request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Method::GET | Method::HEAD => next.run(request).await,
        _ => Failure {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: "this interface is for reading; listings are changed on their organisation's own node"
                .to_owned(),
        }
        .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "if-none-match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "etag, retry-after"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
