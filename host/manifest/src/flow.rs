//! The `[flow]` table.

use std::path::Path;

use serde_json::json;

use crate::kinds::{Format, members};
use crate::report::Refusal;
use crate::tables::FlowTable;

/// `name`.
pub(crate) const FLOW_NAME: Format<String> = Format {
    parse: |text| match text.trim() {
        "" => Err(Refusal::new("the flow's `name` is empty")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "pattern": r"\S" })),
};

/// The flow's name, or else the name of the file's folder.
pub(crate) fn name(table: Option<FlowTable>, path: &Path) -> String {
    let given = table.and_then(|FlowTable { name }| name);
    given.map_or_else(|| folder_name(path), |name| name.value)
}

fn folder_name(path: &Path) -> String {
    std::path::absolute(path)
        .ok()
        .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "flow".to_owned())
}
