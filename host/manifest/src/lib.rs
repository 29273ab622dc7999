//! `flow.toml`: read, checked and turned into typed values.
//!
//! All problems of a file are collected and reported together, each with its
//! place. What is returned is valid: names are unique, needs resolve to a
//! graph, files exist, numbers are in range. What only a started executor can
//! tell (whether `uses_with` suits it, whether a method of `uses_requests`
//! exists) is not covered here; [`FlowConfig::report`] gives such problems a
//! place in the file too.

mod executors;
mod reader;
mod report;
mod units;

#[cfg(test)]
mod tests;

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use report::{Problem, Report};
pub use units::{parse_duration, parse_size};

use self::executors::ExecutorSpans;
use self::reader::{Reader, Table};
use super::graph::Graph;
use crate::executor::ExecutorConfig;

/// A flow as its `flow.toml` describes it.
#[derive(Debug, Clone)]
pub struct FlowConfig {
    /// The flow's name; the file's folder gives one where the file does not.
    pub name: String,
    /// Where and how it is served.
    pub gateway: GatewayConfig,
    /// Its executors, in the order of the file.
    pub executors: Vec<ExecutorEntry>,
    /// Which executor takes its documents from which, by the same indexes.
    pub graph: Graph,
    source: Source,
}

/// What a `[[executors]]` table says.
#[derive(Debug, Clone)]
pub struct ExecutorEntry {
    /// What runs.
    pub uses: Uses,
    /// How it is started.
    pub config: ExecutorConfig,
}

// What the command line takes of the same values is held to the same bounds.
impl ExecutorEntry {
    /// The most instances that may share an executor's requests.
    pub(crate) const MAX_REPLICAS: u32 = 1024;

    /// Reads an executor's `name`.
    ///
    /// # Errors
    /// A sentence for a person, when it cannot be one.
    pub(crate) fn parse_name(text: &str) -> Result<String, String> {
        match executors::check_name(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(format!("{}: {}", error.title(), error.help())),
        }
    }

    /// Reads a number of `replicas`.
    ///
    /// # Errors
    /// A sentence for a person, when it is none, or out of bounds.
    pub(crate) fn parse_replicas(text: &str) -> Result<NonZeroU32, String> {
        text.parse()
            .ok()
            .filter(|replicas: &NonZeroU32| replicas.get() <= ExecutorEntry::MAX_REPLICAS)
            .ok_or_else(|| {
                let most = ExecutorEntry::MAX_REPLICAS;
                format!("expected a whole number from 1 to {most}")
            })
    }

    /// Reads a bound on `memory`.
    ///
    /// # Errors
    /// A sentence for a person, when it is no size, or no executor could have it.
    pub(crate) fn parse_memory(text: &str) -> Result<u64, String> {
        executors::parse_memory(text)
    }
}

/// What an executor is made from. Paths are as seen from the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A crate's folder, to be built first.
    Folder(PathBuf),
    /// A component.
    Wasm(PathBuf),
}

impl Uses {
    /// The folder or file.
    pub fn path(&self) -> &Path {
        match self {
            Uses::Folder(path) | Uses::Wasm(path) => path,
        }
    }
}

/// The `[gateway]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The address or host name to listen on.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
    /// How many requests of one stream may be in flight, where the client does
    /// not ask for another number.
    pub prefetch: NonZeroUsize,
    /// The largest message that is taken, in bytes.
    pub max_message: usize,
}

impl Default for GatewayConfig {
    /// `127.0.0.1:54321`, 1000 requests in flight, messages of up to 256 MiB.
    fn default() -> Self {
        GatewayConfig {
            host: "127.0.0.1".to_owned(),
            port: 54321,
            prefetch: NonZeroUsize::MIN.saturating_add(999),
            max_message: 256 << 20,
        }
    }
}

impl GatewayConfig {
    /// Reads a `host`.
    ///
    /// # Errors
    /// A sentence for a person, when it is something else.
    pub(crate) fn parse_host(text: &str) -> Result<String, String> {
        match is_host(text) {
            true => Ok(text.to_owned()),
            false => Err(
                "not a host name or an IP address; for example: 127.0.0.1 for this machine \
                 alone, 0.0.0.0 for every network; the port is given apart"
                    .to_owned(),
            ),
        }
    }
}

/// Why there is no [`FlowConfig`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is read, and wrong.
    #[error(transparent)]
    Invalid(#[from] Box<Report>),
}

/// A place of the file that a problem found later belongs to. Executors are
/// named by their index; where the file leaves the key out, the executor's
/// name, or the gateway's table, stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `[gateway] host`.
    Host,
    /// `[gateway] port`.
    Port,
    /// An executor's `name`.
    Executor(usize),
    /// An executor's `uses`.
    Uses(usize),
    /// An executor's `uses_with`.
    UsesWith(usize),
    /// An executor's `uses_requests`.
    UsesRequests(usize),
    /// An executor's `allow`.
    Allow(usize),
}

/// The file itself, kept for problems that show up later.
#[derive(Debug, Clone)]
struct Source {
    file: String,
    text: String,
    host: Range<usize>,
    port: Range<usize>,
    executors: Vec<ExecutorSpans>,
}

impl FlowConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or with all that is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<FlowConfig, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        FlowConfig::parse(&text, path)
    }

    /// Reads a file's text. `path` is where it stands: it is named in messages,
    /// and paths in the text are relative to its folder.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<FlowConfig, ConfigError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let invalid = |problems| {
            ConfigError::Invalid(Box::new(Report::new(
                file.clone(),
                text.to_owned(),
                problems,
            )))
        };

        let (document, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            // What follows a syntax error is guesswork: no second opinion on it.
            return Err(invalid(syntax.iter().map(syntax_problem).collect()));
        }

        let mut reader = Reader::default();
        let root = Table::new(document.get_ref(), 0..0, "flow.toml");
        reader.known_keys(&root, &["flow", "gateway", "executors"]);
        let name = flow_name(&mut reader, &root, path);
        let (gateway, host, port) = gateway(&mut reader, &root);
        let read = executors::read(&mut reader, &root, folder);

        match read {
            Some((executors, spans, graph)) if reader.problems.is_empty() => Ok(FlowConfig {
                name,
                gateway,
                executors,
                graph,
                source: Source {
                    file,
                    text: text.to_owned(),
                    host,
                    port,
                    executors: spans,
                },
            }),
            _ => Err(invalid(reader.problems)),
        }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Gives problems that showed up after reading a place in the file: a port
    /// that is taken, a component that cannot be loaded.
    pub fn report(&self, problems: impl IntoIterator<Item = LateProblem>) -> Report {
        let problems = problems
            .into_iter()
            .map(|late| {
                let problem = Problem::new(self.span(late.place), late.title);
                match late.help {
                    Some(help) => problem.help(help),
                    None => problem,
                }
            })
            .collect();
        Report::new(self.source.file.clone(), self.source.text.clone(), problems)
    }

    fn span(&self, place: Place) -> Range<usize> {
        let executor = |index: usize| self.source.executors.get(index);
        let span = match place {
            Place::Host => Some(&self.source.host),
            Place::Port => Some(&self.source.port),
            Place::Executor(index) => executor(index).map(|spans| &spans.name),
            Place::Uses(index) => executor(index).map(|spans| &spans.uses),
            Place::UsesWith(index) => executor(index).map(|spans| &spans.uses_with),
            Place::UsesRequests(index) => executor(index).map(|spans| &spans.uses_requests),
            Place::Allow(index) => executor(index).map(|spans| &spans.allow),
        };
        span.cloned().unwrap_or(0..0)
    }
}

/// A problem that showed up after the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateProblem {
    /// Where it belongs.
    pub place: Place,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub help: Option<String>,
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem::new(
        error.span().unwrap_or(0..0),
        format!("not valid TOML: {}", error.message().trim()),
    )
}

/// `[flow] name`, or the folder's name.
fn flow_name(reader: &mut Reader, root: &Table<'_, '_>, path: &Path) -> String {
    let given = reader
        .table(root, "flow", "[flow]", "flow = { name = \"search\" }")
        .and_then(|flow| {
            reader.known_keys(&flow, &["name"]);
            reader.string(&flow, "name", "name = \"search\"")
        });
    match given {
        Some(name) if name.value.trim().is_empty() => {
            reader.report(Problem::new(name.span, "the flow's `name` is empty"));
            String::new()
        }
        Some(name) => name.value,
        None => std::path::absolute(path)
            .ok()
            .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "flow".to_owned()),
    }
}

/// `[gateway]` with the places of `host` and `port`.
fn gateway(
    reader: &mut Reader,
    root: &Table<'_, '_>,
) -> (GatewayConfig, Range<usize>, Range<usize>) {
    let mut config = GatewayConfig::default();
    let Some(table) = reader.table(root, "gateway", "[gateway]", "gateway = { port = 54321 }")
    else {
        return (config, 0..0, 0..0);
    };
    reader.known_keys(&table, &["host", "port", "prefetch", "max_message"]);
    if let Some(host) = reader.string(&table, "host", "host = \"127.0.0.1\"") {
        if is_host(&host.value) {
            config.host = host.value;
        } else {
            reader.report(
                Problem::new(host.span, "`host` is not a host name or an IP address")
                    .help("for example: \"127.0.0.1\" for this machine alone, \"0.0.0.0\" for every network; the port is a key of its own"),
            );
        }
    }
    if let Some(port) = reader.integer(
        &table,
        "port",
        0..=65_535,
        "port = 54321, or 0 for any free port",
    ) {
        config.port = u16::try_from(port).unwrap_or(config.port);
    }
    if let Some(prefetch) = reader.integer(&table, "prefetch", 1..=1_000_000, "prefetch = 1000") {
        config.prefetch = usize::try_from(prefetch)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(config.prefetch);
    }
    // gRPC's length prefix has 32 bits.
    let max_message = |text: &str| match parse_size(text)? {
        0 => Err("must be larger than zero".to_owned()),
        bytes => u32::try_from(bytes)
            .map(|bytes| bytes as usize)
            .map_err(|_| "gRPC messages are smaller than 4 GiB".to_owned()),
    };
    if let Some(bytes) = reader.parsed(
        &table,
        "max_message",
        "a size",
        "max_message = \"256MiB\"",
        max_message,
    ) {
        config.max_message = bytes;
    }
    (config, table.key_span("host"), table.key_span("port"))
}

fn is_host(text: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    text.parse::<std::net::IpAddr>().is_ok() || name(text)
}
