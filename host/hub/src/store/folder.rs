//! The folder that nobody else may write to.

use std::fs;
use std::path::Path;

use super::StoreError;

/// Makes a folder that is this user's alone, or looks whether the one that is there is.
pub(super) fn private(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::written(folder, 0, error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::metadata(folder).map_err(failed)?;
        if found.mode() & 0o022 != 0 {
            return Err(StoreError::Writable(folder.to_owned()));
        }
        // Nothing is written if it can be helped: somebody may want to prune a full disk.
        let process = fs::metadata("/proc/self").map(|process| process.uid());
        if process.is_ok_and(|ours| ours == found.uid()) {
            return Ok(());
        }
        // A new file's owner is who runs this process.
        let probe = tempfile::tempfile_in(folder).map_err(failed)?;
        let ours = probe.metadata().map_err(failed)?.uid();
        if found.uid() != ours {
            return Err(StoreError::Foreign(folder.to_owned()));
        }
    }
    Ok(())
}
