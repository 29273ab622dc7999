//! TOML values as JSON, in which executors are configured.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problems::Problems;
use crate::report::Problem;

/// A table as a JSON object. Dates become strings; what JSON cannot hold is
/// reported and left out.
pub(crate) fn object(problems: &mut Problems, table: &DeTable<'_>) -> Map<String, Value> {
    table
        .iter()
        .filter_map(|(key, entry)| {
            let entry = value(problems, entry)?;
            Some((key.get_ref().to_string(), entry))
        })
        .collect()
}

/// A value as JSON, or `None` if there is no such JSON, which is then reported.
pub(crate) fn value(problems: &mut Problems, toml: &Spanned<DeValue<'_>>) -> Option<Value> {
    let number = match toml.get_ref() {
        DeValue::String(text) => return Some(Value::String(text.to_string())),
        DeValue::Boolean(flag) => return Some(Value::Bool(*flag)),
        DeValue::Datetime(datetime) => return Some(Value::String(datetime.to_string())),
        DeValue::Array(items) => {
            let items = items.iter().filter_map(|item| value(problems, item));
            return Some(Value::Array(items.collect()));
        }
        DeValue::Table(table) => return Some(Value::Object(object(problems, table))),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            i64::from_str_radix(digits, radix)
                .map(Number::from)
                .or_else(|_| u64::from_str_radix(digits, radix).map(Number::from))
                .map_err(|_| {
                    Problem::new(toml.span(), "this number is too large")
                        .label("does not fit into 64 bits")
                        .help("write it as a string, or with an exponent: 1e30")
                })
        }
        DeValue::Float(float) => {
            let float = float.as_str().parse::<f64>().ok();
            float.and_then(Number::from_f64).ok_or_else(|| {
                Problem::new(toml.span(), "this number cannot be passed on")
                    .label("executors are configured in JSON, which has no such number")
            })
        }
    };
    match number {
        Ok(number) => Some(Value::Number(number)),
        Err(problem) => {
            problems.report(problem);
            None
        }
    }
}

/// The members of a JSON object.
pub(crate) fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
