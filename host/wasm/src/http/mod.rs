//! HTTP requests of guests: to whom they may go, and how they get there.
//!
//! A request is compared with the grants once ([`target`]), and goes to an address that
//! was looked up and compared once ([`connector`]). Whoever has a name can change what it
//! stands for, so it is not looked up again to connect. wasmtime's own client would do
//! that; so what it does is done here.

mod connections;
mod connector;
mod exchange;
mod refusals;
mod resolver;
mod target;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::grants::HttpGrant;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use connections::Connections;
use connector::{ConnectError, Connector};
pub(crate) use refusals::Refusals;
use target::{Target, Untargeted};

/// What one instance sends, by WASI 0.2 and 0.3 alike.
pub(crate) struct OutgoingHttp {
    grants: Arc<[HttpGrant]>,
    refusals: Arc<Refusals>,
    connections: Connections,
    connector: Connector,
}

impl OutgoingHttp {
    pub(crate) fn new(grants: Arc<[HttpGrant]>, refusals: Arc<Refusals>) -> Self {
        OutgoingHttp {
            grants,
            refusals,
            connections: Connections::of_an_instance(),
            connector: Connector::default(),
        }
    }

    /// Of an instance that may send nothing.
    pub(crate) fn none() -> Self {
        OutgoingHttp::new(Arc::new([]), Arc::new(Refusals::unlogged()))
    }
}

type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), HttpError>> + Send>;

impl WasiHttpHooks for OutgoingHttp {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Sending {
        let target = match Target::of(request.uri(), &self.grants) {
            Ok(target) => target,
            Err(untargeted) => {
                if let Untargeted::NotGranted(origin) = untargeted {
                    self.refusals.not_granted(&origin);
                }
                return Box::new(async { Err(HttpError::HttpRequestDenied) });
            }
        };
        let held = match self.connections.take() {
            Ok(held) => held,
            Err(bound) => {
                self.refusals.too_many(bound);
                return Box::new(async { Err(HttpError::ConnectionLimitReached) });
            }
        };
        let (connector, refusals) = (self.connector.clone(), self.refusals.clone());
        Box::new(async move {
            let origin = target.origin().clone();
            let options = options.unwrap_or_default();
            let limit = options.connect_timeout.unwrap_or(Duration::MAX);
            let connected = connector.connect(target, limit, held).await;
            let (stream, held) = connected.map_err(|error| match error {
                ConnectError::Forbidden(address, reserved) => {
                    refusals.forbidden(&origin, address, reserved);
                    HttpError::DestinationIpProhibited
                }
                ConnectError::Http(error) => error,
            })?;
            exchange::exchange(request, stream, options, held).await
        })
    }
}

#[cfg(test)]
mod tests;
