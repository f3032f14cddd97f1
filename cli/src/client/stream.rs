//! Bodies that are too large for memory: an answer read part by part, and a request sent so.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{Client, HOST_NAME, Target, collect, failure, read};
use crate::error::CliError;

/// A body that comes in parts.
struct Parts {
    parts: mpsc::Receiver<Bytes>,
    /// How many were handed on.
    taken: Arc<AtomicU64>,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.poll_recv(cx);
        if part.is_ready() {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
        part.map(|part| part.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Client {
    /// `GET`; each part of the answer is handed to `take` as it comes. The time limit is that of a silence.
    ///
    /// # Errors
    /// As [`Client::get`]; and whatever `take` answers.
    pub(crate) async fn get_parts(
        &self,
        target: &Target,
        mut take: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut sender = self.open::<Empty<Bytes>>().await?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(&target.0)
            .header(HOST, HOST_NAME)
            .body(Empty::new())
            .map_err(|error| CliError::Answer(error.to_string()))?;
        let response = tokio::time::timeout(self.timeout, sender.send_request(request)).await;
        let response = response.map_err(|_| self.timed_out())?;
        let mut response = response.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(failure(status, &collect(response).await?));
        }
        loop {
            let next = tokio::time::timeout(self.timeout, response.body_mut().frame()).await;
            let Some(frame) = next.map_err(|_| self.timed_out())? else {
                return Ok(());
            };
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(part) = frame.data_ref() {
                take(part)?;
            }
        }
    }

    /// `POST` of a body of this content type that comes in parts. The time limit is that of a silence.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post_parts<T: DeserializeOwned>(
        &self,
        target: &Target,
        content_type: &str,
        parts: mpsc::Receiver<Bytes>,
    ) -> Result<T, CliError> {
        let mut sender = self.open::<Parts>().await?;
        let taken = Arc::new(AtomicU64::new(0));
        let request = Request::builder()
            .method(Method::POST)
            .uri(&target.0)
            .header(HOST, HOST_NAME)
            .header(CONTENT_TYPE, content_type)
            .body(Parts {
                parts,
                taken: Arc::clone(&taken),
            })
            .map_err(|error| CliError::Answer(error.to_string()))?;
        let exchange = async {
            let response = sender.send_request(request).await;
            read(response.map_err(|error| self.broken(&error))?).await
        };
        tokio::select! {
            answer = exchange => answer,
            () = self.silent(&taken) => Err(self.timed_out()),
        }
    }

    /// Waits until nothing was taken for as long as a request may take.
    async fn silent(&self, taken: &AtomicU64) {
        let mut before = None;
        loop {
            let now = taken.load(Ordering::Relaxed);
            if before.replace(now) == Some(now) {
                return;
            }
            tokio::time::sleep(self.timeout).await;
        }
    }
}
