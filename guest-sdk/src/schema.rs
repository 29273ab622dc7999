//! JSON schemas of the author's types, for `describe`.
//!
//! `#[config]` and `#[data]` implement [`Described`] in addition to serde's traits.
//! Types without it (those of other crates, and those whose shape serde's attributes
//! change) are allowed everywhere: their schema is `{}`, which means anything.
//!
//! Why this is not schemars: a field whose type has no schema does not compile there,
//! and it makes components larger. Those of the quickstart when this was decided, in
//! bytes, in a release build for wasm32-wasip2, with schemars 1.2.3 without its
//! default features:
//!
//! | component | with this file | with schemars | more |
//! | --- | --- | --- | --- |
//! | `split` (no schema) | 421,514 | 419,016 | -2,498 |
//! | `clean` | 478,826 | 578,303 | 99,477 |
//! | `embed` | 477,782 | 559,201 | 81,419 |
//! | `dedupe` | 539,017 | 639,046 | 100,029 |
//!
//! It would have been taken for less than 60 KB each.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::Parameters;

/// The longest schema that a host accepts, in bytes. A longer one is left out.
const MAX_LENGTH: usize = 64 * 1024;

/// A JSON schema that is being written.
#[derive(Default)]
pub struct Schema {
    out: String,
    place: Place,
    /// The author's types that are being described, each nested in the one before.
    open: Vec<TypeId>,
    /// Whether keys that a struct does not have are refused.
    closed: bool,
}

/// What the place of the next type says about it.
#[derive(Default)]
struct Place {
    /// The field's doc comment.
    description: &'static str,
    /// Whether it is in an `Option`.
    nullable: bool,
}

impl Schema {
    /// The schema of an executor's configuration, empty if nothing is known of it.
    pub fn of_config(write: impl FnOnce(&mut Schema) -> bool) -> String {
        Schema {
            closed: true,
            ..Schema::default()
        }
        .finish(write)
    }

    /// The schema of a handler's parameters, empty if nothing is known of them.
    pub fn of_parameters(write: impl FnOnce(&mut Schema) -> bool) -> String {
        Schema::default().finish(write)
    }

    fn finish(mut self, write: impl FnOnce(&mut Schema) -> bool) -> String {
        // All configurations and parameters are objects.
        let says = |schema: &str| !matches!(schema, "{}" | r#"{"type":"object"}"#);
        if write(&mut self) && self.out.len() <= MAX_LENGTH && says(&self.out) {
            self.out
        } else {
            String::new()
        }
    }

    fn text(&mut self, json: &str) {
        self.out.push_str(json);
    }

    fn string(&mut self, value: &str) {
        // Writing a string as JSON does not fail.
        self.out
            .push_str(&serde_json::to_string(value).unwrap_or_default());
    }

    /// Begins the schema of a type of this kind, or of any kind if it is empty. A
    /// description from the type's place takes precedence over its own.
    fn begin(&mut self, kind: &str, description: &str) -> Place {
        let place = std::mem::take(&mut self.place);
        let description = match place.description {
            "" => description,
            description => description,
        };
        self.text("{");
        if !description.is_empty() {
            self.text(r#""description":"#);
            self.string(description);
        }
        if !kind.is_empty() {
            let (before, after) = match place.nullable {
                true => (r#""type":["#, r#","null"]"#),
                false => (r#""type":"#, ""),
            };
            if !description.is_empty() {
                self.text(",");
            }
            self.text(before);
            self.string(kind);
            self.text(after);
        }
        place
    }

    /// A type about which nothing is known.
    pub fn any(&mut self) {
        self.begin("", "");
        self.text("}");
    }

    fn simple(&mut self, kind: &str, rest: &str) {
        self.begin(kind, "");
        self.text(rest);
        self.text("}");
    }

    /// An array or an object whose elements are all of one type.
    fn around(&mut self, container: Container, write: impl FnOnce(&mut Schema)) {
        let (kind, key) = match container {
            Container::Array => ("array", r#","items":"#),
            Container::Object => ("object", r#","additionalProperties":"#),
        };
        self.begin(kind, "");
        self.text(key);
        write(self);
        self.text("}");
    }

    /// One of the author's types. If it contains itself, the inner one is `{}`. So
    /// is every type in a schema that is too long already.
    pub fn own(&mut self, id: TypeId, write: fn(&mut Schema)) {
        if self.open.contains(&id) || self.out.len() > MAX_LENGTH {
            return self.any();
        }
        self.open.push(id);
        write(self);
        self.open.pop();
    }

    /// A struct with named fields.
    pub fn object(&mut self, description: &str, closed: bool, fields: &[Field]) {
        self.begin("object", description);
        self.text(r#","properties":{"#);
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.string(field.name);
            self.text(":");
            self.place.description = field.description;
            (field.write)(self);
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
        if closed || self.closed {
            self.text(r#","additionalProperties":false"#);
        }
        self.text("}");
    }

    /// An enum whose variants hold no data.
    pub fn choice(&mut self, description: &str, names: &[&str]) {
        let place = self.begin("string", description);
        self.text(r#","enum":["#);
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.string(name);
        }
        if place.nullable {
            self.text(",null");
        }
        self.text("]}");
    }
}

/// What holds elements of one type.
#[derive(Clone, Copy)]
enum Container {
    Array,
    /// With free names.
    Object,
}

/// A field of a struct.
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its doc comment.
    pub description: &'static str,
    /// Whether it must be present.
    pub required: bool,
    /// Writes its type's schema.
    pub write: fn(&mut Schema),
}

/// A type whose schema is known.
pub trait Described {
    /// Writes the schema: one JSON object.
    fn schema(schema: &mut Schema);
}

/// A type that holds others, of which nothing needs to be known.
pub trait Shaped {
    /// Writes the schema: one JSON object.
    fn shape(schema: &mut Schema);
}

macro_rules! described {
    ($($kind:literal $rest:literal: $($type:ty),*;)*) => {$($(
        impl Described for $type {
            fn schema(schema: &mut Schema) {
                schema.simple($kind, $rest);
            }
        }
    )*)*};
}

described! {
    "boolean" "": bool;
    "string" "":
        String, str, Cow<'_, str>, char, PathBuf, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr;
    "number" "": f32, f64;
    "integer" "":
        i8, i16, i32, i64, i128, isize, num::NonZeroI8, num::NonZeroI16, num::NonZeroI32,
        num::NonZeroI64, num::NonZeroI128, num::NonZeroIsize;
    "integer" r#","minimum":0"#: u8, u16, u32, u64, u128, usize;
    "integer" r#","minimum":1"#:
        num::NonZeroU8, num::NonZeroU16, num::NonZeroU32, num::NonZeroU64, num::NonZeroU128,
        num::NonZeroUsize;
    "object" "": Map<String, Value>;
}

impl Described for Value {
    fn schema(schema: &mut Schema) {
        schema.any();
    }
}

/// Types that wrap another one. `$before` is what they say about its place.
macro_rules! wrappers {
    ($($type:ty $(, $before:expr)?;)*) => {$(
        impl<T: Described> Described for $type {
            fn schema(schema: &mut Schema) {
                $($before(schema);)?
                T::schema(schema);
            }
        }

        impl<T: Shaped> Shaped for $type {
            fn shape(schema: &mut Schema) {
                $($before(schema);)?
                T::shape(schema);
            }
        }
    )*};
}

wrappers! {
    Option<T>, (|schema: &mut Schema| schema.place.nullable = true);
    Box<T>;
}

macro_rules! containers {
    ($($kind:ident: $([$($generics:tt)*] $type:ty),*;)*) => {$($(
        impl<T: Described, $($generics)*> Described for $type {
            fn schema(schema: &mut Schema) {
                schema.around(Container::$kind, T::schema);
            }
        }

        impl<T, $($generics)*> Shaped for $type {
            fn shape(schema: &mut Schema) {
                schema.around(Container::$kind, Schema::any);
            }
        }
    )*)*};
}

containers! {
    Array:
        [] Vec<T>, [] VecDeque<T>, [] Box<[T]>, [] BTreeSet<T>, [S] HashSet<T, S>,
        [const N: usize] [T; N];
    Object: [K] BTreeMap<K, T>, [K, S] HashMap<K, T, S>;
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => {$(
        impl<$first: Described, $($rest: Described),*> Described for ($first, $($rest),*) {
            fn schema(schema: &mut Schema) {
                schema.begin("array", "");
                schema.text(r#","prefixItems":["#);
                $first::schema(schema);
                $(
                    schema.text(",");
                    $rest::schema(schema);
                )*
                schema.text("]}");
            }
        }
    )*};
}

tuples! {
    A B;
    A B C;
    A B C D;
}

/// The argument of a handler that has a schema.
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

/// Finds out whether a type implements a trait: a method call on
/// `(&&&Probe::<T>::NEW)` resolves to [`Known`]'s method if the type is
/// [`Described`], to [`Partly`]'s if it is only [`Shaped`], and to [`Unknown`]'s
/// if it is neither. [`Optional`] and [`Required`] work in the same way.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Probe<T> {
    /// A probe of the type.
    pub const NEW: Probe<T> = Probe(PhantomData);
}

/// The probe of a described type.
pub trait Known {
    /// Writes the schema, and returns whether there is one.
    fn write(&self, schema: &mut Schema) -> bool;
}

impl<T: Described + ?Sized> Known for &&Probe<T> {
    fn write(&self, schema: &mut Schema) -> bool {
        T::schema(schema);
        true
    }
}

/// The probe of a type that holds others.
pub trait Partly {
    /// Writes the schema, and returns whether there is one.
    fn write(&self, schema: &mut Schema) -> bool;
}

impl<T: Shaped + ?Sized> Partly for &Probe<T> {
    fn write(&self, schema: &mut Schema) -> bool {
        T::shape(schema);
        true
    }
}

/// What a probe says of any other type.
pub trait Unknown {
    /// Writes nothing, and returns whether there is a schema.
    fn write(&self, schema: &mut Schema) -> bool;
}

impl<T: ?Sized> Unknown for Probe<T> {
    fn write(&self, _schema: &mut Schema) -> bool {
        false
    }
}

/// The probe of an `Option`, whatever it contains.
pub trait Optional {
    /// Whether serde lets a field of the type be left out.
    fn optional(&self) -> bool;
}

impl<T> Optional for &Probe<Option<T>> {
    fn optional(&self) -> bool {
        true
    }
}

/// What a probe says of any other type.
pub trait Required {
    /// Whether serde lets a field of the type be left out.
    fn optional(&self) -> bool;
}

impl<T: ?Sized> Required for Probe<T> {
    fn optional(&self) -> bool {
        false
    }
}
