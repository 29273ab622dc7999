//! A client for Jina's protocol, as `wasm-flow post` and the benchmark use it.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use prost::Message;
use serde_json::{Map, Value};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Status};
use wasm_flow_contract::remote::{RemoteAddress, Secret, TlsConfig};
use wasm_flow_contract::units::Size;
use wasm_flow_document::{DocumentArray, Struct, random_id};

use super::channel::{Connector, Keepalive, TlsError, bearer, root_cause};
use super::frame::{Answer, Incoming, RawCodec};
use super::proto::status_proto::StatusCode;
use super::proto::{HeaderProto, RouteProto, StatusProto};
use crate::bounds::{CLIENT_KEEPALIVE, KEEPALIVE_ANSWER};

/// A connection to a gateway: wasm-flow's or Jina's. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    address: String,
    token: Option<MetadataValue<Ascii>>,
}

/// What is sent.
#[derive(Debug, Clone, Default)]
pub struct PostRequest {
    /// The endpoint: `/index`.
    pub endpoint: String,
    /// A regular expression that picks executors by name.
    pub target: Option<String>,
    /// Parameters for the executors. Empty is the same as none.
    pub parameters: Map<String, Value>,
    /// The documents.
    pub docs: DocumentArray,
}

/// What comes back.
#[derive(Debug, Clone)]
pub struct PostResponse {
    /// The id that the request was given.
    pub request_id: String,
    /// The documents.
    pub docs: DocumentArray,
    /// The request's parameters, with what executors returned under
    /// `__results__`.
    pub parameters: Map<String, Value>,
    /// The executors that the request passed, `gateway` first.
    pub routes: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<PostFailure>,
    /// What the gateway has to say about a request that it served.
    pub notice: Option<String>,
}

/// A request that failed in the flow. The other requests of its stream go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct PostFailure {
    /// What failed, where and why.
    pub description: String,
    /// The kind of error.
    pub name: String,
    /// The executor's type.
    pub executor: String,
    /// Its traceback.
    pub stacks: Vec<String>,
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
        Client::connect_with(address, CLIENT_KEEPALIVE, KEEPALIVE_ANSWER).await
    }

    /// The same with other times after which a gateway is asked whether it is still there,
    /// and has to have answered.
    pub(super) async fn connect_with(
        address: &str,
        keepalive: Duration,
        answer: Duration,
    ) -> Result<Client, ClientError> {
        Client::open(
            address,
            &TlsConfig::default(),
            None,
            Keepalive {
                after: keepalive,
                answer,
            },
        )
        .await
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
        let keepalive = Keepalive {
            after: CLIENT_KEEPALIVE,
            answer: KEEPALIVE_ANSWER,
        };
        Client::open(address, tls, token, keepalive).await
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
        let authority = server.to_string();
        let channel = connector
            .endpoint(server, &authority)?
            .connect()
            .await
            .map_err(|error| ClientError::Connect {
                address: authority.clone(),
                reason: root_cause(&error),
            })?;
        Ok(Client {
            channel,
            token: token.map(bearer).transpose()?,
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

    /// Sends requests in one stream (`JinaRPC/Call`) and gives the answers as
    /// they come. An error ends the stream.
    ///
    /// # Errors
    /// When the call cannot be started.
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
                let message = message(request).map_err(|error| {
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
        let answers = grpc
            .streaming(request, path, RawCodec)
            .await
            .map_err(|status| self.ended(&status))?
            .into_inner();
        let client = self.clone();
        let answers = answers.map(move |frame| {
            let _ = &held;
            match frame {
                Ok(frame) => client.response(frame),
                Err(status) => Err(client.ended(&status)),
            }
        });
        let refusal = futures::stream::once(async move { refusal.try_recv().ok() })
            .filter_map(|error| async { error.map(Err) });
        Ok(answers.chain(refusal).boxed())
    }

    /// Sends one request (`process_single_data`).
    ///
    /// # Errors
    /// When the call fails as a whole. A failure in the flow is part of the
    /// answer.
    pub async fn post(&self, request: PostRequest) -> Result<PostResponse, ClientError> {
        let mut grpc = self.grpc(false).await?;
        let path = http::uri::PathAndQuery::from_static(
            "/jina.JinaSingleDataRequestRPC/process_single_data",
        );
        let frame = grpc
            .unary(self.request(message(request)?), path, RawCodec)
            .await
            .map_err(|status| self.ended(&status))?
            .into_inner();
        self.response(frame)
    }

    /// Asks whether a request gets through the flow (`dry_run`).
    ///
    /// # Errors
    /// When the call fails.
    pub async fn dry_run(&self) -> Result<Option<PostFailure>, ClientError> {
        let mut grpc = self.grpc(false).await?;
        let path = http::uri::PathAndQuery::from_static("/jina.JinaGatewayDryRunRPC/dry_run");
        let codec = tonic_prost::ProstCodec::<(), StatusProto>::default();
        let status = grpc
            .unary(self.request(()), path, codec)
            .await
            .map_err(|status| self.ended(&status))?
            .into_inner();
        Ok(failure(status))
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
        grpc.ready().await.map_err(|error| ClientError::Connect {
            address: self.address.clone(),
            reason: root_cause(&error),
        })?;
        Ok(grpc)
    }

    fn ended(&self, status: &Status) -> ClientError {
        ClientError::Call {
            address: self.address.clone(),
            code: code_name(status.code()),
            // A status that came from the gateway has no cause. One of this side says in its
            // message only that it is about HTTP/2.
            message: match (status.message(), std::error::Error::source(status)) {
                (message, None) if !message.is_empty() => message.to_owned(),
                _ => root_cause(status),
            },
        }
    }

    fn response(&self, frame: Bytes) -> Result<PostResponse, ClientError> {
        let wrong = |reason: String| ClientError::Answer {
            address: self.address.clone(),
            reason,
        };
        let incoming = Incoming::decode(frame).map_err(|error| wrong(error.to_string()))?;
        let parameters = match incoming.parameters {
            Some(bytes) => Struct::decode(bytes)
                .map_err(|error| wrong(format!("parameters: {error}")))?
                .to_map(),
            None => Map::new(),
        };
        let docs = incoming
            .data
            .decode()
            .map_err(|error| wrong(error.to_string()))?;
        let routes = incoming
            .routes
            .into_iter()
            .map(|route| {
                RouteProto::decode(route)
                    .map(|route| route.executor)
                    .map_err(|error| wrong(format!("routes: {error}")))
            })
            .collect::<Result<_, _>>()?;
        let status = incoming.header.status.unwrap_or_default();
        let notice = (status.code == i32::from(StatusCode::Success)
            && !status.description.is_empty())
        .then(|| status.description.clone());
        Ok(PostResponse {
            request_id: incoming.header.request_id,
            docs,
            parameters,
            routes,
            failure: failure(status),
            notice,
        })
    }
}

fn message(request: PostRequest) -> Result<Answer, ClientError> {
    let parameters = if request.parameters.is_empty() {
        None
    } else {
        Some(Struct::from_map(&request.parameters).map_err(ClientError::Parameters)?)
    };
    let message = Answer {
        header: HeaderProto {
            request_id: random_id().to_string(),
            exec_endpoint: Some(request.endpoint),
            target_executor: request.target,
            ..HeaderProto::default()
        },
        parameters,
        routes: Vec::new(),
        docs: Some(request.docs.encoding()),
    };
    // Said here, in words: once a call has begun its client is told only that
    // something went wrong with it.
    let bytes = message.encoded_len();
    if u32::try_from(bytes).is_err() {
        return Err(ClientError::TooLarge { bytes });
    }
    Ok(message)
}

fn failure(status: StatusProto) -> Option<PostFailure> {
    if status.code == i32::from(StatusCode::Success) {
        return None;
    }
    let exception = status.exception.unwrap_or_default();
    Some(PostFailure {
        description: status.description,
        name: exception.name,
        executor: exception.executor,
        stacks: exception.stacks,
    })
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
