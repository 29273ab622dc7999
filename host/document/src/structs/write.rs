//! Writes a tree of JSON values as a `google.protobuf.Struct`.
//!
//! Lengths are computed anew at every level. Objects are small and shallow, and
//! their depth is bounded, so noting the lengths would cost more than it saves.

use bytes::BufMut;
use prost::encoding::WireType;
use serde_json::{Map, Value};

use super::StructError;
use super::check::{Values, deeper};
use crate::protobuf::{message_len, put_head, put_key, put_message};
use crate::tag;

/// Counts the values of a tree, and checks how deep they nest. The rest of this file
/// relies on it.
pub(super) fn check_map(
    map: &Map<String, Value>,
    depth: u32,
    values: &mut Values,
) -> Result<(), StructError> {
    let depth = deeper(depth)?;
    map.values()
        .try_for_each(|value| check_value(value, depth, values))
}

/// The same for one value of a tree, which is counted, too.
pub(super) fn check_value(
    value: &Value,
    depth: u32,
    values: &mut Values,
) -> Result<(), StructError> {
    values.count()?;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        Value::Object(map) => check_map(map, depth, values),
        Value::Array(list) => {
            let depth = deeper(depth)?;
            list.iter()
                .try_for_each(|value| check_value(value, depth, values))
        }
    }
}

/// Bytes of a field with an entry.
pub(super) fn field_len(key: &str, value: &Value) -> u64 {
    message_len(tag::structure::FIELDS, entry_len(key, value))
}

fn entry_len(key: &str, value: &Value) -> u64 {
    message_len(tag::entry::KEY, key.len() as u64)
        .saturating_add(message_len(tag::entry::VALUE, value_len(value)))
}

pub(super) fn struct_len(map: &Map<String, Value>) -> u64 {
    map.iter()
        .map(|(key, value)| field_len(key, value))
        .fold(0, u64::saturating_add)
}

fn value_len(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(text) => message_len(tag::value::STRING, text.len() as u64),
        Value::Object(map) => message_len(tag::value::STRUCT, struct_len(map)),
        Value::Array(list) => message_len(tag::value::LIST, list_len(list)),
    }
}

fn list_len(list: &[Value]) -> u64 {
    list.iter()
        .map(|value| message_len(tag::list::VALUES, value_len(value)))
        .fold(0, u64::saturating_add)
}

pub(super) fn write_struct(map: &Map<String, Value>, out: &mut impl BufMut) {
    for (key, value) in map {
        write_field(key, value, out);
    }
}

/// Writes a field with an entry.
pub(super) fn write_field(key: &str, value: &Value, out: &mut impl BufMut) {
    put_head(tag::structure::FIELDS, entry_len(key, value), out);
    put_message(tag::entry::KEY, key.as_bytes(), out);
    put_head(tag::entry::VALUE, value_len(value), out);
    write_value(value, out);
}

fn write_value(value: &Value, out: &mut impl BufMut) {
    match value {
        Value::Null => put_null(out),
        Value::Bool(value) => put_bool(*value, out),
        Value::Number(number) => put_number(number.as_f64().unwrap_or(f64::NAN), out),
        Value::String(text) => put_message(tag::value::STRING, text.as_bytes(), out),
        Value::Object(map) => {
            put_head(tag::value::STRUCT, struct_len(map), out);
            write_struct(map, out);
        }
        Value::Array(list) => {
            put_head(tag::value::LIST, list_len(list), out);
            for value in list {
                put_head(tag::list::VALUES, value_len(value), out);
                write_value(value, out);
            }
        }
    }
}

pub(super) fn put_null(out: &mut impl BufMut) {
    put_key(tag::value::NULL, WireType::Varint, out);
    out.put_u8(0);
}

pub(super) fn put_bool(value: bool, out: &mut impl BufMut) {
    put_key(tag::value::BOOL, WireType::Varint, out);
    out.put_u8(u8::from(value));
}

pub(super) fn put_number(value: f64, out: &mut impl BufMut) {
    put_key(tag::value::NUMBER, WireType::SixtyFourBit, out);
    out.put_f64_le(value);
}
