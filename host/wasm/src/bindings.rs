//! Generated from this crate's copy of the repository's `wit`.

use super::store::Ctx;

wasmtime::component::bindgen!({
    path: "wit",
    world: "bare",
    imports: {
        "wasm-flow:executor/timers.after": store | trappable,
        "wasm-flow:executor/requests.[method]request.send-docs": store | trappable,
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// A published crate has to hold all that it is built of.
    #[test]
    fn the_interface_is_a_copy() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut copies = 0;
        for copy in fs::read_dir(folder.join("wit")).unwrap() {
            let copy = copy.unwrap().path();
            let original = folder.join("../../wit").join(copy.file_name().unwrap());
            assert_eq!(
                fs::read_to_string(&copy).unwrap(),
                fs::read_to_string(&original).unwrap(),
                "{} differs: copy {} over it",
                copy.display(),
                original.display()
            );
            copies += 1;
        }
        assert_eq!(copies, 3);
    }
}
