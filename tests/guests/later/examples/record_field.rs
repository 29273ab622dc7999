//! A record has a field more: no release of this line may do that.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/record_field.rs"));

later::executor!(|_, _| {}, deprecated: false);
