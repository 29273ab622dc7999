//! Makes Rust of `host/gateway/proto`: prost's own types are what ours are compared
//! with.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../host/gateway/proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", proto.display());

    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).open_file("jina.proto")?;
    let mut config = tonic_prost_build::Config::new();
    // A map whose entries have one order, so that equal messages print alike.
    config.btree_map(["."]);
    let mut descriptors = compiler.file_descriptor_set();
    for file in &mut descriptors.file {
        if file.package() != "jina" {
            continue;
        }
        file.service.clear();
        file.message_type.retain(|message| {
            matches!(
                message.name(),
                "DataRequestProto" | "HeaderProto" | "StatusProto" | "RouteProto"
            )
        });
    }
    config.compile_fds(descriptors)?;
    Ok(())
}
