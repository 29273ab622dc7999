//! What an answer says of a failure beside Jina's words.

use std::time::Duration;

use wasm_flow_contract::{Failure, FailureKind, Retry};

use super::proto::StatusProto;
use super::proto::status_proto::FailureProto;

/// What failed, and whether the same request may succeed if it is sent again. It stands in
/// `header.status`, in a field that Jina has not: a trailer would be for a whole stream,
/// and each request of one has an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) kind: FailureKind,
    pub(super) retry: Retry,
}

impl Verdict {
    pub(super) fn of(failure: &Failure) -> Verdict {
        Verdict {
            kind: failure.kind,
            retry: failure.retry(),
        }
    }

    /// What a status says. `None` if it says nothing, as Jina's.
    pub(super) fn read(status: &StatusProto) -> Option<Verdict> {
        let said = status.failure.as_ref()?;
        Some(Verdict {
            kind: FailureKind::of_word(&said.kind).unwrap_or(FailureKind::Method),
            retry: match said.retry {
                true => Retry::May {
                    after: said.retry_after.map(Duration::from_millis),
                },
                false => Retry::No,
            },
        })
    }
}

impl From<Verdict> for FailureProto {
    fn from(Verdict { kind, retry }: Verdict) -> Self {
        // Not sooner than was asked for.
        let millis = |after: Duration| {
            let millis = after.as_nanos().div_ceil(1_000_000);
            u64::try_from(millis).unwrap_or(u64::MAX)
        };
        let after = match retry {
            Retry::May { after } => after,
            Retry::No => None,
        };
        FailureProto {
            kind: kind.as_str().to_owned(),
            retry: retry != Retry::No,
            retry_after: after.map(millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        for kind in FailureKind::ALL {
            let after = Some(Duration::from_millis(1500));
            for retry in [Retry::No, Retry::May { after: None }, Retry::May { after }] {
                let verdict = Verdict { kind, retry };
                let status = StatusProto {
                    failure: Some(verdict.into()),
                    ..StatusProto::default()
                };
                assert_eq!(Verdict::read(&status), Some(verdict));
            }
        }
        assert_eq!(Verdict::read(&StatusProto::default()), None);
    }

    #[test]
    fn later_releases_may_know_other_words() {
        let status = StatusProto {
            failure: Some(FailureProto {
                kind: "new".to_owned(),
                retry: true,
                retry_after: Some(u64::MAX),
            }),
            ..StatusProto::default()
        };
        let read = Verdict::read(&status).unwrap();
        assert_eq!(read.kind, FailureKind::Method);
        assert_ne!(read.retry, Retry::No);
    }
}
