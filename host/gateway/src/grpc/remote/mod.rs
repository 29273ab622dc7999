//! An executor that runs elsewhere: `wasm-flow serve`, or a Jina Executor or
//! Deployment.

mod absent;
mod common;
mod greeting;
mod message;
mod noting;
mod peer;
mod peers;
mod progress;
mod unreachable;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use tokio::time::timeout;
use wasm_flow_contract::remote::{Predecessors, RemoteAddress, RemoteConfig};
use wasm_flow_contract::{Call, Failure, FailureKind, Reply, Stage, StageInfo};

use self::absent::Absent;
use self::message::Message;
use self::peer::{Attempt, Peer};
use self::peers::{Order, Peers};
use self::progress::Progress;
use self::unreachable::Tried;
pub use self::unreachable::Unreachable;
pub use super::channel::TlsError;

/// An executor behind a `grpc://` address, as a flow calls it.
///
/// All addresses of its hosts are used, each with one connection that is kept. Names
/// are looked up again from time to time, so addresses may come and go. A call goes to
/// the address with the fewest calls in flight. If that cannot be reached, the call has
/// not been sent, and goes to the next one. A call that was sent is not sent again:
/// nobody here knows what it has done.
///
/// Before it gets calls, a server is asked which endpoints it binds, and what it
/// speaks. One that does not say gets all calls. A call waits for that only if no server
/// is known: then all are asked at the same time, and it goes to the first that answers.
#[derive(Debug, Clone)]
pub struct RemoteExecutor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: Arc<str>,
    address: RemoteAddress,
    timeout: Duration,
    timeout_send: Option<Duration>,
    predecessors: Predecessors,
    peers: Arc<Peers>,
}

impl RemoteExecutor {
    /// Makes what its servers said of themselves old.
    #[cfg(test)]
    pub(super) fn age(&self) {
        self.inner.peers.age();
    }

    /// An executor at an address. Nothing is connected yet.
    ///
    /// # Errors
    /// When the certificates or the key cannot be used.
    pub fn new(config: RemoteConfig) -> Result<RemoteExecutor, TlsError> {
        Ok(RemoteExecutor {
            inner: Arc::new(Inner {
                peers: Arc::new(Peers::new(&config)?),
                name: Arc::from(config.name),
                address: config.address,
                timeout: config.timeout,
                timeout_send: config.timeout_send,
                predecessors: config.predecessors,
            }),
        })
    }

    /// Where it is served.
    pub fn address(&self) -> &RemoteAddress {
        &self.inner.address
    }

    /// Connects to all addresses, and asks what is there. Calls connect by themselves:
    /// this is to know early.
    ///
    /// # Errors
    /// With the addresses that cannot be reached, or that are of something else, each
    /// with its reason.
    pub async fn connect(&self) -> Result<(), Unreachable> {
        let peers = self.inner.peers.current().await?;
        let greetings = peers.iter().map(|peer| async move {
            let absent = peer.greeting().await.err();
            absent.map(|absent| peer.tried(absent))
        });
        let tried: Vec<Tried> = join_all(greetings).await.into_iter().flatten().collect();
        match tried.is_empty() {
            true => Ok(()),
            false => Err(Unreachable::new(tried)),
        }
    }
}

impl Stage for RemoteExecutor {
    fn info(&self) -> StageInfo {
        let endpoints = self.inner.peers.endpoints().into_iter();
        StageInfo {
            class: self.inner.address.to_string(),
            // Which methods they are bound to is not said.
            endpoints: endpoints
                .map(|endpoint| (endpoint, String::new()))
                .collect(),
            replicas: 1,
            remote: true,
            ..StageInfo::default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.inner.peers.binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.inner.peers.is_repeatable(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let mut progress = Progress::default();
            let outcome = timeout(inner.timeout, inner.deliver(&call, &mut progress)).await;
            outcome.unwrap_or_else(|_| Err(inner.late(progress)))
        })
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Whether a call has all documents of its predecessors, and none that several became.
fn is_one_after_the_other(call: &Call) -> bool {
    let lengths = call.parts.iter().map(|part| part.docs.len());
    lengths.sum::<usize>() == call.docs.len()
}

impl Inner {
    async fn deliver(&self, call: &Call, progress: &mut Progress) -> Result<Reply, Failure> {
        let peers = match self.peers.current().await {
            Ok(peers) => peers,
            Err(unreachable) => return Err(self.unreachable(&unreachable)),
        };
        progress.is_looked_up = true;
        let Order { known, others } = self.peers.in_order(&peers);
        for peer in known {
            if let Some(reply) = self.delivered(&peer, call, progress).await? {
                return Ok(reply);
            }
        }
        others.iter().for_each(|peer| progress.ask(peer));
        let asked = others.into_iter().map(|peer| async move {
            let greeting = peer.greeting().await;
            (peer, greeting)
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        while let Some((peer, greeting)) = asked.next().await {
            progress.is_asked(&peer);
            if let Err(absent) = greeting {
                peer.is_lost(&absent);
                progress.is_absent(&peer, absent, &call.endpoint);
            } else if let Some(reply) = self.delivered(&peer, call, progress).await? {
                return Ok(reply);
            }
        }
        // One that has something for it may be back soon.
        match progress.is_passed_by && !progress.misses_one {
            true => Ok(Reply::new(call.docs.clone())),
            false => Err(self.unreachable(&progress.unreachable())),
        }
    }

    /// What became of a call at a server. `None` if the server has not carried it out, and
    /// another one may.
    async fn delivered(
        &self,
        peer: &Arc<Peer>,
        call: &Call,
        progress: &mut Progress,
    ) -> Result<Option<Reply>, Failure> {
        progress.ask(peer);
        let binds = self.binds(peer, &call.endpoint).await;
        progress.is_asked(peer);
        match binds {
            Ok(true) => {}
            Ok(false) => {
                progress.is_passed_by = true;
                return Ok(None);
            }
            Err(absent) => {
                peer.is_lost(&absent);
                progress.is_absent(peer, absent, &call.endpoint);
                return Ok(None);
            }
        }
        progress.send(peer);
        let attempt = self.attempt(peer, call).await?;
        progress.is_answered();
        match attempt {
            Attempt::Answered(frame) => self.reply(peer, frame).map(Some),
            Attempt::Absent(absent) => {
                progress.is_absent(peer, absent, &call.endpoint);
                Ok(None)
            }
            Attempt::NotApart => Err(self.failed(
                FailureKind::Unavailable,
                "NotSupported",
                format!(
                    "{}: it does not take the documents of several predecessors apart; leave \
                     `no_reduce` out, or serve the executor with `wasm-flow serve` or `jina \
                     executor`",
                    peer.address()
                ),
            )),
            Attempt::Failed(kind, name, reason) => {
                Err(self.failed(kind, name, format!("{}: {reason}", peer.address())))
            }
        }
    }

    /// Whether a server may have something for an endpoint. It is asked again if it said a
    /// while ago that it does not.
    async fn binds(&self, peer: &Arc<Peer>, endpoint: &str) -> Result<bool, Absent> {
        match peer.said() {
            Some(said) if said.greeting.binds(endpoint) => Ok(true),
            Some(said) if !said.is_old() => Ok(false),
            Some(_) => Ok(peer.ask_anew().await?.binds(endpoint)),
            None => Ok(peer.greeting().await?.binds(endpoint)),
        }
    }

    /// Sends a call to one server, in the form that it takes.
    async fn attempt(&self, peer: &Arc<Peer>, call: &Call) -> Result<Attempt, Failure> {
        let message = |is_apart: bool| {
            let message = Message::of(call, is_apart);
            message.map_err(|reason| self.failed(FailureKind::Request, "BadRequest", reason))
        };
        let is_apart = match self.predecessors {
            Predecessors::Together => false,
            Predecessors::Apart => true,
            Predecessors::ApartIfTaken => peer.may_take_parts() && is_one_after_the_other(call),
        };
        let attempt = peer.call(message(is_apart)?, call, self.timeout_send).await;
        match (attempt, self.predecessors) {
            // It has done nothing with them.
            (Attempt::NotApart, Predecessors::ApartIfTaken) => {
                Ok(peer.call(message(false)?, call, self.timeout_send).await)
            }
            (attempt, _) => Ok(attempt),
        }
    }

    fn reply(&self, peer: &Peer, frame: Bytes) -> Result<Reply, Failure> {
        match message::reply(frame) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(failure)) => Err(Failure {
                description: format!(
                    "executor `{}` at {} failed: {}",
                    self.name,
                    peer.address(),
                    failure.description
                ),
                ..failure
            }),
            Err(reason) => Err(self.failed(
                FailureKind::Reply,
                "BadReply",
                format!(
                    "{} sent an answer that cannot be used: {reason}",
                    peer.address()
                ),
            )),
        }
    }

    fn unreachable(&self, unreachable: &Unreachable) -> Failure {
        if unreachable.is_refusal() {
            // It would be refused again.
            return self.failed(
                FailureKind::Unavailable,
                "ExecutorRefuses",
                unreachable.to_string(),
            );
        }
        self.failed(
            FailureKind::Unreachable,
            "ExecutorUnreachable",
            format!("{unreachable}; the request was not sent to it, and may be sent again"),
        )
    }

    /// Why a call failed that has come so far and no further within its time.
    fn late(&self, progress: Progress) -> Failure {
        let limit = self.timeout;
        let Some(address) = progress.sent_to() else {
            let hosts = self.address.hosts();
            return self.unreachable(&progress.unreachable_within(limit, hosts));
        };
        self.failed(
            FailureKind::Timeout,
            "TimeoutError",
            format!(
                "{address} did not answer within the executor's `timeout` of {limit:?}; raise that \
                 in its table of flow.toml if it needs so long"
            ),
        )
    }

    fn failed(&self, kind: FailureKind, name: &str, reason: String) -> Failure {
        Failure {
            executor: self.address.to_string().into(),
            args: vec![reason.clone()],
            ..Failure::of_flow(
                kind,
                name,
                format!("remote executor `{}`: {name}: {reason}", self.name),
            )
        }
    }
}
