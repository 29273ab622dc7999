//! `testdata/NAME.svg`, `.mmd`, `.txt` and `.json` are what is drawn of some flows. To
//! write them anew after a change, run the tests with `UPDATE=1`, and look at them.

use std::fs;
use std::path::Path;

use super::flows;

#[track_caller]
fn compare(file: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, drawn).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(drawn == expected, "{file} is another one:\n{drawn}");
}

#[test]
fn the_forms_are_as_committed() {
    for (name, drawing) in [
        ("chain", flows::chain()),
        ("branches", flows::branches()),
        ("everything", flows::everything()),
        ("timed", flows::timed()),
        ("all_floating", flows::all_floating()),
        ("hostile", flows::hostile()),
    ] {
        compare(&format!("{name}.svg"), &drawing.svg());
        compare(&format!("{name}.mmd"), &drawing.mermaid());
        let mut text = drawing.text(Some(100));
        text += "\n--- in 48 columns\n\n";
        text += &drawing.text(Some(48));
        compare(&format!("{name}.txt"), &text);
        compare(&format!("{name}.json"), &format!("{:#}\n", drawing.json()));
    }
}
