//! One frame in, one answer out: the protocol's side of a request.

use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use serde_json::Value;
use tracing::{Instrument as _, Span, debug_span};
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::units::Size;
use wasm_flow_contract::{
    Failure, FailureKind, GATEWAY, Hop, Parameters, Part, Request, Response, Service, TraceContext,
};
use wasm_flow_document::{DocumentArray, Encoding, Limits, Struct, StructError, random_id};

use super::frame::{Answer, Data, DataError, Frame, FrameError, Incoming};
use super::proto::status_proto::{ExceptionProto, StatusCode};
use super::proto::{HeaderProto, RouteProto, StatusProto};
use super::status::short;
use crate::bounds;

/// The answer to a request that names no endpoint says this. The request is served,
/// and nearly always a mistake.
const NO_ENDPOINT: &str =
    "the request names no endpoint (header.exec_endpoint); only default handlers can have run";

/// A frame whose header can be read.
pub(super) struct Arrived {
    start: SystemTime,
    /// With a request id: its own, or one that was made up.
    pub(super) header: HeaderProto,
    request: Result<(Request, Option<Struct>), Unreadable>,
}

impl Arrived {
    /// Takes a frame apart.
    ///
    /// # Errors
    /// When its header cannot be read: it has no request id to be answered to.
    pub(super) fn new(trace: Option<TraceContext>, frame: Frame) -> Result<Arrived, FrameError> {
        let start = SystemTime::now();
        let (mut header, mut request) = match frame.decode() {
            Ok((mut incoming, others)) => {
                let mut header = std::mem::take(&mut incoming.header);
                let decoded =
                    cut_names(&mut header).and_then(|()| request(&header, incoming, others));
                (header, decoded)
            }
            Err(mut error) => match error.header.take() {
                // Bytes that merely begin like a header name no request.
                Some(mut header) if !header.request_id.is_empty() => {
                    let short = cut_names(&mut header);
                    (*header, short.and(Err(Unreadable::new(&error))))
                }
                _ => return Err(error),
            },
        };
        if header.request_id.is_empty() {
            header.request_id = random_id().to_string();
        }
        if let Ok((request, _)) = &mut request {
            request.id = Arc::from(header.request_id.as_str());
            request.trace = trace;
        }
        Ok(Arrived {
            start,
            header,
            request,
        })
    }

    /// The request, or why there is none.
    pub(super) fn request(self) -> Result<Request, Box<Failure>> {
        match self.request {
            Ok((request, _)) => Ok(request),
            Err(unreadable) => Err(unreadable.failure),
        }
    }
}

/// Takes a frame through the flow. The answer takes no more than `max_message` bytes.
///
/// A frame whose header can be read is always answered. The caller refuses the others.
pub(super) async fn answer(
    flow: &dyn Service,
    max_message: usize,
    trace: Option<TraceContext>,
    frame: Frame,
) -> Result<Answer, FrameError> {
    let Arrived {
        start,
        header,
        request,
    } = Arrived::new(trace, frame)?;
    Ok(match request {
        Ok((request, parameters)) => {
            let span = span(&request);
            let served = served(flow, max_message, start, header, request, parameters);
            match span.is_disabled() {
                true => served.await,
                false => served.instrument(span).await,
            }
        }
        Err(unreadable) => {
            let answer = Answer {
                header: answered(header, Some(&unreadable.failure)),
                parameters: unreadable.parameters,
                routes: vec![gateway_route(start)],
                docs: Some(Encoding::default()),
            };
            match answer.encoded_len() > max_message as u64 {
                // Without them it is small: the names and the reason are cut.
                true => Answer {
                    parameters: None,
                    ..answer
                },
                false => answer,
            }
        }
    })
}

/// What happens to a request happens in this span. It is at the level of debugging,
/// because a span for each costs as much as the rest of a small request's way
/// through the gateway.
fn span(request: &Request) -> Span {
    debug_span!(
        "request",
        request = &*request.id,
        endpoint = &*request.endpoint,
        documents = request.docs.len(),
        trace = request
            .trace
            .map(|trace| tracing::field::display(trace.trace_id())),
    )
}

/// A request that has an id and cannot be served.
struct Unreadable {
    /// The parameters, if those are whole.
    parameters: Option<Struct>,
    failure: Box<Failure>,
}

impl Unreadable {
    fn new(reason: impl Display) -> Unreadable {
        let description = short(&format!("the request cannot be read: {reason}"));
        Unreadable {
            parameters: None,
            failure: Box::new(Failure::of_flow(
                FailureKind::Request,
                "BadRequest",
                description,
            )),
        }
    }
}

/// Cuts the names in a header to what they may have, as they are repeated in the answer.
fn cut_names(header: &mut HeaderProto) -> Result<(), Unreadable> {
    let names = [
        ("request_id", Some(&mut header.request_id)),
        ("exec_endpoint", header.exec_endpoint.as_mut()),
    ];
    let mut cut = Ok(());
    for (name, text) in names {
        let Some(text) = text.filter(|text| text.len() > bounds::NAME) else {
            continue;
        };
        cut = Err(Unreadable::new(format_args!(
            "its header.{name} takes {}, and it may take {}; data belongs in documents",
            Size(text.len() as u64),
            Size(bounds::NAME as u64),
        )));
        text.truncate(text.floor_char_boundary(bounds::NAME));
    }
    cut
}

/// What the flow is asked, and the parameters as they came.
fn request(
    header: &HeaderProto,
    incoming: Incoming,
    others: Vec<Incoming>,
) -> Result<(Request, Option<Struct>), Unreadable> {
    let parameters = match incoming.parameters {
        Some(bytes) if bytes.len() > bounds::PARAMETERS => {
            return Err(Unreadable::new(format_args!(
                "its parameters take {}, and they may take {}; data belongs in documents",
                Size(bytes.len() as u64),
                Size(bounds::PARAMETERS as u64),
            )));
        }
        Some(bytes) => {
            let parameters = Struct::decode_within(bytes, bounds::PARAMETER_VALUES);
            Some(parameters.map_err(|error| match error {
                StructError::TooManyValues { most } => Unreadable::new(format_args!(
                    "its parameters hold more than {most} values, nested ones included, which is \
                     the most that they may hold; data belongs in documents"
                )),
                error => Unreadable::new(format_args!("parameters: {error}")),
            })?)
        }
        None => None,
    };
    let (docs, parts) =
        documents(incoming.data, &incoming.routes, others).map_err(|unreadable| Unreadable {
            parameters: parameters.clone(),
            ..unreadable
        })?;
    let request = Request {
        id: Arc::default(),
        endpoint: Arc::from(header.exec_endpoint.as_deref().unwrap_or_default()),
        target: header.target_executor.clone().unwrap_or_default(),
        parameters: parameters
            .as_ref()
            .map(|parameters| Parameters::from(parameters.to_map()))
            .unwrap_or_default(),
        docs,
        parts,
        trace: None,
    };
    Ok((request, parameters))
}

/// The documents of a request, and by who sent them if a flow did.
fn documents(
    data: Data,
    routes: &[Bytes],
    others: Vec<Incoming>,
) -> Result<(DocumentArray, Vec<Part>), Unreadable> {
    let docs = decoded(data)?;
    let sender = sender(routes)?;
    if others.is_empty() {
        let parts = sender.map(|executor| Part {
            executor,
            docs: docs.clone(),
        });
        return Ok((docs, parts.into_iter().collect()));
    }
    let part = |sender: Option<Arc<str>>, docs| Part {
        executor: sender.unwrap_or_else(|| Arc::from(GATEWAY)),
        docs,
    };
    let mut parts = vec![part(sender, docs)];
    for other in others {
        parts.push(part(self::sender(&other.routes)?, decoded(other.data)?));
    }
    let docs = DocumentArray::concat(parts.iter().map(|part| &part.docs));
    // Each part was held to the limits by itself.
    Limits::default().check(&docs).map_err(Unreadable::new)?;
    Ok((docs, parts))
}

fn decoded(data: Data) -> Result<DocumentArray, Unreadable> {
    data.decode().map_err(|error| match error {
        DataError::Malformed(error) => Unreadable::new(error),
        DataError::Pickle => Unreadable::new(
            "data.docs_bytes holds a Python pickle, which is never opened, because opening it can \
             run code; send the documents as data.docs",
        ),
    })
}

/// The executor that a request comes from, if another flow sent it: the last of its
/// routes, as Jina has it.
fn sender(routes: &[Bytes]) -> Result<Option<Arc<str>>, Unreadable> {
    let Some(last) = routes.last() else {
        return Ok(None);
    };
    let route = RouteProto::decode(last.clone())
        .map_err(|error| Unreadable::new(format_args!("routes: {error}")))?;
    if route.executor.len() > bounds::NAME {
        return Err(Unreadable::new(format_args!(
            "the name of an executor in its routes takes {}, and it may take {}",
            Size(route.executor.len() as u64),
            Size(bounds::NAME as u64),
        )));
    }
    Ok(Some(Arc::from(route.executor)))
}

async fn served(
    flow: &dyn Service,
    max_message: usize,
    start: SystemTime,
    header: HeaderProto,
    request: Request,
    mut parameters: Option<Struct>,
) -> Answer {
    let asked = parameters.clone();
    let earlier = request.parameters.results().clone();
    let mut response = flow.call(request).await;
    if !response.results.is_empty() {
        let mut results = earlier;
        results.append(&mut response.results);
        // The request's own parameters, byte for byte, with other results.
        let merged = parameters
            .clone()
            .unwrap_or_default()
            .with(RESULTS, &Value::Object(results));
        match merged {
            Ok(merged) => parameters = Some(merged),
            Err(error) => {
                let failure = Failure::of_flow(
                    FailureKind::Reply,
                    "BadResults",
                    format!("what an executor returned for __results__ cannot be sent: {error}"),
                );
                response.failure.get_or_insert(Arc::new(failure));
            }
        }
    }
    let mut routes = Vec::with_capacity(response.hops.len() + 1);
    routes.push(gateway_route(start));
    routes.extend(response.hops.iter().map(route));
    let answer = |docs| Answer {
        header: answered(header, response.failure.as_deref()),
        parameters,
        routes,
        docs: Some(docs),
    };
    let most = max_message as u64;
    let (answer, len) = match response.docs.encoding_within(most) {
        Some(docs) => {
            let answer = answer(docs);
            let len = answer.encoded_len();
            if len <= most {
                return answer;
            }
            (answer, len)
        }
        None => (answer(Encoding::default()), response.docs.encoded_len()),
    };
    let failure = too_large(flow, &response, len, most);
    let failure = match response.failure.as_deref() {
        // Why the flow failed matters more than how large what it left is.
        Some(first) => Failure {
            description: format!("{}; {}", first.description, failure.description),
            ..first.clone()
        },
        None => failure,
    };
    withheld(answer, asked, &failure)
}

/// What is said in place of an answer of `len` bytes, if at most `most` are sent.
fn too_large(flow: &dyn Service, response: &Response, len: u64, most: u64) -> Failure {
    let last = response.hops.iter().rfind(|hop| hop.end.is_some());
    let by = last.map_or_else(String::new, |hop| {
        format!(", last changed by executor `{}`,", hop.executor)
    });
    Failure::of_flow(
        FailureKind::Reply,
        "AnswerTooLarge",
        format!(
            "the answer of flow `{}`{by} takes {}, and this gateway sends at most {}: it holds {} \
             documents, nested ones included; return less, send fewer documents a request \
             (request_size), or raise `max_message` under [gateway] in flow.toml",
            flow.name(),
            Size(len),
            Size(most),
            response.docs.total(),
        ),
    )
}

/// An answer without anything that could make it too large. What the request brought is
/// kept: it fitted in one message.
fn withheld(answer: Answer, asked: Option<Struct>, failure: &Failure) -> Answer {
    Answer {
        header: HeaderProto {
            status: Some(status(failure)),
            ..answer.header
        },
        parameters: asked,
        routes: answer
            .routes
            .into_iter()
            .map(|route| RouteProto {
                status: None,
                ..route
            })
            .collect(),
        docs: Some(Encoding::default()),
    }
}

/// The header of an answer: the request's, and how it went.
fn answered(request: HeaderProto, failure: Option<&Failure>) -> HeaderProto {
    let status = match failure {
        Some(failure) => Some(status(failure)),
        None if request.exec_endpoint.as_deref().unwrap_or("").is_empty() => Some(StatusProto {
            code: StatusCode::Success.into(),
            description: NO_ENDPOINT.to_owned(),
            exception: None,
        }),
        None => None,
    };
    HeaderProto {
        status,
        // Emptied as Jina's gateway does, for gateways behind this one.
        target_executor: Some(String::new()),
        ..request
    }
}

/// A failure in Jina's form.
pub(super) fn status(failure: &Failure) -> StatusProto {
    StatusProto {
        code: StatusCode::Error.into(),
        description: failure.description.clone(),
        exception: Some(ExceptionProto {
            name: failure.name.clone(),
            args: failure.args.clone(),
            stacks: failure.stacks.clone(),
            executor: failure.executor.to_string(),
        }),
    }
}

/// This gateway's route, which clients expect to be the first.
fn gateway_route(start: SystemTime) -> RouteProto {
    RouteProto {
        executor: GATEWAY.to_owned(),
        start_time: Some(Timestamp::from(start)),
        end_time: Some(next_millisecond(SystemTime::now())),
        status: None,
    }
}

/// Jina's `Client.profiling` counts in whole milliseconds and divides by the time of
/// this route, which must not be zero.
fn next_millisecond(time: SystemTime) -> Timestamp {
    const MILLISECOND: i32 = 1_000_000;
    let mut time = Timestamp::from(time);
    time.nanos += MILLISECOND - time.nanos % MILLISECOND;
    time.normalize();
    time
}

fn route(hop: &Hop) -> RouteProto {
    RouteProto {
        executor: hop.executor.to_string(),
        start_time: Some(Timestamp::from(hop.start)),
        end_time: hop.end.map(Timestamp::from),
        status: hop.failure.as_deref().map(status),
    }
}
