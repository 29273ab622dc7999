//! What is known of a file before it is read, for messages.

use std::{fmt, io};

use super::error::InputError;
use super::format::Syntax;
use super::stop::{Failure, Stop};

/// A file of documents, as messages speak of it.
#[derive(Clone)]
pub(super) struct SourceInfo {
    /// As it is called in messages.
    pub(super) file: String,
    pub(super) format: Syntax,
    /// The format was guessed.
    pub(super) guessed: bool,
}

impl SourceInfo {
    /// What is wrong with a line, or a line and column.
    pub(super) fn line(&self, at: impl fmt::Display, reason: impl Into<String>) -> Stop {
        Stop::Failed(InputError::Line {
            file: self.file.clone(),
            at: at.to_string(),
            reason: reason.into(),
        })
    }

    /// What went wrong below the parser.
    pub(super) fn io(&self, error: io::Error) -> Stop {
        match error.downcast::<Failure>() {
            Ok(Failure(Stop::Failed(error))) => Stop::Failed(error),
            Ok(Failure(Stop::Unwanted)) => Stop::Unwanted,
            Err(source) => Stop::Failed(InputError::Read {
                file: self.file.clone(),
                source,
            }),
        }
    }
}
