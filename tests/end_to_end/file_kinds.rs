//! The wrong kind of file: each command says what it is, and which command takes
//! it.

use std::fs;
use std::path::Path;

use wasm_flow_tests::{Finished, guest, wasm_flow};

const PAGE: &[u8] = b"<!DOCTYPE html>\n<html><title>404</title></html>\n";
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0";
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0";
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0";
const FLOW: &[u8] = b"[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n";

/// Files of all kinds.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("page.wasm", PAGE),
        ("page.toml", PAGE),
        ("packed.gz", GZIP),
        ("archive.zip", ZIP),
        ("pointer.wasm", POINTER),
        ("pointer.toml", POINTER),
        ("native.so", ELF),
        ("text.wat", b"(module)"),
        ("empty.wasm", b""),
        ("flow.toml", FLOW),
        ("flow.yml", b"jtype: Flow\n"),
        ("crate/Cargo.toml", b"[package]\n"),
        ("crate/src/lib.rs", b"// nothing\n"),
        ("flows/flow.toml", FLOW),
        ("neither/readme", b"nothing\n"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let module = wat::parse_str("(module)").unwrap();
    fs::write(folder.path().join("module.wasm"), module).unwrap();
    fs::copy(guest("probe"), folder.path().join("x.wasm")).unwrap();
    folder
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str], message: &str) {
    let mut command = wasm_flow(arguments.iter().copied());
    let finished = Finished::of(command.current_dir(folder));
    assert_eq!(finished.status, Some(1), "{arguments:?}\n{finished}");
    assert_eq!(finished.stdout, "", "{arguments:?}\n{finished}");
    finished.complains_of(&[message]);
}

#[test]
fn in_place_of_a_flow() {
    let folder = files();
    for (file, message) in [
        (
            "x.wasm",
            "error: x.wasm is a WebAssembly component, not a flow; `wasm-flow serve x.wasm` serves \
             it alone; a flow.toml names it under [[executors]] as its `uses`",
        ),
        (
            "module.wasm",
            "error: module.wasm is a core WebAssembly module, not a flow.toml",
        ),
        (
            "flows",
            "error: flows is a folder, not a flow.toml; `wasm-flow run flows/flow.toml` takes its \
             flow",
        ),
        (
            "crate",
            "it holds an executor and no flow.toml; `wasm-flow serve crate` serves it alone",
        ),
        ("neither", "it holds no flow.toml"),
        (
            "crate/Cargo.toml",
            "is a crate's manifest, not a flow; `wasm-flow serve crate` serves an executor alone",
        ),
        (
            "flow.yml",
            "flow.yml is a YAML file; a flow is written in TOML here; `wasm-flow import flow.yml` makes \
             that of a Jina Flow",
        ),
        ("crate/src/lib.rs", "is Rust source, not a flow"),
        (
            "page.toml",
            "page.toml is an HTML page, not a flow.toml; a server sends one",
        ),
        (
            "packed.gz",
            "is a file packed with gzip, not a flow.toml; unpack it first (`gunzip`)",
        ),
        (
            "archive.zip",
            "is a zip archive, not a flow.toml; unpack it first (`unzip`)",
        ),
        (
            "pointer.toml",
            "is a git-lfs pointer, not the file that it stands for, not a flow.toml; `git lfs pull`",
        ),
        (
            "native.so",
            "is an ELF file, a program or library for a machine, not a flow.toml",
        ),
        (
            "text.wat",
            "is WebAssembly in its text format, not a flow.toml",
        ),
    ] {
        refused(folder.path(), &["run", file], message);
        refused(
            folder.path(),
            &["run", file, "--on", "/x", "--text", "a"],
            message,
        );
    }
    refused(
        folder.path(),
        &["check", "x.wasm"],
        "x.wasm is a WebAssembly component, not a flow; `wasm-flow inspect x.wasm` says what it is",
    );
    refused(
        folder.path(),
        &["check", "flows"],
        "`wasm-flow check flows/flow.toml` takes its flow",
    );
}

#[test]
fn in_place_of_an_executor() {
    let folder = files();
    for (file, message) in [
        (
            "page.wasm",
            "error: page.wasm is an HTML page, not a WebAssembly component; a server sends one",
        ),
        (
            "packed.gz",
            "is a file packed with gzip, not a WebAssembly component; unpack it first (`gunzip`)",
        ),
        (
            "archive.zip",
            "is a zip archive, not a WebAssembly component; unpack it first (`unzip`)",
        ),
        (
            "pointer.wasm",
            "is a git-lfs pointer, not the file that it stands for, not a WebAssembly component; `git lfs pull`",
        ),
        (
            "native.so",
            "is an ELF file, a program or library for a machine, not a WebAssembly component; an executor is built for wasm32-wasip2",
        ),
        (
            "text.wat",
            "text.wat is WebAssembly in its text format; `wasm-tools parse text.wat",
        ),
        (
            "empty.wasm",
            "empty.wasm is an empty file, not a WebAssembly component",
        ),
        (
            "module.wasm",
            "module.wasm is a core WebAssembly module, not a component",
        ),
        (
            "crate/src/lib.rs",
            "is Rust source, not a component; name the folder with its Cargo.toml",
        ),
        (
            "crate/Cargo.toml",
            "is a crate's manifest; name the crate's folder instead: crate",
        ),
        ("neither", "neither has no Cargo.toml"),
    ] {
        refused(folder.path(), &["serve", file], message);
        refused(folder.path(), &["inspect", file], message);
    }
    for (command, file, message) in [
        (
            "serve",
            "flow.toml",
            "flow.toml is a flow, not an executor; `wasm-flow run flow.toml` serves it",
        ),
        (
            "inspect",
            "flow.toml",
            "flow.toml is a flow, not an executor; `wasm-flow check flow.toml` looks at it",
        ),
        (
            "serve",
            "flows",
            "flows is the folder of a flow, not of an executor; `wasm-flow run flows/flow.toml` serves it",
        ),
    ] {
        refused(folder.path(), &[command, file], message);
    }
}

/// Under `uses`, the place in the flow is named too.
#[test]
fn in_a_flow() {
    let folder = files();
    for (file, message) in [
        ("page.wasm", "page.wasm is an HTML page"),
        ("pointer.wasm", "pointer.wasm is a git-lfs pointer"),
        ("empty.wasm", "empty.wasm is an empty file"),
    ] {
        let flow = format!("[[executors]]\nname = \"a\"\nuses = \"{file}\"\n");
        fs::write(folder.path().join("uses.toml"), flow).unwrap();
        for command in ["run", "check"] {
            refused(folder.path(), &[command, "uses.toml"], message);
            refused(folder.path(), &[command, "uses.toml"], "uses.toml:3:8");
        }
    }
}

/// A device may have no end. It is not read.
#[test]
fn what_is_not_a_regular_file() {
    let folder = files();
    let message = "/dev/zero is a pipe or a device, not a WebAssembly component; copy it to a file \
                   first";
    refused(folder.path(), &["inspect", "/dev/zero"], message);
    refused(folder.path(), &["serve", "/dev/zero"], message);
    let flow = "[[executors]]\nname = \"a\"\nuses = \"/dev/zero\"\n";
    fs::write(folder.path().join("uses.toml"), flow).unwrap();
    refused(folder.path(), &["check", "uses.toml"], message);
    // As a flow it is read, as far as the bound on its size.
    refused(
        folder.path(),
        &["check", "/dev/zero"],
        "larger than 1 MiB, so it is not a flow.toml",
    );
}

#[test]
fn in_place_of_a_new_folder() {
    let folder = files();
    refused(
        folder.path(),
        &["new", "shout", "--path", "archive.zip"],
        "archive.zip is a zip archive, and a new executor needs a folder of its own",
    );
}
