//! Reads what was checked. The checks bound its nesting, and so the recursion here.

use std::fmt;

use serde::ser::{Error as _, Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::{Struct, StructError, utf8};
use crate::protobuf::{Fault, Field, Merging, Reader, Slice};
use crate::tag;

/// Whole numbers up to here are exact in a 64-bit float.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

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
pub(super) struct Object<'a>(pub(super) Slice<'a>);

/// An entry's key and value. A message field that occurs again is merged, so the
/// occurrences of a value count as one.
pub(super) fn read_entry(entry: Slice<'_>) -> Result<(&[u8], Merging<'_>), Fault> {
    let (mut key, mut value): (&[u8], _) = (&[], Merging::default());
    let mut reader = Reader::new(entry);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (tag::entry::KEY, Field::Len(name)) => key = name.bytes(),
            (tag::entry::VALUE, Field::Len(more)) => value.add(more)?,
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
pub(super) struct Item<'a>(pub(super) Slice<'a>);

pub(super) enum Member<'a> {
    Null,
    Number(f64),
    String(&'a str),
    Bool(bool),
    Struct(Merging<'a>),
    List(Merging<'a>),
}

impl<'a> Item<'a> {
    /// The member that counts.
    pub(super) fn member(&self) -> Result<Member<'a>, StructError> {
        use tag::value as tag;

        let mut member = Member::Null;
        let mut reader = Reader::new(self.0);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (tag::NULL, _) => member = Member::Null,
                (tag::NUMBER, Field::Fixed64(bits)) => {
                    member = Member::Number(f64::from_bits(bits));
                }
                (tag::STRING, Field::Len(text)) => member = Member::String(utf8(text)?),
                (tag::BOOL, Field::Varint(bits)) => member = Member::Bool(bits != 0),
                (tag::STRUCT, Field::Len(more)) => {
                    if !matches!(member, Member::Struct(_)) {
                        member = Member::Struct(Merging::default());
                    }
                    if let Member::Struct(merging) = &mut member {
                        merging.add(more)?;
                    }
                }
                (tag::LIST, Field::Len(more)) => {
                    if !matches!(member, Member::List(_)) {
                        member = Member::List(Merging::default());
                    }
                    if let Member::List(merging) = &mut member {
                        merging.add(more)?;
                    }
                }
                _ => {}
            }
        }
        Ok(member)
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.member().map_err(unchecked)? {
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
pub(super) struct List<'a>(pub(super) Slice<'a>);

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
