//! From a request to its answer.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::rows::Rows;
use crate::store::Tail;

type Answer = Response<Either<Full<Bytes>, Rows>>;

const HELP: &str = "liwatch serves a run here.\n\n/rows          one JSON object a line for each row \
                    and alarm, as they are stored\n/rows?from=N   the same from row N on\n\n\
                    An empty line says that the run goes on.\n";

/// What is served.
pub(super) struct Served {
    pub run: PathBuf,
    /// Nobody else's machine can reach it.
    pub loopback: bool,
}

/// Answers one request; a stream of rows begins with row 0 or that of `from`.
pub(super) fn to<B>(request: &Request<B>, served: &Served) -> Answer {
    if served.loopback && !names_this_machine(request) {
        let told = "this server answers on its own machine alone: use localhost\n";
        return text(StatusCode::FORBIDDEN, told);
    }
    if request.method() != Method::GET {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "runs are read here: use GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, HELP),
        "/rows" => match first_row(request.uri().query()) {
            Ok(from) => rows(served, from),
            Err(told) => text(StatusCode::BAD_REQUEST, told),
        },
        path => text(StatusCode::NOT_FOUND, format!("there is no {path} here\n\n{HELP}")),
    }
}

fn rows(served: &Served, from: u64) -> Answer {
    match Tail::open(&served.run) {
        Ok(tail) => {
            let mut answer = Response::new(Either::Right(Rows::of(tail, from)));
            let headers = answer.headers_mut();
            let lines = HeaderValue::from_static("application/x-ndjson");
            headers.insert(CONTENT_TYPE, lines);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the run has not begun, or is complete; a complete run is followed by its file: \
             liwatch tail RUN.h5\n",
        ),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the journal of the run cannot be read: {error}\n"),
        ),
    }
}

/// The row to begin with.
fn first_row(query: Option<&str>) -> Result<u64, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(0) };
    let row = query.strip_prefix("from=").and_then(|row| row.parse().ok());
    row.ok_or_else(|| format!("'{query}' asks for nothing that is known: use /rows?from=N\n"))
}

/// Whether the request asks for an address or for localhost, and not for a name that someone else
/// has made point here.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = header.and_then(|host| host.parse::<hyper::http::uri::Authority>().ok())
    else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

fn text(status: StatusCode, told: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(told.into())));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
