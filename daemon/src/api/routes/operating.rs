//! The routes for whoever looks after a node: backups, erasing for good, and checks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fingerpost_proto::api::{
    AddPeer, AddedPeer, BackupContents, BackupFile, Checkup, Erase, Erased, MakeBackup, Peers,
    Ping, Pinged, RestoredBackup, UseBackup,
};

use super::super::{ApiFailure, Who};
use super::{Answer, NodeState, OrgParam, blocking, body};
use crate::backup::FILE_MAX_BYTES;
use crate::node::{By, Node};

/// Room for a backup as JSON, in which every line of its armour ends with two characters instead of one.
const BACKUP_BODY_MAX_BYTES: usize = FILE_MAX_BYTES + FILE_MAX_BYTES / 32;

pub(super) fn routes() -> Router<Arc<Node>> {
    let files = Router::new()
        .route("/v1/backup/check", post(check_backup))
        .route("/v1/backup/restore", post(restore_backup))
        .layer(DefaultBodyLimit::max(BACKUP_BODY_MAX_BYTES));
    Router::new()
        .route("/v1/backup", post(backup))
        .route("/v1/erase", post(erase))
        .route("/v1/doctor", get(doctor))
        .route("/v1/peers", get(peers).post(add_peer))
        .route("/v1/ping", post(ping))
        .route("/metrics", get(metrics))
        .merge(files)
}

async fn backup(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    bytes: Bytes,
) -> Answer<BackupFile> {
    let request: MakeBackup = body(&bytes)?;
    blocking(node, move |node| {
        node.backup(params.org.as_deref(), request)
    })
    .await
}

async fn check_backup(State(node): NodeState, bytes: Bytes) -> Answer<BackupContents> {
    let request: UseBackup = body(&bytes)?;
    Ok(Json(node.check_backup(request).await?))
}

async fn restore_backup(State(node): NodeState, bytes: Bytes) -> Answer<RestoredBackup> {
    let request: UseBackup = body(&bytes)?;
    Ok(Json(node.restore_backup(request).await?))
}

async fn erase(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Erased> {
    let request: Erase = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.erase(&org, &request, &By::user(who)?)
    })
    .await
}

async fn doctor(State(node): NodeState) -> Answer<Checkup> {
    blocking(node, |node| Ok(node.checkup())).await
}

async fn peers(State(node): NodeState) -> Answer<Peers> {
    blocking(node, Node::peers).await
}

async fn add_peer(State(node): NodeState, bytes: Bytes) -> Answer<AddedPeer> {
    let request: AddPeer = body(&bytes)?;
    Ok(Json(node.add_peer(&request).await?))
}

async fn ping(State(node): NodeState, bytes: Bytes) -> Answer<Pinged> {
    let request: Ping = body(&bytes)?;
    Ok(Json(node.ping(&request).await?))
}

/// What Prometheus asks for.
const FIGURES_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures; also served where the settings name a port.
pub(in super::super) async fn metrics(State(node): NodeState) -> Result<Response, ApiFailure> {
    let Json(text) = blocking(node, Node::figures).await?;
    Ok(([(CONTENT_TYPE, FIGURES_TYPE)], text).into_response())
}
