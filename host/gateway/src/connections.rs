//! The gateway's connections: accepted, opened, served over HTTP/2 and closed.

use std::convert::Infallible;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::bounds::{
    ACCEPT_PAUSE, ACCEPT_WARNING, CONNECTION_WINDOW, GOAWAY_TIMEOUT, HANDSHAKE_TIMEOUT, KEEPALIVE,
    KEEPALIVE_ANSWER, STREAM_WINDOW, STREAMS,
};
use super::drain::Drain;
use super::in_flight::InFlight;
use super::occasional::Occasional;
use super::opening::{Http2Stream, Opening};

/// Serves connections, at most so many at once, until the gateway is being stopped and
/// the last one is closed.
///
/// From the stop on, none is accepted, and those without a call in flight are closed.
/// The others are left to their calls. Dropping this cuts all of them.
pub(super) async fn serve<S, B>(listener: TcpListener, most: usize, service: S, drain: &Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    let (failures, waits) = (
        Occasional::new(ACCEPT_WARNING),
        Occasional::new(ACCEPT_WARNING),
    );
    {
        let mut stopping = pin!(drain.stopping());
        let mut accepted = pin!(accept(&listener, &failures));
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(_) = connections.join_next() => {}
                stream = &mut accepted, if connections.len() < most => {
                    accepted.set(accept(&listener, &failures));
                    connections.spawn(connection(stream, service.clone(), drain.clone()));
                    if connections.len() >= most && waits.is_due() {
                        tracing::warn!(
                            "{most} connections are open; more of them wait until one closes"
                        );
                    }
                }
            }
        }
    }
    // Nobody is kept waiting in the backlog of a port that will not be served.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection. An error of `accept` never ends the gateway: a client that
/// left, or a process that is out of file descriptors, is no reason to stop serving
/// the others.
async fn accept(listener: &TcpListener, failures: &Occasional) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                if failures.is_due() {
                    tracing::warn!("cannot accept connections, and goes on trying: {error}");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error is about the connection that was to be accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// One connection, from its first byte to its last. Whatever goes wrong with it is
/// the client's to notice.
async fn connection<S, B>(stream: TcpStream, service: S, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let opening = tokio::select! {
        opening = timeout(HANDSHAKE_TIMEOUT, Opening::read(stream)) => opening,
        () = drain.stopping() => return,
    };
    match opening {
        Ok(Ok(Opening::Http2(stream))) => http2(stream, service, &drain).await,
        Ok(Ok(Opening::Http1(request))) => {
            let _ = request.refuse().await;
        }
        Ok(Ok(Opening::Unknown) | Err(_)) | Err(_) => {}
    }
}

async fn http2<S, B>(stream: Http2Stream, service: S, drain: &Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let in_flight = InFlight::new();
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_ANSWER)
            .serve_connection(TokioIo::new(stream), in_flight.counted(service))
    );
    tokio::select! {
        _ = &mut connection => return,
        () = drain.stopping() => {}
    }
    connection.as_mut().graceful_shutdown();
    // It closes by itself once its calls have ended and the client has acknowledged
    // that. A client that does not is waited for while it has calls in flight.
    tokio::select! {
        _ = &mut connection => {}
        () = in_flight.idle_for(GOAWAY_TIMEOUT) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::body::Body;

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_for_one_to_close() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::new();
        let stop = drain.clone();
        let served = tokio::spawn(async move {
            let service = hyper::service::service_fn(|_| async {
                Ok::<_, Infallible>(Response::new(Body::empty()))
            });
            serve(listener, 2, service, &drain).await;
        });
        // A handshake is done when the gateway's settings are there.
        let answered = async || {
            let stream = TcpStream::connect(address).await.unwrap();
            let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = Request::get("http://gateway/").body(()).unwrap();
            let (response, _) = client.send_request(request, true).unwrap();
            response.await.unwrap();
            (client, connection)
        };
        let first = answered().await;
        let _second = answered().await;
        let mut third = pin!(answered());
        let early = timeout(Duration::from_millis(300), third.as_mut()).await;
        assert!(early.is_err(), "two are open");
        drop(first.0);
        first.1.abort();
        let _third = timeout(Duration::from_secs(8), third).await.unwrap();
        stop.stop();
        timeout(Duration::from_secs(8), served)
            .await
            .unwrap()
            .unwrap();
    }
}
