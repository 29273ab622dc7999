//! Fuzz targets: functions that take arbitrary bytes and panic if they find a
//! fault in wasm-flow.
//!
//! Each target has a corpus in `corpus/`, and runs in two ways:
//!
//! - `cargo test --release -p wasm-flow-fuzz` replays the corpus, then tries
//!   variations of it and random input for a second or two. The variable
//!   `WASM_FLOW_FUZZ_SECONDS` sets how long each target is tried.
//! - `cargo +nightly fuzz run --fuzz-dir tests/fuzz --features libfuzzer TARGET`
//!   searches for input that reaches new code, for as long as it is left to.
//!   Inputs that it keeps go to the corpus; take only those that are small and
//!   show something.
//!
//! A new target is a function here, a `[[bin]]` with a file in `bins/`, a folder
//! in `corpus/` and a line in `tests/replay.rs`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target panics when it finds a fault"
)]

mod call;
mod differential;
mod documents;
mod flow_toml;
mod flow_yaml;
mod frame;
mod hub;
mod json;
mod live;
mod query;
mod stray;
mod structs;

pub use call::call;
pub use differential::differential;
pub use documents::documents;
pub use flow_toml::flow_toml;
pub use flow_yaml::flow_yaml;
pub use frame::frame;
pub use hub::hub;
pub use json::json;
pub use live::live;
pub use query::query;
pub use structs::structs;

use bytes::{Bytes, BytesMut};
use wasm_flow_document::DocumentArray;

/// Jina's and docarray's messages as prost makes them.
#[expect(unreachable_pub, reason = "generated")]
mod proto {
    pub(crate) mod docarray {
        include!(concat!(env!("OUT_DIR"), "/docarray.rs"));
    }
    pub(crate) mod jina {
        include!(concat!(env!("OUT_DIR"), "/jina.rs"));
    }
}

/// Writes documents, and checks what is said of their length.
fn encode(docs: &DocumentArray) -> Bytes {
    let encoding = docs.encoding();
    let mut out = BytesMut::new();
    encoding.write(&mut out);
    assert_eq!(out.len(), encoding.len(), "the length said beforehand");
    let len = out.len() as u64;
    assert_eq!(docs.encoded_len(), len);
    assert_eq!(docs.encoded_len_within(len), Some(len));
    if let Some(less) = len.checked_sub(1) {
        assert_eq!(docs.encoded_len_within(less), None);
    }
    out.freeze()
}
