use arbitrary::Unstructured;
use bytes::Bytes;
use prost::Message as _;
use wasm_flow_gateway::fuzzing::{Documents, Frame, ROUTES, Refused};

use crate::proto::docarray::DocumentArrayProto;
use crate::proto::jina::data_request_proto::data_content_proto::Documents as Member;
use crate::proto::jina::{DataRequestProto, HeaderProto, RouteProto, StatusProto};
use crate::structs::too_deep_for_prost;
use crate::{differential, structs};

/// Takes a gRPC frame apart as the gateway does, and compares that with prost's
/// `jina.DataRequestProto`.
///
/// The first byte says what is done with the others. If it is even they are a frame
/// as they are. If it is odd they are choices, and then a frame: fields of that are
/// moved, repeated, cut, and joined by unknown ones.
///
/// The gateway leaves parameters, routes and documents encoded. So it is first
/// compared with a message that does that too, `Shallow`: one takes a frame if and
/// only if the other does. The exceptions are a header that is too long for the gateway,
/// groups that nest too deep for prost, which counts the messages around them, and
/// parameters or documents that are repeated and of which one is not a message.
///
/// If prost takes the whole request, the gateway has the same: the header, as many
/// routes as it keeps, the parameters, and the documents.
///
/// What the gateway writes of a frame has the length that it said beforehand, and
/// prost reads the same from it.
pub fn frame(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    if first % 2 == 0 {
        agree(Bytes::copy_from_slice(rest));
        return;
    }
    let (choices, frame) = rest.split_at(rest.len().min(CHOICES));
    let mut choices = Unstructured::new(choices);
    if let Ok(frame) = differential::scramble(&mut choices, frame.to_vec(), 4) {
        agree(frame.into());
    }
}

/// Bytes that say how a frame is changed.
const CHOICES: usize = 32;

/// `jina.DataRequestProto` in so far as the gateway reads it at once.
#[derive(Clone, PartialEq, prost::Message)]
struct Shallow {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderProto>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    parameters: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    routes: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    data: Vec<ShallowData>,
}

/// `jina.DataRequestProto.DataContentProto`, without its oneof.
#[derive(Clone, PartialEq, prost::Message)]
struct ShallowData {
    #[prost(bytes = "vec", repeated, tag = "1")]
    docs: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    docs_bytes: Vec<Vec<u8>>,
}

fn agree(wire: Bytes) {
    let ours = Frame::decode(wire.clone());
    let shallow = Shallow::decode(&wire[..]);
    let (ours, shallow) = match (ours, shallow) {
        (Ok(ours), Ok(shallow)) => (ours, shallow),
        (Err(refused), Err(_)) => return told(&refused, &wire),
        (Err(refused), Ok(_)) if refused.reason().contains("the header is longer than") => {
            return told(&refused, &wire);
        }
        // Prost does not look into them here. Each part has to be a message by itself.
        (Err(refused), Ok(_)) if refused.reason().contains("is there several times") => {
            return told(&refused, &wire);
        }
        (Ok(ours), Err(error)) if too_deep_for_prost(&error) => return bounded(&ours, &wire),
        (Ok(_), Err(error)) => panic!("ours takes what prost refuses: {error}"),
        (Err(refused), Ok(_)) => panic!("ours refuses what prost takes: {}", refused.reason()),
    };
    bounded(&ours, &wire);
    assert_eq!(header(&ours.header()), shallow.header.unwrap_or_default());
    assert_eq!(
        ours.parameters().map(|bytes| bytes.to_vec()),
        (!shallow.parameters.is_empty()).then(|| shallow.parameters.concat())
    );
    let routes = shallow.routes.iter().take(ROUTES);
    assert!(ours.routes().iter().eq(routes), "other routes");

    if let Ok(theirs) = DataRequestProto::decode(&wire[..]) {
        same(&ours, theirs);
    }
    if let Some((written, len)) = ours.answer() {
        assert_eq!(written.len() as u64, len, "the length said beforehand");
        match DataRequestProto::decode(&written[..]) {
            Ok(theirs) => same(&ours, theirs),
            Err(error) => panic!("prost does not read what ours writes: {error}"),
        }
    }
}

/// Compares the gateway's frame with a request that prost has read.
fn same(ours: &Frame, theirs: DataRequestProto) {
    assert_eq!(header(&ours.header()), theirs.header.unwrap_or_default());

    assert_eq!(ours.routes().len(), theirs.routes.len().min(ROUTES));
    for (ours, theirs) in ours.routes().iter().zip(&theirs.routes) {
        assert_eq!(&RouteProto::decode(&ours[..]).unwrap(), theirs);
    }

    assert_eq!(ours.parameters().is_some(), theirs.parameters.is_some());
    if let (Some(ours), Some(theirs)) = (ours.parameters(), theirs.parameters) {
        let read = prost_types::Struct::decode(&ours[..]).unwrap();
        // NaN is not equal to itself, but prints alike.
        assert_eq!(format!("{read:?}"), format!("{theirs:?}"));
        structs::structs(ours);
    }

    match (
        ours.documents(),
        theirs.data.and_then(|data| data.documents),
    ) {
        (Documents::None, None) | (Documents::Pickle, Some(Member::DocsBytes(_))) => {}
        (Documents::Encoded(ours), Some(Member::Docs(theirs))) => {
            let read = DocumentArrayProto::decode(&ours[..]).unwrap();
            assert_eq!(differential::printed(read), differential::printed(theirs));
            differential::agree(ours);
        }
        (ours, theirs) => panic!("other documents: {ours:?}, {theirs:?}"),
    }
}

fn header(written: &[u8]) -> HeaderProto {
    match HeaderProto::decode(written) {
        Ok(header) => header,
        Err(error) => panic!("prost does not read the header that ours writes: {error}"),
    }
}

/// What is said of a frame that is refused is short, and the header that its answer
/// has is one of the frame's.
fn told(refused: &Refused, wire: &[u8]) {
    let reason = refused.reason();
    assert!(
        reason.starts_with("not a jina.DataRequestProto: "),
        "{reason}"
    );
    assert!(reason.len() < 1000, "{} bytes of reason", reason.len());
    if let Some(written) = refused.header() {
        assert!(held(&header(&written)) <= most_of_header(wire));
    }
}

/// A frame taken apart shares its bytes with the one that came, or copies them once.
fn bounded(ours: &Frame, wire: &[u8]) {
    let documents = match ours.documents() {
        Documents::Encoded(docs) => docs.len(),
        Documents::None | Documents::Pickle => 0,
    };
    let parameters = ours.parameters().map_or(0, Bytes::len);
    assert!(ours.routes().len() <= ROUTES);
    let routes = ours.routes().iter().map(Bytes::len).sum::<usize>();
    assert!(documents + parameters + routes <= wire.len());
    assert!(held(&header(&ours.header())) <= most_of_header(wire));
}

/// The shortest string takes two bytes of a message.
fn most_of_header(wire: &[u8]) -> usize {
    wire.len() * (size_of::<String>() / 2 + 1)
}

/// Bytes of memory that a header takes beyond its own size.
fn held(header: &HeaderProto) -> usize {
    let list = |list: &[String]| list.iter().map(String::len).sum::<usize>() + size_of_val(list);
    let status = |status: &StatusProto| {
        let exception = status.exception.as_ref().map_or(0, |exception| {
            exception.name.len()
                + exception.executor.len()
                + list(&exception.args)
                + list(&exception.stacks)
        });
        status.description.len() + exception
    };
    header.request_id.len()
        + header.exec_endpoint.as_ref().map_or(0, String::len)
        + header.target_executor.as_ref().map_or(0, String::len)
        + header.status.as_ref().map_or(0, status)
}
