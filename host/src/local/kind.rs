//! The kinds of executors of a program's flow: where they run. They are named in types
//! alone, as in [`ExecutorSpec<Remote>`](crate::ExecutorSpec).

/// It runs in the sandbox of this process.
#[derive(Debug, Clone, Copy)]
pub enum Sandboxed {}

/// It runs elsewhere, and is called over the network.
#[derive(Debug, Clone, Copy)]
pub enum Remote {}

/// It is a stage of this program, outside of any sandbox.
#[derive(Debug, Clone, Copy)]
pub enum Unsandboxed {}

/// A kind whose calls are bounded in time.
pub trait Timed: sealed::Sealed {}

impl Timed for Sandboxed {}
impl Timed for Remote {}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Sandboxed {}
    impl Sealed for super::Remote {}
}
