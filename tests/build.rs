//! Makes Rust of `host/gateway/proto` for the servers of the benchmark and of the tests
//! with TLS, as anybody would who writes such a server: with prost's own types for
//! everything.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../host/gateway/proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", proto.display());

    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).open_file("jina.proto")?;
    let mut descriptors = compiler.file_descriptor_set();
    for file in descriptors
        .file
        .iter_mut()
        .filter(|file| file.package() == "jina")
    {
        file.service.retain(|service| service.name() == "JinaRPC");
        file.message_type.retain(|message| {
            matches!(
                message.name(),
                "DataRequestProto" | "HeaderProto" | "RouteProto" | "StatusProto"
            )
        });
    }
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
