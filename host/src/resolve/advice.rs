//! What a flow may be missing, from what its executors say of themselves.

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::graph::{Join, Node};
use wasm_flow_contract::origin::HttpOrigin;
use wasm_flow_contract::sharding::{INDEX, Poll, REST, SEARCH};
use wasm_flow_manifest::{LateProblem, Place};
use wasm_flow_wasm::{Description, State, WORKSPACE, Wants, printable};

use super::{LoadedExecutor, Runs};

/// What is doubtful about an executor's table.
pub(super) fn of(id: NodeId, node: &Node<LoadedExecutor>) -> Vec<LateProblem> {
    let executor = &node.value;
    let mut problems = of_one(id, executor);
    problems.extend(polled(id, executor));
    problems.extend(without_reduce(id, node));
    for (head, executor) in executor.heads() {
        let own = of_one(id, executor).into_iter();
        problems.extend(own.map(|problem| problem.of_head(head)));
    }
    problems
}

fn of_one(id: NodeId, executor: &LoadedExecutor) -> Vec<LateProblem> {
    let mut problems = executor.doubts.clone();
    let Runs::Component(component) = &executor.runs else {
        return problems;
    };
    let description = component.description();
    let missing = missing(&description.details.wants, &executor.config);
    if !missing.is_empty() {
        let lines = granting_lines(&missing);
        problems.push(
            LateProblem::new(
                Place::Allow(id),
                format!(
                    "{} wants more than it is granted",
                    printable(&description.name)
                ),
            )
            .help(format!(
                "if you trust it with that, add to its table:\n{lines}"
            )),
        );
    }
    problems.extend(scattered(id, description, &executor.config));
    problems
}

/// A warning that requests will not find what earlier ones left.
fn scattered(
    id: NodeId,
    description: &Description,
    config: &ExecutorConfig,
) -> Option<LateProblem> {
    if description.details.state != Some(State::Replica) {
        return None;
    }
    let name = printable(&description.name);
    let (title, help) = if config.isolation == Isolation::Request {
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
            match config.shards.get() {
                1 => {
                    "a request goes to any replica, and finds only what that one was sent: use \
                     one replica, or `shards`, of which `polling` can ask all"
                }
                _ => {
                    "a request goes to any replica of a shard, and finds only what that one was \
                     sent: use one replica"
                }
            },
        )
    } else {
        return None;
    };
    Some(LateProblem::new(Place::Executor(id), title).help(help))
}

/// Warnings of a `polling` that does nothing, or means something else than in Jina: that
/// would not be seen before documents are missed.
fn polled(id: NodeId, executor: &LoadedExecutor) -> Vec<LateProblem> {
    let config = &executor.config;
    let polling = &config.polling;
    if executor.shards().get() == 1 {
        let title = "`polling` does nothing: the executor has one shard";
        let warning = LateProblem::new(Place::Polling(id, None), title)
            .help("set `shards`, or leave `polling` out");
        return polling.is_given().then_some(warning).into_iter().collect();
    }
    let endpoints = &executor.info.endpoints;
    let is_meant = |endpoint: &str, unusual: Poll| {
        let is_bound = endpoints.iter().any(|(bound, _)| bound == endpoint);
        let is_named = polling.named.contains_key(endpoint);
        is_bound && !is_named && polling.of(endpoint) == unusual
    };
    // Only what is said for all endpoints can be unusual for one that is not named.
    let warning = |endpoint: &str, what: &str, usual: Poll, aim: &str| {
        let usual = format!("\"{endpoint}\" = \"{}\"", usual.as_str());
        let change = match polling.rest {
            Some(rest) if polling.named.is_empty() => {
                format!(
                    "polling = {{ {usual}, \"{REST}\" = \"{}\" }}",
                    rest.as_str()
                )
            }
            _ => format!("add {usual}"),
        };
        let title = format!("`polling` sends `{endpoint}` to {what}");
        let help = format!(
            "to {aim}, as Jina does: {change}; if this is what you mean, name `{endpoint}` in a \
             table"
        );
        LateProblem::new(Place::Polling(id, Some(REST.to_owned())), title).help(help)
    };
    let index = is_meant(INDEX, Poll::All).then(|| {
        let what = "every shard: each keeps all documents";
        warning(INDEX, what, Poll::Any, "divide the documents")
    });
    let search = is_meant(SEARCH, Poll::Any).then(|| {
        let what = "one shard: it finds only what that one keeps";
        warning(SEARCH, what, Poll::All, "search all shards")
    });
    index.into_iter().chain(search).collect()
}

/// A warning of `no_reduce` that is about shards, where it does nothing.
fn without_reduce(id: NodeId, node: &Node<LoadedExecutor>) -> Option<LateProblem> {
    let shards = node.value.shards().get();
    let does_nothing = node.options.join == Join::Concat && node.needs.len() == 1;
    let title = format!(
        "`no_reduce` does nothing: `{}` has one need, and `no_reduce` is about several",
        node.name
    );
    let help = "leave it out: documents of several shards become one by their ids, unless \
                `uses_after` puts them together";
    (shards > 1 && does_nothing).then(|| LateProblem::new(Place::NoReduce(id), title).help(help))
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
