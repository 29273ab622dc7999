//! Faults that a guest, a client or a disk may have: each is told in words, and
//! whoever is beside it is answered.

use serde_json::Value;

use crate::lifecycle::raw;

mod compiling;
mod loading;
mod network;
mod running;

#[track_caller]
fn says(seen: &Value, parts: &[&str]) {
    let text = seen.as_str().unwrap_or_default();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {seen}");
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
