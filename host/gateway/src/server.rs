//! A flow that is served on a port.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use wasm_flow_contract::Service;
use wasm_flow_contract::gateway::GatewayConfig;

use super::bind::{self, BindError};
use super::bounds::{CLOSE, CONNECTIONS, DRAIN};
use super::connections;
use super::drain::Drain;
use super::grpc;

/// A flow with a port, not serving yet.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    flow: Arc<dyn Service>,
    prefetch: usize,
    max_message: usize,
}

/// Why a gateway no longer serves.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The reflection service does not take the protocol's descriptors, which are part
    /// of the program.
    #[error("cannot set up server reflection; this program was built wrongly: build it again")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// It was stopped, and some clients did not take their answers.
    #[error(
        "stopped with {calls} calls cut off: their requests were answered, but the clients took \
         nothing for {DRAIN:?}"
    )]
    CutOff {
        /// gRPC calls.
        calls: usize,
    },
}

impl Gateway {
    /// Takes the port. Clients can connect from now on; they are answered once
    /// [`serve`](Self::serve) runs.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn bind(
        config: &GatewayConfig,
        flow: Arc<dyn Service>,
    ) -> Result<Gateway, BindError> {
        let (listener, address) = bind::listen(&config.host, config.port).await?;
        Ok(Gateway {
            listener,
            address,
            flow,
            prefetch: config.prefetch.get(),
            max_message: config.max_message,
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done and what was in flight then is answered.
    ///
    /// From then on no connection is accepted, no message is read that has not
    /// arrived, a stream that its client keeps open ends with `UNAVAILABLE`, and a
    /// connection without a call is closed.
    ///
    /// # Errors
    /// When clients do not take what they asked for.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Gateway {
            listener,
            flow,
            prefetch,
            max_message,
            ..
        } = self;
        let drain = Drain::new();
        let service =
            grpc::service(flow, prefetch, max_message, &drain).map_err(ServeError::Reflection)?;
        let cut_off = async {
            shutdown.await;
            drain.stop();
            let calls = drain.idle(DRAIN).await;
            if calls == 0 {
                tokio::time::sleep(CLOSE).await;
            }
            calls
        };
        tokio::select! {
            () = connections::serve(listener, CONNECTIONS, service, &drain) => Ok(()),
            calls = cut_off => match calls {
                0 => Ok(()),
                calls => Err(ServeError::CutOff { calls }),
            },
        }
    }
}
