//! The `[flow]` table.

use std::path::Path;

use crate::tables::FlowTable;

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
