//! A connection that notes whose words a call ended with.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
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
            Ok(response.map(|body| Body::new(NotingBody { body, noted })))
        })
    }
}

struct NotingBody {
    body: Body,
    noted: Noted,
}

impl http_body::Body for NotingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.noted.look(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
