//! One server of a remote executor.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::time::{sleep, timeout};
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Status, TimeoutExpired};
use tracing::{debug, info, warn};
use wasm_flow_contract::remote::HostPort;
use wasm_flow_contract::{Call, FailureKind};

use super::super::channel::{broken, causes, root_cause};
use super::super::client::code_name;
use super::super::frame::{ListCodec, RawCodec};
use super::super::proto::{EndpointsProto, JinaInfoProto};
use super::absent::Absent;
use super::common::{Common, Outcome};
use super::greeting::{Greeting, Latest, Said};
use super::message::Message;
use super::noting::{Noted, Noting};
use super::unreachable::Tried;
use crate::bounds::{CONNECT, GREETING_SIZE, RETURN_FIRST, RETURN_LONGEST};

/// A server, with the connection to it.
#[derive(Debug)]
pub(super) struct Peer {
    server: HostPort,
    address: SocketAddr,
    channel: Channel,
    is_secure: bool,
    token: Option<MetadataValue<tonic::metadata::Ascii>>,
    max_reply: usize,
    in_flight: AtomicUsize,
    /// Whether it could not be called, and nobody has found since that it can be.
    down: AtomicBool,
    /// Whether it did not take the documents of several predecessors apart.
    refuses_parts: AtomicBool,
    greeting: Latest,
    asking: Common<Result<Arc<Greeting>, Absent>>,
}

/// How a try to call a server ended.
pub(super) enum Attempt {
    Answered(Bytes),
    /// It did not carry out the call: why.
    Absent(Absent),
    /// It does not take the documents of several predecessors apart.
    NotApart,
    /// It may have got it. What went wrong, its name and its reason.
    Failed(FailureKind, &'static str, String),
}

/// What went wrong with a call.
enum Broken {
    /// The server did not get it.
    NotSent(String),
    Ended {
        status: Status,
        /// Whether the server said so. Otherwise the status is of this side.
        is_said: bool,
    },
}

impl Peer {
    pub(super) fn new(
        server: HostPort,
        address: SocketAddr,
        channel: Channel,
        is_secure: bool,
        token: Option<MetadataValue<tonic::metadata::Ascii>>,
        max_reply: usize,
    ) -> Peer {
        Peer {
            server,
            address,
            channel,
            is_secure,
            token,
            max_reply,
            in_flight: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            refuses_parts: AtomicBool::new(false),
            greeting: Latest::default(),
            asking: Common::default(),
        }
    }

    /// The name that it was found under, and its address.
    pub(super) fn place(&self) -> (&HostPort, SocketAddr) {
        (&self.server, self.address)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Its address, with the name that it was found under.
    pub(super) fn address(&self) -> String {
        match self.address.ip().to_string() == self.server.host {
            true => self.address.to_string(),
            false => format!("{} ({})", self.address, self.server),
        }
    }

    pub(super) fn tried(&self, absent: Absent) -> Tried {
        Tried::new(self.address(), absent)
    }

    /// What it says of itself. It is asked once a connection.
    ///
    /// # Errors
    /// When it cannot be called: why.
    pub(super) async fn greeting(self: &Arc<Self>) -> Result<Arc<Greeting>, Absent> {
        match self.said() {
            Some(said) => Ok(said.greeting),
            None => self.ask_anew().await,
        }
    }

    /// The same, but it is asked although it has said it once. All who come meanwhile
    /// get what it says then.
    pub(super) fn ask_anew(self: &Arc<Self>) -> Outcome<Result<Arc<Greeting>, Absent>> {
        self.asking.outcome(|| {
            let peer = Arc::clone(self);
            async move {
                let asked = timeout(CONNECT, peer.ask_all()).await;
                let greeting = asked.unwrap_or_else(|_| {
                    Err(Absent::Unreachable(format!("no answer within {CONNECT:?}")))
                })?;
                let greeting = Arc::new(greeting);
                debug!(
                    address = peer.address(),
                    ?greeting,
                    "a remote executor answers"
                );
                peer.refuses_parts.store(false, Ordering::Relaxed);
                peer.greeting.set(Said::now(Arc::clone(&greeting)));
                Ok(greeting)
            }
        })
    }

    async fn ask_all(&self) -> Result<Greeting, Absent> {
        let info: Option<JinaInfoProto> = self.ask("/jina.JinaInfoRPC/_status").await?;
        let endpoints: Option<EndpointsProto> = self
            .ask("/jina.JinaDiscoverEndpointsRPC/endpoint_discovery")
            .await?;
        Greeting::read(info, endpoints).map_err(Absent::Refuses)
    }

    /// Asks it beside the calls, if nobody does, so that it gets some.
    pub(super) fn get_to_know(self: &Arc<Self>) {
        let is_looked_after = self.down.load(Ordering::Relaxed) || self.asking.is_under_way();
        if is_looked_after || self.said().is_some() {
            return;
        }
        let (asking, peer) = (self.ask_anew(), Arc::clone(self));
        tokio::spawn(async move {
            if let Err(absent) = asking.await {
                peer.is_lost(&absent);
            }
        });
    }

    /// Whether it may take the documents of several predecessors apart. Nobody says so
    /// before: it is tried.
    pub(super) fn may_take_parts(&self) -> bool {
        !self.refuses_parts.load(Ordering::Relaxed)
    }

    /// As if it had said this of itself.
    #[cfg(test)]
    pub(super) fn greets(&self, greeting: Greeting) {
        self.greeting.set(Said::now(Arc::new(greeting)));
    }

    /// As if it had so many calls in flight.
    #[cfg(test)]
    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.store(count, Ordering::Relaxed);
    }

    /// Makes what it said of itself old.
    #[cfg(test)]
    pub(super) fn age(&self) {
        self.greeting.age();
    }

    /// What it said of itself since it was lost last.
    pub(super) fn said(&self) -> Option<Said> {
        self.greeting.get()
    }

    /// What it said of itself last, whenever that was.
    pub(super) fn remembered(&self) -> Option<Said> {
        self.greeting.remembered()
    }

    /// Asks it anew before the next call.
    fn forget(&self) {
        self.refuses_parts.store(false, Ordering::Relaxed);
        self.greeting.forget();
    }

    /// A question without documents. `None` if the server cannot answer it.
    async fn ask<M: prost::Message + Default + 'static>(
        &self,
        path: &'static str,
    ) -> Result<Option<M>, Absent> {
        let codec = tonic_prost::ProstCodec::<(), M>::default();
        let request = self.request((), None);
        let path = PathAndQuery::from_static(path);
        let status = match self.unary(request, path, codec, GREETING_SIZE).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Broken::NotSent(reason)) => return Err(Absent::Unreachable(reason)),
            Err(Broken::Ended { status, .. }) => status,
        };
        match status.code() {
            // It came from this side: what is there did not answer.
            _ if status.source().is_some() => Err(Absent::Unreachable(self.broken(&status))),
            // Jina's gateway fails at this for documents of the first protocol.
            Code::Unimplemented | Code::Unknown | Code::Internal => Ok(None),
            Code::Unauthenticated | Code::PermissionDenied => {
                Err(Absent::Refuses(unauthorized(&status)))
            }
            _ => Err(Absent::Unreachable(said(&status))),
        }
    }

    /// Sends a call to it.
    pub(super) async fn call(
        self: &Arc<Self>,
        message: Message,
        call: &Call,
        time: Option<Duration>,
    ) -> Attempt {
        let _counted = Counted::new(&self.in_flight);
        let is_apart = matches!(message, Message::Parts(_));
        let sent = self.send(message, call, time);
        let outcome = match time {
            None => sent.await,
            Some(time) => match timeout(time, sent).await {
                Ok(outcome) => outcome,
                Err(_) => return timed_out(time),
            },
        };
        match outcome {
            Ok(frame) => Attempt::Answered(frame),
            Err(Broken::NotSent(reason)) => {
                let absent = Absent::Unreachable(reason);
                self.is_lost(&absent);
                Attempt::Absent(absent)
            }
            Err(Broken::Ended { status, .. })
                if is_apart && status.code() == Code::Unimplemented =>
            {
                self.refuses_parts.store(true, Ordering::Relaxed);
                Attempt::NotApart
            }
            Err(Broken::Ended { status, is_said }) => self.ended(&status, is_said, time),
        }
    }

    async fn send(
        &self,
        message: Message,
        call: &Call,
        time: Option<Duration>,
    ) -> Result<Bytes, Broken> {
        match message {
            Message::Request(request) => {
                let request = self.of_call(*request, call, time);
                let path =
                    PathAndQuery::from_static("/jina.JinaSingleDataRequestRPC/process_single_data");
                self.unary(request, path, RawCodec, self.max_reply).await
            }
            Message::Parts(requests) => {
                let request = self.of_call(requests, call, time);
                let path = PathAndQuery::from_static("/jina.JinaDataRequestRPC/process_data");
                self.unary(request, path, ListCodec, self.max_reply).await
            }
        }
    }

    /// A request with what goes along with a call.
    fn of_call<M>(&self, message: M, call: &Call, time: Option<Duration>) -> Request<M> {
        let mut request = self.request(message, time);
        let metadata = request.metadata_mut();
        // Jina's workers are told so.
        if let Ok(endpoint) = MetadataValue::try_from(&*call.endpoint) {
            metadata.insert("endpoint", endpoint);
        }
        if let Some(trace) = call.trace
            && let Ok(trace) = MetadataValue::try_from(trace.to_string())
        {
            metadata.insert("traceparent", trace);
        }
        request
    }

    fn request<M>(&self, message: M, time: Option<Duration>) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        if let Some(time) = time {
            // So that the server gives up, too.
            request.set_timeout(time);
        }
        request
    }

    async fn unary<C>(
        &self,
        request: Request<C::Encode>,
        path: PathAndQuery,
        codec: C,
        most: usize,
    ) -> Result<C::Decode, Broken>
    where
        C: Codec + Send + Sync + 'static,
        C::Encode: Send + Sync + 'static,
        C::Decode: Send + Sync + 'static,
    {
        let noted = Noted::default();
        let mut grpc = Grpc::new(Noting::new(self.channel.clone(), noted.clone()))
            .max_decoding_message_size(most)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate);
        grpc.ready()
            .await
            .map_err(|error| Broken::NotSent(root_cause(&error)))?;
        match grpc.unary(request, path, codec).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => match self.not_sent(&status) {
                Some(reason) => Err(Broken::NotSent(reason)),
                None => Err(Broken::Ended {
                    is_said: noted.is_said(),
                    status,
                }),
            },
        }
    }

    /// Why a call was not sent, if that is certain.
    fn not_sent(&self, status: &Status) -> Option<String> {
        for error in causes(status) {
            if error.is::<ConnectError>() {
                return Some(self.connect_reason(error));
            }
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                // The server says of these that it has not begun with them.
                let refused =
                    error.reason() == Some(h2::Reason::REFUSED_STREAM) && error.is_remote();
                let after_the_last = error.is_go_away() && error.is_remote();
                return (refused || after_the_last).then(|| error.to_string());
            }
            if let Some(canceled) = error.downcast_ref::<hyper::Error>()
                && canceled.is_canceled()
            {
                let reason = self.broken(error);
                return Some(format!("it closed the connection before a call: {reason}"));
            }
        }
        None
    }

    /// Why nobody was reached, in other words if the system's say nothing to whoever runs a
    /// flow.
    fn connect_reason(&self, error: &(dyn Error + 'static)) -> String {
        match root_cause(error).as_str() {
            // tokio's and hyper's words for it.
            "deadline has elapsed" | "connection timed out" => {
                format!("no connection within {CONNECT:?}")
            }
            _ => self.broken(error),
        }
    }

    /// Why the connection broke, and what to do about it.
    fn broken(&self, error: &(dyn Error + 'static)) -> String {
        broken(error, self.is_secure, self.remembered().is_some())
    }

    /// What a status means that a call ended with. `is_said` if the server sent it.
    fn ended(self: &Arc<Self>, status: &Status, is_said: bool, time: Option<Duration>) -> Attempt {
        let reason = said(status);
        match status.code() {
            Code::DeadlineExceeded => match time {
                Some(time) => timed_out(time),
                None => Attempt::Failed(FailureKind::Timeout, "TimeoutError", reason),
            },
            // The time that goes along is kept on this side, too.
            _ if causes(status).any(|cause| cause.is::<TimeoutExpired>()) => {
                timed_out(time.unwrap_or_default())
            }
            // A status with a cause is of this side: the other side sent none.
            code if code == Code::Unavailable || status.source().is_some() => {
                // What is there afterwards may be something else. Nobody may call it, and so
                // ask it, if it had nothing for an endpoint.
                self.forget();
                self.get_to_know();
                Attempt::Failed(
                    FailureKind::Lost,
                    "ConnectionLost",
                    format!(
                        "the call broke off: {reason}; whether it was carried out is not known; \
                         the documents are unchanged, and the request may be sent again if doing \
                         it twice does no harm"
                    ),
                )
            }
            // tonic's words for its own bound: of the length that a message says that it
            // has, and of what comes out of a compressed one.
            Code::OutOfRange | Code::ResourceExhausted if !is_said => Attempt::Failed(
                FailureKind::Reply,
                "BadReply",
                format!(
                    "its answer is too large: {reason}; `limits.reply` in the executor's table of \
                     flow.toml bounds it"
                ),
            ),
            // Servers' words for a message that is larger than they take.
            code @ (Code::OutOfRange | Code::ResourceExhausted) => Attempt::Failed(
                FailureKind::Unavailable,
                "ResourceExhausted",
                format!(
                    "it ended the call: {reason} (gRPC status {}); if the request is too large for \
                     it, send fewer documents a request (request_size), or raise what it takes",
                    code_name(code)
                ),
            ),
            Code::Unimplemented => Attempt::Absent(Absent::Refuses(format!(
                "it is not an executor: {reason} (gRPC status UNIMPLEMENTED); see to `uses` in the \
                 executor's table of flow.toml"
            ))),
            // Its token is no longer the one that it was greeted with. A proxy says so in a
            // status of HTTP alone.
            Code::Unauthenticated | Code::PermissionDenied => {
                let absent = Absent::Refuses(unauthorized(status));
                self.is_lost(&absent);
                Attempt::Absent(absent)
            }
            code => Attempt::Failed(
                FailureKind::Method,
                "CallEnded",
                format!(
                    "it ended the call: {reason} (gRPC status {})",
                    code_name(code)
                ),
            ),
        }
    }

    /// It cannot be called. Calls go to others until it can be again, which a task of
    /// its own finds out.
    pub(super) fn is_lost(self: &Arc<Self>, absent: &Absent) {
        self.forget();
        if self.down.swap(true, Ordering::Relaxed) {
            return;
        }
        let address = self.address();
        match absent {
            Absent::Unreachable(reason) => {
                warn!("cannot reach a remote executor at {address}: {reason}");
            }
            Absent::Refuses(reason) => {
                warn!("a remote executor at {address} takes no calls: {reason}");
            }
        }
        tokio::spawn(returns(Arc::downgrade(self)));
    }
}

/// What a server says that does not know who calls it, and what to do.
fn unauthorized(status: &Status) -> String {
    format!(
        "it refuses: {} (gRPC status {}); see to `token` and `tls` in the executor's table of \
         flow.toml",
        said(status),
        code_name(status.code())
    )
}

/// Waits until a server can be reached again, or is not needed any more.
async fn returns(peer: Weak<Peer>) {
    let mut pause = RETURN_FIRST;
    loop {
        // Not all at the same time.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        let Some(peer) = peer.upgrade() else {
            return;
        };
        if peer.greeting().await.is_ok() {
            peer.down.store(false, Ordering::Relaxed);
            info!("the remote executor at {} is there again", peer.address());
            return;
        }
        pause = (pause * 2).min(RETURN_LONGEST);
    }
}

fn timed_out(time: Duration) -> Attempt {
    Attempt::Failed(
        FailureKind::Timeout,
        "TimeoutError",
        format!(
            "no answer within its `timeout_send` of {time:?}; raise that in the executor's table \
             of flow.toml if it needs so long"
        ),
    )
}

/// A status in words.
fn said(status: &Status) -> String {
    match (status.message(), status.source()) {
        (message, None) if !message.is_empty() => message.to_owned(),
        (_, None) => code_name(status.code()).to_owned(),
        _ => root_cause(status),
    }
}

/// Counts a call for as long as it is in flight.
struct Counted<'p>(&'p AtomicUsize);

impl<'p> Counted<'p> {
    fn new(count: &'p AtomicUsize) -> Counted<'p> {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
