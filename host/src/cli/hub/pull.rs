//! `wasm-flow hub pull`.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_contract::hub::{Reference, Signers};
use wasm_flow_contract::units::Size;
use wasm_flow_hub::HubErrorKind;

use super::{CommandError, Format, Plain, Result};
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
    /// A public key whose signature counts, beside what the user's configuration says; may
    /// be given several times.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Vec<PathBuf>,
    /// Take it without a signature, if the user's configuration does not want one.
    #[arg(long)]
    unsigned: bool,
    #[command(flatten)]
    plain: Plain,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let repository = args.reference.repository();
    let path = match &args.output {
        Some(path) => path.clone(),
        None => {
            let name = repository.path().rsplit('/').next().unwrap_or_default();
            PathBuf::from(format!("{name}.wasm"))
        }
    };
    if !args.force && std::fs::symlink_metadata(&path).is_ok() {
        return Err(CommandError::Exists(path).into());
    }
    let signers = match (args.key.is_empty(), args.unsigned) {
        (false, _) => Some(Signers::Keys(args.key)),
        (true, true) => Some(Signers::Nobody),
        (true, false) => None,
    };
    let trust = signers.map(|signers| (repository, signers));
    let registries = args.plain.registries(trust)?;
    let pulled = registries.pull(&args.reference).await;
    let pulled = pulled.map_err(|error| match error.kind() {
        HubErrorKind::Refused => CommandError::Untrusted(error),
        _ => error.into(),
    })?;
    let written = whole_file::write_bytes(&path, &pulled.component);
    written.map_err(|error| CommandError::File {
        path: path.clone(),
        error,
    })?;
    let assets = pulled.assets.as_ref();
    match format {
        Format::Json => terminal::json(&json!({
            "file": path,
            "digest": pulled.digest.to_string(),
            "component": pulled.component_digest.to_string(),
            "size": pulled.component.len(),
            "assets": assets.map(|assets| &assets.folder),
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
