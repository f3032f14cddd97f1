//! The routes of the board, and of keeping entries right.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use fingerpost_proto::api::{
    AddSeat, Assure, Calendar, Digest, Due, Edited, History, MapView, Matches, NoticeContent,
    NoticeDetail, Notices, PostReply, PostReport, Posted, RemoveSeat, Seats, Sign, Twins,
    TwinsWhere,
};
use fingerpost_proto::ids::OrgId;
use serde::Deserialize;

use super::super::Who;
use super::{Answer, NodeState, OrgParam, blocking, body};
use crate::node::{By, Node, NodeError, WantedNotices};

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/notices", get(notices).post(post_notice))
        .route("/v1/notices/{id}", get(notice).patch(change_notice))
        .route("/v1/notices/{id}/close", post(close_notice))
        .route("/v1/notices/{id}/replies", post(reply))
        .route("/v1/notices/{id}/sign", post(sign))
        .route("/v1/board/history", get(history))
        .route("/v1/board/undo", post(undo))
        .route("/v1/assure", post(assure))
        .route("/v1/due", get(due))
        .route("/v1/reports", post(report))
        .route("/v1/matches", get(matches))
        .route("/v1/twins", get(twins))
        .route("/v1/seats", get(seats).post(add_seat))
        .route("/v1/seats/remove", post(remove_seat))
        .route("/v1/map", get(map))
        .route("/v1/digest", get(digest))
        .route("/v1/calendar", get(calendar))
}

#[derive(Deserialize)]
struct NoticesParams {
    org: Option<String>,
    kind: Option<String>,
    area: Option<String>,
    #[serde(default)]
    mine: bool,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct DueParams {
    org: Option<String>,
    days: Option<u32>,
}

#[derive(Deserialize)]
struct TwinsParams {
    org: Option<String>,
    #[serde(default, rename = "where")]
    place: TwinsWhere,
}

#[derive(Deserialize)]
struct MapParams {
    #[serde(default)]
    peers: bool,
}

/// How many days a digest covers, unless it is said.
const DIGEST_DAYS: u32 = 7;

#[derive(Deserialize)]
struct DigestParams {
    org: Option<String>,
    days: Option<u32>,
    #[serde(default)]
    mine: bool,
}

/// Runs an edit in the name of the organisation that is named, or of the only one.
async fn edit<T: Send + 'static>(
    node: Arc<Node>,
    params: OrgParam,
    who: String,
    work: impl FnOnce(&Node, &OrgId, &By) -> Result<T, NodeError> + Send + 'static,
) -> Answer<T> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        work(node, &org, &By::user(who)?)
    })
    .await
}

async fn notices(State(node): NodeState, Query(params): Query<NoticesParams>) -> Answer<Notices> {
    blocking(node, move |node| {
        let wanted = WantedNotices {
            kind: params.kind,
            area: params.area,
            mine: params.mine,
            all: params.all,
        };
        node.notices(params.org.as_deref(), &wanted)
    })
    .await
}

async fn notice(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
) -> Answer<NoticeDetail> {
    blocking(node, move |node| node.notice(params.org.as_deref(), &id)).await
}

async fn post_notice(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Posted> {
    let content: NoticeContent = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.post_notice(org, &content, by)
    })
    .await
}

async fn change_notice(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Posted> {
    let content: NoticeContent = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.change_notice(org, &id, &content, by)
    })
    .await
}

async fn close_notice(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
) -> Answer<Posted> {
    edit(node, params, who, move |node, org, by| {
        node.close_notice(org, &id, by)
    })
    .await
}

async fn reply(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Posted> {
    let request: PostReply = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.reply(org, &id, &request, by)
    })
    .await
}

async fn sign(
    State(node): NodeState,
    Path(id): Path<String>,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Posted> {
    let request: Sign = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.sign(org, &id, &request, by)
    })
    .await
}

async fn history(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<History> {
    blocking(node, move |node| {
        node.board_history(&node.own_org(params.org.as_deref())?)
    })
    .await
}

async fn undo(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
) -> Answer<Posted> {
    edit(node, params, who, Node::undo_board).await
}

async fn assure(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Edited> {
    let request: Assure = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.assure(org, &request, by)
    })
    .await
}

async fn due(State(node): NodeState, Query(params): Query<DueParams>) -> Answer<Due> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.due(&org, params.days)
    })
    .await
}

async fn report(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Posted> {
    let request: PostReport = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.report(org, &request, by)
    })
    .await
}

async fn matches(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<Matches> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.matches(&org)
    })
    .await
}

async fn twins(State(node): NodeState, Query(params): Query<TwinsParams>) -> Answer<Twins> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.twins(&org, params.place)
    })
    .await
}

async fn seats(State(node): NodeState, Query(params): Query<OrgParam>) -> Answer<Seats> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.seats(&org)
    })
    .await
}

async fn add_seat(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Seats> {
    let request: AddSeat = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.add_seat(org, &request, by)
    })
    .await
}

async fn remove_seat(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<Seats> {
    let request: RemoveSeat = body(&bytes)?;
    edit(node, params, who, move |node, org, by| {
        node.remove_seat(org, &request, by)
    })
    .await
}

async fn map(State(node): NodeState, Query(params): Query<MapParams>) -> Answer<MapView> {
    blocking(node, move |node| node.map(params.peers)).await
}

async fn digest(State(node): NodeState, Query(params): Query<DigestParams>) -> Answer<Digest> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.digest(&org, params.days.unwrap_or(DIGEST_DAYS), params.mine)
    })
    .await
}

async fn calendar(State(node): NodeState, Query(params): Query<DigestParams>) -> Answer<Calendar> {
    blocking(node, move |node| {
        node.calendar(params.org.as_deref(), params.mine)
    })
    .await
}
