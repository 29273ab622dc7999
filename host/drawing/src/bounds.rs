//! What one drawing may take.

wasm_flow_contract::bounds! {
    /// Vertices and lines that all sweeps for an order with few crossings look at, about,
    /// and pairs of lines that the exchanges of one sweep do. Flows that people draw have
    /// all the sweeps they need; the largest that a file can hold have fewer.
    SWEEP_EFFORT: usize = 4_000_000;
    /// Vertices and lines that all rounds of bringing vertices nearer to each other look
    /// at, about.
    TIGHTEN_EFFORT: usize = 8_000_000;
}
