//! What an executor answers.

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

pub use crate::sharding::{Instance, Origin};

/// What an executor made of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The documents that go on.
    pub docs: DocumentArray,
    /// The JSON objects for the client. An instance gives at most one; shards give
    /// one each, and so do `uses_before` and `uses_after`.
    pub results: Vec<Results>,
}

impl Reply {
    /// A reply with documents and nothing beside them.
    pub fn new(docs: DocumentArray) -> Reply {
        Reply {
            docs,
            results: Vec::new(),
        }
    }
}

/// A JSON object that a method returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Which instance returned it.
    pub origin: Origin,
    /// The object.
    pub values: Map<String, Value>,
}
