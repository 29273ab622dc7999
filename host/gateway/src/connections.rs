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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::bounds::{
    ACCEPT_PAUSE, ACCEPT_WARNING, CONNECTION_WINDOW, GOAWAY_TIMEOUT, HANDSHAKE_TIMEOUT, KEEPALIVE,
    KEEPALIVE_ANSWER, NO_TLS, STREAM_WINDOW, STREAMS,
};
use super::doorkeeper::Doorkeeper;
use super::drain::Drain;
use super::in_flight::InFlight;
use super::occasional::Occasional;
use super::opening::{HTTP2_ONLY, Opening};
use super::rewound::Rewound;

/// What a client without TLS is told over HTTP/1.1.
const TLS_ONLY: &str = "this is a gRPC gateway with TLS: use a Jina client with grpcs://, a gRPC \
     client or `wasm-flow post`\n";

/// The first byte of a client's TLS: the kind of the record that its handshake is in.
const HANDSHAKE: u8 = 0x16;

/// Who answers on a connection.
#[derive(Clone)]
pub(super) struct Entry<S> {
    /// Says whether connections have TLS.
    pub(super) doorkeeper: Doorkeeper,
    /// Answers calls.
    pub(super) service: S,
    /// Answers them if the connection should have TLS, and has none.
    pub(super) without_tls: S,
}

/// Serves connections, at most so many at once, until the gateway is being stopped and
/// the last one is closed.
///
/// From the stop on, none is accepted, and those without a call in flight are closed.
/// The others are left to their calls. Dropping this cuts all of them.
pub(super) async fn serve<S, B>(listener: TcpListener, most: usize, entry: Entry<S>, drain: &Drain)
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
                    connections.spawn(connection(stream, entry.clone(), drain.clone()));
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

/// A connection that says what it speaks.
enum Opened {
    Plain(Opening<TcpStream>),
    Tls(Opening<Box<TlsStream<TcpStream>>>),
    /// It has no TLS, and should.
    WithoutTls(Opening<TcpStream>),
}

/// Reads until it is known what the connection speaks.
async fn open(stream: TcpStream, doorkeeper: &Doorkeeper) -> io::Result<Opened> {
    let Some(acceptor) = doorkeeper.acceptor() else {
        return Ok(Opened::Plain(Opening::read(stream).await?));
    };
    let mut first = [0; 1];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first != [HANDSHAKE] => Ok(Opened::WithoutTls(Opening::read(stream).await?)),
        _ => {
            let accepted = acceptor.accept(stream).await;
            let stream = accepted.inspect_err(|error| {
                tracing::debug!("a client does not get in: its TLS fails: {error}");
            })?;
            Ok(Opened::Tls(Opening::read(Box::new(stream)).await?))
        }
    }
}

/// One connection, from its first byte to its last. Whatever goes wrong with it is
/// the client's to notice.
async fn connection<S, B>(stream: TcpStream, entry: Entry<S>, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let opened = tokio::select! {
        opened = timeout(HANDSHAKE_TIMEOUT, open(stream, &entry.doorkeeper)) => opened,
        () = drain.stopping() => return,
    };
    match opened {
        Ok(Ok(Opened::Plain(opening))) => {
            answered(opening, entry.service, HTTP2_ONLY, &drain).await
        }
        Ok(Ok(Opened::Tls(opening))) => answered(opening, entry.service, HTTP2_ONLY, &drain).await,
        Ok(Ok(Opened::WithoutTls(opening))) => {
            let answered = answered(opening, entry.without_tls, TLS_ONLY, &drain);
            let _ = timeout(NO_TLS, answered).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Answers what a connection has begun with. `http1` is what is said over HTTP/1.1.
async fn answered<T, S, B>(opening: Opening<T>, service: S, http1: &str, drain: &Drain)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match opening {
        Opening::Http2(stream) => http2(stream, service, drain).await,
        Opening::Http1(request) => {
            let _ = request.refuse(http1).await;
        }
        Opening::Unknown => {}
    }
}

async fn http2<T, S, B>(stream: Rewound<T>, service: S, drain: &Drain)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
            let entry = Entry {
                doorkeeper: Doorkeeper::default(),
                service,
                without_tls: service,
            };
            serve(listener, 2, entry, &drain).await;
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
