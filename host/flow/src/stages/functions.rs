//! A stage of functions.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::Arc;

use futures::future::BoxFuture;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::{Call, Failure, Reply, Stage, StageInfo};
use wasm_flow_document::DocumentArray;

type Function = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// A stage whose endpoints are bound to functions of this program. They stand outside
/// of any sandbox, and none of an executor's bounds hold for them: they are for tests,
/// and for what a program does itself in the middle of a flow.
///
/// ```
/// use wasm_flow_contract::{Call, Failure, Reply};
/// use wasm_flow_document::DocumentArray;
/// use wasm_flow_flow::stages::Functions;
///
/// let stage = Functions::new("Check")
///     .on("/index", |call: Call| async move {
///         match call.docs.is_empty() {
///             false => Ok(Reply::new(call.docs)),
///             true => Err(Failure::of_method("ValueError", "there are no documents")),
///         }
///     })
///     .on_docs("/shout", |docs| {
///         DocumentArray::from_texts(docs.texts().map(str::to_uppercase))
///     });
/// ```
#[derive(Clone)]
pub struct Functions {
    class: Arc<str>,
    functions: BTreeMap<String, Function>,
    is_repeatable: bool,
}

impl Default for Functions {
    fn default() -> Functions {
        Functions::new("Functions")
    }
}

impl Functions {
    /// A stage that binds nothing yet. `class` stands for an executor's type.
    pub fn new(class: impl Into<Arc<str>>) -> Functions {
        Functions {
            class: class.into(),
            functions: BTreeMap::new(),
            is_repeatable: false,
        }
    }

    /// Binds a function to an endpoint; [`DEFAULT_ENDPOINT`] stands for all others.
    /// Dropping its future gives the call up.
    #[must_use]
    pub fn on<F>(
        mut self,
        endpoint: &str,
        function: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Functions
    where
        F: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        self.functions.insert(
            endpoint.to_owned(),
            Arc::new(move |call| Box::pin(function(call))),
        );
        self
    }

    /// Binds a function of documents that cannot fail and does not wait. It has a thread
    /// of the scheduler for as long as it takes.
    #[must_use]
    pub fn on_docs(
        self,
        endpoint: &str,
        function: impl Fn(DocumentArray) -> DocumentArray + Send + Sync + 'static,
    ) -> Functions {
        let function = Arc::new(function);
        self.on(endpoint, move |call| {
            let function = Arc::clone(&function);
            async move { Ok(Reply::new(function(call.docs))) }
        })
    }

    /// The same, of which it is said that their calls leave nothing behind, so that a flow
    /// may repeat them.
    #[must_use]
    pub fn repeatable(mut self) -> Functions {
        self.is_repeatable = true;
        self
    }

    fn function(&self, endpoint: &str) -> Option<&Function> {
        self.functions
            .get(endpoint)
            .or_else(|| self.functions.get(DEFAULT_ENDPOINT))
    }
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Functions")
            .field("class", &self.class)
            .field("endpoints", &self.functions.keys())
            .finish()
    }
}

impl Stage for Functions {
    fn info(&self) -> StageInfo {
        let endpoints = self.functions.keys();
        StageInfo {
            class: self.class.to_string(),
            endpoints: endpoints
                .map(|endpoint| (endpoint.clone(), "function".to_owned()))
                .collect(),
            replicas: 1,
            ..StageInfo::default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.function(endpoint).is_some()
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.is_repeatable && self.binds(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        match self.function(&call.endpoint) {
            Some(function) => function(call),
            None => Box::pin(ready(Ok(Reply::new(call.docs)))),
        }
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}
