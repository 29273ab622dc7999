//! Where this user's things are.

use std::path::PathBuf;

/// The variable with the folder to use instead of the user's data.
pub(crate) const DATA_VARIABLE: &str = "WASM_FLOW_DATA";
/// The variable with the file to use instead of the user's configuration.
pub(crate) const CONFIG_VARIABLE: &str = "WASM_FLOW_CONFIG";

fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// A folder of the user's: what a variable names, or one below the home folder.
fn below_home(name: &str, otherwise: &[&str]) -> Option<PathBuf> {
    variable(name)
        .filter(|path| path.is_absolute())
        .or_else(|| {
            let home = std::env::home_dir()?;
            Some(otherwise.iter().fold(home, |path, part| path.join(part)))
        })
        .filter(|path| path.is_absolute())
}

/// Where what the program keeps for this user is. None if no variable says.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = match variable(DATA_VARIABLE) {
        // Not that folder itself: it may hold other things, and be shared.
        Some(folder) => std::path::absolute(folder).ok()?,
        None => below_home("XDG_DATA_HOME", &[".local", "share"])?,
    };
    Some(folder.join("wasm-flow"))
}

/// The user's configuration, which need not be there. None if no variable says where.
pub(crate) fn config() -> Option<PathBuf> {
    variable(CONFIG_VARIABLE).or_else(|| {
        let folder = below_home("XDG_CONFIG_HOME", &[".config"])?;
        Some(folder.join("wasm-flow").join("config.toml"))
    })
}
