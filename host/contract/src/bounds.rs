//! Timeouts and bounds, declared in tables.
//!
//! Each crate of the host has one table, made by [`bounds!`](crate::bounds!), so
//! that every number that bounds something stands in one place with its reason,
//! and can be listed.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// One entry of a table.
#[derive(Clone, Copy)]
pub struct Bound {
    /// The constant's name.
    pub name: &'static str,
    /// What it bounds, and what happens beyond it.
    pub what: &'static str,
    /// The value.
    #[doc(hidden)]
    pub value: &'static (dyn fmt::Debug + Sync),
}

impl Bound {
    /// The value: a duration with its unit, anything else as a plain number.
    pub fn value(&self) -> String {
        format!("{:?}", self.value)
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}:{}", self.name, self.value, self.what)
    }
}

/// Declares constants, and a table `BOUNDS` of them.
#[macro_export]
macro_rules! bounds {
    ($($(#[doc = $what:literal])+ $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[doc = $what])+ pub const $name: $type = $value;)*

        /// The table of all of these.
        pub static BOUNDS: &[$crate::bounds::Bound] = &[
            $($crate::bounds::Bound {
                name: stringify!($name),
                what: concat!($($what),+),
                value: &$name,
            },)*
        ];
    };
}

/// A number that is known not to be zero.
pub const fn positive(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

bounds! {
    /// Values, those of every depth together, of an object or a list in tags that `when`
    /// compares with another one. Larger ones are equal to nothing.
    COMPARED_VALUES: u64 = 10_000;
    /// Default of `timeout`: wall-clock time of one call, from when the method is
    /// entered, and of `start`.
    DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
    /// Default of `retries`.
    DEFAULT_RETRIES: u32 = 2;
    /// Default of `timeout` of `uses_dynamic_batching`: Jina's.
    DEFAULT_BATCH_TIMEOUT: Duration = Duration::from_secs(10);
    /// Default of `limits.memory`, in bytes.
    DEFAULT_MEMORY: u64 = 256 << 20;
    /// The most that `limits.memory` can be: linear memory has 32-bit addresses.
    MAX_MEMORY: u64 = 4 << 30;
    /// Instances of one process, of all executors: `shards` times `replicas` of all
    /// executors of a flow, and the `replicas` of what `uses_before` and `uses_after` name,
    /// come to no more. Each has at least one memory, and each memory takes 6 GiB of
    /// address space.
    INSTANCES: u32 = 1000;
    /// Default of `limits.concurrency`: calls in flight in one replica. More wait
    /// in the executor's queue.
    DEFAULT_CONCURRENCY: NonZeroU32 = positive(256);
    /// Default of `limits.queue`: calls that wait for a place in an executor's replicas.
    DEFAULT_QUEUE: u32 = 10_000;
    /// Default of `limits.background`: how long an instance computes outside of its calls, in
    /// any ten seconds.
    DEFAULT_BACKGROUND: Duration = Duration::from_secs(1);
    /// Default of `grace` of `[gateway]`: how long a stop waits for requests to be answered.
    /// It is the time of a few calls of an executor, each with the default `timeout`; what
    /// waits in long queues is not served.
    DEFAULT_GRACE: Duration = Duration::from_secs(300);
    /// Default of `limits.reply`, in bytes of protobuf: what the documents of one
    /// reply may come to.
    DEFAULT_REPLY: NonZeroU64 = match NonZeroU64::new(256 << 20) {
        Some(value) => value,
        None => NonZeroU64::MIN,
    };
    /// Default of `compile.time` of `[host]`: how long compiling one component may take. A
    /// Python executor with its interpreter takes half a minute on two processors that have
    /// nothing else to do.
    DEFAULT_COMPILE_TIME: Duration = Duration::from_secs(300);
    /// Default of `compile.memory` of `[host]`, in bytes: what compiling one component may
    /// take. It takes some twenty times the component's size.
    DEFAULT_COMPILE_MEMORY: u64 = 4 << 30;
    /// Hosts of one remote executor, and addresses that their names may have together.
    MAX_ADDRESSES: usize = 100;
    /// Tokens that a gateway takes. Each call's is compared with all of them.
    MAX_TOKENS: usize = 100;
    /// The longest name of an executor, in bytes: it is part of every parameter's
    /// and every result's key that is meant for one executor.
    MAX_NAME: usize = 128;
    /// The most names that one message lists.
    MAX_LISTED: usize = 30;
    /// Conditions of one query. Each is asked of each document.
    MAX_CONDITIONS: usize = 1000;
    /// How deep a query's conditions may nest.
    MAX_QUERY_DEPTH: usize = 32;
    /// Bytes that the compiled form of a query's regular expression may take.
    MAX_QUERY_REGEX: usize = 1 << 20;
}

/// The bounds of `wasm_flow_document`. That crate is below this one, so its table is
/// here.
pub mod documents {
    use wasm_flow_document::bounds;

    bounds! {
        /// Documents of one request, chunks and matches of every depth included. An empty
        /// one takes 2 bytes of a message and about 500 of memory.
        DOCUMENTS: u64 = bounds::DOCUMENTS;
        /// How deep documents may nest; 1 is an array without chunks or matches. Protobuf
        /// parsers stop at 100 nested messages, three of them are around the first
        /// document, and tags nest too.
        DOCUMENT_DEPTH: u32 = bounds::DOCUMENT_DEPTH;
        /// Scores and evaluations of all documents of one message. An empty one takes 4
        /// bytes of the message and over 100 bytes of memory.
        SCORES: u64 = bounds::SCORES;
        /// Dimensions of an array: numpy's own bound.
        DIMENSIONS: usize = bounds::DIMENSIONS;
        /// How deep the values of a JSON object may nest, such as a document's tags.
        /// Protobuf parsers stop at 100 nested messages, and each level takes three.
        STRUCT_DEPTH: u32 = bounds::STRUCT_DEPTH;
        /// Values of a JSON object, those of every depth together. An empty entry takes 2
        /// bytes of a message, and 64 bytes of memory while it is read.
        STRUCT_VALUES: u64 = bounds::STRUCT_VALUES;
        /// Bytes of a JSON object's messages in which a field occurs several times. Reading
        /// merges the occurrences, which copies them; nobody writes objects so.
        STRUCT_MERGED: usize = bounds::STRUCT_MERGED;
        /// Characters that an error shows of a name or a text that came with a document;
        /// the rest is cut off.
        SHOWN: usize = bounds::SHOWN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_says_its_value_and_what_it_bounds() {
        for bound in BOUNDS.iter().chain(documents::BOUNDS) {
            assert!(bound.what.ends_with('.'), "{bound:?}");
            assert!(!bound.value().is_empty(), "{bound:?}");
        }
        let timeout = BOUNDS.iter().find(|bound| bound.name == "DEFAULT_TIMEOUT");
        assert_eq!(timeout.unwrap().value(), "60s");
    }
}
