//! As much of JSON Schema as the schema of `flow.toml` uses. A keyword that is not
//! known here is a panic, so that none is passed over.
//!
//! Written by hand because the crates for it change features of crates that the
//! program uses, which then all compile again.

use regex::Regex;
use serde_json::Value;

/// Whether a value is what a schema allows, and else where it is not.
pub(super) fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    at("", schema, value)
}

fn at(place: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let members = schema.as_object().expect("a schema is an object");
    for (keyword, argument) in members {
        if !holds(place, keyword, argument, schema, value)? {
            return Err(format!(
                "{place}: {keyword} {argument} does not hold for {value}"
            ));
        }
    }
    Ok(())
}

/// Whether one keyword holds. It says nothing of values of other types.
fn holds(
    place: &str,
    keyword: &str,
    argument: &Value,
    schema: &Value,
    value: &Value,
) -> Result<bool, String> {
    let text = value.as_str();
    let items = value.as_array();
    let object = value.as_object();
    Ok(match keyword {
        "$schema" | "title" | "description" | "examples" | "default" => true,
        "type" => match argument {
            Value::Array(types) => types.iter().any(|name| is_of_type(value, name)),
            name => is_of_type(value, name),
        },
        "enum" => argument.as_array().unwrap().contains(value),
        "const" => argument == value,
        "minimum" => value
            .as_f64()
            .is_none_or(|n| n >= argument.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|n| n <= argument.as_f64().unwrap()),
        "minLength" => text.is_none_or(|text| text.chars().count() >= count(argument)),
        "maxLength" => text.is_none_or(|text| text.chars().count() <= count(argument)),
        "minItems" => items.is_none_or(|items| items.len() >= count(argument)),
        "maxItems" => items.is_none_or(|items| items.len() <= count(argument)),
        "uniqueItems" => items.is_none_or(|items| {
            let rest = |i: usize| items.iter().skip(i + 1);
            items
                .iter()
                .enumerate()
                .all(|(i, item)| rest(i).all(|other| other != item))
        }),
        "pattern" => {
            let pattern = Regex::new(argument.as_str().unwrap()).unwrap();
            text.is_none_or(|text| pattern.is_match(text))
        }
        "not" => at(place, argument, value).is_err(),
        "anyOf" => {
            let schemas = argument.as_array().unwrap();
            schemas
                .iter()
                .any(|schema| at(place, schema, value).is_ok())
        }
        "items" => {
            for (i, item) in items.into_iter().flatten().enumerate() {
                at(&format!("{place}/{i}"), argument, item)?;
            }
            true
        }
        "properties" => {
            for (name, value) in object.into_iter().flatten() {
                if let Some(schema) = argument.get(name) {
                    at(&format!("{place}/{name}"), schema, value)?;
                }
            }
            true
        }
        "additionalProperties" => {
            for (name, value) in object.into_iter().flatten() {
                if schema
                    .get("properties")
                    .is_none_or(|known| known.get(name).is_none())
                {
                    match argument {
                        Value::Bool(false) => return Err(format!("{place}: unknown key {name}")),
                        schema => at(&format!("{place}/{name}"), schema, value)?,
                    }
                }
            }
            true
        }
        "required" => object.is_none_or(|object| {
            let names = argument.as_array().unwrap();
            names
                .iter()
                .all(|name| object.contains_key(name.as_str().unwrap()))
        }),
        other => panic!("{place}: {other} is not a keyword that is known here"),
    })
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("type {other}"),
    }
}

fn count(argument: &Value) -> usize {
    usize::try_from(argument.as_u64().unwrap()).unwrap()
}
