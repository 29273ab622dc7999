//! A JSON schema as lines for a person.

use std::cell::Cell;

use serde_json::{Map, Value};
use wasm_flow_wasm::printable;

use crate::bounds::{SCHEMA_DEPTH, SCHEMA_TYPES, SCHEMA_VALUES};

/// The properties of a schema's object, a line each, with those of nested objects
/// below them.
pub(super) fn text(schema: &Value) -> String {
    let left = Cell::new(SCHEMA_TYPES);
    let object = Schema {
        root: schema,
        own: schema,
        depth: 0,
        indent: 0,
        left: &left,
    }
    .resolved();
    match object.own.get("properties").and_then(Value::as_object) {
        None => match object.map_values() {
            Some(values) => format!("  any object whose values are {}\n", values.kind()),
            None => "  any object\n".to_owned(),
        },
        Some(properties) if properties.is_empty() => "  nothing\n".to_owned(),
        Some(properties) => {
            let mut text = String::new();
            object.properties(properties, &mut text);
            text
        }
    }
}

/// A schema within another one.
#[derive(Clone, Copy)]
struct Schema<'a> {
    /// The whole, which `$ref` refers to.
    root: &'a Value,
    own: &'a Value,
    /// Steps from the root. Bounds every recursion.
    depth: usize,
    /// Objects that are open around this. Arrays, maps and references in between
    /// are not indented.
    indent: usize,
    /// Types that may still be put in words.
    left: &'a Cell<u32>,
}

impl<'a> Schema<'a> {
    fn within(self, own: &'a Value) -> Schema<'a> {
        Schema {
            own,
            depth: self.depth + 1,
            ..self
        }
    }

    /// Counts a type that is put in words. Whether it still may be.
    fn counts(self) -> bool {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }

    /// What a `$ref` stands for.
    fn resolved(self) -> Schema<'a> {
        let mut schema = self;
        while let Some(target) = schema.own.get("$ref").and_then(Value::as_str) {
            let found = target
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            match found {
                Some(own) if schema.depth < SCHEMA_DEPTH => schema = schema.within(own),
                _ => break,
            }
        }
        schema
    }

    /// A line for each property, and one for each of its own.
    fn properties(self, properties: &'a Map<String, Value>, text: &mut String) {
        let required = names(self.own.get("required"));
        for (name, property) in properties {
            if self.left.get() == 0 {
                *text += &format!("{}...\n", "  ".repeat(self.indent + 1));
                return;
            }
            let property = self.within(property);
            let need = match (
                required.contains(&name.as_str()),
                property.own.get("default"),
            ) {
                (true, _) => ", required".to_owned(),
                (false, Some(default)) => format!(", default {default}"),
                (false, None) => String::new(),
            };
            let about = property
                .own
                .get("description")
                .or_else(|| property.resolved().own.get("description"))
                .and_then(Value::as_str)
                .map(|text| format!(": {}", text.lines().next().unwrap_or_default()))
                .unwrap_or_default();
            let kind = property.kind();
            // A line end in a name would make a line of its own.
            let line = printable(&format!("{name} ({kind}{need}){about}"));
            *text += &format!("{}{line}\n", "  ".repeat(self.indent + 1));
            property.below(text);
        }
    }

    /// The properties of the object that this is, or has in it.
    fn below(self, text: &mut String) {
        let schema = self.resolved();
        if schema.depth >= SCHEMA_DEPTH || schema.left.get() == 0 {
            return;
        }
        if let Some(properties) = schema.own.get("properties").and_then(Value::as_object) {
            let object = Schema {
                indent: schema.indent + 1,
                ..schema
            };
            object.properties(properties, text);
        } else if let Some(items) = schema.own.get("items") {
            schema.within(items).below(text);
        } else if let Some(values) = schema.map_values() {
            values.below(text);
        } else {
            for choice in schema.choices() {
                schema.within(choice).below(text);
            }
        }
    }

    /// The type in words: `array of string or null`.
    fn kind(self) -> String {
        let schema = self.resolved();
        if schema.depth > 2 * SCHEMA_DEPTH || !schema.counts() {
            return "any".to_owned();
        }
        if let Some(values) = schema.own.get("enum").and_then(Value::as_array) {
            return enumeration(values);
        }
        if let Some(value) = schema.own.get("const") {
            return value.to_string();
        }
        let choices = schema.choices();
        if !choices.is_empty() {
            let kinds = choices.iter().map(|own| schema.within(own).kind());
            return distinct(kinds).join(" or ");
        }
        let kinds = match schema.own.get("type") {
            Some(Value::String(kind)) => vec![kind.as_str()],
            kinds => names(kinds),
        };
        if kinds.is_empty() {
            return "any".to_owned();
        }
        let kinds = kinds.into_iter().map(|kind| match kind {
            "array" => schema.array(),
            "object" => match schema.map_values() {
                Some(values) => format!("map of {}", values.kind()),
                None => "object".to_owned(),
            },
            kind => kind.to_owned(),
        });
        distinct(kinds).join(" or ")
    }

    fn array(self) -> String {
        let items = self
            .own
            .get("items")
            .or_else(|| self.own.get("prefixItems"));
        match items {
            Some(Value::Array(items)) => {
                let kinds = items.iter().map(|own| self.within(own).kind());
                format!("array of [{}]", kinds.collect::<Vec<_>>().join(", "))
            }
            Some(items @ Value::Object(_)) => {
                let kind = self.within(items).kind();
                match kind.contains(" or ") {
                    true => format!("array of ({kind})"),
                    false => format!("array of {kind}"),
                }
            }
            _ => "array".to_owned(),
        }
    }

    /// The schema of the values of an object whose names are free.
    fn map_values(self) -> Option<Schema<'a>> {
        if self.own.get("properties").is_some() {
            return None;
        }
        let values = self.own.get("additionalProperties")?;
        values.is_object().then(|| self.within(values))
    }

    fn choices(self) -> &'a [Value] {
        ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| self.own.get(key).and_then(Value::as_array))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

fn names(value: Option<&Value>) -> Vec<&str> {
    let names = value.and_then(Value::as_array);
    names
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// `"small" or "large"`.
fn enumeration(values: &[Value]) -> String {
    let mut shown: Vec<_> = values
        .iter()
        .take(SCHEMA_VALUES)
        .map(Value::to_string)
        .collect();
    if values.len() > SCHEMA_VALUES {
        shown.push(format!("{} others", values.len() - SCHEMA_VALUES));
    }
    shown.join(" or ")
}

fn distinct(kinds: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for kind in kinds {
        if !distinct.contains(&kind) {
            distinct.push(kind);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_a_line_for_each_property() {
        let schema = json!({
            "properties": {
                "dimension": { "type": "integer", "description": "How many.\nMore.", "default": 3 },
                "model": { "type": ["string", "null"] },
            },
            "required": ["model"],
        });
        assert_eq!(
            text(&schema),
            "  dimension (integer, default 3): How many.\n  model (string or null, required)\n"
        );
        assert_eq!(text(&json!({})), "  any object\n");
        assert_eq!(text(&json!({ "properties": {} })), "  nothing\n");
        assert_eq!(
            text(&json!({ "type": "object", "additionalProperties": { "type": "number" } })),
            "  any object whose values are number\n"
        );
    }

    #[test]
    fn types_are_told_to_their_elements() {
        for (schema, kind) in [
            (
                json!({ "type": "array", "items": { "type": "string" } }),
                "array of string",
            ),
            (
                json!({ "type": ["array", "null"], "items": { "type": "array", "items": { "type": "number" } } }),
                "array of array of number or null",
            ),
            (
                json!({ "type": "array", "items": { "type": ["string", "null"] } }),
                "array of (string or null)",
            ),
            (json!({ "type": "array" }), "array"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "array", "items": { "type": "integer" } } }),
                "map of array of integer",
            ),
            (
                json!({ "type": "object", "additionalProperties": false }),
                "object",
            ),
            (
                json!({ "type": "string", "enum": ["small", "large"] }),
                "\"small\" or \"large\"",
            ),
            (
                json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }, { "type": "integer" }] }),
                "integer or null",
            ),
            (json!({ "const": 3 }), "3"),
            (json!({}), "any"),
        ] {
            let text = text(&json!({ "properties": { "p": schema } }));
            assert_eq!(text, format!("  p ({kind})\n"));
        }
    }

    #[test]
    fn nested_objects_are_opened() {
        let point = json!({
            "type": "object",
            "properties": { "x": { "type": "number", "description": "Across." } },
            "required": ["x"],
        });
        let schema = json!({
            "properties": {
                "at": { "$ref": "#/$defs/Point" },
                "path": { "type": "array", "items": { "$ref": "#/$defs/Point" } },
                "places": { "type": "object", "additionalProperties": point },
            },
            "$defs": { "Point": point },
        });
        assert_eq!(
            text(&schema),
            "  at (object)\n    x (number, required): Across.\n  \
             path (array of object)\n    x (number, required): Across.\n  \
             places (map of object)\n    x (number, required): Across.\n"
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let schema = json!({
            "properties": {
                "next": { "$ref": "#" },
                "loop": { "$ref": "#/$defs/Loop" },
                "list": { "$ref": "#/$defs/List" },
            },
            "$defs": {
                "Loop": { "$ref": "#/$defs/Loop" },
                "List": { "type": "array", "items": { "$ref": "#/$defs/List" } },
            },
        });
        let text = text(&schema);
        assert!(text.starts_with("  list (array of array"), "{text}");
        assert!(text.len() < 1 << 20, "{}", text.len());
    }

    #[test]
    fn many_references_to_the_whole_come_to_an_end_too() {
        let whole = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        let properties: Map<_, _> = (0..1000)
            .map(|number| (number.to_string(), whole.clone()))
            .collect();
        let schema =
            json!({ "properties": properties, "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        let text = text(&schema);
        assert!(text.len() < 1 << 20, "{}", text.len());
        assert!(text.ends_with("...\n"), "{text}");
    }

    #[test]
    fn a_hostile_schema_prints_nothing_that_a_terminal_acts_on() {
        let bad = "\u{1b}]0;t\u{7}\n\u{9b}2J";
        let schema = json!({
            "properties": { bad: { "type": bad, "description": bad, "default": bad } },
        });
        let text = text(&schema);
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
}
