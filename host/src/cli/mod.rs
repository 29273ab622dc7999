//! The command line. A file a subcommand.
//!
//! Results go to standard output, all else to standard error: progress, what
//! executors print in the batch form, errors. With `--format json` results are
//! JSON, and of a running flow one object a line.

mod build;
mod check;
mod input;
mod inspect;
mod launch;
mod new;
mod post;
mod print;
mod progress;
mod run;
mod serve;
mod shutdown;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::executor::{LoadError, RuntimeError, StartError};
use crate::flow::{ConfigError, GraphError, Report, StageCount};
use crate::gateway::{BindError, ServeError, client::ClientError};

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
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new executor: a crate with a handler, a test and a flow.
    New(new::Args),
    /// Compile an executor's folder to a component.
    Build(build::Args),
    /// Tell what an executor is: its endpoints, configuration and imports.
    Inspect(inspect::Args),
    /// Look whether a flow would start: read the file, load the executors.
    Check(check::Args),
    /// Run a flow: serve it, or with --on send documents through it and stop.
    Run(run::Args),
    /// Serve one executor alone.
    Serve(serve::Args),
    /// Send documents to a gateway that runs.
    Post(post::Args),
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
    Build(#[from] build::BuildError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Problems(#[from] Box<Report>),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Stages(#[from] StageCount),
    #[error(transparent)]
    Input(#[from] input::InputError),
    #[error(transparent)]
    New(#[from] new::NewError),
    /// Requests failed, and each was told of when it did.
    #[error("{failed} of {total} requests failed")]
    Requests { failed: usize, total: usize },
    /// A gateway that ended a stream as if all were well.
    #[error(
        "the gateway ended the call after {answered} of {total} requests; the others are not \
         answered"
    )]
    Unanswered { answered: usize, total: usize },
    /// The command line contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// Cut short by a signal, and told when it was.
    #[error("interrupted")]
    Interrupted,
    #[error("the scheduler cannot be started: {0}")]
    Scheduler(std::io::Error),
    /// Already told, as a result in JSON.
    #[error("")]
    Told,
}

type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn status(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Interrupted => shutdown::INTERRUPTED,
            _ => 1,
        }
    }
}

/// Runs the command that the process was started with. Exit status: 0, 1 for a
/// failure, 2 for bad usage, 130 for a batch that a signal cut short.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            error.status().into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    let format = cli.format;
    // What needs no scheduler does without one.
    let command = match cli.command {
        Command::New(args) => return new::run(&args, format),
        Command::Build(args) => return build::run(&args, format),
        command => command,
    };
    let scheduler = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Scheduler)?;
    let result = scheduler.block_on(async {
        match command {
            Command::New(_) | Command::Build(_) => Ok(()),
            Command::Inspect(args) => inspect::run(&args, format).await,
            Command::Check(args) => check::run(&args, format).await,
            Command::Run(args) => run::run(args, format).await,
            Command::Serve(args) => serve::run(args, format).await,
            Command::Post(args) => post::run(args, format).await,
        }
    });
    // A guest that blocks a thread must not keep the process.
    scheduler.shutdown_background();
    result
}

/// An error on standard error, with the places in the file where it is about one.
fn tell(error: &Error) {
    match error {
        Error::Told | Error::Interrupted => {}
        Error::Problems(report) | Error::Config(ConfigError::Invalid(report)) => {
            terminal::report(report);
        }
        error => terminal::error(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
