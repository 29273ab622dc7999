//! What stands at a node of a flow.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;

/// An executor, as a flow sees it.
///
/// What answers may be instances in this process, another host's executor, or a
/// function in a test. A wrapper is a stage around a stage: it may batch, shard,
/// retry, replace or observe what is inside.
///
/// Futures own what they need. So a call can go on after the request that made
/// it, and after the stage was replaced by another.
///
/// Not covered: documents that are streamed one by one. They will be a method of
/// their own, with a default that says that a stage has no stream.
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
    /// How many instances share its calls.
    pub replicas: u32,
}
