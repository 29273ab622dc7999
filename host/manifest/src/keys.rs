//! How a key of `flow.toml` is declared.
//!
//! A TOML table is a struct that the [`table!`] macro makes of a list of its keys:
//! what each is called, what it means, of which kind it is. Whoever wants to know
//! the keys visits them, with a [`Visitor`]: the reader of a file takes their
//! values, and reports every other key; the schema's takes what they are. So
//! neither has a list of its own, and a key that nobody uses is dead code to the
//! compiler.

use std::fmt;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeValue;

use crate::context::Context;
use crate::entry::Entry;
use crate::json::{self, members};
use crate::problems::Problems;
use crate::variables::or_variable;

/// A TOML table, as the [`table!`] macro declares it.
pub(crate) trait Keys: Sized {
    /// What the table is called in messages: `[gateway]`.
    const NAME: &'static str;

    /// Visits its keys, in the order of their declaration.
    fn visit(visitor: &mut impl Visitor) -> Self;
}

/// Goes through the keys of a table.
pub(crate) trait Visitor {
    /// The value of a key. `None` if there is none, or if it was refused, which
    /// has then been reported.
    fn key<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        key: Key<K>,
    ) -> Option<Entry<K::Value>>;
}

/// What values a key takes.
pub(crate) trait Kind {
    /// A value, read.
    type Value;

    /// Reads a value, or reports why it cannot be one.
    fn read(&self, value: &Spanned<DeValue<'_>>, context: &mut Context<'_>) -> Option<Self::Value>;

    /// The same as JSON Schema.
    fn schema(&self) -> Map<String, Value>;

    /// What is said if the key has to be there and is not, instead of that it is
    /// missing.
    fn absent(&self) -> Option<&'static str> {
        None
    }
}

/// A key's declaration.
pub(crate) struct Key<K> {
    pub(crate) kind: K,
    pub(crate) presence: Presence,
    pub(crate) examples: Vec<Toml>,
    hint: Option<&'static str>,
}

/// Whether a key has to be there.
pub(crate) enum Presence {
    Optional,
    Required,
    /// The default, as shown to people and editors. The code that uses the value has
    /// its own copy; a test compares the two.
    Default(Toml),
}

impl<K> Key<K> {
    pub(crate) fn new(kind: K) -> Self {
        Key {
            kind,
            presence: Presence::Optional,
            examples: Vec::new(),
            hint: None,
        }
    }

    pub(crate) fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }

    pub(crate) fn default(mut self, value: impl Into<Toml>) -> Self {
        self.presence = Presence::Default(value.into());
        self
    }

    /// A value that the key may have. A message shows all of them.
    pub(crate) fn example(mut self, value: impl Into<Toml>) -> Self {
        self.examples.push(value.into());
        self
    }

    /// In words, what else it may be: a message shows it after the examples.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// `for example: port = 54321, or 0 for any free port`.
    pub(crate) fn example_help(&self, name: &str) -> String {
        let examples = self
            .examples
            .iter()
            .map(|value| format!("{name} = {value}"));
        let hint = self.hint.map(str::to_owned);
        let all: Vec<String> = examples.chain(hint).collect();
        format!("for example: {}", all.join(", or "))
    }
}

/// A value as it is written in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Toml {
    Text(&'static str),
    Integer(u64),
    Boolean(bool),
    /// A list or a table, on one line.
    Inline(&'static str),
}

impl From<&'static str> for Toml {
    fn from(text: &'static str) -> Self {
        Toml::Text(text)
    }
}

impl From<u64> for Toml {
    fn from(number: u64) -> Self {
        Toml::Integer(number)
    }
}

impl From<bool> for Toml {
    fn from(flag: bool) -> Self {
        Toml::Boolean(flag)
    }
}

impl fmt::Display for Toml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Toml::Text(text) => write!(f, "\"{text}\""),
            Toml::Integer(number) => number.fmt(f),
            Toml::Boolean(flag) => flag.fmt(f),
            Toml::Inline(text) => f.write_str(text),
        }
    }
}

impl Toml {
    /// The value as JSON. What is not TOML is null; a test has every declared value
    /// read.
    fn to_json(self) -> Value {
        DeValue::parse(&self.to_string())
            .ok()
            .and_then(|value| json::value(&mut Problems::default(), &value))
            .unwrap_or_default()
    }
}

/// The schema of one table.
pub(crate) fn schema_of<T: Keys>() -> Map<String, Value> {
    let mut properties = Properties::default();
    T::visit(&mut properties);
    members(json!({
        "title": T::NAME,
        "type": "object",
        "properties": properties.schemas,
        "required": properties.required,
        "additionalProperties": false,
    }))
}

/// Collects the schemas of a table's keys.
#[derive(Default)]
struct Properties {
    schemas: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Visitor for Properties {
    fn key<K: Kind>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        key: Key<K>,
    ) -> Option<Entry<K::Value>> {
        let mut schema = or_variable(key.kind.schema());
        let examples = key.examples.iter().map(|value| value.to_json()).collect();
        schema.insert("description".to_owned(), doc.trim().into());
        schema.insert("examples".to_owned(), Value::Array(examples));
        match key.presence {
            Presence::Optional => {}
            Presence::Required => self.required.push(name),
            Presence::Default(value) => {
                schema.insert("default".to_owned(), value.to_json());
            }
        }
        self.schemas.insert(name.to_owned(), Value::Object(schema));
        None
    }
}

/// Declares a TOML table: each key with what it means, its type and its kind.
/// The struct has a field for each key.
macro_rules! table {
    (
        $(#[$meta:meta])*
        struct $table:ident = $name:literal {
            $( $(#[doc = $doc:literal])+ $key:ident: $value:ty = $declaration:expr; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $table {
            $( $(#[doc = $doc])+ pub(crate) $key: Option<$crate::entry::Entry<$value>>, )+
        }

        impl $crate::keys::Keys for $table {
            const NAME: &'static str = $name;

            fn visit(visitor: &mut impl $crate::keys::Visitor) -> Self {
                $table {
                    $( $key: visitor.key(stringify!($key), concat!($($doc),+), $declaration), )+
                }
            }
        }
    };
}
pub(crate) use table;
