//! Tells what happens at a stage.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use tracing::{Instrument as _, Span, debug, debug_span, warn};
use wasm_flow_contract::{Call, Failure, Outlet, Reply, Stage, StageInfo};

/// A stage whose calls are observed: each has a span, and each that fails has a
/// line in the log.
///
/// Spans are at the level of debugging, because at ten executors they would cost
/// a tenth of a small request. So the line of a failure names the request and
/// the executor by itself.
pub struct Observed {
    /// The executor's name in the flow.
    name: Arc<str>,
    inner: Arc<dyn Stage>,
}

impl Observed {
    /// Observes a stage under the name that it has in the flow.
    pub fn new(name: Arc<str>, inner: Arc<dyn Stage>) -> Observed {
        Observed { name, inner }
    }

    fn span(&self, call: &Call) -> Span {
        debug_span!(
            "executor",
            executor = &*self.name,
            endpoint = &*call.endpoint,
            request = &*call.request_id,
        )
    }
}

impl Stage for Observed {
    fn info(&self) -> StageInfo {
        self.inner.info()
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.inner.binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.inner.is_repeatable(endpoint)
    }

    fn streams(&self, endpoint: &str) -> bool {
        self.inner.streams(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        self.observed(call, |inner, call| inner.call(call))
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        self.observed(call, |inner, call| inner.stream(call, outlet))
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.inner.stop()
    }
}

impl Observed {
    fn observed(
        &self,
        call: Call,
        begin: impl FnOnce(&dyn Stage, Call) -> BoxFuture<'static, Result<Reply, Failure>>,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        let span = self.span(&call);
        let observation = Observation {
            executor: Arc::clone(&self.name),
            endpoint: Arc::clone(&call.endpoint),
            request: Arc::clone(&call.request_id),
            start: Instant::now(),
        };
        let inner = span.in_scope(|| begin(&*self.inner, call));
        let observed = async move {
            let outcome = inner.await;
            observation.end(&outcome);
            outcome
        };
        match span.is_disabled() {
            true => Box::pin(observed),
            false => Box::pin(observed.instrument(span)),
        }
    }
}

/// What is known of a call before it ends.
struct Observation {
    executor: Arc<str>,
    endpoint: Arc<str>,
    request: Arc<str>,
    start: Instant,
}

impl Observation {
    fn end(&self, outcome: &Result<Reply, Failure>) {
        match outcome {
            Ok(reply) => debug!(
                documents = reply.docs.len(),
                duration = ?self.start.elapsed(),
                "answered"
            ),
            Err(failure) => warn!(
                executor = &*self.executor,
                endpoint = &*self.endpoint,
                request = &*self.request,
                kind = failure.kind.as_str(),
                details = failure.details.as_deref().map(tracing::field::debug),
                duration = ?self.start.elapsed(),
                "{failure}"
            ),
        }
    }
}
