//! How documents of several requests are put together.

use std::num::NonZeroUsize;
use std::time::Duration;

use wasm_flow_contract::bounds::DEFAULT_BATCH_TIMEOUT;
use wasm_flow_contract::config::Batching;
use wasm_flow_manifest::bounds::MAX_BATCH;

use super::whole;
use crate::local::program::duration;

/// How documents of several requests are put together, as
/// `uses_dynamic_batching` in `flow.toml` says it.
#[derive(Debug, Clone, Copy)]
#[must_use = "it is for `ExecutorSpec::uses_dynamic_batching`"]
pub struct BatchingSpec {
    preferred_batch_size: usize,
    timeout: Duration,
    flush_all: bool,
}

impl BatchingSpec {
    /// A batch goes with so many documents: from 1 to a million.
    pub fn of(preferred_batch_size: usize) -> BatchingSpec {
        BatchingSpec {
            preferred_batch_size,
            timeout: DEFAULT_BATCH_TIMEOUT,
            flush_all: false,
        }
    }

    /// How long the first document of a batch waits for others: 10 s, if it is not said.
    pub fn timeout(self, timeout: Duration) -> BatchingSpec {
        BatchingSpec { timeout, ..self }
    }

    /// Has a batch take all documents that wait, also if they are more.
    pub fn flush_all(self) -> BatchingSpec {
        BatchingSpec {
            flush_all: true,
            ..self
        }
    }

    pub(super) fn check(self) -> Result<Batching, String> {
        duration(self.timeout).map_err(|reason| format!("`timeout`: {reason}"))?;
        let size = NonZeroUsize::new(self.preferred_batch_size);
        let most = usize::try_from(MAX_BATCH).unwrap_or(usize::MAX);
        let size = size.filter(|size| size.get() <= most);
        Ok(Batching {
            preferred_batch_size: size
                .ok_or_else(|| whole(1, MAX_BATCH, self.preferred_batch_size))
                .map_err(|reason| format!("`preferred_batch_size`: {reason}"))?,
            timeout: self.timeout,
            flush_all: self.flush_all,
        })
    }
}
