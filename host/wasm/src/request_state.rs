//! A request as a guest holds it.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use wasm_flow_contract::{Outlet, Part};

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
    /// Where documents go that the method sends while it runs. None: they are kept until
    /// it returns.
    pub(super) outlet: Option<Outlet>,
    /// Bytes that the documents may take that the method sends at once or, if they are
    /// kept, in all.
    pub(super) reply_limit: u64,
    /// Known when the guest gets the call.
    pub(super) deadline: Option<Instant>,
}
