//! Built for the line 0.2.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/next_line.rs"));

later::executor!(|_, _| {});
