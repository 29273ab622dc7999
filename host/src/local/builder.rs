//! A flow that a program puts together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::outline::{self, NodeSpec, OutlineProblem};
use wasm_flow_contract::{Graph, NodeId};
use wasm_flow_manifest::LateProblem;
use wasm_flow_wasm::{Output, OutputSink, Runtime, Wants, printable};

use super::error::{self, FlowError, FlowProblem, FlowProblems};
use super::flow::Flow;
use super::output::Log;
use super::spec::{self, ExecutorSpec, Parts};
use crate::resolve::build::Event;
use crate::resolve::{Doubt, Loaded, Plan, Planned, Remedy, Resolver};

/// Puts a flow together: [`Flow::builder`] makes it.
///
/// Nothing is looked for, built or started before [`start`](FlowBuilder::start), which
/// says all that is wrong with it together.
#[must_use = "a flow is started by `start`"]
pub struct FlowBuilder {
    name: String,
    timeout: Option<Duration>,
    executors: Vec<Parts>,
    run: RunOptions,
}

/// What a flow is run with, whoever says what it consists of.
pub(super) struct RunOptions {
    runtime: Option<Runtime>,
    output: OutputSink,
    on_build: Arc<dyn Fn(Event<'_>) + Send + Sync>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            runtime: None,
            output: Arc::new(Log),
            on_build: Arc::new(|event| tracing::info!("{event}")),
        }
    }
}

impl RunOptions {
    /// The same with other places for what executors print and log.
    pub(super) fn output(self, output: impl Output) -> RunOptions {
        RunOptions {
            output: Arc::new(output),
            ..self
        }
    }

    /// Loads and starts what a plan says.
    pub(super) async fn start<P>(self, plan: P, gateway: GatewayConfig) -> Result<Flow, FlowError>
    where
        P: Plan,
        FlowError: From<P::Error>,
    {
        let scheduler = tokio::runtime::Handle::try_current();
        let scheduler = scheduler.map_err(|_| FlowError::NoScheduler)?;
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Runtime::shared()?,
        };
        let on_build = self.on_build;
        let resolver = Resolver::new(runtime, move |event| on_build(event));
        let loaded = resolver.load(plan).await?;
        warn(&loaded);
        let flow = loaded.start(self.output).await?;
        Ok(Flow::new(flow, gateway, scheduler))
    }
}

impl FlowBuilder {
    pub(super) fn new() -> FlowBuilder {
        FlowBuilder {
            name: "flow".to_owned(),
            timeout: None,
            executors: Vec::new(),
            run: RunOptions::default(),
        }
    }

    /// What the flow is called: `flow`, if it is not said.
    pub fn name(self, name: impl Into<String>) -> FlowBuilder {
        FlowBuilder {
            name: name.into(),
            ..self
        }
    }

    /// How long a request may take in the flow, whatever its executors may. If it is not
    /// said, their own timeouts are the only bounds.
    pub fn timeout(self, timeout: Duration) -> FlowBuilder {
        FlowBuilder {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Adds an executor behind those that were added before.
    // Not of the trait `Add`: that is for arithmetic.
    #[expect(clippy::should_implement_trait, reason = "Jina's name for it")]
    pub fn add<K>(mut self, executor: ExecutorSpec<K>) -> FlowBuilder {
        self.executors.push(executor.into_parts());
        self
    }

    /// Where what the executors print and log goes: to the log of `tracing`, if it is not
    /// said. See [`Log`], [`Stdio`](crate::Stdio) and
    /// [`Discard`](wasm_flow_wasm::Discard).
    pub fn output(mut self, output: impl Output) -> FlowBuilder {
        self.run = self.run.output(output);
        self
    }

    /// The engine that runs the executors: [`Runtime::shared`], if it is not said.
    pub fn runtime(mut self, runtime: Runtime) -> FlowBuilder {
        self.run.runtime = Some(runtime);
        self
    }

    /// What is called when the folder of an executor is built: it is logged, if nothing is
    /// said. cargo's own messages go to standard error.
    pub fn on_build(mut self, on_build: impl Fn(Event<'_>) + Send + Sync + 'static) -> FlowBuilder {
        self.run.on_build = Arc::new(on_build);
        self
    }

    /// Builds and loads the executors, and starts them all at the same time. Dropping the
    /// future gives that up; a build goes on to its end.
    ///
    /// # Errors
    /// With all that is wrong, each with the executor and what was said of it. Executors
    /// that did start are stopped.
    pub async fn start(self) -> Result<Flow, FlowError> {
        let program = Program::new(self.name, self.timeout, self.executors)?;
        self.run.start(program, GatewayConfig::default()).await
    }
}

impl fmt::Debug for FlowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.executors.iter().map(|parts| &parts.node.name);
        f.debug_struct("FlowBuilder")
            .field("name", &self.name)
            .field("executors", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A flow as a program says it.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    timeout: Option<Duration>,
    executors: Graph<Planned>,
}

impl Program {
    /// Puts the executors in their places.
    ///
    /// # Errors
    /// With all that can be known before anything is looked for.
    pub(super) fn new(
        name: String,
        timeout: Option<Duration>,
        executors: Vec<Parts>,
    ) -> Result<Program, FlowProblems> {
        let mut problems = Vec::new();
        if let Some(Err(reason)) = timeout.map(spec::duration) {
            let reason = format!("`timeout` of the flow: {reason}");
            problems.push(FlowProblem::new(None, None, reason));
        }
        if name.trim().is_empty() {
            problems.push(FlowProblem::new(None, None, "the flow's name is empty"));
        }
        if executors.is_empty() {
            problems.push(FlowProblem::new(None, None, "the flow has no executors"));
        }
        let mut nodes: Vec<(NodeSpec, Option<Planned>)> = Vec::new();
        for parts in executors {
            problems.extend(parts.problems);
            nodes.push((parts.node, parts.planned));
        }
        let names: Vec<Option<String>> = nodes.iter().map(|(node, _)| node.name.clone()).collect();
        let graph = match outline::graph(nodes) {
            Ok(graph) => graph.try_map(|_, _, planned| planned),
            Err(found) => {
                problems.extend(found.iter().map(|problem| in_words(problem, &names)));
                None
            }
        };
        match graph {
            Some(executors) if problems.is_empty() => Ok(Program {
                name,
                timeout,
                executors,
            }),
            _ => Err(FlowProblems::new(&name, problems)),
        }
    }

    fn executor_name(&self, id: NodeId) -> &str {
        &self.executors[id].name
    }
}

/// A problem with names or needs, with the executor and what was said of it.
fn in_words(problem: &OutlineProblem, names: &[Option<String>]) -> FlowProblem {
    let argument = match problem {
        OutlineProblem::Name { .. } | OutlineProblem::SameName { .. } => "name",
        OutlineProblem::Instances { .. } => "replicas",
        _ => "needs",
    };
    let name = problem.node().and_then(|node| names.get(node)?.as_deref());
    FlowProblem::new(
        name,
        Some(argument),
        format!("{problem}; {}", problem.help()),
    )
}

impl Plan for Program {
    type Error = FlowProblems;

    fn name(&self) -> &str {
        &self.name
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn executors(&self) -> Graph<Planned> {
        self.executors.as_ref().map(|_, _, planned| planned.clone())
    }

    fn error(&self, problems: Vec<LateProblem>) -> FlowProblems {
        let problems = problems.iter().map(|problem| {
            let executor = error::executor(&problem.place);
            FlowProblem::late(executor.map(|id| self.executor_name(id)), problem)
        });
        FlowProblems::new(&self.name, problems.collect())
    }
}

/// Logs what may not do what it should.
fn warn<P: Plan>(loaded: &Loaded<P>) {
    for Doubt {
        executor,
        title,
        remedy,
    } in loaded.doubts()
    {
        let executor = &*loaded.executors()[executor].name;
        match remedy {
            Remedy::Grant(wants) => {
                let methods = granting_methods(&wants);
                tracing::warn!(executor, "{title}; if you trust it with that: {methods}");
            }
            Remedy::Run(how) | Remedy::Reach(how) => tracing::warn!(executor, "{title}; {how}"),
        }
    }
}

/// The methods of `ExecutorSpec` that grant what is wanted.
fn granting_methods(wants: &Wants) -> String {
    let Wants { http, env, dirs } = wants;
    let quoted = |text: &String| format!("{:?}", printable(text));
    let http = http
        .iter()
        .map(|origin| format!(".allow_http({})", quoted(origin)));
    let env = env
        .iter()
        .map(|name| format!(".allow_env({})", quoted(name)));
    let dirs =
        dirs.iter().map(
            |dir| match dir.trim_end_matches('/') == wasm_flow_wasm::WORKSPACE {
                true => ".workspace(\"...\")".to_owned(),
                false => format!(".allow_dir(\"...\", {}, Access::Read)", quoted(dir)),
            },
        );
    http.chain(env).chain(dirs).collect()
}
