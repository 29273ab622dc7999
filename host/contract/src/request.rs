//! What a flow is asked, and what it answers.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

use crate::call::Part;
use crate::failure::Failure;
use crate::parameters::Parameters;
use crate::trace::TraceContext;

/// The endpoint that every executor answers without doing anything: it shows
/// whether a request gets through the flow.
pub const DRY_RUN: &str = "_jina_dry_run_";

/// The endpoint whose method stands in for every endpoint that nothing else
/// binds.
pub const DEFAULT_ENDPOINT: &str = "/default";

/// A request to a flow.
#[derive(Debug, Clone)]
pub struct Request {
    /// The client's id for it.
    pub id: Arc<str>,
    /// The endpoint, as the client wrote it. Empty if it named none.
    pub endpoint: Arc<str>,
    /// A regular expression for the names of the executors that are meant. Empty
    /// for all.
    pub target: String,
    /// The client's parameters.
    pub parameters: Parameters,
    /// The documents.
    pub docs: DocumentArray,
    /// The same documents by who sent them, if the client is a flow that says so: this
    /// flow then stands at one of its nodes. Empty: they come from a client, as one.
    pub parts: Vec<Part>,
    /// The client's trace, if it sent one.
    pub trace: Option<TraceContext>,
}

impl Request {
    /// A request with a random id, without parameters, for all executors.
    pub fn new(endpoint: impl Into<Arc<str>>, docs: DocumentArray) -> Request {
        Request {
            id: Arc::from(&*wasm_flow_document::random_id()),
            endpoint: endpoint.into(),
            target: String::new(),
            parameters: Parameters::default(),
            docs,
            parts: Vec::new(),
            trace: None,
        }
    }
}

/// What a flow answers.
#[derive(Debug, Clone)]
pub struct Response {
    /// The documents. If the request failed, those of before the failure.
    pub docs: DocumentArray,
    /// What executors returned beside documents, under `name/rep-0`.
    pub results: Map<String, Value>,
    /// The executors that the request came to, depth first.
    pub hops: Vec<Hop>,
    /// Why the request failed.
    pub failure: Option<Arc<Failure>>,
}

/// A request's stop at one executor.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The executor's name in the flow.
    pub executor: Arc<str>,
    /// When the request came to it.
    pub start: SystemTime,
    /// When it was done. `None`: it was passed by.
    pub end: Option<SystemTime>,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
}
