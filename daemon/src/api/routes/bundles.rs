//! The routes for bundles, the only bodies that are streams: a national directory would not fit into memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fingerpost_proto::api::{BUNDLE_TYPE, ImportedBundle};
use fingerpost_proto::limits;
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::super::ApiFailure;
use super::{Answer, NodeState};
use crate::node::{BundleOut, Node, NodeError};

/// Most parts of a bundle that wait for the other side.
const PARTS_MAX: usize = 4;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new().route("/v1/bundle", get(export).post(import))
}

#[derive(Deserialize)]
struct BundleParams {
    network: Option<String>,
    since_s: Option<u64>,
}

async fn export(
    State(node): NodeState,
    Query(params): Query<BundleParams>,
) -> Result<Response, ApiFailure> {
    let begin = move || node.bundle(params.network.as_deref(), params.since_s);
    let bundle = tokio::task::spawn_blocking(begin).await;
    let bundle = bundle.map_err(NodeError::internal)??;
    let (sender, receiver) = mpsc::channel(PARTS_MAX);
    tokio::task::spawn_blocking(move || write_parts(bundle, &sender));
    let parts = futures::stream::unfold(receiver, |mut receiver| async {
        let part = receiver.recv().await?;
        Some((part, receiver))
    });
    Ok(([(CONTENT_TYPE, BUNDLE_TYPE)], Body::from_stream(parts)).into_response())
}

/// Hands parts out until the bundle ends, or whoever asked has gone.
fn write_parts(mut bundle: BundleOut, sender: &mpsc::Sender<Result<Bytes, std::io::Error>>) {
    loop {
        let part = match bundle.next_part() {
            Ok(Some(part)) => Ok(Bytes::from(part)),
            Ok(None) => return,
            Err(error) => {
                tracing::error!("a bundle could not be written to its end: {error}");
                Err(std::io::Error::other(error.to_string()))
            }
        };
        let is_last = part.is_err();
        if sender.blocking_send(part).is_err() || is_last {
            return;
        }
    }
}

async fn import(State(node): NodeState, body: Body) -> Answer<ImportedBundle> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PARTS_MAX);
    let taking = tokio::task::spawn_blocking(move || {
        node.import_bundle(std::iter::from_fn(|| receiver.blocking_recv()))
    });
    let mut parts = body.into_data_stream();
    let idle = Duration::from_millis(limits::SESSION_IDLE_MS);
    // A sender that has gone, or is silent for too long, ends the bundle where it is; what came is kept.
    while let Ok(Some(Ok(part))) = tokio::time::timeout(idle, parts.next()).await {
        if sender.send(part).await.is_err() {
            break;
        }
    }
    drop(sender);
    Ok(Json(taking.await.map_err(NodeError::internal)??))
}
