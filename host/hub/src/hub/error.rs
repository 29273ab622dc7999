//! What goes wrong when executors are shared.

use wasm_flow_contract::hub::{Reference, Repository};

use super::Refusal;
use crate::artifact::{BadAssets, NotExecutor};
use crate::credentials::CredentialsError;
use crate::registry::{ClientError, Problem, RegistryError};
use crate::store::StoreError;

/// Tags that an error names.
const NAMED: usize = 10;

/// An executor cannot be pushed, pulled or found. Shown, it says which one, why, and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A registry cannot be asked, or sends what cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The tag does not exist.
    #[error("{reference}: the registry has no such tag{}", has(.reference.repository(), .tags.as_deref()))]
    NoTag {
        /// What was asked for.
        reference: Box<Reference>,
        /// The tags that there are, if they can be had.
        tags: Option<Vec<String>>,
    },
    /// The repository does not exist, or the user may not see it.
    #[error(
        "{0}: the registry has no such repository, or does not show it to you (wasm-flow hub login \
         {host})", host = .0.host()
    )]
    NoRepository(Box<Repository>),
    /// It is something else.
    #[error("{what} is not an executor: {why}")]
    NotExecutor {
        /// The reference, or the file.
        what: String,
        /// What it is.
        why: NotExecutor,
    },
    /// Its files cannot be used.
    #[error("the assets of {what} cannot be used: {why}")]
    Assets {
        /// The reference.
        what: String,
        /// What is wrong with them.
        why: BadAssets,
    },
    /// It is not taken.
    #[error("{why}")]
    Refused {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why.
        why: Refusal,
    },
    /// It is not taken with the signatures that were kept, and others cannot be had.
    #[error(
        "{reference} is refused: {why}; whether it has other signatures by now cannot be asked: \
         {error}"
    )]
    RefusedForNow {
        /// What was asked for.
        reference: Box<Reference>,
        /// Why.
        why: Refusal,
        /// Why the registry cannot be asked.
        error: Box<HubError>,
    },
    /// What was kept is not what it was, and cannot be had again.
    #[error("what was kept of {what} is damaged ({why}), and cannot be fetched again: {error}")]
    Damaged {
        /// The reference.
        what: String,
        /// What is wrong with it.
        why: String,
        /// Why it cannot be fetched.
        error: Box<HubError>,
    },
    /// What is kept has another size than the manifest says that names it.
    #[error(
        "{what} has {size} bytes, and the manifest that names it says {said}: whoever made that \
         has to make it anew"
    )]
    OtherSize {
        /// The repository, and the digest.
        what: String,
        /// Its bytes.
        size: u64,
        /// What is said of them.
        said: u64,
    },
    /// It is larger than something of its kind may be.
    #[error("{what} has {size} bytes, and may have {most}")]
    TooLarge {
        /// The repository, and the digest.
        what: String,
        /// Its bytes.
        size: u64,
        /// How many it may have.
        most: u64,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Credentials cannot be read or stored.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It cannot be signed. Nothing was pushed.
    #[error("{reference} cannot be signed, and was not pushed: {why}")]
    Unsigned {
        /// What was to be pushed.
        reference: Box<Reference>,
        /// Why.
        why: Refusal,
    },
    /// What is pushed has its own digest.
    #[error("{0} names a digest, and what is pushed gets its own; write only a tag")]
    PushToDigest(Box<Reference>),
    /// A text is not a registry.
    #[error(
        "`{0}` is not a registry; write its host, as in registry.example.com or localhost:5000"
    )]
    NoRegistry(String),
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HubErrorKind {
    /// There is no such thing.
    Missing,
    /// The registry wants another user, or another password.
    Unauthorized,
    /// The registry cannot be reached, or has no time. It may go better later.
    Unreachable,
    /// Something else came than was promised.
    Altered,
    /// It is not an executor, or its files cannot be used.
    NotExecutor,
    /// Who runs it does not trust it.
    Refused,
    /// The disk is full, or the folder cannot be used.
    Store,
    /// The request itself, or the user's configuration, cannot be.
    Usage,
    /// The registry does something that it should not.
    Registry,
}

impl HubError {
    /// The kind.
    pub fn kind(&self) -> HubErrorKind {
        match self {
            HubError::Registry(error) => of_problem(error.problem()),
            HubError::NoTag { .. } | HubError::NoRepository(_) => HubErrorKind::Missing,
            HubError::NotExecutor { .. }
            | HubError::Assets { .. }
            | HubError::OtherSize { .. }
            | HubError::TooLarge { .. } => HubErrorKind::NotExecutor,
            HubError::Refused { .. } | HubError::RefusedForNow { .. } => HubErrorKind::Refused,
            HubError::Damaged { error, .. } => error.kind(),
            HubError::Store(_) => HubErrorKind::Store,
            HubError::Credentials(_)
            | HubError::Client(_)
            | HubError::Unsigned { .. }
            | HubError::PushToDigest(_)
            | HubError::NoRegistry(_) => HubErrorKind::Usage,
        }
    }
}

fn of_problem(problem: &Problem) -> HubErrorKind {
    match problem {
        Problem::Missing(_) => HubErrorKind::Missing,
        Problem::NoPassword { .. }
        | Problem::WrongPassword { .. }
        | Problem::OldToken { .. }
        | Problem::Forbidden { .. } => HubErrorKind::Unauthorized,
        Problem::Unreachable { .. }
        | Problem::Broken { .. }
        | Problem::Silent { .. }
        | Problem::Busy { .. }
        | Problem::Truncated { .. } => HubErrorKind::Unreachable,
        Problem::Size { .. } | Problem::Altered { .. } | Problem::Contradiction { .. } => {
            HubErrorKind::Altered
        }
        Problem::Credentials(_) | Problem::File(..) => HubErrorKind::Usage,
        _ => HubErrorKind::Registry,
    }
}

fn has(repository: &Repository, tags: Option<&[String]>) -> String {
    let Some(tags) = tags else {
        return String::new();
    };
    if tags.is_empty() {
        return format!("; {repository} has none at all");
    }
    // Newer ones are usually further back.
    let named: Vec<&str> = tags.iter().rev().take(NAMED).map(String::as_str).collect();
    let more = match tags.len() > NAMED {
        true => ", …",
        false => "",
    };
    let named = named.join(", ");
    format!("; it has {named}{more} (wasm-flow hub list {repository})")
}
