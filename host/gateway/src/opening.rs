//! How a connection begins: with HTTP/2's preface, or with something else.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Chain, Join};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::bounds::{HTTP1_CLOSE, HTTP1_HEAD};

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client that speaks HTTP/1.1 is told.
const HTTP2_ONLY: &str = "this is a gRPC gateway: HTTP/2 only; use a Jina client, a gRPC client or \
     `wasm-flow post`\n";

/// The first bytes of a connection, and the connection.
#[derive(Debug)]
pub(super) enum Opening {
    /// HTTP/2, to be read from its first byte.
    Http2(Http2Stream),
    /// A request in HTTP/1.1.
    Http1(Http1Request),
    /// Nothing that can be answered: TLS, or a scanner.
    Unknown,
}

/// A connection whose preface was read, and is read again by what serves it.
pub(super) type Http2Stream = Join<Chain<&'static [u8], OwnedReadHalf>, OwnedWriteHalf>;

impl Opening {
    /// Reads until the protocol is known. It takes as long as the client does.
    pub(super) async fn read(mut stream: TcpStream) -> io::Result<Opening> {
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
        let (read, write) = stream.into_split();
        Ok(Opening::Http2(tokio::io::join(PREFACE.chain(read), write)))
    }
}

/// A request in HTTP/1.1, whose head was read.
#[derive(Debug)]
pub(super) struct Http1Request {
    stream: TcpStream,
    is_head: bool,
}

impl Http1Request {
    /// Reads the rest of what begins like this.
    async fn read(mut stream: TcpStream, mut head: Vec<u8>) -> io::Result<Opening> {
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

    /// Says that this is not an HTTP/1.1 server, and closes.
    pub(super) async fn refuse(mut self) -> io::Result<()> {
        let body = if self.is_head { "" } else { HTTP2_ONLY };
        let answer = format!(
            "HTTP/1.1 505 HTTP Version Not Supported\r\n\
             content-type: text/plain; charset=utf-8\r\n\
             content-length: {}\r\n\
             connection: close\r\n\
             \r\n\
             {body}",
            HTTP2_ONLY.len(),
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
