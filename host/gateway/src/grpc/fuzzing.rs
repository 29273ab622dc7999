//! A frame taken apart and written again, as the fuzz target `frame` sees it, and what is
//! read of a call before its frames, for the target `call`.
//!
//! Only the feature `fuzzing` builds this. It is no interface: it changes with the
//! gateway.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use wasm_flow_document::{DocumentArray, Struct};

use super::frame::{Answer, Data, FrameError, Incoming};
use super::proto::RouteProto;
use super::{arrival, deadline};
use crate::bounds;

/// The most routes that are kept of a message.
pub const ROUTES: usize = bounds::ROUTES;

/// A `jina.DataRequestProto` as the gateway takes it apart.
#[derive(Debug)]
pub struct Frame(Incoming);

/// The documents of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Documents {
    /// There are none.
    None,
    /// An encoded `docarray.DocumentArrayProto`.
    Encoded(Bytes),
    /// A Python object.
    Pickle,
}

/// Why the gateway does not take a frame.
#[derive(Debug)]
pub struct Refused(FrameError);

impl Refused {
    /// What a client is told.
    pub fn reason(&self) -> String {
        self.0.to_string()
    }

    /// The header of the answer that says so, written again.
    pub fn header(&self) -> Option<Vec<u8>> {
        self.0.header.as_deref().map(prost::Message::encode_to_vec)
    }
}

impl Frame {
    /// Takes a frame apart.
    ///
    /// # Errors
    /// If the gateway does not take it.
    pub fn decode(frame: Bytes) -> Result<Frame, Refused> {
        Incoming::decode(frame).map(Frame).map_err(Refused)
    }

    /// The header, written again.
    pub fn header(&self) -> Vec<u8> {
        self.0.header.encode_to_vec()
    }

    /// An encoded `google.protobuf.Struct`, not checked yet.
    pub fn parameters(&self) -> Option<&Bytes> {
        self.0.parameters.as_ref()
    }

    /// The first [`ROUTES`], encoded and not checked.
    pub fn routes(&self) -> &[Bytes] {
        &self.0.routes
    }

    /// The documents, not checked yet.
    pub fn documents(&self) -> Documents {
        match &self.0.data {
            Data::None | Data::Document(_) => Documents::None,
            Data::Docs(docs) => Documents::Encoded(docs.clone()),
            Data::Pickle => Documents::Pickle,
        }
    }

    /// An answer with all that the frame has, and how long the gateway said
    /// beforehand that it is. `None` if the gateway cannot read some part, or if that
    /// is a pickle.
    pub fn answer(&self) -> Option<(Bytes, u64)> {
        let Incoming {
            header,
            parameters,
            routes,
            data,
        } = self.0.clone();
        let answer = Answer {
            header,
            parameters: parameters.map(Struct::decode).transpose().ok()?,
            routes: routes
                .into_iter()
                .map(RouteProto::decode)
                .collect::<Result<_, _>>()
                .ok()?,
            docs: match data {
                Data::None | Data::Document(_) => None,
                Data::Docs(docs) => Some(DocumentArray::decode(docs).ok()?.encoding()),
                Data::Pickle => return None,
            },
        };
        let mut out = BytesMut::new();
        answer.encode(&mut out, BytesMut::reserve).ok()?;
        Some((out.freeze(), answer.encoded_len()))
    }
}

/// The time that this value of `grpc-timeout` gives a call.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let value = HeaderValue::from_bytes(value).ok()?;
    deadline::of(&HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-timeout"),
        value,
    )]))
}

/// A call's body on its way to what reads messages of it.
#[derive(Debug, Default)]
pub struct Arrival(arrival::Arrival);

impl Arrival {
    /// Takes the next bytes of the body, and adds what may pass.
    pub fn add(&mut self, bytes: &[u8], passed: &mut Vec<u8>) {
        let at_once = self.0.add(Bytes::copy_from_slice(bytes));
        passed.extend(at_once.into_iter().flatten());
        self.pass(passed);
    }

    /// Adds what is left once no more comes.
    pub fn end(&mut self, passed: &mut Vec<u8>) {
        self.0.release();
        self.pass(passed);
    }

    fn pass(&mut self, passed: &mut Vec<u8>) {
        while let Some(frame) = self.0.next() {
            passed.extend(frame.into_data().into_iter().flatten());
        }
    }
}
