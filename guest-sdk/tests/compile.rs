//! What the compiler says about mistakes in executors.
//!
//! `TRYBUILD=overwrite cargo test --release -p wasm-flow-sdk --test compile`
//! writes the expected messages again. Read them before you commit them.

#[test]
fn errors_say_what_is_allowed() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_*.rs");
    cases.compile_fail("tests/ui/fail_*.rs");
}
