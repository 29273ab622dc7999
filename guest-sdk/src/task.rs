//! Work that goes on after a call has returned.
//!
//! ```
//! use std::cell::{Cell, RefCell};
//! use std::rc::Rc;
//!
//! use wasm_flow_sdk::prelude::*;
//! use wasm_flow_sdk::task;
//! use wasm_flow_sdk::time::{Duration, sleep};
//!
//! /// What handlers and the task share.
//! #[derive(Default)]
//! struct State {
//!     texts: RefCell<Vec<String>>,
//!     written: Cell<usize>,
//! }
//!
//! struct Index(Rc<State>);
//!
//! #[executor]
//! impl Index {
//!     fn new() -> Self {
//!         let state = Rc::new(State::default());
//!         task::spawn({
//!             let state = state.clone();
//!             async move {
//!                 loop {
//! #                   #[cfg(any())]
//!                     sleep(Duration::from_secs(30)).await;
//! #                   sleep(Duration::from_millis(1)).await;
//!                     state.written.set(state.texts.borrow().len());
//!                 }
//!             }
//!         });
//!         Index(state)
//!     }
//!
//!     #[requests(on = "/index")]
//!     fn index(&self, docs: &DocumentArray) {
//!         self.0.texts.borrow_mut().extend(docs.texts().map(str::to_owned));
//!     }
//!
//!     #[stop]
//!     fn write(&self) {
//!         self.0.written.set(self.0.texts.borrow().len());
//!     }
//! }
//! # fn main() -> Result<()> {
//! # use wasm_flow_sdk::testing::{TestExecutor, block_on};
//! # let index = TestExecutor::<Index>::start(json!({}))?;
//! # index.post("/index", ["a", "b"])?;
//! # block_on(sleep(Duration::from_millis(20)));
//! # assert_eq!(index.stop()?.0.written.get(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! It takes the feature `task`: `wasm-flow-sdk = { version = "0.1", features = ["task"] }`.
//!
//! A task runs on the instance's one thread, where calls await: it must not block,
//! nor compute for long without awaiting. All that an instance computes outside of its calls
//! is bounded by `limits.background`, a second in ten if flow.toml does not say otherwise; one
//! that exceeds it is replaced. It may use what the executor is granted.
//! Documents that it changes are the executor's own: no client sees the change.
//!
//! A task ends with its instance, without notice: if the executor stops, if it is
//! replaced after a fault or a call that took too long, and, with
//! `isolation = "request"`, after each call. What has to be done at the end belongs
//! in the `#[stop]` method. A panic in a task ends the instance, as any panic does.
//!
//! In a test, tasks run while [`testing::block_on`](crate::testing::block_on) or a
//! call runs on the thread that they were spawned on. Their HTTP requests are answered
//! as those of the executor are that spawned them.

/// Runs a future beside the calls, until it completes or the instance ends.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    platform::spawn(future);
}

#[cfg(not(target_family = "wasm"))]
pub(crate) use platform::poll;

#[cfg(target_family = "wasm")]
mod platform {
    pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
        wit_bindgen::spawn_local(future);
    }
}

#[cfg(not(target_family = "wasm"))]
mod platform {
    use std::cell::RefCell;
    use std::pin::Pin;
    use std::task::Context;

    use crate::testing::http;

    type Task = Pin<Box<dyn Future<Output = ()>>>;

    thread_local! {
        static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
        // What answers the requests of the one who spawns it answers the task's, too.
        let task: Task = match http::current() {
            Some(answers) => Box::pin(answers.during(future)),
            None => Box::pin(future),
        };
        TASKS.with_borrow_mut(|tasks| tasks.push(task));
    }

    /// Polls all of this thread's tasks, with those that they spawn.
    pub(crate) fn poll(context: &mut Context<'_>) {
        let mut waiting = Vec::new();
        loop {
            // A task may spawn others, so the list cannot be borrowed meanwhile.
            let tasks = TASKS.take();
            if tasks.is_empty() {
                break;
            }
            for mut task in tasks {
                if task.as_mut().poll(context).is_pending() {
                    waiting.push(task);
                }
            }
        }
        TASKS.set(waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::http::{self, Request, Response};
    use crate::testing::{block_on, with_http};
    use crate::time::{Duration, sleep};

    #[test]
    fn tasks_run_beside_what_is_waited_for() {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        block_on(async move {
            spawn(async move {
                let inner = counted.clone();
                spawn(async move { inner.set(inner.get() + 100) });
                for _ in 0..3 {
                    sleep(Duration::from_millis(1)).await;
                    counted.set(counted.get() + 1);
                }
            });
        });
        assert!(count.get() < 103, "it outlives what spawned it");
        block_on(sleep(Duration::from_millis(200)));
        assert_eq!(count.get(), 103);
    }

    #[test]
    fn requests_of_a_task_are_answered() {
        let status = Rc::new(Cell::new(0));
        let seen = status.clone();
        let answer = |_: &Request| Ok(Response::new(204, ""));
        let spawns = async move {
            spawn(async move {
                sleep(Duration::from_millis(1)).await;
                let response = http::get("http://h/").await;
                seen.set(response.map_or(0, |response| response.status()));
            });
        };
        block_on(with_http(answer, spawns));
        block_on(sleep(Duration::from_millis(50)));
        assert_eq!(status.get(), 204);
    }
}
