//! The calls of one connection that are in flight.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::sync::watch;
use tokio::time::timeout;

/// Counts the calls of one connection.
#[derive(Debug, Clone)]
pub(super) struct InFlight(watch::Sender<usize>);

impl InFlight {
    pub(super) fn new() -> InFlight {
        InFlight(watch::Sender::new(0))
    }

    /// Counts the calls to this service.
    pub(super) fn counted<S>(&self, service: S) -> Counted<S> {
        Counted {
            service,
            in_flight: self.clone(),
        }
    }

    /// Waits until there has been no call in flight for so long.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut calls = self.0.subscribe();
        // `self` holds the sender: waiting does not fail.
        while calls.wait_for(|calls| *calls == 0).await.is_ok() {
            if timeout(time, calls.wait_for(|calls| *calls > 0))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn enter(&self) -> Call {
        self.0.send_modify(|calls| *calls += 1);
        Call(self.clone())
    }
}

/// A call in flight: from its request's headers until the last byte of its answer is
/// written to the connection, or the call is given up.
#[derive(Debug)]
struct Call(InFlight);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|calls| *calls -= 1);
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    service: S,
    in_flight: InFlight,
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<CountedBody<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let call = Arc::new(self.in_flight.enter());
        let response = self.service.call(request);
        Box::pin(async move {
            let response = response.await?;
            Ok(response.map(|body| CountedBody { body, call }))
        })
    }
}

/// The body of an answer, whose bytes keep the call in flight until they are sent:
/// HTTP/2 takes a large message at once, and holds it back while the client does
/// not read.
#[derive(Debug)]
pub(super) struct CountedBody<B> {
    body: B,
    call: Arc<Call>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for CountedBody<B> {
    type Data = CountedBytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<CountedBytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            Ok(frame?.map_data(|bytes| CountedBytes {
                bytes,
                _call: Arc::clone(&self.call),
            }))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes on their way to a client.
#[derive(Debug)]
pub(super) struct CountedBytes {
    bytes: Bytes,
    _call: Arc<Call>,
}

impl Buf for CountedBytes {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_in_flight_until_its_last_bytes_are_gone() {
        let in_flight = InFlight::new();
        let moment = Duration::from_millis(20);
        in_flight.idle_for(moment).await;

        let call = Arc::new(in_flight.enter());
        let bytes = CountedBytes {
            bytes: Bytes::from_static(b"ab"),
            _call: Arc::clone(&call),
        };
        drop(call);
        let idle = timeout(10 * moment, in_flight.idle_for(moment));
        assert!(idle.await.is_err(), "its bytes are not sent");
        drop(bytes);
        in_flight.idle_for(moment).await;
    }
}
