//! What stands at a node of a flow: an executor, as the flow sees it.

use futures::future::BoxFuture;

use super::Failure;
use crate::executor::{Call, CallError, Executor, Reply};

/// An executor of a flow.
///
/// The flow knows no more of it than this, so that what answers may be an
/// instance in this process, later another host's executor, and in a test a
/// function.
pub trait Stage: Send + Sync {
    /// What is to be done for an endpoint. `None`: nothing is bound to it, and
    /// the request passes by.
    fn bind<'a>(&'a self, endpoint: &str) -> Option<Handler<'a>>;

    /// The endpoints that something is bound to, `/default` included.
    fn endpoints(&self) -> Vec<String>;

    /// Ends it, after the calls that are in flight.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// One call. Dropping the future that it gives takes the call back.
pub type Handler<'a> = Box<dyn FnOnce(Call) -> BoxFuture<'a, Result<Reply, Failure>> + Send + 'a>;

impl Stage for Executor {
    fn bind<'a>(&'a self, endpoint: &str) -> Option<Handler<'a>> {
        let route = self.route(endpoint)?;
        Some(Box::new(move |call| {
            Box::pin(async move { self.handle(&route, &call).await.map_err(Failure::from) })
        }))
    }

    fn endpoints(&self) -> Vec<String> {
        self.bindings()
            .iter()
            .map(|(endpoint, _)| endpoint.to_owned())
            .collect()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(Executor::stop(self))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure {
            name: error.name().to_owned(),
            description: error.to_string(),
            args: vec![error.message()],
            stacks: error.trace,
            executor: error.class,
        }
    }
}
