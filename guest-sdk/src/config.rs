//! Reading JSON objects into the author's types, with errors that name the key.

use std::cell::Cell;
use std::fmt;

use serde::de::value::{Error as ProbeError, StringDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The name of an error in `uses_with`.
const CONFIG_ERROR: &str = "ConfigError";
/// The name of an error in a request's parameters.
pub(crate) const PARAMETERS_ERROR: &str = "ParametersError";

/// An object from the host, which writes one that is unset as the empty string.
///
/// Not generic, so that a component has one JSON parser.
pub(crate) fn parse_object(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text)
}

/// The executor's configuration from `uses_with`. Every key must be one that
/// the type has.
pub(crate) fn read_config<T: DeserializeOwned>(
    executor: &str,
    uses_with: &Map<String, Value>,
) -> Result<T> {
    let known = fields_of::<T>();
    let mut problems: Vec<String> = match known {
        Some(known) => uses_with
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| match nearest(key, known) {
                Some(near) => format!("unknown key `{key}` (did you mean `{near}`?)"),
                None => format!("unknown key `{key}`"),
            })
            .collect(),
        None => Vec::new(),
    };
    match read_object(uses_with.clone()) {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(error) => problems.push(error),
    }
    let takes = match known {
        Some([]) => format!("; `{executor}` takes no keys"),
        Some(known) => format!("; `{executor}` takes {}", list(known)),
        None => String::new(),
    };
    Err(Error::named(
        CONFIG_ERROR,
        format_args!("`uses_with`: {}{takes}", problems.join("; ")),
    ))
}

/// What an executor without configuration is started with.
pub(crate) fn no_config(executor: &str, uses_with: &Map<String, Value>) -> Result<()> {
    if uses_with.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = uses_with.keys().map(String::as_str).collect();
    Err(Error::named(
        CONFIG_ERROR,
        format_args!(
            "`uses_with` has {}, but `{executor}` takes no configuration",
            list(&keys)
        ),
    ))
}

/// A request's parameters as the type that a handler asks for.
pub(crate) fn read_parameters<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T> {
    read_object(parameters)
        .map_err(|error| Error::named(PARAMETERS_ERROR, format_args!("parameters: {error}")))
}

fn read_object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, String> {
    let at = Cell::new(None);
    T::deserialize(Object { object, at: &at }).map_err(|error| match at.take() {
        Some(key) => format!("`{key}`: {error}"),
        None => error.to_string(),
    })
}

/// An object that tells which of its values could not be read.
struct Object<'a> {
    object: Map<String, Value>,
    at: &'a Cell<Option<String>>,
}

impl<'de> Deserializer<'de> for Object<'_> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(Entries {
            entries: self.object.into_iter(),
            value: Value::Null,
            at: self.at,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Value::Object(self.object).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'a> {
    entries: serde_json::map::IntoIter,
    value: Value,
    at: &'a Cell<Option<String>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        self.at.set(None);
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = value;
        let read = seed.deserialize(StringDeserializer::new(key.clone()))?;
        self.at.set(Some(key));
        Ok(Some(read))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        let value = seed.deserialize(self.value.take())?;
        self.at.set(None);
        Ok(value)
    }
}

/// The keys that a type is read from, where it is a struct that names them all.
fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let fields = Cell::new(None);
    // What it asks for is all that is wanted; there is nothing to read.
    let _ = T::deserialize(Probe(&fields));
    fields.get()
}

struct Probe<'a>(&'a Cell<Option<&'static [&'static str]>>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ProbeError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.set(Some(fields));
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// `a JSON array`, for an error.
pub(crate) fn kind_of(value: &Value) -> impl fmt::Display {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// `` `a`, `b` and `c` ``.
fn list(names: &[&str]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push_str(if index + 1 == names.len() {
                " and "
            } else {
                ", "
            });
        }
        text.push('`');
        text.push_str(name);
        text.push('`');
    }
    text
}

/// The name that a misspelt one most likely stands for.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many characters are to be inserted, removed, replaced or swapped with
/// the next to make one name the other. Case, `-` and `_` do not count.
#[expect(
    clippy::indexing_slicing,
    reason = "all rows have an element for each letter of `two`, and one more"
)]
fn distance(one: &str, two: &str) -> usize {
    let letters = |name: &str| -> Vec<char> {
        name.chars()
            .filter(|c| !matches!(c, '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let (one, two) = (letters(one), letters(two));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = Vec::with_capacity(two.len() + 1);
        next.push(i + 1);
        for (j, b) in two.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(next[j] + 1);
            if i > 0 && j > 0 && *a == two[j - 1] && one[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Inner {
        size: u32,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Config {
        foo: String,
        bar: u32,
        #[serde(default)]
        inner: Option<Inner>,
    }

    fn config(value: Value) -> Result<Config> {
        read_config("MyExecutor", value.as_object().unwrap())
    }

    fn message(value: Value) -> String {
        let error = config(value).unwrap_err();
        assert_eq!(error.name(), "ConfigError");
        error.message().to_owned()
    }

    #[test]
    fn a_config_is_read() {
        assert_eq!(
            config(json!({ "foo": "x", "bar": 3, "inner": { "size": 1 } })).unwrap(),
            Config {
                foo: "x".to_owned(),
                bar: 3,
                inner: Some(Inner { size: 1 })
            }
        );
    }

    #[test]
    fn what_is_missing_misspelt_or_wrong_is_named() {
        assert_eq!(
            message(json!({ "foo": "x" })),
            "`uses_with`: missing field `bar`; `MyExecutor` takes `foo`, `bar` and `inner`"
        );
        assert_eq!(
            message(json!({ "foo": "x", "bra": 1 })),
            "`uses_with`: unknown key `bra` (did you mean `bar`?); missing field `bar`; \
             `MyExecutor` takes `foo`, `bar` and `inner`"
        );
        assert_eq!(
            message(json!({ "foo": "x", "bar": 1, "something": 1 })),
            "`uses_with`: unknown key `something`; `MyExecutor` takes `foo`, `bar` and `inner`"
        );
        assert_eq!(
            message(json!({ "foo": "x", "bar": "one" })),
            "`uses_with`: `bar`: invalid type: string \"one\", expected u32; \
             `MyExecutor` takes `foo`, `bar` and `inner`"
        );
        assert_eq!(
            message(json!({ "foo": "x", "bar": 1, "inner": {} })),
            "`uses_with`: `inner`: missing field `size`; \
             `MyExecutor` takes `foo`, `bar` and `inner`"
        );
    }

    #[test]
    fn a_map_and_an_enum_take_anything() {
        let any: Map<String, Value> =
            read_config("E", json!({"a": 1}).as_object().unwrap()).unwrap();
        assert_eq!(any.len(), 1);

        #[derive(Deserialize, Debug, PartialEq)]
        enum Choice {
            Small { size: u32 },
        }
        let choice: Choice =
            read_config("E", json!({"Small": {"size": 1}}).as_object().unwrap()).unwrap();
        assert_eq!(choice, Choice::Small { size: 1 });
    }

    #[test]
    fn without_configuration_there_are_no_keys() {
        assert!(no_config("E", &Map::new()).is_ok());
        assert_eq!(
            no_config("E", json!({"a": 1, "b": 2}).as_object().unwrap())
                .unwrap_err()
                .message(),
            "`uses_with` has `a` and `b`, but `E` takes no configuration"
        );
    }

    #[test]
    fn names_are_near() {
        let known = ["greeting", "top_k", "size"];
        assert_eq!(nearest("greting", &known), Some("greeting"));
        assert_eq!(nearest("topK", &known), Some("top_k"));
        assert_eq!(nearest("szie", &known), Some("size"));
        assert_eq!(nearest("colour", &known), None);
    }
}
