//! Every bound of the flow.

wasm_flow_contract::bounds! {
    /// Bytes of a `target_executor`: room for the names of many executors.
    MAX_PATTERN: usize = 4096;
    /// Bytes that the compiled form of a `target_executor` may take.
    MAX_COMPILED_PATTERN: usize = 1 << 20;
    /// Calls of a flow's floating executors that may be under way. Nobody waits for
    /// them, so more are left out and counted as failed.
    MAX_FLOATING: usize = 1000;
}
