//! Why nobody answers at an executor's addresses.

use std::fmt;

use super::absent::Absent;

/// Why an executor cannot be called: all that was tried, and how each try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    tried: Vec<Tried>,
}

/// A try to reach an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// The address, with the name that it was found under. A name alone, if that has no
    /// address.
    address: String,
    /// Why nobody is there, or why whoever is there takes no calls.
    reason: String,
    /// Whether somebody is there. It would take no call later either.
    refuses: bool,
}

impl Tried {
    pub(super) fn new(address: String, absent: Absent) -> Tried {
        let (reason, refuses) = match absent {
            Absent::Unreachable(reason) => (reason, false),
            Absent::Refuses(reason) => (reason, true),
        };
        Tried {
            address,
            reason,
            refuses,
        }
    }
}

impl Unreachable {
    pub(super) fn new(tried: Vec<Tried>) -> Unreachable {
        Unreachable { tried }
    }

    /// Whether no try failed.
    pub(super) fn is_empty(&self) -> bool {
        self.tried.is_empty()
    }

    /// Whether somebody is at every address, and none of them takes calls.
    pub fn is_refusal(&self) -> bool {
        !self.tried.is_empty() && self.tried.iter().all(|tried| tried.refuses)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, tried) in self.tried.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            let Tried {
                address, reason, ..
            } = tried;
            match tried.refuses {
                true => write!(f, "{address} takes no calls: {reason}")?,
                false => write!(f, "cannot reach {address}: {reason}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}
