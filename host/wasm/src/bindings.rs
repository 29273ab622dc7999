//! Generated from `wit/`.

use super::store::Ctx;

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "bare",
    imports: {
        "wasm-flow:executor/timers.after": store | trappable,
        "wasm-flow:executor/diagnostics.report-panic": store | trappable,
        "wasm-flow:executor/logging.log": store | trappable,
        default: trappable,
    },
    exports: { default: async | store },
    with: {
        "wasm-flow:executor/documents.document-array": wasm_flow_document::LiveArray,
        "wasm-flow:executor/requests.request": super::request_state::RequestState,
    },
});

pub(super) use exports::wasm_flow::executor::executor as guest;

pub(super) use self::wasm_flow::executor::{diagnostics, documents, logging, requests, timers};

/// Gives the generated code access to the store's data.
pub(super) struct HasCtx;

impl wasmtime::component::HasData for HasCtx {
    type Data<'a> = &'a mut Ctx;
}
