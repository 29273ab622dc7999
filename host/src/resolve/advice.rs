//! What a flow may be missing, from what its executors say of themselves.

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::grants::HttpGrant;
use wasm_flow_contract::graph::{Join, Node};
use wasm_flow_contract::sharding::{INDEX, Poll, REST, SEARCH};
use wasm_flow_manifest::{Head, LateProblem, Place};
use wasm_flow_wasm::{Description, State, WORKSPACE, Wants, printable};

use super::{LoadedExecutor, Runs};

/// Something that may keep an executor from doing what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where it belongs.
    pub place: Place,
    /// What is doubtful, in one line.
    pub title: String,
    /// What to do about it.
    pub remedy: Remedy,
}

/// What to do about a [`Doubt`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Grant it this, if it is trusted with that.
    Grant(Wants),
    /// Have requests to an endpoint go to other shards, or say that this is meant.
    Poll(Unusual),
    /// What these words say.
    Words(&'static str),
}

/// An endpoint whose requests go to other shards than Jina's users expect, without being
/// named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusual {
    /// The endpoint.
    pub endpoint: &'static str,
    /// Where its requests usually go.
    pub usual: Poll,
    /// Where all do that are not named.
    pub rest: Poll,
    /// Whether others are named.
    pub names_others: bool,
    /// What the usual is good for.
    pub aim: &'static str,
}

impl Doubt {
    fn new(place: Place, title: impl Into<String>, remedy: Remedy) -> Doubt {
        Doubt {
            place,
            title: title.into(),
            remedy,
        }
    }

    /// The same doubt, about what is before or after the executor's shards.
    fn of_head(self, head: Head) -> Doubt {
        Doubt {
            place: Place::Head(head, Box::new(self.place)),
            ..self
        }
    }

    /// The same about a file.
    pub(super) fn late(self) -> LateProblem {
        let help = match &self.remedy {
            Remedy::Grant(wants) => format!(
                "if you trust it with that, add to its table:\n{}",
                granting_lines(wants)
            ),
            Remedy::Poll(unusual) => unusual.in_a_file(),
            Remedy::Words(words) => (*words).to_owned(),
        };
        LateProblem::new(self.place, self.title).help(help)
    }
}

impl Unusual {
    fn in_a_file(&self) -> String {
        let Unusual {
            endpoint,
            usual,
            rest,
            names_others,
            aim,
        } = self;
        let usual = format!("\"{endpoint}\" = \"{}\"", usual.as_str());
        let change = match names_others {
            true => format!("add {usual}"),
            false => format!(
                "polling = {{ {usual}, \"{REST}\" = \"{}\" }}",
                rest.as_str()
            ),
        };
        format!(
            "to {aim}, as Jina does: {change}; if this is what you mean, name `{endpoint}` in a \
             table"
        )
    }
}

/// What is doubtful about an executor.
pub(super) fn of(id: NodeId, node: &Node<LoadedExecutor>) -> Vec<Doubt> {
    let executor = &node.value;
    let mut doubts = of_one(id, executor);
    doubts.extend(polled(id, executor));
    doubts.extend(without_reduce(id, node));
    for (head, executor) in executor.heads() {
        let own = of_one(id, executor).into_iter();
        doubts.extend(own.map(|doubt| doubt.of_head(head)));
    }
    doubts
}

fn of_one(id: NodeId, executor: &LoadedExecutor) -> Vec<Doubt> {
    let mut doubts = executor.doubts.clone();
    let Runs::Component(component) = &executor.runs else {
        return doubts;
    };
    let description = component.description();
    let missing = missing(&description.details.wants, &executor.config);
    if !missing.is_empty() {
        let name = printable(&description.name);
        let title = format!("{name} wants more than it is granted");
        doubts.push(Doubt::new(Place::Allow(id), title, Remedy::Grant(missing)));
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
    Some(Doubt::new(Place::Executor(id), title, Remedy::Words(how)))
}

/// Warnings of a `polling` that does nothing, or means something else than in Jina: that
/// would not be seen before documents are missed.
fn polled(id: NodeId, executor: &LoadedExecutor) -> Vec<Doubt> {
    let config = &executor.config;
    let polling = &config.polling;
    if executor.shards().get() == 1 {
        let warning = Doubt::new(
            Place::Polling(id, None),
            "`polling` does nothing: the executor has one shard",
            Remedy::Words("set `shards`, or leave `polling` out"),
        );
        return polling.is_given().then_some(warning).into_iter().collect();
    }
    // Only what is said for all endpoints can be unusual for one that is not named.
    let Some(rest) = polling.rest else {
        return Vec::new();
    };
    let endpoints = &executor.info.endpoints;
    let doubt = |endpoint: &'static str, usual: Poll, what: &str, aim: &'static str| {
        let is_bound = endpoints.iter().any(|(bound, _)| bound == endpoint);
        let is_named = polling.named.contains_key(endpoint);
        let unusual = Unusual {
            endpoint,
            usual,
            rest,
            names_others: !polling.named.is_empty(),
            aim,
        };
        let title = format!("`polling` sends `{endpoint}` to {what}");
        let place = Place::Polling(id, Some(REST.to_owned()));
        let is_unusual = is_bound && !is_named && rest != usual;
        is_unusual.then(|| Doubt::new(place, title, Remedy::Poll(unusual)))
    };
    let index = doubt(
        INDEX,
        Poll::Any,
        "every shard: each keeps all documents",
        "divide the documents",
    );
    let search = doubt(
        SEARCH,
        Poll::All,
        "one shard: it finds only what that one keeps",
        "search all shards",
    );
    index.into_iter().chain(search).collect()
}

/// A warning of `no_reduce` that is about shards, where it does nothing.
fn without_reduce(id: NodeId, node: &Node<LoadedExecutor>) -> Option<Doubt> {
    let shards = node.value.shards().get();
    let does_nothing = node.options.join == Join::Concat && node.needs.len() == 1;
    let title = format!(
        "`no_reduce` does nothing: `{}` has one need, and `no_reduce` is about several",
        node.name
    );
    let help = "leave it out: documents of several shards become one by their ids, unless \
                `uses_after` puts them together";
    let warning = || Doubt::new(Place::NoReduce(id), title, Remedy::Words(help));
    (shards > 1 && does_nothing).then(warning)
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
            let place = |grant: &HttpGrant| {
                wanted
                    .parse()
                    .is_ok_and(|wanted| grant.origin.covers(&wanted))
            };
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
