//! Every bound that reading a `flow.toml` holds it to.
//!
//! | bound | value | what it bounds |
//! | --- | --- | --- |
//! | [`MAX_FILE`] | 1 MiB | the file, before it is read |
//! | [`MAX_EXECUTORS`] | 1000 | `[[executors]]` tables |
//! | [`MAX_NAME`] | 128 | bytes of an executor's `name` |
//! | [`MAX_REPLICAS`] | 1024 | `replicas` |
//! | [`MAX_CONCURRENCY`] | 1,000,000 | `limits.concurrency` |
//! | [`MIN_MEMORY`] | 1 MiB | `limits.memory`; its maximum is [`Limits::MAX_MEMORY`] |
//! | [`MAX_PREFETCH`] | 1,000,000 | `gateway.prefetch` |
//! | [`MAX_MESSAGE`] | 4 GiB - 1 | `gateway.max_message` |
//! | [`MAX_PROBLEMS`] | 100 | problems that a report shows |
//! | [`MAX_LISTED`] | 20 | names that one message lists |
//!
//! A size or a duration is also held to what `wasm_flow_contract::units` can
//! read, and how deep tables may be nested to what the TOML parser allows.
//!
//! [`Limits::MAX_MEMORY`]: wasm_flow_contract::config::Limits::MAX_MEMORY

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// The most executors that a flow may have.
pub const MAX_EXECUTORS: usize = 1000;

/// The longest name of an executor, in bytes: it is part of every parameter's
/// and every result's key that is meant for one executor.
pub const MAX_NAME: usize = 128;

/// The most instances that may share an executor's requests.
pub const MAX_REPLICAS: u32 = 1024;

/// The most calls that one replica may have in flight.
pub const MAX_CONCURRENCY: u32 = 1_000_000;

/// The least memory that an executor can be given, in bytes.
pub const MIN_MEMORY: u64 = 1 << 20;

/// The most requests that one stream may have in flight.
pub const MAX_PREFETCH: u32 = 1_000_000;

/// The largest message that a gateway can be told to take, in bytes: the length
/// before a gRPC message has 32 bits.
pub const MAX_MESSAGE: u32 = u32::MAX;

/// The most problems that one report keeps and shows. The others are counted.
pub const MAX_PROBLEMS: usize = 100;

/// The most names that one message lists.
pub const MAX_LISTED: usize = 20;
