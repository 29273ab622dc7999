//! Makes the WIT that later releases might have out of today's.
//!
//! Each example is built against a copy of `wit/` with some edits. The copies are
//! made at each build, so they cannot fall behind the original. An edit whose text
//! is not there exactly once fails the build.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const WIT: &str = "../../../wit";
/// What an executor needs of it. `world.wit` adds only WASI.
const FILES: [&str; 3] = ["bare.wit", "documents.wit", "executor.wit"];

/// In this file, this text becomes that one.
type Edit = (&'static str, &'static str, &'static str);

/// A method more on a resource.
const METHOD: &[Edit] = &[(
    "executor.wit",
    "    time-left: func() -> option<u64>;\n",
    "    time-left: func() -> option<u64>;\n
    @since(version = 0.1.5)
    trace-parent: func() -> option<string>;\n",
)];

/// Types that only new functions use, in an interface that is there and in a new one.
const TYPES: &[Edit] = &[
    (
        "documents.wit",
        "  resource document-array {\n",
        "  resource document-array {
    @since(version = 0.1.5)
    facets: func(key: string, rows: rows) -> result<list<facet>, error>;\n\n",
    ),
    (
        "documents.wit",
        "  @since(version = 0.1.0)
  record span {\n",
        "  @since(version = 0.1.5)
  record facet {
    value: string,
    count: u32,
  }

  @since(version = 0.1.0)
  record span {\n",
    ),
    (
        "executor.wit",
        "/// The host's log.\n",
        "@since(version = 0.1.5)
interface metrics {
  @since(version = 0.1.5)
  variant measure {
    count(u64),
    seconds(f64),
  }

  @since(version = 0.1.5)
  measured: func(name: string, measure: measure);
}

/// The host's log.\n",
    ),
    (
        "bare.wit",
        "  import timers;\n",
        "  import timers;
  @since(version = 0.1.5)
  import metrics;\n",
    ),
];

/// An interface that an executor may export.
const EXPORTS: &[Edit] = &[
    (
        "executor.wit",
        "/// The host's log.\n",
        "@since(version = 0.1.5)
interface snapshots {
  @since(version = 0.1.5)
  save: async func() -> result<list<u8>, string>;
}

/// The host's log.\n",
    ),
    (
        "bare.wit",
        "  export executor;\n",
        "  export executor;
  @since(version = 0.1.5)
  export snapshots;\n",
    ),
];

/// A case more of an enum that every executor's bindings have.
const ENUM_CASE: &[Edit] = &[(
    "documents.wit",
    "    mime-type,\n    modality,\n  }\n\n  /// The fields that hold one JSON",
    "    mime-type,\n    modality,\n    language,\n  }\n\n  /// The fields that hold one JSON",
)];

/// A field more of a record that an executor gives.
const RECORD_FIELD: &[Edit] = &[(
    "executor.wit",
    "    /// A JSON schema of `parameters`, empty if not known.\n",
    "    deprecated: bool,
    /// A JSON schema of `parameters`, empty if not known.\n",
)];

/// A case more of the error that functions return.
const VARIANT_CASE: &[Edit] = &[(
    "documents.wit",
    "    limit(string),\n",
    "    limit(string),\n    denied(string),\n",
)];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={WIT}");
    make("method", "0.1.5", &[METHOD])?;
    make("types", "0.1.5", &[TYPES])?;
    make("exports", "0.1.5", &[EXPORTS])?;
    make("calls", "0.1.5", &[METHOD, TYPES])?;
    make("next_line", "0.2.0", &[])?;
    make("enum_case", "0.1.5", &[ENUM_CASE])?;
    make("record_field", "0.1.5", &[RECORD_FIELD])?;
    make("variant_case", "0.1.5", &[VARIANT_CASE])
}

/// Writes the WIT for one example, and the invocation that makes its bindings.
fn make(name: &str, version: &str, edits: &[&[Edit]]) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let wit = out.join(name);
    fs::create_dir_all(&wit)?;
    for file in FILES {
        let mut text = fs::read_to_string(Path::new(WIT).join(file))?;
        let mut edit = |from: &str, to: &str| match text.matches(from).count() {
            1 => {
                text = text.replace(from, to);
                Ok(())
            }
            count => Err(format!("{file} has this {count} times: {from}")),
        };
        edit(
            "package wasm-flow:executor@0.1.0;",
            &format!("package wasm-flow:executor@{version};"),
        )?;
        for (_, from, to) in edits
            .iter()
            .copied()
            .flatten()
            .filter(|edit| edit.0 == file)
        {
            edit(from, to)?;
        }
        fs::write(wit.join(file), text)?;
    }
    // The macro takes a path only as a literal.
    let bindings = format!("wit_bindgen::generate!({{ path: {wit:?}, world: \"bare\" }});\n");
    fs::write(out.join(format!("{name}.rs")), bindings)?;
    Ok(())
}
