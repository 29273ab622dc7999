//! Work that is done once for all who need it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

/// Work whose outcome all wait for who come while it is under way. It has a task of its
/// own: it goes on if they give up, so that the next one does not begin anew.
#[derive(Debug)]
pub(super) struct Common<T: Clone>(Mutex<Option<Outcome<T>>>);

/// What comes of it.
pub(super) type Outcome<T> = Shared<BoxFuture<'static, T>>;

impl<T: Clone> Default for Common<T> {
    fn default() -> Self {
        Common(Mutex::new(None))
    }
}

impl<T: Clone + Send + Sync + 'static> Common<T> {
    /// What comes of the work that is under way. If there is none, it begins with `work`.
    pub(super) fn outcome<F>(&self, work: impl FnOnce() -> F) -> Outcome<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = last.as_ref().filter(|outcome| outcome.peek().is_none()) {
            return outcome.clone();
        }
        let outcome = work().boxed().shared();
        tokio::spawn(outcome.clone());
        *last = Some(outcome.clone());
        outcome
    }

    /// Whether it is under way.
    pub(super) fn is_under_way(&self) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .is_some_and(|outcome| outcome.peek().is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    const TIME: Duration = Duration::from_millis(100);

    /// Takes a while, and gives how often it was begun.
    fn work(begun: &Arc<AtomicUsize>) -> impl Future<Output = usize> + Send + use<> {
        let begun = Arc::clone(begun);
        async move {
            let count = begun.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(TIME).await;
            count
        }
    }

    #[tokio::test]
    async fn who_comes_meanwhile_waits_for_the_same() {
        let (common, begun) = (Common::default(), Arc::default());
        assert!(!common.is_under_way());
        let waiting = (0..10).map(|_| common.outcome(|| work(&begun)));
        let waiting: Vec<_> = waiting.collect();
        assert!(common.is_under_way());
        assert_eq!(join_all(waiting).await, [1; 10]);
        assert!(!common.is_under_way());
        // Later, it is another outcome.
        assert_eq!(common.outcome(|| work(&begun)).await, 2);
    }

    #[tokio::test]
    async fn it_goes_on_without_whoever_began_it() {
        let (common, begun) = (Common::default(), Arc::default());
        for _ in 0..3 {
            let waiting = common.outcome(|| work(&begun));
            timeout(TIME / 10, waiting).await.unwrap_err();
        }
        sleep(TIME * 3).await;
        assert!(!common.is_under_way());
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }
}
