//! Why nobody answers at an executor's addresses.

use std::fmt;

/// Why an executor cannot be reached: all that was tried, and how each try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    tried: Vec<Tried>,
}

/// A try to reach an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The address, with the name that it was found under. A name alone, if that has no
    /// address.
    pub address: String,
    /// Why nobody is there.
    pub reason: String,
}

impl Unreachable {
    pub(super) fn new(tried: Vec<Tried>) -> Unreachable {
        Unreachable { tried }
    }

    /// What was tried.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Tried { address, reason }) in self.tried.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "cannot reach {address}: {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}
