//! The services and methods of a gateway, by name.

/// The services that reflection lists: Jina's own list, whose names are not those of
/// what is implemented, and health.
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
pub(super) const SERVED: [&str; 10] = [
    "/jina.JinaRPC/Call",
    "/jina.JinaSingleDataRequestRPC/process_single_data",
    "/jina.JinaDataRequestRPC/process_data",
    "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery",
    "/jina.JinaGatewayDryRunRPC/dry_run",
    "/jina.JinaInfoRPC/_status",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The methods that take requests for the flow. The [`Drain`](crate::drain::Drain)
/// decides what becomes of their calls at a stop.
pub(super) const REQUESTS: [&str; 3] = [
    "/jina.JinaRPC/Call",
    "/jina.JinaSingleDataRequestRPC/process_single_data",
    "/jina.JinaDataRequestRPC/process_data",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn service(method: &str) -> &str {
        method.split('/').nth(1).unwrap()
    }

    #[test]
    fn the_lists_agree() {
        // Jina lists this without serving it, and knows one version of reflection.
        let not_served = ["jina.JinaSingleDocumentRequestRPC"];
        let not_listed = "grpc.reflection.v1.ServerReflection";
        for listed in LISTED {
            let served = SERVED.iter().any(|method| service(method) == listed);
            assert_ne!(served, not_served.contains(&listed), "{listed}");
        }
        for method in SERVED {
            let listed = LISTED.contains(&service(method));
            assert_ne!(listed, service(method) == not_listed, "{method}");
        }
        for method in REQUESTS {
            assert!(SERVED.contains(&method), "{method}");
        }
    }
}
