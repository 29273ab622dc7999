//! A flow that is replaced by another while requests come.

use std::sync::{PoisonError, RwLock};

use futures::future::BoxFuture;
use wasm_flow_contract::{Request, Response, Service, Streamed};

use crate::Flow;

/// A flow in whose place another one can be put while requests come: each request goes
/// through the flow that is there when it comes.
#[derive(Debug)]
pub struct Live {
    name: String,
    current: RwLock<Flow>,
}

impl Live {
    /// This flow, for now. The name stays.
    pub fn new(flow: Flow) -> Live {
        Live {
            name: flow.name().to_owned(),
            current: RwLock::new(flow),
        }
    }

    /// The flow that takes requests.
    pub fn current(&self) -> Flow {
        self.with(Flow::clone)
    }

    /// Puts another flow in its place. The one before, which comes back, still has its
    /// requests in flight, and gets no more.
    pub fn replace(&self, flow: Flow) -> Flow {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, flow)
    }

    /// Does something with the flow before another one can be put in its place: a request
    /// that it is given here is in flight when it is drained, and so is not refused.
    fn with<T>(&self, act: impl FnOnce(&Flow) -> T) -> T {
        act(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Service for Live {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoints(&self) -> Vec<String> {
        self.current().endpoints()
    }

    fn write_endpoints(&self) -> Vec<String> {
        self.current().write_endpoints()
    }

    fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        self.with(|flow| Box::pin(flow.call(request)))
    }

    fn stream(&self, request: Request) -> Streamed {
        self.with(|flow| flow.stream(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use wasm_flow_contract::Stage;
    use wasm_flow_document::DocumentArray;

    use super::*;
    use crate::stages::Functions;

    fn request() -> Request {
        Request::new("/write", DocumentArray::from_texts(["x"]))
    }

    /// A flow that writes `word` into every text, once it may.
    fn flow(word: &'static str, may: &Arc<Semaphore>) -> Flow {
        let may = Arc::clone(may);
        let stage = Functions::new("Writes").on("/write", move |call| {
            let may = Arc::clone(&may);
            async move {
                may.acquire().await.unwrap().forget();
                let texts = call.docs.texts().map(|_| word);
                Ok(wasm_flow_contract::Reply::new(DocumentArray::from_texts(
                    texts,
                )))
            }
        });
        let stage: Arc<dyn Stage> = Arc::new(stage);
        Flow::single("e", stage)
    }

    #[tokio::test]
    async fn requests_in_flight_end_where_they_began_and_others_go_to_the_new_flow() {
        let may = Arc::new(Semaphore::new(0));
        let live = Live::new(flow("old", &may));
        let asked = || Service::call(&live, request());
        let text = |response: Response| response.docs.texts().next().unwrap().to_owned();
        let first = asked();
        // Not polled yet, and in flight all the same.
        let old = live.replace(flow("new", &may));
        let second = asked();
        let drained = tokio::spawn({
            let old = old.clone();
            async move { old.stop().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!drained.is_finished());
        may.add_permits(2);
        assert_eq!(text(first.await), "old");
        assert_eq!(text(second.await), "new");
        drained.await.unwrap();
        assert!(old.call(request()).await.failure.is_some());
    }
}
