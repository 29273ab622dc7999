//! The services and methods of a gateway, by name.

/// The services that reflection lists: Jina's own list, and health.
pub(super) const LISTED: [&str; 9] = [
    "jina.JinaRPC",
    "jina.JinaSingleDataRequestRPC",
    "jina.JinaDataRequestRPC",
    "jina.JinaGatewayDryRunRPC",
    "jina.JinaSingleDocumentRequestRPC",
    "jina.JinaDiscoverEndpointsRPC",
    "jina.JinaInfoRPC",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.health.v1.Health",
];

/// The methods that are served.
pub(super) const SERVED: [&str; 11] = [
    "/jina.JinaRPC/Call",
    "/jina.JinaSingleDataRequestRPC/process_single_data",
    "/jina.JinaDataRequestRPC/process_data",
    "/jina.JinaSingleDocumentRequestRPC/stream_doc",
    "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery",
    "/jina.JinaGatewayDryRunRPC/dry_run",
    "/jina.JinaInfoRPC/_status",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The methods of health checks, which need no token.
pub(super) const HEALTH: [&str; 2] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// The methods that take requests for the flow. The [`Drain`](crate::drain::Drain)
/// decides what becomes of their calls at a stop.
pub(super) const REQUESTS: [&str; 4] = [
    "/jina.JinaRPC/Call",
    "/jina.JinaSingleDataRequestRPC/process_single_data",
    "/jina.JinaDataRequestRPC/process_data",
    "/jina.JinaSingleDocumentRequestRPC/stream_doc",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn service(method: &str) -> &str {
        method.split('/').nth(1).unwrap()
    }

    #[test]
    fn the_lists_agree() {
        // Jina knows one version of reflection.
        let not_listed = "grpc.reflection.v1.ServerReflection";
        for listed in LISTED {
            let served = SERVED.iter().any(|method| service(method) == listed);
            assert!(served, "{listed}");
        }
        for method in SERVED {
            let listed = LISTED.contains(&service(method));
            assert_ne!(listed, service(method) == not_listed, "{method}");
        }
        for method in REQUESTS.iter().chain(&HEALTH) {
            assert!(SERVED.contains(method), "{method}");
        }
    }
}
