//! Stages around stages, and a stage of functions.
//!
//! A wrapper is a small value that holds an `Arc<dyn Stage>` and is one itself.
//! `Flow::new` puts the ones around every stage that hold for all of them. Those that
//! a configuration asks for are put there by whoever reads it.

mod batched;
mod functions;
mod observed;
mod retried;
mod sharded;
mod slot;

pub use batched::Batched;
pub use functions::Functions;
pub use observed::Observed;
pub use retried::Retried;
pub use sharded::Sharded;
pub use slot::{Busy, Slot};
