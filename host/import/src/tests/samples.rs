//! `samples/NAME.yml` becomes `NAME.remote.toml` and `NAME.wasm.toml`, with the notes of
//! `NAME.txt`. To write them anew, run the tests with `UPDATE=1`, and read the difference.

use serde_json::Value;
use wasm_flow_manifest::{Manifest, ManifestError};

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

/// The manifest's reader takes what is written, but for what it cannot know yet. As soon
/// as it knows a key, or takes `grpc://`, nothing of that is let pass.
#[track_caller]
pub(super) fn read_back(flow_toml: &str) {
    let variable = |_: &str| Some("1".into());
    let report = match Manifest::parse_with(flow_toml, "flow.toml", variable) {
        Ok(_) => return,
        Err(ManifestError::Invalid(report)) => report,
        Err(error) => panic!("{error}"),
    };
    let remote = [
        "remote executors (grpc://) are not supported yet",
        "`uses` cannot be grpcs://",
    ];
    let unknown: Vec<String> = KEYS_TO_COME
        .iter()
        .filter(|key| !is_known(key))
        .map(|key| format!("unknown key `{key}` in `[[executors]]`"))
        .collect();
    for problem in report.problems() {
        let title = problem.title();
        let is_to_come =
            (remote.contains(&title) && !takes_remote()) || unknown.iter().any(|key| key == title);
        assert!(is_to_come, "{report}\n{flow_toml}");
    }
}

/// Keys that the importer writes and the manifest may not know yet.
const KEYS_TO_COME: [&str; 5] = [
    "shards",
    "polling",
    "uses_before",
    "uses_after",
    "timeout_send",
];

fn is_known(key: &str) -> bool {
    let schema: Value = wasm_flow_manifest::schema();
    let executor = &schema["properties"]["executors"]["items"]["properties"];
    executor.get(key).is_some()
}

fn takes_remote() -> bool {
    let text = "[[executors]]\nname = \"a\"\nuses = \"grpc://127.0.0.1:1\"\n";
    Manifest::parse(text, "flow.toml").is_ok()
}
