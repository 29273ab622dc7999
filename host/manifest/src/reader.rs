//! Typed reading of a TOML table that collects every problem instead of stopping
//! at the first.
//!
//! Written by hand and not with serde: serde stops at the first error, and its
//! messages cannot point at two places or suggest a name.

use std::ops::Range;

use toml::de::DeTable;
use wasm_flow_contract::nearest::suggestion;

use crate::context::Context;
use crate::entry::Entry;
use crate::keys::{Key, Keys, Kind, Presence, Visitor};
use crate::problems::Problems;
use crate::report::Problem;

/// Reads a table: every key that it declares. Every key that it has and does not
/// declare is a problem.
pub(crate) fn table<T: Keys>(
    problems: &mut Problems,
    entries: &DeTable<'_>,
    span: Range<usize>,
) -> T {
    named_table(problems, entries, span, T::NAME)
}

/// The same of a table that may stand under several keys, and is called like its own.
pub(crate) fn named_table<T: Keys>(
    problems: &mut Problems,
    entries: &DeTable<'_>,
    span: Range<usize>,
    name: &'static str,
) -> T {
    let mut reader = TableReader {
        problems,
        entries,
        span,
        name,
        known: Vec::new(),
    };
    let table = T::visit(&mut reader);
    reader.refuse_unknown_keys();
    table
}

/// Visits the declared keys of one table with what the file has for them.
struct TableReader<'r, 't, 's> {
    problems: &'r mut Problems,
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
            self.problems.report(
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
                self.problems
                    .report(Problem::new(self.span.clone(), title).help(key.example_help(name)));
            }
            return None;
        };
        let mut context = Context {
            problems: self.problems,
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
