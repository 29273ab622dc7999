//! A connection that notes whose words a call ended with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tower_service::Service;

/// A connection for one call. It notes whether the other side said a status. A status that
/// nobody sent is of this side, as that of an answer that is too large.
pub(super) struct Noting {
    channel: Channel,
    noted: Noted,
}

/// Whether the other side said how the call ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted(Arc<AtomicBool>);

impl Noted {
    pub(super) fn is_said(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn look(&self, headers: &HeaderMap) {
        if headers.contains_key("grpc-status") {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Noting {
    pub(super) fn new(channel: Channel, noted: Noted) -> Noting {
        Noting { channel, noted }
    }
}

impl Service<Request<Body>> for Noting {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let calling = self.channel.call(request);
        let noted = self.noted.clone();
        Box::pin(async move {
            let response = calling.await?;
            noted.look(response.headers());
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        noted.look(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}
