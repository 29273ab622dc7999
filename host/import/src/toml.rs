//! The flow.toml that is written: tables, keys and comments.

use std::fmt::Write as _;

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlKeyBuilder, TomlStringBuilder};

use crate::template::Template;

/// A line longer than this is written over several.
const WIDTH: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Template),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl Into<Template>) -> Value {
        Value::Text(text.into())
    }

    /// On one line.
    fn inline(&self) -> String {
        match self {
            Value::Text(template) => string(&template.flow_toml()),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_toml_value(),
            Value::Bool(flag) => flag.to_string(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Value::inline).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(entries) if entries.is_empty() => "{}".to_owned(),
            Value::Table(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("{} = {}", key(name), value.inline()))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// A text in quotes, on one line.
fn string(text: &str) -> String {
    let builder = TomlStringBuilder::new(text);
    let pretty = builder.as_basic_pretty().or_else(|| builder.as_literal());
    pretty.unwrap_or_else(|| builder.as_basic()).to_toml_value()
}

fn key(name: &str) -> String {
    TomlKeyBuilder::new(name).as_default().to_toml_key()
}

/// A table with its header. What does not fit on a line becomes a table behind it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// As in `[{header}]`; empty for the top of the file.
    header: String,
    /// Whether it is one of a list: `[[{header}]]`.
    is_item: bool,
    /// What tables behind it begin with.
    path: String,
    lines: String,
    behind: Vec<Table>,
}

impl Table {
    pub(crate) fn new(header: &str) -> Table {
        Table {
            header: header.to_owned(),
            path: header.to_owned(),
            ..Table::default()
        }
    }

    pub(crate) fn item(header: &str) -> Table {
        Table {
            is_item: true,
            ..Table::new(header)
        }
    }

    /// Lines of a comment. Whatever is in the text, all of it is a comment.
    pub(crate) fn comment(&mut self, text: &str) {
        for line in text.split('\n') {
            let line = line.replace(|c: char| c.is_control() && c != '\t', " ");
            self.lines += format!("# {}", line.trim_end()).trim_end();
            self.lines.push('\n');
        }
    }

    /// A key with its value, on one line if it fits there.
    pub(crate) fn key(&mut self, name: &str, value: &Value) {
        let name = key(name);
        let inline = value.inline();
        let fits = name.len() + 3 + inline.chars().count() <= WIDTH;
        match value {
            Value::Table(entries) if !fits => {
                let mut table = Table::new(&format!("{}.{name}", self.path));
                for (name, value) in entries {
                    table.key(name, value);
                }
                self.behind.push(table);
            }
            Value::List(items) if !fits => {
                let _ = writeln!(self.lines, "{name} = [");
                for item in items {
                    let _ = writeln!(self.lines, "    {},", item.inline());
                }
                self.lines += "]\n";
            }
            _ => {
                let _ = writeln!(self.lines, "{name} = {inline}");
            }
        }
    }

    /// A table behind this one.
    pub(crate) fn add(&mut self, table: Table) {
        self.behind.push(table);
    }

    /// A table with a key of any form at the end of its header.
    pub(crate) fn below_header(header: &str, name: &str) -> Table {
        Table::new(&format!("{header}.{}", key(name)))
    }

    /// The name of a table behind this one.
    pub(crate) fn below(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// About how long the text is.
    pub(crate) fn len(&self) -> usize {
        let behind = self.behind.iter().map(Table::len);
        self.header.len() + self.lines.len() + behind.sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.behind.is_empty()
    }

    /// The table as text, with those behind it.
    pub(crate) fn write(&self, into: &mut String) {
        if !self.header.is_empty() {
            if !into.is_empty() {
                into.push('\n');
            }
            *into += &match self.is_item {
                true => format!("[[{}]]\n", self.header),
                false => format!("[{}]\n", self.header),
            };
        }
        *into += &self.lines;
        for table in &self.behind {
            table.write(into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_written_for_people() {
        let mut table = Table::item("executors");
        table.comment("a\nb\u{7}\rc\n");
        table.key("name", &Value::text("x\"y\n"));
        let short = Value::Table(vec![
            ("a".into(), Value::Int(1)),
            (
                "b c".into(),
                Value::List(vec![Value::Float(1.0), Value::Bool(true)]),
            ),
            ("d".into(), Value::Table(vec![])),
        ]);
        table.key("uses_with", &short);
        let long = || Value::text("x".repeat(60));
        let wide = Value::Table(vec![
            ("first".into(), long()),
            ("second".into(), Value::List(vec![long(), long()])),
            (
                "/x".into(),
                Value::Table(vec![("a".into(), long()), ("b".into(), long())]),
            ),
        ]);
        table.key("when", &wide);
        table.key("last", &Value::Int(2));
        let mut written = String::from("# top\n");
        table.write(&mut written);
        let x = "x".repeat(60);
        let expected = format!(
            "# top\n\n[[executors]]\n# a\n# b  c\n#\nname = \"x\\\"y\\n\"\n\
             uses_with = {{ a = 1, \"b c\" = [1.0, true], d = {{}} }}\nlast = 2\n\n\
             [executors.when]\nfirst = \"{x}\"\nsecond = [\n    \"{x}\",\n    \"{x}\",\n]\n\n\
             [executors.when.\"/x\"]\na = \"{x}\"\nb = \"{x}\"\n"
        );
        assert_eq!(written, expected);
    }
}
