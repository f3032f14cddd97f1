//! The figures on a TCP port, for a monitoring system on this machine or, if the settings say so, elsewhere.
//!
//! One route, which changes nothing and names nobody. A request that comes from a web page is refused here too.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use fingerpost_config::MetricsSettings;
use tokio::net::TcpListener;

use super::guard::{forbidden, is_of_a_page};
use super::routes;
use crate::node::Node;

async fn guard(request: Request, next: Next) -> Response {
    if is_of_a_page(request.headers()) {
        return forbidden("a web page may not read this", "use a monitoring system");
    }
    next.run(request).await
}

/// Listens on a port of an address of this machine; on none if the port is 0.
pub(crate) async fn open_port(address: &str, port: u32) -> std::io::Result<Option<TcpListener>> {
    let port = u16::try_from(port).unwrap_or(0);
    if port == 0 {
        return Ok(None);
    }
    let ip = address.parse().map_err(std::io::Error::other)?;
    TcpListener::bind(SocketAddr::new(ip, port)).await.map(Some)
}

/// Serves the figures where the settings say, until `stop` is set; at once over if they name no port.
///
/// # Errors
/// What the system said, if the port cannot be used.
pub async fn serve(
    settings: &MetricsSettings,
    node: Arc<Node>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> std::io::Result<()> {
    let Some(listener) = open_port(&settings.address, settings.port).await? else {
        return Ok(());
    };
    tracing::info!(
        "figures are served on http://{}/metrics",
        listener.local_addr()?
    );
    let router = Router::new()
        .route("/metrics", get(routes::operating::metrics))
        .layer(middleware::from_fn(guard))
        .with_state(node);
    let stopped = async move {
        stop.wait_for(|stop| *stop).await.ok();
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
}
