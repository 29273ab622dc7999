//! What lies at a place in an object, found without decoding the rest of it.

use serde_json::Value;

use super::check::check_list;
use super::read::{Item, List, Member, Object, read_entry};
use super::{Struct, check::check};
use crate::protobuf::{Fault, Field, Merging, Reader, Slice};
use crate::tag;

/// What lies at a place in an object.
#[derive(Debug, Clone, Copy)]
pub enum Found<'s> {
    /// Nothing, null, or a number that JSON has no word for.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'s str),
    /// An object or a list.
    Nested(Nested<'s>),
}

/// An object or a list in an object, still encoded.
#[derive(Debug, Clone, Copy)]
pub struct Nested<'s> {
    slice: Slice<'s>,
    is_list: bool,
}

impl Struct {
    /// Looks at what lies at a path of keys and, in lists, of places from 0. An empty
    /// path is the object itself.
    ///
    /// Only what is on the way is read. Nothing is decoded, and nothing is copied unless
    /// a message occurs in pieces.
    pub fn look<T>(&self, path: &[String], see: impl FnOnce(Found<'_>) -> T) -> T {
        in_object(Slice::of(&self.bytes), path, see)
    }
}

fn in_object<T>(slice: Slice<'_>, path: &[String], see: impl FnOnce(Found<'_>) -> T) -> T {
    let Some((key, rest)) = path.split_first() else {
        let is_list = false;
        return see(Found::Nested(Nested { slice, is_list }));
    };
    match last_entry(slice, key).and_then(Merging::end) {
        Some(value) => in_value(value.slice(), rest, see),
        None => see(Found::Null),
    }
}

/// The value of a key. The last one counts.
fn last_entry<'s>(object: Slice<'s>, key: &str) -> Option<Merging<'s>> {
    let entries = fields(object, tag::structure::FIELDS).filter_map(|entry| read_entry(entry).ok());
    let named = entries.filter(|(name, _)| *name == key.as_bytes());
    named.last().map(|(_, value)| value)
}

fn in_value<T>(slice: Slice<'_>, path: &[String], see: impl FnOnce(Found<'_>) -> T) -> T {
    let found = match Item(slice).member() {
        Ok(Member::Struct(merging)) => {
            return match merging.end() {
                Some(object) => in_object(object.slice(), path, see),
                None => see(Found::Null),
            };
        }
        Ok(Member::List(merging)) => {
            return match merging.end() {
                Some(list) => in_list(list.slice(), path, see),
                None => see(Found::Null),
            };
        }
        Ok(Member::Number(number)) if number.is_finite() => Found::Number(number),
        Ok(Member::String(text)) => Found::Text(text),
        Ok(Member::Bool(value)) => Found::Bool(value),
        Ok(Member::Number(_) | Member::Null) | Err(_) => Found::Null,
    };
    // These have nothing below them.
    see(if path.is_empty() { found } else { Found::Null })
}

fn in_list<T>(slice: Slice<'_>, path: &[String], see: impl FnOnce(Found<'_>) -> T) -> T {
    let Some((place, rest)) = path.split_first() else {
        let is_list = true;
        return see(Found::Nested(Nested { slice, is_list }));
    };
    let value = place
        .parse()
        .ok()
        .and_then(|place| elements(slice).nth(place));
    match value {
        Some(value) => in_value(value, rest, see),
        None => see(Found::Null),
    }
}

fn elements(list: Slice<'_>) -> impl Iterator<Item = Slice<'_>> {
    fields(list, tag::list::VALUES)
}

/// The message fields of a number. What the checks let through has no faults.
fn fields(message: Slice<'_>, number: u32) -> impl Iterator<Item = Slice<'_>> {
    let mut reader = Reader::new(message);
    let mut next = move || -> Result<Option<Slice<'_>>, Fault> {
        while let Some((own, field)) = reader.field()? {
            if let (true, Field::Len(value)) = (own == number, field) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    };
    std::iter::from_fn(move || next().ok().flatten())
}

impl Nested<'_> {
    /// How many entries of different keys, or elements, it has.
    pub fn len(&self) -> usize {
        if self.is_list {
            return elements(self.slice).count();
        }
        let keys = || {
            let entries = fields(self.slice, tag::structure::FIELDS);
            entries.filter_map(|entry| read_entry(entry).ok().map(|(key, _)| key))
        };
        // As this library writes them.
        if keys().is_sorted_by(|one, other| one < other) {
            return keys().count();
        }
        let mut keys: Vec<&[u8]> = keys().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        let number = match self.is_list {
            true => tag::list::VALUES,
            false => tag::structure::FIELDS,
        };
        fields(self.slice, number).next().is_none()
    }

    /// As JSON. None if it holds more than so many values, those of every depth
    /// together.
    pub fn to_value(&self, most: u64) -> Option<Value> {
        match self.is_list {
            true => {
                check_list(self.slice, most).ok()?;
                serde_json::to_value(List(self.slice)).ok()
            }
            false => {
                check(self.slice, most).ok()?;
                serde_json::to_value(Object(self.slice)).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(object: &Struct, path: &[&str]) -> Value {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        object.look(&path, |found| match found {
            Found::Null => Value::Null,
            Found::Bool(value) => value.into(),
            Found::Number(value) => value.into(),
            Found::Text(text) => text.into(),
            Found::Nested(nested) => nested.to_value(100).unwrap_or_else(|| "many".into()),
        })
    }

    fn len(object: &Struct, path: &[&str]) -> Option<(usize, bool)> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        object.look(&path, |found| match found {
            Found::Nested(nested) => Some((nested.len(), nested.is_empty())),
            _ => None,
        })
    }

    #[test]
    fn what_lies_at_a_path_is_what_the_decoded_object_has_there() {
        let value = json!({
            "n": 5.0, "text": "x", "yes": true, "nothing": null, "": 1.0,
            "list": [1.0, [2.0, { "a": "b" }], "c"], "deep": { "a": { "b": [] } },
        });
        let object = Struct::from_json(&value.to_string()).unwrap();
        for path in [
            &["n"][..],
            &["text"],
            &["yes"],
            &["nothing"],
            &[""],
            &["none"],
            &["list", "0"],
            &["list", "1", "1", "a"],
            &["list", "3"],
            &["list", "x"],
            &["list", "-1"],
            &["deep", "a", "b"],
            &["deep", "a", "b", "0"],
            &["n", "below"],
            &["text", "0"],
            &["nothing", "0"],
            &["none", "none"],
        ] {
            let mut expected = Some(&value);
            for key in path {
                expected = expected.and_then(|value| match value {
                    Value::Array(list) => list.get(key.parse::<usize>().ok()?),
                    value => value.get(key),
                });
            }
            let found = seen(&object, path);
            let expected = expected.unwrap_or(&Value::Null);
            assert_eq!(
                found.to_string().replace(".0", ""),
                expected.to_string().replace(".0", ""),
                "{path:?}"
            );
        }
        assert_eq!(len(&object, &[]), Some((7, false)));
        assert_eq!(len(&object, &["list"]), Some((3, false)));
        assert_eq!(len(&object, &["deep", "a", "b"]), Some((0, true)));
        assert_eq!(len(&object, &["n"]), None);
    }

    /// As [`Struct::to_map`] has it.
    #[test]
    fn of_a_repeated_key_the_last_counts_and_pieces_are_merged() {
        let encode = |value: Value| Struct::from_json(&value.to_string()).unwrap();
        let twice = [
            encode(json!({ "b": 1 })),
            encode(json!({ "a": 2 })),
            encode(json!({ "b": { "x": 3 } })),
        ];
        let bytes: Vec<u8> = twice
            .iter()
            .flat_map(|part| part.as_bytes().to_vec())
            .collect();
        let object = Struct::decode(bytes.into()).unwrap();
        assert_eq!(len(&object, &[]), Some((2, false)));
        assert_eq!(object.to_map().len(), 2);
        assert_eq!(seen(&object, &["b", "x"]), json!(3.0));
        // An entry whose value comes in two pieces.
        let object =
            b"\x0a\x15\x0a\x01k\x12\x07\x2a\x05\x0a\x03\x0a\x01a\x12\x07\x2a\x05\x0a\x03\x0a\x01b";
        let object = Struct::decode(object.as_slice().into()).unwrap();
        assert_eq!(
            object.to_map(),
            *json!({ "k": { "a": null, "b": null } })
                .as_object()
                .unwrap()
        );
        assert_eq!(len(&object, &["k"]), Some((2, false)));
    }

    #[test]
    fn what_is_too_large_is_not_decoded() {
        let list = json!({ "list": vec![0; 101], "object": { "list": vec![0; 100] } });
        let object = Struct::from_json(&list.to_string()).unwrap();
        assert_eq!(seen(&object, &["list"]), "many");
        assert_eq!(len(&object, &["list"]), Some((101, false)));
        assert_eq!(seen(&object, &["object"]), "many");
        assert_eq!(seen(&object, &["object", "list", "99"]), 0.0);
        assert_eq!(seen(&object, &[]), "many");
    }
}
