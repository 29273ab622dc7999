//! `wasm-flow hub keygen`.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_hub::trust::Signer;

use super::password;
use super::{CommandError, Format, Result};
use crate::cli::terminal;
use crate::whole_file;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the files are called: NAME.key, which is yours alone, and NAME.pub.
    #[arg(default_value = "wasm-flow")]
    name: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let (private, public) = (with(&args.name, ".key"), with(&args.name, ".pub"));
    for path in [&private, &public] {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(CommandError::Exists(path.clone()).into());
        }
    }
    let password = password::new_of_key()?;
    let failed = |error| CommandError::Key {
        path: private.clone(),
        error,
    };
    let signer = Signer::generate().map_err(failed)?;
    let text = signer.to_pem(password.as_bytes()).map_err(failed)?;
    let key = signer.public();
    for (path, text, is_private) in [(&private, &text, true), (&public, &key.to_pem(), false)] {
        let written = match is_private {
            true => whole_file::write_private(path, text),
            false => whole_file::replace(path, text),
        };
        written.map_err(|error| CommandError::File {
            path: path.clone(),
            error,
        })?;
    }
    match format {
        Format::Json => terminal::json(&json!({
            "private": private.display().to_string(),
            "public": public.display().to_string(),
            "id": key.id(),
        }))?,
        Format::Text => terminal::line(&format!(
            "made {}, which signs: keep it to yourself{}\nmade {}, which others need to run what \
             you sign; in their flow.toml:\n  [[hub.trust]]\n  of = \"registry.example.com/team\"\n  \
             keys = [\"{}\"]",
            private.display(),
            match password.is_empty() {
                true => " (it has no password)",
                false => "",
            },
            public.display(),
            public.display(),
        ))?,
    }
    Ok(())
}

/// A path with something behind it. What is behind a dot in the name stays.
fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
