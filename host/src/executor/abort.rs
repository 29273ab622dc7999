//! Tasks that end with those who wait for them.

use tokio::task::AbortHandle;

/// Aborts a task when it is dropped, unless it was disarmed.
#[derive(Debug)]
pub(super) struct AbortOnDrop(Option<AbortHandle>);

impl AbortOnDrop {
    pub(super) fn new(task: AbortHandle) -> Self {
        AbortOnDrop(Some(task))
    }

    /// Lets the task go on by itself.
    pub(super) fn disarm(mut self) {
        // Dropped and not forgotten: a handle keeps the task's memory.
        self.0 = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
