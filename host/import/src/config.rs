//! An executor's own configuration: a config.yml, or what stands in its place in
//! `uses`. It says what an executor is made with if the Flow does not.

use std::path::Path;

use crate::yaml::{self, Node};

/// An executor's configuration, as far as it matters to a flow.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    root: Node,
}

impl Config {
    /// That of a file. None if it is not there, or not one.
    pub(crate) fn read(read: &dyn Fn(&Path) -> Option<String>, path: &Path) -> Option<Config> {
        let text = read(path)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Config::of(yaml::load(text).ok()??)
    }

    /// That of a table.
    pub(crate) fn of(root: Node) -> Option<Config> {
        let config = Config { root };
        config.class().is_some().then_some(config)
    }

    /// All of it.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The class of the executor.
    pub(crate) fn class(&self) -> Option<&str> {
        let jtype = self.root.get("jtype").and_then(Node::text);
        jtype.or(self.root.tag.as_deref())
    }

    /// A part of it: `with`, `metas`, `requests` or `dynamic_batching`.
    pub(crate) fn part(&self, name: &str) -> Option<&Node> {
        self.root.get(name).filter(|part| !part.is_null())
    }

    /// The Python files that it is made of, relative to its own folder.
    pub(crate) fn py_modules(&self) -> Vec<&str> {
        let metas = self
            .root
            .get("metas")
            .and_then(|metas| metas.get("py_modules"));
        let modules = self.root.get("py_modules").or(metas);
        let items = modules.map(Node::items).unwrap_or_default();
        items.iter().filter_map(Node::text).collect()
    }
}
