//! What a unary answer says behind its message.

use http::{HeaderValue, Response};
use http_body_util::BodyExt as _;
use tonic::body::Body;

/// Marks an answer to a request that failed. A Jina gateway in front of this one passes
/// such an answer's documents to no further executor, and learns it from the trailing
/// metadata alone: `is-error: true`.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsError;

/// Writes the mark of an answer into its trailers.
pub(super) fn marked(response: Response<Body>) -> Response<Body> {
    match response.extensions().get::<IsError>() {
        Some(IsError) => response.map(|body| {
            Body::new(body.map_frame(|mut frame| {
                if let Some(trailers) = frame.trailers_mut() {
                    trailers.insert("is-error", HeaderValue::from_static("true"));
                }
                frame
            }))
        }),
        None => response,
    }
}
