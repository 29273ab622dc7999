//! What goes wrong between here and a registry.

use std::time::Duration;

use wasm_flow_contract::hub::Digest;

use super::redirect::Misled;
use crate::credentials::CredentialsError;
use crate::shown::shown;

/// A request to a registry failed. Shown, it says for what, and why.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct RegistryError {
    subject: String,
    problem: Box<Problem>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing was answered.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the system or TLS says.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to {host} broke: {reason}")]
    Broken {
        /// The host.
        host: String,
        /// What the system or TLS says.
        reason: String,
    },
    /// Nothing came for a while, or an answer took too long.
    #[error("{host} has {did} for {} s", .time.as_secs())]
    Silent {
        /// The host.
        host: String,
        /// What it has done, or not done.
        did: &'static str,
        /// How long.
        time: Duration,
    },
    /// The registry leads to a place where nothing is sent.
    #[error("the registry leads to {0}; nothing was sent there")]
    Misled(#[from] Misled),
    /// A host that is no registry.
    #[error("{0} is no registry: it has nothing at /v2/; look at its name and its port")]
    NoRegistry(String),
    /// A name that is that of a web site.
    #[error(
        "docker.io is a web site, and its registry is registry-1.docker.io: name that one, and \
         `library/` before a name without a user"
    )]
    WebSite,
    /// It wants credentials sent to a place to which they are not sent.
    #[error(
        "the registry wants its credentials sent to {0}, without TLS; they were not sent, and whoever \
         runs the registry has to name a server of tokens with TLS, or one on its own host"
    )]
    Realm(String),
    /// A body is over its bound.
    #[error("the registry sends {what} of more than {most} bytes, which is not read")]
    TooLarge {
        /// What it was to be.
        what: &'static str,
        /// How many bytes it may have.
        most: u64,
    },
    /// A list is over its bound.
    #[error("the registry has more than {most} {what}, which are not read")]
    TooMany {
        /// What is listed.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A body ends before its size.
    #[error("the registry sent {have} of {size} bytes, then nothing more")]
    Truncated {
        /// The bytes that came.
        have: u64,
        /// The bytes that were to come.
        size: u64,
    },
    /// The size that a registry says of a body is not the one that the manifest says.
    #[error(
        "the registry sent {found}, and the manifest says {size} bytes; somebody changed them, or a \
         proxy did: do not use them"
    )]
    Size {
        /// What came.
        found: String,
        /// The bytes that were to come.
        size: u64,
    },
    /// The bytes are others.
    #[error(
        "the registry sent other bytes than this digest names (they have {found}); somebody \
         changed them, or a proxy did: do not use them"
    )]
    Altered {
        /// The digest of what came.
        found: Digest,
    },
    /// The registry contradicts itself.
    #[error(
        "the registry says that its bytes have {said}, and they have {found}; somebody changed \
         them, or a proxy did: do not use them"
    )]
    Contradiction {
        /// What the registry says.
        said: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// It does not exist.
    #[error("the registry does not have it{}", said(.0))]
    Missing(String),
    /// The registry wants a password.
    #[error("{host} wants a password: wasm-flow hub login {host}")]
    NoPassword {
        /// The registry.
        host: String,
    },
    /// The password, or what is stored in its place, is not taken.
    #[error("{host} does not take the password of {user}: wasm-flow hub login {host}")]
    WrongPassword {
        /// The registry.
        host: String,
        /// The user.
        user: String,
    },
    /// A token that a program has stored instead of a password is not taken.
    #[error("{host} does not take the token that is stored for it: wasm-flow hub login {host}")]
    OldToken {
        /// The registry.
        host: String,
    },
    /// The user may not do it.
    #[error("{host} does not allow that{}{}", said(.text), login(*.anonymous, .host))]
    Forbidden {
        /// The registry.
        host: String,
        /// What it says.
        text: String,
        /// Whether it was not told who asks.
        anonymous: bool,
    },
    /// The registry has had enough.
    #[error("{host} takes no more requests for now{}{}", wait(.after), said(.text))]
    Busy {
        /// The registry.
        host: String,
        /// When to come again, if it says that.
        after: Option<Duration>,
        /// What it says.
        text: String,
    },
    /// Any other answer that is not a success.
    #[error("{host} answered {status}{}", said(.text))]
    Answered {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        text: String,
    },
    /// An answer that is not what the protocol says.
    #[error("the registry sent {what} that cannot be used: {}", shown(.why))]
    Malformed {
        /// What it was to be.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The credentials cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A file that is to be pushed cannot be read.
    #[error("{0} cannot be read: {1}")]
    File(std::path::PathBuf, #[source] std::io::Error),
}

impl RegistryError {
    pub(super) fn new(subject: impl Into<String>, problem: Problem) -> RegistryError {
        RegistryError {
            subject: subject.into(),
            problem: Box::new(problem),
        }
    }

    /// What the request was for.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Why it failed.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Whether the registry does not answer this, and may answer other things.
    pub(crate) fn is_not_answered(&self) -> bool {
        matches!(
            *self.problem,
            Problem::Forbidden { .. } | Problem::Answered { .. }
        )
    }

    /// Whether the registry does not have it.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(*self.problem, Problem::Missing(_))
    }

    /// Whether what the registry sent is at fault, and not the way to it: asking for
    /// something else may go better.
    pub(crate) fn is_content(&self) -> bool {
        matches!(
            *self.problem,
            Problem::TooLarge { .. }
                | Problem::Size { .. }
                | Problem::Altered { .. }
                | Problem::Contradiction { .. }
                | Problem::Missing(_)
                | Problem::Malformed { .. }
        )
    }
}

impl Problem {
    /// Whether the same may succeed in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Problem::Broken { .. } | Problem::Truncated { .. } => true,
            Problem::Answered { status, .. } => matches!(status, 502 | 504),
            Problem::Busy { .. } => true,
            _ => false,
        }
    }
}

fn said(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!(" (it says: {text})"),
    }
}

fn wait(after: &Option<Duration>) -> String {
    match after {
        None => String::new(),
        Some(after) => format!("; it wants to be asked again in {} s", after.as_secs()),
    }
}

fn login(anonymous: bool, host: &str) -> String {
    match anonymous {
        true => format!("; if it is private: wasm-flow hub login {host}"),
        false => String::new(),
    }
}
