//! Reads JSON objects into the author's types, with errors that name the key.
//!
//! Why this is not `serde_path_to_error` and `serde_ignored`: the latter tells where
//! a key was ignored, but not which keys the type there has, so there is nothing to
//! suggest for a misspelt one. It also loses the names of variants in paths, and after
//! the first error it reports no further keys. A deserializer of our own, at every
//! depth, is needed for the first of these alone, and then the path is a few lines.
//!
//! Size was no reason. The quickstart's components when this was decided, in bytes, in
//! a release build for wasm32-wasip2, with `serde_path_to_error` 0.1.20 and
//! `serde_ignored` 0.1.14, which suggest nothing for a nested key:
//!
//! | component | with this file | with the two | more |
//! | --- | --- | --- | --- |
//! | `split` (no configuration) | 421,514 | 420,439 | -1,075 |
//! | `clean` | 478,826 | 483,735 | 4,909 |
//! | `embed` | 477,782 | 491,580 | 13,798 |
//! | `dedupe` | 539,017 | 552,437 | 13,420 |

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::iter::Enumerate;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected,
    IntoDeserializer, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::misspelt::Misspelt;
use crate::{Error, Result};

/// The name of an error in `uses_with`.
const CONFIG_ERROR: &str = "ConfigError";
/// The name of an error in a request's parameters.
pub(crate) const PARAMETERS_ERROR: &str = "ParametersError";

/// A longer name, in bytes, is near to none: clients choose the names of parameters,
/// and comparing takes time.
const LONGEST_NAME: usize = 64;

/// Of so many unknown keys in a request's parameters it is seen whether they are
/// misspelt. In a chain, those for other executors are among them.
const MOST_UNKNOWN_PARAMETERS: usize = 64;

/// Parses an object from the host, which writes an unset object as the empty
/// string.
///
/// Not generic, so that a component contains only one JSON parser.
pub(crate) fn parse_object(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text)
}

/// Reads the executor's configuration from `uses_with`. Every key must exist in
/// the types, as far as serde tells which keys they have.
pub(crate) fn read_config<T: DeserializeOwned>(
    executor: &str,
    uses_with: &Map<String, Value>,
) -> Result<T> {
    let notes = Notes::of(Unknown::Refused);
    let read = read_object(uses_with.clone(), &notes);
    let Notes { takes, unknown, .. } = notes;
    let unknown = unknown.into_inner();
    let mut problems: Vec<String> = unknown.iter().map(UnknownKey::to_string).collect();
    match read {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(error) => problems.push(error),
    }
    let takes = match takes.get() {
        Some([]) => format!("; `{executor}` takes no keys"),
        Some(known) => format!("; `{executor}` takes {}", list(known)),
        None => String::new(),
    };
    Err(Error::named(
        CONFIG_ERROR,
        format_args!("`uses_with`: {}{takes}", problems.join("; ")),
    ))
}

/// Refuses a configuration for an executor that takes none; `why` says why it
/// takes none.
pub(crate) fn no_config(executor: &str, uses_with: &Map<String, Value>, why: &str) -> Result<()> {
    if uses_with.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = uses_with.keys().map(String::as_str).collect();
    Err(Error::named(
        CONFIG_ERROR,
        format_args!(
            "`uses_with` has {}, but `{executor}` takes no configuration{why}",
            list(&keys)
        ),
    ))
}

/// Reads a request's parameters as the type that a handler takes. Keys that the
/// type does not have are ignored.
pub(crate) fn read_parameters<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T> {
    read_parameters_and_note(parameters, &Notes::of(Unknown::Ignored { most: 0 }))
}

/// The same for a call of this handler. Keys that look misspelt are logged.
pub(crate) fn read_parameters_of<T: DeserializeOwned>(
    handler: &'static str,
    parameters: Map<String, Value>,
    misspelt: &Misspelt,
) -> Result<T> {
    let most = match misspelt.has_room() {
        true => MOST_UNKNOWN_PARAMETERS,
        false => 0,
    };
    let notes = Notes::of(Unknown::Ignored { most });
    let read = read_parameters_and_note(parameters, &notes);
    for key in notes.unknown.into_inner() {
        misspelt.name(handler, key);
    }
    read
}

/// Not generic in what becomes of the notes, so that it is compiled once for a type.
fn read_parameters_and_note<T: DeserializeOwned>(
    parameters: Map<String, Value>,
    notes: &Notes,
) -> Result<T> {
    read_object(parameters, notes)
        .map_err(|error| Error::named(PARAMETERS_ERROR, format_args!("parameters: {error}")))
}

fn read_object<T: DeserializeOwned>(
    object: Map<String, Value>,
    notes: &Notes,
) -> Result<T, String> {
    let value = Value::Object(object);
    T::deserialize(Reader { value, notes }).map_err(|error| {
        let path = notes.path.borrow();
        match path.is_empty() {
            true => error.to_string(),
            false => format!("`{path}`: {error}"),
        }
    })
}

/// A key that its struct does not have.
pub(crate) struct UnknownKey {
    /// Where it is: `servers[1].prot`.
    pub(crate) path: String,
    /// What it most likely means.
    pub(crate) near: Option<&'static str>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown key `{}`", self.path)?;
        match self.near {
            Some(near) => write!(f, " (did you mean `{near}`?)"),
            None => Ok(()),
        }
    }
}

/// What is learned while an object is being read.
struct Notes {
    /// The reader's place in the object: `servers[1].port`.
    path: RefCell<String>,
    /// The keys of the outermost type, if it is a struct that names them all.
    takes: Cell<Option<&'static [&'static str]>>,
    unknown: RefCell<Vec<UnknownKey>>,
    kind: Unknown,
}

/// What becomes of unknown keys.
#[derive(Clone, Copy)]
enum Unknown {
    /// They are an error.
    Refused,
    /// The rest of the object is used, and so many of them are noted.
    Ignored { most: usize },
}

impl Notes {
    fn of(kind: Unknown) -> Notes {
        Notes {
            path: RefCell::default(),
            takes: Cell::default(),
            unknown: RefCell::default(),
            kind,
        }
    }

    fn depth(&self) -> usize {
        self.path.borrow().len()
    }

    /// Shortens the path to this length and appends `step`.
    fn step(&self, depth: usize, step: fmt::Arguments<'_>) {
        let mut path = self.path.borrow_mut();
        path.truncate(depth);
        // Writing to a string does not fail.
        let _ = path.write_fmt(step);
    }

    /// Notes the keys of an object that its struct does not have.
    fn check(&self, object: &Map<String, Value>, known: &'static [&'static str]) {
        let path = self.path.borrow();
        if path.is_empty() {
            self.takes.set(Some(known));
        }
        let dot = if path.is_empty() { "" } else { "." };
        let mut noted = self.unknown.borrow_mut();
        let (room, refused) = match self.kind {
            Unknown::Refused => (usize::MAX, true),
            Unknown::Ignored { most } => (most.saturating_sub(noted.len()), false),
        };
        let unknown = object
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .take(room)
            .map(|key| {
                // If both are there, the one that is ignored may well be meant for
                // another executor.
                let known = known
                    .iter()
                    .filter(|known| refused || !object.contains_key(**known));
                UnknownKey {
                    path: format!("{path}{dot}{key}"),
                    near: nearest(key, known),
                }
            });
        noted.extend(unknown);
    }
}

/// A value to read, whose place is in the notes.
struct Reader<'a> {
    value: Value,
    notes: &'a Notes,
}

impl<'a> Reader<'a> {
    fn map<'de, V: Visitor<'de>>(
        object: Map<String, Value>,
        notes: &'a Notes,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        let entries = Entries(object.into_iter(), Steps::new(notes));
        MapDeserializer::new(entries).deserialize_any(visitor)
    }

    fn seq<'de, V: Visitor<'de>>(
        values: Vec<Value>,
        notes: &'a Notes,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        let items = Items(values.into_iter().enumerate(), Steps::new(notes));
        SeqDeserializer::new(items).deserialize_any(visitor)
    }
}

/// Not generic: the code would be compiled again for every type.
fn invalid_type(value: &Value, expected: &dyn Expected) -> serde_json::Error {
    let unexpected = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Unexpected::Unsigned(number),
            (_, Some(number), _) => Unexpected::Signed(number),
            (_, _, Some(number)) => Unexpected::Float(number),
            _ => Unexpected::Other("number"),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    serde::de::Error::invalid_type(unexpected, expected)
}

/// Types without nested values are read by serde_json.
macro_rules! by_value {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.value.$method(visitor)
        }
    )*};
}

// This code is compiled once for every type that the author reads, so each method
// does only what its kind of type needs.
impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = serde_json::Error;

    by_value! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.value {
            Value::Object(object) => Reader::map(object, self.notes, visitor),
            Value::Array(values) => Reader::seq(values, self.notes, visitor),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.value {
            Value::Object(object) => Reader::map(object, self.notes, visitor),
            value => Err(invalid_type(&value, &visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.value {
            Value::Array(values) => Reader::seq(values, self.notes, visitor),
            value => Err(invalid_type(&value, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if let Value::Object(object) = &self.value {
            self.notes.check(object, fields);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let none = match &self.value {
            Value::Null => true,
            // A configuration that is not given arrives as an empty object.
            Value::Object(object) => object.is_empty() && self.notes.depth() == 0,
            _ => false,
        };
        match none {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
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
        match self.value {
            Value::Object(object) if object.len() == 1 => {
                let mut entries = Entries(object.into_iter(), Steps::new(self.notes));
                match entries.next() {
                    Some((Key(name), value)) => visitor.visit_enum(Variant { name, value }),
                    // Cannot happen: the length is 1.
                    None => Err(serde::de::Error::custom("expected one variant")),
                }
            }
            value => value.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A variant that holds data.
struct Variant<'a> {
    name: String,
    value: Reader<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = serde_json::Error;
    type Variant = Reader<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Reader<'a>), Self::Error> {
        let variant = seed.deserialize(self.name.into_deserializer())?;
        Ok((variant, self.value))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// The place of an object or an array, whose values are visited in turn.
struct Steps<'a> {
    notes: &'a Notes,
    depth: usize,
}

impl<'a> Steps<'a> {
    fn new(notes: &'a Notes) -> Self {
        let depth = notes.depth();
        Steps { notes, depth }
    }

    fn to(&self, step: fmt::Arguments<'_>, value: Value) -> Reader<'a> {
        let notes = self.notes;
        notes.step(self.depth, step);
        Reader { value, notes }
    }

    /// Called after the last value: errors from here on concern the whole.
    fn back(&self) {
        self.notes.step(self.depth, format_args!(""));
    }
}

struct Entries<'a>(serde_json::map::IntoIter, Steps<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Key, Reader<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let Entries(entries, steps) = self;
        let Some((key, value)) = entries.next() else {
            steps.back();
            return None;
        };
        let dot = if steps.depth == 0 { "" } else { "." };
        let reader = steps.to(format_args!("{dot}{key}"), value);
        Some((Key(key), reader))
    }
}

/// A name in an object. A number or a boolean is written as text there, too.
struct Key(String);

impl Key {
    fn number_or_boolean(&self) -> Option<Value> {
        let value = serde_json::from_str(&self.0).ok()?;
        matches!(value, Value::Number(_) | Value::Bool(_)).then_some(value)
    }
}

macro_rules! by_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            match self.number_or_boolean() {
                Some(value) => value.$method(visitor),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key {
    type Error = serde_json::Error;

    by_text! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.0)
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
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        bytes byte_buf char identifier ignored_any map seq str string struct tuple tuple_struct
        unit unit_struct
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Key {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items<'a>(Enumerate<std::vec::IntoIter<Value>>, Steps<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Reader<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let Items(values, steps) = self;
        let Some((index, value)) = values.next() else {
            steps.back();
            return None;
        };
        Some(steps.to(format_args!("[{index}]"), value))
    }
}

/// `an array`, for an error message.
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

/// The known name that a misspelt name most likely means.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    known
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many characters have to be inserted, removed, replaced or swapped with
/// their neighbour to turn one name into the other. Case, `-` and `_` do not
/// count.
#[expect(
    clippy::indexing_slicing,
    reason = "every row has one element more than `two` has letters"
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
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

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
    fn nested_keys_are_known_as_well() {
        #[derive(Deserialize, Debug, PartialEq)]
        enum Store {
            Local { path: String },
            Remote(Inner),
        }

        #[derive(Deserialize, Debug, PartialEq)]
        struct Nested {
            inner: Option<Inner>,
            list: Vec<Inner>,
            map: BTreeMap<String, Inner>,
            stores: Vec<Store>,
            pair: (u8, u8),
        }

        let read = |value: Value| read_config::<Nested>("E", value.as_object().unwrap());
        let good = json!({
            "inner": { "size": 1 },
            "list": [{ "size": 2 }],
            "map": { "any": { "size": 3 } },
            "stores": [{ "Local": { "path": "x" } }, { "Remote": { "size": 4 } }],
            "pair": [5, 6],
        });
        let nested = read(good.clone()).unwrap();
        assert_eq!(nested.stores[1], Store::Remote(Inner { size: 4 }));
        assert_eq!(nested.map["any"], Inner { size: 3 });

        let change = |change: fn(&mut Value)| {
            let mut value = good.clone();
            change(&mut value);
            let message = read(value).unwrap_err().message().to_owned();
            let (message, takes) = message.split_once("; `E` takes").unwrap();
            assert_eq!(takes, " `inner`, `list`, `map`, `stores` and `pair`");
            message.strip_prefix("`uses_with`: ").unwrap().to_owned()
        };
        assert_eq!(
            change(|value| value["inner"]["sise"] = json!(1)),
            "unknown key `inner.sise` (did you mean `size`?)"
        );
        assert_eq!(
            change(|value| value["list"][0]["x"] = json!(1)),
            "unknown key `list[0].x`"
        );
        assert_eq!(
            change(|value| value["map"]["any"]["x"] = json!(1)),
            "unknown key `map.any.x`"
        );
        assert_eq!(
            change(|value| value["stores"][0]["Local"]["x"] = json!(1)),
            "unknown key `stores[0].Local.x`"
        );
        assert_eq!(
            change(|value| value["stores"][1]["Remote"]["x"] = json!(1)),
            "unknown key `stores[1].Remote.x`"
        );
        // Errors name the place.
        assert_eq!(
            change(|value| value["stores"][1]["Remote"]["size"] = json!("x")),
            "`stores[1].Remote.size`: invalid type: string \"x\", expected u32"
        );
        assert_eq!(
            change(|value| value["stores"][1] = json!("Remote")),
            "`stores[1]`: invalid type: unit variant, expected newtype variant"
        );
        assert_eq!(
            change(|value| value["stores"][1] = json!({ "None": {} })),
            "`stores[1].None`: unknown variant `None`, expected `Local` or `Remote`"
        );
        assert_eq!(
            change(|value| value["pair"] = json!([1, 2, 3])),
            "`pair`: invalid length 3, expected 2 elements in sequence"
        );
        assert_eq!(
            change(|value| value["pair"] = json!([1])),
            "`pair`: invalid length 1, expected a tuple of size 2"
        );
    }

    #[test]
    fn keys_of_maps_are_of_any_type_that_json_has_as_text() {
        #[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Size {
            Small,
        }

        #[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
        struct Id(i8);

        #[derive(Deserialize, Debug, PartialEq)]
        struct Maps {
            numbers: BTreeMap<u32, bool>,
            ids: BTreeMap<Option<Id>, bool>,
            flags: BTreeMap<bool, bool>,
            sizes: BTreeMap<Size, bool>,
            texts: BTreeMap<String, bool>,
        }

        let read = |value: Value| read_config::<Maps>("E", value.as_object().unwrap());
        let mut value = json!({
            "numbers": { "7": true },
            "ids": { "-7": true },
            "flags": { "false": true },
            "sizes": { "Small": true },
            "texts": { "7": true },
        });
        let maps = read(value.clone()).unwrap();
        assert_eq!(
            maps,
            serde_json::from_value(value.clone()).unwrap(),
            "as serde_json reads them"
        );
        assert!(maps.numbers[&7] && maps.texts["7"]);
        value["numbers"] = json!({ "x": true });
        let error = read(value).unwrap_err();
        let message = error.message();
        assert!(
            message.contains("`numbers.x`: invalid type: string \"x\", expected u32"),
            "{message}"
        );
    }

    #[test]
    fn what_is_not_given_is_none() {
        let read = |value: Value| {
            read_config::<Option<Inner>>("E", value.as_object().unwrap())
                .map_err(|error| error.message().to_owned())
        };
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(read(json!({ "size": 1 })), Ok(Some(Inner { size: 1 })));
        assert_eq!(
            read(json!({ "sise": 1 })).unwrap_err(),
            "`uses_with`: unknown key `sise` (did you mean `size`?); missing field `size`; \
             `E` takes `size`"
        );
        assert_eq!(read_parameters::<Option<Inner>>(Map::new()).unwrap(), None);
        // A nested empty object is an object, not an absent value.
        assert_eq!(
            message(json!({ "foo": "x", "bar": 1, "inner": {} })),
            "`uses_with`: `inner`: missing field `size`; \
             `MyExecutor` takes `foo`, `bar` and `inner`"
        );
    }

    #[test]
    fn keys_of_parameters_are_left_alone() {
        let parameters = json!({ "foo": "x", "bar": 1, "inner": { "size": 1, "x": 1 }, "y": 1 });
        let read: Config = read_parameters(parameters.as_object().unwrap().clone()).unwrap();
        assert_eq!(read.inner, Some(Inner { size: 1 }));
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
        assert!(no_config("E", &Map::new(), "").is_ok());
        assert_eq!(
            no_config("E", json!({"a": 1, "b": 2}).as_object().unwrap(), "")
                .unwrap_err()
                .message(),
            "`uses_with` has `a` and `b`, but `E` takes no configuration"
        );
    }

    #[test]
    fn names_are_near() {
        let known = ["greeting", "top_k", "size"];
        assert_eq!(nearest("greting", known.iter()), Some("greeting"));
        assert_eq!(nearest("topK", known.iter()), Some("top_k"));
        assert_eq!(nearest("szie", known.iter()), Some("size"));
        assert_eq!(nearest("colour", known.iter()), None);
        assert_eq!(nearest(&"size".repeat(1 << 20), known.iter()), None);
    }
}
