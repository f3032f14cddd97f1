//! The public interface: the merged view in the form of Open Referral UK 3.0 (`HSDS-UK-3.0`), for any tool that
//! reads that.
//!
//! It is closed unless the settings open it, answers `GET` alone, and changes nothing. It shows what members publish
//! for everybody to find, to anybody who can reach the port, pages in browsers included. Requests are limited by
//! address and in all, so that it cannot keep the node from its own work.

mod catalogue;
mod conform;
mod limits;
mod page;
mod respond;
mod times;
mod view;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use fingerpost_config::PublicApiSettings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) use catalogue::Catalogue;
use limits::Limits;
use page::Parameters;
use respond::{Failure, answer, stream};
use view::{Found, Reader, Wanted};

use crate::api::open_port;
use crate::node::Node;

/// The version of the standard, as its validator reads it.
const VERSION: &str = "HSDS-UK-3.0";
/// Where the standard's profile is described.
const PROFILE: &str = "https://docs.openreferraluk.org/en/latest/";
/// What this interface offers, for programs.
const OPENAPI: &str = include_str!("openapi.json");

/// What handlers need.
#[derive(Clone)]
struct Public {
    node: Arc<Node>,
    limits: Arc<Limits>,
}

type Asked = Query<BTreeMap<String, String>>;
type Answered = Result<Response, Failure>;

/// Serves the interface where the settings say, until `stop` is set; at once over if they name no port.
///
/// # Errors
/// What the system said, if the port cannot be used.
pub async fn serve(
    settings: &PublicApiSettings,
    node: Arc<Node>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> std::io::Result<()> {
    let Some(listener) = open_port(&settings.address, settings.port).await? else {
        return Ok(());
    };
    tracing::info!(
        "the directory is served as Open Referral UK on http://{}/",
        listener.local_addr()?
    );
    serve_on(listener, settings, node, async move {
        stop.wait_for(|stop| *stop).await.ok();
    })
    .await
}

/// Serves the interface on a port that is open already, until `stopped` ends.
///
/// # Errors
/// What the system said, if connections can no longer be taken.
pub async fn serve_on(
    listener: TcpListener,
    settings: &PublicApiSettings,
    node: Arc<Node>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    node.open_catalogue();
    let public = Public {
        node,
        limits: Arc::new(Limits::new(settings.requests_per_minute)),
    };
    let service = router(public).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
}

fn router(public: Public) -> Router {
    Router::new()
        .route("/", get(details))
        .route("/openapi.json", get(openapi))
        .route("/services", get(services))
        .route("/services/{id}", get(service))
        .route("/service_at_locations", get(places))
        .route("/service_at_locations/{id}", get(place))
        .route("/organizations", get(organizations))
        .route("/organizations/{id}", get(organization))
        .route("/taxonomies", get(taxonomies))
        .route("/taxonomies/{id}", get(taxonomy))
        .route("/taxonomy_terms", get(terms))
        .route("/taxonomy_terms/{id}", get(term))
        .route("/notices", get(notices))
        .route("/notices/{id}", get(notice))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(
            public.clone(),
            limits::guard,
        ))
        .layer(middleware::from_fn(respond::for_everybody))
        .with_state(public)
}

async fn unknown() -> Failure {
    Failure {
        status: StatusCode::NOT_FOUND,
        message: "there is nothing here; /openapi.json lists what there is".to_owned(),
    }
}

/// Runs what reads the store where it may wait.
async fn read<T: Send + 'static>(
    public: &Public,
    work: impl FnOnce(&Node, &Catalogue) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let node = Arc::clone(&public.node);
    let done = tokio::task::spawn_blocking(move || {
        node.with_catalogue(|catalogue| work(&node, catalogue))
    });
    done.await.map_err(|error| Failure::internal(&error))?
}

async fn details(headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let host = host.unwrap_or("localhost");
    let details = json!({
        "version": VERSION,
        "profile": PROFILE,
        "openapi_url": format!("http://{host}/openapi.json"),
    });
    answer(&headers, &details)
}

async fn openapi(headers: HeaderMap) -> Answered {
    let document: Value =
        serde_json::from_str(OPENAPI).map_err(|error| Failure::internal(&error))?;
    Ok(answer(&headers, &document))
}

/// A page of what was found, or all of it one a line.
async fn listed(
    public: Public,
    headers: HeaderMap,
    parameters: Parameters,
    find: impl FnOnce(&Node, &Catalogue, &Parameters) -> Result<Vec<Found>, Failure> + Send + 'static,
    show: fn(&mut Reader<'_>, &Found, Shown) -> Option<Value>,
) -> Answered {
    let shown = Shown {
        full: parameters.flag("full")?,
        minimal: parameters.flag("minimal")?,
    };
    if parameters.is_stream()? {
        let found = read(&public, move |node, catalogue| {
            find(node, catalogue, &parameters)
        })
        .await?;
        return Ok(stream(public.node, found, move |reader, one| {
            show(reader, one, shown)
        }));
    }
    let paging = parameters.paging()?;
    let page = read(&public, move |node, catalogue| {
        let found = find(node, catalogue, &parameters)?;
        let mut reader = Reader::new(node, catalogue);
        let page = found.iter().skip(paging.offset()).take(paging.per_page);
        let contents = page
            .filter_map(|one| show(&mut reader, one, shown))
            .collect();
        Ok(paging.envelope(found.len(), contents))
    });
    Ok(answer(&headers, &page.await?))
}

/// How much of an entry is wanted.
#[derive(Debug, Clone, Copy)]
struct Shown {
    full: bool,
    minimal: bool,
}

async fn services(State(public): State<Public>, headers: HeaderMap, Query(all): Asked) -> Answered {
    let find = |node: &Node, catalogue: &Catalogue, parameters: &Parameters| {
        view::find(node, catalogue, &Wanted::of(parameters, catalogue)?, false)
    };
    listed(
        public,
        headers,
        Parameters::new(all),
        find,
        |reader, one, shown| match shown.minimal {
            true => reader.minimal(one),
            false => reader.service(one, shown.full),
        },
    )
    .await
}

async fn places(State(public): State<Public>, headers: HeaderMap, Query(all): Asked) -> Answered {
    let find = |node: &Node, catalogue: &Catalogue, parameters: &Parameters| {
        view::find(node, catalogue, &Wanted::of(parameters, catalogue)?, true)
    };
    listed(
        public,
        headers,
        Parameters::new(all),
        find,
        |reader, one, shown| reader.place(one, shown.full),
    )
    .await
}

async fn organizations(
    State(public): State<Public>,
    headers: HeaderMap,
    Query(all): Asked,
) -> Answered {
    let parameters = Parameters::new(all);
    let (full, services) = (parameters.flag("full")?, parameters.flag("full_service")?);
    paged(
        public,
        headers,
        parameters,
        move |node, catalogue, parameters| {
            let found = view::find_organizations(node, catalogue, parameters.text("search"))?;
            let paging = parameters.paging()?;
            let mut reader = Reader::new(node, catalogue);
            let page = found.iter().skip(paging.offset()).take(paging.per_page);
            let contents =
                page.filter_map(|key| reader.organisation(key, full || services, services));
            Ok((found.len(), contents.collect()))
        },
    )
    .await
}

/// A page that is made whole.
async fn paged(
    public: Public,
    headers: HeaderMap,
    parameters: Parameters,
    work: impl FnOnce(&Node, &Catalogue, &Parameters) -> Result<(usize, Vec<Value>), Failure>
    + Send
    + 'static,
) -> Answered {
    let paging = parameters.paging()?;
    if parameters.is_stream()? {
        return Err(Failure {
            status: StatusCode::BAD_REQUEST,
            message: "ndjson is for services and service_at_locations; here pages are few"
                .to_owned(),
        });
    }
    let page = read(&public, move |node, catalogue| {
        let (total, contents) = work(node, catalogue, &parameters)?;
        Ok(paging.envelope(total, contents))
    });
    Ok(answer(&headers, &page.await?))
}

/// A page of few things, all of which are made.
async fn cut(
    public: Public,
    headers: HeaderMap,
    all: BTreeMap<String, String>,
    find: impl FnOnce(&Node, &Catalogue, &Parameters) -> Result<Vec<Value>, Failure> + Send + 'static,
) -> Answered {
    paged(
        public,
        headers,
        Parameters::new(all),
        move |node, catalogue, parameters| {
            let paging = parameters.paging()?;
            let all = find(node, catalogue, parameters)?;
            let total = all.len();
            let page = all.into_iter().skip(paging.offset()).take(paging.per_page);
            Ok((total, page.collect()))
        },
    )
    .await
}

async fn taxonomies(
    State(public): State<Public>,
    headers: HeaderMap,
    Query(all): Asked,
) -> Answered {
    cut(public, headers, all, |_, catalogue, parameters| {
        Ok(view::find_taxonomies(catalogue, parameters))
    })
    .await
}

async fn terms(State(public): State<Public>, headers: HeaderMap, Query(all): Asked) -> Answered {
    cut(public, headers, all, |_, catalogue, parameters| {
        view::find_terms(catalogue, parameters)
    })
    .await
}

async fn notices(State(public): State<Public>, headers: HeaderMap, Query(all): Asked) -> Answered {
    cut(public, headers, all, |node, catalogue, parameters| {
        Ok(view::find_notices(
            node,
            catalogue,
            parameters,
            &node.today(),
        ))
    })
    .await
}

/// One thing by its id.
async fn single(
    public: Public,
    headers: HeaderMap,
    id: String,
    what: &'static str,
    find: impl FnOnce(&Node, &Catalogue, &str) -> Option<Value> + Send + 'static,
) -> Answered {
    let found = read(&public, move |node, catalogue| {
        find(node, catalogue, &id).ok_or_else(|| view::not_found(what, &id))
    });
    Ok(answer(&headers, &found.await?))
}

async fn service(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    single(public, headers, id, "service", |node, catalogue, id| {
        let found = view::service_by_id(catalogue, id)?;
        Reader::new(node, catalogue).service(&found, true)
    })
    .await
}

async fn place(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    single(
        public,
        headers,
        id,
        "service_at_location",
        |node, catalogue, id| {
            let found = view::place_by_id(catalogue, id)?;
            Reader::new(node, catalogue).place(&found, true)
        },
    )
    .await
}

async fn organization(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(all): Asked,
) -> Answered {
    let services = Parameters::new(all).flag("full_service")?;
    single(
        public,
        headers,
        id,
        "organization",
        move |node, catalogue, id| {
            let is_it = |(key, rows): &(&_, &catalogue::Rows)| organization_is(key, rows, id);
            let (key, _) = catalogue.rows().find(is_it)?;
            Reader::new(node, catalogue).organisation(key, true, services)
        },
    )
    .await
}

/// Whether a document describes the organisation with an id: its own HSDS id, or its Fingerpost id.
fn organization_is(key: &fingerpost_proto::ids::DocKey, rows: &catalogue::Rows, id: &str) -> bool {
    let described = rows.organization.as_ref();
    described.is_some_and(|(own, _)| **own == *id || key.org.to_string() == id)
}

async fn taxonomy(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    single(public, headers, id, "taxonomy", |_, catalogue, id| {
        catalogue.taxonomies().get(id).map(view::taxonomy)
    })
    .await
}

async fn term(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    single(public, headers, id, "taxonomy_term", |_, catalogue, id| {
        catalogue.terms().get(id).map(|term| view::term(term, true))
    })
    .await
}

async fn notice(
    State(public): State<Public>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    single(public, headers, id, "notice", |node, catalogue, id| {
        let all = view::find_notices(node, catalogue, &Parameters::default(), &node.today());
        all.into_iter().find(|notice| notice["id"] == *id)
    })
    .await
}
