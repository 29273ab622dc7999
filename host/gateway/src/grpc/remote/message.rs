//! Calls as messages, and messages as replies.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value};
use wasm_flow_contract::failure::FailureDetails;
use wasm_flow_contract::parameters::RESULTS;
use wasm_flow_contract::reply::Origin;
use wasm_flow_contract::units::Size;
use wasm_flow_contract::{Call, Failure, FailureKind, GATEWAY, Part, Reply, Results, Retry};
use wasm_flow_document::{DocumentArray, Struct};

use super::super::frame::{Answer, Incoming};
use super::super::proto::status_proto::StatusCode;
use super::super::proto::{HeaderProto, RouteProto, StatusProto};
use super::super::verdict::Verdict;
use crate::bounds::{PARAMETER_VALUES, PARAMETERS, REMOTE_LINES, REMOTE_RESULTS, REMOTE_TEXT};

/// A call on its way to a server.
#[derive(Debug)]
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
    let results = match incoming.parameters {
        Some(bytes) => results(parameters(bytes)?)?,
        None => Vec::new(),
    };
    Ok(Ok(Reply { docs, results }))
}

/// The parameters of an answer: the request's, and what executors returned.
fn parameters(bytes: Bytes) -> Result<Map<String, Value>, String> {
    let most = PARAMETERS + REMOTE_RESULTS;
    if bytes.len() > most {
        return Err(format!(
            "its parameters take {}, and they may take {}",
            Size(bytes.len() as u64),
            Size(most as u64)
        ));
    }
    // As many for what executors returned.
    let parameters = Struct::decode_within(bytes, 2 * PARAMETER_VALUES);
    Ok(parameters
        .map_err(|error| format!("parameters: {error}"))?
        .to_map())
}

/// What the executor returned beside documents. It is kept under the name that the
/// executor has in this flow, and not under the one that it has there.
///
/// # Errors
/// When it is more than an executor may return.
fn results(mut parameters: Map<String, Value>) -> Result<Vec<Results>, String> {
    let Some(Value::Object(results)) = parameters.remove(RESULTS) else {
        return Ok(Vec::new());
    };
    // As those of an executor that runs here are counted.
    let size = serde_json::to_string(&results).map_or(usize::MAX, |text| text.len());
    if size > REMOTE_RESULTS {
        return Err(format!(
            "what it returned beside documents takes {}, and it may take {}; data belongs in \
             documents",
            Size(size as u64),
            Size(REMOTE_RESULTS as u64)
        ));
    }
    let names: BTreeSet<&str> = results
        .keys()
        .map(|key| key.split_once('/').map_or(key.as_str(), |(name, _)| name))
        .collect();
    // Several: it is a whole flow, and its executors have to be told apart.
    let is_one = names.len() == 1;
    let results = results.into_iter();
    Ok(results
        .filter_map(|(key, values)| {
            let Value::Object(values) = values else {
                return None;
            };
            let origin = match key.split_once('/') {
                Some((_, instance)) if is_one => instance,
                _ => &key,
            };
            Some(Results {
                origin: Origin::remote(origin),
                values,
            })
        })
        .collect())
}

/// Why a call failed there. Whether it may be tried again is left to whoever called.
fn failure(status: StatusProto) -> Failure {
    let Verdict { kind, retry } = Verdict::read(&status).unwrap_or(Verdict {
        kind: FailureKind::Method,
        retry: Retry::No,
    });
    let exception = status.exception.unwrap_or_default();
    let name = match exception.name.is_empty() {
        true => "ExecutorFailed".to_owned(),
        false => cut(exception.name),
    };
    let details = match (kind, retry) {
        (FailureKind::Method | FailureKind::Exhausted, Retry::May { after }) => {
            Some(Box::new(FailureDetails {
                retry: true,
                retry_after: after,
                documents: Vec::new(),
            }))
        }
        _ => None,
    };
    Failure {
        kind: match kind {
            // Somebody else has not got it. What is there has, and may have done a part.
            FailureKind::Unreachable => FailureKind::Lost,
            kind => kind,
        },
        name,
        description: cut(status.description),
        args: lines(exception.args),
        stacks: lines(exception.stacks),
        executor: cut(exception.executor).into(),
        details,
    }
}

/// Lines of a failure, as many as are passed on. The last ones say what went wrong.
fn lines(mut lines: Vec<String>) -> Vec<String> {
    lines.drain(..lines.len().saturating_sub(REMOTE_LINES));
    lines.into_iter().map(cut).collect()
}

/// A text of a failure, as far as it is passed on.
fn cut(mut text: String) -> String {
    if text.len() > REMOTE_TEXT {
        text.truncate(text.floor_char_boundary(REMOTE_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use serde_json::json;

    use super::super::super::proto::status_proto::ExceptionProto;
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

    fn frame(answer: &Answer) -> Bytes {
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes, |_, _| {}).unwrap();
        bytes.freeze()
    }

    fn with_parameters(parameters: &Value) -> Bytes {
        frame(&Answer {
            parameters: parameters
                .as_object()
                .map(|object| Struct::from_map(object).unwrap()),
            ..Answer::default()
        })
    }

    fn answered(parameters: Value) -> Vec<(String, Value)> {
        let reply = reply(with_parameters(&parameters)).unwrap().unwrap();
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

    #[test]
    fn what_stands_beside_documents_is_bounded() {
        let error = |parameters: Value| reply(with_parameters(&parameters)).unwrap_err();
        let long = "x".repeat(REMOTE_RESULTS);
        for (parameters, expected) in [
            (json!({"k": "x".repeat(3 << 20)}), "and they may take 2 MiB"),
            (json!({"k": vec![Value::Null; 200_000]}), "200000 values"),
            (
                json!({"__results__": {"executor/rep-0": {"long": long}}}),
                "and it may take 1 MiB",
            ),
        ] {
            let error = error(parameters);
            assert!(error.contains(expected), "{error}");
        }
        // The request's own parameters are not counted as results.
        let both = json!({
            "k": "x".repeat(PARAMETERS - 100),
            "__results__": {"executor/rep-0": {"long": "x".repeat(REMOTE_RESULTS - 100)}},
        });
        assert_eq!(answered(both).len(), 1);
    }

    #[test]
    fn what_is_said_of_a_failure_is_cut() {
        let text = || "é".repeat(REMOTE_TEXT);
        let failed = Answer {
            header: HeaderProto {
                status: Some(StatusProto {
                    code: StatusCode::Error.into(),
                    description: text(),
                    exception: Some(ExceptionProto {
                        name: text(),
                        args: vec![text(); 3],
                        stacks: (0..1000).map(|line| line.to_string()).collect(),
                        executor: text(),
                    }),
                    failure: None,
                }),
                ..HeaderProto::default()
            },
            ..Answer::default()
        };
        let failed = reply(frame(&failed)).unwrap().unwrap_err();
        let texts = [&failed.description, &failed.name, &failed.args[2]];
        for text in texts
            .map(String::as_str)
            .into_iter()
            .chain([&*failed.executor])
        {
            assert!(text.ends_with("é…") && text.len() <= REMOTE_TEXT + 3);
        }
        assert_eq!(failed.stacks.len(), REMOTE_LINES);
        assert_eq!(failed.stacks.last().map(String::as_str), Some("999"));
    }
}
