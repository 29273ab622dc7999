//! Executors that were built for a later release: what VERSIONING.md says of them.
//!
//! `tests/guests/later` makes the interface of such a release out of today's.

use std::fs;
use std::path::Path;

use wasm_flow_tests::setup::later;
use wasm_flow_tests::{Finished, wasm_flow};

const LATER: &str = "wasm-flow:executor/requests@0.1.5";

/// Whether a component's bytes hold this name.
fn names(component: &Path, name: &str) -> bool {
    let bytes = fs::read(component).unwrap();
    bytes
        .windows(name.len())
        .any(|part| part == name.as_bytes())
}

fn runs(component: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let flow = format!(
        "[[executors]]\nname = \"later\"\nuses = \"{}\"\n",
        component.display()
    );
    fs::write(folder.path().join("flow.toml"), flow).unwrap();
    let mut command = wasm_flow([
        "run", "--on", "/upper", "--text", "zwölf", "--print", "text",
    ]);
    let run = Finished::successfully(command.current_dir(folder.path()));
    assert_eq!(run.stdout, "ZWÖLF\n", "{run}");
    let shown = Finished::successfully(wasm_flow(["inspect"]).arg(component));
    assert!(shown.stdout.contains("wasm-flow:executor@0.1.5"), "{shown}");
    // It says neither its version nor its SDK.
    assert!(shown.stdout.starts_with("Later\n"), "{shown}");
    assert!(!shown.stdout.contains("built with"), "{shown}");
}

#[track_caller]
fn refused(name: &str, because: &str) {
    let component = later(name);
    let refused = Finished::of(wasm_flow(["inspect"]).arg(&component));
    assert_eq!(refused.status, Some(1), "{refused}");
    let expected = format!("error: {} {because}\n", component.display());
    assert_eq!(refused.stderr, expected);
}

#[test]
fn a_method_more_that_is_not_called_is_no_obstacle() {
    let component = later("method");
    assert!(names(&component, LATER));
    runs(&component);
}

#[test]
fn types_and_interfaces_that_are_not_used_are_no_obstacle() {
    let component = later("types");
    assert!(names(&component, LATER));
    runs(&component);
}

#[test]
fn an_export_that_the_host_does_not_know_is_no_obstacle() {
    let component = later("exports");
    assert!(names(&component, "wasm-flow:executor/snapshots@0.1.5"));
    runs(&component);
}

#[test]
fn what_a_later_release_has_is_named_if_it_is_called() {
    refused(
        "calls",
        "cannot run here: it imports what this host does not provide
    wasm-flow:executor/documents@0.1.5: document-array.facets
    wasm-flow:executor/requests@0.1.5: request.trace-parent
    wasm-flow:executor/metrics@0.1.5
  it was built for wasm-flow 0.1.5, and this is 0.1.0: run it with wasm-flow 0.1.5 or later",
    );
}

#[test]
fn another_line_is_named() {
    refused(
        "next_line",
        "is not for this release: it exports wasm-flow:executor/executor@0.2.0, and this host \
         runs wasm-flow:executor/executor@0.1; run it with wasm-flow 0.2, or build it again with \
         the wasm-flow-sdk of this release, 0.1.0",
    );
}

/// What no release of this line may do, and this is why.
#[test]
fn a_type_that_has_changed_is_named() {
    let advice = "; it was built against another version of an interface: build it again with \
                  the wasm-flow-sdk of this release, 0.1.0";
    let strings = "component imports instance `wasm-flow:executor/documents@0.1.5`, but a \
                   matching implementation was not found in the linker: instance export \
                   `[method]document-array.strings` has the wrong type: type mismatch with";
    refused(
        "enum_case",
        &format!(
            "does not fit this host: {strings} parameters: expected enum of 6 names, found 7 \
             names{advice}"
        ),
    );
    refused(
        "variant_case",
        &format!(
            "does not fit this host: {strings} results: expected variant of 4 cases, found 5 \
             cases{advice}"
        ),
    );
    refused(
        "record_field",
        &format!(
            "does not fit this host: its exports: failed to convert function to given type: \
             type mismatch with results: type mismatch for field methods: expected record of 6 \
             fields, found 7 fields{advice}"
        ),
    );
}
