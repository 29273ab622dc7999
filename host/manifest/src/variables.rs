//! `${NAME}` in the texts of a file: environment variables.
//!
//! They are put in by value, into the texts of a file that has been parsed already.
//! So a value with quotes or line ends in it stays a part of its text, and every
//! place in the file stays where it is. Keys have no variables.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wasm_flow_contract::remote::Secret;
use wasm_flow_contract::units::Size;

use crate::bounds::MAX_SUBSTITUTED;
use crate::json::members;
use crate::problems::Problems;
use crate::report::Problem;
use crate::substitutions::{Substituted, Substitutions, Variable};

/// What a variable's name looks like in a text, for a person.
const FORM: &str = "write `${NAME}`, or `${NAME:-default}`; for a plain `${`, write `$${`";

/// A text that is one variable and nothing else, as JSON Schema.
const ALONE_PATTERN: &str = r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$";

/// Where the values of variables come from.
pub(crate) type Environment<'e> = dyn Fn(&str) -> Option<OsString> + 'e;

/// Puts the values of variables into the texts of a table. What cannot be put in is
/// reported. `source` is the file's text.
pub(crate) fn substitute(
    problems: &mut Problems,
    table: &mut DeTable<'_>,
    source: &str,
    environment: &Environment<'_>,
) -> Substitutions {
    let mut substituter = Substituter {
        problems,
        source,
        environment,
        substitutions: Substitutions::default(),
        bytes: 0,
    };
    substituter.table(table);
    substituter.substitutions
}

/// The schema of a key, for what may also be a variable: a text with constraints, a
/// number, true or false.
pub(crate) fn or_variable(mut schema: Map<String, Value>) -> Map<String, Value> {
    // A table's own keys have been through here.
    if schema.contains_key("properties") {
        return schema;
    }
    for inner in ["anyOf", "items", "additionalProperties"] {
        let again = |value: Value| match value {
            Value::Object(schema) => Value::Object(or_variable(schema)),
            other => other,
        };
        match schema.remove(inner) {
            Some(Value::Array(schemas)) => {
                let schemas = schemas.into_iter().map(again).collect();
                schema.insert(inner.to_owned(), Value::Array(schemas));
            }
            Some(one) => {
                schema.insert(inner.to_owned(), again(one));
            }
            None => {}
        }
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if schema.len() > 1 => {
            schema.remove("type");
            members(json!({ "type": "string", "anyOf": [schema, { "pattern": r"\$\{" }] }))
        }
        Some(kind @ ("integer" | "boolean")) => {
            let kinds = json!([kind, "string"]);
            schema.insert("type".to_owned(), kinds);
            schema.insert("pattern".to_owned(), ALONE_PATTERN.into());
            schema
        }
        _ => schema,
    }
}

/// Goes through the texts of a file.
struct Substituter<'p, 's, 'e> {
    problems: &'p mut Problems,
    source: &'s str,
    environment: &'e Environment<'e>,
    substitutions: Substitutions,
    /// Bytes of all values until now.
    bytes: usize,
}

impl Substituter<'_, '_, '_> {
    fn table(&mut self, table: &mut DeTable<'_>) {
        for (_, value) in table.iter_mut() {
            self.value(value);
        }
    }

    /// The TOML parser bounds how deep values are nested.
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>) {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) => {
                if let Some(with_values) = self.text(span, text) {
                    *text = with_values.into();
                }
            }
            DeValue::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            DeValue::Table(table) => self.table(table),
            _ => {}
        }
    }

    /// The text with its variables' values, or none if it stays as it is.
    fn text(&mut self, span: Range<usize>, text: &str) -> Option<String> {
        if !text.contains("${") {
            return None;
        }
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                let place = self.place(&span, error.written);
                self.problems.report(error.problem(place));
                return None;
            }
        };
        let mut whole = String::new();
        let mut variables = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Variable(reference) => {
                    let (variable, value) = self.look_up(&span, reference)?;
                    whole.push_str(&value);
                    variables.push(variable);
                }
            }
        }
        if !variables.is_empty() {
            let alone = matches!(pieces.as_slice(), [Piece::Variable(_)]);
            let substituted = Substituted {
                end: span.end,
                written: text.to_owned(),
                variables,
                alone,
            };
            self.substitutions.insert(span.start, substituted);
        }
        Some(whole)
    }

    /// A variable and what to put in its place. None if there is nothing, which has then
    /// been reported.
    fn look_up(
        &mut self,
        span: &Range<usize>,
        reference: &Reference<'_>,
    ) -> Option<(Variable, String)> {
        let name = reference.name;
        let found = (self.environment)(name);
        let place = self.place(span, reference.written);
        let problem = |title: String| Problem::new(place.clone(), title);
        // As a shell takes `:-`: an empty one counts as not set.
        let value = match (found, reference.default) {
            (None, None) => {
                let problem = problem(format!("the environment variable `{name}` is not set"))
                    .help(format!(
                        "set it, or give it a default: `${{{name}:-default}}`; for a plain `${{`, \
                         write `$${{`"
                    ));
                self.problems.report(problem);
                return None;
            }
            (None, Some(_)) => None,
            (Some(found), default) => match found.into_string() {
                Ok(value) if value.is_empty() && default.is_some() => None,
                Ok(value) => Some(value),
                Err(_) => {
                    let title = format!("the environment variable `{name}` is not UTF-8 text");
                    let problem = problem(title)
                        .help("a flow.toml is UTF-8 text, and so is what is put into it");
                    self.problems.report(problem);
                    return None;
                }
            },
        };
        let text = value.as_deref().or(reference.default).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MAX_SUBSTITUTED {
            // Once: all that follow are beyond it, too.
            if self.bytes - text.len() <= MAX_SUBSTITUTED {
                let most = Size(MAX_SUBSTITUTED as u64);
                let problem = problem(format!(
                    "the variables of this file come to more than {most}"
                ))
                .label(format!("with `{name}`, of {}", Size(text.len() as u64)))
                .help("variables are for short values: let the executor read a file, granted by `allow.dirs`");
                self.problems.report(problem);
            }
            return None;
        }
        let text = text.to_owned();
        let variable = Variable {
            name: name.to_owned(),
            value: value.map(Secret::new),
        };
        Some((variable, text))
    }

    /// Where a part of a text is. The whole text, if the part is not written as it reads:
    /// with an escape sequence in it.
    fn place(&self, span: &Range<usize>, written: &str) -> Range<usize> {
        let found = self
            .source
            .get(span.clone())
            .and_then(|text| text.find(written));
        match found {
            Some(at) => span.start + at..span.start + at + written.len(),
            None => span.clone(),
        }
    }
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(String),
    Variable(Reference<'t>),
}

/// `${NAME}` or `${NAME:-default}`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'t> {
    written: &'t str,
    name: &'t str,
    default: Option<&'t str>,
}

/// Why a text is not one with variables.
#[derive(Debug, PartialEq, Eq)]
struct PieceError<'t> {
    written: &'t str,
    kind: PieceErrorKind<'t>,
}

#[derive(Debug, PartialEq, Eq)]
enum PieceErrorKind<'t> {
    /// No `}` follows.
    Open,
    /// There is no such form.
    Form,
    /// `${{ ENV.NAME }}`, with the name if it is one.
    Jina(Option<&'t str>),
    /// A default with a variable in it.
    Nested,
}

impl PieceError<'_> {
    fn problem(&self, place: Range<usize>) -> Problem {
        let written = Shown(self.written);
        let (title, help) = match self.kind {
            PieceErrorKind::Open => ("a variable without its `}`".to_owned(), FORM.to_owned()),
            PieceErrorKind::Form => (
                format!("`{written}` is not the form of a variable"),
                format!("{FORM}; a name has letters, digits and `_`, and no digit first"),
            ),
            PieceErrorKind::Jina(name) => (
                format!("`{written}` is how Jina writes a variable"),
                match name {
                    Some(name) => format!("here it is `${{{name}}}`"),
                    None => FORM.to_owned(),
                },
            ),
            PieceErrorKind::Nested => (
                "a default cannot have a variable in it".to_owned(),
                "a default goes up to the next `}` and is taken as it stands".to_owned(),
            ),
        };
        Problem::new(place, title).help(help)
    }
}

/// The beginning of a part of a text: a file may be one long text.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        match self.0.char_indices().nth(MOST) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}...", self.0.get(..end).unwrap_or_default()),
        }
    }
}

/// The parts of a text. Of the `$` before a `{`, two stand for one; if one is left over,
/// a variable begins. Any other `$` is one.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, PieceError<'_>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let dollars = before.len() - before.trim_end_matches('$').len();
        plain.push_str(before.get(..at - dollars).unwrap_or(before));
        // The one of `${` counts, too.
        plain.extend(std::iter::repeat_n('$', dollars.div_ceil(2)));
        if dollars % 2 == 1 {
            plain.push('{');
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let reference = reference(from)?;
        rest = from.get(reference.written.len()..).unwrap_or_default();
        pieces.push(Piece::Variable(reference));
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The variable that a text begins with.
fn reference(from: &str) -> Result<Reference<'_>, PieceError<'_>> {
    let inner = from.strip_prefix("${").unwrap_or(from);
    if let Some(jina) = inner.strip_prefix('{') {
        let (expression, end) = match jina.find("}}") {
            Some(end) => (jina.get(..end).unwrap_or_default(), end + 5),
            None => ("", from.len()),
        };
        let expression = expression.trim();
        let name = expression
            .strip_prefix("ENV.")
            .or_else(|| expression.strip_prefix("env."));
        return Err(PieceError {
            written: from.get(..end).unwrap_or(from),
            kind: PieceErrorKind::Jina(name.filter(|name| is_name(name))),
        });
    }
    let Some(end) = inner.find('}') else {
        return Err(PieceError {
            written: from,
            kind: PieceErrorKind::Open,
        });
    };
    let written = from.get(..end + 3).unwrap_or(from);
    let inner = inner.get(..end).unwrap_or(inner);
    let (name, default) = match inner.split_once(":-") {
        None => (inner, None),
        Some((name, default)) => (name, Some(default)),
    };
    let kind = match default {
        _ if !is_name(name) => PieceErrorKind::Form,
        Some(default) if default.contains("${") => PieceErrorKind::Nested,
        default => {
            return Ok(Reference {
                written,
                name,
                default,
            });
        }
    };
    Err(PieceError { written, kind })
}

/// Whether this is a name that every shell can set a variable by.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece<'_> {
        Piece::Text(text.to_owned())
    }

    fn variable<'t>(written: &'t str, name: &'t str, default: Option<&'t str>) -> Piece<'t> {
        Piece::Variable(Reference {
            written,
            name,
            default,
        })
    }

    #[test]
    fn what_a_text_is_made_of() {
        for (written, expected) in [
            ("", vec![]),
            ("a $B $ {C} $$ $", vec![text("a $B $ {C} $$ $")]),
            ("${A}", vec![variable("${A}", "A", None)]),
            (
                "x${_a1}y${B:-}",
                vec![
                    text("x"),
                    variable("${_a1}", "_a1", None),
                    text("y"),
                    variable("${B:-}", "B", Some("")),
                ],
            ),
            (
                "${A:-a:-$ {b}",
                vec![variable("${A:-a:-$ {b}", "A", Some("a:-$ {b"))],
            ),
            ("$${A}", vec![text("${A}")]),
            ("$$${A}", vec![text("$"), variable("${A}", "A", None)]),
            ("$$$${A}", vec![text("$${A}")]),
            (
                "a$$${A}$${",
                vec![text("a$"), variable("${A}", "A", None), text("${")],
            ),
            (
                "ä${A}ö",
                vec![text("ä"), variable("${A}", "A", None), text("ö")],
            ),
        ] {
            assert_eq!(pieces(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_is_not_a_variable() {
        use PieceErrorKind::{Form, Jina, Nested, Open};
        for (written, part, kind) in [
            ("a${", "${", Open),
            ("a${B", "${B", Open),
            ("a${}b", "${}", Form),
            ("${ A }", "${ A }", Form),
            ("${1A}", "${1A}", Form),
            ("${A-b}", "${A-b}", Form),
            ("${A:?b}", "${A:?b}", Form),
            ("${ä}", "${ä}", Form),
            ("${A:-${B}}", "${A:-${B}", Nested),
            ("x${{ ENV.A }}y", "${{ ENV.A }}", Jina(Some("A"))),
            ("${{ CONTEXT.a }}", "${{ CONTEXT.a }}", Jina(None)),
            ("${{ x", "${{ x", Jina(None)),
        ] {
            let expected = PieceError {
                written: part,
                kind,
            };
            assert_eq!(pieces(written), Err(expected), "{written}");
        }
    }
}
