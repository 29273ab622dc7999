//! An enum has a case more: no release of this line may do that.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/enum_case.rs"));

later::executor!(|_, _| {});
