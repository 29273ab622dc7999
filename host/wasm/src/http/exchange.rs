//! A request and its response over a connection. It follows what wasmtime's own client
//! does behind its connection (`default_send_request`).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::time::{Interval, interval, timeout};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody};

use super::Io;
use super::connections::Held;
use super::connector::Stream;
use crate::bounds::HTTP_WAIT;

/// Sends a request, and waits for the head of its response. The second future moves the
/// bytes of both bodies, and keeps the connection's places until it ends or is dropped.
pub(super) async fn exchange(
    mut request: Request<WasiBody>,
    stream: Box<dyn Stream>,
    options: RequestOptions,
    held: Arc<Held>,
) -> Result<(Response<WasiBody>, Io), HttpError> {
    let first_byte = options.first_byte_timeout.unwrap_or(HTTP_WAIT);
    let between_bytes = options.between_bytes_timeout.unwrap_or(HTTP_WAIT);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;

    // Only proxies are told the scheme and the host in the first line. The header `host`
    // is there already.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));

    let mut response = pin!(async move {
        let sent = timeout(first_byte, sender.send_request(request)).await;
        let response = sent.map_err(|_| HttpError::ConnectionReadTimeout)??;
        Ok::<_, HttpError>(response)
    });
    let mut connection = Some(connection);
    // The response comes only if the connection is polled, too. That may end before the
    // response is looked at.
    let response = poll_fn(|cx| {
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(response);
        }
        let Some(running) = &mut connection else {
            return Poll::Pending;
        };
        let ended = ready!(Pin::new(running).poll(cx));
        connection = None;
        match ended {
            Ok(()) => response.as_mut().poll(cx),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    })
    .await?;

    let response = response.map(|incoming| {
        let body = ResponseBody::new(incoming, between_bytes);
        body.boxed_unsync()
    });
    let io = Box::new(async move {
        let ended = match connection {
            Some(connection) => connection.await,
            None => Ok(()),
        };
        drop(held);
        ended.map_err(|error| match error.is_timeout() {
            true => HttpError::HttpResponseTimeout,
            false => error.into(),
        })
    });
    Ok((response, io))
}

/// A response's body whose parts may not be too long apart.
struct ResponseBody {
    incoming: Incoming,
    between_bytes: Interval,
}

impl ResponseBody {
    fn new(incoming: Incoming, between_bytes: Duration) -> Self {
        // An interval of no length panics.
        let mut between_bytes = interval(between_bytes.max(Duration::from_nanos(1)));
        between_bytes.reset();
        ResponseBody {
            incoming,
            between_bytes,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => {
                self.between_bytes.reset();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(match error.is_timeout() {
                true => HttpError::HttpResponseTimeout,
                false => error.into(),
            }))),
            Poll::Pending => {
                ready!(self.between_bytes.poll_tick(cx));
                Poll::Ready(Some(Err(HttpError::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
