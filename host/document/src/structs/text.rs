//! Reads JSON text as a `google.protobuf.Struct`, without a tree of its values.
//!
//! Values are written as they come, one after the other. The length that stands before
//! a value is put in once the value is there.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::StructError;
use super::check::{Values, deeper};
use super::write::{put_bool, put_null, put_number};
use crate::bounds::{STRUCT_DEPTH, STRUCT_VALUES};
use crate::protobuf::{put_head, put_message};
use crate::tag;

/// The encoded object that a JSON text is.
pub(super) fn encode(text: &str) -> Result<Bytes, StructError> {
    let mut out = Out {
        bytes: Vec::new(),
        values: Values::new(STRUCT_VALUES),
        refused: None,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Root(&mut out)
        .deserialize(&mut reader)
        .and_then(|()| reader.end());
    match (read, out.refused) {
        (Ok(()), _) => Ok(out.bytes.into()),
        (Err(_), Some(refused)) => Err(refused),
        (Err(error), None) => Err(StructError::Json(error.to_string())),
    }
}

/// What is written.
struct Out {
    bytes: Vec<u8>,
    values: Values,
    /// Why the text is refused, if that is not its syntax.
    refused: Option<StructError>,
}

impl Out {
    /// Passes on what was checked. The error that ends the reading does not say why: that
    /// is kept here.
    fn check<T, E: Error>(&mut self, checked: Result<T, StructError>) -> Result<T, E> {
        checked.map_err(|refused| {
            let error = E::custom(&refused);
            self.refused = Some(refused);
            error
        })
    }

    /// Puts the head of a field before its value, which is all from `start` on.
    fn insert_head(&mut self, number: u32, start: usize) {
        // A key of one byte, and the longest length.
        let mut head = [0; 11];
        let most = head.len();
        let mut rest = &mut head[..];
        put_head(
            number,
            self.bytes.len().saturating_sub(start) as u64,
            &mut rest,
        );
        let len = most - rest.len();
        self.bytes.splice(start..start, head.into_iter().take(len));
    }

    /// The members of an object.
    fn object<'de, A: MapAccess<'de>>(&mut self, depth: u32, mut map: A) -> Result<(), A::Error> {
        let depth = self.check(deeper(depth))?;
        let begin = self.bytes.len();
        let mut members = Vec::new();
        loop {
            let start = self.bytes.len();
            let Some(key) = map.next_key_seed(Key(self))? else {
                break;
            };
            let counted = self.values.count();
            self.check(counted)?;
            members.push(Member { start, key });
            let value = self.bytes.len();
            map.next_value_seed(Item { out: self, depth })?;
            self.insert_head(tag::entry::VALUE, value);
            let inserted = self.bytes.len();
            self.insert_head(tag::structure::FIELDS, start);
            // The key has moved.
            let by = self.bytes.len() - inserted;
            if let Some(Member { key, .. }) = members.last_mut() {
                *key = key.start + by..key.end + by;
            }
        }
        self.sort(begin, &members);
        Ok(())
    }

    /// Sorts the members of an object, all from `begin` on, and leaves out all but the
    /// last of each key.
    fn sort(&mut self, begin: usize, members: &[Member]) {
        let key = |member: &Member| self.bytes.get(member.key.clone()).unwrap_or_default();
        if members.is_sorted_by(|one, other| key(one) < key(other)) {
            return;
        }
        let mut order: Vec<usize> = (0..members.len()).collect();
        let place = |index: &usize| members.get(*index).map(key);
        // Sorting keeps the order of equal keys.
        order.sort_by(|one, other| place(one).cmp(&place(other)));
        let mut sorted = Vec::with_capacity(self.bytes.len() - begin);
        for (at, index) in order.iter().enumerate() {
            let replaced = order
                .get(at + 1)
                .is_some_and(|next| place(next) == place(index));
            let end = members
                .get(index + 1)
                .map_or(self.bytes.len(), |next| next.start);
            if let (false, Some(member)) = (replaced, members.get(*index)) {
                sorted.extend_from_slice(self.bytes.get(member.start..end).unwrap_or_default());
            }
        }
        self.bytes.truncate(begin);
        self.bytes.append(&mut sorted);
    }

    /// The values of a list.
    fn list<'de, A: SeqAccess<'de>>(&mut self, depth: u32, mut list: A) -> Result<(), A::Error> {
        let depth = self.check(deeper(depth))?;
        loop {
            let start = self.bytes.len();
            if list.next_element_seed(Item { out: self, depth })?.is_none() {
                return Ok(());
            }
            let counted = self.values.count();
            self.check(counted)?;
            self.insert_head(tag::list::VALUES, start);
        }
    }
}

/// A member of an object that is written. It ends where the next one starts.
struct Member {
    start: usize,
    /// The bytes of its key.
    key: Range<usize>,
}

/// Writes an object's key, and tells where its text is.
struct Key<'a>(&'a mut Out);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Range<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, key: &str) -> Result<Range<usize>, E> {
        let Key(out) = self;
        put_message(tag::entry::KEY, key.as_bytes(), &mut out.bytes);
        let end = out.bytes.len();
        Ok(end - key.len()..end)
    }
}

/// Writes a value.
struct Item<'a> {
    out: &'a mut Out,
    /// How many more levels there may be.
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        put_null(&mut self.out.bytes);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        put_bool(value, &mut self.out.bytes);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        put_number(value as f64, &mut self.out.bytes);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        put_number(value as f64, &mut self.out.bytes);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        put_number(value, &mut self.out.bytes);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        put_message(tag::value::STRING, text.as_bytes(), &mut self.out.bytes);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let start = self.out.bytes.len();
        self.out.object(self.depth, map)?;
        self.out.insert_head(tag::value::STRUCT, start);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let start = self.out.bytes.len();
        self.out.list(self.depth, list)?;
        self.out.insert_head(tag::value::LIST, start);
        Ok(())
    }
}

/// Writes the whole text, which has to be an object.
struct Root<'a>(&'a mut Out);

impl Root<'_> {
    fn not_an_object<E: Error>(self, found: &'static str) -> Result<(), E> {
        self.0.check(Err(StructError::NotAnObject(found)))
    }
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.not_an_object("null")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.not_an_object("a boolean")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.not_an_object("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.not_an_object("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.not_an_object("a number")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.not_an_object("a string")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.not_an_object("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.object(STRUCT_DEPTH, map)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::Struct;
    use super::*;

    /// What a tree of the text is written as.
    fn of_tree(text: &str) -> Struct {
        let map: Map<String, Value> = serde_json::from_str(text).unwrap();
        Struct::from_map(&map).unwrap()
    }

    #[test]
    fn text_is_written_as_its_tree_is() {
        let long = format!(
            r#"{{"b":"{}","a":[{}1]}}"#,
            "é".repeat(300),
            "0,".repeat(300)
        );
        for text in [
            "{}",
            r#"{"":null}"#,
            r#"{"a":1,"b":[true,false,null,"x",-2,0.5,{}],"c":{"d":{"e":[]}}}"#,
            // Not in order, and repeated.
            r#"{"z":1,"a":{"y":2,"x":3},"m":[{"b":1,"a":2}]}"#,
            r#"{"a":1,"b":2,"a":{"long":[1,2,3]},"b":3,"a":"last"}"#,
            r#"{"ab":1,"a":2,"":3,"é":4,"\u0061\n":5,"a":6}"#,
            // All kinds of numbers.
            r#"{"n":[-0,0,-1,9007199254740993,18446744073709551615,-9223372036854775808,1e300,1e-999]}"#,
            r#"{"n":123456789012345678901234567890}"#,
            &long,
        ] {
            let read = Struct::from_json(text).unwrap();
            assert_eq!(read, of_tree(text), "{text}");
            Struct::decode(read.as_bytes().clone()).unwrap();
        }
    }

    #[test]
    fn what_is_not_an_object_is_refused_by_its_kind() {
        for (text, found) in [
            ("null", "null"),
            ("true", "a boolean"),
            ("-1", "a number"),
            ("1", "a number"),
            ("1.5", "a number"),
            ("\"x\"", "a string"),
            ("[1]", "a list"),
        ] {
            assert_eq!(
                Struct::from_json(text),
                Err(StructError::NotAnObject(found)),
                "{text}"
            );
        }
        for text in [
            "",
            "{",
            "{} x",
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            "{1:2}",
        ] {
            let error = Struct::from_json(text).unwrap_err();
            let of_tree = serde_json::from_str::<Map<String, Value>>(text).unwrap_err();
            assert_eq!(error, StructError::Json(of_tree.to_string()), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |open: &str, close: &str, levels: usize| {
            format!(
                r#"{{"k":{}1{}}}"#,
                open.repeat(levels - 1),
                close.repeat(levels - 1)
            )
        };
        let deepest = STRUCT_DEPTH as usize;
        for (open, close) in [("[", "]"), (r#"{"k":"#, "}")] {
            let text = nested(open, close, deepest);
            assert_eq!(Struct::from_json(&text).unwrap(), of_tree(&text));
            for levels in [deepest + 1, 1000] {
                assert_eq!(
                    Struct::from_json(&nested(open, close, levels)),
                    Err(StructError::TooDeep)
                );
            }
        }
    }

    #[test]
    fn values_are_bounded() {
        let most = STRUCT_VALUES as usize;
        // The list is a value, too.
        let list = |count: usize| format!(r#"{{"k":[{}1]}}"#, "1,".repeat(count - 2));
        assert!(Struct::from_json(&list(most)).is_ok());
        let many = Err(StructError::TooManyValues {
            most: STRUCT_VALUES,
        });
        assert_eq!(Struct::from_json(&list(most + 1)), many);
        // Those that are replaced count until they are.
        let object = format!(r#"{{{}"":1}}"#, r#""":1,"#.repeat(most));
        assert_eq!(Struct::from_json(&object), many);
    }
}
