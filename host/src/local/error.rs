//! Why a flow of this program does not run.

use std::fmt;

use wasm_flow_manifest::{LateProblem, ManifestError, Place, Report};
use wasm_flow_wasm::RuntimeError;

/// Why there is no [`Flow`](crate::Flow).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The engine could not be set up.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A `flow.toml` cannot be read, or something is wrong with what it says. It is shown
    /// with the places in the file.
    #[error(transparent)]
    File(#[from] ManifestError),
    /// Something is wrong with what the program says.
    #[error(transparent)]
    Program(#[from] FlowProblems),
    /// There is nothing that the executors could run on.
    #[error("a flow runs on tokio: start it inside of a tokio runtime")]
    NoScheduler,
    /// Another flow was to take the place of one that does not run any more.
    #[error("the flow has been stopped, so no other one takes its place")]
    Stopped,
}

impl From<Box<Report>> for FlowError {
    fn from(report: Box<Report>) -> Self {
        FlowError::File(report.into())
    }
}

/// All that is wrong with a flow that a program put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowProblems {
    flow: String,
    problems: Vec<FlowProblem>,
}

impl FlowProblems {
    pub(super) fn new(flow: &str, problems: Vec<FlowProblem>) -> FlowProblems {
        FlowProblems {
            flow: flow.to_owned(),
            problems,
        }
    }

    /// The problems, in the order of the executors as far as they are about one.
    pub fn problems(&self) -> &[FlowProblem] {
        &self.problems
    }
}

impl fmt::Display for FlowProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the flow `{}` cannot be started: ", self.flow)?;
        match self.problems.as_slice() {
            [one] => write!(f, "{one}"),
            several => {
                write!(f, "{} problems", several.len())?;
                several.iter().try_for_each(|one| write!(f, "\n- {one}"))
            }
        }
    }
}

impl std::error::Error for FlowProblems {}

/// One thing that is wrong with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowProblem {
    executor: Option<String>,
    argument: Option<&'static str>,
    reason: String,
}

impl FlowProblem {
    pub(super) fn new(
        executor: Option<&str>,
        argument: Option<&'static str>,
        reason: impl Into<String>,
    ) -> FlowProblem {
        FlowProblem {
            executor: executor.map(str::to_owned),
            argument,
            reason: reason.into(),
        }
    }

    /// A problem that showed up when the executor of this name was looked for, loaded or
    /// started.
    pub(super) fn late(executor: Option<&str>, problem: &LateProblem) -> FlowProblem {
        let label = problem.label.iter().map(|label| format!(" ({label})"));
        let help = problem.help_for("the working directory");
        let help = help.iter().map(|help| format!("; {help}"));
        let reason = std::iter::once(problem.title.clone());
        let reason = reason.chain(label).chain(help).collect();
        let inner = match &problem.place {
            Place::Head(_, place) => argument(place),
            _ => None,
        };
        FlowProblem {
            executor: executor.map(str::to_owned),
            argument: match &problem.place {
                // Of the flow, it is `FlowBuilder::hub`.
                Place::TrustedKey(..) if executor.is_some() => Some("signed_by"),
                place => argument(place),
            },
            reason: match inner {
                Some(inner) => named(inner, reason),
                None => reason,
            },
        }
    }

    /// The executor that it is about, by its name in the flow.
    pub fn executor(&self) -> Option<&str> {
        self.executor.as_deref()
    }

    /// What was said wrongly of the executor: the name of a method of
    /// [`ExecutorSpec`](crate::ExecutorSpec).
    pub fn argument(&self) -> Option<&str> {
        self.argument
    }

    /// What is wrong, and what to do.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for FlowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlowProblem {
            executor,
            argument,
            reason,
        } = self;
        // Some reasons name them by themselves.
        if let Some(executor) = executor
            && !reason.starts_with(&format!("executor `{executor}`"))
        {
            write!(f, "executor `{executor}`: ")?;
        }
        if let Some(argument) = argument
            && !reason.contains(&format!("`{argument}`"))
            && !reason.starts_with("executor `")
        {
            write!(f, "`{argument}`: ")?;
        }
        f.write_str(reason)
    }
}

/// A reason with the argument that it is about, if it does not name that by itself.
pub(super) fn named(argument: &str, reason: String) -> String {
    match reason.contains(&format!("`{argument}`")) {
        true => reason,
        false => format!("`{argument}`: {reason}"),
    }
}

/// The method of `ExecutorSpec` that says what belongs to a place.
fn argument(place: &Place) -> Option<&'static str> {
    match place {
        Place::Host
        | Place::Port
        | Place::HealthPort
        | Place::Door(_)
        | Place::TrustedKey(..)
        | Place::Executor(_) => None,
        Place::Uses(_) => Some("uses"),
        Place::UsesWith(_) => Some("uses_with"),
        Place::UsesRequests(_) => Some("uses_requests"),
        Place::Batching(..) => Some("uses_dynamic_batching"),
        Place::Tls(_) => Some("tls"),
        // A token itself is looked at before the flow is started.
        Place::Token(_) => Some("token_file"),
        Place::NoReduce(_) => Some("no_reduce"),
        Place::Polling(..) => Some("polling"),
        Place::Workspace(_) => Some("workspace"),
        Place::Allow(_) | Place::Dir(..) => Some("allow_dir"),
        Place::Head(head, _) => Some(head.as_str()),
    }
}

/// The executor that a place is about.
pub(super) fn executor(place: &Place) -> Option<wasm_flow_contract::NodeId> {
    match place {
        Place::Host | Place::Port | Place::HealthPort | Place::Door(_) | Place::TrustedKey(..) => {
            None
        }
        Place::Head(_, place) => executor(place),
        Place::Executor(id)
        | Place::Uses(id)
        | Place::UsesWith(id)
        | Place::UsesRequests(id)
        | Place::Batching(id, _)
        | Place::Tls(id)
        | Place::Token(id)
        | Place::NoReduce(id)
        | Place::Polling(id, _)
        | Place::Workspace(id)
        | Place::Allow(id)
        | Place::Dir(id, _) => Some(*id),
    }
}
