//! Stages around stages.
//!
//! A wrapper is a small value that holds an `Arc<dyn Stage>` and is one itself.
//! What wraps what is decided in one place, `Flow::of_chain`.

mod observed;

pub use observed::Observed;
