//! `wasm-flow build`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use wasm_flow_contract::units::Size;

use super::{Format, Result, resolver, terminal};
use crate::resolve::Source;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the executor's Cargo.toml.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let resolver = resolver()?;
    let path = resolver.path(&Source::Folder(args.folder.clone())).await?;
    // What was built is known to be an executor then, and is compiled for the next start.
    let component = resolver.loader().load(&path).await;
    let component = component.map_err(crate::resolve::SourceError::from)?;
    let methods = &component.description().methods;
    match format {
        Format::Text => {
            let mut text = format!(
                "{} ({})\n{}\n",
                path.display(),
                Size(component.size()),
                component.digest()
            );
            for method in methods {
                for endpoint in &method.endpoints {
                    text += &format!("  {endpoint} → {}\n", method.name);
                }
            }
            terminal::line(text.trim_end())?;
        }
        Format::Json => {
            let endpoints: Map<String, Value> = methods
                .iter()
                .flat_map(|method| {
                    let endpoints = method.endpoints.iter();
                    endpoints.map(|endpoint| (endpoint.clone(), method.name.as_str().into()))
                })
                .collect();
            terminal::json(&json!({
                "component": path.display().to_string(),
                "size": component.size(),
                "digest": component.digest().to_string(),
                "endpoints": endpoints,
            }))?;
        }
    }
    Ok(())
}
