//! The gateway over gRPC: Jina's protocol, health and reflection.
//!
//! tonic's types stay in here.

mod admission;
mod answer;
mod arrival;
mod call;
mod channel;
pub mod client;
mod deadline;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod methods;
mod options;
mod proto;
mod refusal;
pub mod remote;
mod request_body;
mod service;
mod services;
mod status;
mod stream_doc;
#[cfg(test)]
mod tests;
mod trailers;
mod unary;

use std::sync::Arc;

use wasm_flow_contract::Service;

use self::admission::Admission;
use self::service::JinaService;
use crate::drain::Drain;

/// What answers the calls of a gateway's connections.
///
/// # Errors
/// When the descriptors of the protocol, which are part of the program, are not valid.
pub(super) fn service(
    flow: Arc<dyn Service>,
    prefetch: usize,
    max_message: usize,
    drain: &Drain,
) -> Result<Admission, tonic_reflection::server::Error> {
    let service = JinaService::new(flow, prefetch, max_message, drain.clone());
    let routes = services::routes(service, drain)?;
    Ok(Admission::new(routes, drain.clone()))
}
