//! Why a file is not an executor.

use std::fmt;
use std::path::PathBuf;

use tokio::task::JoinError;
use wasm_flow_contract::units::Size;

use super::describe::DescribeError;
use super::description::DescriptionError;
use super::world::Mismatch;
use crate::bounds::MAX_FILE;
use crate::compiler::CompileError;

/// Why a file cannot be loaded as an executor.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadError {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Read(std::io::Error),
    TooLarge(u64),
    NotWasm(&'static str),
    CoreModule,
    Compiler(JoinError),
    Compile(CompileError),
    World(Box<Mismatch>),
    Link(String),
    Describe(DescribeError),
    Description(DescriptionError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Read(error) => write!(f, "{path} cannot be read: {error}"),
            Kind::TooLarge(size) => write!(
                f,
                "{path} is {} large; at most {} are loaded as a component",
                Size(*size),
                Size(MAX_FILE)
            ),
            Kind::NotWasm(found) => write!(
                f,
                "{path} is not a WebAssembly component: it {found}; \
                 `wasm-flow build` makes one from an executor's folder"
            ),
            Kind::CoreModule => write!(
                f,
                "{path} is a core WebAssembly module, not a component; build it for \
                 wasm32-wasip2 (`wasm-flow build`, or `cargo build --target wasm32-wasip2`); with \
                 `cargo component build`, the crate needs `.cargo/config.toml` with \
                 [target.wasm32-wasip1] linker = \"wasm-component-ld\""
            ),
            Kind::Compiler(reason) => write!(
                f,
                "{path} cannot be compiled: the compiler itself failed: {reason}"
            ),
            Kind::Compile(reason) => write!(f, "{path} {reason}"),
            Kind::World(mismatch) => write!(f, "{path} {mismatch}"),
            Kind::Link(reason) | Kind::Describe(DescribeError::Types(reason)) => write!(
                f,
                "{path} does not fit this host: {reason}; it was built against another version \
                 of an interface: build it again with the wasm-flow-sdk of this release, {}",
                env!("CARGO_PKG_VERSION")
            ),
            Kind::Describe(reason) => write!(f, "{path} does not describe itself: {reason}"),
            Kind::Description(reason) => {
                write!(f, "{path} has an unusable description: {reason}")
            }
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Read(error) => Some(error),
            Kind::Compile(error) => Some(error),
            Kind::Describe(error) => Some(error),
            Kind::Description(error) => Some(error),
            _ => None,
        }
    }
}
