//! What an executor is asked.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

use crate::trace::TraceContext;

/// One request as an executor gets it. Cheap to clone: everything in it is
/// shared.
#[derive(Debug, Clone)]
pub struct Call {
    /// The client's id of the request.
    pub request_id: Arc<str>,
    /// The endpoint that the client called.
    pub endpoint: Arc<str>,
    /// The parameters as this executor sees them.
    pub parameters: Arc<Map<String, Value>>,
    /// The documents. The executor changes a copy.
    pub docs: DocumentArray,
    /// The documents by predecessor, before they were joined.
    pub parts: Vec<Part>,
    /// The client's trace, if it sent one.
    pub trace: Option<TraceContext>,
}

/// The documents that one predecessor in the flow sent.
#[derive(Debug, Clone)]
pub struct Part {
    /// The executor that sent them, or [`GATEWAY`](crate::GATEWAY).
    pub executor: Arc<str>,
    /// What it sent.
    pub docs: DocumentArray,
}
