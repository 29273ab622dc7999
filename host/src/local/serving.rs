//! A flow of this program that is served on a port.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_gateway::{BindError, Doorkeeper, Gateway, ServeError};

use super::flow::Flow;

/// A flow that is served: [`Flow::serve`] makes it.
///
/// Dropping it stops the serving as [`stop`](Serving::stop) does, in the background: no
/// connection is accepted any more, and what is in flight is answered. The flow itself
/// goes on for as long as somebody has it.
#[derive(Debug)]
#[must_use = "dropping it stops the serving"]
pub struct Serving {
    address: SocketAddr,
    doorkeeper: Doorkeeper,
    /// Dropping it stops the serving, too.
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

// Here and not beside `Flow`, which knows nothing of who sends requests.
impl Flow {
    /// Serves the flow to Jina's clients, until the [`Serving`] is stopped or dropped.
    /// Port 0 takes any free one.
    ///
    /// # Errors
    /// When the address or a port cannot be had, or the door's certificates cannot be used.
    pub async fn serve(&self, gateway: GatewayConfig) -> Result<Serving, BindError> {
        Serving::start(self.clone(), &gateway).await
    }
}

impl Serving {
    async fn start(flow: Flow, config: &GatewayConfig) -> Result<Serving, BindError> {
        let gateway = Gateway::bind(config, Arc::clone(flow.service()) as _).await?;
        let (address, doorkeeper) = (gateway.local_addr(), gateway.doorkeeper().clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let scheduler = flow.scheduler().clone();
        let task = scheduler.spawn(async move {
            let served = gateway.serve(async {
                // Sent or dropped, it is the same.
                let _ = stopped.await;
            });
            let served = served.await;
            // Not before the last request is answered.
            drop(flow);
            served
        });
        Ok(Serving {
            address,
            doorkeeper,
            stop,
            task,
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who lets clients in: for other certificates or tokens while it serves.
    pub fn doorkeeper(&self) -> &Doorkeeper {
        &self.doorkeeper
    }

    /// The address for a [`Client`](crate::Client) on this machine: `grpc://127.0.0.1:54321`,
    /// or `grpcs://` with TLS.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        match self.doorkeeper.is_secure() {
            true => format!("grpcs://{address}"),
            false => format!("grpc://{address}"),
        }
    }

    /// Waits until the serving ends by itself, which it does only if something is wrong.
    /// To serve until the program is told to stop, wait for either.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> Result<(), ServeError> {
        outcome((&mut self.task).await)
    }

    /// Stops serving, after what is in flight. The executors go on:
    /// [`Flow::stop`] stops them. Dropping the future gives the waiting up.
    ///
    /// # Errors
    /// When clients do not take what they asked for, or requests are given up because
    /// they take longer than five minutes.
    pub async fn stop(self) -> Result<(), ServeError> {
        // Nobody listens if it has ended by itself.
        let _ = self.stop.send(());
        outcome(self.task.await)
    }
}

fn outcome(ended: Result<Result<(), ServeError>, JoinError>) -> Result<(), ServeError> {
    match ended {
        Ok(served) => served,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The scheduler is being shut down, and everything with it.
            Err(_) => Ok(()),
        },
    }
}
