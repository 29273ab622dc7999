//! `cases/NAME.toml` must be refused with exactly `cases/NAME.txt`. To write the
//! texts anew after a change of wording, run the tests with `UPDATE=1`, and read
//! the difference.

use super::*;

/// The files of cases.
pub(super) fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    assert!(paths.len() > 10, "the cases were not found");
    paths
}

/// Compares what is printed with what is expected beside the file.
pub(super) fn compare(path: &Path, report: &Report) {
    let printed = format!("{report}\n");
    let expected = path.with_extension("txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &printed).unwrap();
    }
    assert_eq!(
        printed,
        fs::read_to_string(&expected).unwrap_or_default(),
        "{}",
        path.display()
    );
}

#[test]
fn what_is_wrong_is_reported() {
    for path in cases() {
        compare(&path, &refused(&fs::read_to_string(&path).unwrap()));
    }
}
