//! Where wasmtime is: the engine, components, instances, and the host's side of
//! the WIT. Nothing outside `executor` sees a type of wasmtime's.

mod bindings;
mod documents;
mod grants;
mod instance;
mod load;
mod requests;
mod runtime;
mod store;

pub use grants::GrantError;
pub(super) use instance::{Finish, Instance, JobError, Setup};
pub use instance::{StartFailure, Trap};
pub use load::{Component, LoadError};
pub use runtime::{Runtime, RuntimeConfig, RuntimeError};
