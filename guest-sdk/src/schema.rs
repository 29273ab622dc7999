//! JSON schemas of the author's types, for `describe`.
//!
//! `#[derive(Deserialize)]` of this crate writes a [`Described`] beside the
//! deserialiser. Types without one (of other crates, or generic) are allowed
//! everywhere: their schema is `{}`, anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;

use crate::Parameters;

/// Types nest, and may hold themselves: where a schema says `{}` and stops.
const MAX_DEPTH: u32 = 8;

/// A JSON schema on its way out.
#[derive(Default)]
pub struct Schema {
    out: String,
    depth: u32,
    closed: bool,
}

impl Schema {
    /// The schema of an executor's configuration, empty where not known.
    pub fn of_config(write: impl FnOnce(&mut Schema) -> bool) -> String {
        Schema {
            // Unknown keys are refused at start.
            closed: true,
            ..Schema::default()
        }
        .finish(write)
    }

    /// The schema of a handler's parameters, empty where not known.
    pub fn of_parameters(write: impl FnOnce(&mut Schema) -> bool) -> String {
        Schema::default().finish(write)
    }

    fn finish(mut self, write: impl FnOnce(&mut Schema) -> bool) -> String {
        if write(&mut self) {
            self.out
        } else {
            String::new()
        }
    }

    /// A schema as JSON text.
    pub fn text(&mut self, json: &str) {
        self.out.push_str(json);
    }

    fn string(&mut self, value: &str) {
        // A string is always JSON.
        self.out
            .push_str(&serde_json::to_string(value).unwrap_or_default());
    }

    fn nested(&mut self, write: impl FnOnce(&mut Schema)) {
        if self.depth >= MAX_DEPTH {
            self.text("{}");
            return;
        }
        self.depth += 1;
        let closed = std::mem::take(&mut self.closed);
        write(self);
        self.closed = closed;
        self.depth -= 1;
    }

    fn around<T: Described>(&mut self, before: &str, after: &str) {
        self.text(before);
        self.nested(T::schema);
        self.text(after);
    }

    /// A struct with named fields.
    pub fn object(&mut self, description: &str, closed: bool, fields: &[Field]) {
        let closed = closed || self.closed;
        self.text(r#"{"type":"object","#);
        if !description.is_empty() {
            self.text(r#""description":"#);
            self.string(description);
            self.text(",");
        }
        self.text(r#""properties":{"#);
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.string(field.name);
            self.text(":");
            let start = self.out.len();
            self.nested(field.write);
            if !field.description.is_empty() {
                let rest = self.out.split_off(start + 1);
                self.text(r#""description":"#);
                self.string(field.description);
                if rest != "}" {
                    self.text(",");
                }
                self.out.push_str(&rest);
            }
        }
        self.text("}");
        let mut required = fields.iter().filter(|field| field.required).peekable();
        if required.peek().is_some() {
            self.text(r#","required":["#);
            for (index, field) in required.enumerate() {
                if index > 0 {
                    self.text(",");
                }
                self.string(field.name);
            }
            self.text("]");
        }
        if closed {
            self.text(r#","additionalProperties":false"#);
        }
        self.text("}");
    }

    /// An enum whose variants hold nothing.
    pub fn choice(&mut self, names: &[&str]) {
        self.text(r#"{"enum":["#);
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.string(name);
        }
        self.text("]}");
    }
}

/// A field of a struct.
pub struct Field {
    /// As it is called in JSON.
    pub name: &'static str,
    /// Its doc comment.
    pub description: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Writes its type's schema.
    pub write: fn(&mut Schema),
}

/// A type whose schema is known.
pub trait Described {
    /// Whether a field of this type may be left out.
    const OPTIONAL: bool = false;

    /// Writes the schema: one JSON object.
    fn schema(schema: &mut Schema);
}

macro_rules! described {
    ($($json:literal: $($type:ty),*;)*) => {$($(
        impl Described for $type {
            fn schema(schema: &mut Schema) {
                schema.text($json);
            }
        }
    )*)*};
}

described! {
    r#"{"type":"boolean"}"#: bool;
    r#"{"type":"string"}"#: String, str, char, std::path::PathBuf;
    r#"{"type":"number"}"#: f32, f64;
    r#"{"type":"integer"}"#: i8, i16, i32, i64, isize;
    r#"{"type":"integer","minimum":0}"#: u8, u16, u32, u64, usize;
    r#"{"type":"integer","minimum":1}"#:
        std::num::NonZeroU8, std::num::NonZeroU16, std::num::NonZeroU32, std::num::NonZeroU64,
        std::num::NonZeroUsize;
}

impl<T: Described> Described for Option<T> {
    const OPTIONAL: bool = true;

    fn schema(schema: &mut Schema) {
        schema.around::<T>(r#"{"anyOf":["#, r#",{"type":"null"}]}"#);
    }
}

impl<T: Described> Described for Box<T> {
    const OPTIONAL: bool = T::OPTIONAL;

    fn schema(schema: &mut Schema) {
        schema.nested(T::schema);
    }
}

macro_rules! arrays {
    ($($type:ty),*) => {$(
        impl<T: Described> Described for $type {
            fn schema(schema: &mut Schema) {
                schema.around::<T>(r#"{"type":"array","items":"#, "}");
            }
        }
    )*};
}

arrays!(Vec<T>, HashSet<T>, BTreeSet<T>);

impl<T: Described> Described for HashMap<String, T> {
    fn schema(schema: &mut Schema) {
        schema.around::<T>(r#"{"type":"object","additionalProperties":"#, "}");
    }
}

impl<T: Described> Described for BTreeMap<String, T> {
    fn schema(schema: &mut Schema) {
        HashMap::<String, T>::schema(schema);
    }
}

/// An argument of a handler that has a schema to tell.
impl<T: Described> Described for Parameters<T> {
    fn schema(schema: &mut Schema) {
        T::schema(schema);
    }
}

impl<T: Described> Described for &Parameters<T> {
    fn schema(schema: &mut Schema) {
        T::schema(schema);
    }
}

/// Asks for a type's schema where it may have none: `(&&Probe::<T>::NEW)` calls
/// [`Known`]'s methods for a [`Described`] type and [`Unknown`]'s for any other.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Probe<T> {
    /// A probe of the type.
    pub const NEW: Probe<T> = Probe(PhantomData);
}

/// What a probe says of a described type.
pub trait Known {
    /// Writes the schema; whether there is one.
    fn write(&self, schema: &mut Schema) -> bool;
    /// Whether a field of the type may be left out.
    fn optional(&self) -> bool;
}

impl<T: Described + ?Sized> Known for &Probe<T> {
    fn write(&self, schema: &mut Schema) -> bool {
        T::schema(schema);
        true
    }

    fn optional(&self) -> bool {
        T::OPTIONAL
    }
}

/// What a probe says of any other type.
pub trait Unknown {
    /// Writes nothing; whether there is a schema.
    fn write(&self, schema: &mut Schema) -> bool;
    /// Whether a field of the type may be left out.
    fn optional(&self) -> bool;
}

impl<T: ?Sized> Unknown for Probe<T> {
    fn write(&self, _schema: &mut Schema) -> bool {
        false
    }

    fn optional(&self) -> bool {
        false
    }
}
