//! Why reading ends early, also on its way through `io::Error`.

use std::{fmt, io};

use super::error::InputError;

/// Why reading ends early.
pub(super) enum Stop {
    Failed(InputError),
    /// Nobody wants more documents.
    Unwanted,
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Self {
        Stop::Failed(error)
    }
}

/// A [`Stop`] on its way through `io::Error`.
pub(super) struct Failure(pub(super) Stop);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the input cannot be read")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        io::Error::other(Failure(stop))
    }
}
