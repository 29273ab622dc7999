//! How many connections are open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::bounds::{HTTP_CONNECTIONS, HTTP_CONNECTIONS_EACH};

/// The places for connections of all instances.
static ALL: Semaphore = Semaphore::const_new(HTTP_CONNECTIONS);

/// The places for connections of one instance, and of all.
pub(super) struct Connections {
    own: Arc<Semaphore>,
    all: &'static Semaphore,
}

/// The places of one connection, from before its name is looked up until it is closed.
#[derive(Debug)]
pub(super) struct Held {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'static>,
}

/// Which places have run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Those of the instance.
    Instance,
    /// Those of the whole process.
    Process,
}

impl Connections {
    pub(super) fn of_an_instance() -> Self {
        Connections::new(HTTP_CONNECTIONS_EACH, &ALL)
    }

    pub(super) fn new(own: usize, all: &'static Semaphore) -> Self {
        Connections {
            own: Arc::new(Semaphore::new(own)),
            all,
        }
    }

    /// Takes the places for one connection. Nobody waits for one: a guest that has opened
    /// all would wait for itself.
    pub(super) fn take(&self) -> Result<Arc<Held>, Bound> {
        let own = self.own.clone().try_acquire_owned();
        let own = own.map_err(|_| Bound::Instance)?;
        let all = self.all.try_acquire().map_err(|_| Bound::Process)?;
        Ok(Arc::new(Held {
            _own: own,
            _all: all,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_and_the_process_have_so_many_places() {
        let all: &'static Semaphore = Box::leak(Box::new(Semaphore::new(3)));
        let (one, other) = (Connections::new(2, all), Connections::new(2, all));
        let mut held = vec![one.take().unwrap(), one.take().unwrap()];
        assert_eq!(one.take().unwrap_err(), Bound::Instance);
        held.push(other.take().unwrap());
        assert_eq!(other.take().unwrap_err(), Bound::Process);
        // What was refused holds nothing.
        held.clear();
        assert_eq!(all.available_permits(), 3);
        assert!(one.take().is_ok() && other.take().is_ok());
    }
}
