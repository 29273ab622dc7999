//! Where documents go that an executor sends while it runs.

use std::sync::Arc;

use futures::SinkExt as _;
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

    /// Sends documents, once those before have been taken.
    ///
    /// # Errors
    /// When nobody takes them any more.
    pub async fn send(&mut self, docs: DocumentArray) -> Result<(), OutletClosed> {
        self.0.send(docs).await.map_err(|_| OutletClosed)
    }

    /// Sends the documents of a reply one by one, for as long as somebody takes them. The
    /// rest of the reply comes back.
    pub async fn send_each(mut self, reply: Reply) -> Reply {
        for doc in reply.docs.iter() {
            let doc = DocumentArray::from_iter([doc.clone()]);
            if self.send(doc).await.is_err() {
                break;
            }
        }
        Reply {
            docs: DocumentArray::new(),
            ..reply
        }
    }
}
