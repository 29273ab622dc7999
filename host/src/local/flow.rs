//! A flow that runs in this program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use tokio::runtime::Handle;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::{Graph, Request, Response, Service, Stage, Streamed};
use wasm_flow_flow::Live;

use crate::resolve::Running;

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
/// [`stop`](Flow::stop) waits for the requests in flight, and for what executors do when
/// they are stopped. When the last clone is dropped without it, the same happens by
/// itself, on the tokio runtime that the flow was started on, and nobody waits for it. If
/// that runtime is being shut down, it does not come to it: executors end as they are. A
/// [`FlowPost`](crate::FlowPost) that runs and a [`Serving`](crate::Serving) hold a clone
/// each.
#[derive(Clone)]
pub struct Flow {
    owner: Arc<Owner>,
}

/// What stops the executors with the last clone of a flow.
struct Owner {
    running: Arc<Running>,
    gateway: GatewayConfig,
    scheduler: Handle,
    stopped: AtomicBool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !*self.stopped.get_mut() {
            let running = Arc::clone(&self.running);
            self.scheduler.spawn(async move { running.stop().await });
        }
    }
}

impl Flow {
    pub(super) fn new(running: Running, gateway: GatewayConfig, scheduler: Handle) -> Flow {
        Flow {
            owner: Arc::new(Owner {
                running: Arc::new(running),
                gateway,
                scheduler,
                stopped: AtomicBool::new(false),
            }),
        }
    }

    /// What its own tasks run on.
    pub(super) fn scheduler(&self) -> &Handle {
        &self.owner.scheduler
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        self.service().name()
    }

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    pub fn endpoints(&self) -> Vec<String> {
        self.inner().endpoints()
    }

    /// The executors, in the flow's shape.
    pub fn graph(&self) -> Graph<Arc<dyn Stage>> {
        self.inner().graph().clone()
    }

    /// How the flow's `flow.toml` has it served. The default if there is no such file.
    pub fn gateway(&self) -> &GatewayConfig {
        &self.owner.gateway
    }

    /// What takes requests through the executors, for code that takes a [`Service`]. It
    /// does not keep them from being stopped.
    pub fn service(&self) -> &Arc<Live> {
        self.running().live()
    }

    /// The flow that takes requests now. After a [swap](Self::swap), it is another one.
    pub fn inner(&self) -> wasm_flow_flow::Flow {
        self.running().flow()
    }

    pub(super) fn running(&self) -> &Running {
        &self.owner.running
    }

    /// Takes one request through the flow, as it is. A failure is part of the answer.
    /// Dropping the future gives the request up, wherever it is.
    pub async fn call(&self, request: Request) -> Response {
        self.service().call(request).await
    }

    /// Takes one request through the flow, and gives its documents one by one, as
    /// executors send them: see [`wasm_flow_flow::Flow::stream`]. Dropping the stream gives
    /// the request up, wherever it is.
    pub fn stream(&self, request: Request) -> Streamed {
        let flow = self.clone();
        let docs = self.service().stream(request);
        // The flow is held for as long as the stream is.
        docs.inspect(move |_| {
            let _ = &flow;
        })
        .boxed()
    }

    /// Stops the executors after the requests in flight. Later requests fail, those of a
    /// post that has more to send and those of a [`Serving`](crate::Serving) included: stop
    /// that first. If the future is dropped before it is done, the rest is done when the
    /// last clone of the flow is dropped.
    pub async fn stop(&self) {
        self.running().stop().await;
        self.owner.stopped.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner().fmt(f)
    }
}
