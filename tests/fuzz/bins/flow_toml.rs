//! `cargo fuzz`'s binary of [`wasm_flow_fuzz::flow_toml`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasm_flow_fuzz::flow_toml(data));
