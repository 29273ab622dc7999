//! The program as its users meet it: the real binary, real components, the real
//! Jina client. What is measured with a clock is in `timed`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing test is what this is for"
)]

mod attack;
mod author;
mod bad_input;
mod cli;
mod compile_cache;
mod corpus;
mod differential;
mod doors;
mod examples;
mod faults;
mod file_kinds;
mod flow_file;
mod gateway;
mod golden;
mod grants;
mod graph;
mod graphs;
mod hostile;
mod hub;
mod import;
mod input;
mod interface;
mod interop;
mod jina_behaviour;
mod languages;
mod later;
mod lifecycle;
mod output;
mod privacy;
mod protocol;
mod queue;
mod remote;
mod routing;
mod rust_api;
mod rust_examples;
mod secure;
mod security;
mod seeds;
mod semantic_search;
mod shards;
mod stream_doc;
mod swap;
mod toolchains;
mod transaction;
mod workspace;
