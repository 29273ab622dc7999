//! Parameters that look misspelt: a request is not refused for them, because they
//! may be meant for another executor, but the log names them.

use std::cell::RefCell;

use crate::config::UnknownKey;
use crate::log;

/// How many different ones an instance names. Clients choose the keys, so there has
/// to be an end.
const MOST: usize = 16;

/// The longest path that is named, in bytes.
const LONGEST: usize = 256;

/// The parameters that were named so far: the handler, and the path.
#[derive(Default)]
pub(crate) struct Misspelt(RefCell<Vec<(&'static str, String)>>);

impl Misspelt {
    /// Whether another one may still be named.
    pub(crate) fn has_room(&self) -> bool {
        self.0.borrow().len() < MOST
    }

    /// Logs a key that a handler's type does not have, if it is near one that the
    /// type has, once for each handler.
    pub(crate) fn name(&self, handler: &'static str, key: UnknownKey) {
        let UnknownKey { path, near } = key;
        let Some(near) = near.filter(|_| path.len() <= LONGEST && self.has_room()) else {
            return;
        };
        let entry = (handler, path);
        if self.0.borrow().contains(&entry) {
            return;
        }
        let path = &entry.1;
        log::warn!("parameter `{path}` is not one of `{handler}`'s: did you mean `{near}`?");
        self.0.borrow_mut().push(entry);
    }
}
