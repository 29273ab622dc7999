//! From a flow.toml to executors that run: what `run` and `check` share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::build;
use super::operand::Use;
use super::{Error, Result};
use crate::executor::{Bindings, Component, OutputSink, Runtime, RuntimeConfig};
use crate::flow::{FlowConfig, FlowStartError, LateProblem, Place, Started, Uses, start};

/// A flow with its components.
pub(super) struct Loaded {
    pub(super) config: FlowConfig,
    pub(super) runtime: Runtime,
    pub(super) components: Vec<Component>,
}

/// Reads a flow, builds its folders and loads its components. Reports everything
/// that is wrong with them at once.
pub(super) async fn load(path: &Path) -> Result<Loaded> {
    let config = FlowConfig::load(path)?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    // A component that several executors use is built and compiled once.
    let mut known: HashMap<PathBuf, Component> = HashMap::new();
    let (mut components, mut problems) = (Vec::new(), Vec::new());
    for (index, entry) in config.executors.iter().enumerate() {
        let key = entry.uses.path().to_owned();
        let component = match known.get(&key) {
            Some(component) => Ok(component.clone()),
            None => component(&runtime, &entry.uses).await,
        };
        match component {
            Ok(component) => {
                known.insert(key, component.clone());
                let bindings = Bindings::new(component.description(), &entry.config.uses_requests);
                if let Err(error) = bindings {
                    problems.push(LateProblem {
                        place: Place::UsesRequests(index),
                        title: error.to_string(),
                        help: None,
                    });
                }
                components.push(component);
            }
            Err(error) => problems.push(LateProblem {
                place: Place::Uses(index),
                title: error.to_string(),
                help: None,
            }),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Problems(Box::new(config.report(problems))));
    }
    Ok(Loaded {
        config,
        runtime,
        components,
    })
}

/// The component that an executor's `uses` names.
pub(super) async fn component(runtime: &Runtime, uses: &Uses) -> Result<Component> {
    let path = match uses {
        Uses::Wasm(path) => {
            Use::Uses.accept(path)?;
            path.clone()
        }
        Uses::Folder(folder) => {
            let folder = folder.clone();
            tokio::task::block_in_place(|| build(&folder))?
        }
    };
    Ok(runtime.load(path).await?)
}

impl Loaded {
    /// Starts the executors.
    pub(super) async fn start(&self, output: OutputSink) -> Result<Started> {
        let started = start(
            &self.runtime,
            &self.config,
            &self.components,
            Arc::clone(&output),
        );
        started.await.map_err(|error| match error {
            FlowStartError::Executors(errors) => {
                Error::Problems(Box::new(self.config.report(errors.problems())))
            }
            // Components come one for each executor.
            FlowStartError::Count(count) => {
                Error::Problems(Box::new(self.config.report([LateProblem {
                    place: Place::Executor(0),
                    title: count.to_string(),
                    help: None,
                }])))
            }
        })
    }
}
