//! `wasm-flow hub login` and `logout`.

use serde_json::json;
use wasm_flow_hub::credentials::Secret;

use super::password;
use super::{CommandError, Format, Plain, Result, host};
use crate::cli::terminal;

#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// The registry: registry.example.com
    #[arg(value_parser = host)]
    registry: String,
    /// The user's name there.
    #[arg(long, short)]
    username: String,
    /// Read the password from standard input, and do not ask for it.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    plain: Plain,
}

#[derive(Debug, clap::Args)]
pub(super) struct Logout {
    /// The registry: registry.example.com
    #[arg(value_parser = host)]
    registry: String,
}

pub(super) async fn login(args: Login, format: Format) -> Result<()> {
    let Login {
        registry,
        username,
        password_stdin,
        plain,
    } = args;
    let password = match password_stdin {
        true => password::from_stdin()?,
        false => {
            let prompt = format!("the password of {username} at {registry}");
            password::ask(&prompt, "give it to standard input with --password-stdin")?
        }
    };
    let registries = plain.registries(None)?;
    let stored = registries
        .hub
        .login(&registry, &username, Secret::new(password))
        .await;
    let was_asked = stored.map_err(CommandError::from)?;
    match format {
        Format::Json => terminal::json(&json!({ "registry": registry, "checked": was_asked }))?,
        Format::Text => terminal::line(&match was_asked {
            true => format!("logged in at {registry} as {username}"),
            false => format!(
                "stored the password of {username} for {registry}, which lets everybody in and \
                 has not looked at it"
            ),
        })?,
    }
    Ok(())
}

pub(super) async fn logout(args: &Logout, format: Format) -> Result<()> {
    let registries = Plain::default().registries(None)?;
    let was_there = registries.hub.logout(&args.registry).await;
    let was_there = was_there.map_err(CommandError::from)?;
    let registry = &args.registry;
    match format {
        Format::Json => terminal::json(&json!({ "registry": registry, "removed": was_there }))?,
        Format::Text => terminal::line(&match was_there {
            true => format!("logged out at {registry}"),
            false => format!("there was no password for {registry}"),
        })?,
    }
    Ok(())
}
