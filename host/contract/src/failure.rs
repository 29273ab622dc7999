//! Why a request failed.

use std::time::Duration;

/// An error as Jina's clients get it, with what the host knows beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct Failure {
    /// What failed, for whoever decides what to do about it.
    pub kind: FailureKind,
    /// The error's type, as the guest's language names it: `ValueError`.
    pub name: String,
    /// What failed, where and why, in a sentence.
    pub description: String,
    /// The error's own words.
    pub args: Vec<String>,
    /// Where it came from: the lines of a backtrace, or the chain of causes.
    pub stacks: Vec<String>,
    /// The type of the executor that failed, not its name in the flow. Empty if
    /// no executor did.
    // Boxed, as the details are, so that the result of every call stays small.
    pub executor: Box<str>,
    /// What the executor says beside that, if it says anything.
    pub details: Option<Box<FailureDetails>>,
}

/// What is known of a failure beside its words. The executor says it, or the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureDetails {
    /// The call may succeed on another replica, or later.
    pub retry: bool,
    /// In how long it may.
    pub retry_after: Option<Duration>,
    /// The ids of the documents at fault.
    pub documents: Vec<String>,
}

/// What failed. A client sees [`Failure::name`]; this is for the host: to retry,
/// to count, to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request itself is wrong.
    Request,
    /// The executor's method returned an error.
    Method,
    /// The executor panicked, trapped or ran out of memory.
    Trap,
    /// The call took longer than it may.
    Timeout,
    /// The instance ended through no fault of this call. The documents are
    /// unchanged, and the call may be tried again.
    Lost,
    /// No instance could be had.
    Unavailable,
    /// A remote executor could not be reached. The call was not sent to anybody.
    Unreachable,
    /// What the executor returned cannot be used.
    Reply,
    /// The executor is being stopped.
    Stopped,
    /// There is no room for it now. Nothing was called.
    Exhausted,
}

/// Whether the same request may succeed if it is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again, or take as long again.
    No,
    /// It may succeed. Executors may have carried out the first one.
    May {
        /// Not before so long, if that is known.
        after: Option<Duration>,
    },
}

impl FailureKind {
    /// All of them.
    pub const ALL: [FailureKind; 10] = [
        FailureKind::Request,
        FailureKind::Method,
        FailureKind::Trap,
        FailureKind::Timeout,
        FailureKind::Lost,
        FailureKind::Unavailable,
        FailureKind::Unreachable,
        FailureKind::Reply,
        FailureKind::Stopped,
        FailureKind::Exhausted,
    ];

    /// The kind of this word, as [`as_str`](Self::as_str) gives it.
    pub fn of_word(word: &str) -> Option<FailureKind> {
        FailureKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }

    /// A word for logs, metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::Request => "request",
            FailureKind::Method => "method",
            FailureKind::Trap => "trap",
            FailureKind::Timeout => "timeout",
            FailureKind::Lost => "lost",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unreachable => "unreachable",
            FailureKind::Reply => "reply",
            FailureKind::Stopped => "stopped",
            FailureKind::Exhausted => "exhausted",
        }
    }
}

impl Failure {
    /// What whoever sent the request is told of sending it again.
    pub fn retry(&self) -> Retry {
        match (self.kind, &self.details) {
            (FailureKind::Lost | FailureKind::Unreachable, _) => Retry::May { after: None },
            (FailureKind::Method, Some(details)) if details.retry => Retry::May {
                after: details.retry_after,
            },
            (FailureKind::Exhausted, details) => Retry::May {
                after: details.as_ref().and_then(|details| details.retry_after),
            },
            _ => Retry::No,
        }
    }

    /// An error that a method returns, as a stage made of functions does. `name` is the
    /// error's type, for clients that tell errors apart: `ValueError`.
    pub fn of_method(name: &str, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure {
            kind: FailureKind::Method,
            name: name.to_owned(),
            description: format!("{name}: {message}"),
            args: vec![message],
            stacks: Vec::new(),
            executor: Box::default(),
            details: None,
        }
    }

    /// A failure that no executor is to blame for.
    pub fn of_flow(kind: FailureKind, name: &str, description: String) -> Failure {
        Failure {
            kind,
            name: name.to_owned(),
            args: vec![description.clone()],
            description,
            stacks: Vec::new(),
            executor: Box::default(),
            details: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for kind in FailureKind::ALL {
            assert_eq!(FailureKind::of_word(kind.as_str()), Some(kind));
        }
        assert_eq!(FailureKind::of_word("other"), None);
    }

    #[test]
    fn what_may_succeed_later_is_said() {
        let failure = |kind, details: Option<FailureDetails>| Failure {
            details: details.map(Box::new),
            ..Failure::of_flow(kind, "Name", "why".to_owned())
        };
        let after = Some(Duration::from_secs(2));
        let retry = Some(FailureDetails {
            retry: true,
            retry_after: after,
            documents: Vec::new(),
        });
        for (kind, details, expected) in [
            (FailureKind::Lost, None, Retry::May { after: None }),
            (FailureKind::Unreachable, None, Retry::May { after: None }),
            (FailureKind::Method, retry.clone(), Retry::May { after }),
            (FailureKind::Method, None, Retry::No),
            (
                FailureKind::Method,
                Some(FailureDetails::default()),
                Retry::No,
            ),
            (FailureKind::Trap, retry.clone(), Retry::No),
            (FailureKind::Exhausted, retry, Retry::May { after }),
            (FailureKind::Exhausted, None, Retry::May { after: None }),
            (FailureKind::Timeout, None, Retry::No),
        ] {
            assert_eq!(failure(kind, details).retry(), expected, "{kind:?}");
        }
    }
}
