//! There are new types, and functions that use them. This executor calls none of them.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/types.rs"));

later::executor!(|_, _| {});
