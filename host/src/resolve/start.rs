//! Starting the executors of a flow.

use std::fmt;
use std::sync::Arc;

use futures::future::join_all;

use super::config::{FlowConfig, LateProblem, Place};
use super::stage::Stage;
use super::{Flow, StageCount};
use crate::executor::{
    Component, Executor, OutputSink, Runtime, StartError, StartFailure, StartReason,
};

/// A flow whose executors run.
#[derive(Debug)]
pub struct Started {
    /// The flow.
    pub flow: Flow,
    /// Its executors, in the order of the file.
    pub executors: Vec<Executor>,
}

/// Why a flow was not started. Executors that had been started were stopped.
#[derive(Debug, thiserror::Error)]
pub enum FlowStartError {
    /// There are more or fewer components than executors.
    #[error(transparent)]
    Count(#[from] StageCount),
    /// Some executors did not start.
    #[error(transparent)]
    Executors(#[from] StartErrors),
}

/// The executors that did not start, by their index in the file.
#[derive(Debug)]
pub struct StartErrors(
    /// Index and reason, in the order of the file.
    pub Vec<(usize, StartError)>,
);

impl fmt::Display for StartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (_, error)) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for StartErrors {}

impl StartErrors {
    /// The same as problems of the file.
    pub fn problems(&self) -> impl Iterator<Item = LateProblem> {
        self.0.iter().map(|(index, error)| LateProblem {
            place: match error.reason() {
                StartReason::Binding(_) => Place::UsesRequests(*index),
                StartReason::Instance(StartFailure::Grant(_)) => Place::Allow(*index),
                // What an executor refuses at its start is what it was
                // constructed with.
                StartReason::Instance(StartFailure::Failed { .. }) => Place::UsesWith(*index),
                _ => Place::Executor(*index),
            },
            title: error.to_string(),
            help: None,
        })
    }
}

/// Starts all executors of a flow at the same time. `components` are theirs, in
/// the order of the file.
///
/// # Errors
/// When executors do not start: all of them are told, not only the first.
pub async fn start(
    runtime: &Runtime,
    config: &FlowConfig,
    components: &[Component],
    output: OutputSink,
) -> Result<Started, FlowStartError> {
    if components.len() != config.executors.len() {
        return Err(FlowStartError::Count(StageCount {
            nodes: config.executors.len(),
            stages: components.len(),
        }));
    }
    let starting = config
        .executors
        .iter()
        .zip(components)
        .map(|(entry, component)| {
            Executor::start(
                runtime,
                component,
                entry.config.clone(),
                Arc::clone(&output),
            )
        });
    let mut executors = Vec::with_capacity(components.len());
    let mut errors = Vec::new();
    for (index, started) in join_all(starting).await.into_iter().enumerate() {
        match started {
            Ok(executor) => executors.push(executor),
            Err(error) => errors.push((index, error)),
        }
    }
    if !errors.is_empty() {
        join_all(executors.iter().map(Executor::stop)).await;
        return Err(FlowStartError::Executors(StartErrors(errors)));
    }
    let stages = executors
        .iter()
        .map(|executor| Arc::new(executor.clone()) as Arc<dyn Stage>)
        .collect();
    let flow = Flow::new(config.name.clone(), config.graph.clone(), stages)?;
    Ok(Started { flow, executors })
}
