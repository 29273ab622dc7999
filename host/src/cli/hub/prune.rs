//! `wasm-flow hub prune`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use wasm_flow_contract::units::{Size, parse_duration};

use super::{CommandError, Format, Plain, Result};
use crate::cli::terminal;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long something has not been used that is removed: 720h are 30 days.
    #[arg(long, value_name = "TIME", default_value = "720h", value_parser = parse_duration)]
    unused: Duration,
    /// Remove everything but what runs now.
    #[arg(long, conflicts_with = "unused")]
    all: bool,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let registries = Plain::default().registries(None)?;
    let unused = match args.all {
        true => Duration::ZERO,
        false => args.unused,
    };
    let pruned = registries.hub.prune(BTreeSet::new(), unused).await;
    let pruned = pruned.map_err(CommandError::from)?;
    match format {
        Format::Json => terminal::json(&json!({
            "entries": pruned.entries,
            "bytes": pruned.bytes,
            "in_use": pruned.in_use,
            "folder": registries.hub.store().folder().display().to_string(),
        }))?,
        Format::Text => {
            let mut text = format!(
                "removed {} in {} entries from {}",
                Size(pruned.bytes),
                pruned.entries,
                registries.hub.store().folder().display(),
            );
            text += &match pruned.in_use {
                0 => String::new(),
                1 => ", and left 1 executor that runs now".to_owned(),
                more => format!(", and left {more} executors that run now"),
            };
            terminal::line(&text)?;
        }
    }
    Ok(())
}
