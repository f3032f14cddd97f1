//! The local API: HTTP and JSON over a Unix socket. Routes and types are described in
//! [`fingerpost_proto::api`].
//!
//! Only the user who runs the daemon, and root, may speak to it: the system tells who is at the other end. What
//! a web page could bring about is refused, whatever it asks.

mod figures;
mod guard;
mod routes;
mod socket;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use fingerpost_proto::api::{ApiError, ErrorCode};
use tokio::net::UnixListener;

use crate::node::{Node, NodeError};

pub(crate) use figures::open_port;
pub use figures::serve as serve_figures;
pub use socket::{SocketError, bind};

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct PeerUser(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for PeerUser {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|cred| cred.uid()))
    }
}

/// The name of the user who asks, for the history.
struct Who(String);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiFailure> {
        let user = parts
            .extensions
            .get::<ConnectInfo<PeerUser>>()
            .and_then(|info| info.0.0);
        Ok(Self(user.map_or_else(|| "unknown".to_owned(), user_name)))
    }
}

/// The user's name from the system's list; the number where it is not listed there.
fn user_name(uid: u32) -> String {
    let listed = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = listed.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user {uid}"))
}

/// A failed request on its way out.
struct ApiFailure(ApiError);

impl From<NodeError> for ApiFailure {
    fn from(error: NodeError) -> Self {
        Self(error.0)
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            ErrorCode::BadInput => StatusCode::BAD_REQUEST,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Refused => StatusCode::CONFLICT,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if self.0.code == ErrorCode::Internal {
            tracing::error!("a request failed: {}", self.0.message);
        }
        (status, axum::Json(self.0)).into_response()
    }
}

fn router(node: Arc<Node>) -> Router {
    routes::routes()
        .layer(middleware::from_fn(guard::guard))
        .with_state(node)
}

/// Serves until `stop` is set; requests that are under way are finished first.
///
/// # Errors
/// What the system said, if connections can no longer be taken.
pub async fn serve(
    listener: UnixListener,
    node: Arc<Node>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> std::io::Result<()> {
    let service = router(node).into_make_service_with_connect_info::<PeerUser>();
    let stopped = async move {
        stop.wait_for(|stop| *stop).await.ok();
    };
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
}
