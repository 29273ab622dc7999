//! `wasm-flow hub`: executors in registries.

mod account;
mod keygen;
mod list;
mod password;
mod prune;
mod pull;
mod push;
mod update;

use std::path::PathBuf;

use clap::Subcommand;
use wasm_flow_contract::hub::{
    HubConfig, Reference, Repository, Scope, Signers, Trust, parse_host,
};
use wasm_flow_hub::artifact::{BadAssets, NotExecutor};
use wasm_flow_hub::trust::KeyError;
use wasm_flow_hub::{HubError, HubErrorKind, Pulled};

use super::{Format, Result};
use crate::hub::{Registries, RegistriesError};

pub(super) use update::{Args as UpdateArgs, keep as keep_lock, run as update};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put an executor into a registry, and sign it.
    Push(push::Args),
    /// Take an executor out of a registry, if its signature is right.
    Pull(pull::Args),
    /// List the tags of a repository.
    List(list::Args),
    /// Store the password of a registry, where Docker's tools find it, too.
    Login(account::Login),
    /// Forget the password of a registry.
    Logout(account::Logout),
    /// Make a pair of keys, in the form of cosign's.
    Keygen(keygen::Args),
    /// Remove what was pulled and has not been used for a time.
    Prune(prune::Args),
}

/// Why a command about registries failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(
        "{0}\n\nFor once, `--key FILE` names a public key whose signature counts, and \
         `--unsigned` says that none is needed."
    )]
    Untrusted(HubError),
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    #[error("{}: {error}", path.display())]
    Key { path: PathBuf, error: KeyError },
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(transparent)]
    NotExecutor(#[from] NotExecutor),
    #[error(transparent)]
    Assets(#[from] BadAssets),
    #[error("{} is there already; choose another name", .0.display())]
    Exists(PathBuf),
    #[error(
        "nothing signs it: name your key with `--key`, or WASM_FLOW_SIGNING_KEY, or say \
         `--unsigned`; `wasm-flow hub keygen` makes a key. Who pulls it has to trust its signature"
    )]
    Unsigned,
    #[error("{0}")]
    Password(String),
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    match args.command {
        Command::Push(args) => push::run(args, format).await,
        Command::Pull(args) => pull::run(args, format).await,
        Command::List(args) => list::run(args, format).await,
        Command::Login(args) => account::login(args, format).await,
        Command::Logout(args) => account::logout(&args, format).await,
        Command::Keygen(args) => keygen::run(&args, format).await,
        Command::Prune(args) => prune::run(&args, format).await,
    }
}

/// The host of a registry, as `login` takes it.
fn host(text: &str) -> Result<String, String> {
    let expected = |_| "expected the host of a registry, as in localhost:5000".to_owned();
    parse_host(text).map_err(expected)
}

/// How registries are asked, beside what the user's configuration says.
#[derive(Debug, Default, clap::Args)]
struct Plain {
    /// A registry to ask over plain HTTP. Those of this machine are, without it.
    #[arg(long, value_name = "HOST", value_parser = host)]
    plain_http: Vec<String>,
}

impl Plain {
    /// Registries, with a rule for one repository if there is one.
    fn registries(self, trust: Option<(&Repository, Signers)>) -> Result<Registries, CommandError> {
        let rule = trust.and_then(|(repository, signers)| {
            let of: Scope = repository.to_string().parse().ok()?;
            Some(HubConfig {
                trust: vec![Trust { of, signers }],
                ..HubConfig::default()
            })
        });
        let rule = rule.as_ref().map(|config| ("the command line", config));
        Ok(Registries::open(rule, &self.plain_http)?)
    }
}

/// Whose signatures count for one command, beside what the user's configuration says.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Trusting {
    /// A public key whose signature counts, beside what the user's configuration says; may
    /// be given several times.
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Vec<PathBuf>,
    /// Take it without a signature, if the user's configuration does not want one.
    #[arg(long)]
    unsigned: bool,
    #[command(flatten)]
    plain: Plain,
}

impl Trusting {
    /// Whether one of these options is given.
    pub(super) fn is_given(&self) -> bool {
        !self.key.is_empty() || self.unsigned || !self.plain.plain_http.is_empty()
    }

    /// The executor of a reference.
    pub(super) async fn pull(self, reference: &Reference) -> Result<Pulled, CommandError> {
        let signers = match (self.key.is_empty(), self.unsigned) {
            (false, _) => Some(Signers::Keys(self.key)),
            (true, true) => Some(Signers::Nobody),
            (true, false) => None,
        };
        let trust = signers.map(|signers| (reference.repository(), signers));
        let registries = self.plain.registries(trust)?;
        let pulled = registries.pull(reference).await;
        pulled.map_err(|error| match error.kind() {
            HubErrorKind::Refused => CommandError::Untrusted(error),
            _ => error.into(),
        })
    }
}
