//! Compiles `proto/` into the messages, the services and the descriptors that
//! the gateway uses, in Rust alone: no `protoc` is needed.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use tonic_prost_build::manual::{Builder, Method, MethodBuilder, Service};

/// How a method's frames are carried: see `src/grpc/frame.rs`.
const RAW_CODEC: &str = "crate::grpc::frame::RawCodec";
const DOCUMENT_CODEC: &str = "crate::grpc::frame::DocumentCodec";
const PROST_CODEC: &str = "tonic_prost::ProstCodec";
const EMPTY: &str = "crate::grpc::proto::Empty";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_file("jina.proto")?;

    // Reflection answers with the descriptors as they are.
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    // Only jina's own messages become Rust types: documents and `Struct`s are
    // read and written by wasm-flow-document, which does not copy them.
    let mut descriptors = compiler.file_descriptor_set();
    descriptors.file.retain(|file| file.package() != "docarray");
    for file in &mut descriptors.file {
        if file.package() != "jina" {
            continue;
        }
        file.service.clear();
        file.message_type.retain(|message| {
            matches!(
                message.name(),
                "HeaderProto" | "StatusProto" | "RouteProto" | "EndpointsProto" | "JinaInfoProto"
            )
        });
    }
    let mut config = tonic_prost_build::Config::new();
    // One order for the entries of a map, so that equal answers are equal bytes.
    config.btree_map(["."]);
    config.compile_fds(descriptors)?;

    Builder::new().build_client(false).compile(&services());
    Ok(())
}

/// The services that the gateway implements, in `jina.proto`'s terms but for
/// the messages that carry documents: those are passed as raw frames.
fn services() -> Vec<Service> {
    // `Call` and `process_single_data` differ in how many messages they take.
    // On the wire a single one is a stream of one, and read as a stream the
    // handler sees what was wrong with it and can say so in its own words.
    vec![
        service("JinaRPC", raw("call", "Call").server_streaming()),
        service(
            "JinaSingleDataRequestRPC",
            raw("process_single_data", "process_single_data"),
        ),
        service(
            "JinaSingleDocumentRequestRPC",
            raw("stream_doc", "stream_doc")
                .codec_path(DOCUMENT_CODEC)
                .server_streaming(),
        ),
        service("JinaDataRequestRPC", raw("process_data", "process_data")),
        service(
            "JinaDiscoverEndpointsRPC",
            plain("endpoint_discovery", "endpoint_discovery", "EndpointsProto"),
        ),
        service(
            "JinaGatewayDryRunRPC",
            plain("dry_run", "dry_run", "StatusProto"),
        ),
        service("JinaInfoRPC", plain("status", "_status", "JinaInfoProto")),
    ]
}

fn service(name: &str, method: MethodBuilder) -> Service {
    Service::builder()
        .name(name)
        .package("jina")
        .method(method.build())
        .build()
}

fn raw(name: &str, route: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type("bytes::Bytes")
        .output_type("crate::grpc::frame::Answer")
        .codec_path(RAW_CODEC)
        .client_streaming()
}

fn plain(name: &str, route: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(EMPTY)
        .output_type(format!("crate::grpc::proto::{output}"))
        .codec_path(PROST_CODEC)
}
