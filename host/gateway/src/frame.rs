//! `jina.DataRequestProto`, read from and written to gRPC's frames by hand.
//!
//! A generated type would decode every document while the frame is taken off
//! the connection, where one bad message fails the whole stream, and would copy
//! every blob and tensor. Here a frame is passed on as the bytes that it is,
//! read in its request's own task, and its documents stay slices of it. What
//! goes out is written once, into the buffer that is sent.

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
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_document::{DocumentArray, Encoding, Struct};

/// Field numbers of `DataRequestProto`.
const HEADER: u32 = 1;
const PARAMETERS: u32 = 2;
const ROUTES: u32 = 3;
const DATA: u32 = 4;
/// Field numbers of `DataContentProto`.
const DOCS: u32 = 1;
const DOCS_BYTES: u32 = 2;

/// A `DataRequestProto` taken apart, its documents not decoded yet. A request
/// and an answer have the same form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming {
    pub(crate) header: HeaderProto,
    /// An encoded `google.protobuf.Struct`.
    pub(crate) parameters: Option<Bytes>,
    /// The first [`MAX_ROUTES`]. A request has none that would matter.
    pub(crate) routes: Vec<Bytes>,
    pub(crate) data: Data,
}

/// One for the gateway and one for each executor are what an answer has.
const MAX_ROUTES: usize = 1000;

/// Bytes of a header. It holds names, and of an answer an error's traceback; the
/// shortest strings take 12 times their bytes once they are read.
const MAX_HEADER: usize = 4 << 20;

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
#[error("not a jina.DataRequestProto: {reason}")]
pub(crate) struct FrameError {
    /// The header, where that much could be read.
    pub(crate) header: Option<Box<HeaderProto>>,
    reason: String,
}

impl Incoming {
    /// Takes a frame apart. Zero bytes are a request without anything.
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
            Err(reason) => Err(FrameError {
                header: parts.header.then(|| Box::new(message.header)),
                reason,
            }),
        }
    }

    fn read(&mut self, mut frame: Bytes, parts: &mut Parts) -> Result<(), String> {
        while let Some((tag, field)) = next(&mut frame)? {
            match tag {
                HEADER => {
                    let header = bytes_of("header", field)?;
                    parts.header_len += header.len();
                    if parts.header_len > MAX_HEADER {
                        return Err(format!(
                            "the header is longer than {MAX_HEADER} bytes; data belongs into \
                             documents or parameters"
                        ));
                    }
                    // A field that is repeated is merged: so protobuf has it.
                    self.header
                        .merge(header)
                        .map_err(|error| format!("header: {error}"))?;
                    parts.header = true;
                }
                PARAMETERS => parts.parameters.add(bytes_of("parameters", field)?),
                ROUTES => {
                    let route = bytes_of("routes", field)?;
                    if self.routes.len() < MAX_ROUTES {
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

/// What of a message can occur again while it is read.
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
    fn read_data(&mut self, mut data: Bytes) -> Result<(), String> {
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

/// A message field that occurs again: the encoding of its occurrences merged is
/// their encodings in a row. One alone stays a slice of the frame.
#[derive(Default)]
struct Merging {
    first: Option<Bytes>,
    /// All of them, once there are several.
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

/// The next field of a message: its bytes, or `None` for a field of another
/// wire type, which is skipped.
fn next(buf: &mut Bytes) -> Result<Option<(u32, Option<Bytes>)>, String> {
    if !buf.has_remaining() {
        return Ok(None);
    }
    let (tag, wire_type) = decode_key(buf).map_err(|error| error.to_string())?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, tag, buf, DecodeContext::default())
            .map_err(|error| format!("field {tag}: {error}"))?;
        return Ok(Some((tag, None)));
    }
    let len = decode_varint(buf).map_err(|error| format!("field {tag}: {error}"))?;
    match usize::try_from(len) {
        Ok(len) if len <= buf.remaining() => Ok(Some((tag, Some(buf.split_to(len))))),
        _ => Err(format!(
            "field {tag} is {len} bytes long, of which {} are there",
            buf.remaining()
        )),
    }
}

fn bytes_of(name: &str, field: Option<Bytes>) -> Result<Bytes, String> {
    field.ok_or_else(|| format!("{name} has the wrong wire type"))
}

/// The parameters of an answer: those of the request, byte for byte, but for
/// the results.
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
        // The parameters were decoded before: nothing is left to fail here.
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
    /// `None`: a request that says nothing of documents.
    pub(crate) docs: Option<DocumentArray>,
}

impl Answer {
    /// Writes the message. `reserve` is told beforehand how many bytes it takes.
    fn encode<B: BufMut>(&self, out: &mut B, reserve: impl FnOnce(&mut B, usize)) {
        let docs = self.docs.as_ref().map(DocumentArray::encoding);
        let data_len = |docs: &Encoding<'_>| message_len(DOCS, docs.len());
        let total = message_len(HEADER, self.header.encoded_len())
            + self
                .parameters
                .as_ref()
                .map_or(0, |bytes| message_len(PARAMETERS, bytes.len()))
            + self
                .routes
                .iter()
                .map(|route| message_len(ROUTES, route.encoded_len()))
                .sum::<usize>()
            + docs
                .as_ref()
                .map_or(0, |docs| message_len(DATA, data_len(docs)));
        reserve(out, total);

        put_head(HEADER, self.header.encoded_len(), out);
        self.header.encode_raw(out);
        if let Some(parameters) = &self.parameters {
            put_head(PARAMETERS, parameters.len(), out);
            out.put_slice(parameters);
        }
        for route in &self.routes {
            put_head(ROUTES, route.encoded_len(), out);
            route.encode_raw(out);
        }
        if let Some(docs) = &docs {
            put_head(DATA, data_len(docs), out);
            put_head(DOCS, docs.len(), out);
            docs.write(out);
        }
    }
}

fn message_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn put_head(tag: u32, len: usize, out: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// Frames in, answers out. The client's side is the same: what it sends has the
/// form of an answer.
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
        answer.encode(out, EncodeBuf::reserve);
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
    use super::*;
    use serde_json::json;

    fn encoded(answer: &Answer) -> Bytes {
        let (mut out, mut told) = (BytesMut::new(), 0);
        answer.encode(&mut out, |_, total| told = total);
        assert_eq!(out.len(), told, "the length told beforehand");
        out.freeze()
    }

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
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
        assert_eq!(read.routes.len(), MAX_ROUTES);
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
