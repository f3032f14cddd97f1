//! Networks: charters, tickets, vouches, objections, leaving and what comes after an organisation.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use fingerpost_proto::api::{
    Accept, Away, Block, Blocks, CancelInvitation, CharterStatus, CharterView, Claim, Close,
    Closing, Follow, Following, Found, InvitationInfo, Invitations, Invite, Invited, Leave, Left,
    Members, Merge, NetworkInfo, Object, Pauses, Proposal, Propose, Said, SignSuccession,
    SuccessionInfo, Successions, UseTicket, VouchFor, Waiting, Withdraw,
};
use fingerpost_proto::ids::OrgId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Answer, NodeState, OrgParam, blocking, body};
use crate::api::Who;
use crate::node::{By, Node, NodeError};

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/networks", post(found))
        .route("/v1/networks/preview", post(preview))
        .route("/v1/networks/join", post(join))
        .route("/v1/networks/leave", post(leave))
        .route("/v1/charter", get(charter))
        .route("/v1/charter/propose", post(propose))
        .route("/v1/charter/accept", post(accept))
        .route("/v1/invitations", get(invitations).post(invite))
        .route("/v1/invitations/cancel", post(cancel))
        .route("/v1/members", get(members))
        .route("/v1/waiting", get(waiting))
        .route("/v1/vouches", post(vouch))
        .route("/v1/objections", post(object))
        .route("/v1/objections/withdraw", post(withdraw))
        .route("/v1/blocks", get(blocks).post(block))
        .route("/v1/follow", get(following).post(follow))
        .route("/v1/away", post(away))
        .route("/v1/close", post(close))
        .route("/v1/succession", get(successions))
        .route("/v1/succession/merge", post(merge))
        .route("/v1/succession/propose", post(claim))
        .route("/v1/succession/sign", post(sign))
}

#[derive(Deserialize)]
struct NetworkParam {
    network: Option<String>,
}

#[derive(Deserialize)]
struct InvitationParams {
    org: Option<String>,
    network: Option<String>,
}

/// Runs what an own organisation says: the one that is named, the chosen one, or the only one.
async fn say<R, T>(
    node: Arc<Node>,
    params: OrgParam,
    who: String,
    bytes: Bytes,
    work: impl FnOnce(&Node, &OrgId, &R, &By) -> Result<T, NodeError> + Send + 'static,
) -> Answer<T>
where
    R: DeserializeOwned + Send + 'static,
    T: Send + 'static,
{
    let request: R = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        work(node, &org, &request, &By::user(who)?)
    })
    .await
}

/// Routes that only hand on what an own organisation says.
macro_rules! say {
    ($($name:ident: $request:ty => $answer:ty, $method:ident;)*) => {$(
        async fn $name(
            State(node): NodeState,
            Query(params): Query<OrgParam>,
            Who(who): Who,
            bytes: Bytes,
        ) -> Answer<$answer> {
            say::<$request, $answer>(node, params, who, bytes, Node::$method).await
        }
    )*};
}

say! {
    found: Found => NetworkInfo, found;
    leave: Leave => Left, leave;
    propose: Propose => Proposal, propose;
    accept: Accept => Proposal, accept;
    cancel: CancelInvitation => InvitationInfo, cancel_invitation;
    vouch: VouchFor => Said, vouch;
    object: Object => Said, object;
    withdraw: Withdraw => Said, withdraw;
    away: Away => Pauses, away;
    close: Close => Closing, close_org;
    merge: Merge => Closing, merge_org;
    claim: Claim => SuccessionInfo, claim;
    sign: SignSuccession => SuccessionInfo, sign_succession;
}

async fn preview(State(node): NodeState, bytes: Bytes) -> Answer<CharterView> {
    let request: UseTicket = body(&bytes)?;
    Ok(Json(node.preview(&request).await?))
}

async fn join(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    Who(who): Who,
    bytes: Bytes,
) -> Answer<NetworkInfo> {
    let request: UseTicket = body(&bytes)?;
    let org = node.own_org(params.org.as_deref())?;
    let joined = node.join_with(org, &request, By::user(who)?).await?;
    Ok(Json(joined))
}

async fn invite(
    State(node): NodeState,
    Query(params): Query<OrgParam>,
    bytes: Bytes,
) -> Answer<Invited> {
    let request: Invite = body(&bytes)?;
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.invite(&org, &request)
    })
    .await
}

async fn invitations(
    State(node): NodeState,
    Query(params): Query<InvitationParams>,
) -> Answer<Invitations> {
    blocking(node, move |node| {
        let org = node.own_org(params.org.as_deref())?;
        node.invitations(&org, params.network.as_deref())
    })
    .await
}

/// Routes that only read of one network.
macro_rules! read {
    ($($name:ident: $answer:ty, $method:ident;)*) => {$(
        async fn $name(State(node): NodeState, Query(params): Query<NetworkParam>) -> Answer<$answer> {
            blocking(node, move |node| node.$method(params.network.as_deref())).await
        }
    )*};
}

read! {
    charter: CharterStatus, charter_status;
    members: Members, members;
    waiting: Waiting, waiting;
    successions: Successions, successions;
}

async fn blocks(State(node): NodeState) -> Answer<Blocks> {
    blocking(node, |node| Ok(node.blocks(false))).await
}

async fn following(State(node): NodeState) -> Answer<Following> {
    blocking(node, |node| node.following(false)).await
}

async fn follow(State(node): NodeState, bytes: Bytes) -> Answer<Following> {
    let request: Follow = body(&bytes)?;
    blocking(node, move |node| node.follow(&request)).await
}

async fn block(State(node): NodeState, bytes: Bytes) -> Answer<Blocks> {
    let request: Block = body(&bytes)?;
    blocking(node, move |node| {
        let changed = node.block(&request.subject, request.block)?;
        Ok(node.blocks(changed))
    })
    .await
}
