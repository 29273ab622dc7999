//! `wasm-flow hub push`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use wasm_flow_contract::hub::Reference;
use wasm_flow_contract::units::Size;
use wasm_flow_hub::Sign;
use wasm_flow_hub::artifact::{Artifact, AssetFile};
use wasm_flow_hub::bounds::MAX_KEY_FILE;
use wasm_flow_hub::trust::{KeyError, Signer};
use wasm_flow_manifest::read_text;

use super::password;
use super::{CommandError, Format, Plain, Result};
use crate::cli::operand::{self, Action};
use crate::cli::{resolver, terminal};
use crate::hub::labels;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component, or an executor's folder, which is built first.
    component: PathBuf,
    /// Where to put it: registry.example.com/team/name:1.0
    reference: Reference,
    /// The private key to sign with. Its password is that in WASM_FLOW_KEY_PASSWORD or
    /// COSIGN_PASSWORD, or is asked for.
    #[arg(long, value_name = "FILE", env = "WASM_FLOW_SIGNING_KEY")]
    key: Option<PathBuf>,
    /// Do not sign it, whatever key is named.
    #[arg(long)]
    unsigned: bool,
    /// A folder with files that go along, as a model. The executor sees them under
    /// `/assets`.
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// Who has made it.
    #[arg(long)]
    author: Option<String>,
    #[command(flatten)]
    plain: Plain,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    // Before anything is built.
    let signer = match (&args.key, args.unsigned) {
        (_, true) => None,
        (Some(key), false) => Some(signer(key)?),
        (None, false) => return Err(CommandError::Unsigned.into()),
    };
    let source = operand::executor(&args.component, Action::Describe)?;
    let resolver = resolver()?;
    let path = resolver.path(&source).await?;
    let bytes = tokio::fs::read(&path).await;
    let bytes = bytes.map_err(|error| CommandError::File {
        path: path.clone(),
        error,
    })?;
    // What does not run here is not pushed.
    let component = resolver.loader().load_bytes(bytes.clone(), &path).await;
    let component = component.map_err(crate::resolve::SourceError::from)?;
    let (annotations, interfaces) = labels(&component);
    let artifact = Artifact::new(Bytes::from(bytes)).map_err(CommandError::from)?;
    let mut artifact = artifact.annotations(annotations).interfaces(interfaces);
    if let Some(author) = &args.author {
        artifact = artifact.author(author.as_str());
    }
    if let Some(folder) = &args.assets {
        let files = AssetFile::of_folder(folder).map_err(CommandError::from)?;
        artifact = artifact.assets(files);
    }
    let registries = args.plain.registries(None)?;
    let key = signer.as_ref().map(|signer| signer as &dyn Sign);
    let pushed = registries.hub.push(&args.reference, &artifact, key).await;
    let pushed = pushed.map_err(CommandError::from)?;
    match format {
        Format::Json => terminal::json(&json!({
            "reference": pushed.reference.to_string(),
            "digest": pushed.digest.to_string(),
            "component": component.digest().to_string(),
            "size": component.size(),
            "assets": pushed.assets.map(|digest| digest.to_string()),
            "signed": signer.as_ref().map(|signer| signer.public().id()),
            "sent": pushed.sent,
            "replaced": pushed.replaced.map(|digest| digest.to_string()),
        }))?,
        Format::Text => {
            let mut text = format!(
                "pushed {} ({}, {} sent)\n",
                pushed.reference,
                Size(component.size()),
                Size(pushed.sent)
            );
            text += match &signer {
                Some(_) => "signed: who trusts your public key can run it\n",
                None => "not signed: it runs only where flow.toml says `unsigned = true`\n",
            };
            if let Some(replaced) = pushed.replaced {
                text += &format!("the tag meant {replaced} before\n");
            }
            text += &format!("\nin flow.toml:\n  uses = \"oci://{}\"", args.reference);
            terminal::line(&text)?;
        }
    }
    Ok(())
}

/// The key in a file, opened with its password.
fn signer(path: &Path) -> Result<Signer, CommandError> {
    let text = read_text(path, MAX_KEY_FILE, "a private key");
    let text = text.map_err(|error| CommandError::File {
        path: path.to_owned(),
        error,
    })?;
    let failed = |error| CommandError::Key {
        path: path.to_owned(),
        error,
    };
    match Signer::from_pem(text.as_bytes(), None) {
        Err(KeyError::NoPassword) => {
            let password = password::of_key(&format!("the password of {}", path.display()))?;
            Signer::from_pem(text.as_bytes(), Some(password.as_bytes())).map_err(failed)
        }
        signer => signer.map_err(failed),
    }
}
