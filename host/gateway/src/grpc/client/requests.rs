//! From documents to requests.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{self, BoxStream, Stream, StreamExt};
use wasm_flow_document::{Document, DocumentArray};

use super::BoxError;
use crate::bounds::CLIENT_PAUSE;

/// Where the documents of a call come from.
pub(super) enum Source {
    /// One after the other: a request has as many of them as it may.
    Documents(BoxStream<'static, Result<Arc<Document>, BoxError>>),
    /// A request at a time.
    Requests(BoxStream<'static, Result<DocumentArray, BoxError>>),
}

impl Source {
    /// The documents of each request. An error is the last item.
    pub(super) fn requests(
        self,
        size: NonZeroUsize,
    ) -> BoxStream<'static, Result<DocumentArray, BoxError>> {
        match self {
            Source::Documents(docs) => chunks(docs, size).boxed(),
            Source::Requests(requests) => requests,
        }
    }
}

/// Documents put together in requests of `size`, or fewer if no more come for a while.
/// If there are none at all, one request without documents, as Jina's client sends it.
fn chunks(
    docs: BoxStream<'static, Result<Arc<Document>, BoxError>>,
    size: NonZeroUsize,
) -> impl Stream<Item = Result<DocumentArray, BoxError>> {
    stream::unfold(Some(Chunks::new(docs, size)), |chunks| async {
        let mut chunks = chunks?;
        let request = chunks.next().await?;
        let more = request.is_ok().then_some(chunks);
        Some((request, more))
    })
}

struct Chunks {
    docs: BoxStream<'static, Result<Arc<Document>, BoxError>>,
    size: NonZeroUsize,
    /// Whether there was a request before.
    begun: bool,
    /// How the documents ended, once they have. It is told after the last of them.
    end: Option<Result<(), BoxError>>,
}

impl Chunks {
    fn new(
        docs: BoxStream<'static, Result<Arc<Document>, BoxError>>,
        size: NonZeroUsize,
    ) -> Chunks {
        Chunks {
            docs,
            size,
            begun: false,
            end: None,
        }
    }

    async fn next(&mut self) -> Option<Result<DocumentArray, BoxError>> {
        let mut request: Vec<Arc<Document>> = Vec::new();
        while self.end.is_none() && request.len() < self.size.get() {
            // The first one may take its time.
            let next = match request.is_empty() {
                true => Ok(self.docs.next().await),
                false => tokio::time::timeout(CLIENT_PAUSE, self.docs.next()).await,
            };
            match next {
                Ok(Some(Ok(doc))) => request.push(doc),
                Ok(Some(Err(error))) => self.end = Some(Err(error)),
                Ok(None) => self.end = Some(Ok(())),
                Err(_) => break,
            }
        }
        let first = !std::mem::replace(&mut self.begun, true);
        match (request.is_empty(), self.end.take()) {
            (false, end) => {
                self.end = end;
                Some(Ok(request.into()))
            }
            (true, Some(Err(error))) => Some(Err(error)),
            (true, end) => {
                self.end = end.or(Some(Ok(())));
                first.then(|| Ok(DocumentArray::new()))
            }
        }
    }
}

/// What the side of a call that takes the answers has to know of the side that sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Arc<Mutex<Sent>>);

/// What was sent until now.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: u64,
    pub(super) documents: u64,
    /// How the input ended, once it has.
    pub(super) end: Option<Result<(), BoxError>>,
}

impl Sending {
    pub(super) fn lock(&self) -> MutexGuard<'_, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests, counted as they are taken. An error ends them, and is kept.
    pub(super) fn count(
        &self,
        requests: BoxStream<'static, Result<DocumentArray, BoxError>>,
    ) -> impl Stream<Item = DocumentArray> + Send + 'static {
        let sending = self.clone();
        stream::unfold((requests, sending), |(mut requests, sending)| async {
            let next = requests.next().await;
            let mut sent = sending.lock();
            let docs = match next {
                Some(Ok(docs)) => docs,
                Some(Err(error)) => {
                    sent.end = Some(Err(error));
                    return None;
                }
                None => {
                    sent.end = Some(Ok(()));
                    return None;
                }
            };
            sent.requests += 1;
            sent.documents += docs.len() as u64;
            drop(sent);
            Some((docs, (requests, sending)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn doc(text: &str) -> Arc<Document> {
        Arc::new(Document::from_text(text.to_owned()))
    }

    async fn sizes(
        docs: impl Stream<Item = Result<Arc<Document>, BoxError>> + Send + 'static,
    ) -> Vec<Result<usize, String>> {
        Source::Documents(docs.boxed())
            .requests(NonZeroUsize::new(3).unwrap())
            .map(|request| match request {
                Ok(docs) => Ok(docs.len()),
                Err(error) => Err(error.to_string()),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn documents_are_put_together() {
        let docs = |count: usize| stream::iter((0..count).map(|_| Ok(doc("a"))));
        assert_eq!(sizes(docs(7)).await, [Ok(3), Ok(3), Ok(1)]);
        assert_eq!(sizes(docs(3)).await, [Ok(3)]);
        assert_eq!(sizes(docs(0)).await, [Ok(0)]);
        let fails = || stream::iter([Err(BoxError::from("no more"))]);
        let error = || Err("no more".to_owned());
        assert_eq!(sizes(docs(4).chain(fails())).await, [Ok(3), Ok(1), error()]);
        assert_eq!(sizes(docs(3).chain(fails())).await, [Ok(3), error()]);
        assert_eq!(sizes(fails()).await, [error()]);
        // What comes after an error is not asked for.
        assert_eq!(sizes(fails().chain(docs(9))).await, [error()]);
    }

    #[tokio::test]
    async fn a_pause_sends_what_there_is() {
        let begun = Instant::now();
        let docs = stream::iter([700, 0, 700, 0, 0, 0]).then(|pause| async move {
            sleep(Duration::from_millis(pause)).await;
            Ok(doc("a"))
        });
        // The first document of a request is waited for.
        assert_eq!(sizes(docs).await, [Ok(2), Ok(3), Ok(1)]);
        assert!(begun.elapsed() >= Duration::from_millis(1400));
    }
}
