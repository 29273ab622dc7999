//! Flows that run in this program: put together by it, or loaded from a `flow.toml`.
//!
//! A [`FlowBuilder`] collects [`ExecutorSpec`]s and makes a [`Plan`](crate::resolve::Plan)
//! of them, which the resolver loads and starts as it does a file's. A [`Flow`] is what
//! runs, and stops with its last clone.

mod builder;
mod doubts;
mod error;
mod flow;
pub mod kind;
mod output;
mod post;
mod program;
mod serving;
mod source;
mod spec;
#[cfg(test)]
mod tests;

pub use builder::FlowBuilder;
pub use error::{FlowError, FlowProblem, FlowProblems};
pub use flow::Flow;
#[cfg(feature = "cli")]
pub(crate) use output::GUEST;
pub use output::{Log, Stdio};
pub use post::{FlowPost, PostError};
pub use serving::Serving;
pub use source::ExecutorSource;
pub use spec::{BatchingSpec, ExecutorSpec, HeadSpec};
