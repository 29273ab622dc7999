//! An interface that the host does not know is exported, too.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/exports.rs"));

later::executor!(|_, _| {});

impl exports::wasm_flow::executor::snapshots::Guest for Later {
    async fn save() -> Result<Vec<u8>, String> {
        Ok(b"saved".to_vec())
    }
}
