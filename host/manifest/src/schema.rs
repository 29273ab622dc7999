//! The keys of `flow.toml` as JSON Schema, for editors.

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use crate::json;
use crate::keys::{Key, Keys, Kind, Presence, Toml, Visitor};
use crate::kinds::members;
use crate::reader::{Entry, Reader};
use crate::tables::FlowToml;

/// The JSON Schema (draft 2020-12) of `flow.toml`: its tables and keys with their
/// descriptions, types, bounds, defaults and examples.
///
/// It never refuses a file that [`Manifest::parse`](crate::Manifest::parse)
/// takes. It takes some that are refused there, because a schema cannot say it:
/// names that are not unique, `needs` that lead nowhere or in a circle, sizes and
/// durations out of bounds.
pub fn schema() -> Value {
    let mut schema = of_table::<FlowToml>();
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A flow of wasm-flow: its executors, what each is granted, and how the flow is served.",
    });
    schema.extend(members(document));
    Value::Object(schema)
}

/// The schema of one table.
pub(crate) fn of_table<T: Keys>() -> Map<String, Value> {
    let mut properties = Properties::default();
    T::visit(&mut properties);
    members(json!({
        "title": T::NAME,
        "type": "object",
        "properties": properties.schemas,
        "required": properties.required,
        "additionalProperties": false,
    }))
}

/// Collects the schemas of a table's keys.
#[derive(Default)]
struct Properties {
    schemas: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Visitor for Properties {
    fn key<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        key: Key<K>,
    ) -> Option<Entry<K::Value>> {
        let mut schema = key.kind.schema();
        let examples = key.examples.iter().map(|value| value.to_json()).collect();
        schema.insert("description".to_owned(), doc.trim().into());
        schema.insert("examples".to_owned(), Value::Array(examples));
        match key.presence {
            Presence::Optional => {}
            Presence::Required => self.required.push(name),
            Presence::Default(value) => {
                schema.insert("default".to_owned(), value.to_json());
            }
        }
        self.schemas.insert(name.to_owned(), Value::Object(schema));
        None
    }
}

impl Toml {
    /// The value as JSON. What is not TOML is null; a test has every declared value
    /// read.
    fn to_json(self) -> Value {
        DeValue::parse(&self.to_string())
            .ok()
            .and_then(|value| json::value(&mut Reader::default(), &value))
            .unwrap_or_default()
    }
}
