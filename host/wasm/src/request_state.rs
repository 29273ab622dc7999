//! A request as a guest holds it.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use wasm_flow_contract::Part;

use super::progress::Progress;

/// What a WIT `request` stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct RequestState {
    pub(super) id: Arc<str>,
    pub(super) endpoint: Arc<str>,
    pub(super) parameters: Arc<Map<String, Value>>,
    /// The documents by predecessor, as they came.
    pub(super) parts: Vec<Part>,
    pub(super) progress: Arc<Progress>,
    /// Known when the guest gets the call.
    pub(super) deadline: Option<Instant>,
}
