//! What siblings disagree about.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use fingerpost_proto::api::{Conflicts, Edited, Resolve};

use super::{Answer, NodeState, OrgParam, blocking, body};
use crate::api::Who;
use crate::node::{By, Node};

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/conflicts", get(conflicts))
        .route("/v1/conflicts/resolve", post(resolve))
}

async fn conflicts(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<Conflicts> {
    blocking(node, move |node| {
        node.conflicts(&node.own_org(params.org.as_deref())?)
    })
    .await
}

async fn resolve(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Edited> {
    let request: Resolve = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.resolve(&org, &request, &By::user(who)?)
    })
    .await
}
