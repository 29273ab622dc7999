//! `request` has a method more, which this executor does not call.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/method.rs"));

later::executor!(|_, _| {});
