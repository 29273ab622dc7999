//! `wasm-flow update`: what references to registries stand for, made anew.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_contract::units::Size;
use wasm_flow_hub::{Described, HubError};
use wasm_flow_manifest::{Lock, Manifest};

use super::{CommandError, Format, Result};
use crate::cli::operand::{self, Action};
use crate::cli::{resolver, terminal};
use crate::hub::{ENDPOINTS, WANTS};
use crate::resolve::{Loaded, Pinning};
use crate::whole_file;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The flow's file. What its references stand for is written beside it, to a file that
    /// ends in .lock.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
}

pub(crate) async fn run(args: &Args, format: Format) -> Result<()> {
    operand::flow(&args.flow, Action::Describe)?;
    let manifest = Manifest::load(&args.flow)?;
    let resolver = resolver()?.with_pinning(Pinning::Renew);
    let loaded = resolver.load(manifest).await?;
    let Some(pins) = loaded.pins() else {
        match format {
            Format::Json => terminal::json(&json!({ "changes": [] }))?,
            Format::Text => terminal::line("nothing to pin: no executor comes from a registry")?,
        }
        return Ok(());
    };
    let (mut lines, mut changes) = (Vec::new(), Vec::new());
    for (reference, new) in pins.now.iter() {
        let old = pins.before.pin(reference);
        let registries = &pins.registries;
        let hub = registries.hub_for(reference);
        if old == Some(new) {
            lines.push(format!("{reference}: {new}, as before"));
            continue;
        }
        let described = hub.describe(&reference.at(new)).await;
        let new_one = described.map_err(CommandError::from)?;
        let signer = registries.signer(&reference.at(new)).await;
        let signer = signer.map_err(CommandError::from)?;
        let old_one = match old {
            None => None,
            Some(old) => {
                let old = reference.at(old);
                // It may be gone. Then it is only said that it was another one.
                let described = hub.describe(&old).await.ok();
                let signature = Signature::of(registries.signer(&old).await);
                described.map(|described| (described, signature))
            }
        };
        lines.push(match old {
            None => match &signer {
                None => format!("{reference}: {new}"),
                Some(signer) => format!("{reference}: {new}\n  signed by {signer}"),
            },
            Some(old) => format!("{reference}: {new}, after {old}"),
        });
        let mut differences = Vec::new();
        if let Some((old, signature)) = &old_one {
            differences.extend(signature.change(signer.as_deref()));
            differences.extend(self::differences(old, &new_one));
        }
        lines.extend(
            differences
                .iter()
                .map(|difference| format!("  {difference}")),
        );
        changes.push(json!({
            "reference": reference.to_string(),
            "before": old.map(|digest| digest.to_string()),
            "now": new.to_string(),
            "signer": signer,
            "differences": differences,
        }));
    }
    write(&args.flow, &loaded)?;
    match format {
        Format::Json => terminal::json(&json!({ "changes": changes }))?,
        Format::Text if lines.is_empty() => {
            terminal::line("nothing to pin: every reference has its digest")?;
        }
        Format::Text => terminal::line(&lines.join("\n"))?,
    }
    Ok(())
}

/// What the signature of the version before comes to, by the rules of now.
enum Signature {
    By(String),
    /// No rule asks for one.
    NotAsked,
    /// It has none, or by a key that no rule names any more.
    DoesNotCount,
    /// It could not be asked for.
    Unknown,
}

impl Signature {
    fn of(signer: Result<Option<String>, HubError>) -> Signature {
        match signer {
            Ok(Some(signer)) => Signature::By(signer),
            Ok(None) => Signature::NotAsked,
            Err(HubError::Refused { .. }) => Signature::DoesNotCount,
            Err(_) => Signature::Unknown,
        }
    }

    /// What is said if the new version's signature is another one.
    fn change(&self, new: Option<&str>) -> Option<String> {
        let old = match self {
            Signature::By(old) if Some(old.as_str()) == new => return None,
            Signature::NotAsked if new.is_none() => return None,
            Signature::Unknown => return None,
            Signature::By(old) => old,
            Signature::NotAsked => "one that was not asked for",
            Signature::DoesNotCount => "one that does not count now",
        };
        let new = new.unwrap_or("not asked for");
        Some(format!("signer: {new}, after {old}"))
    }
}

/// What a new version says that the old one did not.
fn differences(old: &Described, new: &Described) -> Vec<String> {
    let mut lines = Vec::new();
    if old.component_bytes != new.component_bytes {
        let (old, new) = (Size(old.component_bytes), Size(new.component_bytes));
        lines.push(format!("size: {new}, after {old}"));
    }
    let names = [
        ("version", "org.opencontainers.image.version"),
        ("endpoints", ENDPOINTS),
        ("wants", WANTS),
        ("license", "org.opencontainers.image.licenses"),
    ];
    let said = |described: &Described, name: &str| {
        let said = described.annotations.get(name).cloned();
        said.unwrap_or_else(|| "nothing".to_owned())
    };
    for (what, name) in names {
        let (old, new) = (said(old, name), said(new, name));
        if old != new {
            lines.push(format!("{what}: {new}, after {old}"));
        }
    }
    if old.assets.is_some() != new.assets.is_some() {
        lines.push(match new.assets {
            Some(_) => "it has files of its own now".to_owned(),
            None => "it has no files of its own any more".to_owned(),
        });
    }
    lines
}

/// Writes the lock of a flow, if it is not as it was.
fn write(flow: &Path, loaded: &Loaded) -> Result<(), CommandError> {
    let Some(pins) = loaded.pins().filter(|pins| pins.before != pins.now) else {
        return Ok(());
    };
    let path = Lock::path_for(flow);
    let written = whole_file::replace(&path, &pins.now.to_text());
    written.map_err(|error| CommandError::File { path, error })
}

/// The same for a flow that runs. `note` is told if it cannot be written.
pub(crate) fn keep(flow: &Path, loaded: &Loaded, note: impl FnOnce(&str)) {
    if let Err(error) = write(flow, loaded) {
        note(&format!(
            "warning: what its executors from registries are is not kept: {error}"
        ));
    }
}
