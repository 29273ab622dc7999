//! Documents for one executor, without a flow.

use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use wasm_flow_contract::parameters::{NotAnObject, object};
use wasm_flow_contract::{Call, GATEWAY, Part, Reply};
use wasm_flow_document::DocumentArray;

use crate::Executor;
use crate::error::{CallError, CallErrorKind};

/// Documents that are to be sent to an endpoint of an executor: [`Executor::post`] makes
/// it. Nothing happens until it is awaited, or [`reply`](Post::reply) is.
///
/// Calls of one executor may run at the same time: see [`Executor::handle`].
#[derive(Debug, Clone)]
#[must_use = "nothing is called until it is awaited"]
pub struct Post {
    executor: Executor,
    endpoint: Arc<str>,
    docs: DocumentArray,
    parameters: Result<Map<String, Value>, NotAnObject>,
}

impl Post {
    pub(crate) fn new(executor: Executor, endpoint: Arc<str>, docs: DocumentArray) -> Post {
        Post {
            executor,
            endpoint,
            docs,
            parameters: Ok(Map::new()),
        }
    }

    /// What the method is told beside the documents: a JSON object.
    pub fn parameters(self, parameters: impl Into<Value>) -> Post {
        Post {
            parameters: object(parameters),
            ..self
        }
    }

    /// Calls the method, and gives the documents and the object that it returned, if it
    /// returned one. If nothing is bound to the endpoint, the documents come back
    /// unchanged. Dropping the future gives the call up.
    ///
    /// # Errors
    /// See [`CallErrorKind`].
    pub async fn reply(self) -> Result<Reply, CallError> {
        let Post {
            executor,
            endpoint,
            docs,
            parameters,
        } = self;
        let parameters = match parameters {
            Ok(parameters) => Arc::new(parameters),
            Err(error) => {
                return Err(CallError {
                    executor: executor.name().to_owned(),
                    class: executor.description().name.clone(),
                    endpoint: endpoint.to_string(),
                    method: String::new(),
                    kind: CallErrorKind::Parameters {
                        reason: error.to_string(),
                    },
                    trace: Vec::new(),
                });
            }
        };
        let Some(route) = executor.route(&endpoint) else {
            return Ok(Reply::new(docs));
        };
        let parts = vec![Part {
            executor: GATEWAY.into(),
            docs: docs.clone(),
        }];
        let call = Call {
            request_id: wasm_flow_document::random_id().to_string().into(),
            endpoint,
            parameters,
            docs,
            parts,
            trace: None,
        };
        executor.handle(&route, &call).await
    }
}

/// Calls the method, and gives the documents: [`Post::reply`] without what it returned
/// beside them.
///
/// # Errors
/// See [`CallErrorKind`].
impl IntoFuture for Post {
    type Output = Result<DocumentArray, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { Ok(self.reply().await?.docs) })
    }
}
