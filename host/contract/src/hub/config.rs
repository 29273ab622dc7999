//! Which registries executors may come from, and whose signatures count.

use std::path::PathBuf;

use super::Scope;

/// What flow.toml's `[hub]` says, or that of the user's own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HubConfig {
    /// The registries, or parts of them, that executors may come from. None: any.
    pub registries: Vec<Scope>,
    /// Registries, as `host` or `host:port`, that are asked over plain HTTP. Those of this
    /// machine need not be named.
    pub plain_http: Vec<String>,
    /// Whose signatures are wanted. No two of them are of the same.
    pub trust: Vec<Trust>,
}

/// Whose signatures are wanted of some repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The repositories.
    pub of: Scope,
    /// Who has to have signed.
    pub signers: Signers,
}

/// Who has to have signed an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signers {
    /// The owner of one of these public keys, each of them in a file. Never empty.
    Keys(Vec<PathBuf>),
    /// Nobody.
    Nobody,
}
