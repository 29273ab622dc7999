//! Jina's services over a flow.

use std::sync::Arc;

use bytes::Bytes;
use tonic::{Request, Response, Status, Streaming, async_trait};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{self as contract, Service};
use wasm_flow_document::DocumentArray;

use super::answer;
use super::call::CallStream;
use super::frame::{Answer, Frame};
use super::options::{options, trace};
use super::proto::jina_data_request_r_p_c_server::JinaDataRequestRPC;
use super::proto::jina_discover_endpoints_r_p_c_server::JinaDiscoverEndpointsRPC;
use super::proto::jina_gateway_dry_run_r_p_c_server::JinaGatewayDryRunRPC;
use super::proto::jina_info_r_p_c_server::JinaInfoRPC;
use super::proto::jina_r_p_c_server::JinaRPC;
use super::proto::jina_single_data_request_r_p_c_server::JinaSingleDataRequestRPC;
use super::proto::jina_single_document_request_r_p_c_server::JinaSingleDocumentRequestRPC;
use super::proto::{EndpointsProto, JinaInfoProto, StatusProto};
use super::stream_doc::DocumentStream;
use super::trailers::IsError;
use super::unary;
use crate::drain::Drain;

/// Implements Jina's services.
#[derive(Debug)]
pub(super) struct JinaService {
    flow: Arc<dyn Service>,
    prefetch: usize,
    max_message: usize,
    drain: Drain,
}

impl JinaService {
    pub(super) fn new(
        flow: Arc<dyn Service>,
        prefetch: usize,
        max_message: usize,
        drain: Drain,
    ) -> JinaService {
        JinaService {
            flow,
            prefetch,
            max_message,
            drain,
        }
    }

    /// The largest message, in bytes, in either direction.
    pub(super) fn max_message(&self) -> usize {
        self.max_message
    }

    /// Answers a call of one message.
    async fn unary(
        &self,
        request: Request<Streaming<Bytes>>,
        frame: fn(Bytes) -> Frame,
    ) -> Result<Response<Answer>, Status> {
        let active = self.drain.enter();
        let trace = trace(request.metadata());
        let input = request.into_inner();
        let answer =
            unary::single(&*self.flow, input, frame, self.max_message, trace, active).await?;
        let failed = answer.is_error();
        let mut response = Response::new(answer);
        if failed {
            response.extensions_mut().insert(IsError);
        }
        Ok(response)
    }
}

#[async_trait]
impl JinaRPC for JinaService {
    type CallStream = CallStream;

    async fn call(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<CallStream>, Status> {
        let options = options(request.metadata(), self.prefetch, self.max_message)?;
        Ok(Response::new(CallStream::new(
            self.flow.clone(),
            request.into_inner(),
            options,
            self.drain.enter(),
        )))
    }
}

#[async_trait]
impl JinaSingleDataRequestRPC for JinaService {
    async fn process_single_data(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Answer>, Status> {
        self.unary(request, Frame::Request).await
    }
}

#[async_trait]
impl JinaDataRequestRPC for JinaService {
    async fn process_data(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Answer>, Status> {
        self.unary(request, Frame::Parts).await
    }
}

#[async_trait]
impl JinaSingleDocumentRequestRPC for JinaService {
    type stream_docStream = DocumentStream;

    async fn stream_doc(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<DocumentStream>, Status> {
        let active = self.drain.enter();
        let trace = trace(request.metadata());
        let input = request.into_inner();
        DocumentStream::open(&*self.flow, input, self.max_message, trace, active)
            .await
            .map(Response::new)
    }
}

#[async_trait]
impl JinaDiscoverEndpointsRPC for JinaService {
    async fn endpoint_discovery(&self, _: Request<()>) -> Result<Response<EndpointsProto>, Status> {
        Ok(Response::new(EndpointsProto {
            endpoints: self.flow.endpoints(),
            write_endpoints: self.flow.write_endpoints(),
            ..EndpointsProto::default()
        }))
    }
}

#[async_trait]
impl JinaGatewayDryRunRPC for JinaService {
    async fn dry_run(&self, _: Request<()>) -> Result<Response<StatusProto>, Status> {
        let active = self.drain.enter();
        let _unanswered = active.request();
        let docs = DocumentArray::from_texts([""]);
        let response = self.flow.call(contract::Request::new(DRY_RUN, docs)).await;
        Ok(Response::new(match response.failure {
            Some(failure) => answer::status(&failure),
            None => StatusProto::default(),
        }))
    }
}

#[async_trait]
impl JinaInfoRPC for JinaService {
    async fn status(&self, _: Request<()>) -> Result<Response<JinaInfoProto>, Status> {
        // Jina also tells its environment variables here. They are not the business
        // of everybody who can reach the port.
        let versions = [
            ("wasm-flow", env!("CARGO_PKG_VERSION")),
            ("jina", "3"),
            ("docarray", "1"),
        ];
        Ok(Response::new(JinaInfoProto {
            jina: versions
                .into_iter()
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .collect(),
            envs: Default::default(),
        }))
    }
}
