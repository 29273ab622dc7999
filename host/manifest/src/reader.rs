//! Typed reading of TOML values that collects every problem instead of
//! stopping at the first.
//!
//! Written by hand and not with serde: serde stops at the first error, and its
//! messages cannot point at two places or suggest a name.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::report::Problem;

/// A value of the file with its place.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table of the file, with what it is called in messages.
#[derive(Clone)]
pub(super) struct Table<'t, 's> {
    entries: &'t DeTable<'s>,
    /// Where it is: for the keys that it lacks.
    pub(super) span: Range<usize>,
    /// `[gateway]`.
    name: &'static str,
}

impl<'t, 's> Table<'t, 's> {
    pub(super) fn new(entries: &'t DeTable<'s>, span: Range<usize>, name: &'static str) -> Self {
        Table {
            entries,
            span,
            name,
        }
    }

    fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'s>>> {
        self.entries.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the key itself is, or else the table.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.entries
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map_or_else(|| self.span.clone(), |(name, _)| name.span())
    }

    /// The entries with the places of their keys.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (At<&'t str>, &'t Spanned<DeValue<'s>>)> + use<'t, 's> {
        self.entries.iter().map(|(key, value)| {
            let name = At {
                value: key.get_ref().as_ref(),
                span: key.span(),
            };
            (name, value)
        })
    }
}

/// Collects the problems of one file.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reports the keys of a table that mean nothing, with the nearest ones
    /// that do.
    pub(super) fn known_keys(&mut self, table: &Table<'_, '_>, known: &[&str]) {
        for (key, _) in table.entries() {
            if known.contains(&key.value) {
                continue;
            }
            let list = format!("known keys: {}", known.join(", "));
            let help = match nearest(key.value, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`? {list}"),
                None => list,
            };
            self.report(
                Problem::new(
                    key.span,
                    format!("unknown key `{}` in `{}`", key.value, table.name),
                )
                .help(help),
            );
        }
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong_type(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        example: &str,
    ) {
        self.report(
            Problem::new(value.span(), format!("`{name}` must be {expected}"))
                .label(format!("found {}", kind(value.get_ref())))
                .help(format!("for example: {example}")),
        );
    }

    /// Reports a key that is not there.
    pub(super) fn missing(&mut self, table: &Table<'_, '_>, key: &str, example: &str) {
        self.report(
            Problem::new(
                table.span.clone(),
                format!("`{key}` is missing in `{}`", table.name),
            )
            .help(format!("for example: {example}")),
        );
    }

    pub(super) fn string(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        example: &str,
    ) -> Option<At<String>> {
        let value = table.get(key)?;
        self.string_value(key, value, "a string", example)
    }

    /// A string in a list or table of its own.
    pub(super) fn string_value(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        example: &str,
    ) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(At {
                value: text.to_string(),
                span: value.span(),
            }),
            _ => {
                self.wrong_type(name, value, expected, example);
                None
            }
        }
    }

    /// A string that a function reads: a size, a duration.
    pub(super) fn parsed<T>(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        what: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = table.get(key)?;
        let expected = format!("{what}, as a string");
        let text = self.string_value(key, value, &expected, example)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.report(
                    Problem::new(text.span, format!("`{key}` is not {what}"))
                        .label(reason)
                        .help(format!("for example: {example}")),
                );
                None
            }
        }
    }

    /// A whole number within bounds, both included.
    pub(super) fn integer(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        bounds: std::ops::RangeInclusive<u64>,
        example: &str,
    ) -> Option<u64> {
        let value = table.get(key)?;
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, value, &expected, example);
            return None;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => {
                self.report(
                    Problem::new(value.span(), format!("`{key}` must be {expected}"))
                        .label("out of range")
                        .help(format!("for example: {example}")),
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        table: &Table<'_, '_>,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = table.get(key)?;
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let allowed = or_list(&names);
        let Some(text) = value.get_ref().as_str() else {
            self.report(
                Problem::new(value.span(), format!("`{key}` must be {allowed}"))
                    .label(format!("found {}", kind(value.get_ref()))),
            );
            return None;
        };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let problem = Problem::new(value.span(), format!("`{key}` must be {allowed}"));
        self.report(match nearest(text, names.iter().copied()) {
            Some(name) => problem.help(format!("did you mean \"{name}\"?")),
            None => problem,
        });
        None
    }

    pub(super) fn table<'t, 's>(
        &mut self,
        parent: &Table<'t, 's>,
        key: &str,
        name: &'static str,
        example: &str,
    ) -> Option<Table<'t, 's>> {
        let value = parent.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(entries, parent.key_span(key), name)),
            _ => {
                self.wrong_type(key, value, "a table", example);
                None
            }
        }
    }

    pub(super) fn list<'t, 's>(
        &mut self,
        parent: &Table<'t, 's>,
        key: &str,
        expected: &str,
        example: &str,
    ) -> Option<&'t DeArray<'s>> {
        let value = parent.get(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(items),
            _ => {
                self.wrong_type(key, value, expected, example);
                None
            }
        }
    }

    /// A string or a list of strings.
    pub(super) fn strings(
        &mut self,
        parent: &Table<'_, '_>,
        key: &str,
        expected: &str,
        example: &str,
    ) -> Option<Vec<At<String>>> {
        let value = parent.get(key)?;
        match value.get_ref() {
            DeValue::String(_) => self
                .string_value(key, value, expected, example)
                .map(|text| vec![text]),
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .filter_map(|item| self.string_value(key, item, expected, example))
                    .collect(),
            ),
            _ => {
                self.wrong_type(key, value, expected, example);
                None
            }
        }
    }

    /// A table as a JSON object. Dates become strings.
    pub(super) fn object(
        &mut self,
        parent: &Table<'_, '_>,
        key: &str,
        name: &'static str,
        example: &str,
    ) -> Option<Map<String, Value>> {
        let table = self.table(parent, key, name, example)?;
        Some(self.json_table(table.entries))
    }

    fn json_table(&mut self, table: &DeTable<'_>) -> Map<String, Value> {
        table
            .iter()
            .filter_map(|(key, value)| {
                let value = self.json(value)?;
                Some((key.get_ref().to_string(), value))
            })
            .collect()
    }

    fn json(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        Some(match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
            DeValue::Array(items) => {
                Value::Array(items.iter().filter_map(|item| self.json(item)).collect())
            }
            DeValue::Table(table) => Value::Object(self.json_table(table)),
            DeValue::Integer(integer) => {
                let (digits, radix) = (integer.as_str(), integer.radix());
                let number = i64::from_str_radix(digits, radix)
                    .map(Number::from)
                    .or_else(|_| u64::from_str_radix(digits, radix).map(Number::from));
                match number {
                    Ok(number) => Value::Number(number),
                    Err(_) => {
                        self.report(
                            Problem::new(value.span(), "this number is too large")
                                .label("does not fit 64 bits")
                                .help("write it as a string, or with a fraction: 1e30"),
                        );
                        return None;
                    }
                }
            }
            DeValue::Float(float) => {
                let number = float
                    .as_str()
                    .parse::<f64>()
                    .ok()
                    .and_then(Number::from_f64);
                match number {
                    Some(number) => Value::Number(number),
                    None => {
                        self.report(
                            Problem::new(value.span(), "this number cannot be passed on").label(
                                "JSON, in which executors are configured, has no such number",
                            ),
                        );
                        return None;
                    }
                }
            }
        })
    }
}

/// What kind of value this is, for a person.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The name that was probably meant, if one is near enough.
pub(super) fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = text.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
fn or_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
