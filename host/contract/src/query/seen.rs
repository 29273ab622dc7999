//! A value that a query looks at.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;
use wasm_flow_document::{Found, Nested};

use crate::bounds::COMPARED_VALUES;

/// What a document has in a field, or what that is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen<'d> {
    /// Nothing.
    Null,
    Bool(bool),
    Number(f64),
    Text(&'d str),
    Numbers(&'d [f32]),
    /// An object or a list in the document.
    Nested(Nested<'d>),
    /// An object or a list in the query.
    Json(&'d Value),
    /// An array of this shape, of which only the first dimension is looked at.
    Rows(&'d [u32]),
    /// Something of which only the number of parts is looked at.
    Many(usize),
}

impl<'d> From<Found<'d>> for Seen<'d> {
    fn from(found: Found<'d>) -> Seen<'d> {
        match found {
            Found::Null => Seen::Null,
            Found::Bool(value) => Seen::Bool(value),
            Found::Number(value) => Seen::Number(value),
            Found::Text(text) => Seen::Text(text),
            Found::Nested(nested) => Seen::Nested(nested),
        }
    }
}

impl<'d> From<&'d Value> for Seen<'d> {
    fn from(value: &'d Value) -> Seen<'d> {
        match value {
            Value::Null => Seen::Null,
            Value::Bool(value) => Seen::Bool(*value),
            Value::Number(number) => number.as_f64().map_or(Seen::Null, Seen::Number),
            Value::String(text) => Seen::Text(text),
            Value::Array(_) | Value::Object(_) => Seen::Json(value),
        }
    }
}

impl<'d> Seen<'d> {
    /// Whether both are the same. A number is the same however it is written.
    pub(super) fn equals(&self, other: &Seen<'_>) -> bool {
        match (self, other) {
            (Seen::Null, Seen::Null) => true,
            (Seen::Bool(one), Seen::Bool(two)) => one == two,
            (Seen::Number(one), Seen::Number(two)) => one == two,
            (Seen::Text(one), Seen::Text(two)) => one == two,
            (one, two) if one.is_whole() && two.is_whole() && one.size() == two.size() => {
                match (one.whole(), two.whole()) {
                    (Some(one), Some(two)) => equal(&one, &two),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// How it is ordered, if both are numbers or both are texts.
    pub(super) fn order(&self, other: &Seen<'_>) -> Option<Ordering> {
        match (self, other) {
            (Seen::Number(one), Seen::Number(two)) => one.partial_cmp(two),
            (Seen::Text(one), Seen::Text(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&'d str> {
        match self {
            Seen::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many parts it has: characters, elements, entries.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Seen::Many(count) => Some(*count),
            // As `len` of a numpy array has it: a scalar has none.
            Seen::Rows(shape) => shape.first().map(|rows| *rows as usize),
            Seen::Text(text) => Some(text.chars().count()),
            Seen::Numbers(numbers) => Some(numbers.len()),
            Seen::Nested(nested) => Some(nested.len()),
            Seen::Json(Value::Array(list)) => Some(list.len()),
            Seen::Json(Value::Object(object)) => Some(object.len()),
            Seen::Json(_) | Seen::Null | Seen::Bool(_) | Seen::Number(_) => None,
        }
    }

    /// Whether it is an object or a list whose values can be compared.
    fn is_whole(&self) -> bool {
        matches!(self, Seen::Json(_) | Seen::Nested(_) | Seen::Numbers(_))
    }

    /// An object or a list, to compare. What a client sends may be large, and decoded it
    /// is many times larger: that is equal to nothing.
    fn whole(&self) -> Option<Cow<'d, Value>> {
        match self {
            Seen::Json(value) => Some(Cow::Borrowed(value)),
            Seen::Nested(nested) => nested.to_value(COMPARED_VALUES).map(Cow::Owned),
            Seen::Numbers(numbers) => {
                let numbers = numbers.iter().copied().map(f64::from);
                Some(Cow::Owned(numbers.collect()))
            }
            _ => None,
        }
    }
}

fn equal(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| equal(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(key, value)| two.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == two,
    }
}
