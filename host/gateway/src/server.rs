//! A flow that is served on a port.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;
use wasm_flow_contract::Service;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::units::MAX_DURATION;

use super::bind::{self, BindError, Listener};
use super::bounds::{CLOSE, DRAIN, HEALTH_CONNECTIONS, STOP_GRACE};
use super::connections::{self, Entry};
use super::descriptors;
use super::doorkeeper::Doorkeeper;
use super::drain::Drain;
use super::grpc;

/// A flow with a port, not serving yet.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    /// What health checks alone come to.
    health: Option<(TcpListener, SocketAddr)>,
    doorkeeper: Doorkeeper,
    /// Whether somebody is asked who they are.
    asks: bool,
    flow: Arc<dyn Service>,
    prefetch: usize,
    max_message: usize,
    pub(crate) stop_times: StopTimes,
}

/// How long a stop waits for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StopTimes {
    /// See [`DRAIN`].
    pub(crate) drain: Duration,
    /// See [`GatewayConfig::grace`].
    pub(crate) total: Duration,
    /// See [`CLOSE`].
    pub(crate) close: Duration,
}

impl StopTimes {
    pub(crate) fn of(config: &GatewayConfig) -> StopTimes {
        StopTimes {
            drain: DRAIN,
            total: config.grace,
            close: CLOSE,
        }
    }
}

/// Why a gateway no longer serves.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The reflection service does not take the protocol's descriptors, which are part
    /// of the program.
    #[error("cannot set up server reflection; this program was built wrongly: build it again")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// It was stopped, and some clients did not take their answers, or some requests took
    /// too long.
    #[error("{} cut off by the stop: {}", calls_are(*calls), why_cut_off(*requests, *within))]
    CutOff {
        /// gRPC calls.
        calls: usize,
        /// Requests of theirs that were not answered.
        requests: usize,
        /// The time that they had.
        within: Duration,
    },
}

fn calls_are(calls: usize) -> String {
    match calls {
        1 => "a call was".to_owned(),
        _ => format!("{calls} calls were"),
    }
}

fn why_cut_off(requests: usize, within: Duration) -> String {
    let left = match requests {
        0 => {
            return "what was asked is answered, but the clients did not take the answers"
                .to_owned();
        }
        1 => "a request was".to_owned(),
        _ => format!("{requests} requests were"),
    };
    format!(
        "{left} not answered within {within:?}; raise `grace` in `[gateway]` of flow.toml if they \
         need longer"
    )
}

impl Gateway {
    /// Takes the ports. Clients can connect from now on; they are answered once
    /// [`serve`](Self::serve) runs.
    ///
    /// # Errors
    /// When a port cannot be had, or the door's certificates cannot be used.
    pub async fn bind(
        config: &GatewayConfig,
        flow: Arc<dyn Service>,
    ) -> Result<Gateway, BindError> {
        let doorkeeper = Doorkeeper::new(&config.door)?;
        let (listener, address) =
            bind::listen(Listener::Gateway, &config.host, config.port).await?;
        let health = match config.port_health {
            Some(port) => Some(bind::listen(Listener::Health, &config.host, port).await?),
            None => None,
        };
        Ok(Gateway {
            listener,
            address,
            health,
            doorkeeper,
            asks: config.door.asks(),
            flow,
            prefetch: config.prefetch.get(),
            max_message: config.max_message,
            stop_times: StopTimes::of(config),
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address where health checks alone are answered, if there is one.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(|(_, address)| *address)
    }

    /// Who lets clients in: for other certificates or tokens while it serves.
    pub fn doorkeeper(&self) -> &Doorkeeper {
        &self.doorkeeper
    }

    /// Serves until `shutdown` is done and what was in flight then is answered.
    ///
    /// From then on no connection is accepted, no message is read that has not
    /// arrived, a stream that its client keeps open ends with `UNAVAILABLE`, and a
    /// connection without a call is closed. Requests that are not answered within
    /// [`grace`](GatewayConfig::grace) are given up.
    ///
    /// It raises the process's limit of file descriptors to the most that the process may
    /// have, and uses no more than half of them for connections.
    ///
    /// # Errors
    /// When clients do not take what they asked for, or requests are given up.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Gateway {
            listener,
            flow,
            prefetch,
            max_message,
            stop_times,
            address,
            health,
            doorkeeper,
            asks,
        } = self;
        if !asks && !address.ip().is_loopback() {
            tracing::warn!(
                "the gateway listens on {address} and asks nobody who they are: set \
                 [gateway.auth], or `client_ca` in [gateway.tls], let only those reach it who may \
                 send requests, or listen on 127.0.0.1"
            );
        }
        let drain = Drain::new();
        let service = grpc::service(flow, prefetch, max_message, &doorkeeper, &drain)
            .map_err(ServeError::Reflection)?;
        let entry = Entry {
            doorkeeper,
            service,
            without_tls: grpc::without_tls(&drain),
        };
        let most = descriptors::connections();
        let served = async {
            let gateway = connections::serve(listener, most, entry, &drain);
            match health {
                None => gateway.await,
                Some((listener, _)) => {
                    let service = grpc::health(&drain);
                    let entry = Entry {
                        doorkeeper: Doorkeeper::default(),
                        without_tls: service.clone(),
                        service,
                    };
                    // Descriptors are left for others, however few there are.
                    let most = HEALTH_CONNECTIONS.min(most / 4).max(1);
                    let health = connections::serve(listener, most, entry, &drain);
                    tokio::join!(gateway, health);
                }
            }
        };
        let cut_off = async {
            shutdown.await;
            drain.stop();
            let end = Instant::now() + stop_times.total.min(MAX_DURATION);
            loop {
                let left = drain.idle(stop_times.drain, end).await;
                if left.calls > 0 {
                    return left;
                }
                // The last bytes have what is left of the time, and no less than a moment.
                let left = end.saturating_duration_since(Instant::now());
                tokio::time::sleep(stop_times.close.min(left.max(STOP_GRACE))).await;
                // A call may have come before its client knew of the stop.
                let left = drain.left();
                if left.calls == 0 {
                    return left;
                }
            }
        };
        tokio::select! {
            () = served => Ok(()),
            left = cut_off => match left.calls {
                0 => Ok(()),
                calls => Err(ServeError::CutOff {
                    calls,
                    requests: left.requests,
                    within: stop_times.total,
                }),
            },
        }
    }
}
