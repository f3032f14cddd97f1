//! The routes for taking the merged view out, and for what in it is probably there twice.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use fingerpost_proto::api::{Duplicates, ExportPage};
use serde::Deserialize;

use super::{Answer, NodeState, OrgParam, blocking};
use crate::node::{Node, Wanted};

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/export", get(export))
        .route("/v1/duplicates", get(duplicates))
}

#[derive(Deserialize)]
struct ExportParams {
    text: Option<String>,
    organisation: Option<String>,
    area: Option<String>,
    #[serde(default)]
    offset: usize,
}

async fn export(State(node): NodeState, Query(params): Query<ExportParams>) -> Answer<ExportPage> {
    let wanted = Wanted {
        text: params.text,
        organisation: params.organisation,
        area: params.area,
    };
    blocking(node, move |node| node.export(&wanted, params.offset)).await
}

async fn duplicates(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<Duplicates> {
    blocking(node, move |node| node.duplicates(params.org.as_deref())).await
}
