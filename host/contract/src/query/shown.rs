//! A query in one line, for people: `tags.kind == "text" and weight > 0.5`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::{Condition, Operand, Query, Test};

/// In the way of a formula. What [`Query::parse`] reads is its
/// [`source`](Query::source).
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

/// Without the combinations of one condition, which nobody wrote: each object is read
/// as one.
fn unwrapped(condition: &Condition) -> &Condition {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => match conditions.as_slice() {
            [only] => unwrapped(only),
            _ => condition,
        },
        _ => condition,
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match unwrapped(self) {
            Condition::All(conditions) if conditions.is_empty() => f.write_str("any document"),
            Condition::Any(conditions) if conditions.is_empty() => f.write_str("no document"),
            Condition::All(conditions) => combined(f, conditions, " and "),
            Condition::Any(conditions) => combined(f, conditions, " or "),
            Condition::Not(condition) => write!(f, "not ({condition})"),
            Condition::Field(field, test) => match test {
                Test::Equal(operand) => write!(f, "{field} == {operand}"),
                Test::NotEqual(operand) => write!(f, "{field} != {operand}"),
                Test::Ordered(orders, operand) => {
                    let operator = match orders {
                        [Ordering::Less] => "<",
                        [Ordering::Greater] => ">",
                        [Ordering::Less, _] => "<=",
                        _ => ">=",
                    };
                    write!(f, "{field} {operator} {operand}")
                }
                Test::In(values) => write!(f, "{field} in {}", Listed(values)),
                Test::NotIn(values) => write!(f, "{field} not in {}", Listed(values)),
                Test::Regex(regex) => write!(f, "{field} ~ /{regex}/"),
                Test::Size(size) => write!(f, "size of {field} == {size}"),
                Test::Exists(true) => write!(f, "{field} is set"),
                Test::Exists(false) => write!(f, "{field} is not set"),
            },
        }
    }
}

/// Conditions of several parts stand in brackets, so that nobody has to know which
/// word binds more tightly.
fn combined(f: &mut fmt::Formatter<'_>, conditions: &[Condition], word: &str) -> fmt::Result {
    for (index, condition) in conditions.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        match unwrapped(condition) {
            part @ (Condition::All(_) | Condition::Any(_)) => write!(f, "({part})")?,
            part => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Value(value) => value.fmt(f),
            Operand::Field(field) => field.fmt(f),
        }
    }
}

struct Listed<'v>(&'v [Value]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            value.fmt(f)?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_shown_as_formulas() {
        for (query, shown) in [
            (
                json!({ "tags__kind": { "$eq": "text" } }),
                r#"tags.kind == "text""#,
            ),
            (
                json!({ "tags__a__0": { "$gt": 1, "$lte": 5 } }),
                "tags.a.0 > 1 and tags.a.0 <= 5",
            ),
            (json!({ "weight": { "$gte": 0.5 } }), "weight >= 0.5"),
            (json!({ "weight": { "$lt": 2 } }), "weight < 2"),
            (
                json!({ "$or": [
                    { "tags__lang": { "$in": ["en", 1] } },
                    { "text": { "$neq": "{tags__other}" }, "uri": { "$exists": true } },
                ] }),
                r#"tags.lang in ["en", 1] or (text != tags.other and uri is set)"#,
            ),
            (
                json!({ "$not": { "chunks": { "$size": 2 } } }),
                "not (size of chunks == 2)",
            ),
            (
                json!({ "$and": [
                    { "$or": [{ "text": { "$regex": "^h" } }, { "text": { "$nin": [] } }] },
                    { "embedding": { "$exists": false } },
                ] }),
                "(text ~ /^h/ or text not in []) and embedding is not set",
            ),
            (
                json!({ "text": { "$not": { "$eq": "x" } } }),
                r#"not (text == "x")"#,
            ),
            (
                json!({ "scores__cosine__value": { "$lt": 0.3 } }),
                "scores.cosine.value < 0.3",
            ),
            (json!({}), "any document"),
            (json!({ "$or": [{}] }), "any document"),
            (
                json!({ "$not": { "$not": { "text": { "$eq": "" } } } }),
                r#"not (not (text == ""))"#,
            ),
        ] {
            assert_eq!(Query::parse(&query).unwrap().to_string(), shown, "{query}");
        }
    }
}
