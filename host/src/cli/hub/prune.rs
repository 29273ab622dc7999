//! `wasm-flow hub prune`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use wasm_flow_contract::units::{Size, parse_duration};

use super::{CommandError, Format, Plain, Result};
use crate::cli::terminal;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long something has not been used that is removed: 30d would be 720h; 0s removes
    /// everything.
    #[arg(long, value_name = "TIME", default_value = "720h", value_parser = parse_duration)]
    unused: Duration,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let plain = Plain {
        plain_http: Vec::new(),
    };
    let registries = plain.registries(None)?;
    let pruned = registries.hub.prune(BTreeSet::new(), args.unused).await;
    let pruned = pruned.map_err(CommandError::from)?;
    match format {
        Format::Json => terminal::json(&json!({
            "entries": pruned.entries,
            "bytes": pruned.bytes,
            "folder": registries.hub.store().folder(),
        }))?,
        Format::Text => terminal::line(&format!(
            "removed {} in {} entries from {}",
            Size(pruned.bytes),
            pruned.entries,
            registries.hub.store().folder().display(),
        ))?,
    }
    Ok(())
}
