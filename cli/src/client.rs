//! The daemon's local API: HTTP/1 and JSON over the Unix socket of a home.

mod stream;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use fingerpost_config::Home;
use fingerpost_proto::api::{ApiError, ErrorCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::error::CliError;

/// How long one request may take, in seconds. An import of the largest file needs some of it.
pub(crate) const REQUEST_TIMEOUT_S: u64 = 120;

/// Largest answer that is read, in bytes: the largest listing, indented, fits several times.
const ANSWER_MAX_BYTES: usize = 256 * 1024 * 1024;

/// The daemon answers to this name only: a page in a browser could not use it.
const HOST_NAME: &str = "fingerpost";

/// Speaks with the daemon of one home.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    home: Home,
    timeout: Duration,
}

/// One connection, for many requests in a row.
pub(crate) struct Connection {
    client: Client,
    sender: SendRequest<Full<Bytes>>,
}

/// A path below `/v1` with its query.
#[derive(Debug, Clone)]
pub(crate) struct Target(String);

impl Target {
    /// The path made of `parts`, each of them escaped.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut path = String::from("/v1");
        for part in parts {
            path.push('/');
            escape(part, &mut path);
        }
        Self(path)
    }

    /// Adds a part of the query, if there is a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            escape(value.as_ref(), &mut self.0);
        }
        self
    }
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

impl Client {
    /// A client for the daemon of `home`. Connects to nothing yet.
    pub(crate) fn new(home: Home) -> Self {
        Self {
            home,
            timeout: Duration::from_secs(REQUEST_TIMEOUT_S),
        }
    }

    /// The same with another time limit for each request.
    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The directory of the node.
    pub(crate) fn home_dir(&self) -> PathBuf {
        self.home.dir().to_owned()
    }

    /// `GET`.
    ///
    /// # Errors
    /// Any [`CliError`] of the daemon or on the way to it.
    pub(crate) async fn get<T: DeserializeOwned>(&self, target: &Target) -> Result<T, CliError> {
        self.connect().await?.get(target).await
    }

    /// `POST` with a body in JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        target: &Target,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.connect()
            .await?
            .send(Method::POST, target, encode(body)?)
            .await
    }

    /// `POST` with a body as it is.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        target: &Target,
        body: Vec<u8>,
    ) -> Result<T, CliError> {
        self.connect()
            .await?
            .send(Method::POST, target, Bytes::from(body))
            .await
    }

    /// `PATCH` with a body in JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        target: &Target,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.connect()
            .await?
            .send(Method::PATCH, target, encode(body)?)
            .await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn delete<T: DeserializeOwned>(&self, target: &Target) -> Result<T, CliError> {
        self.connect()
            .await?
            .send(Method::DELETE, target, Bytes::new())
            .await
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`CliError::NoDaemon`] when nothing listens, [`CliError::Home`], [`CliError::Timeout`].
    pub(crate) async fn connect(&self) -> Result<Connection, CliError> {
        Ok(Connection {
            client: self.clone(),
            sender: self.open().await?,
        })
    }

    /// A connection for requests with bodies of one kind.
    async fn open<B>(&self) -> Result<SendRequest<B>, CliError>
    where
        B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        let socket = self.home.socket()?;
        let connecting = async {
            let stream =
                UnixStream::connect(&socket)
                    .await
                    .map_err(|source| match source.kind() {
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused => self.no_daemon(),
                        _ => CliError::File {
                            what: socket.display().to_string(),
                            source,
                        },
                    })?;
            handshake(TokioIo::new(stream))
                .await
                .map_err(|error| self.broken(&error))
        };
        let (sender, connection) = tokio::time::timeout(self.timeout, connecting)
            .await
            .map_err(|_| self.timed_out())??;
        // It ends when the sender is dropped; its errors reach the request that is under way.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn no_daemon(&self) -> CliError {
        CliError::NoDaemon {
            home: self.home_dir(),
        }
    }

    fn timed_out(&self) -> CliError {
        CliError::Timeout {
            seconds: self.timeout.as_secs(),
        }
    }

    fn broken(&self, error: &hyper::Error) -> CliError {
        CliError::Answer(format!("the connection ended early ({error})"))
    }
}

impl Connection {
    /// `GET`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        target: &Target,
    ) -> Result<T, CliError> {
        self.send(Method::GET, target, Bytes::new()).await
    }

    async fn send<T: DeserializeOwned>(
        &mut self,
        method: Method,
        target: &Target,
        body: Bytes,
    ) -> Result<T, CliError> {
        let request = Request::builder()
            .method(method)
            .uri(&target.0)
            .header(HOST, HOST_NAME)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| CliError::Answer(error.to_string()))?;
        let exchange = async {
            self.sender
                .ready()
                .await
                .map_err(|error| self.client.broken(&error))?;
            let response = self.sender.send_request(request).await;
            read(response.map_err(|error| self.client.broken(&error))?).await
        };
        tokio::time::timeout(self.client.timeout, exchange)
            .await
            .map_err(|_| self.client.timed_out())?
    }
}

fn encode(body: &impl Serialize) -> Result<Bytes, CliError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| CliError::Answer(format!("the request cannot be written: {error}")))
}

/// Reads an answer whole.
async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, CliError> {
    let status = response.status();
    let body = collect(response).await?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| CliError::Answer(format!("it is not what was expected ({error})")));
    }
    Err(failure(status, &body))
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, CliError> {
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES)
        .collect()
        .await;
    let body = body.map_err(|error| {
        CliError::Answer(match error.downcast_ref::<LengthLimitError>() {
            Some(_) => format!("it is larger than {ANSWER_MAX_BYTES} bytes"),
            None => format!("it ended early ({error})"),
        })
    })?;
    Ok(body.to_bytes())
}

/// What a daemon says that did not do it.
fn failure(status: StatusCode, body: &[u8]) -> CliError {
    CliError::Api(serde_json::from_slice(body).unwrap_or_else(|_| ApiError {
        code: ErrorCode::Internal,
        message: format!("The daemon answered {status} without saying why."),
        hint: Some("Look at the daemon's log.".to_owned()),
    }))
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

    #[test]
    fn paths_and_queries_are_escaped() {
        let target = Target::new(&["entries", "a/b?c"])
            .with("text", Some("crèche & more"))
            .with("limit", None::<&str>)
            .with("org", Some("x=y"));
        assert_eq!(
            target.0,
            "/v1/entries/a%2Fb%3Fc?text=cr%C3%A8che%20%26%20more&org=x%3Dy"
        );
    }
}
