//! Generated from `proto/` by `build.rs`.
#![allow(
    missing_docs,
    unreachable_pub,
    non_camel_case_types,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated"
)]

// Jina's messages but for the ones that carry documents.
include!(concat!(env!("OUT_DIR"), "/jina.rs"));

// The services, one file each.
include!(concat!(env!("OUT_DIR"), "/jina.JinaRPC.rs"));
include!(concat!(
    env!("OUT_DIR"),
    "/jina.JinaSingleDataRequestRPC.rs"
));
include!(concat!(env!("OUT_DIR"), "/jina.JinaDataRequestRPC.rs"));
include!(concat!(
    env!("OUT_DIR"),
    "/jina.JinaSingleDocumentRequestRPC.rs"
));
include!(concat!(
    env!("OUT_DIR"),
    "/jina.JinaDiscoverEndpointsRPC.rs"
));
include!(concat!(env!("OUT_DIR"), "/jina.JinaGatewayDryRunRPC.rs"));
include!(concat!(env!("OUT_DIR"), "/jina.JinaInfoRPC.rs"));

/// Everything of `jina.proto` and what it imports, as reflection gives it.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// `google.protobuf.Empty`.
pub(crate) type Empty = ();
