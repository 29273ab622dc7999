//! What came out beside what was expected.

use std::fmt;

use serde_json::{Value, json};

use crate::bounds::SHOWN_VALUE;

/// How much two numbers may differ, relative to the larger one: documents hold 32-bit floats.
const TOLERANCE: f64 = 1e-5;

/// A value that is not what was expected.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// Where it is, as in `docs[0].tags.lang`.
    pub(super) path: String,
    /// `None`: nothing was expected there.
    pub(super) expected: Option<Value>,
    /// `None`: there is nothing.
    pub(super) found: Option<Value>,
}

/// Compares what was found with what was expected. An object may have more than what is
/// expected of it; a list has as many parts. `null` stands for what is not there.
pub(super) fn compare(
    path: &str,
    expected: &Value,
    found: Option<&Value>,
    differences: &mut Vec<Difference>,
) {
    match (expected, found) {
        (Value::Object(expected), Some(Value::Object(found))) => {
            for (key, value) in expected {
                compare(&format!("{path}.{key}"), value, found.get(key), differences);
            }
        }
        (Value::Array(expected), Some(Value::Array(found))) => {
            for index in 0..expected.len().max(found.len()) {
                let path = format!("{path}[{index}]");
                match (expected.get(index), found.get(index)) {
                    (Some(expected), found) => compare(&path, expected, found, differences),
                    (None, found) => differences.push(Difference {
                        path,
                        expected: None,
                        found: found.cloned(),
                    }),
                }
            }
        }
        (Value::Null, None) => {}
        (expected, Some(found)) if is_same(expected, found) => {}
        (expected, found) => differences.push(Difference {
            path: path.to_owned(),
            expected: Some(expected.clone()),
            found: found.cloned(),
        }),
    }
}

fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected.as_f64(), found.as_f64()) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
        _ => expected == found,
    }
}

impl Difference {
    pub(super) fn json(&self) -> Value {
        json!({ "path": self.path, "expected": self.expected, "found": self.found })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(
                f,
                "{path}: expected {}, found {}",
                shown(expected),
                shown(found)
            ),
            (Some(expected), None) => {
                write!(f, "{path}: expected {}, and there is none", shown(expected))
            }
            (None, Some(found)) => write!(f, "{path}: not expected, found {}", shown(found)),
            (None, None) => write!(f, "{path}: nothing"),
        }
    }
}

/// A value, cut if it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(expected: Value, found: Value) -> Vec<String> {
        let mut differences = Vec::new();
        compare("docs", &expected, Some(&found), &mut differences);
        differences.iter().map(Difference::to_string).collect()
    }

    #[test]
    fn only_what_is_expected_of_an_object_is_compared() {
        let found = json!([{ "id": "a", "text": "x", "tags": { "n": 1.0, "lang": "en" } }]);
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
                "docs[0].tags.m: expected 1, and there is none",
                "docs[0].text: expected \"y\", found \"x\""
            ]
        );
        assert_eq!(
            differences(json!([]), json!(["x"])),
            ["docs[0]: not expected, found \"x\""]
        );
        assert_eq!(
            differences(json!([{ "text": null }]), found),
            ["docs[0].text: expected null, found \"x\""]
        );
    }

    #[test]
    fn numbers_are_compared_as_floats_of_32_bits() {
        let same = [
            differences(json!(0.1), json!(f64::from(0.1_f32))),
            differences(json!(0), json!(0.0)),
        ];
        assert_eq!(same, [Vec::<String>::new(), Vec::new()]);
        assert_eq!(differences(json!(0.1), json!(0.1001)).len(), 1);
        assert_eq!(differences(json!(1), json!("1")).len(), 1);
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = "é".repeat(1000);
        let text = differences(json!(long), json!("")).join("");
        assert!(text.chars().count() < 2 * SHOWN_VALUE, "{text}");
    }
}
