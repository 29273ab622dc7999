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
mod verdict;

use std::sync::Arc;

use tonic::service::Routes;
use wasm_flow_contract::Service;

use self::admission::{Admission, Guard};
use self::service::JinaService;
use crate::doorkeeper::Doorkeeper;
use crate::drain::Drain;

/// What answers the calls of a gateway's connections.
///
/// # Errors
/// When the descriptors of the protocol, which are part of the program, are not valid.
pub(super) fn service(
    flow: Arc<dyn Service>,
    prefetch: usize,
    max_message: usize,
    doorkeeper: &Doorkeeper,
    drain: &Drain,
) -> Result<Admission, tonic_reflection::server::Error> {
    let service = JinaService::new(flow, prefetch, max_message, drain.clone());
    let routes = services::routes(service, drain)?;
    let guard = Guard::Doorkeeper(doorkeeper.clone());
    Ok(Admission::new(routes, guard, drain.clone()))
}

/// What answers on the port for health checks alone.
pub(super) fn health(drain: &Drain) -> Admission {
    Admission::new(services::health(drain), Guard::HealthAlone, drain.clone())
}

/// What answers the calls of a connection without TLS to a gateway that wants it.
pub(super) fn without_tls(drain: &Drain) -> Admission {
    Admission::new(Routes::default(), Guard::WithoutTls, drain.clone())
}
