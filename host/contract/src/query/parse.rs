//! Reading a query.

use std::cmp::Ordering;
use std::fmt;

use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::field::{Field, FieldError, NAMES};
use super::{Condition, Operand, Test};
use crate::bounds::{MAX_CONDITIONS, MAX_QUERY_DEPTH, MAX_QUERY_REGEX};
use crate::nearest::nearest;

/// Why something is not a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    path: String,
    reason: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for QueryError {}

const OPERATORS: &[&str] = &[
    "$eq", "$neq", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$regex", "$size", "$exists",
    "$not",
];

/// Operators that do not look at the value itself.
const COUNTING: &[&str] = &["$size", "$exists"];

const COMBINERS: &[&str] = &["$and", "$or", "$not"];

pub(super) fn parse(query: &Value) -> Result<Condition, QueryError> {
    let mut reader = Reader {
        path: Vec::new(),
        conditions: 0,
    };
    match query {
        Value::Object(object) => reader.conditions(object).map(Condition::All),
        other => Err(reader.error(format!(
            "a query is an object of fields, found {}",
            kind(other)
        ))),
    }
}

/// A place in the query.
struct Reader {
    path: Vec<Step>,
    /// How many conditions there were until here.
    conditions: usize,
}

enum Step {
    Key(String),
    Place(usize),
}

impl Reader {
    fn error(&self, reason: impl Into<String>) -> QueryError {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if path.is_empty() => path += key,
                Step::Key(key) => path += &format!(".{key}"),
                Step::Place(place) => path += &format!("[{place}]"),
            }
        }
        QueryError {
            path,
            reason: reason.into(),
        }
    }

    fn within<T>(
        &mut self,
        step: Step,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.path.push(step);
        if self.path.len() > MAX_QUERY_DEPTH {
            return Err(self.error(format!(
                "conditions are nested deeper than {MAX_QUERY_DEPTH} levels"
            )));
        }
        let read = read(self)?;
        self.path.pop();
        Ok(read)
    }

    /// What each of an object's keys asks for.
    fn conditions(&mut self, object: &Map<String, Value>) -> Result<Vec<Condition>, QueryError> {
        object
            .iter()
            .map(|(key, value)| {
                self.within(Step::Key(key.clone()), |reader| {
                    reader.condition(key, value)
                })
            })
            .collect()
    }

    fn condition(&mut self, key: &str, value: &Value) -> Result<Condition, QueryError> {
        match key {
            "$and" => self.list(value).map(Condition::All),
            "$or" => self.list(value).map(Condition::Any),
            "$not" => {
                let conditions = self.list(value)?;
                Ok(Condition::Not(Box::new(Condition::All(conditions))))
            }
            key if key.starts_with('$') => Err(self.error(not_an_operator(key, COMBINERS))),
            key => {
                let field = self.field(key)?;
                self.tests(&field, value)
            }
        }
    }

    /// A list of conditions, or an object of them.
    fn list(&mut self, value: &Value) -> Result<Vec<Condition>, QueryError> {
        match value {
            Value::Array(list) if list.is_empty() => {
                Err(self.error("expected a list of conditions, found an empty one"))
            }
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(place, value)| {
                    self.within(Step::Place(place), |reader| match value {
                        Value::Object(object) => reader.conditions(object).map(Condition::All),
                        other => Err(reader.error(format!(
                            "expected an object of fields, found {}",
                            kind(other)
                        ))),
                    })
                })
                .collect(),
            Value::Object(object) => self.conditions(object),
            other => Err(self.error(format!(
                "expected a list of conditions, found {}",
                kind(other)
            ))),
        }
    }

    fn field(&self, text: &str) -> Result<Field, QueryError> {
        Field::parse(text).map_err(|error| {
            self.error(match error {
                FieldError::Unknown(name) => {
                    let hint = match nearest(&name, NAMES.iter().copied()) {
                        Some(near) => format!("(did you mean `{near}`?)"),
                        None => format!("; they have {}", NAMES.join(", ")),
                    };
                    let space = if hint.starts_with('(') { " " } else { "" };
                    format!("documents have no such field{space}{hint}")
                }
                FieldError::Flat(name) => format!("`{name}` has nothing below it"),
                FieldError::Score => "a score is asked for by its name and one of its fields, as \
                                      in `scores__cosine__value`"
                    .to_owned(),
            })
        })
    }

    /// All of a field's operators hold.
    fn tests(&mut self, field: &Field, value: &Value) -> Result<Condition, QueryError> {
        const WANTED: &str = "expected an object of operators, as in `{ \"$eq\": ... }`, found";
        let operators = match value {
            Value::Object(operators) if operators.is_empty() => {
                return Err(self.error(format!("{WANTED} an empty one")));
            }
            Value::Object(operators) => operators,
            other => return Err(self.error(format!("{WANTED} {}", kind(other)))),
        };
        let tests = operators
            .iter()
            .map(|(operator, value)| {
                self.within(Step::Key(operator.clone()), |reader| {
                    if operator == "$not" {
                        let condition = reader.tests(field, value)?;
                        return Ok(Condition::Not(Box::new(condition)));
                    }
                    reader.conditions += 1;
                    if reader.conditions > MAX_CONDITIONS {
                        return Err(reader
                            .error(format!("a query has at most {MAX_CONDITIONS} conditions")));
                    }
                    if field.is_only_counted() && !COUNTING.contains(&operator.as_str()) {
                        return Err(reader.error(format!(
                            "the value of `{}` cannot be compared; it can be asked for with {}",
                            field.name(),
                            COUNTING.join(" and ")
                        )));
                    }
                    let test = reader.test(operator, value)?;
                    Ok(Condition::Field(field.clone(), test))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Condition::All(tests))
    }

    fn test(&self, operator: &str, value: &Value) -> Result<Test, QueryError> {
        use Ordering::{Equal, Greater, Less};

        Ok(match operator {
            "$eq" => Test::Equal(self.operand(value)?),
            "$neq" => Test::NotEqual(self.operand(value)?),
            "$lt" => Test::Ordered(&[Less], self.operand(value)?),
            "$lte" => Test::Ordered(&[Less, Equal], self.operand(value)?),
            "$gt" => Test::Ordered(&[Greater], self.operand(value)?),
            "$gte" => Test::Ordered(&[Greater, Equal], self.operand(value)?),
            "$in" => Test::In(self.values(value)?),
            "$nin" => Test::NotIn(self.values(value)?),
            "$regex" => {
                let Value::String(pattern) = value else {
                    return Err(self.error(format!(
                        "expected a regular expression, found {}",
                        kind(value)
                    )));
                };
                let regex = RegexBuilder::new(pattern)
                    .size_limit(MAX_QUERY_REGEX)
                    .build()
                    .map_err(|error| {
                        // The lines before show the pattern, which the file shows, too.
                        let error = error.to_string();
                        let last = error.lines().last().unwrap_or_default().trim();
                        let reason = last.strip_prefix("error: ").unwrap_or(last);
                        self.error(format!("not a regular expression: {reason}"))
                    })?;
                Test::Regex(Box::new(regex))
            }
            "$size" => match (value.as_u64(), value) {
                (Some(size), _) => Test::Size(size),
                (None, Value::Number(number)) => {
                    return Err(self.error(format!("expected a whole number, found {number}")));
                }
                (None, other) => {
                    return Err(
                        self.error(format!("expected a whole number, found {}", kind(other)))
                    );
                }
            },
            "$exists" => match value {
                Value::Bool(exists) => Test::Exists(*exists),
                other => {
                    return Err(
                        self.error(format!("expected true or false, found {}", kind(other)))
                    );
                }
            },
            other => return Err(self.error(not_an_operator(other, OPERATORS))),
        })
    }

    /// A value, or a field in braces. Other texts with braces are what they are.
    fn operand(&self, value: &Value) -> Result<Operand, QueryError> {
        let name = value
            .as_str()
            .and_then(|text| text.strip_prefix('{')?.strip_suffix('}'))
            .map(str::trim)
            .filter(|name| {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                !name.is_empty() && name.chars().all(is_word)
            });
        match name {
            Some(name) => self.field(name).map(Operand::Field),
            None => Ok(Operand::Value(value.clone())),
        }
    }

    fn values(&self, value: &Value) -> Result<Vec<Value>, QueryError> {
        match value {
            Value::Array(list) => Ok(list.clone()),
            other => Err(self.error(format!("expected a list, found {}", kind(other)))),
        }
    }
}

fn not_an_operator(given: &str, known: &[&'static str]) -> String {
    let given = format!("${}", given.trim_start_matches('$'));
    match nearest(&given, known.iter().copied()) {
        Some(near) => format!("not an operator (did you mean `{near}`?)"),
        None => format!("not an operator; there are {}", known.join(", ")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
