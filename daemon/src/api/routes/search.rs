//! Searching the merged view, and explaining terms.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use fingerpost_proto::api::{SearchPage, SearchRequest};
use fingerpost_proto::vocabulary::Explanation;
use serde::Deserialize;

use super::{Answer, NodeState, blocking};
use crate::node::Node;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/search", get(search))
        .route("/v1/explain", get(explain))
}

#[derive(Deserialize)]
struct ExplainParams {
    term: String,
}

async fn search(
    State(node): NodeState,
    Query(request): Query<SearchRequest>,
) -> Answer<SearchPage> {
    blocking(node, move |node| node.find(&request)).await
}

async fn explain(
    State(node): NodeState,
    Query(params): Query<ExplainParams>,
) -> Answer<Explanation> {
    blocking(node, move |node| node.explain(&params.term)).await
}
