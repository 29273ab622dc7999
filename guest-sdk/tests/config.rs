//! `#[config]` and `#[data]`: serde's derives without a dependency on serde, and the
//! schemas that come with them.

use std::collections::HashMap;
use std::marker::PhantomData;

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::serde_json::{from_value, to_value};

mod theirs {
    /// Implements serde's traits without our derives.
    #[derive(Debug, PartialEq, Clone, Default)]
    pub(crate) struct Foreign(pub(crate) u8);

    impl<'de> wasm_flow_sdk::serde::Deserialize<'de> for Foreign {
        fn deserialize<D: wasm_flow_sdk::serde::Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Self, D::Error> {
            u8::deserialize(deserializer).map(Foreign)
        }
    }
}

#[data]
#[derive(Debug, PartialEq, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Many {
    /// How many.
    the_count: u32,
    #[serde(rename = "other", alias = "another")]
    renamed: String,
    #[serde(default = "seven")]
    number: i64,
    #[serde(skip)]
    skipped: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    children: Vec<Self>,
    map: HashMap<String, Vec<f32>>,
    next: Option<Box<Many>>,
}

fn seven() -> i64 {
    7
}

#[data]
#[derive(Debug, PartialEq)]
struct Borrowed<'a, T> {
    #[serde(borrow)]
    text: &'a str,
    value: T,
}

#[data]
#[derive(Debug, PartialEq)]
#[serde(tag = "kind")]
enum Tagged {
    One { value: u32 },
    Two,
}

#[data]
#[derive(Debug, PartialEq)]
struct Newtype(u32);

#[config]
#[derive(Debug, PartialEq, Default)]
#[serde(default)]
struct Defaults {
    foreign: theirs::Foreign,
    r#type: Option<String>,
    pair: (u8, u8),
}

/// serde needs more bounds than that the type parameter can be read.
#[data]
#[derive(Debug, PartialEq)]
struct Page<T> {
    #[serde(default)]
    items: Vec<T>,
    next: Option<Box<Self>>,
}

#[data]
#[derive(Debug, PartialEq)]
#[serde(default)]
struct Settings<T> {
    value: T,
    count: u32,
}

impl<T: From<u8>> Default for Settings<T> {
    fn default() -> Self {
        Settings {
            value: T::from(9),
            count: 1,
        }
    }
}

/// The same, with the bounds stated by the author.
#[config]
#[derive(Debug, PartialEq)]
#[serde(default, bound = "Stated<T>: Default, T: Deserialize<'de>")]
struct Stated<T> {
    value: Option<T>,
}

impl<T> Default for Stated<T> {
    fn default() -> Self {
        Stated { value: None }
    }
}

/// Type parameters with the names of those in serde's methods.
#[data]
#[derive(Debug, PartialEq)]
enum Either<D, S> {
    Left(D),
    Right { right: S },
}

/// Can neither be read nor written, and has no `Default`.
#[derive(Debug, PartialEq)]
struct Inert;

#[data]
#[derive(Debug, PartialEq)]
#[serde(bound(deserialize = "T: std::str::FromStr", serialize = "T: ToString"))]
struct Text<T, U> {
    #[serde(deserialize_with = "from_text", serialize_with = "to_text")]
    value: T,
    #[serde(skip)]
    marker: PhantomData<U>,
}

fn from_text<'de, T: std::str::FromStr, D: wasm_flow_sdk::serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| wasm_flow_sdk::serde::de::Error::custom("no such value"))
}

fn to_text<T: ToString, S: wasm_flow_sdk::serde::Serializer>(
    value: &T,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

/// A skipped field needs `Default`, a marker needs nothing, and the bound on an
/// associated type is stated.
#[data]
#[derive(Debug, PartialEq)]
struct Skips<T, U, I: IntoIterator> {
    #[serde(skip)]
    skipped: T,
    marker: PhantomData<U>,
    #[serde(bound(
        deserialize = "I::Item: Deserialize<'de>",
        serialize = "I::Item: Serialize"
    ))]
    items: Vec<I::Item>,
}

/// Derives of other crates may have the names of serde's.
mod others {
    pub(crate) use std::fmt::Debug as Deserialize;
}

#[config]
#[derive(others::Deserialize)]
struct Elsewhere {
    field: u8,
}

/// Functions of the type itself.
#[data]
#[derive(Debug, PartialEq)]
struct Named<T> {
    #[serde(
        default = "Named::<T>::seven",
        skip_serializing_if = "Named::<T>::is_seven"
    )]
    number: u8,
    value: T,
}

impl<T> Named<T> {
    fn seven() -> u8 {
        7
    }

    fn is_seven(number: &u8) -> bool {
        *number == 7
    }
}

#[test]
fn generic_types_go_there_and_back() {
    macro_rules! same {
        ($value:expr => $json:expr) => {
            let value = $value;
            assert_eq!(to_value(&value).unwrap(), $json);
            assert_eq!(from_value($json).map_err(|_| ()), Ok(value));
        };
    }
    let last = Page {
        items: vec![2],
        next: None,
    };
    same!(
        Page { items: vec![1], next: Some(Box::new(last)) }
            => json!({ "items": [1], "next": { "items": [2], "next": null } })
    );
    assert!(from_value::<Page<u8>>(json!({})).unwrap().items.is_empty());
    same!(Settings { value: 1u16, count: 2 } => json!({ "value": 1, "count": 2 }));
    assert_eq!(from_value::<Settings<u16>>(json!({})).unwrap().value, 9);
    assert_eq!(
        from_value::<Stated<u8>>(json!({})).unwrap(),
        Stated::default()
    );
    same!(Either::<_, u8>::Left("x".to_owned()) => json!({ "Left": "x" }));
    same!(Either::<u8, _>::Right { right: true } => json!({ "Right": { "right": true } }));
    same!(
        Text { value: std::net::Ipv4Addr::LOCALHOST, marker: PhantomData::<Inert> }
            => json!({ "value": "127.0.0.1" })
    );
    same!(
        Skips::<Option<Inert>, Inert, Vec<u8>> {
            skipped: None,
            marker: PhantomData,
            items: vec![1],
        }
            => json!({ "marker": null, "items": [1] })
    );
    let elsewhere: Elsewhere = from_value(json!({ "field": 1 })).unwrap();
    assert_eq!(
        format!("{elsewhere:?} {}", elsewhere.field),
        "Elsewhere { field: 1 } 1"
    );
    same!(Named { number: 7, value: 1 } => json!({ "value": 1 }));
    same!(Named { number: 8, value: 1 } => json!({ "number": 8, "value": 1 }));
}

#[test]
fn values_go_there_and_back() {
    let value = json!({
        "theCount": 3,
        "another": "x",
        "map": { "k": [1.5] },
        "children": [{ "theCount": 1, "other": "y", "map": {} }],
        "next": null,
    });
    let many: Many = from_value(value).unwrap();
    assert_eq!(many.the_count, 3);
    assert_eq!(many.renamed, "x");
    assert_eq!(many.number, 7);
    assert_eq!(many.children[0].renamed, "y");
    let again: Many = from_value(to_value(&many).unwrap()).unwrap();
    assert_eq!(again, many);
    assert!(
        to_value(&many).unwrap()["children"][0]
            .get("children")
            .is_none()
    );

    let text = r#"{ "text": "borrowed", "value": [1] }"#;
    let borrowed: Borrowed<'_, Vec<u8>> = wasm_flow_sdk::serde_json::from_str(text).unwrap();
    assert_eq!(
        borrowed,
        Borrowed {
            text: "borrowed",
            value: vec![1]
        }
    );

    for tagged in [Tagged::One { value: 1 }, Tagged::Two] {
        let value = to_value(&tagged).unwrap();
        assert_eq!(from_value::<Tagged>(value).unwrap(), tagged);
    }
    assert_eq!(to_value(Newtype(3)).unwrap(), json!(3));
    assert_eq!(
        from_value::<Defaults>(json!({ "type": "x" }))
            .unwrap()
            .r#type
            .unwrap(),
        "x"
    );
}

#[test]
fn errors_name_the_type_and_the_field() {
    let message = |value| from_value::<Many>(value).unwrap_err().to_string();
    assert_eq!(message(json!({})), "missing field `theCount`");
    assert_eq!(
        message(json!({ "theCount": 1, "x": 1 })),
        "unknown field `x`, expected one of `theCount`, `another`, `other`, `number`, `children`, \
         `map`, `next`"
    );
    assert_eq!(
        message(json!(3)),
        "invalid type: integer `3`, expected struct Many"
    );
}

/// A schema as `describe` returns it.
macro_rules! config_schema {
    ($config:ty) => {{
        struct Probe;

        #[executor]
        impl Probe {
            fn new(_config: $config) -> Self {
                Probe
            }
        }

        use wasm_flow_sdk::Executor;
        Probe::describe().config_schema
    }};
}

#[test]
fn schemas() {
    let json = |text: &str| wasm_flow_sdk::serde_json::from_str::<Json>(text).unwrap();
    assert_eq!(
        json(&config_schema!(Defaults)),
        json!({
            "type": "object",
            "properties": {
                "foreign": {},
                "type": { "type": ["string", "null"] },
                "pair": {
                    "type": "array",
                    "prefixItems": [
                        { "type": "integer", "minimum": 0 },
                        { "type": "integer", "minimum": 0 },
                    ],
                },
            },
            "additionalProperties": false,
        })
    );
    assert_eq!(
        json(&config_schema!(Newtype)),
        json!({ "type": "integer", "minimum": 0 })
    );
    // Not known.
    assert_eq!(config_schema!(Tagged), "");
    assert_eq!(config_schema!(theirs::Foreign), "");
    assert_eq!(config_schema!(Page<theirs::Foreign>), "");
    // Known anyway.
    assert_eq!(config_schema!(Map), "");
    assert_eq!(config_schema!(Json), "");
    // A type with parameters.
    assert_eq!(
        json(&config_schema!(Page<bool>)),
        json!({
            "description": "serde needs more bounds than that the type parameter can be read.",
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": { "type": "boolean" } },
                "next": {},
            },
            "additionalProperties": false,
        })
    );
    // A type that contains itself is described only once.
    let many = json(&config_schema!(Many));
    assert_eq!(many["required"], json!(["theCount", "other", "map"]));
    assert_eq!(many["properties"]["theCount"]["description"], "How many.");
    assert_eq!(
        many["properties"]["children"],
        json!({ "type": "array", "items": {} })
    );
    assert_eq!(
        many["properties"]["map"],
        json!({
            "type": "object",
            "additionalProperties": { "type": "array", "items": { "type": "number" } },
        })
    );
}

/// Values of which little is known, which may be left out nevertheless.
#[config]
#[expect(dead_code, reason = "only described")]
struct Loose {
    json: Option<Json>,
    map: Option<Map>,
    pair: Option<(u8, String)>,
    tagged: Option<Tagged>,
    foreign: Option<theirs::Foreign>,
    foreigners: Option<Vec<theirs::Foreign>>,
    tagged_by_name: Option<HashMap<String, Tagged>>,
    /// What it is here.
    nested: Option<Nested>,
    list: Option<Vec<Nested>>,
    by_name: HashMap<String, Option<Choice>>,
    needed: Json,
}

/// What it is.
#[config]
#[expect(dead_code, reason = "only described")]
struct Nested {
    /// Which one.
    choice: Choice,
}

/// One of two.
#[config]
#[serde(rename_all = "lowercase")]
enum Choice {
    One,
    Two,
}

#[test]
fn schemas_of_options() {
    let schema = config_schema!(Loose);
    // Counted in the text, because a parser would keep only the last of two keys.
    assert_eq!(schema.matches("What it is").count(), 2);
    let nested = |description: &str, kind: Json| {
        json!({
            "description": description,
            "type": kind,
            "properties": {
                "choice": {
                    "description": "Which one.",
                    "type": "string",
                    "enum": ["one", "two"],
                },
            },
            "required": ["choice"],
            "additionalProperties": false,
        })
    };
    assert_eq!(
        wasm_flow_sdk::serde_json::from_str::<Json>(&schema).unwrap(),
        json!({
            "description": "Values of which little is known, which may be left out nevertheless.",
            "type": "object",
            "properties": {
                "json": {},
                "map": { "type": ["object", "null"] },
                "pair": {
                    "type": ["array", "null"],
                    "prefixItems": [
                        { "type": "integer", "minimum": 0 },
                        { "type": "string" },
                    ],
                },
                "tagged": {},
                "foreign": {},
                "foreigners": { "type": ["array", "null"], "items": {} },
                "tagged_by_name": { "type": ["object", "null"], "additionalProperties": {} },
                "nested": nested("What it is here.", json!(["object", "null"])),
                "list": { "type": ["array", "null"], "items": nested("What it is.", json!("object")) },
                "by_name": {
                    "type": "object",
                    "additionalProperties": {
                        "description": "One of two.",
                        "type": ["string", "null"],
                        "enum": ["one", "two", null],
                    },
                },
                "needed": {},
            },
            "required": ["by_name", "needed"],
            "additionalProperties": false,
        })
    );
}

/// Contains itself in several places, as a query does.
#[config]
#[expect(dead_code, reason = "only described")]
struct Filter {
    /// All of these.
    and: Vec<Filter>,
    /// One of these.
    or: Vec<Filter>,
    not: Option<Box<Filter>>,
    other: Mutual,
}

#[config]
#[expect(dead_code, reason = "only described")]
struct Mutual {
    filters: Vec<Filter>,
}

#[config]
#[expect(dead_code, reason = "only described")]
struct Same(Vec<Same>);

/// A type with sixteen fields of another type, which has sixteen fields itself, and
/// so on.
macro_rules! wide {
    ($($name:ident of $inner:ty;)*) => {$(
        #[config]
        #[expect(dead_code, reason = "only described")]
        struct $name {
            a: $inner, b: $inner, c: $inner, d: $inner, e: $inner, f: $inner, g: $inner, h: $inner,
            i: $inner, j: $inner, k: $inner, l: $inner, m: $inner, n: $inner, o: $inner, p: $inner,
        }
    )*};
}

wide! {
    Wide of Wide1;
    Wide1 of Wide2;
    Wide2 of Wide3;
    Wide3 of Wide4;
    Wide4 of Wide5;
    Wide5 of Wide6;
    Wide6 of Wide7;
    Wide7 of u8;
}

#[test]
fn schemas_are_not_longer_than_a_host_takes() {
    let filter = config_schema!(Filter);
    let filter = wasm_flow_sdk::serde_json::from_str::<Json>(&filter).unwrap();
    assert_eq!(
        filter["properties"],
        json!({
            "and": { "description": "All of these.", "type": "array", "items": {} },
            "or": { "description": "One of these.", "type": "array", "items": {} },
            "not": {},
            "other": {
                "type": "object",
                "properties": { "filters": { "type": "array", "items": {} } },
                "required": ["filters"],
                "additionalProperties": false,
            },
        })
    );
    assert_eq!(config_schema!(Same), r#"{"type":"array","items":{}}"#);
    assert_eq!(config_schema!(Wide), "");
}
