//! Where documents go that an executor sends while it runs.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use futures::channel::mpsc;
use futures::stream::BoxStream;
use wasm_flow_document::DocumentArray;

use crate::failure::Failure;
use crate::reply::Reply;

/// Documents as a flow sends them, one after the other. After a failure there are no
/// more.
pub type Streamed = BoxStream<'static, Result<DocumentArray, Arc<Failure>>>;

/// Takes documents that an executor sends while it runs. What was sent is out of the
/// transaction: it stays sent if the call fails later.
#[derive(Debug, Clone)]
pub struct Outlet(mpsc::Sender<DocumentArray>);

/// The other end of an [`Outlet`].
pub type Outflow = mpsc::Receiver<DocumentArray>;

/// Nobody takes documents any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes these documents any more")]
pub struct OutletClosed;

impl Outlet {
    /// An outlet, and the end that its documents come out of. Next to nothing is kept
    /// in between: who sends faster than the documents are taken has to wait.
    pub fn new() -> (Outlet, Outflow) {
        let (sender, receiver) = mpsc::channel(0);
        (Outlet(sender), receiver)
    }

    /// Puts documents behind those that wait, at once, whether what is returned is polled
    /// or not. That completes once they were taken.
    pub fn offer(
        &self,
        docs: DocumentArray,
    ) -> impl Future<Output = Result<(), OutletClosed>> + Send + use<> {
        // Each sender has room for one.
        let mut sender = self.0.clone();
        let offered = sender.try_send(docs);
        async move {
            offered.map_err(|_| OutletClosed)?;
            // A flush would call them taken if nobody takes them any more.
            let taken = poll_fn(|context| sender.poll_ready(context));
            taken.await.map_err(|_| OutletClosed)
        }
    }

    /// Sends documents, and waits until they were taken.
    ///
    /// # Errors
    /// When nobody takes them any more.
    pub async fn send(&self, docs: DocumentArray) -> Result<(), OutletClosed> {
        self.offer(docs).await
    }

    /// Sends the documents of a reply one by one, for as long as somebody takes them. The
    /// rest of the reply comes back.
    pub async fn send_reply(
        self,
        calling: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        let mut reply = calling.await?;
        for doc in std::mem::take(&mut reply.docs) {
            if self.send(DocumentArray::from_iter([doc])).await.is_err() {
                break;
            }
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn what_nobody_takes_is_not_called_taken() {
        let docs = || DocumentArray::from_texts(["a"]);
        let (outlet, mut outflow) = Outlet::new();
        let (first, second) = (outlet.offer(docs()), outlet.offer(docs()));
        assert_eq!(block_on(outflow.next()).unwrap().len(), 1);
        drop(outflow);
        assert_eq!(block_on(second), Err(OutletClosed));
        assert_eq!(block_on(outlet.offer(docs())), Err(OutletClosed));
        drop(first);
    }
}
