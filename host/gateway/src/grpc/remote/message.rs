//! Calls as messages, and messages as replies.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value};
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::reply::Origin;
use wasm_flow_contract::{Call, Failure, FailureKind, GATEWAY, Part, Reply, Results};
use wasm_flow_document::{DocumentArray, Struct};

use super::super::frame::{Answer, Incoming};
use super::super::proto::status_proto::StatusCode;
use super::super::proto::{HeaderProto, RouteProto, StatusProto};

/// A call on its way to a server.
#[derive(Debug, Clone)]
pub(super) enum Message {
    /// For `process_single_data`.
    Request(Box<Answer>),
    /// For `process_data`: a request for each predecessor.
    Parts(Vec<Answer>),
}

impl Message {
    /// What is sent of a call. With `is_apart`, the documents of several predecessors are
    /// sent apart: the executor gets all of them, one predecessor's after the other's.
    /// Otherwise they are one list: Jina's protocol has no room for both.
    ///
    /// # Errors
    /// When it cannot be sent: why.
    pub(super) fn of(call: &Call, is_apart: bool) -> Result<Message, String> {
        let parameters = Struct::from_map(&call.parameters)
            .map_err(|error| format!("the parameters cannot be sent: {error}"))?;
        let sender = |part: Option<&Part>| part.map_or(GATEWAY, |part| &*part.executor).to_owned();
        let request = |sender: String, docs: &DocumentArray| Answer {
            header: HeaderProto {
                request_id: call.request_id.to_string(),
                exec_endpoint: Some(call.endpoint.to_string()),
                ..HeaderProto::default()
            },
            parameters: Some(parameters.clone()),
            routes: routes(sender),
            docs: Some(docs.encoding()),
        };
        let message = match call.parts.as_slice() {
            parts if is_apart && parts.len() > 1 => {
                let parts = parts.iter();
                Message::Parts(
                    parts
                        .map(|part| request(sender(Some(part)), &part.docs))
                        .collect(),
                )
            }
            parts => Message::Request(Box::new(request(sender(parts.first()), &call.docs))),
        };
        let bytes = message.encoded_len();
        match u32::try_from(bytes) {
            Ok(_) => Ok(message),
            Err(_) => Err(format!(
                "the request takes {bytes} bytes, and a gRPC message is smaller than 4 GiB; send \
                 fewer documents a request"
            )),
        }
    }

    fn encoded_len(&self) -> u64 {
        match self {
            Message::Request(request) => request.encoded_len(),
            Message::Parts(requests) => requests.iter().fold(0, |sum: u64, request| {
                sum.saturating_add(request.encoded_len())
            }),
        }
    }
}

/// The way that documents have come. An executor names them by the last.
fn routes(sender: String) -> Vec<RouteProto> {
    let mut executors = vec![GATEWAY.to_owned()];
    if sender != GATEWAY {
        executors.push(sender);
    }
    let executors = executors.into_iter();
    executors
        .map(|executor| RouteProto {
            executor,
            ..RouteProto::default()
        })
        .collect()
}

/// What a server answered: a reply, or why the call failed there.
///
/// # Errors
/// When it is not an answer: why.
pub(super) fn reply(frame: Bytes) -> Result<Result<Reply, Failure>, String> {
    let incoming = Incoming::decode(frame).map_err(|error| error.to_string())?;
    if let Some(status) = incoming.header.status
        && status.code == i32::from(StatusCode::Error)
    {
        return Ok(Err(failure(status)));
    }
    let docs = incoming.data.decode().map_err(|error| error.to_string())?;
    let parameters = match incoming.parameters {
        Some(bytes) => Struct::decode(bytes)
            .map_err(|error| format!("parameters: {error}"))?
            .to_map(),
        None => Map::new(),
    };
    Ok(Ok(Reply {
        docs,
        results: results(parameters),
    }))
}

/// What the executor returned beside documents. It is kept under the name that the
/// executor has in this flow, and not under the one that it has there.
fn results(mut parameters: Map<String, Value>) -> Vec<Results> {
    let Some(Value::Object(results)) = parameters.remove(RESULTS) else {
        return Vec::new();
    };
    let names: BTreeSet<&str> = results
        .keys()
        .map(|key| key.split_once('/').map_or(key.as_str(), |(name, _)| name))
        .collect();
    // Several: it is a whole flow, and its executors have to be told apart.
    let is_one = names.len() == 1;
    results
        .iter()
        .filter_map(|(key, values)| {
            let Value::Object(values) = values else {
                return None;
            };
            let origin = match key.split_once('/') {
                Some((_, instance)) if is_one => instance,
                _ => key,
            };
            Some(Results {
                origin: Origin::remote(origin),
                values: values.clone(),
            })
        })
        .collect()
}

fn failure(status: StatusProto) -> Failure {
    let exception = status.exception.unwrap_or_default();
    let name = match exception.name.is_empty() {
        true => "ExecutorFailed".to_owned(),
        false => exception.name,
    };
    Failure {
        kind: FailureKind::Method,
        name,
        description: status.description,
        args: exception.args,
        stacks: exception.stacks,
        executor: exception.executor.into(),
        details: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use serde_json::json;

    use super::*;

    fn call(parts: &[&str]) -> Call {
        let parts: Vec<Part> = parts
            .iter()
            .map(|name| Part {
                executor: Arc::from(*name),
                docs: DocumentArray::from_texts([format!("from {name}")]),
            })
            .collect();
        Call {
            request_id: Arc::from("id"),
            endpoint: Arc::from("/x"),
            parameters: Arc::new(Map::new()),
            docs: DocumentArray::concat(parts.iter().map(|part| &part.docs)),
            parts,
            trace: None,
        }
    }

    fn senders(request: &Answer) -> Vec<&str> {
        let routes = request.routes.iter();
        routes.map(|route| route.executor.as_str()).collect()
    }

    #[test]
    fn documents_are_apart_only_if_nobody_put_them_together() {
        let Message::Request(request) = Message::of(&call(&["a", "b"]), false).unwrap() else {
            panic!("apart");
        };
        assert_eq!(senders(&request), ["gateway", "a"]);
        let Message::Parts(requests) = Message::of(&call(&["a", "gateway"]), true).unwrap() else {
            panic!("together");
        };
        assert_eq!(senders(&requests[0]), ["gateway", "a"]);
        assert_eq!(senders(&requests[1]), ["gateway"]);
        let one = Message::of(&call(&["gateway"]), true).unwrap();
        assert!(matches!(one, Message::Request(_)));
    }

    fn answered(parameters: Value) -> Vec<(String, Value)> {
        let answer = Answer {
            parameters: parameters
                .as_object()
                .map(|object| Struct::from_map(object).unwrap()),
            ..Answer::default()
        };
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes, |_, _| {}).unwrap();
        let reply = reply(bytes.freeze()).unwrap().unwrap();
        let results = reply.results.into_iter();
        results
            .map(|results| (results.origin.to_string(), Value::Object(results.values)))
            .collect()
    }

    #[test]
    fn results_lose_the_name_that_the_executor_has_there() {
        let one = json!({"__results__": {"executor/rep-0": {"a": 1}, "executor/rep-1": {}}});
        assert_eq!(
            answered(one),
            [
                ("rep-0".into(), json!({"a": 1})),
                ("rep-1".into(), json!({}))
            ]
        );
        let several = json!({"__results__": {"a/rep-0": {}, "b/rep-0": {}, "c": 1}});
        assert_eq!(
            answered(several),
            [("a/rep-0".into(), json!({})), ("b/rep-0".into(), json!({}))]
        );
        assert!(answered(json!({"k": 1})).is_empty());
        assert!(answered(Value::Null).is_empty());
    }
}
