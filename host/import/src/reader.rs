//! Reads values of a YAML tree, and keeps what is wrong with them.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use wasm_flow_contract::nearest::nearest;
use wasm_flow_manifest::{Problem, Problems};

use crate::Options;
use crate::config::Config;
use crate::keys::{ALIASES, Fate, Key, OLD_NAMES};
use crate::notes::{Notes, Place};
use crate::ordered::Ordered;
use crate::path::Move;
use crate::template::{Template, TemplateError};
use crate::toml::Value;
use crate::yaml::{Content, Node, ScalarKind};

/// Reads the values of one file.
pub(crate) struct Reader<'a> {
    pub(crate) options: &'a Options<'a>,
    pub(crate) paths: Move,
    problems: Problems,
    /// What was reported: a value may be read for several executors, and is wrong once.
    reported: HashSet<(usize, String)>,
    notes: Notes,
    /// Executors' configurations, by their paths. Several executors may have one.
    configs: HashMap<PathBuf, Option<Config>>,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A key that is known, with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'n> {
    pub(crate) name: &'static str,
    pub(crate) fate: Fate,
    pub(crate) key: &'n Node,
    pub(crate) value: &'n Node,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, options: &'a Options<'a>) -> Reader<'a> {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Reader {
            options,
            paths: Move::new(options.from, options.to),
            problems: Problems::default(),
            reported: HashSet::new(),
            notes: Notes::default(),
            configs: HashMap::new(),
            text,
            lines: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// An executor's configuration. None if it is not there, or not one.
    pub(crate) fn config(&mut self, path: &Path) -> Option<Config> {
        if let Some(known) = self.configs.get(path) {
            return known.clone();
        }
        let config = Config::read(self.options.read, path);
        self.configs.insert(path.to_owned(), config.clone());
        config
    }

    /// Reports a problem, once.
    pub(crate) fn report(&mut self, problem: Problem) {
        let key = (problem.span().start, problem.title().to_owned());
        if self.reported.insert(key) {
            self.problems.report(problem);
        }
    }

    /// Whether nothing is wrong until now.
    pub(crate) fn is_fine(&self) -> bool {
        self.problems.count() == 0
    }

    /// All that is wrong, and what a person has to know.
    pub(crate) fn into_parts(self) -> (Problems, Notes) {
        (self.problems, self.notes)
    }

    /// Reports a value that cannot be what it should be.
    pub(crate) fn refuse(&mut self, key: &str, value: &Node, expected: &str, help: &str) {
        let mut problem = Problem::new(value.span.clone(), format!("`{key}` must be {expected}"))
            .label(format!("found {}", value.kind()));
        if !help.is_empty() {
            problem = problem.help(help);
        }
        self.report(problem);
    }

    /// Says what became of a key, once for all places.
    pub(crate) fn note(&mut self, key: &Node, message: impl Into<String>) {
        self.add_note(false, key, message.into());
    }

    /// The same of what may be a mistake.
    pub(crate) fn warn(&mut self, key: &Node, message: impl Into<String>) {
        self.add_note(true, key, message.into());
    }

    /// The key is left out, for this reason.
    pub(crate) fn leave_out(&mut self, entry: &Entry<'_>, why: &str) {
        self.note(entry.key, format!("is left out: it {why}"));
    }

    fn add_note(&mut self, is_warning: bool, key: &Node, message: String) {
        let name = key.text().unwrap_or_default().to_owned();
        let place = self.place(key.span.start);
        self.notes.add(is_warning, &name, message, place);
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = self.lines.get(line.saturating_sub(1)).copied();
        let begin = begin.unwrap_or_default();
        let before = self.text.get(begin..at).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// The entries of a table whose keys are known. What is said of the others depends on
    /// whether they look like known ones. `table` is what the table is called in messages.
    pub(crate) fn entries<'n>(
        &mut self,
        table: &str,
        entries: &'n [(Node, Node)],
        known: &[&'static [Key]],
    ) -> Vec<Entry<'n>> {
        let mut found: Vec<Entry<'n>> = Vec::new();
        for (key, value) in entries {
            let Some((name, fate)) = self.known_key(table, key, known) else {
                continue;
            };
            let entry = Entry {
                name,
                fate,
                key,
                value,
            };
            match found.iter_mut().find(|earlier| earlier.name == name) {
                Some(earlier) => {
                    self.warn(key, "is there twice: the last one counts, as in Jina");
                    *earlier = entry;
                }
                None => found.push(entry),
            }
        }
        found
    }

    fn known_key(&mut self, table: &str, key: &Node, known: &[&'static [Key]]) -> Option<Key> {
        let Some(written) = key.text() else {
            let problem = Problem::new(
                key.span.clone(),
                format!("a key of `{table}` must be a text"),
            );
            self.report(problem.label(format!("found {}", key.kind())));
            return None;
        };
        let all = || known.iter().flat_map(|keys| keys.iter());
        // An argument of Jina's command line has `-` there.
        let name = written.replace('-', "_");
        let find = |name: &str| all().find(|(known, _)| *known == name).copied();
        if let Some(found) = find(&name) {
            return Some(found);
        }
        let renamed = |names: &[(&str, &'static str)]| {
            let (_, new) = names.iter().find(|(old, _)| *old == name)?;
            find(new)
        };
        if let Some(found) = renamed(ALIASES) {
            return Some(found);
        }
        if let Some(found) = renamed(OLD_NAMES) {
            let new = found.0;
            self.warn(
                key,
                format!("is Jina 2's name for `{new}`, and taken as that; Jina 3 ignores it"),
            );
            return Some(found);
        }
        // Jina's arguments may be cut short.
        let mut longer = all().filter(|(known, _)| known.starts_with(&name));
        if let Some(found) = longer.next()
            && name.len() > 2
            // One key may be in several tables.
            && longer.all(|(other, _)| *other == found.0)
        {
            let whole = found.0;
            self.warn(key, format!("is taken as `{whole}`; did you mean that?"));
            return Some(*found);
        }
        let unknown = "is not a key of Jina's, and left out: Jina ignores it, too";
        match nearest(&name, all().map(|(known, _)| *known)) {
            Some(near) => self.warn(key, format!("{unknown}; did you mean `{near}`?")),
            None => self.warn(key, unknown),
        }
        None
    }

    /// A value that is no list and no table, as a text.
    pub(crate) fn template(&mut self, key: &str, value: &Node) -> Option<Template> {
        let Content::Scalar(scalar) = &value.content else {
            self.refuse(key, value, "a text", "");
            return None;
        };
        if let ScalarKind::Bool(flag) = scalar.kind {
            // As Python writes it.
            return Some(Template::from(if flag { "True" } else { "False" }));
        }
        match Template::parse(&scalar.text, &self.options.context) {
            Ok(template) => Some(template),
            Err(error) => {
                let (title, help) = match error {
                    TemplateError::Context(name) => (
                        format!("`{name}` is a value of Jina's context, which is not in the file"),
                        format!("give it with `--context {name}=VALUE`"),
                    ),
                    TemplateError::Expression(text) => (
                        format!("`${{{{{text}}}}}` stands for another place of the file"),
                        "write here what stands there".to_owned(),
                    ),
                };
                let problem = Problem::new(value.span.clone(), title).help(help);
                self.report(problem);
                None
            }
        }
    }

    /// A text that has to be known here.
    pub(crate) fn plain(&mut self, key: &str, value: &Node) -> Option<String> {
        let template = self.template(key, value)?;
        match template.plain() {
            Some(text) => Some(text.to_owned()),
            None => {
                let title = format!("`{key}` cannot be an environment variable here");
                let help = "the rest of the flow depends on it: write the value itself";
                let problem = Problem::new(value.span.clone(), title).help(help);
                self.report(problem);
                None
            }
        }
    }

    /// The texts of a list, or a single one.
    pub(crate) fn templates(&mut self, key: &str, value: &Node) -> Vec<Template> {
        let items = value.items().iter();
        items.filter_map(|item| self.template(key, item)).collect()
    }

    /// Whatever it is: what Jina gives to an executor. Nothing is left out, with a note.
    pub(crate) fn value(&mut self, key: &Node, value: &Node) -> Option<Value> {
        match &value.content {
            Content::List(items) => {
                let items = items.iter().filter_map(|item| self.value(key, item));
                Some(Value::List(items.collect()))
            }
            Content::Map(entries) => {
                let mut table = Ordered::default();
                for (key, value) in entries.iter() {
                    let Some(name) = key.text() else {
                        let problem = Problem::new(key.span.clone(), "a key must be a text");
                        self.report(problem.label(format!("found {}", key.kind())));
                        continue;
                    };
                    if let Some(value) = self.value(key, value) {
                        table.insert(name, value);
                    }
                }
                Some(Value::Table(table.into_vec()))
            }
            Content::Scalar(scalar) => {
                let value = match scalar.kind {
                    ScalarKind::Null => None,
                    ScalarKind::Bool(flag) => Some(Value::Bool(flag)),
                    ScalarKind::Int(number) => Some(Value::Int(number)),
                    ScalarKind::Float(number) => Some(Value::Float(number)),
                    ScalarKind::Text => {
                        let template = self.template(key.text().unwrap_or_default(), value)?;
                        match template.plain() {
                            Some(text) => argument(text),
                            None => Some(Value::Text(template)),
                        }
                    }
                };
                match value {
                    None => {
                        self.note(key, "is left out: it is nothing, which TOML cannot say");
                        None
                    }
                    Some(Value::Float(number)) if !number.is_finite() => {
                        self.note(key, "is left out: executors are configured in JSON, which has no such number");
                        None
                    }
                    value => value,
                }
            }
        }
    }

    /// The same for a table.
    pub(crate) fn table(&mut self, entry: &Entry<'_>) -> Option<Vec<(String, Value)>> {
        // A text may be JSON, as on Jina's command line.
        if let Some(text) = entry.value.text()
            && let Ok(json @ serde_json::Value::Object(_)) = serde_json::from_str(text)
            && let Value::Table(table) = from_json(&json)
        {
            return Some(table);
        }
        match self.value(entry.key, entry.value)? {
            Value::Table(table) => Some(table),
            _ => {
                self.refuse(entry.name, entry.value, "a table", "");
                None
            }
        }
    }

    /// A whole number, or a variable that stands for one.
    pub(crate) fn whole(
        &mut self,
        key: &str,
        value: &Node,
        bounds: RangeInclusive<i64>,
    ) -> Option<Value> {
        let template = self.template(key, value)?;
        if template.is_variable() {
            return Some(Value::Text(template));
        }
        let number = template
            .plain()
            .and_then(|text| match ScalarKind::of(text.trim()) {
                ScalarKind::Int(number) => Some(number),
                _ => None,
            });
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(Value::Int(number)),
            None => {
                let (least, most) = (bounds.start(), bounds.end());
                let title = format!("`{key}` must be a whole number from {least} to {most}");
                let label = match number {
                    Some(_) => "out of range".to_owned(),
                    None => format!("found {}", value.kind()),
                };
                self.report(Problem::new(value.span.clone(), title).label(label));
                None
            }
        }
    }

    /// The ports that a key lists. None without it.
    pub(crate) fn ports(&mut self, entry: Option<&Entry<'_>>) -> Vec<Template> {
        let ports = entry.map(|entry| entry.value.items()).unwrap_or_default();
        let mut read = Vec::new();
        for port in ports {
            match self.whole("port", port, 1..=65_535) {
                Some(Value::Text(template)) => read.push(template),
                Some(Value::Int(number)) => read.push(Template::from(number.to_string())),
                _ => {}
            }
        }
        read
    }

    /// True or false, which has to be known here.
    pub(crate) fn flag(&mut self, entry: &Entry<'_>) -> bool {
        let text = self.plain(entry.name, entry.value).unwrap_or_default();
        match text.to_lowercase().as_str() {
            "true" => true,
            "false" | "" | "~" | "null" => false,
            _ => {
                self.refuse(entry.name, entry.value, "true or false", "");
                false
            }
        }
    }
}

/// What Jina makes of each text of a YAML file, quoted or not: a number, a list, a flag,
/// or nothing.
fn argument(text: &str) -> Option<Value> {
    for quote in ['\'', '"'] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(['\'', '"']));
        if let Some(inner) = inner {
            return Some(Value::text(inner));
        }
    }
    if text.starts_with('[') && text.ends_with(']') {
        let inner = text.replace(['[', ']'], "");
        let inner = inner.trim();
        let items = match inner.is_empty() {
            true => Vec::new(),
            false => inner
                .split(',')
                .filter_map(|item| argument(item.trim()))
                .collect(),
        };
        return Some(Value::List(items));
    }
    if let Some(number) = python_int(text) {
        return Some(Value::Int(number));
    }
    if let Some(number) = python_float(text) {
        return Some(Value::Float(number));
    }
    match text.to_lowercase().as_str() {
        "" => None,
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => Some(Value::text(text)),
    }
}

/// `int()` of Python.
fn python_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    without_underscores(digits)?;
    text.replace('_', "").parse().ok()
}

/// `float()` of Python.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    // It has no underscores but between digits.
    let valid = text.split(['.', 'e', 'E', '+', '-']);
    for part in valid.filter(|part| !part.is_empty()) {
        if part.contains('_') {
            without_underscores(part)?;
        }
    }
    text.replace('_', "").parse().ok()
}

/// Digits with single underscores between them.
fn without_underscores(digits: &str) -> Option<()> {
    let all = digits
        .split('_')
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    all.then_some(())
}

/// JSON as a value. What TOML cannot say is left out.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::text(""),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => {
            let items = items.iter().filter(|item| !item.is_null());
            Value::List(items.map(from_json).collect())
        }
        Json::Object(entries) => {
            let known = entries.iter().filter(|(_, value)| !value.is_null());
            Value::Table(
                known
                    .map(|(key, value)| (key.clone(), from_json(value)))
                    .collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with `parse_arg` of Jina 3.34.
    #[test]
    fn texts_become_what_jina_makes_of_them() {
        use Value::{Bool, Float, Int, List};
        for (text, expected) in [
            ("a b", Some(Value::text("a b"))),
            ("5", Some(Int(5))),
            ("-007", Some(Int(-7))),
            (" 1_000 ", Some(Int(1000))),
            ("1__0", Some(Value::text("1__0"))),
            ("_1", Some(Value::text("_1"))),
            ("0x10", Some(Value::text("0x10"))),
            ("1.50", Some(Float(1.5))),
            ("1e3", Some(Float(1000.0))),
            ("1_0.5", Some(Float(10.5))),
            ("", None),
            ("TRUE", Some(Bool(true))),
            ("false", Some(Bool(false))),
            ("yes", Some(Value::text("yes"))),
            ("'5'", Some(Value::text("5"))),
            ("\"a'", Some(Value::text("a"))),
            ("[a, 1]", Some(List(vec![Value::text("a"), Int(1)]))),
            ("[]", Some(List(vec![]))),
            (
                "[a,[b]]",
                Some(List(vec![Value::text("a"), Value::text("b")])),
            ),
            ("[", Some(Value::text("["))),
            ("@c", Some(Value::text("@c"))),
        ] {
            assert_eq!(argument(text), expected, "{text:?}");
        }
        assert!(matches!(argument("inf"), Some(Float(number)) if number.is_infinite()));
        assert!(matches!(argument("nan"), Some(Float(number)) if number.is_nan()));
    }
}
