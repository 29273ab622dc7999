//! What stands behind a gateway.

use futures::future::BoxFuture;

use crate::outlet::Streamed;
use crate::request::{Request, Response};

/// A flow, as a gateway sees it.
pub trait Service: std::fmt::Debug + Send + Sync + 'static {
    /// The flow's name.
    fn name(&self) -> &str;

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    fn endpoints(&self) -> Vec<String>;

    /// Those of [`endpoints`](Self::endpoints) whose calls may have an effect beside
    /// their answer, or do not say: a call of them that broke off cannot be made again
    /// without a thought.
    fn write_endpoints(&self) -> Vec<String>;

    /// Takes a request through the flow. A failure is part of the answer.
    /// Dropping the future gives the request up, wherever it is.
    fn call(&self, request: Request) -> BoxFuture<'static, Response>;

    /// Takes a request through the flow, and gives its documents one by one: as an
    /// executor sends them, or all of the answer's. Dropping the stream gives the request
    /// up, wherever it is.
    fn stream(&self, request: Request) -> Streamed;
}
