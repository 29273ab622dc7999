//! Problems that show up after the file was read: a path that is not there, a port
//! that is taken, a component that cannot be loaded.

use std::path::Path;

use wasm_flow_contract::graph::NodeId;

use crate::uses::ALLOWED;

/// The place in the file that a problem found later belongs to. If the file leaves
/// the key out, the header of the executor's or the gateway's table stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `[gateway] host`.
    Host,
    /// `[gateway] port`.
    Port,
    /// An executor's `name`.
    Executor(NodeId),
    /// An executor's `uses`.
    Uses(NodeId),
    /// An executor's `uses_with`.
    UsesWith(NodeId),
    /// An executor's `uses_requests`.
    UsesRequests(NodeId),
    /// An endpoint of an executor's `uses_dynamic_batching`.
    Batching(NodeId, String),
    /// An executor's `no_reduce`.
    NoReduce(NodeId),
    /// An executor's `polling`, or an endpoint in its table.
    Polling(NodeId, Option<String>),
    /// An executor's `workspace`.
    Workspace(NodeId),
    /// An executor's `allow`.
    Allow(NodeId),
    /// `host` of an executor's grant of a folder, by its index in `allow.dirs`.
    Dir(NodeId, usize),
    /// The same place of what is before or after an executor's shards.
    Head(Head, Box<Place>),
}

/// The executors around the shards of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// `uses_before`.
    Before,
    /// `uses_after`.
    After,
}

/// A problem that showed up after the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateProblem {
    /// Where it belongs.
    pub place: Place,
    /// What is wrong, in one line.
    pub title: String,
    /// A few words about the place itself.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl LateProblem {
    /// A problem with a title alone.
    pub fn new(place: Place, title: impl Into<String>) -> LateProblem {
        LateProblem {
            place,
            title: title.into(),
            label: None,
            help: None,
        }
    }

    /// The same, with a few words about the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> LateProblem {
        self.label = Some(label.into());
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> LateProblem {
        self.help = Some(help.into());
        self
    }
}

impl LateProblem {
    /// The same problem, of what is before or after the executor's shards.
    #[must_use]
    pub fn of_head(mut self, head: Head) -> LateProblem {
        self.place = Place::Head(head, Box::new(self.place));
        self
    }
}

// What a look at the disk finds. This crate does not look.
impl LateProblem {
    /// What `uses` names is not there. `neighbour` is a name in the same folder that
    /// was probably meant: `nearest` of the contract finds it.
    pub fn uses_is_missing(id: NodeId, path: &Path, neighbour: Option<&str>) -> LateProblem {
        LateProblem::new(Place::Uses(id), "no such file or folder")
            .label(looked_for(path))
            .help(match neighbour {
                Some(name) => {
                    format!("did you mean `{name}`? Paths are relative to this file's folder")
                }
                None => "paths are relative to this file's folder".to_owned(),
            })
    }

    /// `uses` names a folder that is not a crate's.
    pub fn uses_is_not_a_crate(id: NodeId, written: &str) -> LateProblem {
        LateProblem::new(
            Place::Uses(id),
            format!("there is no Cargo.toml in `{written}`"),
        )
        .label("a folder is built with cargo before it runs")
        .help(ALLOWED)
    }

    /// What `uses` names cannot be looked at.
    pub fn uses_is_unreadable(id: NodeId, path: &Path, error: &std::io::Error) -> LateProblem {
        unreadable(Place::Uses(id), path, error)
    }

    /// The folder of a grant is not there.
    pub fn dir_is_missing(id: NodeId, dir: usize, path: &Path) -> LateProblem {
        LateProblem::new(Place::Dir(id, dir), "no such folder")
            .label(looked_for(path))
            .help("make it first; paths are relative to this file's folder")
    }

    /// A grant names something that is not a folder.
    pub fn dir_is_not_a_folder(id: NodeId, dir: usize, path: &Path) -> LateProblem {
        LateProblem::new(Place::Dir(id, dir), "not a folder")
            .label(format!("{} is a file", path.display()))
            .help("name the folder that it is in: an executor is granted whole folders")
    }

    /// The folder of a grant cannot be looked at.
    pub fn dir_is_unreadable(
        id: NodeId,
        dir: usize,
        path: &Path,
        error: &std::io::Error,
    ) -> LateProblem {
        unreadable(Place::Dir(id, dir), path, error)
    }
}

fn looked_for(path: &Path) -> String {
    format!("looked for {}", path.display())
}

fn unreadable(place: Place, path: &Path, error: &std::io::Error) -> LateProblem {
    LateProblem::new(place, format!("cannot look at it: {error}"))
        .label(looked_for(path))
        .help("paths are relative to this file's folder")
}
