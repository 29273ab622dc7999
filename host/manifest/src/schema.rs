//! The keys of `flow.toml` as JSON Schema, for editors.

use serde_json::{Value, json};

use crate::json::members;
use crate::keys::schema_of;
use crate::tables::FlowToml;

/// The JSON Schema (draft 2020-12) of `flow.toml`: its tables and keys with their
/// descriptions, types, bounds, defaults and examples.
///
/// It never refuses a file that [`Manifest::parse`](crate::Manifest::parse)
/// takes. It takes some that are refused there, because a schema cannot say it:
/// names that are not unique, `needs` that lead nowhere or in a circle, too many
/// instances of all executors together, sizes and durations out of bounds.
pub fn schema() -> Value {
    let mut schema = schema_of::<FlowToml>();
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A flow of wasm-flow: its executors, what each is granted, and how the flow is served. In its texts, ${NAME} is an environment variable.",
    });
    schema.extend(members(document));
    Value::Object(schema)
}
