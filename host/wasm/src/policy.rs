//! How an executor's instances live: what is decided once for all of them.

use std::num::NonZeroU32;
use std::time::Duration;

use wasm_flow_contract::config::{ExecutorConfig, Isolation};

use super::back_off::Schedule;
use super::bounds;

/// How the instances of an executor live.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstancePolicy {
    /// Who shares an instance.
    pub(super) sharing: Sharing,
    /// Wall-clock bound of a call and of a start.
    pub(super) timeout: Duration,
    /// Calls in flight in one replica.
    pub(super) concurrency: NonZeroU32,
    /// Calls that may wait for that, over all replicas.
    pub(super) queue: u32,
    /// Instances that a call may lose in a row before one takes it.
    pub(super) max_lost: NonZeroU32,
    /// How long a retired instance may take to show that it still answers.
    pub(super) answer_within: Duration,
    /// How long an instance that nobody waits for may take to end.
    pub(super) stop_within: Duration,
}

/// Who shares an instance.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sharing {
    /// All calls of a replica, for as long as the instance lives. One that fails
    /// again and again is restarted after longer and longer pauses.
    Replica {
        /// The pauses between two starts.
        restarts: Schedule,
    },
    /// Nobody: each call has an instance of its own.
    ///
    /// There is no back-off: an instance that fails takes only its own call with
    /// it, and a pause would let one client's poisonous request slow down all
    /// others. What such requests can cost is bounded by `limits.concurrency`.
    Request,
}

impl InstancePolicy {
    /// The policy that an executor's table in flow.toml asks for.
    pub(super) fn of(config: &ExecutorConfig) -> Self {
        InstancePolicy {
            sharing: match config.isolation {
                Isolation::Shared => Sharing::Replica { restarts: RESTARTS },
                Isolation::Request => Sharing::Request,
            },
            timeout: config.timeout,
            concurrency: config.limits.concurrency,
            queue: config.limits.queue,
            max_lost: bounds::MAX_LOST,
            answer_within: bounds::ANSWER_WITHIN,
            stop_within: bounds::STOP_WITHIN,
        }
    }
}

const RESTARTS: Schedule = match Schedule::new(
    bounds::FREE_RESTARTS,
    bounds::FIRST_BACK_OFF,
    bounds::LAST_BACK_OFF,
    bounds::BACK_OFF_JITTER,
) {
    Some(schedule) => schedule,
    None => unreachable!(),
};
