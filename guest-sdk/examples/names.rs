//! An executor that uses the names that occur in a component's generated code.
//! That code is generated only for WebAssembly, so that no native build would find
//! a conflict: `tests/component.rs` compiles this example.

/// A module with the name of one of the SDK's modules.
pub mod guest {
    /// Has the name of the type that implements the interface.
    #[derive(Default)]
    pub struct Component;
}

/// A module with the name of the interface's module.
pub mod wit {
    pub use super::guest::Component;

    /// Has the name of the interface's trait.
    pub type Guest = Component;
}

use guest::Component;
use wasm_flow_sdk::prelude::*;

#[executor]
impl Component {
    /// Returns the request's documents.
    #[requests]
    async fn pass(&self) {}
}
