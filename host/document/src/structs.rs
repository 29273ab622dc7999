//! `google.protobuf.Struct`, kept as the bytes that it came in.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::WireType;
use serde::ser::{Error as _, Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Value};

use crate::protobuf::{
    Fault, Field, Merging, Reader, Slice, message_len, put_head, put_key, put_message,
};
use crate::tag;

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
    #[error("values are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// A JSON object in protobuf's form, checked once and decoded only on demand.
///
/// What nobody reads is passed on byte for byte. All its numbers are 64-bit
/// floats.
///
/// Serialised, it is a map whose keys are sorted; of a repeated key the last
/// value counts. A whole number is written as an integer, and a number that JSON
/// has no word for (NaN, an infinity) as null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    bytes: Bytes,
}

impl Struct {
    /// Takes the encoded message, without copying it.
    ///
    /// # Errors
    /// If it is malformed or nests more than 32 deep.
    pub fn decode(bytes: Bytes) -> Result<Self, StructError> {
        check_struct(Slice::of(&bytes), MAX_DEPTH)?;
        Ok(Struct { bytes })
    }

    /// The encoded message.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether its encoding is empty, as that of an object without entries is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The object. See the type for what becomes of its numbers and keys.
    pub fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // It was checked when it was made, so nothing is left to fail here.
            _ => Map::new(),
        }
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        if self.bytes.is_empty() {
            return "{}".to_owned();
        }
        // As above.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Encodes an object.
    ///
    /// # Errors
    /// If it nests more than 32 deep.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self, StructError> {
        let len = struct_len(map, MAX_DEPTH)?;
        let mut buffer = BytesMut::with_capacity(usize::try_from(len).unwrap_or(0));
        write_struct(map, &mut buffer)?;
        Ok(Struct {
            bytes: buffer.freeze(),
        })
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// If it is not JSON, not an object, or nests more than 32 deep.
    pub fn from_json(text: &str) -> Result<Self, StructError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Struct::from_map(&map),
            Ok(other) => Err(StructError::NotAnObject(kind(&other))),
            Err(error) => Err(StructError::Json(error.to_string())),
        }
    }

    /// The object with `key` set to `value`, in place of whatever it had there.
    /// The other entries are copied byte for byte and keep their order.
    ///
    /// # Errors
    /// If the value nests too deep to be an entry.
    pub fn with(&self, key: &str, value: &Value) -> Result<Self, StructError> {
        let depth = MAX_DEPTH.saturating_sub(1);
        let value_len = value_len(value, depth)?;
        let len = message_len(tag::structure::FIELDS, entry_len(key, value_len));
        let most = (self.bytes.len() as u64).saturating_add(len);
        let mut buffer = BytesMut::with_capacity(usize::try_from(most).unwrap_or(0));
        let mut reader = Reader::new(Slice::of(&self.bytes));
        while let Some((number, field, encoded)) = reader.field_encoded()? {
            let replaced = match (number, field) {
                (tag::structure::FIELDS, Field::Len(entry)) => {
                    read_entry(entry)?.0 == key.as_bytes()
                }
                _ => false,
            };
            if !replaced {
                buffer.put_slice(encoded.bytes());
            }
        }
        write_entry(key, value, value_len, &mut buffer)?;
        Ok(Struct {
            bytes: buffer.freeze(),
        })
    }
}

/// What kind of JSON value this is, for a person.
pub(crate) fn kind(value: &Value) -> &'static str {
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

fn utf8(slice: Slice<'_>) -> Result<&str, StructError> {
    std::str::from_utf8(slice.bytes())
        .map_err(|_| StructError::Wire("a string is not UTF-8".to_owned()))
}

// --- checking --------------------------------------------------------------

fn check_struct(slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::structure::FIELDS, Field::Len(entry)) => check_entry(entry, depth)?,
            (tag::structure::FIELDS, _) => return Err(wrong("fields")),
            _ => {}
        }
    }
    Ok(())
}

/// One entry of `map<string, Value> fields`.
fn check_entry(slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::entry::KEY, Field::Len(key)) => {
                utf8(key)?;
            }
            (tag::entry::VALUE, Field::Len(value)) => check_value(value, depth)?,
            (tag::entry::KEY | tag::entry::VALUE, _) => return Err(wrong("a map entry")),
            _ => {}
        }
    }
    Ok(())
}

fn check_value(slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
    use tag::value as tag;

    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::NULL | tag::BOOL, Field::Varint(_)) | (tag::NUMBER, Field::Fixed64(_)) => {}
            (tag::STRING, Field::Len(text)) => {
                utf8(text)?;
            }
            (tag::STRUCT, Field::Len(object)) => check_struct(object, depth)?,
            (tag::LIST, Field::Len(list)) => check_list(list, depth)?,
            (tag::NULL | tag::NUMBER | tag::STRING | tag::BOOL | tag::STRUCT | tag::LIST, _) => {
                return Err(wrong("a value"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_list(slice: Slice<'_>, depth: u32) -> Result<(), StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::list::VALUES, Field::Len(value)) => check_value(value, depth)?,
            (tag::list::VALUES, _) => return Err(wrong("values")),
            _ => {}
        }
    }
    Ok(())
}

// --- reading ---------------------------------------------------------------
//
// Of what was checked. Nesting is bounded by the checks, and so is recursion.

impl Serialize for Struct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object(Slice::of(&self.bytes)).serialize(serializer)
    }
}

/// What the checks let through cannot fail; a serializer asks all the same.
fn unchecked<E: serde::ser::Error>(error: impl fmt::Display) -> E {
    E::custom(error)
}

/// An encoded `google.protobuf.Struct`.
struct Object<'a>(Slice<'a>);

/// An entry's key and value. A message field that occurs again is merged, so the
/// occurrences of a value count as one.
fn read_entry(entry: Slice<'_>) -> Result<(&[u8], Merging<'_>), Fault> {
    let (mut key, mut value): (&[u8], _) = (&[], Merging::default());
    let mut reader = Reader::new(entry);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::entry::KEY, Field::Len(name)) => key = name.bytes(),
            (tag::entry::VALUE, Field::Len(more)) => value.add(more),
            _ => {}
        }
    }
    Ok((key, value))
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = Vec::new();
        let mut reader = Reader::new(self.0);
        while let Some((number, field)) = reader.field().map_err(unchecked)? {
            if let (tag::structure::FIELDS, Field::Len(entry)) = (number, field) {
                entries.push(read_entry(entry).map_err(unchecked)?);
            }
        }
        // What this library writes is sorted, and has each key once.
        if !entries.is_sorted_by(|(one, _), (other, _)| one < other) {
            entries.sort_by_key(|(key, _)| *key);
        }
        let mut map = serializer.serialize_map(None)?;
        let mut entries = entries.into_iter().peekable();
        while let Some((key, value)) = entries.next() {
            // Sorting kept the order of equal keys, the last of which counts.
            if entries.peek().is_some_and(|(next, _)| *next == key) {
                continue;
            }
            let key = std::str::from_utf8(key).map_err(unchecked)?;
            match value.end() {
                Some(value) => map.serialize_entry(key, &Item(value.slice()))?,
                None => map.serialize_entry(key, &())?,
            }
        }
        map.end()
    }
}

/// An encoded `google.protobuf.Value`: a oneof whose last member counts, and is
/// merged with its own occurrences since another one stood there.
struct Item<'a>(Slice<'a>);

enum Member<'a> {
    Null,
    Number(f64),
    String(&'a str),
    Bool(bool),
    Struct(Merging<'a>),
    List(Merging<'a>),
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use tag::value as tag;

        let mut member = Member::Null;
        let mut reader = Reader::new(self.0);
        while let Some((number, field)) = reader.field().map_err(unchecked)? {
            match (number, field) {
                (tag::NULL, _) => member = Member::Null,
                (tag::NUMBER, Field::Fixed64(bits)) => {
                    member = Member::Number(f64::from_bits(bits));
                }
                (tag::STRING, Field::Len(text)) => {
                    member = Member::String(utf8(text).map_err(unchecked)?);
                }
                (tag::BOOL, Field::Varint(bits)) => member = Member::Bool(bits != 0),
                (tag::STRUCT, Field::Len(more)) => {
                    if !matches!(member, Member::Struct(_)) {
                        member = Member::Struct(Merging::default());
                    }
                    if let Member::Struct(merging) = &mut member {
                        merging.add(more);
                    }
                }
                (tag::LIST, Field::Len(more)) => {
                    if !matches!(member, Member::List(_)) {
                        member = Member::List(Merging::default());
                    }
                    if let Member::List(merging) = &mut member {
                        merging.add(more);
                    }
                }
                _ => {}
            }
        }
        match member {
            Member::Null => serializer.serialize_unit(),
            Member::Number(value) => serialize_number(value, serializer),
            Member::String(text) => serializer.serialize_str(text),
            Member::Bool(value) => serializer.serialize_bool(value),
            Member::Struct(merging) => {
                let merged = merging.end().ok_or_else(|| S::Error::custom("no object"))?;
                Object(merged.slice()).serialize(serializer)
            }
            Member::List(merging) => {
                let merged = merging.end().ok_or_else(|| S::Error::custom("no list"))?;
                List(merged.slice()).serialize(serializer)
            }
        }
    }
}

/// An encoded `google.protobuf.ListValue`.
struct List<'a>(Slice<'a>);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = serializer.serialize_seq(None)?;
        let mut reader = Reader::new(self.0);
        while let Some((number, field)) = reader.field().map_err(unchecked)? {
            if let (tag::list::VALUES, Field::Len(value)) = (number, field) {
                values.serialize_element(&Item(value))?;
            }
        }
        values.end()
    }
}

fn serialize_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = value.fract() == 0.0 && value.abs() <= MAX_WHOLE;
    if whole && !(value == 0.0 && value.is_sign_negative()) {
        serializer.serialize_i64(value as i64)
    } else if value.is_finite() {
        serializer.serialize_f64(value)
    } else {
        serializer.serialize_unit()
    }
}

// --- writing ---------------------------------------------------------------
//
// Lengths are computed anew at every level. Objects are small and shallow, and
// their depth is bounded, so noting the lengths would cost more than it saves.

fn entry_len(key: &str, value: u64) -> u64 {
    message_len(tag::entry::KEY, key.len() as u64)
        .saturating_add(message_len(tag::entry::VALUE, value))
}

fn struct_len(map: &Map<String, Value>, depth: u32) -> Result<u64, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    map.iter().try_fold(0u64, |sum, (key, value)| {
        let entry = entry_len(key, value_len(value, depth)?);
        Ok(sum.saturating_add(message_len(tag::structure::FIELDS, entry)))
    })
}

fn value_len(value: &Value, depth: u32) -> Result<u64, StructError> {
    Ok(match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(text) => message_len(tag::value::STRING, text.len() as u64),
        Value::Object(map) => message_len(tag::value::STRUCT, struct_len(map, depth)?),
        Value::Array(values) => message_len(tag::value::LIST, list_len(values, depth)?),
    })
}

fn list_len(values: &[Value], depth: u32) -> Result<u64, StructError> {
    let depth = depth.checked_sub(1).ok_or(StructError::TooDeep)?;
    values.iter().try_fold(0u64, |sum, value| {
        Ok(sum.saturating_add(message_len(tag::list::VALUES, value_len(value, depth)?)))
    })
}

fn write_struct(map: &Map<String, Value>, out: &mut impl BufMut) -> Result<(), StructError> {
    for (key, value) in map {
        write_entry(key, value, value_len(value, MAX_DEPTH)?, out)?;
    }
    Ok(())
}

fn write_entry(
    key: &str,
    value: &Value,
    value_len: u64,
    out: &mut impl BufMut,
) -> Result<(), StructError> {
    put_head(tag::structure::FIELDS, entry_len(key, value_len), out);
    put_message(tag::entry::KEY, key.as_bytes(), out);
    put_head(tag::entry::VALUE, value_len, out);
    write_value(value, out)
}

fn write_value(value: &Value, out: &mut impl BufMut) -> Result<(), StructError> {
    use tag::value as tag;

    match value {
        Value::Null => {
            put_key(tag::NULL, WireType::Varint, out);
            out.put_u8(0);
        }
        Value::Bool(value) => {
            put_key(tag::BOOL, WireType::Varint, out);
            out.put_u8(u8::from(*value));
        }
        Value::Number(number) => {
            put_key(tag::NUMBER, WireType::SixtyFourBit, out);
            out.put_f64_le(number.as_f64().unwrap_or(f64::NAN));
        }
        Value::String(text) => put_message(tag::STRING, text.as_bytes(), out),
        Value::Object(map) => {
            put_head(tag::STRUCT, struct_len(map, MAX_DEPTH)?, out);
            write_struct(map, out)?;
        }
        Value::Array(values) => {
            put_head(tag::LIST, list_len(values, MAX_DEPTH)?, out);
            for value in values {
                put_head(crate::tag::list::VALUES, value_len(value, MAX_DEPTH)?, out);
                write_value(value, out)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            let mut message = Vec::new();
            put_key(tag::value::NUMBER, WireType::SixtyFourBit, &mut message);
            message.put_f64_le(value);
            let message = Bytes::from(message);
            let item = Item(Slice::of(&message));
            assert_eq!(serde_json::to_string(&item).unwrap(), text);
            assert_eq!(serde_json::to_value(&item).unwrap().to_string(), text);
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
        let around = |number, inner: &[u8]| {
            let mut out = Vec::new();
            put_message(number, inner, &mut out);
            out
        };
        let value = around(tag::value::STRUCT, encoded.as_bytes());
        let entry = around(tag::entry::VALUE, &value);
        let deeper = around(tag::structure::FIELDS, &entry);
        assert_eq!(Struct::decode(deeper.into()), Err(StructError::TooDeep));
    }

    #[test]
    fn an_entry_is_replaced_and_the_others_are_copied() {
        let object = Struct::from_json(r#"{"a":1,"k":{"old":1},"z":[null]}"#).unwrap();
        let with = object.with("k", &json!({"n": 1})).unwrap();
        assert_eq!(with.to_json(), r#"{"a":1,"k":{"n":1},"z":[null]}"#);
        let without = Struct::from_json(r#"{"a":1,"z":[null]}"#).unwrap();
        let kept = without.as_bytes();
        assert_eq!(&with.as_bytes()[..kept.len()], kept);
        assert_eq!(
            with.as_bytes(),
            without.with("k", &json!({"n": 1})).unwrap().as_bytes()
        );
        assert_eq!(
            Struct::default().with("", &json!(null)).unwrap().to_json(),
            r#"{"":null}"#
        );
        // As deep as an entry may be, and one level more.
        for (levels, fits) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, false)] {
            let with = object.with("deep", &nested(levels));
            assert_eq!(with.is_ok(), fits);
            if let Ok(with) = with {
                Struct::decode(with.as_bytes().clone()).unwrap();
            }
        }
    }
}
