//! `jina.DataRequestProto`, read from and written to gRPC's frames by hand.
//!
//! A generated type would decode every document while the frame is taken off the
//! connection, so that one bad message fails the whole stream, and it would copy every
//! blob and tensor. Here a frame is passed on as bytes and read in its request's own
//! task, and its documents stay slices of it. An answer is written once, into the
//! buffer that is sent.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint,
    encoded_len_varint, key_len, skip_field,
};
use serde_json::{Map, Value};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::proto::{HeaderProto, RouteProto};
use crate::bounds;
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::units::Size;
use wasm_flow_document::{DocumentArray, Struct};

/// Field numbers of `DataRequestProto`.
const HEADER: u32 = 1;
const PARAMETERS: u32 = 2;
const ROUTES: u32 = 3;
const DATA: u32 = 4;
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
    /// The first [`ROUTES`](bounds::ROUTES). Those of a request do not matter.
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
    /// A Python object, which is never opened.
    Pickle,
}

/// A frame that is not a `DataRequestProto`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("not a jina.DataRequestProto: {fault}")]
pub(crate) struct FrameError {
    /// The header, if that much could be read.
    pub(crate) header: Option<Box<HeaderProto>>,
    fault: FrameFault,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum FrameFault {
    #[error("it does not begin with a field: {0}")]
    Key(prost::DecodeError),
    #[error("field {tag}: {error}")]
    Field { tag: u32, error: prost::DecodeError },
    #[error("field {tag} should be {len} bytes long, and only {left} are left")]
    Short { tag: u32, len: u64, left: usize },
    #[error("{0} has the wrong wire type")]
    WireType(&'static str),
    #[error("header: {0}")]
    Header(prost::DecodeError),
    #[error(
        "the header is longer than {most}; data belongs in documents or parameters",
        most = Size(bounds::HEADER as u64)
    )]
    LongHeader,
}

impl Incoming {
    /// Takes a frame apart. Zero bytes are an empty request.
    pub(crate) fn decode(frame: Bytes) -> Result<Incoming, FrameError> {
        let mut message = Incoming::default();
        let mut parts = Parts::default();
        match message.read(frame, &mut parts) {
            Ok(()) => {
                message.parameters = parts.parameters.end();
                message.data = match parts.pickle {
                    true => Data::Pickle,
                    false => parts.docs.end().map_or(Data::None, Data::Docs),
                };
                Ok(message)
            }
            Err(fault) => Err(FrameError {
                header: parts.header.then(|| Box::new(message.header)),
                fault,
            }),
        }
    }

    fn read(&mut self, mut frame: Bytes, parts: &mut Parts) -> Result<(), FrameFault> {
        while let Some((tag, field)) = next(&mut frame)? {
            match tag {
                HEADER => {
                    let header = bytes_of("header", field)?;
                    parts.header_len += header.len();
                    if parts.header_len > bounds::HEADER {
                        return Err(FrameFault::LongHeader);
                    }
                    // Protobuf merges a field that is repeated.
                    self.header.merge(header).map_err(FrameFault::Header)?;
                    parts.header = true;
                }
                PARAMETERS => parts.parameters.add(bytes_of("parameters", field)?),
                ROUTES => {
                    let route = bytes_of("routes", field)?;
                    if self.routes.len() < bounds::ROUTES {
                        self.routes.push(route);
                    }
                }
                DATA => parts.read_data(bytes_of("data", field)?)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The fields of a message that may occur more than once.
#[derive(Default)]
struct Parts {
    /// Whether there was a header that could be read.
    header: bool,
    header_len: usize,
    parameters: Merging,
    docs: Merging,
    /// Whether the data's last member was a pickle.
    pickle: bool,
}

impl Parts {
    fn read_data(&mut self, mut data: Bytes) -> Result<(), FrameFault> {
        while let Some((tag, field)) = next(&mut data)? {
            match tag {
                DOCS => {
                    let more = bytes_of("data.docs", field)?;
                    if std::mem::take(&mut self.pickle) {
                        self.docs = Merging::default();
                    }
                    self.docs.add(more);
                }
                DOCS_BYTES => {
                    bytes_of("data.docs_bytes", field)?;
                    self.pickle = true;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A message field that may occur more than once. Its occurrences merged are encoded
/// as their encodings in a row. A single one stays a slice of the frame.
#[derive(Default)]
struct Merging {
    first: Option<Bytes>,
    /// All occurrences, once there are several.
    all: Vec<u8>,
}

impl Merging {
    fn add(&mut self, more: Bytes) {
        match &self.first {
            None => self.first = Some(more),
            Some(first) => {
                if self.all.is_empty() {
                    self.all.extend_from_slice(first);
                }
                self.all.extend_from_slice(&more);
            }
        }
    }

    fn end(self) -> Option<Bytes> {
        match self.all.is_empty() {
            true => self.first,
            false => Some(self.all.into()),
        }
    }
}

/// The next field of a message: its bytes, or `None` for a field of another wire type,
/// which is skipped.
fn next(buf: &mut Bytes) -> Result<Option<(u32, Option<Bytes>)>, FrameFault> {
    if !buf.has_remaining() {
        return Ok(None);
    }
    let (tag, wire_type) = decode_key(buf).map_err(FrameFault::Key)?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, tag, buf, DecodeContext::default())
            .map_err(|error| FrameFault::Field { tag, error })?;
        return Ok(Some((tag, None)));
    }
    let len = decode_varint(buf).map_err(|error| FrameFault::Field { tag, error })?;
    match usize::try_from(len) {
        Ok(len) if len <= buf.remaining() => Ok(Some((tag, Some(buf.split_to(len))))),
        _ => Err(FrameFault::Short {
            tag,
            len,
            left: buf.remaining(),
        }),
    }
}

fn bytes_of(name: &'static str, field: Option<Bytes>) -> Result<Bytes, FrameFault> {
    field.ok_or(FrameFault::WireType(name))
}

/// The parameters of an answer: those of the request, byte for byte, with other
/// results.
///
/// # Errors
/// When the results nest too deep for protobuf.
pub(crate) fn with_results(
    parameters: Option<Bytes>,
    results: Map<String, Value>,
) -> Result<Bytes, wasm_flow_document::StructError> {
    let mut entry = Map::new();
    entry.insert(RESULTS.to_owned(), Value::Object(results));
    let entry = Struct::from_map(&entry)?;

    let mut rest = parameters.unwrap_or_default();
    let mut out = BytesMut::with_capacity(rest.len() + entry.as_bytes().len());
    loop {
        let before = rest.clone();
        // The parameters were decoded before, so this does not fail.
        let Ok(Some((tag, field))) = next(&mut rest) else {
            break;
        };
        let is_results = tag == 1 && field.is_some_and(|entry| is_entry_of(entry, RESULTS));
        if !is_results {
            out.put(before.slice(..before.len() - rest.len()));
        }
    }
    out.put_slice(entry.as_bytes());
    Ok(out.freeze())
}

/// Whether an entry of a `Struct` has this key.
fn is_entry_of(mut entry: Bytes, key: &str) -> bool {
    let mut found = Bytes::new();
    while let Ok(Some((tag, field))) = next(&mut entry) {
        if let (1, Some(name)) = (tag, field) {
            found = name;
        }
    }
    found == key.as_bytes()
}

/// A `DataRequestProto` on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) header: HeaderProto,
    /// An encoded `google.protobuf.Struct`.
    pub(crate) parameters: Option<Bytes>,
    pub(crate) routes: Vec<RouteProto>,
    /// `None` leaves the field out.
    pub(crate) docs: Option<DocumentArray>,
}

impl Answer {
    /// Bytes that the message takes, found without writing it. `u64::MAX` stands for
    /// more than can be counted.
    pub(crate) fn encoded_len(&self) -> u64 {
        let docs = self.docs.as_ref().map(documents_len);
        self.len_with(docs)
    }

    /// The same, with documents that take so many bytes.
    fn len_with(&self, docs: Option<u64>) -> u64 {
        let header = message_len(HEADER, self.header.encoded_len() as u64);
        let parameters = self
            .parameters
            .as_ref()
            .map_or(0, |bytes| message_len(PARAMETERS, bytes.len() as u64));
        let routes = self.routes.iter().fold(0u64, |sum, route| {
            sum.saturating_add(message_len(ROUTES, route.encoded_len() as u64))
        });
        let data = docs.map_or(0, |docs| message_len(DATA, message_len(DOCS, docs)));
        [header, parameters, routes, data]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Writes the message. `reserve` is given beforehand how many bytes it takes.
    ///
    /// # Errors
    /// When that is more than a gRPC message can hold. Then nothing is reserved.
    fn encode<B: BufMut>(
        &self,
        out: &mut B,
        reserve: impl FnOnce(&mut B, usize),
    ) -> Result<(), TooLarge> {
        let docs = self.docs.as_ref().map(DocumentArray::encoding);
        let total = self.len_with(docs.as_ref().map(|docs| docs.len() as u64));
        // gRPC's length prefix has 32 bits.
        let total = u32::try_from(total).map_err(|_| TooLarge(total))?;
        reserve(out, total as usize);

        put_head(HEADER, self.header.encoded_len() as u64, out);
        self.header.encode_raw(out);
        if let Some(parameters) = &self.parameters {
            put_head(PARAMETERS, parameters.len() as u64, out);
            out.put_slice(parameters);
        }
        for route in &self.routes {
            put_head(ROUTES, route.encoded_len() as u64, out);
            route.encode_raw(out);
        }
        if let Some(docs) = &docs {
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
struct TooLarge(u64);

/// Bytes that documents take in a message.
fn documents_len(docs: &DocumentArray) -> u64 {
    docs.encoding().len() as u64
}

fn message_len(tag: u32, len: u64) -> u64 {
    let head = key_len(tag) + encoded_len_varint(len);
    (head as u64).saturating_add(len)
}

fn put_head(tag: u32, len: u64, out: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(len, out);
}

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
    use super::*;
    use serde_json::json;

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
            parameters: Some(
                Struct::from_map(&map(json!({"k": 1})))
                    .unwrap()
                    .as_bytes()
                    .clone(),
            ),
            routes: vec![RouteProto {
                executor: "gateway".into(),
                ..RouteProto::default()
            }],
            docs: Some(DocumentArray::from_texts(["one", "two"])),
        }
    }

    #[test]
    fn there_and_back() {
        let answer = full();
        let read = Incoming::decode(encoded(&answer)).unwrap();
        assert_eq!(read.header, answer.header);
        assert_eq!(read.parameters, answer.parameters);
        assert_eq!(read.routes.len(), 1);
        let Data::Docs(docs) = read.data else {
            panic!("no documents")
        };
        assert_eq!(Some(DocumentArray::decode(docs).unwrap()), answer.docs);
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
            docs: Some(docs),
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
            docs: Some(docs),
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
    fn results_replace_those_of_the_request() {
        let parameters = Struct::from_map(&map(
            json!({"a": 1, "__results__": {"old": 1}, "z": [null]}),
        ))
        .unwrap()
        .as_bytes()
        .clone();
        let merged = with_results(Some(parameters), map(json!({"x/rep-0": {"n": 1}}))).unwrap();
        assert_eq!(
            Value::Object(Struct::decode(merged).unwrap().to_map()),
            json!({"a": 1, "z": [null], "__results__": {"x/rep-0": {"n": 1}}})
        );
        let alone = with_results(None, map(json!({"x/rep-0": 1}))).unwrap();
        assert_eq!(
            Value::Object(Struct::decode(alone).unwrap().to_map()),
            json!({"__results__": {"x/rep-0": 1}})
        );
    }
}
