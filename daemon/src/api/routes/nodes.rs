//! The routes of keys, of an organisation's nodes, and of organisations that move or come back.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use fingerpost_proto::api::{
    AddNode, ExportKey, HandOver, ImportKey, KeyFile, KeyWords, Nodes, OrgInfo, Pass, Rekey,
    Rekeyed, Restore, Restored, RevokeNode, Revoked, UseOrg, UsePass,
};

use super::{Answer, NodeState, OrgParam, blocking, body};
use crate::api::Who;
use crate::node::{By, Node};

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/orgs/use", post(use_org))
        .route("/v1/orgs/hand-over", post(hand_over))
        .route("/v1/orgs/rekey", post(rekey))
        .route("/v1/nodes", get(nodes).post(add_node))
        .route("/v1/nodes/join", post(use_pass))
        .route("/v1/nodes/revoke", post(revoke_node))
        .route("/v1/keys/export", post(export_key))
        .route("/v1/keys/words", post(key_words))
        .route("/v1/keys/import", post(import_key))
        .route("/v1/restore", post(restore))
}

async fn use_org(State(node): NodeState, bytes: Bytes) -> Answer<OrgInfo> {
    let request: UseOrg = body(&bytes)?;
    blocking(node, move |node| node.use_org(&request.org)).await
}

async fn hand_over(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Pass> {
    let request: HandOver = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.hand_over(&org, &request, &By::user(who)?)
    })
    .await
}

async fn rekey(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Rekeyed> {
    let request: Rekey = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.rekey(&org, &request, &By::user(who)?)
    })
    .await
}

async fn nodes(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<Nodes> {
    blocking(node, move |node| {
        node.nodes(&node.own_org(params.org.as_deref())?)
    })
    .await
}

async fn add_node(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Pass> {
    let request: AddNode = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.add_node(&org, &request, &By::user(who)?)
    })
    .await
}

async fn use_pass(State(node): NodeState, bytes: Bytes) -> Answer<OrgInfo> {
    let request: UsePass = body(&bytes)?;
    Ok(Json(node.use_pass(&request.pass).await?))
}

async fn revoke_node(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Revoked> {
    let request: RevokeNode = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.revoke_node(&org, &request, &By::user(who)?)
    })
    .await
}

async fn export_key(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    bytes: Bytes,
) -> Answer<KeyFile> {
    let request: ExportKey = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.export_key(&org, request)
    })
    .await
}

async fn key_words(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<KeyWords> {
    blocking(node, move |node| {
        node.key_words(&node.own_org(params.org.as_deref())?)
    })
    .await
}

async fn import_key(State(node): NodeState, bytes: Bytes) -> Answer<OrgInfo> {
    let request: ImportKey = body(&bytes)?;
    blocking(node, move |node| node.import_key(request.key)).await
}

async fn restore(State(node): NodeState, bytes: Bytes) -> Answer<Restored> {
    let request: Restore = body(&bytes)?;
    Ok(Json(node.restore(request).await?))
}
