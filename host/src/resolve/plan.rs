//! A flow before anything that it names is looked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::host::HostConfig;
use wasm_flow_contract::hub::HubConfig;
use wasm_flow_contract::{Graph, Stage};
use wasm_flow_manifest::{ExecutorEntry, LateProblem, Lock, Manifest, Report};
use wasm_flow_wasm::Component;

/// Who says what a flow consists of: a `flow.toml`, or a program.
pub trait Plan {
    /// How it is told what is wrong.
    type Error;

    /// What the flow is called.
    fn name(&self) -> &str;

    /// How long a request may take, if the flow bounds it.
    fn timeout(&self) -> Option<Duration>;

    /// The executors, in the flow's shape.
    fn executors(&self) -> Graph<Planned>;

    /// What the process may use. None: what its engine was set up with.
    fn host(&self) -> Option<HostConfig>;

    /// Which registries executors may come from, and whose signatures are wanted, with what
    /// messages call the file that says it.
    fn hub(&self) -> (&str, &HubConfig);

    /// The file with what references to registries are pinned to. None: nothing is pinned.
    fn lock(&self) -> Option<PathBuf>;

    /// Puts problems in words, with the places that they belong to.
    fn error(&self, problems: Vec<LateProblem>) -> Self::Error;
}

/// An executor before it is looked for.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What it is made from.
    pub uses: Uses,
    /// How it is run.
    pub config: ExecutorConfig,
    /// What requests go through before its shards.
    pub uses_before: Option<Box<Planned>>,
    /// What gets the documents of its shards.
    pub uses_after: Option<Box<Planned>>,
}

impl Planned {
    /// An executor with nothing around it.
    pub fn new(uses: Uses, config: ExecutorConfig) -> Planned {
        Planned {
            uses,
            config,
            uses_before: None,
            uses_after: None,
        }
    }

    fn of_entry(entry: &ExecutorEntry) -> Planned {
        let around = |entry: &Option<Box<ExecutorEntry>>| {
            let entry = entry.as_deref();
            entry.map(|entry| Box::new(Planned::of_entry(entry)))
        };
        Planned {
            uses_before: around(&entry.uses_before),
            uses_after: around(&entry.uses_after),
            ..Planned::new(Uses::Named(entry.uses.clone()), entry.config.clone())
        }
    }
}

/// What an executor is made from.
#[derive(Clone)]
pub enum Uses {
    /// What a `flow.toml` can name. It is looked for and loaded.
    Named(wasm_flow_manifest::Uses),
    /// A component that is loaded.
    Component(Component),
    /// A stage that runs.
    Stage(Arc<dyn Stage>),
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uses::Named(uses) => f.debug_tuple("Named").field(uses).finish(),
            Uses::Component(component) => f.debug_tuple("Component").field(component).finish(),
            Uses::Stage(stage) => f.debug_tuple("Stage").field(&stage.info()).finish(),
        }
    }
}

impl Plan for Manifest {
    type Error = Box<Report>;

    fn name(&self) -> &str {
        &self.name
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn executors(&self) -> Graph<Planned> {
        let executors = self.executors.as_ref();
        executors.map(|_, _, entry| Planned::of_entry(entry))
    }

    fn host(&self) -> Option<HostConfig> {
        Some(self.host)
    }

    fn hub(&self) -> (&str, &HubConfig) {
        (self.file(), &self.hub)
    }

    fn lock(&self) -> Option<PathBuf> {
        Some(Lock::path_for(Path::new(self.file())))
    }

    fn error(&self, problems: Vec<LateProblem>) -> Box<Report> {
        Box::new(self.report(problems))
    }
}
