//! Who gets in to a gateway: what its connections are secured with, and which tokens its
//! calls may bring. Both can change while it serves.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;
use tokio_rustls::TlsAcceptor;
use wasm_flow_contract::door::{Door, ServerTls, Tokens};

use super::tls::{self, ServerTlsError};

/// Lets clients in to a gateway, as a [`Door`] says. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Doorkeeper(Arc<Rules>);

#[derive(Default)]
struct Rules {
    tls: RwLock<Option<TlsAcceptor>>,
    /// Empty until there are some: a gateway that wants none takes no lock for a call.
    tokens: OnceLock<RwLock<Arc<Tokens>>>,
}

/// Why a call does not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// It brings no token.
    NoToken,
    /// Its token is not one of those that are taken.
    WrongToken,
}

impl Doorkeeper {
    /// Lets in whom the door says.
    ///
    /// # Errors
    /// If its certificates or its key cannot be used.
    pub fn new(door: &Door) -> Result<Doorkeeper, ServerTlsError> {
        let doorkeeper = Doorkeeper::default();
        if let Some(tls) = &door.tls {
            doorkeeper.set_tls(tls)?;
        }
        if let Some(tokens) = &door.tokens {
            doorkeeper.set_tokens(tokens.clone());
        }
        Ok(doorkeeper)
    }

    /// Secures connections with this from now on. Those that are open stay as they are.
    ///
    /// # Errors
    /// If the certificates or the key cannot be used. Then all is as before.
    pub fn set_tls(&self, tls: &ServerTls) -> Result<(), ServerTlsError> {
        let acceptor = tls::acceptor(tls)?;
        *self.0.tls.write().unwrap_or_else(PoisonError::into_inner) = Some(acceptor);
        Ok(())
    }

    /// Takes these tokens from now on, and no others. Calls that are in flight go on.
    pub fn set_tokens(&self, tokens: Tokens) {
        let tokens = Arc::new(tokens);
        let held = self.0.tokens.get_or_init(|| RwLock::new(tokens.clone()));
        *held.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// Whether connections are secured.
    pub fn is_secure(&self) -> bool {
        self.acceptor().is_some()
    }

    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        let tls = self.0.tls.read().unwrap_or_else(PoisonError::into_inner);
        tls.clone()
    }

    fn tokens(&self) -> Option<Arc<Tokens>> {
        let tokens = self.0.tokens.get()?.read();
        Some(tokens.unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Looks whether a call with these headers may come in.
    pub(super) fn let_in(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let Some(tokens) = self.tokens() else {
            return Ok(());
        };
        let sent = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match sent {
            None => Err(Stranger::NoToken),
            Some(token) if is_one_of(token, &tokens) => Ok(()),
            Some(_) => Err(Stranger::WrongToken),
        }
    }
}

/// Whether the token is one of these. How long that takes says nothing of how much of one
/// was guessed, nor of which it is, but for its length.
fn is_one_of(token: &str, tokens: &Tokens) -> bool {
    let mut found = subtle::Choice::from(0);
    for known in tokens.iter() {
        found |= known.reveal().as_bytes().ct_eq(token.as_bytes());
    }
    found.into()
}

impl fmt::Debug for Doorkeeper {
    /// Without keys and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorkeeper")
            .field("tls", &self.is_secure())
            .field("tokens", &self.tokens())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn doorkeeper(tokens: &str) -> Doorkeeper {
        let tokens = Some(Tokens::parse(tokens).unwrap());
        Doorkeeper::new(&Door { tls: None, tokens }).unwrap()
    }

    fn sent(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn who_brings_one_of_the_tokens_is_let_in() {
        let doorkeeper = doorkeeper("one\ntwo");
        for right in ["Bearer one", "bearer two", "BEARER  one "] {
            assert_eq!(doorkeeper.let_in(&sent(right)), Ok(()), "{right}");
        }
        for wrong in [
            "Bearer on",
            "Bearer onet",
            "Bearer One",
            "Bearer ",
            "Bearer one two",
        ] {
            let refused = doorkeeper.let_in(&sent(wrong));
            assert_eq!(refused, Err(Stranger::WrongToken), "{wrong}");
        }
        for none in ["one", "Basic one", "", "Bearer"] {
            let refused = doorkeeper.let_in(&sent(none));
            assert_eq!(refused, Err(Stranger::NoToken), "{none}");
        }
        let refused = doorkeeper.let_in(&HeaderMap::new());
        assert_eq!(refused, Err(Stranger::NoToken));
        assert_eq!(Doorkeeper::default().let_in(&HeaderMap::new()), Ok(()));
    }

    #[test]
    fn other_tokens_take_the_place_of_those_before() {
        let doorkeeper = doorkeeper("one");
        let clone = doorkeeper.clone();
        doorkeeper.set_tokens(Tokens::parse("two").unwrap());
        assert_eq!(clone.let_in(&sent("Bearer two")), Ok(()));
        assert!(clone.let_in(&sent("Bearer one")).is_err());
        assert!(!format!("{clone:?}").contains("two"));
    }
}
