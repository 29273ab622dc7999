//! The command line: a file for each subcommand.
//!
//! Results go to standard output, all else to standard error: progress, errors,
//! and what executors print while a batch runs. With `--format json` results are
//! JSON, and a server's events one object a line.
//!
//! Results are never lost: a command waits until they are taken. What executors
//! print while they serve waits for nobody; see `writer`.

mod batch;
mod build;
mod check;
mod compiler;
mod completions;
mod console;
mod door;
mod graph;
mod guest_log;
mod hub;
mod import;
mod input;
mod inspect;
mod log;
mod new;
mod operand;
mod post;
mod print;
mod progress;
mod reload;
mod run;
mod schema;
mod serve;
mod shutdown;
mod terminal;
mod test;
mod tls;
mod watch;
mod writer;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use wasm_flow_gateway::client::ClientError;
use wasm_flow_gateway::{BindError, ServeError};
use wasm_flow_manifest::{Manifest, ManifestError, Report};
use wasm_flow_wasm::{RuntimeError, StartError, compile_component};

use crate::bounds::FLUSH_TIMEOUT;
use crate::resolve::build::BuildError;
use crate::resolve::{Loaded, Resolver, SourceError, WrongFile};

/// Runs WebAssembly executors over documents, alone or chained into a flow, and
/// serves them to Jina's clients.
#[derive(Debug, Parser)]
#[command(
    name = "wasm-flow",
    version,
    propagate_version = true,
    after_help = "Exit status: 0, 1 for a failure, 2 for bad usage, 130 for a `run --on` that Ctrl-C cut short"
)]
struct Cli {
    /// Print for people, or JSON for programs.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    log: log::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new executor: a crate with a handler, a test and a flow.
    New(new::Args),
    /// Compile an executor's folder to a component.
    Build(build::Args),
    /// Show what an executor is: its endpoints, configuration and imports.
    Inspect(inspect::Args),
    /// Check whether a flow would start: read the file, load the executors.
    Check(check::Args),
    /// Draw a flow as text, Mermaid or SVG, and where the time of its requests went.
    Graph(graph::Args),
    /// Run a flow: serve it, or with --on send documents through it and stop.
    Run(run::Args),
    /// Run a flow over the cases of its tests, and compare what comes out.
    Test(test::Args),
    /// Serve one executor alone.
    Serve(serve::Args),
    /// Send documents to a running gateway.
    Post(post::Args),
    /// Make a flow.toml from the YAML of a Jina Flow.
    Import(import::Args),
    /// Share executors through registries.
    Hub(hub::Args),
    /// Pin the executors of a flow that come from registries to what they are now, and show
    /// what has changed.
    Update(hub::UpdateArgs),
    /// Print the script that has a shell complete these commands.
    Completions(completions::Completions),
    /// Write a man page for each of these commands.
    Man(completions::Man),
}

impl Command {
    /// Whether it goes on until it is told to stop.
    fn serves(&self) -> bool {
        match self {
            Command::Run(args) => args.serves(),
            Command::Serve(_) => true,
            _ => false,
        }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Problems(#[from] Box<Report>),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Graph(#[from] graph::WriteError),
    #[error(transparent)]
    Input(#[from] input::InputError),
    #[error(transparent)]
    New(#[from] new::NewError),
    #[error(transparent)]
    Import(#[from] import::ImportError),
    #[error(transparent)]
    File(#[from] WrongFile),
    #[error(transparent)]
    Output(#[from] terminal::OutputError),
    #[error(transparent)]
    Log(#[from] log::LevelError),
    #[error(transparent)]
    Hub(#[from] hub::CommandError),
    #[error(transparent)]
    Man(#[from] completions::ManError),
    #[error(transparent)]
    Test(#[from] test::TestError),
    #[error(transparent)]
    Watch(#[from] watch::WatchError),
    #[error(transparent)]
    Credential(#[from] tls::CredentialError),
    /// Requests failed, and each failure was reported when it happened.
    #[error("{failed} of {total} requests failed")]
    Requests { failed: usize, total: usize },
    /// A gateway that ended a stream as if all were well.
    #[error("the gateway ended the call after it had answered {answered} of {sent} requests")]
    Unanswered { answered: usize, sent: usize },
    /// The command line contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// Cut short by a signal, which was reported when it came.
    #[error("interrupted")]
    Interrupted,
    #[error("cannot start a thread: {0}")]
    Threads(std::io::Error),
    /// Printed already, as a result in JSON.
    #[error("")]
    Reported,
}

type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn status(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Log(_) | Error::Hub(hub::CommandError::Unsigned) => 2,
            Error::Credential(error) if error.is_usage => 2,
            Error::Interrupted => shutdown::INTERRUPTED,
            Error::Output(error) if error.is_reader_gone() => 0,
            _ => 1,
        }
    }
}

/// Runs the command that the process was started with. Exit status: 0, 1 for a
/// failure, 2 for bad usage, 130 for a batch that a signal cut short. If the
/// reader of standard output goes away, the command ends with 0.
pub fn main() -> ExitCode {
    if let Some(arguments) = compiler::arguments() {
        return compile_component(arguments);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return explain(&usage),
    };
    let Err(error) = dispatch(cli) else {
        return ExitCode::SUCCESS;
    };
    let status = error.status();
    if shutdown::is_listening() {
        let (done, reported) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            report(&error);
            // Nobody waits any more after the time of grace.
            let _ = done.send(());
        });
        let _ = reported.recv_timeout(FLUSH_TIMEOUT);
    } else {
        report(&error);
    }
    status.into()
}

/// Prints help, the version, or what is wrong with the command line.
fn explain(usage: &clap::Error) -> ExitCode {
    let printed = usage.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(error) if !usage.use_stderr() => {
            let error = Error::from(terminal::OutputError::from(error));
            report(&error);
            error.status().into()
        }
        _ => u8::try_from(usage.exit_code()).unwrap_or(2).into(),
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    let format = cli.format;
    cli.log.start(cli.command.serves())?;
    // These need no scheduler.
    let command = match cli.command {
        Command::New(args) => return new::run(&args, format),
        Command::Import(args) => return import::run(&args, format),
        Command::Completions(args) => return completions::completions(&args),
        Command::Man(args) => return completions::man(&args, format),
        command => command,
    };
    let scheduler = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Threads)?;
    let result = scheduler.block_on(async {
        match command {
            Command::New(_) | Command::Import(_) | Command::Completions(_) | Command::Man(_) => {
                Ok(())
            }
            Command::Build(args) => build::run(&args, format).await,
            Command::Inspect(args) => inspect::run(args, format).await,
            Command::Check(args) => check::run(&args, format).await,
            Command::Graph(args) => graph::run(&args, format).await,
            Command::Run(args) => run::run(args, format).await,
            Command::Test(args) => test::run(&args, format).await,
            Command::Serve(args) => serve::run(args, format).await,
            Command::Post(args) => post::run(args, format).await,
            Command::Hub(args) => hub::run(args, format).await,
            Command::Update(args) => hub::update(&args, format).await,
        }
    });
    // A guest that blocks a thread must not keep the process.
    scheduler.shutdown_background();
    result
}

/// What finds the components that commands are about.
fn resolver() -> Result<Resolver> {
    Ok(Resolver::new(compiler::runtime()?, progress::note))
}

/// The flow of a file, with its components.
async fn load(path: &Path) -> Result<Loaded> {
    // The file first: an engine takes a moment.
    let manifest = Manifest::load(path)?;
    Ok(resolver()?.load(manifest).await?)
}

/// Prints an error to standard error, with the places in the file that it is
/// about.
fn report(error: &Error) {
    match error {
        Error::Reported | Error::Interrupted => {}
        Error::Output(error) if error.is_reader_gone() => {}
        Error::Problems(report) | Error::Manifest(ManifestError::Invalid(report)) => {
            terminal::report(report);
        }
        error => terminal::error(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
