//! What goes wrong with credentials.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wasm_flow_contract::text::printable;

/// Credentials cannot be read or stored. No message has a part of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("the file with credentials, {0}, cannot be used: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// It has something else.
    #[error("the file with credentials, {0}, is not as Docker has it: {1}")]
    Malformed(PathBuf, String),
    /// No variable says where it is.
    #[error(
        "credentials cannot be stored: none of DOCKER_CONFIG, REGISTRY_AUTH_FILE and HOME names a \
         place for them"
    )]
    NoPlace,
    /// The name of a helper cannot be that of a program.
    #[error("`{}` in {file} cannot be the name of a credentials helper", printable(.name))]
    HelperName {
        /// The file.
        file: PathBuf,
        /// What it has.
        name: String,
    },
    /// A helper cannot be run.
    #[error(
        "the credentials helper {program}, which {file} names, cannot be run: {error}; install it, \
         or take it out of that file"
    )]
    NoHelper {
        /// The program.
        program: String,
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A helper takes too long.
    #[error("the credentials helper {program} was ended: it took more than {} s", .time.as_secs())]
    Late {
        /// The program.
        program: String,
        /// How long it had.
        time: Duration,
    },
    /// A helper fails.
    #[error("the credentials helper {program} failed{}", colon(.text))]
    Helper {
        /// The program.
        program: String,
        /// What it says.
        text: String,
    },
    /// A helper answers something else.
    #[error("the credentials helper {program} answered something that cannot be used: {why}")]
    Answer {
        /// The program.
        program: String,
        /// What is wrong.
        why: String,
    },
    /// The user's name cannot be sent.
    #[error("the name of a user has no colon, and no control characters")]
    User,
}

fn colon(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
