//! `wasm-flow hub list`.

use serde_json::json;
use wasm_flow_contract::hub::Repository;

use super::{CommandError, Format, Plain, Result};
use crate::cli::terminal;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The repository: registry.example.com/team/name
    repository: Repository,
    #[command(flatten)]
    plain: Plain,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let registries = args.plain.registries(None)?;
    let tags = registries.hub.tags(&args.repository).await;
    let tags = tags.map_err(CommandError::from)?;
    match format {
        Format::Json => terminal::json(&json!({ "tags": tags }))?,
        Format::Text if tags.is_empty() => terminal::note("no tags"),
        Format::Text => terminal::line(&tags.join("\n"))?,
    }
    Ok(())
}
