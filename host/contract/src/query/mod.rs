//! Which documents an executor is sent: `when`, in docarray's query language.
//!
//! ```
//! use serde_json::json;
//! use wasm_flow_contract::query::Query;
//! use wasm_flow_document::Document;
//!
//! let query = Query::parse(&json!({ "text": { "$regex": "^h" } })).unwrap();
//! assert!(query.matches(&Document::from_text("hello")));
//! assert!(!query.matches(&Document::from_text("good day")));
//! ```
//!
//! Source: `DocumentArray.find` of docarray 0.21. It differs where docarray has a
//! fault: a value of another kind than the operator compares is no match (docarray
//! fails the request), the keys of an object beside `$or` hold all (docarray makes
//! them part of the `$or`), and a query that cannot be evaluated is refused when it
//! is read (docarray fails each request).

mod field;
mod parse;
mod seen;
mod shown;

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value;
use wasm_flow_document::{Document, DocumentArray};

use field::Field;
use seen::Seen;

pub use parse::QueryError;

/// A condition on documents. Compiled and checked.
#[derive(Debug, Clone)]
pub struct Query {
    source: Value,
    root: Condition,
}

/// Equal if they are written in the same way.
impl PartialEq for Query {
    fn eq(&self, other: &Query) -> bool {
        self.source == other.source
    }
}

impl Eq for Query {}

#[derive(Debug, Clone)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Field(Field, Test),
}

/// What is asked of a field's value.
#[derive(Debug, Clone)]
enum Test {
    /// Whether it is equal.
    Equal(Operand),
    /// Whether it is not.
    NotEqual(Operand),
    /// How it is ordered: any of these.
    Ordered(&'static [Ordering], Operand),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Regex(Box<Regex>),
    Size(u64),
    Exists(bool),
}

/// What a value is compared with.
#[derive(Debug, Clone)]
enum Operand {
    Value(Value),
    /// Another field of the document: `{tags__name}`.
    Field(Field),
}

impl Query {
    /// Reads a query: an object of fields, each with an object of operators.
    ///
    /// # Errors
    /// If it is not one. The error says where.
    pub fn parse(query: &Value) -> Result<Query, QueryError> {
        let root = parse::parse(query)?;
        Ok(Query {
            source: query.clone(),
            root,
        })
    }

    /// The query as it was written.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Whether a document is one that is asked for.
    pub fn matches(&self, doc: &Document) -> bool {
        self.root.holds(doc)
    }

    /// The documents that are asked for, which are shared and not copied.
    pub fn select(&self, docs: &DocumentArray) -> DocumentArray {
        docs.filtered(|doc| self.matches(doc))
    }
}

impl Condition {
    fn holds(&self, doc: &Document) -> bool {
        match self {
            Condition::All(conditions) => conditions.iter().all(|one| one.holds(doc)),
            Condition::Any(conditions) => conditions.iter().any(|one| one.holds(doc)),
            Condition::Not(condition) => !condition.holds(doc),
            Condition::Field(field, test) => field.see(doc, |seen| test.holds(field, &seen, doc)),
        }
    }
}

impl Test {
    fn holds(&self, field: &Field, seen: &Seen<'_>, doc: &Document) -> bool {
        match self {
            Test::Equal(operand) => operand.see(doc, |other| seen.equals(&other)),
            Test::NotEqual(operand) => !operand.see(doc, |other| seen.equals(&other)),
            Test::Ordered(orders, operand) => operand.see(doc, |other| {
                seen.order(&other)
                    .is_some_and(|order| orders.contains(&order))
            }),
            Test::In(values) => values.iter().any(|value| seen.equals(&value.into())),
            Test::NotIn(values) => !values.iter().any(|value| seen.equals(&value.into())),
            Test::Regex(regex) => seen.text().is_some_and(|text| regex.is_match(text)),
            Test::Size(size) => seen.size().is_some_and(|own| own as u64 == *size),
            Test::Exists(exists) => field.is_set(seen) == *exists,
        }
    }
}

impl Operand {
    fn see<T>(&self, doc: &Document, look: impl FnOnce(Seen<'_>) -> T) -> T {
        match self {
            Operand::Value(value) => look(value.into()),
            Operand::Field(field) => field.see(doc, look),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasm_flow_document::{Content, Dense, NdArray, Struct};

    use super::*;

    fn doc() -> Document {
        let tags = json!({
            "n": 5, "lang": "en", "flag": true, "nothing": null,
            "list": [1, 2, 3], "deep": { "a": [{ "b": "x" }] }, "other": "hello",
        });
        Document {
            tags: Some(Struct::from_json(&tags.to_string()).unwrap()),
            weight: 0.5,
            chunks: DocumentArray::from_texts(["a", "b"]),
            scores: vec![(
                "cosine".into(),
                wasm_flow_document::NamedScore {
                    value: 0.25,
                    ..Default::default()
                },
            )],
            ..Document::from_text("hello")
        }
    }

    #[track_caller]
    fn matches(query: Value) -> bool {
        Query::parse(&query).unwrap().matches(&doc())
    }

    #[test]
    fn values_are_compared() {
        for (query, expected) in [
            (json!({ "tags__n": { "$eq": 5 } }), true),
            (json!({ "tags__n": { "$eq": 5.0 } }), true),
            (json!({ "tags__n": { "$neq": 5 } }), false),
            (json!({ "tags__n": { "$lt": 5 } }), false),
            (json!({ "tags__n": { "$lte": 5 } }), true),
            (json!({ "tags__n": { "$gt": 4 } }), true),
            (json!({ "tags__n": { "$gte": 5.5 } }), false),
            (json!({ "tags__n": { "$gt": 1, "$lt": 5 } }), false),
            (json!({ "tags__lang": { "$gt": "de" } }), true),
            (json!({ "tags__flag": { "$eq": true } }), true),
            (json!({ "weight": { "$eq": 0.5 } }), true),
            (json!({ "text": { "$eq": "hello" } }), true),
            (json!({ "scores__cosine__value": { "$lt": 0.3 } }), true),
            // What is not there is equal to nothing but null, and has no order.
            (json!({ "tags__none": { "$lt": 5 } }), false),
            (json!({ "tags__none": { "$neq": 5 } }), true),
            (json!({ "tags__none": { "$eq": null } }), true),
            (json!({ "tags__none__below": { "$eq": 1 } }), false),
            // Another kind of value.
            (json!({ "tags__n": { "$lt": "x" } }), false),
            (json!({ "tags__lang": { "$gte": 0 } }), false),
        ] {
            assert_eq!(matches(query.clone()), expected, "{query}");
        }
    }

    #[test]
    fn other_operators() {
        for (query, expected) in [
            (json!({ "tags__lang": { "$in": ["en", "de"] } }), true),
            (json!({ "tags__lang": { "$nin": ["en", "de"] } }), false),
            (json!({ "tags__none": { "$nin": [1] } }), true),
            (json!({ "text": { "$regex": "l+o$" } }), true),
            (json!({ "text": { "$regex": "^l" } }), false),
            (json!({ "tags__n": { "$regex": "5" } }), false),
            (json!({ "chunks": { "$size": 2 } }), true),
            (json!({ "text": { "$size": 5 } }), true),
            (json!({ "tags__list": { "$size": 3 } }), true),
            (json!({ "tags__n": { "$size": 1 } }), false),
            (json!({ "tags__n": { "$exists": true } }), true),
            (json!({ "tags__none": { "$exists": false } }), true),
            (json!({ "uri": { "$exists": true } }), false),
            (json!({ "embedding": { "$exists": false } }), true),
            (json!({ "matches": { "$exists": false } }), true),
            (json!({ "tags__deep__a__0__b": { "$eq": "x" } }), true),
            (json!({ "text": { "$eq": "{tags__other}" } }), true),
            (json!({ "text": { "$eq": "{tags__lang}" } }), false),
            (json!({ "text": { "$eq": "{\"a\": 1}" } }), false),
        ] {
            assert_eq!(matches(query.clone()), expected, "{query}");
        }
        let blob = Document {
            content: Content::Blob(b"abc".as_slice().into()),
            ..Document::default()
        };
        let exists = Query::parse(&json!({ "blob": { "$exists": true } })).unwrap();
        assert!(exists.matches(&blob) && !exists.matches(&doc()));
        let array = |shape: Vec<u32>| {
            let len = shape.iter().product::<u32>() as usize * 4;
            let dense = Dense::new("<f4".into(), shape, vec![0; len].into()).unwrap();
            Some(std::sync::Arc::new(NdArray::numpy(dense)))
        };
        let rows = |shape: Vec<u32>| Document {
            embedding: array(shape),
            ..Document::default()
        };
        let size = |size: u64| Query::parse(&json!({ "embedding": { "$size": size } })).unwrap();
        assert!(size(3).matches(&rows(vec![3, 2])) && !size(1).matches(&rows(vec![3, 2])));
        assert!(size(0).matches(&rows(vec![0])) && !size(0).matches(&rows(vec![])));
        assert!(!size(0).matches(&doc()));
        let exists = Query::parse(&json!({ "embedding": { "$exists": true } })).unwrap();
        assert!(exists.matches(&rows(vec![])) && !exists.matches(&doc()));
    }

    #[test]
    fn conditions_are_combined() {
        let five = json!({ "tags__n": { "$eq": 5 } });
        let six = json!({ "tags__n": { "$eq": 6 } });
        for (query, expected) in [
            (json!({}), true),
            (json!({ "$and": [five, six] }), false),
            (json!({ "$or": [six, five] }), true),
            (json!({ "$not": six }), true),
            (json!({ "$not": [five, six] }), true),
            (json!({ "$not": { "$or": [five, six] } }), false),
            (
                json!({ "tags__n": { "$eq": 5 }, "text": { "$eq": "x" } }),
                false,
            ),
            (json!({ "$or": [five], "text": { "$eq": "x" } }), false),
            (json!({ "text": { "$not": { "$eq": "x" } } }), true),
        ] {
            assert_eq!(matches(query.clone()), expected, "{query}");
        }
    }

    /// Objects and lists are compared whole, whatever form a number has, up to a bound.
    #[test]
    fn objects_and_lists_are_compared() {
        for (query, expected) in [
            (json!({ "tags__list": { "$eq": [1, 2.0, 3] } }), true),
            (json!({ "tags__list": { "$eq": [1, 2] } }), false),
            (json!({ "tags__list": { "$in": [[3], [1, 2, 3]] } }), true),
            (json!({ "tags__list": { "$neq": [3, 2, 1] } }), true),
            (
                json!({ "tags__deep": { "$eq": { "a": [{ "b": "x" }] } } }),
                true,
            ),
            (
                json!({ "tags__deep": { "$eq": { "a": [{ "b": "y" }] } } }),
                false,
            ),
            (json!({ "tags__deep": { "$eq": "{tags__deep}" } }), true),
            (json!({ "tags__list": { "$eq": "{tags__deep__a}" } }), false),
            (json!({ "tags": { "$size": 7 } }), true),
            (json!({ "tags": { "$exists": true } }), true),
            (json!({ "tags__deep": { "$size": 1 } }), true),
            (json!({ "tags__list": { "$exists": true } }), true),
            (json!({ "location": { "$eq": [] } }), true),
        ] {
            assert_eq!(matches(query.clone()), expected, "{query}");
        }
        let none = Query::parse(&json!({ "tags": { "$eq": {} } })).unwrap();
        assert!(none.matches(&Document::default()) && !none.matches(&doc()));
        let large = |count: usize| Document {
            tags: Some(Struct::from_json(&json!({ "a": vec![0; count] }).to_string()).unwrap()),
            location: vec![1.0, 0.5],
            ..Document::default()
        };
        let zeros = |count: usize| Query::parse(&json!({ "tags__a": { "$eq": vec![0; count] } }));
        assert!(zeros(10_000).unwrap().matches(&large(10_000)));
        assert!(!zeros(10_001).unwrap().matches(&large(10_001)));
        for (query, expected) in [
            (json!({ "tags__a": { "$size": 20_000 } }), true),
            (json!({ "tags__a__19999": { "$eq": 0 } }), true),
            (json!({ "tags__a__20000": { "$exists": true } }), false),
            (json!({ "location": { "$eq": [1, 0.5] } }), true),
            (json!({ "location__1": { "$lt": 1 } }), true),
            (json!({ "location__2": { "$exists": true } }), false),
        ] {
            let query = Query::parse(&query).unwrap();
            assert_eq!(
                query.matches(&large(20_000)),
                expected,
                "{}",
                query.source()
            );
        }
    }

    #[test]
    fn documents_are_selected_in_their_order() {
        let docs = DocumentArray::from_texts(["b", "a", "bb"]);
        let query = Query::parse(&json!({ "text": { "$regex": "b" } })).unwrap();
        assert_eq!(query.select(&docs).texts().collect::<Vec<_>>(), ["b", "bb"]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_place() {
        for (query, expected) in [
            (json!([]), "a query is an object of fields, found an array"),
            (
                json!({ "txt": { "$eq": 1 } }),
                "`txt`: documents have no such field (did you mean `text`?)",
            ),
            (
                json!({ "text": "hello" }),
                "`text`: expected an object of operators, as in `{ \"$eq\": ... }`, found a string",
            ),
            (
                json!({ "text": {} }),
                "`text`: expected an object of operators, as in `{ \"$eq\": ... }`, found an empty one",
            ),
            (
                json!({ "text": { "eq": 1 } }),
                "`text.eq`: not an operator (did you mean `$eq`?)",
            ),
            (json!({ "$nor": [] }), "`$nor`: not an operator"),
            (
                json!({ "$or": 1 }),
                "`$or`: expected a list of conditions, found a number",
            ),
            (
                json!({ "$or": [] }),
                "`$or`: expected a list of conditions, found an empty one",
            ),
            (
                json!({ "$and": [{ "text": { "$in": 1 } }] }),
                "`$and[0].text.$in`: expected a list, found a number",
            ),
            (
                json!({ "text": { "$regex": "(" } }),
                "`text.$regex`: not a regular expression",
            ),
            (
                json!({ "text": { "$size": -1 } }),
                "`text.$size`: expected a whole number, found -1",
            ),
            (
                json!({ "text": { "$exists": 1 } }),
                "`text.$exists`: expected true or false, found a number",
            ),
            (
                json!({ "text": { "$eq": "{txt}" } }),
                "`text.$eq`: documents have no such field",
            ),
            (
                json!({ "chunks": { "$eq": [] } }),
                "`chunks.$eq`: the value of `chunks` cannot be compared",
            ),
            (
                json!({ "text__a": { "$eq": 1 } }),
                "`text__a`: `text` has nothing below it",
            ),
            (
                json!({ "scores__a": { "$eq": 1 } }),
                "`scores__a`: a score is asked for by its name and one of its fields",
            ),
        ] {
            let error = Query::parse(&query).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{query}\n  {error}");
        }
        let mut deep = json!({ "text": { "$eq": 1 } });
        for _ in 0..100 {
            deep = json!({ "$not": deep });
        }
        let error = Query::parse(&deep).unwrap_err().to_string();
        assert!(
            error.ends_with("conditions are nested deeper than 32 levels"),
            "{error}"
        );
        let many = json!({ "$or": vec![json!({ "text": { "$eq": 1 } }); 2000] });
        let error = Query::parse(&many).unwrap_err().to_string();
        assert!(
            error.ends_with("a query has at most 1000 conditions"),
            "{error}"
        );
    }
}
