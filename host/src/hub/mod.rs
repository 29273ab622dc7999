//! Registries, as flows and commands use them: with this user's store, credentials and
//! rules.

mod folders;
mod labels;
mod registries;

pub(crate) use labels::{ENDPOINTS, WANTS, labels};
pub(crate) use registries::{Registries, RegistriesError};

pub(crate) use folders::{DATA_VARIABLE, data};
