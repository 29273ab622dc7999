//! `wasm-flow hub pull`.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_contract::hub::Reference;
use wasm_flow_contract::units::Size;

use super::{CommandError, Format, Result, Trusting};
use crate::cli::terminal;
use crate::whole_file;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to pull: registry.example.com/team/name:1.0
    reference: Reference,
    /// The file to write, instead of one that is called like the repository.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trusting: Trusting,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let path = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.wasm", args.reference.repository().name())),
    };
    if !args.force && std::fs::symlink_metadata(&path).is_ok() {
        return Err(CommandError::Exists(path).into());
    }
    let pulled = args.trusting.pull(&args.reference).await?;
    let written = whole_file::write_bytes(&path, &pulled.component);
    written.map_err(|error| CommandError::File {
        path: path.clone(),
        error,
    })?;
    let assets = pulled.assets.as_ref();
    match format {
        Format::Json => terminal::json(&json!({
            "file": path.display().to_string(),
            "digest": pulled.digest.to_string(),
            "component": pulled.component_digest.to_string(),
            "size": pulled.component.len(),
            "assets": assets.map(|assets| assets.folder.display().to_string()),
            "signer": pulled.signer,
        }))?,
        Format::Text => {
            let mut text = format!(
                "pulled {} to {} ({})",
                args.reference.at(pulled.digest),
                path.display(),
                Size(pulled.component.len() as u64),
            );
            text += &match &pulled.signer {
                Some(signer) => format!("\nsigned by {signer}"),
                None => "\nits signature was not asked for".to_owned(),
            };
            if let Some(assets) = assets {
                text += &granting(&assets.folder);
            }
            terminal::line(&text)?;
        }
    }
    Ok(())
}

/// How a flow that uses the file gives it what came along.
fn granting(folder: &Path) -> String {
    // A JSON string is a TOML string.
    let folder = serde_json::Value::from(folder.display().to_string());
    format!(
        "\nits files came along; in flow.toml:\n  allow.dirs = [{{ host = {folder}, guest = \
         \"/assets\" }}]"
    )
}
