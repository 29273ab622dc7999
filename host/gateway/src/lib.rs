//! The gateway: a flow behind Jina's gRPC protocol.
//!
//! `JinaRPC/Call`, `process_single_data`, `endpoint_discovery`, `dry_run` and
//! `_status` are served, with the standard health and reflection services. The
//! other services of `jina.proto` are listed where Jina's gateway lists them,
//! and refuse calls with a sentence that says what to use instead.
//!
//! A request that can be told from others is always answered as Jina does, with
//! gRPC's `OK` and the error in `header.status`. gRPC's own statuses are for
//! what concerns the call: bytes that are no request, a message that is too
//! large, a gateway that is being stopped.
//!
//! tonic's types stay in this module.

mod answer;
mod call;
pub mod client;
mod drain;
mod frame;
mod front;
mod proto;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming, async_trait};
use tonic_health::ServingStatus;

use self::call::CallStream;
use self::drain::Drain;
use self::frame::Answer;
use self::front::Front;
use self::proto::jina_discover_endpoints_r_p_c_server::{
    JinaDiscoverEndpointsRPC, JinaDiscoverEndpointsRPCServer,
};
use self::proto::jina_gateway_dry_run_r_p_c_server::{
    JinaGatewayDryRunRPC, JinaGatewayDryRunRPCServer,
};
use self::proto::jina_info_r_p_c_server::{JinaInfoRPC, JinaInfoRPCServer};
use self::proto::jina_r_p_c_server::{JinaRPC, JinaRPCServer};
use self::proto::jina_single_data_request_r_p_c_server::{
    JinaSingleDataRequestRPC, JinaSingleDataRequestRPCServer,
};
use self::proto::{EndpointsProto, JinaInfoProto, StatusProto};
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{self as contract, Service};
use wasm_flow_document::DocumentArray;

/// The services that reflection lists: Jina's own list, whose names are not
/// those of what is implemented, and health.
const LISTED: [&str; 9] = [
    "jina.JinaRPC",
    "jina.JinaSingleDataRequestRPC",
    "jina.JinaDataRequestRPC",
    "jina.JinaGatewayDryRunRPC",
    "jina.JinaSingleDocumentRequestRPC",
    "jina.JinaDiscoverEndpointsRPC",
    "jina.JinaInfoRPC",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.health.v1.Health",
];

/// How long a stopped gateway waits for clients that have stopped reading, once
/// their requests are answered. Executors' own `timeout` bounds the work itself.
const DRAIN: Duration = Duration::from_secs(120);

/// How long connections may take to close once every call has ended: for the last
/// bytes to leave. A connection with nothing left to send closes at once, so this
/// is waited out only for a client that has stopped reading, or that asks for
/// reflection without an end.
const CLOSE: Duration = Duration::from_secs(30);

/// A flow with a port, not serving yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    service: JinaService,
}

/// Why a gateway has no port.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it.
    #[error(
        "cannot listen on {address}: another program has that port; stop it, or take another \
         port with `--port` or with `port` under [gateway] in flow.toml (0 takes any free one)"
    )]
    Taken {
        /// `host:port`.
        address: String,
    },
    /// The port needs rights that this process has not.
    #[error(
        "cannot listen on {address}: this user may not open that port; take one above 1023 with \
         `--port` or with `port` under [gateway] in flow.toml"
    )]
    Forbidden {
        /// `host:port`.
        address: String,
    },
    /// The host is not one of this machine's.
    #[error(
        "cannot listen on {address}: `{host}` is not an address of this machine; 127.0.0.1 is \
         reached from this machine alone, 0.0.0.0 from every network ({source})"
    )]
    NotHere {
        /// `host:port`.
        address: String,
        /// The host.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// Whether the host is what is wrong, and not the port.
    pub fn is_about_host(&self) -> bool {
        matches!(self, BindError::NotHere { .. })
    }

    fn new(host: &str, port: u16, source: io::Error) -> BindError {
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { address },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::NotFound => BindError::NotHere {
                address,
                host: host.to_owned(),
                source,
            },
            _ => BindError::Other { address, source },
        }
    }
}

/// Why a gateway no longer serves.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gRPC server failed.
    #[error("the gRPC server failed: {0}")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
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

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
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
        let GatewayConfig { host, port, .. } = config;
        let fail = |source| BindError::new(host, *port, source);
        // A host name may not resolve: the system has no error kind of its own
        // for that.
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), *port))
            .await
            .map_err(|source| fail(io::Error::new(io::ErrorKind::NotFound, source)))?
            .collect();
        let listener = TcpListener::bind(addresses.as_slice())
            .await
            .map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Gateway {
            listener,
            address,
            service: JinaService {
                shared: Arc::new(Shared {
                    flow,
                    prefetch: config.prefetch.get(),
                    max_message: config.max_message,
                    drain: Drain::new(),
                }),
            },
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done and what was in flight then is answered.
    ///
    /// From then on no connection is accepted, no message is read that has not
    /// arrived, and a stream that its client keeps open ends with
    /// `UNAVAILABLE`.
    ///
    /// # Errors
    /// When the server itself fails, or clients do not take what they asked for.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Gateway {
            listener, service, ..
        } = self;
        let server_error =
            |error: Box<dyn std::error::Error + Send + Sync>| ServeError::Server(error);

        let (mut health, health_service) = tonic_health::server::health_reporter();
        for name in LISTED {
            health
                .set_service_status(name, ServingStatus::Serving)
                .await;
        }
        let reflection = || {
            LISTED.iter().fold(
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET),
                |builder, name| builder.with_service_name(*name),
            )
        };
        let v1 = reflection()
            .build_v1()
            .map_err(|error| server_error(error.into()))?;
        let v1alpha = reflection()
            .build_v1alpha()
            .map_err(|error| server_error(error.into()))?;

        /// Both encodings in both directions, and the bound on messages.
        macro_rules! configured {
            ($server:ident) => {
                $server::new(service.clone())
                    .accept_compressed(CompressionEncoding::Gzip)
                    .accept_compressed(CompressionEncoding::Deflate)
                    .send_compressed(CompressionEncoding::Gzip)
                    .send_compressed(CompressionEncoding::Deflate)
                    .max_decoding_message_size(service.shared.max_message)
            };
        }
        let router = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .layer(Front)
            .add_service(configured!(JinaRPCServer))
            .add_service(configured!(JinaSingleDataRequestRPCServer))
            .add_service(configured!(JinaDiscoverEndpointsRPCServer))
            .add_service(configured!(JinaGatewayDryRunRPCServer))
            .add_service(configured!(JinaInfoRPCServer))
            .add_service(health_service)
            .add_service(v1)
            .add_service(v1alpha);

        let drain = service.shared.drain.clone();
        let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = router.serve_with_incoming_shutdown(incoming, async {
            shutdown.await;
            drain.stop();
            // The receiver goes only together with this future.
            let _ = stopping.send(());
        });
        let drained = async {
            if stopped.await.is_err() {
                // The server ended by itself: it is the one to tell why.
                std::future::pending::<()>().await;
            }
            for name in LISTED.into_iter().chain([""]) {
                health
                    .set_service_status(name, ServingStatus::NotServing)
                    .await;
                // Ends the calls that watch it.
                health.clear_service_status(name).await;
            }
            let cut_off = service.shared.drain.idle(DRAIN).await;
            if cut_off == 0 {
                tokio::time::sleep(CLOSE).await;
            }
            cut_off
        };
        tokio::select! {
            served = server => served.map_err(|error| server_error(error.into())),
            calls = drained => match calls {
                0 => Ok(()),
                calls => Err(ServeError::CutOff { calls }),
            },
        }
    }
}

/// How often a silent client is asked whether it is still there. What a lost
/// one left in flight is given up when it does not answer within 20 s.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// HTTP/2 lets a sender go ahead by this much. Its default of 64 KiB makes a
/// message of a few MiB wait for the network's round trips.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// What is served.
type Flow = Arc<dyn Service>;

/// Implements Jina's services.
#[derive(Clone)]
struct JinaService {
    shared: Arc<Shared>,
}

struct Shared {
    flow: Flow,
    prefetch: usize,
    max_message: usize,
    drain: Drain,
}

#[async_trait]
impl JinaRPC for JinaService {
    type CallStream = CallStream;

    async fn call(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<CallStream>, Status> {
        let shared = &self.shared;
        let options = call::options(request.metadata(), shared.prefetch, shared.max_message)?;
        Ok(Response::new(CallStream::new(
            shared.flow.clone(),
            request.into_inner(),
            options,
            shared.drain.enter(),
        )))
    }
}

#[async_trait]
impl JinaSingleDataRequestRPC for JinaService {
    async fn process_single_data(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Answer>, Status> {
        let shared = &self.shared;
        let active = shared.drain.enter();
        call::single(
            &shared.flow,
            request.into_inner(),
            shared.max_message,
            active,
        )
        .await
        .map(Response::new)
    }
}

#[async_trait]
impl JinaDiscoverEndpointsRPC for JinaService {
    async fn endpoint_discovery(&self, _: Request<()>) -> Result<Response<EndpointsProto>, Status> {
        Ok(Response::new(EndpointsProto {
            endpoints: self.shared.flow.endpoints(),
            ..EndpointsProto::default()
        }))
    }
}

#[async_trait]
impl JinaGatewayDryRunRPC for JinaService {
    async fn dry_run(&self, _: Request<()>) -> Result<Response<StatusProto>, Status> {
        let active = self.shared.drain.enter();
        let _unanswered = active.request();
        let docs = DocumentArray::from_texts([""]);
        let response = self
            .shared
            .flow
            .call(contract::Request::new(DRY_RUN, docs))
            .await;
        Ok(Response::new(match response.failure {
            Some(failure) => answer::status(&failure),
            None => StatusProto::default(),
        }))
    }
}

#[async_trait]
impl JinaInfoRPC for JinaService {
    async fn status(&self, _: Request<()>) -> Result<Response<JinaInfoProto>, Status> {
        // Jina also tells its environment variables here. That is nobody's
        // business who can reach the port.
        let versions = [
            ("wasm-flow", env!("CARGO_PKG_VERSION")),
            ("jina", "3"),
            ("docarray", "1"),
        ];
        Ok(Response::new(JinaInfoProto {
            jina: versions
                .into_iter()
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .collect(),
            envs: Default::default(),
        }))
    }
}
