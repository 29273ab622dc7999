//! `flow.toml`: read, checked and turned into typed values.
//!
//! All problems of a file are collected and reported together, each with its
//! place. What is returned is valid as far as the file alone can tell: names are
//! unique, needs resolve to a graph, numbers are in range.
//!
//! Not covered: whether the paths exist, since nothing but the file itself is
//! read, so that a flow can be checked on another machine; and what only a started
//! executor can tell (whether `uses_with` suits it, whether a method of
//! `uses_requests` exists). [`Manifest::report`] gives such problems a place in the
//! file, too.
//!
//! | module | what it has |
//! | --- | --- |
//! | `tables` | every key of every table, declared once |
//! | `keys`, `kinds`, `formats` | how a key is declared, the kinds of values, and the formats of strings |
//! | `reader`, [`schema()`] | what is made of the declarations: a reader, and JSON Schema |
//! | `entry`, `context` | a key's value that was read, and the key whose value is being read |
//! | `flow`, `gateway`, `door`, `host`, `hub`, `executors`, `polling`, `uses`, `remote`, `grants`, `needs` | what the tables mean |
//! | `variables`, `substitutions` | `${NAME}`: environment variables in the file's texts, and how messages show those texts |
//! | `problems`, `report`, `late` | what is wrong, and how it is shown |
//! | `lock`, `user` | flow.lock, and the user's own configuration, read in the same way |
//! | `text` | [`read_text`]: a file's text, if it is not too large |
//! | [`bounds`] | what a file is held to |

pub mod bounds;
mod context;
mod door;
mod entry;
mod executors;
mod flow;
mod formats;
mod gateway;
mod grants;
mod host;
mod hub;
mod json;
mod keys;
mod kinds;
mod late;
mod lock;
mod needs;
mod polling;
mod problems;
mod reader;
mod remote;
mod report;
mod schema;
mod substitutions;
mod tables;
mod text;
mod units;
mod user;
mod uses;
mod variables;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::graph::Graph;
use wasm_flow_contract::host::HostConfig;
use wasm_flow_contract::hub::HubConfig;

pub use door::{DoorFiles, ServerTlsFiles, TokensFrom};
pub use executors::ExecutorEntry;
pub use late::{DoorKey, Head, LateProblem, Place};
pub use lock::{Lock, LockError};
pub use problems::Problems;
pub use report::{Problem, Report};
pub use schema::schema;
pub use text::read_text;
pub use user::UserConfig;
pub use uses::{Pem, Remote, TlsFiles, Token, Uses};

use bounds::MAX_FILE;
use gateway::GatewaySpans;
use hub::KeySpans;
use substitutions::Substitutions;
use tables::FlowToml;
use variables::Environment;

/// A flow as its `flow.toml` describes it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The flow's name: that of the file's folder, if the file does not give one.
    pub name: String,
    /// How long a request may take, all executors together.
    pub timeout: Option<Duration>,
    /// Where and how it is served. The files of its door have not been read.
    pub gateway: GatewayConfig<DoorFiles>,
    /// What the process may use that runs it.
    pub host: HostConfig,
    /// Which registries its executors may come from, and whose signatures are wanted.
    pub hub: HubConfig,
    /// Its executors, in the order of the file, and which of them takes its
    /// documents from which.
    pub executors: Graph<ExecutorEntry>,
    source: Source,
}

/// The file itself, kept for problems that show up later.
#[derive(Debug, Clone)]
struct Source {
    file: String,
    text: String,
    gateway: GatewaySpans,
    keys: KeySpans,
    variables: Substitutions,
}

/// Why there is no [`Manifest`].
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is read, and wrong.
    #[error(transparent)]
    Invalid(#[from] Box<Report>),
}

impl Manifest {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or with all that is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Manifest, ManifestError> {
        let path = path.as_ref();
        let text = read_text(path, MAX_FILE, "a flow.toml");
        let text = text.map_err(|source| ManifestError::Read {
            path: path.to_owned(),
            source,
        })?;
        Manifest::parse(&text, path)
    }

    /// Reads a file's text. `path` is where it is: messages name it, and paths in
    /// the text are relative to its folder. `${NAME}` is a variable of this process.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Manifest, ManifestError> {
        Manifest::parse_with(text, path, |name: &str| std::env::var_os(name))
    }

    /// The same in another environment: `variable` gives the value of one by its name.
    ///
    /// # Errors
    /// With all that is wrong with the file.
    pub fn parse_with(
        text: &str,
        path: impl AsRef<Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Manifest, ManifestError> {
        let path = path.as_ref();
        let mut problems = Problems::default();
        let manifest = read(&mut problems, text, path, &variable);
        match manifest {
            Some(manifest) if problems.count() == 0 => Ok(manifest),
            _ => {
                let report = problems.into_report(path.display().to_string(), text.to_owned());
                Err(ManifestError::Invalid(Box::new(report)))
            }
        }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Gives problems that showed up after reading a place in the file.
    ///
    /// # Panics
    /// If a place is in an executor of another flow.
    pub fn report(&self, late: impl IntoIterator<Item = LateProblem>) -> Report {
        let variables = &self.source.variables;
        let mut problems = Problems::default();
        problems.set_variables(variables.clone());
        for late in late {
            let help = late.help_for("this file's folder");
            let LateProblem {
                place,
                title,
                label,
                ..
            } = late;
            let shows_values = place.is_a_path();
            let mut problem = Problem::new(self.span(place), title);
            if let Some(label) = label {
                problem = problem.label(label);
            }
            if let Some(help) = help {
                problem = problem.help(help);
            }
            if !shows_values {
                problem = problem.map(|said| variables.hide_all(said));
            }
            problems.report(problem);
        }
        problems.into_report(self.source.file.clone(), self.source.text.clone())
    }

    /// The same of problems in spite of which the flow can run. None without any.
    ///
    /// # Panics
    /// If a place is in an executor of another flow.
    pub fn warnings(&self, late: impl IntoIterator<Item = LateProblem>) -> Option<Report> {
        let report = self.report(late).into_warnings();
        (report.total() > 0).then_some(report)
    }

    fn span(&self, place: Place) -> Range<usize> {
        let (head, place) = match place {
            Place::Head(head, place) => (Some(head), *place),
            place => (None, place),
        };
        let executor = |id| self.executors[id].value.spans_of(head);
        let span = match place {
            Place::Host => &self.source.gateway.host,
            Place::Port => &self.source.gateway.port,
            Place::HealthPort => &self.source.gateway.port_health,
            Place::Door(key) => self.source.gateway.door.of(key),
            Place::TrustedKey(rule, key) => {
                let keys = self.source.keys.get(rule);
                return keys.and_then(|keys| keys.get(key)).cloned().unwrap_or(0..0);
            }
            // There is nothing around what is itself around shards.
            Place::Head(_, place) => return self.span(*place),
            Place::Executor(id) => &executor(id).name,
            Place::Uses(id) => &executor(id).uses,
            Place::UsesWith(id) => &executor(id).uses_with,
            Place::UsesRequests(id) => &executor(id).uses_requests,
            Place::Batching(id, endpoint) => {
                let spans = executor(id);
                spans.batching.get(&endpoint).unwrap_or(&spans.name)
            }
            Place::Tls(id) => &executor(id).tls,
            Place::Token(id) => &executor(id).token,
            Place::NoReduce(id) => &executor(id).no_reduce,
            Place::Polling(id, endpoint) => {
                let spans = executor(id);
                let endpoint = endpoint.and_then(|endpoint| spans.polled.get(&endpoint));
                endpoint.unwrap_or(&spans.polling)
            }
            Place::Workspace(id) => &executor(id).workspace,
            Place::Allow(id) => &executor(id).allow,
            Place::Dir(id, dir) => {
                let spans = executor(id);
                spans.dirs.get(dir).unwrap_or(&spans.allow)
            }
        };
        span.clone()
    }
}

/// `None` if something is wrong. All that is wrong has then been reported.
fn read(
    problems: &mut Problems,
    text: &str,
    path: &Path,
    environment: &Environment<'_>,
) -> Option<Manifest> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows a syntax error is guesswork: no second opinion on it.
        errors
            .iter()
            .map(syntax_problem)
            .for_each(|problem| problems.report(problem));
        return None;
    }
    let variables = variables::substitute(problems, document.get_mut(), text, environment);
    if problems.count() > 0 {
        // What else would be said of the texts with these variables is guesswork, too.
        return None;
    }
    problems.set_variables(variables.clone());
    let FlowToml {
        flow,
        gateway,
        host,
        hub,
        executors,
    } = reader::table(problems, document.get_ref(), 0..0);

    let folder = path.parent().unwrap_or(Path::new(""));
    let (gateway, spans) = gateway::config(problems, gateway, folder);
    let (hub, keys) = hub::config(problems, hub, folder);
    let (name, timeout) = flow::read(flow.map(|flow| flow.value), path);
    Some(Manifest {
        name,
        timeout,
        gateway,
        host: host::config(host.map(|host| host.value)),
        hub,
        executors: executors::graph(problems, executors?.value, folder)?,
        source: Source {
            file: path.display().to_string(),
            text: text.to_owned(),
            gateway: spans,
            keys,
            variables,
        },
    })
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem::new(
        error.span().unwrap_or(0..0),
        format!("not valid TOML: {}", error.message().trim()),
    )
}
