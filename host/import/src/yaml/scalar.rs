//! What a plain text of YAML 1.1 means.

use std::sync::LazyLock;

use regex::Regex;

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ScalarKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

// PyYAML's own patterns.
const INT: &str = r"^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$";
const FLOAT: &str = r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$";

impl ScalarKind {
    /// What a text means that is written without quotes: as PyYAML has it, but `on` and
    /// `off` are texts, as in Jina. A number that does not fit into 64 bits stays a text,
    /// and so does a date.
    pub(crate) fn of(text: &str) -> ScalarKind {
        let number = || int(text).map(ScalarKind::Int);
        let fraction = || float(text).map(ScalarKind::Float);
        match text {
            "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
            "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" => ScalarKind::Bool(true),
            "no" | "No" | "NO" | "false" | "False" | "FALSE" => ScalarKind::Bool(false),
            ".nan" | ".NaN" | ".NAN" => ScalarKind::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                ScalarKind::Float(f64::INFINITY)
            }
            "-.inf" | "-.Inf" | "-.INF" => ScalarKind::Float(f64::NEG_INFINITY),
            _ => number().or_else(fraction).unwrap_or(ScalarKind::Text),
        }
    }
}

/// `12`, `-0x1F`, `0b11`, `017`, `1_000` and, in the base of 60, `1:30`.
fn int(text: &str) -> Option<i64> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(INT).ok());
    if !PATTERN.as_ref()?.is_match(text) {
        return None;
    }
    let (sign, digits) = signed(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b', ..] => (2, digits.get(2..)?),
        [b'0', b'x', ..] => (16, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits.as_str()),
    };
    // With the sign, so that the least of all numbers is one, too.
    digits.split(':').try_fold(0_i64, |number, part| {
        let part = i64::from_str_radix(&format!("{sign}{part}"), radix).ok()?;
        number.checked_mul(60)?.checked_add(part)
    })
}

/// `1.5`, `.5`, `1.`, `1.0e+3` and, in the base of 60, `1:30.5`.
fn float(text: &str) -> Option<f64> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(FLOAT).ok());
    if !PATTERN.as_ref()?.is_match(text) {
        return None;
    }
    let (sign, digits) = signed(text);
    let number = digits.split(':').try_fold(0.0, |number, part| {
        Some(number * 60.0 + part.parse::<f64>().ok()?)
    })?;
    Some(if sign == "-" { -number } else { number })
}

/// The sign, and the digits without it and without `_`.
fn signed(text: &str) -> (&'static str, String) {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    (sign, digits.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use ScalarKind::{Bool, Float, Int, Null, Text};

    use super::*;

    /// What Jina's own loader makes of each.
    const CASES: &[(&str, ScalarKind)] = &[
        ("", Null),
        ("~", Null),
        ("null", Null),
        ("Null", Null),
        ("NULL", Null),
        ("nUll", Text),
        ("yes", Bool(true)),
        ("Yes", Bool(true)),
        ("YES", Bool(true)),
        ("yEs", Text),
        ("y", Text),
        ("no", Bool(false)),
        ("NO", Bool(false)),
        ("No", Bool(false)),
        ("true", Bool(true)),
        ("True", Bool(true)),
        ("TRUE", Bool(true)),
        ("tRue", Text),
        ("false", Bool(false)),
        ("False", Bool(false)),
        ("on", Text),
        ("On", Text),
        ("off", Text),
        ("OFF", Text),
        ("0", Int(0)),
        ("-0", Int(0)),
        ("+1", Int(1)),
        ("12", Int(12)),
        ("1_000", Int(1000)),
        ("_1", Text),
        ("1__0", Int(10)),
        ("1_", Int(1)),
        ("0x1F", Int(31)),
        ("0xg", Text),
        ("0x", Text),
        ("0x_1", Int(1)),
        ("0b11", Int(3)),
        ("0b2", Text),
        ("0b", Text),
        ("017", Int(15)),
        ("018", Text),
        ("00", Int(0)),
        ("0o17", Text),
        ("-017", Int(-15)),
        ("08", Text),
        ("09.5", Float(9.5)),
        ("1:30", Int(90)),
        ("1:60", Text),
        ("1:5:7", Int(3907)),
        ("190:20:30", Int(685230)),
        ("01:30", Text),
        ("0:30", Text),
        ("1:30.5", Float(90.5)),
        ("1:99.5", Text),
        ("1:2:3.25", Float(3723.25)),
        ("-1:30.5", Float(-90.5)),
        ("1.5", Float(1.5)),
        (".5", Float(0.5)),
        ("1.", Float(1.0)),
        (".", Text),
        ("-.5", Text),
        ("+.5", Text),
        ("-1.5", Float(-1.5)),
        ("1.0e+3", Float(1000.0)),
        ("1.0e3", Text),
        ("1e3", Text),
        ("1e+3", Text),
        ("1.e+3", Float(1000.0)),
        ("1.5e-2", Float(0.015)),
        (".5e+1", Float(5.0)),
        ("1_0.5_0", Float(10.5)),
        ("._5", Text),
        (".5_", Float(0.5)),
        ("_.5", Text),
        ("1.5.2", Text),
        (".inf", Float(f64::INFINITY)),
        ("-.inf", Float(-f64::INFINITY)),
        ("+.Inf", Float(f64::INFINITY)),
        (".INF", Float(f64::INFINITY)),
        (".nan", Float(f64::NAN)),
        (".NaN", Float(f64::NAN)),
        ("-.nan", Text),
        ("inf", Text),
        ("nan", Text),
        ("1.2.3", Text),
        ("2020-01-01", Text),
        ("2020-01-01 10:00:00", Text),
        ("1 000", Text),
        ("0.", Float(0.0)),
        ("+", Text),
        ("--1", Text),
        ("+-1", Text),
        ("9223372036854775807", Int(9223372036854775807)),
        ("9223372036854775808", Text),
        ("-9223372036854775808", Int(-9223372036854775808)),
        ("0x7fffffffffffffff", Int(9223372036854775807)),
        ("1e400", Text),
        ("1.0e+400", Float(f64::INFINITY)),
        ("12abc", Text),
        ("::1", Text),
        (":1", Text),
        ("127.0.0.1", Text),
        ("1,5", Text),
        ("0x-1", Text),
        ("1.5:2", Text),
    ];

    #[test]
    fn plain_texts_mean_what_they_mean_to_jina() {
        for (text, kind) in CASES {
            match (kind, ScalarKind::of(text)) {
                (Float(expected), Float(found)) if expected.is_nan() => assert!(found.is_nan()),
                (kind, found) => assert_eq!(found, *kind, "{text:?}"),
            }
        }
    }
}
