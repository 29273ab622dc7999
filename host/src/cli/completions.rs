//! `wasm-flow completions` and `wasm-flow man`: what packages install beside the program.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Format, Result, terminal};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell that completes commands.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder to write the pages to. It has to be there.
    folder: PathBuf,
}

/// The pages cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write pages to {}: {error}; the folder has to be there, and be writable", folder.display())]
pub(super) struct ManError {
    folder: PathBuf,
    error: std::io::Error,
}

/// Prints the script for a shell.
pub(super) fn completions(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wasm-flow", &mut script);
    terminal::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(())
}

/// Writes a page for each command.
pub(super) fn man(args: &Man, format: Format) -> Result<()> {
    let written = clap_mangen::generate_to(Cli::command(), &args.folder);
    written.map_err(|error| ManError {
        folder: args.folder.clone(),
        error,
    })?;
    if format == Format::Json {
        terminal::json(&serde_json::json!({ "folder": args.folder.display().to_string() }))?;
    }
    Ok(())
}
