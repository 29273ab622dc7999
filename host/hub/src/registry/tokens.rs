//! What registries have let users in with.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::credentials::Secret;

/// What a request does with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Only asks whether the registry lets this user in.
    Enter,
    Pull,
    Push,
}

/// What a token is for: a host, a repository, and what is done with it.
pub(super) type Scope = (String, String, Action);

/// What was good for the last request of the same kind.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<Scope, Authorization>>);

/// What was sent, and was good.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    pub(super) secret: Secret,
    /// Whether it came of a login. Everybody is given a token for what is public.
    pub(super) is_login: bool,
}

impl Tokens {
    pub(super) fn get(&self, scope: &Scope) -> Option<Authorization> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(scope).cloned()
    }

    pub(super) fn put(&self, scope: Scope, authorization: Authorization) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(scope, authorization);
    }

    /// Forgets all of a registry, such as when the user has another password.
    pub(super) fn forget(&self, host: &str) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(found, ..), _| found != host);
    }
}
