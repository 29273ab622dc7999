//! What an executor may reach outside its sandbox.

use std::path::PathBuf;

use crate::origin::HttpOrigin;

/// What an executor may reach.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// Where it may send HTTP requests to.
    pub http: Vec<HttpOrigin>,
    /// Variables of the host's environment that it sees.
    pub env: Vec<String>,
    /// Folders of the host that it sees.
    pub dirs: Vec<DirGrant>,
}

/// A folder that an executor sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The folder on the host.
    pub host: PathBuf,
    /// The absolute path that the executor sees it under.
    pub guest: String,
    /// What it may do there.
    pub access: Access,
}

/// What an executor may do in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// List and read.
    #[default]
    Read,
    /// Also create, change and remove.
    Write,
}
