//! What an executor may be called.

use wasm_flow_contract::graph::GATEWAY;

use crate::bounds::MAX_NAME;

/// What stands for every open end in `needs`.
pub(crate) const ALL: &str = "all";

/// Why an executor cannot be called that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameError {
    Gateway,
    All,
    Characters,
}

impl NameError {
    pub(crate) fn title(self) -> &'static str {
        match self {
            NameError::Gateway => "an executor cannot be called `gateway`",
            NameError::All => "an executor cannot be called `all`",
            NameError::Characters => "not a name for an executor",
        }
    }

    pub(crate) fn help(self) -> String {
        match self {
            NameError::Gateway => {
                "that name stands for the flow's entry, in `needs` and in a request's routes"
                    .to_owned()
            }
            NameError::All => {
                "that word stands for every executor whose documents nobody takes, in `needs`"
                    .to_owned()
            }
            NameError::Characters => format!(
                "a letter or `_` first, then letters, digits, `_`, `-` and `.`; at most {MAX_NAME} bytes"
            ),
        }
    }
}

/// Whether an executor may be called that, and why not.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name == GATEWAY {
        return Err(NameError::Gateway);
    }
    if name == ALL {
        return Err(NameError::All);
    }
    // `name/rep-0` keys results, `name__key` keys parameters.
    let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.len() <= MAX_NAME
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    match valid {
        true => Ok(()),
        false => Err(NameError::Characters),
    }
}

/// Whether an executor may be called that.
pub(crate) fn is_name(name: &str) -> bool {
    check_name(name).is_ok()
}
