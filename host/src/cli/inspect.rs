//! `wasm-flow inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use wasm_flow_contract::units::Size;
use wasm_flow_wasm::{Component, Concurrency, ExecutorDetails, State};

use super::operand::{self, Action};
use super::{Format, Result, print, resolver, schema, terminal};
use crate::resolve::advice::granting_lines;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component, or an executor's folder, which is built first.
    component: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let source = operand::executor(&args.component, Action::Describe)?;
    let component = resolver()?.component(&source).await?;
    match format {
        Format::Text => terminal::line(text(&component).trim_end())?,
        Format::Json => terminal::json(&json!({
            "description": component.description(),
            "imports": component.imports(),
            "size": component.size(),
        }))?,
    }
    Ok(())
}

fn text(component: &Component) -> String {
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
    text += "\n";
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
