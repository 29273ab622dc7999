//! `cases/NAME.yml` must be refused with exactly `cases/NAME.txt`. `UPDATE=1` writes the
//! texts anew.

use super::*;

#[test]
fn what_is_wrong_is_reported() {
    for path in files("cases") {
        let text = fs::read_to_string(&path).unwrap();
        let mut reports: Vec<String> = Vec::new();
        for (_, target) in TARGETS {
            match import(&text, &options(&folder("cases"), target, &read_file)) {
                Ok(imported) => panic!("{}: {}", path.display(), imported.flow_toml),
                Err(report) => reports.push(format!("{report}\n")),
            }
        }
        assert_eq!(reports[0], reports[1], "{}", path.display());
        compare(&path.with_extension("txt"), &reports[0]);
    }
}
