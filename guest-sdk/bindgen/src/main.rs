//! Prints the bindings of the WIT world `bare`, which `wasm-flow-sdk` keeps as
//! `src/bindings/bare.rs`: so an author's first build does not compile the generator.
//! `tests/bindings.rs` compares, and writes the file.

use std::error::Error;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::Opts;

fn main() -> Result<(), Box<dyn Error>> {
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some("bare"))?;
    let options = Opts {
        pub_export_macro: true,
        export_macro_name: Some("export_bare".to_owned()),
        default_bindings_module: Some("wasm_flow_sdk::__private::bindings".to_owned()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    for (_, content) in files.iter() {
        for line in std::str::from_utf8(content)?.lines() {
            println!("{}", line.trim_end());
        }
    }
    Ok(())
}
