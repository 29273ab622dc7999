//! Calls what only a later release has: a method, a function with a type of its own,
//! and an interface.

#![cfg(target_family = "wasm")]

include!(concat!(env!("OUT_DIR"), "/calls.rs"));

use wasm_flow::executor::documents::Rows;
use wasm_flow::executor::metrics::{Measure, measured};

later::executor!(|request, docs| {
    let parent = request.trace_parent().unwrap_or_default();
    let facets = docs.facets(&parent, &Rows::All).map(|facets| facets.len());
    measured("facets", Measure::Count(facets.unwrap_or_default() as u64));
});
