//! `samples/NAME.yml` becomes `NAME.remote.toml` and `NAME.wasm.toml`, with the notes of
//! `NAME.txt`. To write them anew, run the tests with `UPDATE=1`, and read the difference.

use wasm_flow_manifest::Manifest;

use super::*;

#[test]
fn flows_as_people_write_them() {
    for path in files("samples") {
        let text = fs::read_to_string(&path).unwrap();
        let mut all_notes = String::new();
        for (name, target) in TARGETS {
            let imported = imported(&text, target);
            compare(
                &path.with_extension(format!("{name}.toml")),
                &imported.flow_toml,
            );
            all_notes += &format!("{name}\n{}", notes(&imported));
            read_back(&imported.flow_toml);
        }
        compare(&path.with_extension("txt"), &all_notes);
    }
}

/// The manifest's reader takes what is written.
#[track_caller]
pub(super) fn read_back(flow_toml: &str) {
    let variable = |_: &str| Some("1".into());
    if let Err(error) = Manifest::parse_with(flow_toml, "flow.toml", variable) {
        panic!("{error}\n{flow_toml}");
    }
}
