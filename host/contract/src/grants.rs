//! What an executor may reach outside its sandbox.

use std::path::PathBuf;

use crate::origin::HttpOrigin;

/// What an executor may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    /// Where it may send HTTP requests to.
    pub http: Vec<HttpOrigin>,
    /// Variables of the host's environment that it sees.
    pub env: Vec<String>,
    /// Folders of the host that it sees.
    pub dirs: Vec<DirGrant>,
}

/// Why an executor cannot be granted something of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantNameError {
    /// It is not the name of an environment variable.
    #[error("not the name of an environment variable")]
    Env,
    /// A guest's path is not absolute.
    #[error("the executor's path must begin with `/`")]
    Relative,
    /// A guest's path leads somewhere else than it says.
    #[error("the executor's path must not have `.` or `..` in it")]
    Dots,
}

/// Whether this may be a variable of the environment.
///
/// # Errors
/// When it cannot be the name of one.
pub fn check_env(name: &str) -> Result<(), GrantNameError> {
    match name.is_empty() || name.contains(['=', '\0']) {
        false => Ok(()),
        true => Err(GrantNameError::Env),
    }
}

/// Whether an executor may see a folder under this path.
///
/// # Errors
/// When it is not absolute, or not plain.
pub fn check_guest_path(path: &str) -> Result<(), GrantNameError> {
    if !path.starts_with('/') {
        return Err(GrantNameError::Relative);
    }
    match path.split('/').any(|part| matches!(part, "." | "..")) {
        false => Ok(()),
        true => Err(GrantNameError::Dots),
    }
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
