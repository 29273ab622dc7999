//! What an executor says of itself.

use serde_json::{Map, Value};

/// What an executor is.
#[derive(Debug, Clone)]
pub struct Description {
    /// The type's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// The `impl` block's doc comment.
    pub documentation: &'static str,
    /// The handlers, in the order of the source.
    pub methods: Vec<Method>,
    /// A JSON schema of the configuration, empty if not known.
    pub config_schema: String,
    /// What the host may do with it.
    pub about: About,
}

/// What the host is told of an executor beside its description.
#[derive(Debug, Clone)]
pub struct About {
    /// The origins that it sends requests to.
    pub http: &'static [&'static str],
    /// The variables that it reads.
    pub env: &'static [&'static str],
    /// The folders that it uses, by the paths that it sees.
    pub dirs: &'static [&'static str],
    /// `none` or `replica`, if it says.
    pub state: Option<&'static str>,
    /// The crate's licence, or empty.
    pub license: &'static str,
    /// The crate's repository, or empty.
    pub source: &'static str,
}

/// A handler.
#[derive(Debug, Clone)]
pub struct Method {
    /// The function's name.
    pub name: &'static str,
    /// Its endpoints: `/default` for `#[requests]` without `on`.
    pub endpoints: &'static [&'static str],
    /// Whether its calls may share the instance with others.
    pub concurrent: bool,
    /// The function's doc comment.
    pub documentation: &'static str,
    /// Whether it changes the executor's state.
    pub write: bool,
    /// Whether documents of several requests may be put together for it.
    pub batch: bool,
    /// Whether it sends documents while it runs.
    pub stream: bool,
    /// A JSON schema of the parameters, empty if not known.
    pub parameters_schema: String,
}

impl About {
    /// As the host reads it: a JSON object, or empty.
    pub fn details(&self) -> String {
        let wants = object([
            ("http", list(self.http)),
            ("env", list(self.env)),
            ("dirs", list(self.dirs)),
        ]);
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        written(object([
            ("wants", (!wants.is_empty()).then_some(wants.into())),
            ("state", self.state.map(Value::from)),
            ("license", text(self.license)),
            ("source", text(self.source)),
        ]))
    }
}

impl Method {
    /// As the host reads it: a JSON object, or empty.
    pub fn details(&self) -> String {
        written(object([
            ("write", self.write.then_some(Value::Bool(true))),
            ("stream", self.stream.then_some(Value::Bool(true))),
            ("batch", self.batch.then_some(Value::Bool(true))),
        ]))
    }
}

fn list(values: &[&str]) -> Option<Value> {
    (!values.is_empty()).then(|| values.iter().copied().collect())
}

/// An object of the values that there are.
fn object<const N: usize>(entries: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let mut object = Map::new();
    // One by one: collecting them would bring a sort into every component, 20 KB.
    for (key, value) in entries {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    }
    object
}

fn written(object: Map<String, Value>) -> String {
    match object.is_empty() {
        true => String::new(),
        false => Value::Object(object).to_string(),
    }
}
