//! Passwords: from a variable, from standard input, or asked for.

use std::io::{IsTerminal as _, Read as _, stdin};

use super::CommandError;

/// The variables with the password of a signing key. The second is cosign's.
pub(super) const KEY_VARIABLES: [&str; 2] = ["WASM_FLOW_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// Bytes of a password.
const MOST: u64 = 64 << 10;

/// The password of a signing key. It may be empty.
pub(super) fn of_key(prompt: &str) -> Result<String, CommandError> {
    let mut said = KEY_VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    if let Some(password) = said.next() {
        return Ok(password);
    }
    ask(prompt, &format!("set {}", KEY_VARIABLES.join(" or ")))
}

/// The password of a new key. A person is asked twice: one that is mistyped opens nothing.
pub(super) fn new_of_key() -> Result<String, CommandError> {
    let password = of_key("a password for the new key, or nothing")?;
    if !stdin().is_terminal() || KEY_VARIABLES.iter().any(|name| std::env::var(name).is_ok()) {
        return Ok(password);
    }
    match of_key("the same again")? == password {
        true => Ok(password),
        false => Err(CommandError::Password(
            "the two passwords are not the same; nothing was made".to_owned(),
        )),
    }
}

/// Asks at the terminal. `otherwise` is what to do without one.
pub(super) fn ask(prompt: &str, otherwise: &str) -> Result<String, CommandError> {
    if !stdin().is_terminal() {
        let text = format!("{prompt}: there is no terminal to ask at; {otherwise}");
        return Err(CommandError::Password(text));
    }
    rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| {
        CommandError::Password(format!("{prompt}: the terminal cannot be read: {error}"))
    })
}

/// All of standard input, without the line end behind it.
pub(super) fn from_stdin() -> Result<String, CommandError> {
    let mut text = String::new();
    let read = stdin().take(MOST + 1).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > MOST => Err(CommandError::Password(
            "standard input has more than a password".to_owned(),
        )),
        Ok(_) => {
            let end = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(end);
            Ok(text)
        }
        Err(error) => Err(CommandError::Password(format!(
            "standard input cannot be read: {error}"
        ))),
    }
}
