//! A client for Jina's protocol.
//!
//! [`Client::post`] sends documents to an endpoint of a gateway: see [`Post`].

mod answers;
mod message;
mod post;
mod progress;
mod requests;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures::future::{Either, TryFutureExt as _};
use futures::stream::{BoxStream, Stream, StreamExt};
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Status};
use wasm_flow_contract::parameters::NotAnObject;
use wasm_flow_contract::remote::{RemoteAddress, Secret, TlsConfig};
use wasm_flow_contract::units::Size;

pub use answers::Answers;
pub use message::{PostFailure, PostRequest, PostResponse};
pub use post::{Post, REQUEST_SIZE};
pub use progress::Progress;

use super::channel::{Connector, Keepalive, TlsError, bearer, broken};
use super::frame::RawCodec;
use super::proto::{EndpointsProto, JinaInfoProto, StatusProto};

/// A connection to a gateway: wasm-flow's or Jina's. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    address: String,
    is_secure: bool,
    /// Whether the gateway has said anything.
    has_answered: Arc<AtomicBool>,
    token: Option<MetadataValue<Ascii>>,
}

/// How a stream of requests is to be served.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostOptions {
    /// How many requests may be in flight; `None` leaves it to the gateway.
    pub prefetch: Option<usize>,
    /// Whether answers are to come in the order of the requests.
    pub in_order: bool,
    /// Whether messages are compressed, both ways.
    pub compress: bool,
}

/// What a gateway says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayStatus {
    /// Versions by the name of what has them: `wasm-flow`, or `jina`, `docarray` and so
    /// on.
    pub versions: BTreeMap<String, String>,
    /// Variables of its environment, as Jina's gateway tells them to everybody. wasm-flow's
    /// tells none.
    pub environment: BTreeMap<String, String>,
}

/// Any error, as an input ends with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be read.
    #[error(
        "`{address}` is not a gateway's address: write grpc://host:port, or grpcs://host:port for TLS"
    )]
    Address {
        /// What was given.
        address: String,
    },
    /// There is a token or a certificate, and the address is not one over TLS.
    #[error(
        "`{address}` has no TLS to send a token or a certificate over: write grpcs://host:port"
    )]
    Insecure {
        /// What was given.
        address: String,
    },
    /// The certificates, the key or the token cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody answers there.
    #[error(
        "cannot reach {address}: {reason}; is `wasm-flow run` or `wasm-flow serve` running there? \
         (without a `--port`, `serve` listens on 12345, and `run` on what flow.toml says, else 54321)"
    )]
    Connect {
        /// `host:port`.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// Nobody answers there over TLS, or whoever does is not trusted.
    #[error("cannot reach {address} over TLS: {reason}")]
    ConnectSecure {
        /// `host:port`.
        address: String,
        /// What the system said, or what is wrong with the certificates, and what to do.
        reason: String,
    },
    /// The gateway ended the call.
    #[error("{address} ended the call: {message} (gRPC status {code})")]
    Call {
        /// `host:port`.
        address: String,
        /// gRPC's name of the status: `UNAVAILABLE`.
        code: &'static str,
        /// What it said.
        message: String,
    },
    /// What came back is not what the protocol says.
    #[error("{address} sent something that is not an answer: {reason}")]
    Answer {
        /// `host:port`.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The parameters cannot be sent.
    #[error("these parameters cannot be sent: {0}")]
    Parameters(wasm_flow_document::StructError),
    /// The parameters are not a JSON object.
    #[error("these parameters cannot be sent: {0}")]
    NotAnObject(NotAnObject),
    /// A request cannot have so many documents.
    #[error("a request has at least one document, and `request_size` is 0")]
    RequestSize,
    /// The documents' stream ended with an error. What was read before it is answered.
    #[error("the documents to send cannot be read: {0}")]
    Input(BoxError),
    /// A request failed in the flow.
    #[error("a request failed: {0}")]
    Failed(Box<PostFailure>),
    /// The gateway ended the call as if all were well.
    #[error("the gateway ended the call after it had answered {answered} of {sent} requests")]
    Unanswered {
        /// How many requests are answered.
        answered: u64,
        /// How many were sent.
        sent: u64,
    },
    /// A request is larger than a gRPC message can be.
    #[error(
        "a request takes {size}, and a gRPC message is smaller than 4 GiB; send fewer documents \
         a request",
        size = Size(*bytes)
    )]
    TooLarge {
        /// What it takes; `u64::MAX` for more than can be counted.
        bytes: u64,
    },
}

impl Client {
    /// Connects to `grpc://host:port`, `host:port`, or `grpcs://host:port` over TLS.
    ///
    /// # Errors
    /// When that is not an address, or nobody answers there within 10 s.
    pub async fn connect(address: &str) -> Result<Client, ClientError> {
        Client::open(address, &TlsConfig::default(), None, Keepalive::default()).await
    }

    /// The same with other times after which a gateway is asked whether it is still there,
    /// and has to have answered.
    #[cfg(test)]
    pub(super) async fn connect_with(
        address: &str,
        keepalive: Keepalive,
    ) -> Result<Client, ClientError> {
        Client::open(address, &TlsConfig::default(), None, keepalive).await
    }

    /// Connects to `grpcs://host:port` with certificates and a token of one's own. The
    /// token goes along with every call, as `authorization: Bearer <token>`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and when the certificates or the key cannot be used,
    /// or there is a token and no TLS to send it over.
    pub async fn connect_secure(
        address: &str,
        tls: &TlsConfig,
        token: Option<&Secret>,
    ) -> Result<Client, ClientError> {
        Client::open(address, tls, token, Keepalive::default()).await
    }

    async fn open(
        address: &str,
        tls: &TlsConfig,
        token: Option<&Secret>,
        keepalive: Keepalive,
    ) -> Result<Client, ClientError> {
        let wrong = || ClientError::Address {
            address: address.to_owned(),
        };
        let parsed = match address.contains("://") {
            true => RemoteAddress::parse(address),
            false => RemoteAddress::parse(&format!("grpc://{address}")),
        };
        let parsed = parsed.map_err(|_| wrong())?;
        let [server] = parsed.hosts() else {
            return Err(wrong());
        };
        let connector = match parsed.is_secure() {
            true => Connector::secure(tls, keepalive)?,
            false if token.is_some() || tls.ca.is_some() || tls.identity.is_some() => {
                return Err(ClientError::Insecure {
                    address: address.to_owned(),
                });
            }
            false => Connector::plain(keepalive),
        };
        let token = token.map(bearer).transpose()?;
        let authority = server.to_string();
        let channel = connector
            .endpoint(server, &authority)?
            .connect()
            .await
            .map_err(|error| unreachable(&authority, parsed.is_secure(), false, &error))?;
        Ok(Client {
            channel,
            is_secure: parsed.is_secure(),
            has_answered: Arc::default(),
            token,
            address: authority,
        })
    }

    /// A request with the token.
    fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        request
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Documents to be sent to an endpoint, as in `client.post("/index").docs(docs)`:
    /// see [`Post`].
    pub fn post(&self, endpoint: impl Into<String>) -> Post {
        Post::new(self.clone(), endpoint.into())
    }

    /// Sends requests in one stream (`JinaRPC/Call`) and gives the answers as
    /// they come. An error ends the stream, also that of a gateway that refuses the call.
    /// [`post`](Client::post) makes the requests, and sees to it that each is answered.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn call(
        &self,
        requests: impl Stream<Item = PostRequest> + Send + 'static,
        options: PostOptions,
    ) -> Result<BoxStream<'static, Result<PostResponse, ClientError>>, ClientError> {
        // A request that cannot be encoded ends the sending side. What was sent before
        // is answered, and the reason is the last item.
        let (refused, mut refusal) = tokio::sync::oneshot::channel();
        // HTTP/2 keeps a call open while either side of it is held. So dropping the
        // answers has to end the requests too.
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let messages = requests
            .take_until(dropped)
            .scan(Some(refused), |refused, request| {
                let message = message::encode(request).map_err(|error| {
                    if let Some(refused) = refused.take() {
                        // Nobody listens once the answers were dropped.
                        let _ = refused.send(error);
                    }
                });
                std::future::ready(message.ok())
            });
        let mut request = self.request(messages);
        let metadata = request.metadata_mut();
        if let Some(prefetch) = options.prefetch {
            metadata.insert("__prefetch__", MetadataValue::from(prefetch));
        }
        if options.in_order {
            metadata.insert("__results_in_order__", MetadataValue::from_static("true"));
        }
        let mut grpc = self.grpc(options.compress).await?;
        let path = http::uri::PathAndQuery::from_static("/jina.JinaRPC/Call");
        let client = self.clone();
        let mut calling =
            Box::pin(async move { client.outcome(grpc.streaming(request, path, RawCodec).await) });
        // Polled once, the call is on its way. Jina's gateway says nothing before its first
        // answer, which may be to a request that is not there yet: nobody waits for that but
        // who waits for an answer.
        let begun = match futures::poll!(&mut calling) {
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Ready(Ok(answers)) => Either::Left(ready(Ok(answers))),
            Poll::Pending => Either::Right(calling),
        };
        let client = self.clone();
        let answers = begun.map_ok(|answers| {
            let frames = answers.into_inner();
            frames.map(move |frame| {
                let _ = &held;
                client.response(client.outcome(frame)?)
            })
        });
        let answers = answers.try_flatten_stream();
        let refusal = futures::stream::once(async move { refusal.try_recv().ok() })
            .filter_map(|error| async { error.map(Err) });
        Ok(answers.chain(refusal).boxed())
    }

    /// Sends one request by itself (`process_single_data`).
    ///
    /// # Errors
    /// When the call fails as a whole. A failure in the flow is part of the
    /// answer.
    pub async fn send(&self, request: PostRequest) -> Result<PostResponse, ClientError> {
        let mut grpc = self.grpc(false).await?;
        let path = http::uri::PathAndQuery::from_static(
            "/jina.JinaSingleDataRequestRPC/process_single_data",
        );
        let request = self.request(message::encode(request)?);
        let answer = self.outcome(grpc.unary(request, path, RawCodec).await)?;
        self.response(answer.into_inner())
    }

    /// Asks whether a request gets through the flow (`dry_run`).
    ///
    /// # Errors
    /// When the call fails.
    pub async fn dry_run(&self) -> Result<Option<PostFailure>, ClientError> {
        let status: StatusProto = self.ask("/jina.JinaGatewayDryRunRPC/dry_run").await?;
        Ok(message::failure(status))
    }

    /// Whether a request gets through the flow: [`dry_run`](Client::dry_run) without the
    /// reason.
    pub async fn is_flow_ready(&self) -> bool {
        matches!(self.dry_run().await, Ok(None))
    }

    /// The endpoints that some executor binds (`endpoint_discovery`), the dry run's
    /// included.
    ///
    /// # Errors
    /// When the call fails. That of Jina's gateway does with documents of docarray v1.
    pub async fn endpoints(&self) -> Result<Vec<String>, ClientError> {
        let path = "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery";
        let found: EndpointsProto = self.ask(path).await?;
        Ok(found.endpoints)
    }

    /// What the gateway says of itself (`_status`).
    ///
    /// # Errors
    /// When the call fails.
    pub async fn status(&self) -> Result<GatewayStatus, ClientError> {
        let JinaInfoProto { jina, envs } = self.ask("/jina.JinaInfoRPC/_status").await?;
        Ok(GatewayStatus {
            versions: jina,
            environment: envs,
        })
    }

    /// Calls a method that takes nothing.
    async fn ask<M: Message + Default + 'static>(
        &self,
        path: &'static str,
    ) -> Result<M, ClientError> {
        let mut grpc = self.grpc(false).await?;
        let codec = tonic_prost::ProstCodec::<(), M>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = grpc.unary(self.request(()), path, codec).await;
        Ok(self.outcome(answer)?.into_inner())
    }

    async fn grpc(&self, compress: bool) -> Result<Grpc<Channel>, ClientError> {
        let mut grpc = Grpc::new(self.channel.clone())
            // The caller asked for these documents, so there is no bound.
            .max_decoding_message_size(usize::MAX)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate);
        if compress {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        let ready = grpc.ready().await;
        ready.map_err(|error| {
            unreachable(&self.address, self.is_secure, self.has_answered(), &error)
        })?;
        Ok(grpc)
    }

    fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// What became of a call, or of a part of it.
    fn outcome<T>(&self, outcome: Result<T, Status>) -> Result<T, ClientError> {
        // A status that came from the gateway has no cause.
        if outcome.as_ref().err().and_then(Error::source).is_none() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        outcome.map_err(|status| self.ended(&status))
    }

    fn ended(&self, status: &Status) -> ClientError {
        ClientError::Call {
            address: self.address.clone(),
            code: code_name(status.code()),
            message: match (status.message(), status.source()) {
                (message, None) if !message.is_empty() => message.to_owned(),
                // One of this side says in its message only that it is about HTTP/2. Some of
                // what is wrong with a connection shows in its first call.
                _ => broken(status, self.is_secure, self.has_answered()),
            },
        }
    }

    fn response(&self, frame: Bytes) -> Result<PostResponse, ClientError> {
        message::decode(frame).map_err(|reason| ClientError::Answer {
            address: self.address.clone(),
            reason,
        })
    }
}

fn unreachable(
    address: &str,
    is_secure: bool,
    has_answered: bool,
    error: &(dyn Error + 'static),
) -> ClientError {
    let reason = broken(error, is_secure, has_answered);
    let address = address.to_owned();
    match is_secure {
        true => ClientError::ConnectSecure { address, reason },
        false => ClientError::Connect { address, reason },
    }
}

/// gRPC's own names.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
