//! Every bound that reading a `flow.toml` holds it to.
//!
//! A size or a duration is also held to what `wasm_flow_contract::units` can
//! read, and how deep tables may be nested to what the TOML parser allows.

use std::time::Duration;

wasm_flow_contract::bounds! {
    /// The largest file that is read, in bytes.
    MAX_FILE: u64 = 1 << 20;

    /// The most that the values of environment variables may add to a file, in bytes. A
    /// file that names one a thousand times gets its value a thousand times.
    MAX_SUBSTITUTED: usize = 1 << 20;

    /// The shortest value of an environment variable that is taken out of messages, in
    /// bytes. What is shorter is in many words by chance.
    MIN_HIDDEN: usize = 4;

    /// The most executors that a flow may have.
    MAX_EXECUTORS: usize = 1000;

    /// The most calls that one replica may have in flight.
    MAX_CONCURRENCY: u32 = 1_000_000;
    /// The least that `limits.cpu` and `limits.background` can be. They are measured every 5 ms.
    MIN_COMPUTING: Duration = Duration::from_millis(50);
    /// The most that `limits.queue` can be.
    MAX_QUEUE: u32 = 1_000_000;

    /// The most documents that a batch can be told to have.
    MAX_BATCH: u32 = 1_000_000;

    /// The most retries that a call can be told to have.
    MAX_RETRIES: u32 = 10;

    /// The most [[hub.trust]] tables that a file may have.
    MAX_TRUST: usize = 1000;

    /// The least memory that an executor can be given, in bytes.
    MIN_MEMORY: u64 = 1 << 20;

    /// The least time that compiling a component can be given.
    MIN_COMPILE_TIME: Duration = Duration::from_secs(1);
    /// The least memory that compiling a component can be given, in bytes.
    MIN_COMPILE_MEMORY: u64 = 32 << 20;

    /// The most requests that one stream may have in flight.
    MAX_PREFETCH: u32 = 1_000_000;

    /// The largest message that a gateway can be told to take, in bytes: the length
    /// before a gRPC message has 32 bits.
    MAX_MESSAGE: u32 = u32::MAX;

    /// The most problems that one report keeps and shows. The others are counted.
    MAX_PROBLEMS: usize = 100;
}
