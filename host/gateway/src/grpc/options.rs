//! What a call's metadata asks for.

use tonic::Status;
use tonic::metadata::MetadataMap;
use wasm_flow_contract::TraceContext;

use super::status::short;
use crate::bounds::PREFETCH;

/// How a stream is to be served.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallOptions {
    /// How many of its requests may be in flight.
    pub(super) prefetch: usize,
    /// Whether answers come in the order of the requests.
    pub(super) in_order: bool,
    /// The largest message, in bytes, in either direction.
    pub(super) max_message: usize,
    /// The client's trace, if it sent one.
    pub(super) trace: Option<TraceContext>,
}

/// What a stream's metadata asks for.
pub(super) fn options(
    metadata: &MetadataMap,
    prefetch: usize,
    max_message: usize,
) -> Result<CallOptions, Status> {
    let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
    let prefetch = match text("__prefetch__") {
        None => prefetch,
        Some(wanted) => match wanted.trim().parse::<usize>() {
            Ok(wanted) if wanted > 0 => wanted.min(prefetch.max(PREFETCH)),
            _ => {
                return Err(Status::invalid_argument(short(&format!(
                    "the metadata `__prefetch__` is `{wanted}`; it has to be the number of \
                     requests that may be in flight, 1 or more"
                ))));
            }
        },
    };
    Ok(CallOptions {
        prefetch,
        in_order: text("__results_in_order__")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
        max_message,
        trace: trace(metadata),
    })
}

/// The trace that a call belongs to. One that cannot be read is passed over, as the
/// standard wants it.
pub(super) fn trace(metadata: &MetadataMap) -> Option<TraceContext> {
    let text = metadata.get("traceparent")?.to_str().ok()?;
    TraceContext::parse(text).ok()
}
