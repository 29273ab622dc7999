//! Makes Rust of `host/gateway/proto/docarray.proto`: prost's own types are what ours are
//! compared with.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../host/gateway/proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", proto.display());

    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).open_file("docarray.proto")?;
    let mut config = tonic_prost_build::Config::new();
    // A map whose entries have one order, so that equal messages print alike.
    config.btree_map(["."]);
    config.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
