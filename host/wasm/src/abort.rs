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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_ends_with_its_guard_unless_that_is_disarmed() {
        let task = tokio::spawn(std::future::pending::<()>());
        drop(AbortOnDrop::new(task.abort_handle()));
        assert!(task.await.unwrap_err().is_cancelled());

        let task = tokio::spawn(tokio::task::yield_now());
        AbortOnDrop::new(task.abort_handle()).disarm();
        task.await.unwrap();
    }
}
