//! What stands in a registry beside an executor: what it says of itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wasm_flow_hub::artifact::Interfaces;
use wasm_flow_wasm::Component;

/// The endpoints, as a JSON object with the method of each.
pub(crate) const ENDPOINTS: &str = "dev.wasm-flow.endpoints";
/// What it wants to be granted, as JSON.
pub(crate) const WANTS: &str = "dev.wasm-flow.wants";
/// What built it.
const SDK: &str = "dev.wasm-flow.sdk";

/// What a component says of itself, as annotations, and its interfaces.
pub(crate) fn labels(component: &Component) -> (BTreeMap<String, String>, Interfaces) {
    let description = component.description();
    let endpoints: serde_json::Map<String, Value> = description
        .methods
        .iter()
        .flat_map(|method| {
            let endpoints = method.endpoints.iter();
            endpoints.map(|endpoint| (endpoint.clone(), method.name.clone().into()))
        })
        .collect();
    let details = &description.details;
    let said = [
        (
            "org.opencontainers.image.title",
            Some(description.name.clone()),
        ),
        (
            "org.opencontainers.image.version",
            Some(description.version.clone()),
        ),
        (
            "org.opencontainers.image.description",
            Some(description.documentation.clone()),
        ),
        ("org.opencontainers.image.licenses", details.license.clone()),
        ("org.opencontainers.image.source", details.source.clone()),
        (ENDPOINTS, Some(Value::Object(endpoints).to_string())),
        (WANTS, Some(json!(details.wants).to_string())),
        (SDK, Some(description.sdk.clone())),
    ];
    let said = said.into_iter().filter_map(|(name, text)| {
        let text = text.filter(|text| !text.is_empty())?;
        Some((name.to_owned(), text))
    });
    let interfaces = Interfaces {
        exports: component.exports().to_vec(),
        imports: component.imports().to_vec(),
        target: None,
    };
    (said.collect(), interfaces)
}
