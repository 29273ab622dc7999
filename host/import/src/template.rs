//! A text with environment variables in it.

use std::collections::BTreeMap;

/// A text with environment variables in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template(Vec<Piece>);

/// No two texts stand side by side, and none is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// By name.
    Variable(String),
}

/// What stands in a text in place of a value, and cannot be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// `${{ CONTEXT.name }}`, and nobody says what it is.
    Context(String),
    /// `${{root.path}}`, or another expression.
    Expression(String),
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        let mut template = Template::default();
        template.push(text);
        template
    }
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        Template::from(text.as_str())
    }
}

impl Template {
    /// Reads a text with what Jina would put values in place of: `${{ ENV.NAME }}`,
    /// `$NAME` and `${NAME}` are environment variables, and `${{ CONTEXT.name }}` and
    /// `${{ name }}` are values of `context`.
    ///
    /// # Errors
    /// If something stands there that has no value.
    pub(crate) fn parse(
        text: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<Template, TemplateError> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            template.push(before);
            if let Some(inner) = from.strip_prefix("${{")
                && let Some(end) = inner.find("}}")
            {
                let (expression, behind) = inner.split_at(end);
                template.expression(expression, context)?;
                rest = behind.strip_prefix("}}").unwrap_or_default();
                continue;
            }
            let (written, name) = shell_variable(from);
            match name {
                Some(name) => template.push_variable(name),
                None => template.push(written),
            }
            rest = from.strip_prefix(written).unwrap_or_default();
        }
        template.push(rest);
        Ok(template)
    }

    fn expression(
        &mut self,
        expression: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<(), TemplateError> {
        let spaced = expression.starts_with(' ');
        let expression = expression.trim();
        let after = |prefixes: [&str; 2]| {
            let mut prefixes = prefixes.iter();
            let name = prefixes.find_map(|prefix| expression.strip_prefix(prefix))?;
            is_name(name).then_some(name)
        };
        if let Some(name) = after(["ENV.", "env."]) {
            self.push_variable(name);
            return Ok(());
        }
        let name = after(["CONTEXT.", "context."])
            .or_else(|| (spaced && is_name(expression)).then_some(expression))
            .ok_or_else(|| TemplateError::Expression(expression.to_owned()))?;
        match context.get(name) {
            Some(value) => self.push(value),
            None => return Err(TemplateError::Context(name.to_owned())),
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    fn push_variable(&mut self, name: &str) {
        self.0.push(Piece::Variable(name.to_owned()));
    }

    /// Adds another one, with its texts changed.
    pub(crate) fn push_with(&mut self, other: &Template, text: impl Fn(&str) -> String) {
        for piece in &other.0 {
            match piece {
                Piece::Text(part) => self.push(&text(part)),
                Piece::Variable(name) => self.push_variable(name),
            }
        }
    }

    /// The same with the text changed that it begins with, if it begins with one.
    pub(crate) fn map_beginning(&self, text: impl FnOnce(&str) -> String) -> Template {
        match self.0.split_first() {
            Some((Piece::Text(first), rest)) => {
                let mut template = Template::from(text(first));
                template.0.extend_from_slice(rest);
                template
            }
            _ => self.clone(),
        }
    }

    /// The text, if there is no variable in it.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text that it begins with; empty if that is a variable.
    pub(crate) fn beginning(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether it is one variable and nothing else.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Variable(_)])
    }

    /// What stands before a character and what stands behind it, if it is in one of the
    /// texts: the last one that there is.
    pub(crate) fn rsplit_once(&self, at: char) -> Option<(Template, Template)> {
        let splits = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains(at));
        let index = self.0.iter().rposition(splits)?;
        let (before, from) = self.0.split_at(index);
        let (Piece::Text(text), behind) = from.split_first()? else {
            return None;
        };
        let (left, right) = text.rsplit_once(at)?;
        let mut first = Template(before.to_vec());
        first.push(left);
        let mut second = Template::from(right);
        second.0.extend_from_slice(behind);
        Some((first, second))
    }

    /// As a text of flow.toml, without the quotes around it: a variable is `${NAME}`
    /// there, too, and `$` before `{` is written twice.
    pub(crate) fn flow_toml(&self) -> String {
        let mut written = String::new();
        let mut pieces = self.0.iter().peekable();
        while let Some(piece) = pieces.next() {
            let before_variable = matches!(pieces.peek(), Some(Piece::Variable(_)));
            match piece {
                Piece::Variable(name) => written.push_str(&format!("${{{name}}}")),
                Piece::Text(text) => {
                    let mut dollars = 0;
                    for c in text.chars() {
                        if c == '{' {
                            written.extend(std::iter::repeat_n('$', dollars));
                        }
                        dollars = if c == '$' { dollars + 1 } else { 0 };
                        written.push(c);
                    }
                    if before_variable {
                        written.extend(std::iter::repeat_n('$', dollars));
                    }
                }
            }
        }
        written
    }

    /// As Jina's YAML has it.
    pub(crate) fn jina(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(name) => format!("${{{{ ENV.{name} }}}}"),
        });
        pieces.collect()
    }

    /// As a word of a shell's command line, which puts in the variables itself.
    pub(crate) fn shell(&self) -> String {
        let Some(text) = self.plain() else {
            let mut word = String::from("\"");
            for piece in &self.0 {
                match piece {
                    Piece::Variable(name) => word.push_str(&format!("${{{name}}}")),
                    Piece::Text(text) => {
                        for c in text.chars() {
                            if matches!(c, '"' | '\\' | '$' | '`') {
                                word.push('\\');
                            }
                            word.push(c);
                        }
                    }
                }
            }
            return word + "\"";
        };
        let safe = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
        match !text.is_empty() && text.chars().all(safe) {
            true => text.to_owned(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        }
    }
}

/// What a `$` begins, and the name of the variable that it is, if it is one: as Python's
/// `os.path.expandvars` reads it.
fn shell_variable(from: &str) -> (&str, Option<&str>) {
    let inner = from.strip_prefix('$').unwrap_or(from);
    let (len, name) = match inner.strip_prefix('{') {
        Some(braced) => match braced.find('}') {
            Some(end) => (end + 3, braced.get(..end).unwrap_or_default()),
            None => (1, ""),
        },
        None => {
            let end = inner
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(inner.len());
            (end + 1, inner.get(..end).unwrap_or_default())
        }
    };
    match is_name(name) {
        true => (from.get(..len).unwrap_or(from), Some(name)),
        // `$5` or `$`: as it stands.
        false => (from.get(..1).unwrap_or(from), None),
    }
}

/// Whether an environment variable, or a value of a context, can be called that.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, TemplateError> {
        let context = [("size", "4"), ("odd", "a${X}")];
        let context = context.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Template::parse(text, &context.into())
    }

    /// Text of Jina, of flow.toml, and of a shell.
    #[test]
    fn variables_in_every_form() {
        for (jina, toml, shell) in [
            ("", "", "''"),
            ("plain", "plain", "plain"),
            ("a b'c", "a b'c", r"'a b'\''c'"),
            ("$A", "${A}", "\"${A}\""),
            ("x/${A}/$B.y", "x/${A}/${B}.y", "\"x/${A}/${B}.y\""),
            (
                "${{ ENV.A }}${{ env.B }}${{ENV.C}}",
                "${A}${B}${C}",
                "\"${A}${B}${C}\"",
            ),
            (
                "${{ CONTEXT.size }}-${{ context.size }}-${{ size }}",
                "4-4-4",
                "4-4-4",
            ),
            ("${{ odd }}", "a$${X}", "'a${X}'"),
            ("$5 $ $$", "$5 $ $$", "'$5 $ $$'"),
            ("$$A", "$$${A}", "\"\\$${A}\""),
            ("${1}${a b}${", "$${1}$${a b}$${", "'${1}${a b}${'"),
            ("$A_1\"`\\", "${A_1}\"`\\", "\"${A_1}\\\"\\`\\\\\""),
        ] {
            let template = parse(jina).unwrap();
            assert_eq!(template.flow_toml(), toml, "{jina}");
            assert_eq!(template.shell(), shell, "{jina}");
        }
    }

    #[test]
    fn what_has_no_value() {
        let context = |name: &str| Err(TemplateError::Context(name.into()));
        let expression = |text: &str| Err(TemplateError::Expression(text.into()));
        for (text, expected) in [
            ("${{ CONTEXT.no }}", context("no")),
            ("${{ no }}", context("no")),
            ("${{root.with.port}}", expression("root.with.port")),
            ("${{this.name}}", expression("this.name")),
            ("${{no}}", expression("no")),
            ("${{ ENV.a-b }}", expression("ENV.a-b")),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    /// What flow.toml's own reader makes of it is what it was.
    #[test]
    fn flow_toml_reads_what_is_written() {
        for text in [
            "$A",
            "$$A",
            "$$$A {$B}",
            "${1}",
            "$${ ${{ size }}{",
            "$5{",
            "a$",
        ] {
            let template = parse(text).unwrap();
            let value = serde_json::Value::from(template.flow_toml());
            let file = format!("[flow]\nname = {value}\n[[executors]]\nname = \"a\"\nuses = \"a\"");
            let read = |name: &str| Some(format!("<{name}>").into());
            let manifest = wasm_flow_manifest::Manifest::parse_with(&file, "flow.toml", read);
            let expected: String = template
                .0
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Variable(name) => format!("<{name}>"),
                })
                .collect();
            assert_eq!(manifest.unwrap().name, expected, "{text}");
        }
    }

    #[test]
    fn texts_are_split_beside_variables() {
        let split = |text: &str| {
            let (before, behind) = parse(text).unwrap().rsplit_once(':')?;
            Some((before.flow_toml(), behind.flow_toml()))
        };
        let pair = |before: &str, behind: &str| Some((before.to_owned(), behind.to_owned()));
        assert_eq!(split("a:b:c"), pair("a:b", "c"));
        assert_eq!(split("$A:/b/$C"), pair("${A}", "/b/${C}"));
        assert_eq!(split("$A/b"), None);
    }
}
