//! The answers of a stream of requests.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, FusedStream, Stream, StreamExt};

use super::ClientError;
use super::message::PostResponse;
use super::progress::Progress;
use super::requests::Sending;

/// What is called for each answer.
pub(super) type OnResponse = Box<dyn FnMut(&PostResponse, &Progress) + Send>;

/// The answers of a stream of requests, one for each, as they come. A request that
/// failed in the flow is an answer, too: see [`PostResponse::failure`].
///
/// An error is the last item. Dropping the stream gives the call up: the requests that
/// are not answered, and the documents that were not read.
#[must_use = "dropping the answers gives the requests up"]
pub struct Answers {
    /// None once it has ended.
    inner: Option<BoxStream<'static, Result<PostResponse, ClientError>>>,
    sending: Sending,
    progress: Progress,
    on_response: Option<OnResponse>,
}

impl Answers {
    pub(super) fn new(
        inner: BoxStream<'static, Result<PostResponse, ClientError>>,
        sending: Sending,
        progress: Progress,
        on_response: Option<OnResponse>,
    ) -> Answers {
        Answers {
            inner: Some(inner),
            sending,
            progress,
            on_response,
        }
    }

    /// How far the call has come.
    pub fn progress(&self) -> Progress {
        let sent = self.sending.lock();
        let mut progress = self.progress.clone();
        progress.sent = sent.requests;
        progress.documents_sent = sent.documents;
        progress
    }

    fn tell(&mut self, response: &PostResponse) {
        self.progress.answered += 1;
        self.progress.failed += u64::from(response.failure.is_some());
        self.progress.documents += response.docs.len() as u64;
        let progress = self.progress();
        if let Some(on_response) = &mut self.on_response {
            on_response(response, &progress);
        }
    }

    /// What is wrong with a call that ended as if all were well.
    fn ending(&self) -> Option<ClientError> {
        let mut sent = self.sending.lock();
        let (answered, requests) = (self.progress.answered, sent.requests);
        match sent.end.take() {
            Some(Err(error)) => Some(ClientError::Input(error)),
            Some(Ok(())) if answered >= requests => None,
            _ => Some(ClientError::Unanswered {
                answered,
                sent: requests,
            }),
        }
    }
}

impl Stream for Answers {
    type Item = Result<PostResponse, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let item = std::task::ready!(inner.poll_next_unpin(context));
        match &item {
            Some(Ok(response)) => self.tell(response),
            Some(Err(_)) | None => self.inner = None,
        }
        Poll::Ready(match item {
            Some(item) => Some(item),
            None => self.ending().map(Err),
        })
    }
}

impl FusedStream for Answers {
    fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use wasm_flow_document::DocumentArray;

    use super::*;

    /// What comes out of a call of two requests that ends after so many answers.
    async fn outcome(answers: usize, sent_to_the_end: bool) -> Vec<Result<(), String>> {
        let sending = Sending::default();
        sending.lock().requests = 2;
        sending.lock().end = sent_to_the_end.then_some(Ok(()));
        let response = PostResponse {
            request_id: String::new(),
            docs: DocumentArray::new(),
            parameters: serde_json::Map::new(),
            routes: Vec::new(),
            failure: None,
            notice: None,
        };
        let inner = stream::iter(vec![response; answers]).map(Ok).boxed();
        let answers = Answers::new(inner, sending, Progress::begin(), None);
        answers
            .map(|answer| answer.map(drop).map_err(|error| error.to_string()))
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_call_without_all_answers_has_failed() {
        assert_eq!(outcome(2, true).await, [Ok(()), Ok(())]);
        let short = "the gateway ended the call after it had answered 1 of 2 requests".to_owned();
        assert_eq!(outcome(1, true).await, [Ok(()), Err(short)]);
        // The input was not sent to its end.
        let early = outcome(2, false).await;
        assert!(early[2].is_err(), "{early:?}");
    }
}
