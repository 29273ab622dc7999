//! The body of a request, lent to the service that answers it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::arrival::Arrival;
use crate::bounds::{REFUSAL_BYTES, REFUSAL_QUIET, REFUSAL_WAIT};
use crate::drain::Drain;

/// A request's body as its service reads it. What the service leaves unread goes to
/// the [`Unread`] that was made with it.
pub(super) struct RequestBody<B: Body + Unpin> {
    /// `None` once it is given back.
    body: Option<B>,
    unread: Option<oneshot::Sender<B>>,
    arrival: Arrival,
    end: Option<End>,
}

/// Ends a body that its client keeps open.
type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a service left of a request's body.
#[derive(Debug)]
pub(super) struct Unread<B>(oneshot::Receiver<B>);

impl<B: Body + Unpin> RequestBody<B> {
    /// Lends a body. At `end` it behaves as if the client had ended it, after whatever
    /// has already arrived.
    pub(super) fn lend(body: B, end: Option<End>) -> (RequestBody<B>, Unread<B>) {
        let (unread, rest) = oneshot::channel();
        let body = RequestBody {
            body: Some(body),
            unread: Some(unread),
            arrival: Arrival::default(),
            end,
        };
        (body, Unread(rest))
    }

    fn give_back(&mut self) {
        if let (Some(body), Some(unread)) = (self.body.take(), self.unread.take())
            && !body.is_end_stream()
        {
            // Nobody takes it if the call was answered, or is given up.
            let _ = unread.send(body);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.arrival.next() {
                return Poll::Ready(Some(Ok(frame)));
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => {
                        if let Some(bytes) = this.arrival.add(bytes) {
                            return Poll::Ready(Some(Ok(Frame::data(bytes))));
                        }
                    }
                    Err(trailers) => this.arrival.end(trailers),
                },
                Poll::Ready(None) if this.arrival.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) => this.arrival.release(),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    let end = this.end.as_mut();
                    if !end.is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
                        return Poll::Pending;
                    }
                    this.give_back();
                    this.arrival.release();
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.arrival.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}

impl<B: Body + Unpin> Drop for RequestBody<B> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<B: Body<Data = Bytes> + Unpin> Unread<B> {
    /// Reads what the client still sends and throws it away: until it has ended its
    /// side, or is silent and so waits for its answer, or takes too long.
    pub(super) async fn skip(self, drain: &Drain) {
        self.skip_within(REFUSAL_WAIT, drain).await;
    }

    async fn skip_within(self, wait: Duration, drain: &Drain) {
        let quiet = async {
            let Ok(Ok(mut body)) = timeout(REFUSAL_QUIET, self.0).await else {
                return;
            };
            let mut left = REFUSAL_BYTES;
            while let Ok(Some(Ok(frame))) = timeout(REFUSAL_QUIET, body.frame()).await {
                let len = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(len) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let stop = async {
            drain.stopping().await;
            sleep(REFUSAL_QUIET).await;
        };
        tokio::select! {
            () = quiet => {}
            () = sleep(wait) => {}
            // A gateway that is being stopped does not wait for a client that keeps sending.
            () = stop => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Instant;

    use futures::stream::{self, StreamExt as _};
    use http_body_util::StreamBody;

    use super::*;

    /// A body that never ends, of pieces of a MiB, with a pause after each.
    fn endless(pause: Duration) -> Unread<impl Body<Data = Bytes> + Unpin> {
        let piece = Bytes::from(vec![0; 1 << 20]);
        let frames = stream::repeat(piece).then(move |piece| async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            Ok::<_, Infallible>(Frame::data(piece))
        });
        let (body, unread) = RequestBody::lend(StreamBody::new(frames.boxed()), None);
        drop(body);
        unread
    }

    #[tokio::test]
    async fn a_client_that_keeps_sending_is_not_heard_out() {
        const LONG: Duration = Duration::from_secs(600);
        let pause = Duration::from_millis(10);
        let start = Instant::now();
        let drain = Drain::new();
        let few = Duration::from_millis(100);
        endless(pause).skip_within(few, &drain).await;
        // Of bytes there are enough soon.
        endless(Duration::ZERO).skip_within(LONG, &drain).await;
        drain.stop();
        endless(pause).skip_within(LONG, &drain).await;
        assert!(start.elapsed() < LONG / 10);
    }

    #[tokio::test]
    async fn a_body_ends_early_but_with_all_that_has_arrived() {
        let arrived = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a")))]);
        let body = StreamBody::new(arrived.chain(stream::pending()).boxed());
        let (mut body, unread) = RequestBody::lend(body, Some(Box::pin(async {})));
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "a");
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
        assert!(unread.0.await.is_ok(), "the rest is left to the other side");
    }

    /// Of a message that does not arrive, its reader sees what did, in the end.
    #[tokio::test]
    async fn what_is_held_back_comes_before_the_end() {
        let prefix = Bytes::from_static(&[0, 1, 0, 0, 0, 7]);
        for ended in [false, true] {
            let arrived = stream::iter([Ok::<_, Infallible>(Frame::data(prefix.clone()))]);
            let rest = match ended {
                true => stream::empty().boxed(),
                false => stream::pending().boxed(),
            };
            let body = StreamBody::new(arrived.chain(rest).boxed());
            let end = async { sleep(Duration::from_millis(10)).await };
            let (body, _) = RequestBody::lend(body, Some(Box::pin(end)));
            assert_eq!(body.collect().await.unwrap().to_bytes(), prefix);
        }
    }
}
