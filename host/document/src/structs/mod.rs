//! `google.protobuf.Struct`, kept as the bytes that it came in.

mod check;
mod found;
mod read;
mod text;
mod write;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::{Map, Value};

pub use self::found::{Found, Nested};

use self::check::Values;
use crate::bounds::{STRUCT_DEPTH, STRUCT_MERGED, STRUCT_VALUES};
use crate::protobuf::{Fault, Field, Reader, Slice};
use crate::tag;

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
    #[error("values are nested deeper than {STRUCT_DEPTH} levels")]
    TooDeep,
    /// Too many values in all.
    #[error("it holds more than {most} values, nested ones included")]
    TooManyValues {
        /// How many it may hold.
        most: u64,
    },
    /// Fields that occur several times in one message, which is no way to write an
    /// object.
    #[error(
        "over {STRUCT_MERGED} bytes of it are in messages with repeated fields; write each field \
         once"
    )]
    TooMuchMerged,
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
    /// If it is malformed, nests more than 32 deep or holds more than a million values.
    pub fn decode(bytes: Bytes) -> Result<Self, StructError> {
        Struct::decode_within(bytes, STRUCT_VALUES)
    }

    /// The same for an object of at most so many values, nested ones included.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_within(bytes: Bytes, values: u64) -> Result<Self, StructError> {
        check::check(Slice::of(&bytes), values)?;
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
    /// If it nests more than 32 deep or holds more than a million values.
    pub fn from_map(map: &Map<String, Value>) -> Result<Self, StructError> {
        write::check_map(map, STRUCT_DEPTH, &mut Values::new(STRUCT_VALUES))?;
        let len = usize::try_from(write::struct_len(map)).unwrap_or(0);
        let mut buffer = BytesMut::with_capacity(len);
        write::write_struct(map, &mut buffer);
        Ok(Struct {
            bytes: buffer.freeze(),
        })
    }

    /// Reads JSON text. Of a repeated key the last value counts.
    ///
    /// # Errors
    /// If it is not JSON, not an object, nests more than 32 deep or holds more than a
    /// million values.
    pub fn from_json(text: &str) -> Result<Self, StructError> {
        let bytes = text::encode(text)?;
        Ok(Struct { bytes })
    }

    /// The object with `key` set to `value`, in place of whatever it had there.
    /// The other entries are copied byte for byte and keep their order.
    ///
    /// # Errors
    /// If the value nests too deep to be an entry, or there are too many values then.
    pub fn with(&self, key: &str, value: &Value) -> Result<Self, StructError> {
        let depth = STRUCT_DEPTH - 1;
        write::check_value(value, depth, &mut Values::new(STRUCT_VALUES))?;
        let most = (self.bytes.len() as u64).saturating_add(write::field_len(key, value));
        let mut buffer = BytesMut::with_capacity(usize::try_from(most).unwrap_or(0));
        let mut reader = Reader::new(Slice::of(&self.bytes));
        while let Some((number, field, encoded)) = reader.field_encoded()? {
            let replaced = match (number, field) {
                (tag::structure::FIELDS, Field::Len(entry)) => {
                    read::read_entry(entry)?.0 == key.as_bytes()
                }
                _ => false,
            };
            if !replaced {
                buffer.put_slice(encoded.bytes());
            }
        }
        write::write_field(key, value, &mut buffer);
        let with = Struct {
            bytes: buffer.freeze(),
        };
        // Together they may be too many. A value takes at least two bytes, so it is
        // nearly always clear that they are not.
        if with.bytes.len() as u64 / 2 > STRUCT_VALUES {
            check::check(Slice::of(&with.bytes), STRUCT_VALUES)?;
        }
        Ok(with)
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

fn utf8(slice: Slice<'_>) -> Result<&str, StructError> {
    std::str::from_utf8(slice.bytes())
        .map_err(|_| StructError::Wire("a string is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use prost::encoding::WireType;
    use serde_json::json;

    use super::read::Item;
    use super::*;
    use crate::protobuf::{put_key, put_message};

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
        let deep = nested(STRUCT_DEPTH);
        let encoded = Struct::from_map(deep.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(encoded.to_map()), deep);
        let deeper = nested(STRUCT_DEPTH + 1);
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

    /// Entries and values of as few bytes as there can be, all of which take memory when
    /// they are read.
    #[test]
    fn values_are_bounded_whatever_their_form() {
        let most = STRUCT_VALUES as usize;
        let many = Err(StructError::TooManyValues {
            most: STRUCT_VALUES,
        });
        let entries = |count: usize| Bytes::from([0x0a, 0].repeat(count));
        assert!(Struct::decode(entries(most)).is_ok());
        assert_eq!(Struct::decode(entries(most + 1)), many);
        assert_eq!(
            Struct::decode_within(entries(3), 2),
            Err(StructError::TooManyValues { most: 2 })
        );

        // A list in an entry: `{"": [null, ...]}`, and of objects `{"": null}`.
        let list = |value: &[u8], count: usize| {
            let mut message = value.repeat(count);
            for number in [tag::value::LIST, tag::entry::VALUE, tag::structure::FIELDS] {
                let inner = std::mem::take(&mut message);
                put_message(number, &inner, &mut message);
            }
            Bytes::from(message)
        };
        assert!(Struct::decode(list(&[0x0a, 0], most - 1)).is_ok());
        assert_eq!(Struct::decode(list(&[0x0a, 0], most)), many);
        let object = [0x0a, 4, 0x2a, 2, 0x0a, 0];
        assert!(Struct::decode(list(&object, most / 2 - 1)).is_ok());
        assert_eq!(Struct::decode(list(&object, most / 2)), many);

        let values = |count: usize| Value::from(vec![Value::Null; count - 1]);
        let map = |count| Map::from_iter([("k".to_owned(), values(count))]);
        assert!(Struct::from_map(&map(most)).is_ok());
        assert_eq!(Struct::from_map(&map(most + 1)), many);
        let half = Struct::from_map(&map(most / 2)).unwrap();
        assert!(half.with("l", &values(most / 2)).is_ok());
        assert_eq!(half.with("l", &values(most / 2 + 1)), many);
        assert!(half.with("k", &values(most)).is_ok());
    }

    /// Every level repeats its field, so that reading it copies all that is in it.
    #[test]
    fn what_reading_has_to_merge_is_bounded() {
        let mut value = Vec::new();
        put_message(tag::value::STRING, &vec![b'x'; 2 << 20], &mut value);
        for (levels, fits) in [(7, true), (9, false)] {
            let mut value = value.clone();
            for _ in 0..levels {
                let mut list = Vec::new();
                put_message(tag::list::VALUES, &value, &mut list);
                value.clear();
                put_message(tag::value::LIST, &[], &mut value);
                put_message(tag::value::LIST, &list, &mut value);
            }
            let mut entry = Vec::new();
            put_message(tag::entry::VALUE, &value, &mut entry);
            let mut object = Vec::new();
            put_message(tag::structure::FIELDS, &entry, &mut object);
            let read = Struct::decode(object.into());
            match fits {
                true => assert_eq!(read.unwrap().to_map().len(), 1),
                false => assert_eq!(read, Err(StructError::TooMuchMerged)),
            }
        }
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
        for (levels, fits) in [(STRUCT_DEPTH - 1, true), (STRUCT_DEPTH, false)] {
            let with = object.with("deep", &nested(levels));
            assert_eq!(with.is_ok(), fits);
            if let Ok(with) = with {
                Struct::decode(with.as_bytes().clone()).unwrap();
            }
        }
    }
}
