//! What the compiler says of executors that are wrong.
//!
//! `TRYBUILD=overwrite cargo test -p wasm-flow-sdk --test compile` writes the
//! expected messages anew; read them before they go in.

#[test]
fn errors_say_what_is_allowed() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_*.rs");
    cases.compile_fail("tests/ui/fail_*.rs");
}
