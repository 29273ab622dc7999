//! `wasm-flow inspect`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_contract::hub::{Reference, ReferenceError, SCHEME};
use wasm_flow_contract::units::Size;
use wasm_flow_hub::Pulled;
use wasm_flow_wasm::{Component, Concurrency, ExecutorDetails, State};

use super::hub::Trusting;
use super::operand::{self, Action};
use super::{Error, Format, Result, print, resolver, schema, terminal};
use crate::resolve::SourceError;
use crate::resolve::advice::granting_lines;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component, an executor's folder, which is built first, or a reference to a registry:
    /// oci://registry.example.com/team/name:1.0
    component: PathBuf,
    #[command(flatten)]
    trusting: Trusting,
}

/// Where it was taken from, if that is a registry.
struct Origin {
    reference: Reference,
    pulled: Pulled,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let (component, origin) = match reference(&args.component)? {
        None if args.trusting.is_given() => {
            return Err(Error::Usage(format!(
                "`--key`, `--unsigned` and `--plain-http` are about a registry, and {} is not a \
                 reference to one, which begins with {SCHEME}",
                args.component.display()
            )));
        }
        None => {
            let source = operand::executor(&args.component, Action::Describe);
            let source = source.map_err(|error| with_scheme(&args.component, error))?;
            (resolver()?.component(&source).await?, None)
        }
        Some(reference) => {
            let mut pulled = args.trusting.pull(&reference).await?;
            let bytes = Vec::from(std::mem::take(&mut pulled.component));
            let reference = reference.at(pulled.digest);
            let loaded = resolver()?
                .loader()
                .load_bytes(bytes, format!("{SCHEME}{reference}"))
                .await;
            let component = loaded.map_err(SourceError::from)?;
            (component, Some(Origin { reference, pulled }))
        }
    };
    match format {
        Format::Text => terminal::line(text(&component, origin.as_ref()).trim_end())?,
        Format::Json => {
            let origin = origin.as_ref().map(|origin| {
                let assets = origin.pulled.assets.as_ref();
                json!({
                    "reference": origin.reference.to_string(),
                    "signer": origin.pulled.signer,
                    "assets": assets.map(|assets| assets.folder.display().to_string()),
                })
            });
            terminal::json(&json!({
                "description": component.description(),
                "imports": component.imports(),
                "producers": component.producers(),
                "size": component.size(),
                "digest": component.digest().to_string(),
                "registry": origin,
            }))?;
        }
    }
    Ok(())
}

/// The reference that an operand is, if it begins like one.
fn reference(operand: &Path) -> Result<Option<Reference>> {
    let Some(text) = operand.to_str().filter(|text| text.starts_with(SCHEME)) else {
        return Ok(None);
    };
    let read = text.parse();
    read.map(Some)
        .map_err(|error: ReferenceError| Error::Usage(error.to_string()))
}

/// Advises the scheme, if a reference is written without it, as `hub pull` takes it.
fn with_scheme(operand: &Path, error: SourceError) -> Error {
    let text = operand.display().to_string();
    match text.parse::<Reference>() {
        Ok(_) if !operand.exists() => Error::Usage(format!(
            "{error}; if it is a reference to a registry, write {SCHEME}{text}"
        )),
        _ => error.into(),
    }
}

fn text(component: &Component, origin: Option<&Origin>) -> String {
    let description = component.description();
    // An executor need not say its version, nor its SDK.
    let name = format!("{} {}", description.name, description.version);
    let mut text = format!("{}\n", name.trim_end());
    for line in description.documentation.lines() {
        text += &format!("  {line}\n");
    }
    text += &format!("  {}", Size(component.size()));
    if !description.sdk.is_empty() {
        text += &format!(", built with {}", description.sdk);
    }
    text += &format!("\n  {}\n", component.digest());
    let producers = component.producers().iter();
    let producers: Vec<String> = producers
        .map(|tool| {
            format!("{} {}", tool.name, tool.version)
                .trim_end()
                .to_owned()
        })
        .collect();
    if !producers.is_empty() {
        text += &format!("  made with {}\n", producers.join(", "));
    }
    if let Some(Origin { reference, pulled }) = origin {
        text += &format!("  from {reference}, ");
        text += &match &pulled.signer {
            Some(signer) => format!("signed by {signer}\n"),
            None => "whose signature was not asked for\n".to_owned(),
        };
        if let Some(assets) = &pulled.assets {
            text += &format!("  files: {}\n", assets.folder.display());
        }
    }
    let ExecutorDetails {
        wants,
        state,
        license,
        source,
    } = &description.details;
    if let Some(license) = license {
        text += &format!("  license: {license}\n");
    }
    if let Some(source) = source {
        text += &format!("  source: {source}\n");
    }
    text += match state {
        None => "",
        Some(State::None) => "  keeps no state\n",
        Some(State::Replica) => "  keeps state: each replica has its own\n",
    };
    text += "\n";

    let mut table = print::table(&["endpoint", "method", "calls", ""]);
    for method in &description.methods {
        let endpoints = match method.endpoints.is_empty() {
            true => "(none by itself)".to_owned(),
            false => method.endpoints.join("\n"),
        };
        let mut calls = match method.concurrency {
            Concurrency::Concurrent => "concurrent",
            Concurrency::Exclusive => "one at a time",
        }
        .to_owned();
        for (is_so, word) in [
            (method.details.write, "writes"),
            (method.details.batch, "batches"),
            (method.details.stream, "streams"),
        ] {
            if is_so {
                calls += &format!(", {word}");
            }
        }
        let summary = method.documentation.lines().next().unwrap_or_default();
        table.add_row([endpoints.as_str(), &method.name, &calls, summary]);
    }
    text += &format!("{table}\n");

    if let Some(schema) = &description.config_schema {
        text += "\nuses_with\n";
        text += &schema::text(schema);
    }
    for method in &description.methods {
        if let Some(schema) = &method.parameters_schema {
            text += &format!("\nparameters of {}\n", method.name);
            text += &schema::text(schema);
        }
    }
    if !wants.is_empty() {
        text += "\nwants, in flow.toml\n";
        for line in granting_lines(wants).lines() {
            text += &format!("  {line}\n");
        }
    }
    text += "\nimports\n";
    for (package, interfaces) in imports(component.imports()) {
        text += &format!("  {package}: {}\n", interfaces.join(", "));
    }
    text
}

/// `wasi:cli/environment@0.2.6` under `wasi:cli@0.2.6`.
fn imports(names: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        packages
            .entry(format!("{package}@{version}"))
            .or_default()
            .push(interface.to_owned());
    }
    packages
}
