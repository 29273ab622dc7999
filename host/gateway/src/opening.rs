//! How a connection begins: with HTTP/2's preface, or with something else.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::bounds::{HTTP1_CLOSE, HTTP1_HEAD};
use super::rewound::Rewound;

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client that speaks HTTP/1.1 is told.
pub(super) const HTTP2_ONLY: &str = "this is a gRPC gateway: HTTP/2 only; use a Jina client, a \
     gRPC client or `wasm-flow post`\n";

/// The first bytes of a connection, and the connection.
#[derive(Debug)]
pub(super) enum Opening<S> {
    /// HTTP/2, to be read from its first byte.
    Http2(Rewound<S>),
    /// A request in HTTP/1.1.
    Http1(Http1Request<S>),
    /// Nothing that can be answered: TLS, or a scanner.
    Unknown,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Opening<S> {
    /// Reads until the protocol is known. It takes as long as the client does.
    pub(super) async fn read(mut stream: S) -> io::Result<Opening<S>> {
        let mut seen = Vec::with_capacity(PREFACE.len());
        while seen.len() < PREFACE.len() {
            let missing = PREFACE.len() - seen.len();
            if (&mut stream)
                .take(missing as u64)
                .read_buf(&mut seen)
                .await?
                == 0
            {
                return Ok(Opening::Unknown);
            }
            if !PREFACE.starts_with(&seen) {
                return Http1Request::read(stream, seen).await;
            }
        }
        Ok(Opening::Http2(Rewound::new(PREFACE, stream)))
    }
}

/// A request in HTTP/1.1, whose head was read.
#[derive(Debug)]
pub(super) struct Http1Request<S> {
    stream: S,
    is_head: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1Request<S> {
    /// Reads the rest of what begins like this.
    async fn read(mut stream: S, mut head: Vec<u8>) -> io::Result<Opening<S>> {
        loop {
            // Methods are upper case, and TLS begins with a byte of its own.
            if !head.first().is_some_and(u8::is_ascii_uppercase) {
                return Ok(Opening::Unknown);
            }
            if head.windows(4).any(|end| end == b"\r\n\r\n") || head.len() >= HTTP1_HEAD {
                break;
            }
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(Opening::Unknown);
            }
        }
        let first_line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if !first_line.windows(7).any(|part| part == b" HTTP/1") {
            return Ok(Opening::Unknown);
        }
        Ok(Opening::Http1(Http1Request {
            stream,
            is_head: head.starts_with(b"HEAD "),
        }))
    }

    /// Says that this is not an HTTP/1.1 server, in these words, and closes.
    pub(super) async fn refuse(mut self, words: &str) -> io::Result<()> {
        let body = if self.is_head { "" } else { words };
        let answer = format!(
            "HTTP/1.1 505 HTTP Version Not Supported\r\n\
             content-type: text/plain; charset=utf-8\r\n\
             content-length: {}\r\n\
             connection: close\r\n\
             \r\n\
             {body}",
            words.len(),
        );
        self.stream.write_all(answer.as_bytes()).await?;
        self.stream.shutdown().await?;
        // Closing with bytes unread resets the connection, and the client may lose
        // the answer with it: the rest of the request is read first.
        let rest = async {
            let mut sink = [0; 4096];
            while self.stream.read(&mut sink).await? > 0 {}
            Ok(())
        };
        timeout(HTTP1_CLOSE, rest).await.unwrap_or(Ok(()))
    }
}
