//! What is decided about a call before it reaches its service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;

/// The methods that are served.
const SERVED: [&str; 9] = [
    "/jina.JinaRPC/Call",
    "/jina.JinaSingleDataRequestRPC/process_single_data",
    "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery",
    "/jina.JinaGatewayDryRunRPC/dry_run",
    "/jina.JinaInfoRPC/_status",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Answers calls to methods that are not served with a sentence instead of a
/// bare code, and decides which answers are compressed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Front;

/// [`Front`] before a service.
#[derive(Debug, Clone)]
pub(super) struct Fronted<S>(S);

impl<S> Layer<S> for Front {
    type Service = Fronted<S>;

    fn layer(&self, inner: S) -> Fronted<S> {
        Fronted(inner)
    }
}

impl<S> Service<Request<Body>> for Fronted<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !SERVED.contains(&path) {
            let response = Status::unimplemented(not_served(path)).into_http();
            return Box::pin(async move { Ok(response) });
        }
        compress_as_asked(request.headers_mut());
        Box::pin(self.0.call(request))
    }
}

/// Lets an answer be compressed where the request was, the same way.
///
/// gRPC's clients nearly always say that they can read gzip, also when nobody
/// asked for compression, and tonic takes that for a wish; on a local network
/// it costs more than it saves. tonic decides by call and not by message, so
/// this does too.
fn compress_as_asked(headers: &mut HeaderMap) {
    const ACCEPT: &str = "grpc-accept-encoding";
    match headers.get("grpc-encoding").cloned() {
        Some(encoding) if encoding != HeaderValue::from_static("identity") => {
            headers.insert(ACCEPT, encoding);
        }
        _ => {
            headers.remove(ACCEPT);
        }
    }
}

fn not_served(path: &str) -> String {
    let service = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let instead = match service {
        "jina.JinaDataRequestRPC" => {
            "it hands a Jina worker the parts of one request; send requests with \
             jina.JinaRPC/Call or jina.JinaSingleDataRequestRPC/process_single_data"
        }
        "jina.JinaSingleDocumentRequestRPC" => {
            "executors cannot stream single documents yet; send requests with jina.JinaRPC/Call"
        }
        "jina.JinaExecutorSnapshot"
        | "jina.JinaExecutorSnapshotProgress"
        | "jina.JinaExecutorRestore"
        | "jina.JinaExecutorRestoreProgress" => {
            "a flow has no snapshots; an executor keeps what must last in a folder that flow.toml \
             allows it"
        }
        _ => "server reflection lists the services that are there",
    };
    // The path is the client's: it goes into a header only as far as it is text.
    let path: String = path.chars().take(200).collect();
    format!("this gateway does not serve {path}: {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_only_when_asked() {
        for (encoding, accept) in [
            (None, None),
            (Some("identity"), None),
            (Some("gzip"), Some("gzip")),
            (Some("deflate"), Some("deflate")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                "grpc-accept-encoding",
                HeaderValue::from_static("identity, deflate, gzip"),
            );
            if let Some(encoding) = encoding {
                headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
            }
            compress_as_asked(&mut headers);
            let left = headers
                .get("grpc-accept-encoding")
                .map(|value| value.to_str().unwrap());
            assert_eq!(left, accept);
        }
    }
}
