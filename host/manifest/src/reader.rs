//! Typed reading of a TOML table that collects every problem instead of stopping
//! at the first.
//!
//! Written by hand and not with serde: serde stops at the first error, and its
//! messages cannot point at two places or suggest a name.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::bounds::MAX_PROBLEMS;
use crate::keys::{Key, Keys, Kind, Presence, Visitor};
use crate::nearest::suggestion;
use crate::report::{Problem, Report};

/// A value of the file with its place.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// The value of a key, with the places of both.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) key: Range<usize>,
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// The value of a key, or what stands for a key that is not there.
pub(crate) fn value_or<T>(entry: Option<Entry<T>>, default: T) -> T {
    entry.map_or(default, |entry| entry.value)
}

/// Where a key is, or the place that stands for a key that is not there.
pub(crate) fn key_or<T>(entry: Option<&Entry<T>>, table: &Range<usize>) -> Range<usize> {
    entry.map_or_else(|| table.clone(), |entry| entry.key.clone())
}

/// Collects the problems of one file.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    problems: Vec<Problem>,
    /// Problems over the bound of what a report keeps.
    left_out: usize,
}

impl Reader {
    pub(crate) fn report(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// How many problems there are until now.
    pub(crate) fn count(&self) -> usize {
        self.problems.len() + self.left_out
    }

    /// All problems together.
    pub(crate) fn into_report(self, file: String, source: String) -> Report {
        Report::new(file, source, self.problems, self.left_out)
    }

    /// Reads a table: every key that it declares, and every key that it has and
    /// does not declare as a problem.
    pub(crate) fn table<T: Keys>(&mut self, entries: &DeTable<'_>, span: Range<usize>) -> T {
        let mut visitor = TableReader {
            reader: self,
            entries,
            span,
            name: T::NAME,
            known: Vec::new(),
        };
        let table = T::visit(&mut visitor);
        visitor.refuse_unknown_keys();
        table
    }
}

/// Visits the declared keys of one table with what the file has for them.
struct TableReader<'r, 't, 's> {
    reader: &'r mut Reader,
    entries: &'t DeTable<'s>,
    span: Range<usize>,
    name: &'static str,
    /// The keys that were visited.
    known: Vec<&'static str>,
}

impl TableReader<'_, '_, '_> {
    fn refuse_unknown_keys(self) {
        for (key, _) in self.entries.iter() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            self.reader.report(
                Problem::new(
                    key.span(),
                    format!("unknown key `{name}` in `{}`", self.name),
                )
                .help(suggestion(name, "known keys", &self.known)),
            );
        }
    }
}

impl Visitor for TableReader<'_, '_, '_> {
    fn key<K: Kind>(
        &mut self,
        name: &'static str,
        _doc: &'static str,
        key: Key<K>,
    ) -> Option<Entry<K::Value>> {
        self.known.push(name);
        let Some((written, value)) = self.entries.get_key_value(name) else {
            if matches!(key.presence, Presence::Required) {
                let title = match key.kind.absent() {
                    Some(title) => title.to_owned(),
                    None => format!("`{name}` is missing in `{}`", self.name),
                };
                self.reader
                    .report(Problem::new(self.span.clone(), title).help(key.example_help(name)));
            }
            return None;
        };
        let mut context = Context {
            reader: self.reader,
            name,
            key: written.span(),
            example: key.example_help(name),
        };
        let read = key.kind.read(value, &mut context)?;
        Some(Entry {
            key: written.span(),
            value: read,
            span: value.span(),
        })
    }
}

/// The key whose value is read, for the problems with it.
pub(crate) struct Context<'r> {
    pub(crate) reader: &'r mut Reader,
    /// What the key is called in messages.
    pub(crate) name: &'static str,
    /// Where the key is.
    pub(crate) key: Range<usize>,
    /// `for example: port = 54321`.
    pub(crate) example: String,
}

impl Context<'_> {
    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, expected: &str) {
        self.wrong_type_of(self.name, value, expected);
    }

    /// Reports a value of the wrong type that has a name of its own.
    pub(crate) fn wrong_type_of(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) {
        let problem = Problem::new(value.span(), format!("`{name}` must be {expected}"))
            .label(format!("found {}", found(value.get_ref())))
            .help(self.example.clone());
        self.reader.report(problem);
    }
}

/// What kind of value this is, for a person.
pub(crate) fn found(value: &DeValue<'_>) -> &'static str {
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
