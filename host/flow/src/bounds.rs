//! Every bound of the flow.

use std::time::Duration;

wasm_flow_contract::bounds! {
    /// Bytes of a `target_executor`: room for the names of many executors.
    MAX_PATTERN: usize = 4096;
    /// Bytes that the compiled form of a `target_executor` may take.
    MAX_COMPILED_PATTERN: usize = 1 << 20;
    /// The longest wait before the second attempt of a call. It doubles with each
    /// attempt, and a random half of it is left out.
    RETRY_FIRST: Duration = Duration::from_millis(50);
    /// The longest wait before an attempt. A failure that asks for a longer one is not
    /// tried again.
    RETRY_LONGEST: Duration = Duration::from_secs(5);
    /// Retries of an executor that may come at once. Calls earn new ones.
    RETRY_BUDGET: u32 = 20;
    /// Calls that earn one retry: one that is down gets a tenth more calls for it.
    RETRY_EARNED_BY: u32 = 10;
    /// Calls of a floating executor that may be under way. Nobody waits for them, so
    /// more are left out and counted as failed.
    MAX_FLOATING: usize = 1000;
    /// How long a stop waits for calls of floating executors.
    FLOATING_DRAIN: Duration = Duration::from_secs(120);
    /// How long a document of a stream waits for the client to take it. Then the stream
    /// fails, and the call of who sends it is given up.
    STREAM_STALL: Duration = Duration::from_secs(120);
    /// The same for all documents of a stream together. A method that holds an instance
    /// for itself holds it for as long.
    STREAM_WAITS: Duration = Duration::from_secs(3600);
}
