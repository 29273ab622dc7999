//! `wasm-flow build`.

use std::path::PathBuf;

use serde_json::json;
use wasm_flow_contract::units::Size;

use super::{Format, Result, progress, terminal};
use crate::resolve::build::build;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the executor's Cargo.toml.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, format: Format) -> Result<()> {
    let component = build(&args.folder, &progress::note)?;
    let size = std::fs::metadata(&component).map_or(0, |file| file.len());
    match format {
        Format::Text => terminal::line(&format!("{} ({})", component.display(), Size(size)))?,
        Format::Json => terminal::json(&json!({
            "component": component,
            "size": size,
        }))?,
    }
    Ok(())
}
