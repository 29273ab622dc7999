use std::collections::BTreeMap;
use std::path::Path;

use wasm_flow_import::{Options, Target, import};
use wasm_flow_manifest::{Manifest, ManifestError};

use crate::flow_toml::told;

/// Imports a text as a Jina Flow's YAML, both ways. Executors' own files are the same text.
///
/// It may not panic. What is refused has problems with places in the text. What is
/// imported is a flow.toml with no key that is not known, which the manifest's reader takes
/// or says where it is wrong: an executor that needs one that is not there does so in both.
pub fn flow_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // The importer does not count it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for target in [Target::Remote, Target::Wasm] {
        let options = Options {
            file: "flow.yml",
            from: Path::new("jina"),
            to: Path::new("flow"),
            target,
            context: BTreeMap::from([("name".to_owned(), "value".to_owned())]),
            read: &|_| Some(text.to_owned()),
        };
        match import(text, &options) {
            Ok(imported) => {
                let variable = |_: &str| Some("1".into());
                let toml = &imported.flow_toml;
                match Manifest::parse_with(toml, "flow.toml", variable) {
                    Ok(_) => {}
                    Err(ManifestError::Invalid(report)) => {
                        told(&report, "flow.toml", toml);
                        for problem in report.problems() {
                            let title = problem.title();
                            let is_own = ["not valid TOML", "unknown key", "` is missing in `"]
                                .iter()
                                .any(|words| title.contains(words));
                            assert!(!is_own, "what is imported is not read: {report}\n{toml}");
                        }
                    }
                    Err(error) => panic!("a text is not a file: {error}"),
                }
            }
            Err(report) => told(&report, "flow.yml", text),
        }
    }
}
