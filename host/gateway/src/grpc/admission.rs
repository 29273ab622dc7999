//! What is decided about a call before it reaches its service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;

use super::deadline;
use super::methods::{HEALTH, REQUESTS, SERVED};
use super::refusal::held_back;
use super::request_body::{RequestBody, Unread};
use super::trailers;
use crate::doorkeeper::{Doorkeeper, Stranger};
use crate::drain::Drain;

/// Decides whether a call is answered at all.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// If it brings what the doorkeeper wants, or is a health check.
    Doorkeeper(Doorkeeper),
    /// If it is a health check.
    HealthAlone,
    /// Not: its connection should have TLS.
    WithoutTls,
}

impl Guard {
    /// # Errors
    /// If the call is not answered.
    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Status> {
        let is_health = HEALTH.contains(&path);
        match self {
            Guard::WithoutTls => Err(Status::failed_precondition(
                "this gateway is served over TLS, and this call came without: write grpcs://, or \
                 `tls=True` for Jina's client",
            )),
            Guard::Doorkeeper(_) | Guard::HealthAlone if is_health => Ok(()),
            Guard::HealthAlone => Err(Status::unimplemented(
                "this port is for health checks alone; requests go to the gateway's own",
            )),
            Guard::Doorkeeper(doorkeeper) => doorkeeper.let_in(headers).map_err(|stranger| {
                Status::unauthenticated(match stranger {
                    Stranger::NoToken => {
                        "this gateway wants a token: send it with the call, as `authorization: \
                         Bearer <token>`; `wasm-flow post` has `--token-file` for it"
                    }
                    Stranger::WrongToken => {
                        "the token of this call is not one that this gateway takes; ask whoever \
                         runs it for another"
                    }
                })
            }),
        }
    }
}

/// Lets calls in to their services: refuses those that bring no token if one is wanted,
/// and, with a sentence instead of a bare code, those to methods that are not served. It
/// decides which answers are compressed, keeps the client's deadline, and ends what a client
/// leaves open at a stop.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    services: Routes,
    guard: Guard,
    drain: Drain,
}

impl Admission {
    pub(super) fn new(services: Routes, guard: Guard, drain: Drain) -> Admission {
        Admission {
            services: services.prepare(),
            guard,
            drain,
        }
    }
}

impl Service<Request<Incoming>> for Admission {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (services, drain) = (self.services.clone(), self.drain.clone());
        let checked = self.guard.check(request.uri().path(), request.headers());
        Box::pin(async move {
            let (request, unread) = lend(request, &drain);
            let response = match checked {
                Ok(()) => answer(services, request).await?,
                Err(refusal) => {
                    // Its body is what is unread.
                    drop(request);
                    refusal.into_http()
                }
            };
            Ok(held_back(response, unread, drain).await)
        })
    }
}

/// Lends the request's body to what will answer it.
fn lend(
    request: Request<Incoming>,
    drain: &Drain,
) -> (Request<RequestBody<Incoming>>, Unread<Incoming>) {
    let (head, body) = request.into_parts();
    // Other calls are not waited for: a client may keep one open for ever, such as
    // a stream of reflection requests.
    let end = (!REQUESTS.contains(&head.uri.path()))
        .then(|| Box::pin(drain.stopping()) as Pin<Box<dyn Future<Output = ()> + Send>>);
    let (body, unread) = RequestBody::lend(body, end);
    (Request::from_parts(head, body), unread)
}

async fn answer(
    mut services: Routes,
    mut request: Request<RequestBody<Incoming>>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path();
    if !SERVED.contains(&path) {
        return Ok(Status::unimplemented(not_served(path)).into_http());
    }
    compress_as_asked(request.headers_mut());
    let deadline = deadline::of(request.headers());
    // The routes are always ready.
    let response = tower_service::Service::call(&mut services, request);
    let answer = match deadline {
        None => response.await,
        Some(time) => deadline::within(time, response).await,
    };
    answer.map(trailers::marked)
}

/// Lets an answer be compressed if the request was, the same way.
///
/// gRPC clients nearly always say that they can read gzip, even if nobody asked for
/// compression, and tonic takes that for a wish. On a local network compression costs
/// more than it saves. tonic decides once a call and not once a message, so this does
/// too.
fn compress_as_asked(headers: &mut HeaderMap) {
    const ACCEPT: &str = "grpc-accept-encoding";
    match headers.get("grpc-encoding").cloned() {
        Some(encoding) if encoding != HeaderValue::from_static("identity") => {
            headers.insert(ACCEPT, encoding);
        }
        _ => {
            headers.remove(ACCEPT);
        }
    }
}

fn not_served(path: &str) -> String {
    let service = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let instead = match service {
        "jina.JinaExecutorSnapshot"
        | "jina.JinaExecutorSnapshotProgress"
        | "jina.JinaExecutorRestore"
        | "jina.JinaExecutorRestoreProgress" => {
            "a flow has no snapshots; an executor keeps data in a folder that flow.toml grants it"
        }
        _ => "server reflection lists the services that are there",
    };
    // The path is the client's: it goes into a header only as far as it is text.
    let path: String = path.chars().take(200).collect();
    format!("this gateway does not serve {path}: {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_only_when_asked() {
        for (encoding, accept) in [
            (None, None),
            (Some("identity"), None),
            (Some("gzip"), Some("gzip")),
            (Some("deflate"), Some("deflate")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                "grpc-accept-encoding",
                HeaderValue::from_static("identity, deflate, gzip"),
            );
            if let Some(encoding) = encoding {
                headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
            }
            compress_as_asked(&mut headers);
            let left = headers
                .get("grpc-accept-encoding")
                .map(|value| value.to_str().unwrap());
            assert_eq!(left, accept);
        }
    }
}
