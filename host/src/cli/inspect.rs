//! `wasm-flow inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Format, Result, build, print, terminal};
use crate::executor::{Component, Concurrency, Runtime, RuntimeConfig, Size, printable};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component, or an executor's folder, which is built first.
    component: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let path = match args.component.is_dir() {
        true => tokio::task::block_in_place(|| build::build(&args.component))?,
        false => args.component.clone(),
    };
    let component = runtime.load(&path).await?;
    match format {
        Format::Text => terminal::line(text(&component).trim_end()),
        Format::Json => terminal::json(&json!({
            "description": component.description(),
            "imports": component.imports(),
            "size": component.size(),
        })),
    }
    Ok(())
}

fn text(component: &Component) -> String {
    let description = component.description();
    let mut text = format!("{} {}\n", description.name, description.version);
    for line in description.documentation.lines() {
        text += &format!("  {line}\n");
    }
    text += &format!(
        "  {}, built with {}\n\n",
        Size(component.size()),
        description.sdk
    );

    let mut table = print::table(&["endpoint", "method", "calls", ""]);
    for method in &description.methods {
        let endpoints = match method.endpoints.is_empty() {
            true => "(none by itself)".to_owned(),
            false => method.endpoints.join("\n"),
        };
        let calls = match method.concurrency {
            Concurrency::Concurrent => "concurrent",
            Concurrency::Exclusive => "one at a time",
        };
        let summary = method.documentation.lines().next().unwrap_or_default();
        table.add_row([endpoints.as_str(), &method.name, calls, summary]);
    }
    text += &format!("{table}\n");

    if let Some(schema) = &description.config_schema {
        text += "\nuses_with\n";
        text += &properties(schema);
    }
    for method in &description.methods {
        if let Some(schema) = &method.parameters_schema {
            text += &format!("\nparameters of {}\n", method.name);
            text += &properties(schema);
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

/// The properties of a JSON schema's object, a line each.
fn properties(schema: &Value) -> String {
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return "  any object\n".to_owned();
    };
    if properties.is_empty() {
        return "  nothing\n".to_owned();
    }
    properties
        .iter()
        .map(|(name, property)| {
            let kind = match property.get("type") {
                Some(Value::String(kind)) => kind.clone(),
                Some(Value::Array(kinds)) => {
                    let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
                    kinds.join(" or ")
                }
                _ => "any".to_owned(),
            };
            let need = match (required.contains(&name.as_str()), property.get("default")) {
                (true, _) => ", required".to_owned(),
                (false, Some(default)) => format!(", default {default}"),
                (false, None) => String::new(),
            };
            let about = property
                .get("description")
                .and_then(Value::as_str)
                .map(|text| format!(": {}", text.lines().next().unwrap_or_default()))
                .unwrap_or_default();
            // A line end in a name would make a line of its own.
            format!(
                "  {}\n",
                printable(&format!("{name} ({kind}{need}){about}"))
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_line_a_property() {
        let schema = json!({
            "properties": {
                "dimension": { "type": "integer", "description": "How many.\nMore.", "default": 3 },
                "model": { "type": ["string", "null"] },
            },
            "required": ["model"],
        });
        assert_eq!(
            properties(&schema),
            "  dimension (integer, default 3): How many.\n  model (string or null, required)\n"
        );
    }

    #[test]
    fn a_hostile_schema_prints_nothing_that_a_terminal_acts_on() {
        let bad = "\u{1b}]0;t\u{7}\n\u{9b}2J";
        let schema = json!({
            "properties": { bad: { "type": bad, "description": bad, "default": bad } },
        });
        let text = properties(&schema);
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
}
