//! The YAML of a Jina Flow, as a `flow.toml`.
//!
//! [`import`] reads a Flow of Jina 3 and writes the flow.toml that does the same, as far
//! as there is a counterpart; of all else, a [`Note`] says what became of it and why.
//! Executors stay in Python, served by Jina and called over gRPC, or are written down
//! as folders of WebAssembly executors to which they are to be ported: see [`Target`].
//!
//! Not covered: what a Flow in Python code does that its YAML does not say, and whether
//! the flow starts, which `wasm-flow check` looks at.
//!
//! | module | what it has |
//! | --- | --- |
//! | `yaml` | a file's text as a tree, within bounds |
//! | `keys` | Jina's keys, and what becomes of each |
//! | `reader`, `template`, `path`, `ordered` | values, texts with variables in them, paths, and tables |
//! | `kind` | what a file is that is not a Flow |
//! | `flow`, `gateway`, `executors`, `executor` | the parts of a Flow |
//! | `runs`, `config` | what an executor runs |
//! | `python`, `process`, `address` | how an executor in Python is served, and where |
//! | `external`, `remote`, `wasm` | what is written of an executor that somebody else serves, that stays in Python, that is to be ported |
//! | `toml` | the flow.toml that is written |
//! | `notes` | what a person has to know |
//! | [`bounds`] | what a file is held to |

mod address;
pub mod bounds;
mod config;
mod executor;
mod executors;
mod external;
mod flow;
mod gateway;
mod keys;
mod kind;
mod notes;
mod ordered;
mod path;
mod process;
mod python;
mod reader;
mod remote;
mod runs;
mod template;
mod toml;
mod wasm;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use wasm_flow_manifest::{Problem, Report};

pub use notes::{Note, Place};

use reader::Reader;

/// How a Flow is imported.
pub struct Options<'a> {
    /// What the file is called in messages.
    pub file: &'a str,
    /// The folder that paths in the YAML are relative to.
    pub from: &'a Path,
    /// The folder that the flow.toml will stand in.
    pub to: &'a Path,
    /// What becomes of executors in Python.
    pub target: Target,
    /// What `${{ CONTEXT.name }}` stands for.
    pub context: BTreeMap<String, String>,
    /// Reads an executor's config.yml. None if it is not there, or too large.
    pub read: &'a dyn Fn(&Path) -> Option<String>,
}

/// What becomes of executors in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// They stay in Python, served by Jina, and the flow calls them over gRPC.
    #[default]
    Remote,
    /// They become WebAssembly executors, which are still to be written.
    Wasm,
}

/// A Flow that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of the flow.toml.
    pub flow_toml: String,
    /// What became of what has no counterpart, in the order of the file.
    pub notes: Vec<Note>,
    /// How many more notes there are.
    pub more_notes: usize,
    /// How many of its executors are in Python.
    pub in_python: usize,
}

/// Makes a flow.toml of a Flow's YAML.
///
/// # Errors
/// With all that is wrong with the file, each with its place.
pub fn import(text: &str, options: &Options<'_>) -> Result<Imported, Box<Report>> {
    // Editors on Windows begin a file with this.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(text, options);
    let imported = match root(text) {
        Ok(root) => Some(flow::convert(&mut reader, &root)),
        Err(problem) => {
            reader.report(problem);
            None
        }
    };
    let (problems, notes) = reader.into_parts();
    match imported {
        Some((flow_toml, in_python)) if problems.count() == 0 => {
            let (notes, more_notes) = notes.into_parts();
            Ok(Imported {
                flow_toml,
                notes,
                more_notes,
                in_python,
            })
        }
        _ => {
            let report = problems.into_report(options.file.to_owned(), text.to_owned());
            Err(Box::new(report))
        }
    }
}

/// The tree of a file that is a Flow.
fn root(text: &str) -> Result<yaml::Node, Problem> {
    if kind::is_flow_toml(text) {
        return Err(
            Problem::new(0..0, "this is a flow.toml already, not a Flow's YAML")
                .help("`wasm-flow check` looks at it, and `wasm-flow run` serves it"),
        );
    }
    let Some(root) = yaml::load(text)? else {
        return Err(Problem::new(0..0, "the file is empty")
            .help("a Flow is a table with `jtype: Flow` and `executors`"));
    };
    kind::check(&root)?;
    Ok(root)
}
