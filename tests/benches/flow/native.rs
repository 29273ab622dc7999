//! The server to compare with: tonic and prost as they come, no flow, no
//! sandbox.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "generated code is included below"
)]

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use serde_json::json;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming, async_trait};

/// docarray's messages.
#[allow(clippy::all, reason = "generated")]
pub(crate) mod docarray {
    include!(concat!(env!("OUT_DIR"), "/docarray.rs"));
}

/// Jina's messages and its service `JinaRPC`.
#[allow(clippy::all, reason = "generated")]
pub(crate) mod jina {
    include!(concat!(env!("OUT_DIR"), "/jina.rs"));
}

use self::docarray::document_proto::Content;
use self::jina::DataRequestProto;
use self::jina::data_request_proto::data_content_proto::Documents;
use self::jina::jina_rpc_server::{JinaRpc, JinaRpcServer};

/// The windows that the gateway has too: without them a large message waits
/// for the client's acknowledgements.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;

/// Serves until it is killed, and does the work of each request this often.
pub(crate) fn serve(times: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a scheduler");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its number");
        println!("{}", json!({ "event": "ready", "port": address.port() }));
        Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .add_service(JinaRpcServer::new(Native { times }))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
            .expect("a gRPC server");
    });
}

struct Native {
    times: u32,
}

#[async_trait]
impl JinaRpc for Native {
    type CallStream = Pin<Box<dyn Stream<Item = Result<DataRequestProto, Status>> + Send>>;

    async fn call(
        &self,
        requests: Request<Streaming<DataRequestProto>>,
    ) -> Result<Response<Self::CallStream>, Status> {
        let times = self.times;
        let answers = requests.into_inner().map(move |request| {
            let mut request = request?;
            for _ in 0..times {
                uppercase(&mut request);
            }
            Ok(request)
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The work: what the executor does.
pub(crate) fn uppercase(request: &mut DataRequestProto) {
    let documents = request
        .data
        .as_mut()
        .and_then(|data| data.documents.as_mut());
    let Some(Documents::Docs(docs)) = documents else {
        return;
    };
    for doc in &mut docs.docs {
        if let Some(Content::Text(text)) = &mut doc.content {
            *text = text.to_uppercase();
        }
    }
}
