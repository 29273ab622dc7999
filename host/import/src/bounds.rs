//! Every bound that reading a Flow's YAML holds it to.
//!
//! The number of executors is also held to what a `flow.toml` may have.

wasm_flow_contract::bounds! {
    /// The largest YAML file that is read, in bytes.
    MAX_FILE: u64 = 1 << 20;

    /// How deep the lists and tables of a file may be nested.
    MAX_DEPTH: usize = 64;

    /// The most values of a file. What an alias stands for counts each time: so a small
    /// file cannot become a large one.
    MAX_VALUES: usize = 100_000;

    /// Bytes of all texts of a file. What an alias stands for counts each time.
    MAX_TEXT: usize = 4 << 20;

    /// The most notes on one file. The others are counted.
    MAX_NOTES: usize = 1000;

    /// The most places of a file that one note names. The others are counted.
    MAX_PLACES: usize = 20;

    /// The most replicas of an executor that stays in Python: each gets a port.
    MAX_PORTS: u64 = 100;
}
