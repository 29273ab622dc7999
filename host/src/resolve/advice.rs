//! What a flow may be missing, from what its executors say of themselves.

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::origin::HttpOrigin;
use wasm_flow_manifest::{LateProblem, Place};
use wasm_flow_wasm::{Description, State, WORKSPACE, Wants, printable};

use super::{LoadedExecutor, Runs};

/// Something that may keep an executor from doing what it should.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// The executor.
    pub executor: NodeId,
    /// What is doubtful, in one line.
    pub title: String,
    /// What to do about it.
    pub remedy: Remedy,
}

/// What to do about a [`Doubt`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Remedy {
    /// Grant it this, if it is trusted with that.
    Grant(Wants),
    /// Run it in another way.
    Run(&'static str),
    /// See to it that it can be reached.
    Reach(&'static str),
}

impl Doubt {
    /// The same about a file.
    pub(super) fn late(self) -> LateProblem {
        match self.remedy {
            Remedy::Grant(wants) => {
                let lines = granting_lines(&wants);
                LateProblem::new(Place::Allow(self.executor), self.title).help(format!(
                    "if you trust it with that, add to its table:\n{lines}"
                ))
            }
            Remedy::Reach(what) => {
                LateProblem::new(Place::Uses(self.executor), self.title).help(what)
            }
            Remedy::Run(how) => {
                LateProblem::new(Place::Executor(self.executor), self.title).help(how)
            }
        }
    }
}

/// What is doubtful about an executor.
pub(super) fn of(id: NodeId, executor: &LoadedExecutor) -> Vec<Doubt> {
    let Runs::Component(component) = &executor.runs else {
        return Vec::new();
    };
    let description = component.description();
    let missing = missing(&description.details.wants, &executor.config);
    let mut doubts = Vec::new();
    if !missing.is_empty() {
        let name = printable(&description.name);
        doubts.push(Doubt {
            executor: id,
            title: format!("{name} wants more than it is granted"),
            remedy: Remedy::Grant(missing),
        });
    }
    doubts.extend(scattered(id, description, &executor.config));
    doubts
}

/// A warning that requests will not find what earlier ones left.
fn scattered(id: NodeId, description: &Description, config: &ExecutorConfig) -> Option<Doubt> {
    if description.details.state != Some(State::Replica) {
        return None;
    }
    let name = printable(&description.name);
    let (title, how) = if config.isolation == Isolation::Request {
        (
            format!("{name} keeps state, which `isolation = \"request\"` throws away"),
            "use `isolation = \"shared\"`, so that requests find what earlier ones left",
        )
    } else if config.replicas.get() > 1 {
        (
            format!(
                "{name} keeps state, and each of its {} replicas keeps its own",
                config.replicas
            ),
            "use one replica: a request goes to any of them, and finds only what that one was sent",
        )
    } else {
        return None;
    };
    Some(Doubt {
        executor: id,
        title,
        remedy: Remedy::Run(how),
    })
}

/// What an executor wants and is not granted.
fn missing(wants: &Wants, config: &ExecutorConfig) -> Wants {
    let ExecutorConfig {
        allow, workspace, ..
    } = config;
    let left = |wanted: &[String], granted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let wanted = wanted.iter().filter(|wanted| !granted(wanted));
        wanted.cloned().collect()
    };
    Wants {
        http: left(&wants.http, &|wanted| {
            let place =
                |origin: &HttpOrigin| wanted.parse().is_ok_and(|wanted| origin.covers(&wanted));
            allow.http.iter().any(place)
        }),
        env: left(&wants.env, &|wanted| {
            allow.env.iter().any(|granted| granted == wanted)
        }),
        dirs: left(&wants.dirs, &|wanted| {
            let is = |guest: &str| is_folder(guest, wanted);
            (workspace.is_some() && is(WORKSPACE)) || allow.dirs.iter().any(|dir| is(&dir.guest))
        }),
    }
}

/// Whether both are one folder of a guest.
fn is_folder(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The lines of `flow.toml` that grant what is wanted.
pub(crate) fn granting_lines(wants: &Wants) -> String {
    let Wants { http, env, dirs } = wants;
    // JSON's strings are TOML's.
    let list = |values: &[String]| {
        let values: Vec<String> = values
            .iter()
            .map(|value| serde_json::Value::from(printable(value)).to_string())
            .collect();
        values.join(", ")
    };
    let (workspaces, dirs): (Vec<&String>, Vec<&String>) =
        dirs.iter().partition(|dir| is_folder(dir, WORKSPACE));
    let mut lines = Vec::new();
    if !workspaces.is_empty() {
        lines.push("workspace = \"...\"".to_owned());
    }
    if !(http.is_empty() && env.is_empty() && dirs.is_empty()) {
        lines.push("[executors.allow]".to_owned());
    }
    if !http.is_empty() {
        lines.push(format!("http = [{}]", list(http)));
    }
    if !env.is_empty() {
        lines.push(format!("env = [{}]", list(env)));
    }
    if !dirs.is_empty() {
        let grants: Vec<String> = dirs
            .iter()
            .map(|dir| {
                let guest = serde_json::Value::from(printable(dir));
                format!("{{ host = \"...\", guest = {guest} }}")
            })
            .collect();
        lines.push(format!("dirs = [{}]", grants.join(", ")));
    }
    lines.join("\n")
}
