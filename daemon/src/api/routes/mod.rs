//! The routes: each reads its input, calls the node, and answers in JSON.

mod board;
mod bundles;
mod conflicts;
mod exchange;
mod membership;
mod nodes;
pub(super) mod operating;
mod search;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use fingerpost_proto::api::{
    CreateOrg, Delivered, Edited, EntryView, Fields, History, ListingView, OrgInfo, Organisations,
    Records, Status,
};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ApiFailure, Who};
use crate::node::{By, Importing, Node, NodeError};

pub(super) type Answer<T> = Result<Json<T>, ApiFailure>;
pub(super) type NodeState = State<Arc<Node>>;

/// Room for a listing file, and as much for records in base64.
const BODY_MAX_BYTES: usize = limits::IMPORT_MAX_BYTES + 1024;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/orgs", get(orgs).post(create_org))
        .route("/v1/listing", get(listing))
        .route("/v1/listing/import", post(import))
        .route("/v1/listing/history", get(history))
        .route("/v1/listing/undo", post(undo))
        .route("/v1/services", post(add_service))
        .route(
            "/v1/services/{id}",
            patch(set_service).delete(remove_service),
        )
        .route("/v1/entries/{id}", get(entry))
        .route("/v1/records", get(export_records).post(import_records))
        .merge(board::routes())
        .merge(nodes::routes())
        .merge(membership::routes())
        .merge(conflicts::routes())
        .merge(exchange::routes())
        .merge(search::routes())
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .merge(operating::routes())
        .merge(bundles::routes())
}

async fn unknown() -> ApiFailure {
    NodeError::not_found(
        "this daemon knows no such request",
        "the command and the daemon may be of different versions: install the same for both",
    )
    .into()
}

#[derive(Deserialize)]
pub(super) struct OrgParam {
    pub(super) org: Option<String>,
}

#[derive(Deserialize)]
struct ImportParams {
    org: Option<String>,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct RecordParams {
    org: String,
    document: Option<String>,
}

pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, NodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        NodeError::bad_input(
            format!("the request cannot be read: {error}; nothing was changed"),
            "the command and the daemon may be of different versions: install the same for both",
        )
    })
}

/// Runs work that blocks on the disk away from the tasks that serve the network.
pub(super) async fn blocking<T: Send + 'static>(
    node: Arc<Node>,
    work: impl FnOnce(&Node) -> Result<T, NodeError> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(move || work(&node)).await;
    Ok(Json(done.map_err(NodeError::internal)??))
}

async fn status(State(node): NodeState) -> Answer<Status> {
    blocking(node, Node::status).await
}

async fn orgs(State(node): NodeState) -> Answer<Organisations> {
    blocking(node, |node| {
        Ok(Organisations {
            organisations: node.orgs()?,
        })
    })
    .await
}

async fn create_org(State(node): NodeState, Who(who): Who, bytes: Bytes) -> Answer<OrgInfo> {
    let request: CreateOrg = body(&bytes)?;
    blocking(node, move |node| node.create_org(&request, &By::user(who)?)).await
}

async fn listing(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<ListingView> {
    blocking(node, move |node| node.listing(params.org.as_deref())).await
}

async fn import(
    State(node): NodeState,
    Query(params): Query<ImportParams>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Edited> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        let how = Importing {
            replace: params.replace,
            dry_run: params.dry_run,
        };
        node.import(&org, &bytes, how, &By::user(who)?)
    })
    .await
}

/// Runs an edit of the listing of the organisation that is named, or of the only one.
async fn edit(
    node: Arc<Node>,
    params: OrgParam,
    who: String,
    work: impl FnOnce(&Node, &OrgId, &By) -> Result<Edited, NodeError> + Send + 'static,
) -> Answer<Edited> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        work(node, &org, &By::user(who)?)
    })
    .await
}

async fn history(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<History> {
    blocking(node, move |node| {
        node.history(&node.own_org(params.org.as_deref())?)
    })
    .await
}

async fn undo(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
) -> Answer<Edited> {
    edit(node, params, who, |node, org, by| node.undo(org, by)).await
}

async fn add_service(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Edited> {
    let fields: Fields = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.add_service(org, &fields, by)
    })
    .await
}

async fn set_service(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Edited> {
    let fields: Fields = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.set_service(org, &id, &fields, by)
    })
    .await
}

async fn remove_service(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
) -> Answer<Edited> {
    edit(node, params, who, move |node, org, by| {
        node.remove_service(org, &id, by)
    })
    .await
}

async fn entry(State(node): NodeState, Path(id): Path<String>) -> Answer<EntryView> {
    blocking(node, move |node| node.entry(&id)).await
}

async fn export_records(
    State(node): NodeState,
    Query(params): Query<RecordParams>,
) -> Answer<Records> {
    blocking(node, move |node| {
        node.export_records(&params.org, params.document.as_deref())
    })
    .await
}

async fn import_records(State(node): NodeState, bytes: Bytes) -> Answer<Delivered> {
    let records: Records = body(&bytes)?;
    blocking(node, move |node| node.import_records(&records)).await
}
