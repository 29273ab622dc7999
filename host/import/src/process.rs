//! The command that serves an executor in Python.

use crate::ordered::Ordered;
use crate::template::Template;
use crate::toml::Value;

/// A line of a command that is longer goes on in the next one.
const WIDTH: usize = 90;

/// A process of Jina's that serves an executor.
#[derive(Debug, Default)]
pub(crate) struct Process {
    env: Ordered<Template>,
    /// By the names of keys.
    arguments: Ordered<Value>,
}

impl Process {
    /// A variable that it is given. A later one of the same name takes its place.
    pub(crate) fn env(&mut self, name: &str, value: Template) {
        self.env.insert(name, value);
    }

    /// What it is given by a key. A later value takes the place of an earlier one.
    pub(crate) fn argument(&mut self, name: &str, value: Value) {
        self.arguments.insert(name, value);
    }

    /// The command line. `ports` are words of a shell; each gets a process.
    pub(crate) fn command(&self, ports: &[Template]) -> String {
        match ports {
            [port] => self.line(&port.shell(), ""),
            ports => {
                let ports: Vec<String> = ports.iter().map(Template::shell).collect();
                format!(
                    "for port in {}; do\n{} &\ndone; wait",
                    ports.join(" "),
                    self.line("$port", "  ")
                )
            }
        }
    }

    /// The same as a file of its own: a Deployment, which has shards, too.
    pub(crate) fn deployment(&self, name: &str, port: &Template) -> String {
        let mut text = format!("jtype: Deployment\nwith:\n  name: {name}\n");
        for (name, value) in self.arguments.iter() {
            text += &format!("  {name}: {}\n", json(value).jina());
        }
        if !self.env.is_empty() {
            let env = self.env.iter();
            let env = env.map(|(name, value)| (name.clone(), Value::Text(value.clone())));
            text += &format!("  env: {}\n", json(&Value::Table(env.collect())).jina());
        }
        text + &format!("  host: 127.0.0.1\n  port: {}", port.jina())
    }

    fn line(&self, port: &str, indent: &str) -> String {
        let mut words: Vec<String> = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", value.shell()))
            .collect();
        words.push("jina executor".to_owned());
        for (name, value) in self.arguments.iter() {
            words.extend(argument(name, value));
        }
        words.push(format!("--host 127.0.0.1 --port {port}"));

        let mut lines = indent.to_owned();
        let mut len = 0;
        for word in words {
            if len > 0 && len + word.chars().count() > WIDTH {
                lines += &format!(" \\\n{indent}  ");
                len = 2;
            } else if len > 0 {
                lines.push(' ');
            }
            len += word.chars().count() + 1;
            lines += &word;
        }
        lines
    }
}

/// An argument of a command line, with its values. None for false.
fn argument(name: &str, value: &Value) -> Option<String> {
    let text = |value: &Value| match value {
        Value::Text(template) => template.shell(),
        other => json(other).shell(),
    };
    let name = format!("--{}", name.replace('_', "-"));
    Some(match value {
        Value::Bool(false) => return None,
        Value::Bool(true) => name,
        Value::List(items) => {
            let words = items.iter().map(text);
            std::iter::once(name)
                .chain(words)
                .collect::<Vec<_>>()
                .join(" ")
        }
        value => format!("{name} {}", text(value)),
    })
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> Template {
    let mut text = Template::default();
    push_json(&mut text, value);
    text
}

fn push_json(text: &mut Template, value: &Value) {
    match value {
        Value::Int(number) => text.push(&number.to_string()),
        Value::Float(number) => text.push(&serde_json::Value::from(*number).to_string()),
        Value::Bool(flag) => text.push(&flag.to_string()),
        Value::Text(template) => {
            text.push("\"");
            text.push_with(template, |part| {
                let quoted = serde_json::Value::from(part).to_string();
                let inner = quoted
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                inner.unwrap_or_default().to_owned()
            });
            text.push("\"");
        }
        Value::List(items) => {
            text.push("[");
            for (index, item) in items.iter().enumerate() {
                text.push(if index > 0 { ", " } else { "" });
                push_json(text, item);
            }
            text.push("]");
        }
        Value::Table(entries) => {
            text.push("{");
            for (index, (name, value)) in entries.iter().enumerate() {
                text.push(if index > 0 { ", " } else { "" });
                text.push(&format!("{}: ", serde_json::Value::from(name.as_str())));
                push_json(text, value);
            }
            text.push("}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_for_a_shell() {
        let variable = |text: &str| Template::parse(text, &Default::default()).unwrap();
        let mut process = Process::default();
        process.env("LOG", "debug".into());
        process.env("TOKEN", variable("x $T"));
        process.env("LOG", "a b".into());
        process.argument("uses", Value::text("Encode"));
        let files = vec![Value::text("a.py"), Value::text("b c.py")];
        process.argument("py_modules", Value::List(files));
        process.argument("install_requirements", Value::Bool(true));
        process.argument("native", Value::Bool(false));
        let table = Value::Table(vec![
            (
                "it's".into(),
                Value::List(vec![Value::Int(1), Value::Float(0.5)]),
            ),
            ("token".into(), Value::text("a\"\n")),
        ]);
        process.argument("uses_with", table);
        let metas = Value::Table(vec![("w".into(), Value::Text(variable("$W\"")))]);
        process.argument("uses_metas", metas);
        assert_eq!(
            process.command(&["51001".into()]),
            r#"LOG='a b' TOKEN="x ${T}" jina executor --uses Encode --py-modules a.py 'b c.py' \
  --install-requirements --uses-with '{"it'\''s": [1, 0.5], "token": "a\"\n"}' \
  --uses-metas "{\"w\": \"${W}\\\"\"}" --host 127.0.0.1 --port 51001"#
        );
        assert_eq!(
            process.deployment("encode", &"51001".into()),
            r#"jtype: Deployment
with:
  name: encode
  uses: "Encode"
  py_modules: ["a.py", "b c.py"]
  install_requirements: true
  native: false
  uses_with: {"it's": [1, 0.5], "token": "a\"\n"}
  uses_metas: {"w": "${{ ENV.W }}\""}
  env: {"LOG": "a b", "TOKEN": "x ${{ ENV.T }}"}
  host: 127.0.0.1
  port: 51001"#
        );
        let mut process = Process::default();
        process.argument("uses", Value::text("A"));
        assert_eq!(
            process.command(&["1".into(), "2".into()]),
            "for port in 1 2; do\n  jina executor --uses A --host 127.0.0.1 --port $port &\ndone; wait"
        );
    }
}
