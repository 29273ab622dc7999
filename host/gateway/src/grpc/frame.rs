//! `jina.DataRequestProto`, read from and written to gRPC's frames by hand.
//!
//! A generated type would decode every document while the frame is taken off the
//! connection, so that one bad message fails the whole stream, and it would copy every
//! blob and tensor. Here a frame is passed on as bytes and read in its request's own
//! task, and its documents stay slices of it. An answer is written once, into the
//! buffer that is sent.

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use wasm_flow_contract::units::Size;
use wasm_flow_document::protobuf::{
    Fault, Field, Merged, Merging, Reader, Slice, message_len, put_head, put_message,
};
use wasm_flow_document::{DecodeError, DocumentArray, Encoding, Limits, Struct};

use super::proto::status_proto::StatusCode;
use super::proto::{HeaderProto, RouteProto};
use crate::bounds;

/// Field numbers of `DataRequestProto`.
const HEADER: u32 = 1;
const PARAMETERS: u32 = 2;
const ROUTES: u32 = 3;
const DATA: u32 = 4;
/// What a frame is if nothing else is said.
const REQUEST: &str = "jina.DataRequestProto";
/// Field number of `DataRequestListProto`.
const REQUESTS: u32 = 1;
/// Field numbers of `DataContentProto`.
const DOCS: u32 = 1;
const DOCS_BYTES: u32 = 2;

/// A `DataRequestProto` taken apart. Its documents are not decoded yet. A request and
/// an answer have the same form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming {
    pub(crate) header: HeaderProto,
    /// An encoded `google.protobuf.Struct`.
    pub(crate) parameters: Option<Bytes>,
    /// The first [`ROUTES`](bounds::ROUTES).
    pub(crate) routes: Vec<Bytes>,
    pub(crate) data: Data,
}

/// The documents of a `DataRequestProto`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Data {
    /// There are none.
    #[default]
    None,
    /// An encoded `docarray.DocumentArrayProto`.
    Docs(Bytes),
    /// An encoded `jina.SingleDocumentRequestProto`, with one document in it.
    Document(Bytes),
    /// A Python object, which is never opened.
    Pickle,
}

/// Documents that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    #[error("its documents are a Python pickle")]
    Pickle,
}

impl Data {
    /// Reads the documents, within the default limits.
    pub(crate) fn decode(self) -> Result<DocumentArray, DataError> {
        match self {
            Data::None => Ok(DocumentArray::new()),
            Data::Docs(bytes) => Ok(DocumentArray::decode(bytes)?),
            Data::Document(frame) => {
                Ok(DocumentArray::decode_field(DATA, frame, Limits::default())?)
            }
            Data::Pickle => Err(DataError::Pickle),
        }
    }
}

/// A frame that is not the message that it should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("not a {what}: {fault}")]
pub(crate) struct FrameError {
    /// The name of that message.
    what: &'static str,
    /// The header, if that much could be read.
    pub(crate) header: Option<Box<HeaderProto>>,
    fault: FrameFault,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum FrameFault {
    #[error("{within}the field at byte {at} of {len} cannot be read: {fault}")]
    Malformed {
        /// The message that has the field, with a colon. Nothing if it is the frame.
        within: &'static str,
        /// Where in that message the field begins.
        at: usize,
        /// The message's bytes.
        len: usize,
        fault: Fault,
    },
    #[error("{0} has the wrong wire type")]
    WireType(&'static str),
    #[error("{0} is there several times, and one of them cannot be read: {1}")]
    Torn(&'static str, Fault),
    #[error("header: {0}")]
    Header(prost::DecodeError),
    #[error(
        "the header is longer than {most}; data belongs in documents or parameters",
        most = Size(bounds::HEADER as u64)
    )]
    LongHeader,
    #[error("it has more than {most} requests, one for each predecessor", most = bounds::PARTS)]
    ManyParts,
}

/// What a gRPC message holds.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// A `jina.DataRequestProto`.
    Request(Bytes),
    /// A `jina.DataRequestListProto`: the documents of one request, apart by who sent
    /// them.
    Parts(Bytes),
    /// A `jina.SingleDocumentRequestProto`.
    Document(Bytes),
}

impl Frame {
    /// The name of the message.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Frame::Request(_) => REQUEST,
            Frame::Parts(_) => "jina.DataRequestListProto",
            Frame::Document(_) => "jina.SingleDocumentRequestProto",
        }
    }

    /// Takes a frame apart: the request, and what else there is of its documents.
    pub(crate) fn decode(self) -> Result<(Incoming, Vec<Incoming>), FrameError> {
        let what = self.what();
        let decoded = match self {
            Frame::Request(frame) => Incoming::decode(frame).map(|request| (request, Vec::new())),
            Frame::Parts(frame) => Incoming::decode_list(&frame).map(|requests| {
                let mut requests = requests.into_iter();
                (requests.next().unwrap_or_default(), requests.collect())
            }),
            Frame::Document(frame) => {
                Incoming::decode_as(frame, true).map(|request| (request, Vec::new()))
            }
        };
        decoded.map_err(|error| FrameError { what, ..error })
    }
}

impl Incoming {
    /// Takes a frame apart. Zero bytes are an empty request.
    pub(crate) fn decode(frame: Bytes) -> Result<Incoming, FrameError> {
        Incoming::decode_as(frame, false)
    }

    /// The same. A `jina.SingleDocumentRequestProto`, which `is_document`, differs only in
    /// its documents.
    fn decode_as(frame: Bytes, is_document: bool) -> Result<Incoming, FrameError> {
        let mut message = Incoming::default();
        let mut parts = Parts {
            is_document,
            ..Parts::default()
        };
        match message.read(&frame, &mut parts) {
            Ok(()) => {
                message.parameters = parts.parameters.end().map(Merged::share);
                message.data = match parts.docs {
                    Docs::None => Data::None,
                    Docs::Message(docs) => docs
                        .end()
                        .map_or(Data::None, |docs| Data::Docs(docs.share())),
                    Docs::Pickle => Data::Pickle,
                    Docs::Document => Data::Document(frame),
                };
                Ok(message)
            }
            Err(fault) => Err(FrameError {
                what: REQUEST,
                header: parts.header.then(|| Box::new(message.header)),
                fault,
            }),
        }
    }

    /// Takes the requests of a `jina.DataRequestListProto` apart.
    fn decode_list(frame: &Bytes) -> Result<Vec<Incoming>, FrameError> {
        let refused = |fault| FrameError {
            what: REQUEST,
            header: None,
            fault,
        };
        let mut requests = Vec::new();
        let mut fields = Fields::of("", Slice::of(frame));
        while let Some((number, field)) = fields.next().map_err(refused)? {
            if number != REQUESTS {
                continue;
            }
            if requests.len() == bounds::PARTS {
                return Err(refused(FrameFault::ManyParts));
            }
            let request = slice_of("requests", field).map_err(refused)?;
            requests.push(Incoming::decode(request.share())?);
        }
        Ok(requests)
    }

    fn read<'a>(&mut self, frame: &'a Bytes, parts: &mut Parts<'a>) -> Result<(), FrameFault> {
        let mut fields = Fields::of("", Slice::of(frame));
        while let Some((number, field)) = fields.next()? {
            match number {
                HEADER => {
                    let header = slice_of("header", field)?.bytes();
                    parts.header_len += header.len();
                    if parts.header_len > bounds::HEADER {
                        return Err(FrameFault::LongHeader);
                    }
                    // Protobuf merges a field that is repeated.
                    self.header.merge(header).map_err(FrameFault::Header)?;
                    parts.header = true;
                }
                PARAMETERS => parts
                    .parameters
                    .add(slice_of("parameters", field)?)
                    .map_err(|fault| FrameFault::Torn("parameters", fault))?,
                ROUTES => {
                    let route = slice_of("routes", field)?;
                    if self.routes.len() < bounds::ROUTES {
                        self.routes.push(route.share());
                    }
                }
                DATA if parts.is_document => {
                    slice_of("document", field)?;
                    parts.docs = Docs::Document;
                }
                DATA => parts.docs.read(slice_of("data", field)?)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The fields of a message that may occur more than once.
#[derive(Default)]
struct Parts<'a> {
    /// Whether there was a header that could be read.
    header: bool,
    header_len: usize,
    parameters: Merging<'a>,
    docs: Docs<'a>,
    /// Whether there is a document in the place of the data.
    is_document: bool,
}

/// The members of `DataContentProto`'s oneof: the last one counts, and is merged
/// with its own occurrences since the other one stood there.
#[derive(Default)]
enum Docs<'a> {
    #[default]
    None,
    Message(Merging<'a>),
    Pickle,
    /// One document, in place of all this.
    Document,
}

impl<'a> Docs<'a> {
    fn read(&mut self, data: Slice<'a>) -> Result<(), FrameFault> {
        let mut fields = Fields::of("data: ", data);
        while let Some((number, field)) = fields.next()? {
            match number {
                DOCS => {
                    let more = slice_of("data.docs", field)?;
                    if let Docs::Message(docs) = self {
                        docs.add(more)
                            .map_err(|fault| FrameFault::Torn("data.docs", fault))?;
                    } else {
                        let mut docs = Merging::default();
                        docs.add(more)
                            .map_err(|fault| FrameFault::Torn("data.docs", fault))?;
                        *self = Docs::Message(docs);
                    }
                }
                DOCS_BYTES => {
                    slice_of("data.docs_bytes", field)?;
                    *self = Docs::Pickle;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The fields of one message of a frame.
struct Fields<'a> {
    /// What an error says before it names a field.
    within: &'static str,
    len: usize,
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn of(within: &'static str, message: Slice<'a>) -> Self {
        Fields {
            within,
            len: message.bytes().len(),
            reader: Reader::new(message),
        }
    }

    fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, FrameFault> {
        let left = self.reader.left();
        self.reader.field().map_err(|fault| FrameFault::Malformed {
            within: self.within,
            at: self.len.saturating_sub(left),
            len: self.len,
            fault,
        })
    }
}

fn slice_of<'a>(name: &'static str, field: Field<'a>) -> Result<Slice<'a>, FrameFault> {
    field.slice().map_err(|_| FrameFault::WireType(name))
}

/// A `DataRequestProto` on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) header: HeaderProto,
    pub(crate) parameters: Option<Struct>,
    pub(crate) routes: Vec<RouteProto>,
    /// `None` leaves the field out.
    pub(crate) docs: Option<Encoding>,
}

impl Answer {
    /// Whether it says that the request failed.
    pub(super) fn is_error(&self) -> bool {
        let status = self.header.status.as_ref();
        status.is_some_and(|status| status.code == i32::from(StatusCode::Error))
    }

    /// Bytes that the message takes, found without writing it. `u64::MAX` stands for
    /// more than can be counted.
    pub(crate) fn encoded_len(&self) -> u64 {
        let header = message_len(HEADER, self.header.encoded_len() as u64);
        let parameters = self.parameters.as_ref().map_or(0, |object| {
            message_len(PARAMETERS, object.as_bytes().len() as u64)
        });
        let routes = self.routes.iter().fold(0u64, |sum, route| {
            sum.saturating_add(message_len(ROUTES, route.encoded_len() as u64))
        });
        let data = self.docs.as_ref().map_or(0, |docs| {
            message_len(DATA, message_len(DOCS, docs.len() as u64))
        });
        [header, parameters, routes, data]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Writes the message. `reserve` is given beforehand how many bytes it takes.
    ///
    /// # Errors
    /// When that is more than a gRPC message can hold. Then nothing is reserved.
    pub(super) fn encode<B: BufMut>(
        &self,
        out: &mut B,
        reserve: impl FnOnce(&mut B, usize),
    ) -> Result<(), TooLarge> {
        let total = self.encoded_len();
        // gRPC's length prefix has 32 bits.
        let total = u32::try_from(total).map_err(|_| TooLarge(total))?;
        reserve(out, total as usize);

        put_head(HEADER, self.header.encoded_len() as u64, out);
        self.header.encode_raw(out);
        if let Some(parameters) = &self.parameters {
            put_message(PARAMETERS, parameters.as_bytes(), out);
        }
        for route in &self.routes {
            put_head(ROUTES, route.encoded_len() as u64, out);
            route.encode_raw(out);
        }
        if let Some(docs) = &self.docs {
            let len = docs.len() as u64;
            put_head(DATA, message_len(DOCS, len), out);
            put_head(DOCS, len, out);
            docs.write(out);
        }
        Ok(())
    }
}

/// A message of more bytes than gRPC can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it takes {size}, and a gRPC message is smaller than 4 GiB", size = Size(*.0))]
pub(super) struct TooLarge(u64);

/// Frames in, answers out. The client's side is the same: its requests have the form
/// of answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Answer;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Answer;
    type Error = Status;

    fn encode(&mut self, answer: Answer, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        answer.encode(out, EncodeBuf::reserve).map_err(|error| {
            Status::resource_exhausted(format!("the message cannot be sent: {error}"))
        })
    }
}

/// [`RawCodec`] for a `SingleDocumentRequestProto`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DocumentCodec;

impl Codec for DocumentCodec {
    type Encode = Answer;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl Encoder for DocumentCodec {
    type Item = Answer;
    type Error = Status;

    fn encode(&mut self, mut answer: Answer, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Its first fields are those of a `DataRequestProto`, and fields may be written apart.
        let docs = answer.docs.take();
        RawCodec.encode(answer, out)?;
        if let Some(docs) = docs {
            out.reserve(docs.len());
            docs.write_field(DATA, out);
        }
        Ok(())
    }
}

/// [`RawCodec`] for a `DataRequestListProto`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListCodec;

impl Codec for ListCodec {
    type Encode = Vec<Answer>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl Encoder for ListCodec {
    type Item = Vec<Answer>;
    type Error = Status;

    fn encode(&mut self, requests: Vec<Answer>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        for request in requests {
            put_head(REQUESTS, request.encoded_len(), out);
            RawCodec.encode(request, out)?;
        }
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // A split of the receive buffer, not a copy.
        Ok(Some(frame.copy_to_bytes(frame.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use serde_json::{Map, Value, json};

    use super::*;

    fn encoded(answer: &Answer) -> Bytes {
        let (mut out, mut reserved) = (BytesMut::new(), 0);
        answer
            .encode(&mut out, |_, total| reserved = total)
            .unwrap();
        assert_eq!(out.len(), reserved, "the length given beforehand");
        assert_eq!(out.len() as u64, answer.encoded_len());
        out.freeze()
    }

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is not an object"),
        }
    }

    fn full() -> Answer {
        Answer {
            header: HeaderProto {
                request_id: "id".into(),
                exec_endpoint: Some("/x".into()),
                ..HeaderProto::default()
            },
            parameters: Some(Struct::from_map(&map(json!({"k": 1}))).unwrap()),
            routes: vec![RouteProto {
                executor: "gateway".into(),
                ..RouteProto::default()
            }],
            docs: Some(DocumentArray::from_texts(["one", "two"]).encoding()),
        }
    }

    #[test]
    fn there_and_back() {
        let answer = full();
        let read = Incoming::decode(encoded(&answer)).unwrap();
        assert_eq!(read.header, answer.header);
        let parameters = read.parameters.map(|bytes| Struct::decode(bytes).unwrap());
        assert_eq!(parameters, answer.parameters);
        assert_eq!(read.routes.len(), 1);
        let Data::Docs(docs) = read.data else {
            panic!("no documents")
        };
        assert_eq!(
            &DocumentArray::decode(docs).unwrap(),
            answer.docs.unwrap().docs()
        );
    }

    #[test]
    fn documents_are_slices_of_the_frame() {
        let frame = encoded(&full());
        let Data::Docs(docs) = Incoming::decode(frame.clone()).unwrap().data else {
            panic!("no documents")
        };
        assert!(frame.as_ptr_range().contains(&docs.as_ptr()));
    }

    #[test]
    fn nothing_is_a_request_too() {
        let read = Incoming::decode(Bytes::new()).unwrap();
        assert!(read.parameters.is_none() && matches!(read.data, Data::None));
        // An answer to it is never nothing: an empty message breaks the client.
        assert!(!encoded(&Answer::default()).is_empty());
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // Field 9 as a varint, field 10 as a group with a field inside.
        let frame = [&[0x48, 7, 0x53, 0x08, 1, 0x54], &encoded(&full())[..]].concat();
        assert_eq!(
            Incoming::decode(frame.into()).unwrap().header.request_id,
            "id"
        );
    }

    #[test]
    fn repeated_fields_are_merged() {
        let one = encoded(&full());
        let two = [&one[..], &one[..]].concat();
        let Data::Docs(docs) = Incoming::decode(two.into()).unwrap().data else {
            panic!("no documents")
        };
        assert_eq!(DocumentArray::decode(docs).unwrap().len(), 4);
    }

    /// Quadratic, the test would run for an hour.
    #[test]
    fn what_a_hostile_message_repeats_is_read_in_one_pass() {
        let mut frame = encoded(&full()).to_vec();
        let docs = DocumentArray::from_texts(["x".repeat(8 << 20)]);
        frame.extend_from_slice(&encoded(&Answer {
            docs: Some(docs.encoding()),
            ..full()
        }));
        // Field 10, which neither a Struct nor a DocumentArrayProto has.
        let parameters = [0x12, 2, 0x50, 0];
        let data = [0x22, 4, 0x0a, 2, 0x50, 0];
        let routes = [0x1a, 0];
        for _ in 0..500_000 {
            frame.extend_from_slice(&parameters);
            frame.extend_from_slice(&data);
            frame.extend_from_slice(&routes);
        }
        let read = Incoming::decode(frame.into()).unwrap();
        assert_eq!(read.routes.len(), bounds::ROUTES);
        assert_eq!(
            Struct::decode(read.parameters.unwrap()).unwrap().to_map(),
            map(json!({"k": 1}))
        );
        let Data::Docs(docs) = read.data else {
            panic!("no documents")
        };
        assert_eq!(DocumentArray::decode(docs).unwrap().len(), 3);
    }

    #[test]
    fn of_documents_and_a_pickle_the_last_counts() {
        let docs = DocumentArray::from_texts(["x"]);
        let docs = encoded(&Answer {
            docs: Some(docs.encoding()),
            ..Answer::default()
        });
        let pickle = [0x22, 3, 0x12, 1, b'p'];
        let read = |frame: Vec<u8>| Incoming::decode(frame.into()).unwrap().data;
        assert!(matches!(read([&docs[..], &pickle].concat()), Data::Pickle));
        let Data::Docs(read) = read([&docs[..], &pickle, &docs].concat()) else {
            panic!("no documents")
        };
        assert_eq!(DocumentArray::decode(read).unwrap().len(), 1);
    }

    #[test]
    fn a_list_is_taken_apart() {
        let (mut list, one) = (BytesMut::new(), encoded(&full()));
        for _ in 0..2 {
            put_message(REQUESTS, &one, &mut list);
        }
        let (first, others) = Frame::Parts(list.freeze()).decode().unwrap();
        assert_eq!((first.header, others.len()), (full().header, 1));
        let (first, others) = Frame::Parts(Bytes::new()).decode().unwrap();
        assert!(matches!(first.data, Data::None) && others.is_empty());
        let many = vec![[0x0a, 0]; bounds::PARTS + 1].concat();
        let error = Frame::Parts(many.into()).decode().unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a jina.DataRequestListProto: it has more than 1000 requests, one for each \
             predecessor"
        );
        for garbage in [&b"garbage"[..], &[0x08, 1], &[0x0a, 9, 1]] {
            assert!(
                Frame::Parts(Bytes::copy_from_slice(garbage))
                    .decode()
                    .is_err()
            );
        }
    }

    #[test]
    fn garbage_is_told_apart() {
        for garbage in [
            &b"garbage"[..],
            &[0x0a, 5, 1],
            &[0x08, 1],
            &[0xff; 20],
            &[0x0a, 2, 0x0a, 9],
            &[0x0b],
        ] {
            let error = Incoming::decode(Bytes::copy_from_slice(garbage)).unwrap_err();
            assert!(error.header.is_none(), "{garbage:?}");
        }
        let mut cut = encoded(&full());
        cut.truncate(cut.len() - 1);
        let error = Incoming::decode(cut).unwrap_err();
        assert_eq!(error.header.unwrap().request_id, "id");
    }

    #[test]
    fn an_error_says_where_it_is() {
        for (frame, expected) in [
            (
                &[0x48, 7, b'g'][..],
                "the field at byte 2 of 3 cannot be read: a field has no valid number and wire \
                 type",
            ),
            (
                &[0x22, 5, 0x0a],
                "the field at byte 0 of 3 cannot be read: the bytes end in the middle of a value",
            ),
            (
                &[0x22, 4, 0x48, 7, 0x0a, 1],
                "data: the field at byte 2 of 4 cannot be read: the bytes end in the middle of a \
                 value",
            ),
            (&[0x10, 1], "parameters has the wrong wire type"),
            (
                &[0x22, 2, 0x10, 1],
                "data.docs_bytes has the wrong wire type",
            ),
        ] {
            let error = Incoming::decode(Bytes::from_static(frame)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("not a jina.DataRequestProto: {expected}")
            );
        }
    }
}
