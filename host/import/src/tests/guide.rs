//! docs/jina.md shows what the importer does.

use super::*;

/// The first block of code in this language, or in none, that begins with a text.
#[track_caller]
fn block(guide: &str, language: &str, begins: &str) -> String {
    let fence = format!("```{language}\n{begins}");
    let at = guide.find(&fence).unwrap_or_else(|| panic!("{fence}"));
    let text = &guide[at + "```\n".len() + language.len()..];
    text[..text.find("```").unwrap()].to_owned()
}

#[test]
fn the_guide_shows_what_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/jina.md");
    let guide = fs::read_to_string(path).unwrap();
    let flow = block(&guide, "yaml", "jtype: Flow");
    let remote = imported(&flow, Target::Remote);
    assert_eq!(remote.flow_toml, block(&guide, "toml", "# Made from"));
    assert_eq!(notes(&remote), block(&guide, "", "note: "));

    let wasm = imported(&flow, Target::Wasm).flow_toml;
    let table = block(&guide, "toml", "[[executors]]");
    for line in table.lines() {
        assert!(wasm.contains(&format!("{line}\n")), "{line}\n{wasm}");
    }
    // The commands that are to be typed are those of the comments.
    let one_line = remote.flow_toml.replace(" \\\n#    ", "");
    for line in guide
        .lines()
        .filter(|line| line.starts_with("jina executor "))
    {
        assert!(one_line.contains(line), "{line}\n{one_line}");
    }
}
