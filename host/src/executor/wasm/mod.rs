//! Where wasmtime is: the engine, components, instances, and the host's side of
//! the WIT. Nothing outside `executor` sees a type of wasmtime's.

mod bindings;
mod cache;
mod documents;
mod grants;
mod instance;
mod load;
mod requests;
mod runtime;
mod setup;
mod size;
mod stdio;
mod store;
mod trap;

pub use grants::GrantError;
pub use instance::StartFailure;
pub(super) use instance::{Finish, Instance, JobError, Pending};
pub use load::{Component, LoadError};
pub use runtime::{Runtime, RuntimeConfig, RuntimeError};
pub(super) use setup::Setup;
pub use trap::Trap;
