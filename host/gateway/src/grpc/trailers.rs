//! What a unary answer says behind its message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// Marks an answer to a request that failed. A Jina gateway in front of this one passes
/// such an answer's documents to no further executor, and learns it from the trailing
/// metadata alone: `is-error: true`.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsError;

/// Writes the mark of an answer into its trailers.
pub(super) fn marked(response: Response<Body>) -> Response<Body> {
    match response.extensions().get::<IsError>() {
        Some(IsError) => response.map(|body| Body::new(Marked(body))),
        None => response,
    }
}

/// A body whose trailers say that the request failed.
struct Marked(Body);

impl http_body::Body for Marked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|mut frame| {
                if let Some(trailers) = frame.trailers_mut() {
                    trailers.insert("is-error", HeaderValue::from_static("true"));
                }
                frame
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
