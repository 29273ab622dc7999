//! The gRPC services of a gateway.

use std::sync::Arc;

use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use super::health::HealthService;
use super::methods::LISTED;
use super::proto;
use super::proto::jina_data_request_r_p_c_server::JinaDataRequestRPCServer;
use super::proto::jina_discover_endpoints_r_p_c_server::JinaDiscoverEndpointsRPCServer;
use super::proto::jina_gateway_dry_run_r_p_c_server::JinaGatewayDryRunRPCServer;
use super::proto::jina_info_r_p_c_server::JinaInfoRPCServer;
use super::proto::jina_r_p_c_server::JinaRPCServer;
use super::proto::jina_single_data_request_r_p_c_server::JinaSingleDataRequestRPCServer;
use super::proto::jina_single_document_request_r_p_c_server::JinaSingleDocumentRequestRPCServer;
use super::service::JinaService;
use crate::drain::Drain;

/// Health alone.
pub(super) fn health(drain: &Drain) -> Routes {
    Routes::new(HealthServer::new(HealthService::new(drain.clone())))
}

/// Jina's services, health and reflection.
pub(super) fn routes(
    service: JinaService,
    drain: &Drain,
) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        LISTED.iter().fold(
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET),
            |builder, name| builder.with_service_name(*name),
        )
    };
    let max_message = service.max_message();
    let service = Arc::new(service);

    /// Both encodings in both directions, and the bound on messages.
    macro_rules! configured {
        ($server:ident) => {
            $server::from_arc(Arc::clone(&service))
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Deflate)
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Deflate)
                .max_decoding_message_size(max_message)
        };
    }
    Ok(Routes::new(configured!(JinaRPCServer))
        .add_service(configured!(JinaSingleDataRequestRPCServer))
        .add_service(configured!(JinaDataRequestRPCServer))
        .add_service(configured!(JinaSingleDocumentRequestRPCServer))
        .add_service(configured!(JinaDiscoverEndpointsRPCServer))
        .add_service(configured!(JinaGatewayDryRunRPCServer))
        .add_service(configured!(JinaInfoRPCServer))
        .add_service(HealthServer::new(HealthService::new(drain.clone())))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
