use bytes::Bytes;
use prost::Message as _;
use prost_types::value::Kind as Member;
use serde_json::{Map, Number, Value};
use wasm_flow_document::{Struct, StructError};

use crate::stray::Kind;

/// Feeds the reader of `google.protobuf.Struct` with the bytes as they are, and
/// compares it with prost's.
///
/// What ours takes, prost takes, and it is the same object; what prost takes,
/// ours takes, unless it nests more than 32 deep or has an entry of the wrong wire
/// type, which prost does not look at. The other way round, prost reads
/// what ours writes of the object. Of groups prost allows fewer, one in another:
/// its bound counts the messages around them, ours does not.
pub fn structs(data: &[u8]) {
    let ours = Struct::decode(Bytes::copy_from_slice(data));
    let theirs = prost_types::Struct::decode(data);
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) | (Err(StructError::TooDeep), Ok(_)) => return,
        (Ok(_), Err(error)) if too_deep_for_prost(&error) => return,
        (Err(_), Ok(_)) if Kind::Struct.has_stray_entry(data) => return,
        (ours, theirs) => panic!("one refuses, the other does not: {ours:?}, {theirs:?}"),
    };
    let expected = object(&theirs);
    let map = ours.to_map();
    assert_eq!(map, expected);
    // The text is written without a tree, so it is checked by itself.
    assert_eq!(
        serde_json::from_str::<Value>(&ours.to_json()).unwrap(),
        Value::Object(expected.clone())
    );

    let written = Struct::from_map(&map).unwrap();
    assert_eq!(
        object(&prost_types::Struct::decode(&written.as_bytes()[..]).unwrap()),
        expected
    );
    Struct::decode(written.as_bytes().clone()).unwrap();
    assert_eq!(Struct::from_json(&ours.to_json()).unwrap(), written);

    let key = map.keys().next().map_or("new", String::as_str);
    let with = ours.with(key, &Value::from(7)).unwrap();
    let with = Struct::decode(with.as_bytes().clone()).unwrap();
    let mut expected = expected;
    expected.insert(key.to_owned(), Value::from(7));
    assert_eq!(with.to_map(), expected);
}

/// Whether prost has read so many messages, one in another, that it stopped.
pub(crate) fn too_deep_for_prost(error: &prost::DecodeError) -> bool {
    error.to_string().contains("recursion limit reached")
}

fn object(theirs: &prost_types::Struct) -> Map<String, Value> {
    theirs
        .fields
        .iter()
        .map(|(key, theirs)| (key.clone(), value(theirs)))
        .collect()
}

fn value(theirs: &prost_types::Value) -> Value {
    match &theirs.kind {
        None | Some(Member::NullValue(_)) => Value::Null,
        Some(Member::BoolValue(value)) => Value::Bool(*value),
        Some(Member::StringValue(text)) => Value::String(text.clone()),
        Some(Member::NumberValue(value)) => number(*value),
        Some(Member::StructValue(theirs)) => Value::Object(object(theirs)),
        Some(Member::ListValue(list)) => list.values.iter().map(self::value).collect(),
    }
}

/// Whole numbers that a float has exactly are integers in JSON; NaN and the
/// infinities are null.
fn number(value: f64) -> Value {
    let whole = value as i64;
    let exact = whole as f64 == value && whole.unsigned_abs() <= 1 << 53;
    if exact && !(value == 0.0 && value.is_sign_negative()) {
        return Value::from(whole);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
