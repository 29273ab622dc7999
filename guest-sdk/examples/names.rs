//! An executor whose names are those that a component is made with. What is made
//! of it is for WebAssembly alone, so that no test of a native build sees it:
//! `tests/component.rs` has it compiled.

/// A module that is called like one of the SDK's.
pub mod guest {
    /// Called like what implements the interface.
    #[derive(Default)]
    pub struct Component;
}

/// A module that is called like the interface's.
pub mod wit {
    pub use super::guest::Component;

    /// Another type of that name.
    pub type Guest = Component;
}

use guest::Component;
use wasm_flow_sdk::prelude::*;

#[executor]
impl Component {
    /// What is given back is what came.
    #[requests]
    async fn pass(&self) {}
}
