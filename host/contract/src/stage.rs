//! What stands at a node of a flow.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::call::Call;
use crate::failure::Failure;
use crate::outlet::Outlet;
use crate::reply::Reply;
use crate::sharding::Polling;

/// An executor, as a flow sees it.
///
/// What answers may be instances in this process, another host's executor, or a
/// function in a test. A wrapper is a stage around a stage: it may batch, shard,
/// retry, replace or observe what is inside.
///
/// Futures own what they need. So a call can go on after the request that made
/// it, and after the stage was replaced by another.
pub trait Stage: Send + Sync + 'static {
    /// What it is. A flow asks once, when it is built.
    fn info(&self) -> StageInfo;

    /// Whether something is bound to this endpoint. If not, the flow passes the
    /// stage by.
    fn binds(&self, endpoint: &str) -> bool;

    /// Whether a call of this endpoint that failed may be made again: its method says
    /// that it leaves nothing behind.
    fn is_repeatable(&self, endpoint: &str) -> bool {
        let _ = endpoint;
        false
    }

    /// Calls what is bound to the call's endpoint. If nothing is, the documents
    /// come back unchanged. Dropping the future gives the call up.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>>;

    /// Whether what is bound to this endpoint sends documents while it runs.
    fn streams(&self, endpoint: &str) -> bool {
        let _ = endpoint;
        false
    }

    /// Calls what is bound to the call's endpoint, and has its documents sent to `outlet`
    /// one by one: those of a method that [streams](Self::streams) as it sends them, those
    /// of another one once it has returned. What was sent stays sent if the call fails.
    /// The reply has no documents.
    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(outlet.send_reply(self.call(call)))
    }

    /// Ends it, after the calls in flight.
    fn stop(&self) -> BoxFuture<'static, ()>;
}

impl<S: Stage + ?Sized> Stage for Arc<S> {
    fn info(&self) -> StageInfo {
        (**self).info()
    }

    fn binds(&self, endpoint: &str) -> bool {
        (**self).binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        (**self).is_repeatable(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        (**self).call(call)
    }

    fn streams(&self, endpoint: &str) -> bool {
        (**self).streams(endpoint)
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        (**self).stream(call, outlet)
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        (**self).stop()
    }
}

/// What a stage is, for people and for discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageInfo {
    /// The executor's type.
    pub class: String,
    /// Each bound endpoint with its method, in order, `/default` included.
    pub endpoints: Vec<(String, String)>,
    /// How many instances share its calls; if it has shards, those of each.
    pub replicas: u32,
    /// Whether it runs elsewhere, so that a call can fail before anybody has it.
    pub remote: bool,
    /// How many shards it has. Without, 0 or 1.
    pub shards: u32,
    /// Which shards a request goes to.
    pub polling: Polling,
    /// What requests go through before the shards.
    pub uses_before: Option<Box<StageInfo>>,
    /// What the documents of the shards go through.
    pub uses_after: Option<Box<StageInfo>>,
}

impl StageInfo {
    /// Every bound endpoint, those of `uses_before` and `uses_after` included. One may
    /// come several times.
    pub fn into_endpoints(self) -> impl Iterator<Item = String> {
        // Neither has one of its own.
        let around = [self.uses_before, self.uses_after].into_iter().flatten();
        let around = around.flat_map(|info| info.endpoints);
        let all = self.endpoints.into_iter().chain(around);
        all.map(|(endpoint, _)| endpoint)
    }
}
