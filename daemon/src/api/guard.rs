//! Who may ask: this user's own programs, and nothing that a web page can bring about.
//!
//! A browser opens no Unix socket by itself. If something on the machine passes its requests on, they still give
//! themselves away: by `Origin` or `Sec-Fetch-Site`, which a page cannot leave out; by `Host`, which names the
//! site that the page believes to speak to; or, without all of these, by the content types of forms, the only
//! ones that a page may send elsewhere without asking for leave first.

use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fingerpost_proto::api::{ApiError, BUNDLE_TYPE, ErrorCode};

use super::PeerUser;

/// The only name that this interface answers to.
const HOST_NAME: &str = "fingerpost";
/// What a browser says of each request, and a page cannot change.
const FETCH_SITE: &str = "sec-fetch-site";
/// The kinds of body that are read: none of them is one that a form has.
const BODY_KINDS: [&str; 2] = ["application/json", BUNDLE_TYPE];

/// Why a request is refused before anybody looks at what it asks: a message and a hint.
type Refused = (&'static str, &'static str);

/// Lets pass what this user's own programs ask, and nothing that a web page asks.
pub(super) async fn guard(
    ConnectInfo(user): ConnectInfo<PeerUser>,
    request: Request,
    next: Next,
) -> Response {
    let checked = check_user(user).and_then(|()| check(request.method(), request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err((message, hint)) => forbidden(message, hint),
    }
}

fn check_user(user: PeerUser) -> Result<(), Refused> {
    let allowed = [rustix::process::geteuid().as_raw(), 0];
    match user.0.is_some_and(|uid| allowed.contains(&uid)) {
        true => Ok(()),
        false => Err((
            "only the user who runs the daemon may use it; nothing was changed",
            "run the command as that user, or as root",
        )),
    }
}

/// Whether a browser says that a page has sent it.
pub(super) fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key(FETCH_SITE)
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
    if is_of_a_page(headers) {
        return Err((
            "a web page may not use this interface; nothing was changed",
            "use the fingerpost command",
        ));
    }
    let mut hosts = headers.get_all(header::HOST).into_iter();
    if !(hosts.next().is_some_and(|host| host == HOST_NAME) && hosts.next().is_none()) {
        return Err((
            "this interface answers to one name only; nothing was changed",
            "use the fingerpost command, or send the header \"Host: fingerpost\"",
        ));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !reads && !essence.is_some_and(|essence| BODY_KINDS.contains(&essence)) {
        return Err((
            "a request that changes something must be in JSON, and say so; nothing was changed",
            "use the fingerpost command, or send the header \"Content-Type: application/json\"",
        ));
    }
    Ok(())
}

pub(super) fn forbidden(message: &str, hint: &str) -> Response {
    let error = ApiError {
        code: ErrorCode::Refused,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    };
    (StatusCode::FORBIDDEN, axum::Json(error)).into_response()
}
