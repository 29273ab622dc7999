//! How an error reaches a client that is still sending.
//!
//! gRPC lets a server end a call at any time. Some clients lose the status if it
//! comes while they send: Python's asyncio client reports `INTERNAL "Internal error
//! from Core"` if one of its messages cannot be written any more. So an error is held
//! back until the client is done sending.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use super::request_body::Unread;
use crate::drain::Drain;

/// Passes an answer on. An error in it is held back until the client is done sending.
pub(super) async fn held_back<B>(
    response: Response<Body>,
    unread: Unread<B>,
    drain: Drain,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send,
{
    if is_error(response.headers()) {
        unread.skip(&drain).await;
        return response;
    }
    let skip = async move { unread.skip(&drain).await };
    response.map(|body| {
        Body::new(HeldBack {
            body,
            skip: Some(Box::pin(skip)),
            end: None,
        })
    })
}

/// Whether headers or trailers say that the call failed.
fn is_error(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| status.code() != Code::Ok)
}

/// The body of an answer whose trailers are held back if they hold an error.
struct HeldBack {
    body: Body,
    /// Done when the client is done sending. `None` once it was.
    skip: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The trailers that are held back.
    end: Option<Frame<Bytes>>,
}

impl http_body::Body for HeldBack {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.end.is_none() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.trailers_ref().is_some_and(is_error) => {
                    this.end = Some(frame);
                }
                other => return Poll::Ready(other),
            }
        }
        if let Some(skip) = &mut this.skip {
            ready!(skip.as_mut().poll(cx));
            this.skip = None;
        }
        Poll::Ready(this.end.take().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
