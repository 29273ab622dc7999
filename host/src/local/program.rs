//! A flow as a program says it.

use std::path::PathBuf;
use std::time::Duration;

use wasm_flow_contract::host::HostConfig;
use wasm_flow_contract::hub::{HubConfig, Scope, Trust};
use wasm_flow_contract::outline::{self, NodeSpec, OutlineProblem};
use wasm_flow_contract::units::MAX_DURATION;
use wasm_flow_contract::{Graph, NodeId};
use wasm_flow_manifest::bounds::MAX_EXECUTORS;
use wasm_flow_manifest::{LateProblem, Place};

use super::error::{self, FlowProblem, FlowProblems};
use crate::resolve::{Plan, Planned};

/// What a flow needs of an executor.
pub(super) struct Parts {
    pub(super) node: NodeSpec,
    /// None if what it uses cannot be, which is among the problems.
    pub(super) planned: Option<Planned>,
    /// Whose signature it needs, if that is said for it alone.
    pub(super) trust: Option<Trust>,
    pub(super) problems: Vec<FlowProblem>,
}

/// A flow as a program says it.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    timeout: Option<Duration>,
    executors: Graph<Planned>,
    hub: HubConfig,
    /// The rules that are about one executor, by its name.
    signed: Vec<(Scope, String)>,
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
        if let Some(Err(reason)) = timeout.map(duration) {
            let reason = format!("`timeout` of the flow: {reason}");
            problems.push(FlowProblem::new(None, None, reason));
        }
        if name.trim().is_empty() {
            problems.push(FlowProblem::new(None, None, "the flow's name is empty"));
        }
        if executors.is_empty() {
            problems.push(FlowProblem::new(None, None, "the flow has no executors"));
        }
        if executors.len() > MAX_EXECUTORS {
            let reason = format!(
                "the flow has {} executors, and at most {MAX_EXECUTORS} are allowed",
                executors.len()
            );
            problems.push(FlowProblem::new(None, None, reason));
        }
        let mut nodes: Vec<(NodeSpec, Option<Planned>)> = Vec::new();
        let (mut hub, mut signed) = (HubConfig::default(), Vec::new());
        for parts in executors {
            problems.extend(parts.problems);
            if let Some(trust) = parts.trust {
                match hub.trust.iter().find(|known| known.of == trust.of) {
                    None => {
                        let name = parts.node.name.clone().unwrap_or_default();
                        signed.push((trust.of.clone(), name));
                        hub.trust.push(trust);
                    }
                    Some(known) if *known == trust => {}
                    Some(_) => problems.push(FlowProblem::new(
                        parts.node.name.as_deref(),
                        Some("signed_by"),
                        format!("another executor of {} names other keys", trust.of),
                    )),
                }
            }
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
                hub,
                signed,
            }),
            _ => Err(FlowProblems::new(&name, problems)),
        }
    }

    /// The same with what the program says of registries, beside what it says of single
    /// executors.
    pub(super) fn with_hub(mut self, hub: HubConfig) -> Program {
        let own = std::mem::replace(&mut self.hub, hub).trust;
        let others = &mut self.hub.trust;
        others.retain(|rule| own.iter().all(|own| own.of != rule.of));
        others.extend(own);
        self
    }

    fn executor_name(&self, id: NodeId) -> &str {
        &self.executors[id].name
    }

    /// The executor whose `signed_by` made this rule.
    fn signed(&self, rule: usize) -> Option<&str> {
        let rule = self.hub.trust.get(rule)?;
        let signed = self.signed.iter().find(|(of, _)| *of == rule.of);
        signed.map(|(_, name)| name.as_str())
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

    fn host(&self) -> Option<HostConfig> {
        None
    }

    fn hub(&self) -> (&str, &HubConfig) {
        ("the program", &self.hub)
    }

    fn lock(&self) -> Option<PathBuf> {
        None
    }

    fn error(&self, problems: Vec<LateProblem>) -> FlowProblems {
        let problems = problems.iter().map(|problem| {
            let executor = match problem.place {
                Place::TrustedKey(rule, _) => self.signed(rule),
                _ => error::executor(&problem.place).map(|id| self.executor_name(id)),
            };
            FlowProblem::late(executor, problem)
        });
        FlowProblems::new(&self.name, problems.collect())
    }
}

/// Whether this may be a timeout.
pub(super) fn duration(duration: Duration) -> Result<(), String> {
    match duration {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        long if long > MAX_DURATION => Err("longer than a year".to_owned()),
        _ => Ok(()),
    }
}
