//! One request, and what comes back for it.

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value};
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::{FailureKind, Retry};
use wasm_flow_document::{DocumentArray, Struct, random_id};

use super::ClientError;
use crate::grpc::frame::{Answer, Incoming};
use crate::grpc::proto::status_proto::StatusCode;
use crate::grpc::proto::{HeaderProto, RouteProto, StatusProto};
use crate::grpc::verdict::Verdict;

/// What is sent.
#[derive(Debug, Clone, Default)]
pub struct PostRequest {
    /// The endpoint: `/index`.
    pub endpoint: String,
    /// A regular expression that picks executors by name.
    pub target: Option<String>,
    /// Parameters for the executors. Empty is the same as none.
    pub parameters: Map<String, Value>,
    /// The documents.
    pub docs: DocumentArray,
}

/// What comes back.
#[derive(Debug, Clone)]
pub struct PostResponse {
    /// The id that the request was given.
    pub request_id: String,
    /// The documents.
    pub docs: DocumentArray,
    /// The request's parameters, with what executors returned under
    /// `__results__`.
    pub parameters: Map<String, Value>,
    /// The executors that the request passed, `gateway` first.
    pub routes: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<PostFailure>,
    /// What the gateway has to say about a request that it served.
    pub notice: Option<String>,
}

impl PostResponse {
    /// The objects that executors returned beside documents, by executor and replica:
    /// `encode/rep-0`. `None` if no executor returned one.
    pub fn results(&self) -> Option<&Map<String, Value>> {
        self.parameters.get(RESULTS)?.as_object()
    }

    /// The response if the request was served.
    ///
    /// # Errors
    /// Why it failed, if it did.
    pub fn into_result(mut self) -> Result<PostResponse, PostFailure> {
        match self.failure.take() {
            None => Ok(self),
            Some(failure) => Err(failure),
        }
    }
}

/// A request that failed in the flow. The other requests of its stream go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct PostFailure {
    /// What failed, where and why.
    pub description: String,
    /// The kind of error.
    pub name: String,
    /// The executor's type.
    pub executor: String,
    /// Its traceback.
    pub stacks: Vec<String>,
    /// What failed. `None` if the gateway does not say, as Jina's.
    pub kind: Option<FailureKind>,
    /// Whether the same request may succeed if it is sent again. `None` if the gateway does
    /// not say.
    pub retry: Option<Retry>,
}

/// A request as it is sent.
///
/// # Errors
/// When its parameters are not what the protocol can say, or it is too large.
pub(super) fn encode(request: PostRequest) -> Result<Answer, ClientError> {
    let parameters = if request.parameters.is_empty() {
        None
    } else {
        Some(Struct::from_map(&request.parameters).map_err(ClientError::Parameters)?)
    };
    let message = Answer {
        header: HeaderProto {
            request_id: random_id().to_string(),
            exec_endpoint: Some(request.endpoint),
            target_executor: request.target,
            ..HeaderProto::default()
        },
        parameters,
        routes: Vec::new(),
        docs: Some(request.docs.encoding()),
    };
    // Said here, in words: once a call has begun its client is told only that
    // something went wrong with it.
    let bytes = message.encoded_len();
    if u32::try_from(bytes).is_err() {
        return Err(ClientError::TooLarge { bytes });
    }
    Ok(message)
}

/// What came back for a request.
///
/// # Errors
/// What is wrong with it, if it is not an answer.
pub(super) fn decode(frame: Bytes) -> Result<PostResponse, String> {
    let incoming = Incoming::decode(frame).map_err(|error| error.to_string())?;
    let parameters = match incoming.parameters {
        Some(bytes) => Struct::decode(bytes)
            .map_err(|error| format!("parameters: {error}"))?
            .to_map(),
        None => Map::new(),
    };
    let docs = incoming.data.decode().map_err(|error| error.to_string())?;
    let routes = incoming
        .routes
        .into_iter()
        .map(|route| {
            RouteProto::decode(route)
                .map(|route| route.executor)
                .map_err(|error| format!("routes: {error}"))
        })
        .collect::<Result<_, _>>()?;
    let status = incoming.header.status.unwrap_or_default();
    let notice = (status.code == i32::from(StatusCode::Success) && !status.description.is_empty())
        .then(|| status.description.clone());
    Ok(PostResponse {
        request_id: incoming.header.request_id,
        docs,
        parameters,
        routes,
        failure: failure(status),
        notice,
    })
}

/// Why a request failed, if its status says that it did.
pub(super) fn failure(status: StatusProto) -> Option<PostFailure> {
    if status.code == i32::from(StatusCode::Success) {
        return None;
    }
    let verdict = Verdict::read(&status);
    let exception = status.exception.unwrap_or_default();
    Some(PostFailure {
        description: status.description,
        name: exception.name,
        executor: exception.executor,
        stacks: exception.stacks,
        kind: verdict.map(|verdict| verdict.kind),
        retry: verdict.map(|verdict| verdict.retry),
    })
}
