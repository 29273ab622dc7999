//! `stream_doc`: one document in, documents out as an executor sends them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _};
use tonic::{Status, Streaming};
use wasm_flow_contract::units::Size;
use wasm_flow_contract::{Failure, FailureKind, Service, TraceContext};
use wasm_flow_document::{DocumentArray, Encoding};

use super::answer::{Arrived, status};
use super::frame::{Answer, Frame};
use super::proto::HeaderProto;
use super::status::short;
use super::unary;
use crate::drain::{Active, Unanswered};

/// The answers to one `stream_doc`: a message for each document. If the request fails,
/// the last one says so, with the request's own document: Jina's gateway loses such
/// errors, or sends the first documents again.
pub(super) struct DocumentStream {
    answers: BoxStream<'static, Answer>,
    _unanswered: Unanswered,
    _active: Active,
}

impl DocumentStream {
    /// Reads the message of a call.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn open(
        flow: &dyn Service,
        mut input: Streaming<Bytes>,
        max_message: usize,
        trace: Option<TraceContext>,
        mut active: Active,
    ) -> Result<DocumentStream, Status> {
        let frame = Frame::Document;
        let frame = unary::message(&mut input, frame, max_message, &mut active).await?;
        let arrived = Arrived::new(trace, frame).map_err(|error| {
            Status::invalid_argument(short(&format!("message 1 of this call is {error}")))
        })?;
        Ok(DocumentStream {
            _unanswered: active.request(),
            _active: active,
            answers: answers(flow, arrived, max_message),
        })
    }
}

fn answers(flow: &dyn Service, arrived: Arrived, max_message: usize) -> BoxStream<'static, Answer> {
    let header = HeaderProto {
        request_id: arrived.header.request_id.clone(),
        ..HeaderProto::default()
    };
    let request = match arrived.request() {
        Ok(request) => request,
        Err(failure) => {
            let answer = failed(header, &failure, &DocumentArray::new());
            return futures::stream::once(std::future::ready(answer)).boxed();
        }
    };
    let asked = request.docs.clone();
    // Room for the header.
    let most = (max_message as u64).saturating_sub(1 << 10);
    let begun = Some((flow.stream(request), header, asked));
    let answers = futures::stream::unfold(begun, move |begun| async move {
        let (mut streamed, header, asked) = begun?;
        let docs = streamed.next().await?;
        let encoded = docs.and_then(|docs| {
            docs.encoding_within(most)
                .ok_or_else(|| Arc::new(too_large(most)))
        });
        Some(match encoded {
            Ok(docs) => {
                let answer = answer(header.clone(), docs);
                (answer, Some((streamed, header, asked)))
            }
            // One that is too large is the last, too: the request is given up.
            Err(failure) => (failed(header, &failure, &asked), None),
        })
    });
    answers.boxed()
}

fn answer(header: HeaderProto, docs: Encoding) -> Answer {
    Answer {
        header,
        docs: Some(docs),
        ..Answer::default()
    }
}

fn failed(header: HeaderProto, failure: &Failure, asked: &DocumentArray) -> Answer {
    let header = HeaderProto {
        status: Some(status(failure)),
        ..header
    };
    answer(header, asked.encoding())
}

fn too_large(most: u64) -> Failure {
    Failure::of_flow(
        FailureKind::Reply,
        "AnswerTooLarge",
        format!(
            "a document takes more than {}, and this gateway sends no more in a message; send it \
             in parts, or raise `max_message` under [gateway] in flow.toml",
            Size(most)
        ),
    )
}

impl Stream for DocumentStream {
    type Item = Result<Answer, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers
            .poll_next_unpin(cx)
            .map(|answer| answer.map(Ok))
    }
}
