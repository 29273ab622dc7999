//! `google.protobuf.Struct`, kept as the bytes that it came in.

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use serde_json::{Map, Number, Value};

use crate::wire::{Fault, Field, Part, Reader};

/// Values may nest this deep: protobuf parsers stop at 100 messages, and each
/// level of an object takes three.
const MAX_DEPTH: u32 = 32;

/// Whole numbers up to here are exact in a 64-bit float.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Why something is not a JSON object that a `Struct` can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructError {
    /// Not the protobuf encoding of a `Struct`.
    #[error("not a google.protobuf.Struct: {0}")]
    Wire(String),
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but another kind of value.
    #[error("expected a JSON object, found {0}")]
    NotAnObject(&'static str),
    /// Objects and lists nested too deep.
    #[error("values nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// A JSON object in protobuf's form, checked once and decoded only on demand.
///
/// What nobody reads is passed on byte for byte. All its numbers are 64-bit
/// floats.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    bytes: Bytes,
}

impl Struct {
    /// Takes the encoded message, without copying it.
    ///
    /// # Errors
    /// When it is malformed or nests more than 32 deep.
    pub fn decode(bytes: Bytes) -> Result<Self, StructError> {
        check_struct(Part::of(&bytes), MAX_DEPTH)?;
        Ok(Struct { bytes })
    }

    /// The encoded message.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The object. A whole number becomes an integer, one that JSON has no word
    /// for (NaN, an infinity) becomes null; of a repeated key the last counts.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        match read_struct(Part::of(&self.bytes), MAX_DEPTH, &mut map) {
            Ok(()) => map,
            // Checked at construction, so that nothing is left to fail here.
            Err(_) => Map::new(),
        }
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        if self.bytes.is_empty() {
            return "{}".to_owned();
        }
        Value::Object(self.to_map()).to_string()
    }

    /// Encodes an object.
    ///
    /// # Errors
    /// When it nests more than 32 deep.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self, StructError> {
        let len = struct_len(map, MAX_DEPTH)?;
        let mut buffer = BytesMut::with_capacity(len);
        write_struct(map, &mut buffer)?;
        Ok(Struct {
            bytes: buffer.freeze(),
        })
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// When it is not JSON, not an object, or nests more than 32 deep.
    pub fn from_json(text: &str) -> Result<Self, StructError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Struct::from_map(&map),
            Ok(other) => Err(StructError::NotAnObject(kind(&other))),
            Err(error) => Err(StructError::Json(error.to_string())),
        }
    }
}

/// What kind of JSON value this is, for a person.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl From<Fault> for StructError {
    fn from(fault: Fault) -> Self {
        StructError::Wire(fault.to_string())
    }
}

fn wrong(what: &str) -> StructError {
    StructError::Wire(format!("{what} has the wrong wire type"))
}

fn utf8(part: Part<'_>) -> Result<&str, StructError> {
    std::str::from_utf8(part.bytes)
        .map_err(|_| StructError::Wire("a string is not UTF-8".to_owned()))
}

fn check_struct(part: Part<'_>, depth: u32) -> Result<(), StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match (tag, field) {
            (1, Field::Len(part)) => check_entry(part, depth)?,
            (1, _) => return Err(wrong("fields")),
            _ => {}
        }
    }
    Ok(())
}

/// One entry of `map<string, Value> fields = 1`.
fn check_entry(part: Part<'_>, depth: u32) -> Result<(), StructError> {
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match (tag, field) {
            (1, Field::Len(part)) => {
                utf8(part)?;
            }
            (2, Field::Len(part)) => check_value(part, depth)?,
            (1 | 2, _) => return Err(wrong("a map entry")),
            _ => {}
        }
    }
    Ok(())
}

fn check_value(part: Part<'_>, depth: u32) -> Result<(), StructError> {
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match (tag, field) {
            (1 | 4, Field::Varint(_)) | (2, Field::Fixed64(_)) => {}
            (3, Field::Len(part)) => {
                utf8(part)?;
            }
            (5, Field::Len(part)) => check_struct(part, depth)?,
            (6, Field::Len(part)) => {
                let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
                let mut list = Reader::new(part);
                while let Some((tag, field)) = list.next()? {
                    match (tag, field) {
                        (1, Field::Len(part)) => check_value(part, depth)?,
                        (1, _) => return Err(wrong("values")),
                        _ => {}
                    }
                }
            }
            (1..=6, _) => return Err(wrong("a value")),
            _ => {}
        }
    }
    Ok(())
}

fn read_struct(
    part: Part<'_>,
    depth: u32,
    map: &mut Map<String, Value>,
) -> Result<(), StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        if let (1, Field::Len(part)) = (tag, field) {
            let (mut key, mut value) = ("", Value::Null);
            let mut entry = Reader::new(part);
            while let Some((tag, field)) = entry.next()? {
                match (tag, field) {
                    (1, Field::Len(part)) => key = utf8(part)?,
                    (2, Field::Len(part)) => value = read_value(part, depth, value)?,
                    _ => {}
                }
            }
            map.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// Reads a value on top of what there was of it: protobuf merges a message field
/// that occurs again, where the same member of the oneof is set.
fn read_value(part: Part<'_>, depth: u32, before: Value) -> Result<Value, StructError> {
    let mut value = before;
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        value = match (tag, field) {
            (1, _) => Value::Null,
            (2, Field::Fixed64(bits)) => number(f64::from_bits(bits)),
            (3, Field::Len(part)) => Value::String(utf8(part)?.to_owned()),
            (4, Field::Varint(bits)) => Value::Bool(bits != 0),
            (5, Field::Len(part)) => {
                let mut map = match value {
                    Value::Object(map) => map,
                    _ => Map::new(),
                };
                read_struct(part, depth, &mut map)?;
                Value::Object(map)
            }
            (6, Field::Len(part)) => {
                let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
                let mut values = match value {
                    Value::Array(values) => values,
                    _ => Vec::new(),
                };
                let mut list = Reader::new(part);
                while let Some((tag, field)) = list.next()? {
                    if let (1, Field::Len(part)) = (tag, field) {
                        values.push(read_value(part, depth, Value::Null)?);
                    }
                }
                Value::Array(values)
            }
            _ => value,
        };
    }
    Ok(value)
}

fn number(value: f64) -> Value {
    let whole = value.fract() == 0.0 && value.abs() <= MAX_WHOLE;
    if whole && !(value == 0.0 && value.is_sign_negative()) {
        return Value::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Bytes that `len` bytes take as a length-delimited field below tag 16.
fn delimited(len: usize) -> usize {
    key_len(1) + encoded_len_varint(len as u64) + len
}

fn entry_len(key: &str, value: usize) -> usize {
    delimited(key.len()) + delimited(value)
}

fn struct_len(map: &Map<String, Value>, depth: u32) -> Result<usize, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    map.iter().try_fold(0, |sum, (key, value)| {
        Ok(sum + delimited(entry_len(key, value_len(value, depth)?)))
    })
}

fn value_len(value: &Value, depth: u32) -> Result<usize, StructError> {
    Ok(match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(text) => delimited(text.len()),
        Value::Object(map) => delimited(struct_len(map, depth)?),
        Value::Array(values) => delimited(list_len(values, depth)?),
    })
}

fn list_len(values: &[Value], depth: u32) -> Result<usize, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    values.iter().try_fold(
        0,
        |sum, value| Ok(sum + delimited(value_len(value, depth)?)),
    )
}

// Lengths are computed anew at every level. Objects are small and shallow, and
// the depth is bounded, so that a cache of them would cost more than it saves.

fn write_struct(map: &Map<String, Value>, out: &mut impl BufMut) -> Result<(), StructError> {
    for (key, value) in map {
        let len = value_len(value, MAX_DEPTH)?;
        encode_key(1, WireType::LengthDelimited, out);
        encode_varint(entry_len(key, len) as u64, out);
        encode_key(1, WireType::LengthDelimited, out);
        encode_varint(key.len() as u64, out);
        out.put_slice(key.as_bytes());
        encode_key(2, WireType::LengthDelimited, out);
        encode_varint(len as u64, out);
        write_value(value, out)?;
    }
    Ok(())
}

fn write_value(value: &Value, out: &mut impl BufMut) -> Result<(), StructError> {
    match value {
        Value::Null => {
            encode_key(1, WireType::Varint, out);
            out.put_u8(0);
        }
        Value::Bool(value) => {
            encode_key(4, WireType::Varint, out);
            out.put_u8(u8::from(*value));
        }
        Value::Number(number) => {
            encode_key(2, WireType::SixtyFourBit, out);
            out.put_f64_le(number.as_f64().unwrap_or(f64::NAN));
        }
        Value::String(text) => {
            encode_key(3, WireType::LengthDelimited, out);
            encode_varint(text.len() as u64, out);
            out.put_slice(text.as_bytes());
        }
        Value::Object(map) => {
            encode_key(5, WireType::LengthDelimited, out);
            encode_varint(struct_len(map, MAX_DEPTH)? as u64, out);
            write_struct(map, out)?;
        }
        Value::Array(values) => {
            encode_key(6, WireType::LengthDelimited, out);
            encode_varint(list_len(values, MAX_DEPTH)? as u64, out);
            for value in values {
                encode_key(1, WireType::LengthDelimited, out);
                encode_varint(value_len(value, MAX_DEPTH)? as u64, out);
                write_value(value, out)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(depth: u32) -> Value {
        (1..depth).fold(json!({}), |inner, _| json!({ "k": inner }))
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let text = r#"{"a":1,"b":"x","c":[1,true,null,[]],"d":{"e":2.5,"f":{}},"g":-3,"h":""}"#;
        let encoded = Struct::from_json(text).unwrap();
        assert_eq!(encoded.to_json(), text);
        let decoded = Struct::decode(encoded.as_bytes().clone()).unwrap();
        assert_eq!(decoded, encoded);
        assert_eq!(Struct::from_json("{}").unwrap(), Struct::default());
    }

    #[test]
    fn whole_numbers_have_no_fraction_and_the_rest_is_exact() {
        for (value, text) in [
            (3.0, "3"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e300, "1e+300"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(number(value).to_string(), text);
        }
    }

    #[test]
    fn what_occurs_again_is_merged_as_protobuf_has_it() {
        let one = Struct::from_json(r#"{"o":{"a":1,"b":1},"l":[1]}"#).unwrap();
        let two = Struct::from_json(r#"{"o":{"b":2},"l":[2]}"#).unwrap();
        // One after the other, a key's later entry replaces the earlier one.
        let both = [&one.as_bytes()[..], &two.as_bytes()[..]].concat();
        let read = Struct::decode(both.into()).unwrap();
        assert_eq!(read.to_json(), r#"{"l":[2],"o":{"b":2}}"#);

        // Within one entry, the value's occurrences are merged.
        let message = |tag: u8, body: &[u8]| [&[tag << 3 | 2, body.len() as u8], body].concat();
        let object = |of: &Struct| message(5, of.as_bytes());
        let inner = |json: &str| object(&Struct::from_json(json).unwrap());
        let value = |json: &str| message(2, &inner(json));
        let entry = [
            message(1, b"o"),
            value(r#"{"a":1,"b":1}"#),
            value(r#"{"b":2}"#),
        ]
        .concat();
        let read = Struct::decode(message(1, &entry).into()).unwrap();
        assert_eq!(read.to_json(), r#"{"o":{"a":1,"b":2}}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(
            Struct::from_json("[1]").unwrap_err().to_string(),
            "expected a JSON object, found a list"
        );
        assert!(matches!(
            Struct::from_json("{\"a\":}").unwrap_err(),
            StructError::Json(_)
        ));
        for garbage in [&[0x0a][..], &[0x0a, 5, 1], &[0x0f], &[0x0a, 2, 0x0a, 9]] {
            assert!(Struct::decode(Bytes::copy_from_slice(garbage)).is_err());
        }
    }

    #[test]
    fn depth_is_bounded_both_ways() {
        let deep = nested(MAX_DEPTH);
        let encoded = Struct::from_map(deep.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(encoded.to_map()), deep);
        let deeper = nested(MAX_DEPTH + 1);
        assert_eq!(
            Struct::from_map(deeper.as_object().unwrap()),
            Err(StructError::TooDeep)
        );
        // The same, made by hand: one more level around what was just at the bound.
        let mut out = BytesMut::new();
        let inner = encoded.as_bytes();
        encode_key(1, WireType::LengthDelimited, &mut out);
        encode_varint(delimited(delimited(inner.len())) as u64, &mut out);
        encode_key(2, WireType::LengthDelimited, &mut out);
        encode_varint(delimited(inner.len()) as u64, &mut out);
        encode_key(5, WireType::LengthDelimited, &mut out);
        encode_varint(inner.len() as u64, &mut out);
        out.put_slice(inner);
        assert_eq!(Struct::decode(out.freeze()), Err(StructError::TooDeep));
    }
}
