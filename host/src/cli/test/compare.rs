//! What came out beside what was expected.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Map, Value, json};
use wasm_flow_document::{Document, JsonError};

use crate::bounds::{MAX_DIFFERENCES, SHOWN_VALUE};

/// How much two numbers may differ, as a part of the larger one: documents hold 32-bit floats.
const RELATIVE: f64 = 1e-5;

/// How much they may differ at any rate: a sum of such floats that should be 0 is seldom 0.
const ABSOLUTE: f64 = 1e-6;

/// What has to be there: what a case names of it, and how that is written in full.
#[derive(Debug)]
pub(super) struct Expectation {
    named: Value,
    /// A tensor has several forms in JSON, a score two, and what is empty is left out. This
    /// is written as what is found is.
    full: Value,
}

/// A value that is not what was expected.
#[derive(Debug)]
pub(super) struct Difference {
    /// Where it is, as in `docs[0].tags.lang`.
    path: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Other {
        expected: Value,
        found: Value,
    },
    Missing {
        expected: Value,
        /// What there is beside it.
        others: Vec<String>,
    },
    Unexpected {
        found: Value,
    },
}

/// The first differences, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) first: Vec<Difference>,
    pub(super) count: usize,
}

impl Expectation {
    /// Documents, each with the fields that count.
    ///
    /// # Errors
    /// When one of them is none, with its number.
    pub(super) fn docs(named: Vec<Value>) -> Result<Expectation, (usize, JsonError)> {
        let full = named.iter().enumerate().map(|(index, doc)| {
            let doc = Document::from_json(doc).map_err(|error| (index, error))?;
            Ok(doc.to_json())
        });
        Ok(Expectation {
            full: full.collect::<Result<_, _>>()?,
            named: named.into(),
        })
    }

    /// An object, of whose values those count that are named.
    pub(super) fn object(named: Map<String, Value>) -> Expectation {
        let named = Value::from(named);
        Expectation {
            full: named.clone(),
            named,
        }
    }

    /// Compares what was found. An object may have more than what is named of it; a list has
    /// as many parts. `null` stands for what is not there.
    pub(super) fn compare(&self, path: &str, found: &Value, differences: &mut Differences) {
        compare(
            path,
            (&self.named, Some(&self.full)),
            Some(found),
            differences,
        );
    }
}

fn compare(
    path: &str,
    (named, full): (&Value, Option<&Value>),
    found: Option<&Value>,
    differences: &mut Differences,
) {
    match (named, full, found) {
        (Value::Object(named), Some(Value::Object(full)), Some(Value::Object(found))) => {
            for (key, named) in named {
                let path = format!("{path}.{key}");
                match (given(full.get(key)), given(found.get(key))) {
                    (Some(expected), None) => differences.push(path, || Kind::Missing {
                        expected: expected.clone(),
                        others: found.keys().cloned().collect(),
                    }),
                    (full, found) => compare(&path, (named, full), found, differences),
                }
            }
        }
        (Value::Array(named), Some(Value::Array(full)), Some(Value::Array(found))) => {
            for index in 0..named.len().max(found.len()) {
                let path = format!("{path}[{index}]");
                match (named.get(index), found.get(index)) {
                    (Some(named), Some(found)) => {
                        compare(&path, (named, full.get(index)), Some(found), differences);
                    }
                    (Some(named), None) => differences.push(path, || Kind::Missing {
                        expected: named.clone(),
                        others: Vec::new(),
                    }),
                    (None, found) => {
                        let found = found.cloned().unwrap_or_default();
                        differences.push(path, || Kind::Unexpected { found });
                    }
                }
            }
        }
        (_, full, found) => match (given(full), given(found)) {
            (None, None) => {}
            (Some(expected), Some(found)) if is_same(expected, found) => {}
            (Some(expected), Some(found)) => differences.push(path.to_owned(), || Kind::Other {
                expected: expected.clone(),
                found: found.clone(),
            }),
            (Some(expected), None) => differences.push(path.to_owned(), || Kind::Missing {
                expected: expected.clone(),
                others: Vec::new(),
            }),
            (None, Some(found)) => differences.push(path.to_owned(), || Kind::Unexpected {
                found: found.clone(),
            }),
        },
    }
}

/// What is there.
fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(_), Value::Number(_)) => {}
        // A score's short form, and an array that is written as an object.
        (Value::Object(expected), Value::Object(found)) => {
            return expected.iter().all(|(key, expected)| {
                let found = found.get(key);
                found.is_some_and(|found| is_same(expected, found))
            });
        }
        (Value::Array(expected), Value::Array(found)) => {
            let mut both = expected.iter().zip(found);
            return expected.len() == found.len() && both.all(|(a, b)| is_same(a, b));
        }
        _ => return expected == found,
    }
    let is_integer = |number: &Value| number.is_i64() || number.is_u64();
    if is_integer(expected) && is_integer(found) {
        return expected == found;
    }
    let (Some(a), Some(b)) = (expected.as_f64(), found.as_f64()) else {
        return expected == found;
    };
    // Numbers that count something are the same or not.
    let are_whole = a.fract() == 0.0 && b.fract() == 0.0;
    let may_differ = ABSOLUTE.max(RELATIVE * a.abs().max(b.abs()));
    a == b || (!are_whole && (a - b).abs() <= may_differ)
}

impl Differences {
    fn push(&mut self, path: String, kind: impl FnOnce() -> Kind) {
        self.count += 1;
        if self.first.len() < MAX_DIFFERENCES {
            let kind = kind();
            self.first.push(Difference { path, kind });
        }
    }

    /// Adds one.
    pub(super) fn other(&mut self, path: &str, expected: &str, found: &str) {
        self.push(path.to_owned(), || Kind::Other {
            expected: expected.into(),
            found: found.into(),
        });
    }

    /// Adds what is not there.
    pub(super) fn missing(&mut self, path: &str, expected: &str) {
        self.push(path.to_owned(), || Kind::Missing {
            expected: expected.into(),
            others: Vec::new(),
        });
    }
}

impl Difference {
    pub(super) fn json(&self) -> Value {
        let (expected, found) = match &self.kind {
            Kind::Other { expected, found } => (Some(expected), Some(found)),
            Kind::Missing { expected, .. } => (Some(expected), None),
            Kind::Unexpected { found } => (None, Some(found)),
        };
        json!({ "path": self.path, "expected": expected, "found": found })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            Kind::Other { expected, found } => {
                let (expected, found) = (shown(expected), shown(found));
                write!(f, "{path}: expected {expected}, found {found}")
            }
            Kind::Missing { expected, others } => {
                let expected = shown(expected);
                write!(f, "{path}: expected {expected}, and there is none")?;
                match others.is_empty() {
                    true => Ok(()),
                    false => write!(f, "; there is {}", cut(others.join(", "))),
                }
            }
            Kind::Unexpected { found } => {
                write!(f, "{path}: not expected, found {}", shown(found))
            }
        }
    }
}

/// A value, cut if it is long.
fn shown(value: &Value) -> String {
    let mut text = Short::default();
    // Whatever is too long ends it.
    let _ = serde_json::to_writer(&mut text, value);
    cut(String::from_utf8_lossy(&text.0).into_owned())
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Takes no more than what is shown of a value: that may have hundreds of megabytes.
#[derive(Default)]
struct Short(Vec<u8>);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As UTF-8, a character has four bytes at most, and one more shows that there is more.
        let room = 4 * (SHOWN_VALUE + 1) - self.0.len();
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.0.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(expected: Value, found: Value) -> Vec<String> {
        let expectation = match expected {
            Value::Array(docs) => Expectation::docs(docs).unwrap(),
            Value::Object(object) => Expectation::object(object),
            other => panic!("{other}"),
        };
        let mut differences = Differences::default();
        expectation.compare("docs", &found, &mut differences);
        assert_eq!(differences.count, differences.first.len());
        differences
            .first
            .iter()
            .map(Difference::to_string)
            .collect()
    }

    fn found(docs: Value) -> Value {
        let Value::Array(docs) = docs else {
            panic!("{docs}");
        };
        let docs = docs.iter().map(|doc| Document::from_json(doc).unwrap());
        docs.map(|doc| doc.to_json()).collect()
    }

    #[test]
    fn only_what_is_named_of_an_object_is_compared() {
        let found = found(json!([{ "id": "a", "text": "x", "tags": { "n": 1.0, "lang": "en" } }]));
        for same in [
            json!([{}]),
            json!([{ "text": "x", "tags": { "n": 1 } }]),
            json!([{ "uri": null }]),
        ] {
            assert_eq!(differences(same, found.clone()), [""; 0]);
        }
        assert_eq!(
            differences(json!([{ "text": "y", "tags": { "m": 1 } }]), found.clone()),
            [
                "docs[0].tags.m: expected 1, and there is none; there is lang, n",
                "docs[0].text: expected \"y\", found \"x\""
            ]
        );
        assert_eq!(
            differences(json!([{ "text": null }]), found),
            ["docs[0].text: not expected, found \"x\""]
        );
    }

    #[test]
    fn lists_are_as_long() {
        let one = found(json!([{ "text": "x", "matches": [{ "id": "m" }] }]));
        assert_eq!(
            differences(json!([{}, {}]), one.clone()),
            ["docs[1]: expected {}, and there is none"]
        );
        let longer = differences(json!([{ "matches": [{ "id": "m" }, {}] }]), one.clone());
        assert_eq!(
            longer,
            ["docs[0].matches[1]: expected {}, and there is none"]
        );
        let shorter = differences(json!([]), found(json!([{ "id": "a" }])));
        assert_eq!(shorter, ["docs[0]: not expected, found {\"id\":\"a\"}"]);
        let none = differences(json!({ "a": [null] }), json!({ "a": [] }));
        assert_eq!(none, ["docs.a[0]: expected null, and there is none"]);
        let matches = differences(json!([{ "matches": [] }]), one);
        assert!(matches[0].starts_with("docs[0].matches: not expected, found [{"));
    }

    /// Documents leave out what is empty or 0, and write an array in one of its forms.
    #[test]
    fn the_forms_of_a_document_are_the_same() {
        let bare = found(json!([{ "id": "a" }]));
        let nothing = json!([{ "matches": [], "tags": {}, "uri": "", "weight": 0 }]);
        assert_eq!(differences(nothing, bare), [""; 0]);
        let full = found(json!([{ "embedding": [1.0, 0.5], "scores": { "cosine": 0.5 } }]));
        for same in [
            json!([{ "scores": { "cosine": { "value": 0.5 } } }]),
            json!([{ "scores": { "cosine": 0.5 } }]),
            json!([{ "embedding": [1, 0.5] }]),
        ] {
            assert_eq!(differences(same, full.clone()), [""; 0]);
        }
        let other = differences(json!([{ "scores": { "cosine": 0.6 } }]), full);
        assert_eq!(other.len(), 1, "{other:?}");
    }

    #[test]
    fn numbers_that_count_are_the_same_and_others_nearly() {
        for (expected, found, is_same) in [
            (json!(0.1), json!(f64::from(0.1_f32)), true),
            (json!(0), json!(0.0), true),
            (json!(0), json!(1e-9), true),
            (json!(1), json!(0.999_999_9), true),
            (json!(0.1), json!(0.1001), false),
            (json!(100_000), json!(100_001), false),
            (json!(100_000), json!(100_000.0), true),
            (json!(u64::MAX), json!(u64::MAX - 1), false),
            (json!(1), json!("1"), false),
            (json!(0), json!(1e-5), false),
        ] {
            let seen = differences(json!({ "n": expected }), json!({ "n": found }));
            assert_eq!(seen.is_empty(), is_same, "{expected} {found}: {seen:?}");
        }
    }

    #[test]
    fn what_is_long_or_many_is_cut() {
        let long = differences(json!({ "a": "é".repeat(1000) }), json!({ "a": "" })).join("");
        assert!(long.chars().count() < 2 * SHOWN_VALUE, "{long}");
        assert!(long.contains('…'), "{long}");
        let mut many = Differences::default();
        let numbers = |start: u32| json!({ "a": (start..start + 1000).collect::<Vec<_>>() });
        let Value::Object(expected) = numbers(0) else {
            unreachable!()
        };
        Expectation::object(expected).compare("x", &numbers(1), &mut many);
        assert_eq!((many.first.len(), many.count), (MAX_DIFFERENCES, 1000));
    }
}
