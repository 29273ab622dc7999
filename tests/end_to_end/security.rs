//! What SECURITY.md says is held to.

use std::collections::BTreeSet;
use std::fs;

use wasm_flow_tests::repository;

/// Each test that it names exists, and each of the sixty faults names one.
#[test]
fn what_is_promised_names_tests_that_exist() {
    let page = fs::read_to_string(repository().join("SECURITY.md")).unwrap();
    let mut missing = Vec::new();
    for (file, name) in page.split('`').filter_map(|text| text.split_once(".rs::")) {
        let file = format!("{file}.rs");
        let source = fs::read_to_string(repository().join(&file)).unwrap_or_default();
        if !tests_of(&source).contains(name) {
            missing.push(format!("{file} has no test {name}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| {
            line.strip_prefix("| ")
                .is_some_and(|row| row.starts_with(|first: char| first.is_ascii_digit()))
        })
        .collect();
    for (row, number) in rows.iter().zip(1..) {
        assert!(row.starts_with(&format!("| {number} | ")), "{row}");
        assert!(row.contains(".rs::"), "no test: {row}");
    }
    assert_eq!(rows.len(), 60);
}

/// The names of the tests in a file.
pub(crate) fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        match line {
            "#[test]" => is_test = true,
            _ if line.starts_with("#[tokio::test") => is_test = true,
            _ if line.starts_with("#[") || line.starts_with("//") => {}
            _ => {
                let function = line.strip_prefix("async ").unwrap_or(line);
                if let Some(name) = function.strip_prefix("fn ").filter(|_| is_test) {
                    tests.extend(name.split('(').next());
                }
                is_test = false;
            }
        }
    }
    tests
}
