//! A flow that runs in this program.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::{Graph, Request, Response, Stage};
use wasm_flow_document::DocumentArray;
use wasm_flow_gateway::BindError;
use wasm_flow_manifest::Manifest;
use wasm_flow_wasm::Output;

use super::builder::{FlowBuilder, RunOptions};
use super::error::FlowError;
use super::post::FlowPost;
use super::serving::Serving;

/// A flow that runs in this program: its executors are started, and documents can be
/// [posted](Flow::post) to it. Cheap to clone.
///
/// ```
/// use wasm_flow::document::DocumentArray;
/// use wasm_flow::{ExecutorSpec, Flow, Functions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upper = Functions::new("Upper").on_docs("/index", |docs| {
///     DocumentArray::from_texts(docs.texts().map(str::to_uppercase))
/// });
/// let flow = Flow::builder()
///     .name("search")
///     // In the sandbox: ExecutorSpec::new("encode", "executors/encode.wasm")
///     .add(ExecutorSpec::stage("upper", upper))
///     .start()
///     .await?;
/// let docs = flow.post("/index", DocumentArray::from_texts(["a", "b"])).await?;
/// assert_eq!(docs.texts().collect::<Vec<_>>(), ["A", "B"]);
/// flow.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # Stopping
///
/// [`stop`](Flow::stop) waits for the calls in flight, and for what executors do when
/// they are stopped. When the last clone is dropped without it, the same happens by
/// itself, on the tokio runtime that the flow was started on, and nobody waits for it. If
/// that runtime is being shut down, it does not come to it: executors end as they are. A
/// [`FlowPost`] that runs and a [`Serving`] hold a clone each.
#[derive(Clone)]
pub struct Flow {
    owner: Arc<Owner>,
}

/// What stops the executors with the last clone of a flow.
struct Owner {
    flow: wasm_flow_flow::Flow,
    gateway: GatewayConfig,
    scheduler: Handle,
    stopped: AtomicBool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !*self.stopped.get_mut() {
            let flow = self.flow.clone();
            self.scheduler.spawn(async move { flow.stop().await });
        }
    }
}

impl Flow {
    /// A flow that this program puts together.
    pub fn builder() -> FlowBuilder {
        FlowBuilder::new()
    }

    /// Loads a `flow.toml` and starts it. What its executors print and log goes to the
    /// log of `tracing`: see [`Log`](crate::Log). Nothing is served yet:
    /// `flow.serve(flow.gateway().clone())` does that as the file says.
    ///
    /// # Errors
    /// With all that is wrong with the file or its executors, and where.
    pub async fn load(path: impl AsRef<Path>) -> Result<Flow, FlowError> {
        Flow::load_file(path.as_ref(), RunOptions::default()).await
    }

    /// The same, with what its executors print and log sent to `output`.
    ///
    /// # Errors
    /// As for [`load`](Flow::load).
    pub async fn load_with(path: impl AsRef<Path>, output: impl Output) -> Result<Flow, FlowError> {
        let options = RunOptions::default().output(output);
        Flow::load_file(path.as_ref(), options).await
    }

    async fn load_file(path: &Path, options: RunOptions) -> Result<Flow, FlowError> {
        let manifest = Manifest::load(path)?;
        let gateway = manifest.gateway.clone();
        options.start(manifest, gateway).await
    }

    pub(super) fn new(
        flow: wasm_flow_flow::Flow,
        gateway: GatewayConfig,
        scheduler: Handle,
    ) -> Flow {
        Flow {
            owner: Arc::new(Owner {
                flow,
                gateway,
                scheduler,
                stopped: AtomicBool::new(false),
            }),
        }
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        self.inner().name()
    }

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    pub fn endpoints(&self) -> Vec<String> {
        self.inner().endpoints()
    }

    /// The executors, in the flow's shape.
    pub fn graph(&self) -> &Graph<Arc<dyn Stage>> {
        self.inner().graph()
    }

    /// How the flow's `flow.toml` has it served. The default if there is no such file.
    pub fn gateway(&self) -> &GatewayConfig {
        &self.owner.gateway
    }

    /// What takes requests through the executors, for code that takes a
    /// [`Service`](wasm_flow_contract::Service). It does not keep them from being
    /// stopped.
    pub fn inner(&self) -> &wasm_flow_flow::Flow {
        &self.owner.flow
    }

    /// Documents to be sent to an endpoint, as in `flow.post("/index", docs).await`: see
    /// [`FlowPost`] for parameters and for what executors return beside documents.
    pub fn post(&self, endpoint: impl Into<Arc<str>>, docs: impl Into<DocumentArray>) -> FlowPost {
        FlowPost::new(self.clone(), endpoint.into(), docs.into())
    }

    /// Takes one request through the flow, as it is. A failure is part of the answer.
    /// Dropping the future gives the request up, wherever it is.
    pub async fn call(&self, request: Request) -> Response {
        self.inner().call(request).await
    }

    /// Serves the flow to Jina's clients, until the [`Serving`] is stopped or dropped.
    /// Port 0 takes any free one.
    ///
    /// # Errors
    /// When the address or the port cannot be had.
    pub async fn serve(&self, gateway: GatewayConfig) -> Result<Serving, BindError> {
        Serving::start(self.clone(), &gateway, &self.owner.scheduler).await
    }

    /// Stops the executors, each after its calls in flight. Later requests fail, those
    /// of a [`Serving`] included: stop that first. Dropping the future gives the waiting
    /// up; the executors are stopped in any case.
    pub async fn stop(&self) {
        self.inner().stop().await;
        self.owner.stopped.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner().fmt(f)
    }
}
