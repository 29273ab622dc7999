//! A stage in whose place another one can be put.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use wasm_flow_contract::{Call, Failure, FailureKind, Outlet, Reply, Stage, StageInfo};

/// A stage that is handed over: it ends before the one that takes its place begins, and
/// calls that come in between wait. For executors whose instances keep something that
/// two of them must not both have, as a file.
pub struct Slot {
    /// What was there last says what the stage is while there is none.
    state: watch::Sender<State>,
}

/// A stage whose calls go on and on is not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its calls were still in flight after {0:?}")]
pub struct Busy(Duration);

#[derive(Clone)]
struct State {
    stage: Arc<dyn Stage>,
    /// The calls that have got this stage.
    calls: TaskTracker,
    is_vacant: bool,
}

impl State {
    fn of(stage: Arc<dyn Stage>) -> State {
        State {
            stage,
            calls: TaskTracker::new(),
            is_vacant: false,
        }
    }
}

impl Slot {
    /// A slot with this stage in it.
    pub fn new(stage: Arc<dyn Stage>) -> Slot {
        Slot {
            state: watch::Sender::new(State::of(stage)),
        }
    }

    /// Takes the stage out, and stops it after the calls that have got it. Calls wait from
    /// now on, until [`fill`](Self::fill) puts one in.
    ///
    /// # Errors
    /// If its calls are not done within `patience`. Then it goes on as before.
    pub async fn vacate(&self, patience: Duration) -> Result<(), Busy> {
        self.state.send_modify(|state| state.is_vacant = true);
        let State { stage, calls, .. } = self.state.borrow().clone();
        calls.close();
        if timeout(patience, calls.wait()).await.is_err() {
            calls.reopen();
            self.state.send_modify(|state| state.is_vacant = false);
            return Err(Busy(patience));
        }
        stage.stop().await;
        Ok(())
    }

    /// Puts a stage in. Calls that wait go on with it.
    pub fn fill(&self, stage: Arc<dyn Stage>) {
        self.state.send_replace(State::of(stage));
    }

    fn last(&self) -> Arc<dyn Stage> {
        Arc::clone(&self.state.borrow().stage)
    }

    /// Does something with the stage, once there is one.
    fn with(
        &self,
        act: impl FnOnce(&dyn Stage) -> BoxFuture<'static, Result<Reply, Failure>> + Send + 'static,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        let mut states = self.state.subscribe();
        Box::pin(async move {
            let (stage, _place) = {
                let there = states.wait_for(|state| !state.is_vacant).await;
                let state = there.map_err(|_| gone())?;
                // Counted before the stage can be taken out.
                (Arc::clone(&state.stage), state.calls.token())
            };
            act(&*stage).await
        })
    }
}

/// The slot went while it was vacant, and the flow with it.
fn gone() -> Failure {
    let reason = "the flow was stopped while one of its executors was being replaced";
    Failure::of_flow(FailureKind::Stopped, "FlowStopped", reason.to_owned())
}

impl Stage for Slot {
    fn info(&self) -> StageInfo {
        self.last().info()
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.last().binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.last().is_repeatable(endpoint)
    }

    fn streams(&self, endpoint: &str) -> bool {
        self.last().streams(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        self.with(|stage| stage.call(call))
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        self.with(|stage| stage.stream(call, outlet))
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.last().stop()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;
    use wasm_flow_document::DocumentArray;

    use super::*;
    use crate::Flow;

    /// Says what happens to it, and answers once it may.
    struct Keeps {
        word: &'static str,
        may: Arc<Semaphore>,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Keeps {
        fn say(&self, what: &str) {
            self.said
                .lock()
                .unwrap()
                .push(format!("{} {what}", self.word));
        }
    }

    impl Stage for Keeps {
        fn info(&self) -> StageInfo {
            StageInfo {
                class: self.word.to_owned(),
                ..StageInfo::default()
            }
        }

        fn binds(&self, _: &str) -> bool {
            true
        }

        fn call(&self, _: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            self.say("called");
            let (word, may) = (self.word, Arc::clone(&self.may));
            Box::pin(async move {
                may.acquire().await.unwrap().forget();
                Ok(Reply::new(DocumentArray::from_texts([word])))
            })
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            self.say("stopped");
            Box::pin(async {})
        }
    }

    fn a_call() -> Call {
        Call {
            request_id: "r".into(),
            endpoint: "/x".into(),
            parameters: Arc::default(),
            docs: DocumentArray::new(),
            parts: Vec::new(),
            trace: None,
        }
    }

    #[tokio::test]
    async fn one_ends_before_the_next_begins_and_calls_wait_meanwhile() {
        let may = Arc::new(Semaphore::new(0));
        let said = Arc::default();
        let keeps = |word| -> Arc<dyn Stage> {
            Arc::new(Keeps {
                word,
                may: Arc::clone(&may),
                said: Arc::clone(&said),
            })
        };
        let slot = Arc::new(Slot::new(keeps("old")));
        let flow = Flow::single("e", Arc::clone(&slot) as Arc<dyn Stage>);
        let ask = || {
            let asked = flow.call(wasm_flow_contract::Request::new("/x", DocumentArray::new()));
            tokio::spawn(asked)
        };
        let soon = || tokio::time::sleep(Duration::from_millis(20));
        let first = ask();
        soon().await;
        let vacated = tokio::spawn({
            let slot = Arc::clone(&slot);
            async move { slot.vacate(Duration::from_secs(60)).await }
        });
        soon().await;
        let second = ask();
        soon().await;
        assert!(!vacated.is_finished());
        may.add_permits(2);
        vacated.await.unwrap().unwrap();
        soon().await;
        assert!(!second.is_finished());
        assert_eq!(slot.info().class, "old");
        slot.fill(keeps("new"));
        let text = |response: wasm_flow_contract::Response| {
            response.docs.texts().next().map(str::to_owned)
        };
        assert_eq!(text(first.await.unwrap()).as_deref(), Some("old"));
        assert_eq!(text(second.await.unwrap()).as_deref(), Some("new"));
        assert_eq!(
            *said.lock().unwrap(),
            ["old called", "old stopped", "new called"]
        );
        assert_eq!(slot.info().class, "new");
    }

    #[tokio::test]
    async fn a_stage_that_is_busy_goes_on() {
        let may = Arc::new(Semaphore::new(0));
        let slot = Slot::new(Arc::new(Keeps {
            word: "old",
            may: Arc::clone(&may),
            said: Arc::default(),
        }));
        let first = tokio::spawn(slot.call(a_call()));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let busy = slot.vacate(Duration::from_millis(20)).await;
        assert_eq!(busy, Err(Busy(Duration::from_millis(20))));
        may.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap().docs.len(), 1);
        assert_eq!(slot.call(a_call()).await.unwrap().docs.len(), 1);
    }

    #[tokio::test]
    async fn a_call_that_waits_for_a_slot_that_goes_fails() {
        let slot = Slot::new(Arc::new(crate::stages::Functions::new("F")));
        slot.vacate(Duration::from_secs(60)).await.unwrap();
        let waiting = slot.call(a_call());
        drop(slot);
        assert_eq!(waiting.await.unwrap_err().kind, FailureKind::Stopped);
    }
}
