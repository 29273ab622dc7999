//! Problems that show up after the file was read: a path that is not there, a port
//! that is taken, a component that cannot be loaded.

use std::path::Path;

use wasm_flow_contract::graph::NodeId;

use crate::uses::ALLOWED;

/// The key that a problem found later belongs to. If a file leaves the key out, the
/// header of the executor's or the gateway's table stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `[gateway] host`.
    Host,
    /// `[gateway] port`.
    Port,
    /// `[gateway] port_health`.
    HealthPort,
    /// A key of `[gateway.tls]` or `[gateway.auth]`.
    Door(DoorKey),
    /// A file in `keys` of a `[[hub.trust]]`, by the table's place and its own.
    TrustedKey(usize, usize),
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
    /// An executor's `tls`.
    Tls(NodeId),
    /// An executor's `token_file`.
    Token(NodeId),
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

/// The keys of a gateway's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DoorKey {
    /// `cert` of `[gateway.tls]`.
    Cert,
    /// `key` of `[gateway.tls]`.
    Key,
    /// `client_ca` of `[gateway.tls]`.
    ClientCa,
    /// `token` or `token_file` of `[gateway.auth]`.
    Tokens,
}

/// The executors around the shards of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Head {
    /// `uses_before`.
    Before,
    /// `uses_after`.
    After,
}

impl Head {
    /// The key of its table.
    pub fn as_str(self) -> &'static str {
        match self {
            Head::Before => "uses_before",
            Head::After => "uses_after",
        }
    }
}

impl Place {
    /// Whether what is wrong there is wrong with a path: what a variable stands for in
    /// one is no secret, and hard to put right unseen. What should name a file with a
    /// secret may be the secret itself.
    pub(crate) fn is_a_path(&self) -> bool {
        match self {
            Place::Uses(_) | Place::Workspace(_) | Place::Dir(..) | Place::TrustedKey(..) => true,
            Place::Head(_, place) => place.is_a_path(),
            _ => false,
        }
    }
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
    /// Whether it is about a path as it was written. Who wrote it is told what such
    /// paths are relative to.
    pub is_about_path: bool,
}

impl LateProblem {
    /// A problem with a title alone.
    pub fn new(place: Place, title: impl Into<String>) -> LateProblem {
        LateProblem {
            place,
            title: title.into(),
            label: None,
            help: None,
            is_about_path: false,
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

    /// The same, about a path as it was written.
    #[must_use]
    pub fn about_path(mut self) -> LateProblem {
        self.is_about_path = true;
        self
    }

    /// What to do, for whoever writes paths that are relative to `folder`, as in "this
    /// file's folder".
    pub fn help_for(&self, folder: &str) -> Option<String> {
        match (&self.help, self.is_about_path) {
            (help, false) => help.clone(),
            (None, true) => Some(format!("paths are relative to {folder}")),
            (Some(help), true) if help.ends_with('?') => {
                Some(format!("{help} Paths are relative to {folder}"))
            }
            (Some(help), true) => Some(format!("{help}; paths are relative to {folder}")),
        }
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
        let problem = LateProblem::new(Place::Uses(id), "no such file or folder")
            .label(looked_for(path))
            .about_path();
        match neighbour {
            Some(name) => problem.help(format!("did you mean `{name}`?")),
            None => problem,
        }
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
            .help("make it first")
            .about_path()
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
        .about_path()
}
