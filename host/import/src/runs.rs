//! What an executor of a Flow runs: its `uses`.

use crate::config::Config;
use crate::executor::{Executor, Method};
use crate::reader::{Entry, Reader};
use crate::template::Template;
use crate::toml::Value;
use crate::yaml::{Content, Node};

/// What an executor runs.
#[derive(Debug, Clone)]
pub(crate) enum Runs {
    /// Jina's own, which changes nothing.
    Nothing,
    /// A Python class, by name.
    Class(String),
    /// A config.yml, with what is in it, if it is there.
    File(Template, Option<Config>),
    /// The same, written in the Flow.
    Inline(Config),
    /// An executor of Jina AI's hub.
    Hub(String),
    /// A docker image.
    Image(String),
    /// Anything else.
    Other(Template),
}

impl Runs {
    /// What this executor runs.
    pub(crate) fn of(reader: &mut Reader<'_>, executor: &Executor<'_>) -> Runs {
        match executor.get("uses") {
            Some(entry) => Runs::read(reader, &entry),
            None => Runs::Nothing,
        }
    }

    /// What a value of this kind runs.
    pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Runs {
        if let Content::Map(_) = entry.value.content {
            return match Config::of(entry.value.clone()) {
                Some(config) => Runs::Inline(config),
                None => {
                    let help = "write `jtype: CLASS` in it";
                    reader.refuse(
                        entry.name,
                        entry.value,
                        "the configuration of an executor",
                        help,
                    );
                    Runs::Nothing
                }
            };
        }
        let Some(template) = reader.template(entry.name, entry.value) else {
            return Runs::Nothing;
        };
        let text = template.plain().unwrap_or_default();
        let is_file = [".yml", ".yaml", ".jaml", ".json"]
            .iter()
            .any(|end| text.to_lowercase().ends_with(end));
        match text.split_once("://") {
            Some(("docker", image)) => Runs::Image(image.to_owned()),
            Some((scheme, _)) if scheme.starts_with("jinahub") || scheme.starts_with("jinaai") => {
                reader.note(
                    entry.key,
                    "names an executor of Jina AI's hub: if that does not answer, serve the executor \
                     from its source code, with `--uses config.yml`",
                );
                Runs::Hub(text.to_owned())
            }
            None if is_file => {
                let path = reader.options.from.join(text);
                let config = reader.config(&path);
                Runs::File(reader.paths.path(&template), config)
            }
            None if text == "BaseExecutor" => Runs::Nothing,
            None if is_class(text) => Runs::Class(text.to_owned()),
            _ => Runs::Other(template),
        }
    }

    /// The argument `--uses`. None if there is none.
    pub(crate) fn argument(&self, reader: &mut Reader<'_>) -> Option<Value> {
        Some(match self {
            Runs::Nothing => return None,
            Runs::Class(class) => Value::text(class.as_str()),
            Runs::File(path, _) => Value::Text(path.clone()),
            // Jina takes JSON, too.
            Runs::Inline(config) => {
                let value = reader.value(config.root(), config.root())?;
                Value::Text(crate::process::json(&value))
            }
            Runs::Hub(uri) => Value::text(uri.as_str()),
            Runs::Image(image) => Value::text(format!("docker://{image}")),
            Runs::Other(template) => Value::Text(template.clone()),
        })
    }

    /// Whether it is named as a part of a Python package: `package.Encode`.
    pub(crate) fn is_of_a_package(&self) -> bool {
        matches!(self, Runs::Class(class) if class.contains('.'))
    }

    /// What it is made of, if it says so.
    pub(crate) fn config(&self) -> Option<&Config> {
        match self {
            Runs::File(_, config) => config.as_ref(),
            Runs::Inline(config) => Some(config),
            _ => None,
        }
    }

    /// In words, at the beginning of a sentence.
    pub(crate) fn title(&self, executor: &Executor<'_>) -> String {
        let modules = || -> Vec<String> {
            let entry = executor.get("py_modules");
            let items = entry.map(|entry| entry.value.items()).unwrap_or_default();
            items
                .iter()
                .filter_map(Node::text)
                .map(str::to_owned)
                .collect()
        };
        let of = |modules: &[String]| match modules {
            [] => String::new(),
            modules => format!(" of {}", modules.join(" and ")),
        };
        match self {
            Runs::Nothing if executor.method == Method::Add => {
                "An executor that changes nothing".to_owned()
            }
            Runs::Nothing => "What comes before it is joined here, and not changed".to_owned(),
            Runs::Class(class) => format!("The class `{class}`{}", of(&modules())),
            Runs::File(path, None) => format!("The executor of {}", path.flow_toml()),
            Runs::File(path, Some(config)) => format!(
                "The class `{}` of {}",
                config.class().unwrap_or_default(),
                path.flow_toml()
            ),
            Runs::Inline(config) => {
                let own: Vec<String> = config.py_modules().into_iter().map(str::to_owned).collect();
                let modules = if own.is_empty() { modules() } else { own };
                format!(
                    "The class `{}`{}",
                    config.class().unwrap_or_default(),
                    of(&modules)
                )
            }
            Runs::Hub(uri) => format!("`{uri}` of Jina AI's hub"),
            Runs::Image(image) => format!("The image `{image}`"),
            Runs::Other(template) => format!("`{}`", template.flow_toml()),
        }
    }
}

/// `Encode` or `package.Encode`.
fn is_class(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(word)
}
