//! The client: it sends one frame again and again and looks at none of the
//! answers, so that as little as possible of what is measured is its own.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::join_all;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::native::{CONNECTION_WINDOW, STREAM_WINDOW};

/// Connections to a server.
pub(crate) const CONNECTIONS: usize = 8;

/// Connections to one server.
pub(crate) struct Client {
    channels: Vec<Channel>,
}

/// What a server did under load.
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) time: Duration,
}

impl Client {
    /// Opens the connections.
    pub(crate) async fn connect(port: u16) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))
            .expect("an address")
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let channels = (0..CONNECTIONS).map(|_| async {
            endpoint
                .connect()
                .await
                .expect("a connection to a server that is ready")
        });
        Client {
            channels: join_all(channels).await,
        }
    }

    /// Sends the frame once, and gives the answer.
    pub(crate) async fn answer(&self, frame: &Bytes) -> Bytes {
        let mut call = Call::open(self.channels.first().expect("a connection")).await;
        call.send(frame);
        call.receive().await
    }

    /// All connections, each with so many requests in flight, for so long.
    pub(crate) async fn load(&self, frame: &Bytes, in_flight: usize, time: Duration) -> Load {
        let start = Instant::now();
        let tasks = self.channels.iter().map(|channel| {
            let (channel, frame) = (channel.clone(), frame.clone());
            tokio::spawn(async move {
                let mut call = Call::open(&channel).await;
                for _ in 0..in_flight {
                    call.send(&frame);
                }
                let mut answers = 0;
                while start.elapsed() < time {
                    call.receive().await;
                    call.send(&frame);
                    answers += 1;
                }
                for _ in 0..in_flight {
                    call.receive().await;
                    answers += 1;
                }
                answers
            })
        });
        let answers = join_all(tasks).await;
        Load {
            requests: answers
                .into_iter()
                .map(|count| count.expect("a client that works"))
                .sum(),
            time: start.elapsed(),
        }
    }

    /// One connection, one request at a time, for so long: how long each took,
    /// in milliseconds.
    pub(crate) async fn single(&self, frame: &Bytes, time: Duration) -> Vec<f64> {
        let (channel, frame) = (
            self.channels.first().expect("a connection").clone(),
            frame.clone(),
        );
        let task = tokio::spawn(async move {
            let mut call = Call::open(&channel).await;
            let mut latencies = Vec::new();
            let start = Instant::now();
            while start.elapsed() < time {
                let sent = Instant::now();
                call.send(&frame);
                call.receive().await;
                latencies.push(sent.elapsed().as_secs_f64() * 1e3);
            }
            latencies
        });
        task.await.expect("a client that works")
    }
}

/// A `JinaRPC/Call`.
struct Call {
    requests: mpsc::UnboundedSender<Bytes>,
    answers: Streaming<Bytes>,
}

impl Call {
    async fn open(channel: &Channel) -> Call {
        let (requests, stream) = mpsc::unbounded();
        let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.expect("an open connection");
        let path = PathAndQuery::from_static("/jina.JinaRPC/Call");
        let answers = grpc.streaming(Request::new(stream), path, Frames).await;
        Call {
            requests,
            answers: answers.expect("a server that takes the call").into_inner(),
        }
    }

    fn send(&mut self, frame: &Bytes) {
        self.requests
            .unbounded_send(frame.clone())
            .expect("a call that is open");
    }

    async fn receive(&mut self) -> Bytes {
        let answer = self
            .answers
            .next()
            .await
            .expect("an answer to each request");
        answer.expect("an answer that is none of an error")
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Frames;

impl Codec for Frames {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Frames;
    type Decoder = Frames;

    fn encoder(&mut self) -> Frames {
        *self
    }

    fn decoder(&mut self) -> Frames {
        *self
    }
}

impl Encoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(frame.len());
        out.put(frame);
        Ok(())
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(frame.copy_to_bytes(frame.remaining())))
    }
}
