//! A gateway's door: what its connections are secured with, and who may send requests.

use std::fmt;

use crate::bounds::MAX_TOKENS;
use crate::remote::{Secret, TokenError};

/// Who gets in to a gateway. By default, everybody who can reach its port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Door {
    /// What connections are secured with. None: they are not.
    pub tls: Option<ServerTls>,
    /// What calls have to bring one of. None: nothing.
    pub tokens: Option<Tokens>,
}

impl Door {
    /// Whether somebody is asked who they are.
    pub fn asks(&self) -> bool {
        let asks_for_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        asks_for_certificates || self.tokens.is_some()
    }
}

impl fmt::Display for Door {
    /// For a person: `TLS, clients with a certificate, one of 2 tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = match &self.tls {
            None => "no TLS",
            Some(ServerTls {
                client_ca: None, ..
            }) => "TLS",
            Some(_) => "TLS, clients with a certificate",
        };
        match (&self.tokens, self.asks()) {
            (Some(tokens), _) if tokens.count() == 1 => write!(f, "{tls}, a token"),
            (Some(tokens), _) => write!(f, "{tls}, one of {} tokens", tokens.count()),
            (None, true) => f.write_str(tls),
            (None, false) => write!(f, "{tls}, asks nobody who they are"),
        }
    }
}

/// What a gateway's connections are secured with. All of it is PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The gateway's certificate, and those between it and its authority's.
    pub cert: String,
    /// The key of the certificate.
    pub key: Secret,
    /// The certificates of the authorities that a client's certificate has to come from.
    /// None: clients need none.
    pub client_ca: Option<String>,
}

/// The tokens that a gateway takes. There is at least one: while a new one is handed out,
/// the one before may still be taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Secret>);

/// Why there are no [`Tokens`]. No token is part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// There is none.
    #[error("there is no token")]
    None,
    /// There are too many.
    #[error("there are {0} tokens, and at most {MAX_TOKENS} can be")]
    TooMany(usize),
    /// A line of a file is not one.
    #[error("line {line} is not a token: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        error: TokenError,
    },
}

impl Tokens {
    /// These tokens.
    ///
    /// # Errors
    /// If there are none, or too many.
    pub fn new(tokens: Vec<Secret>) -> Result<Tokens, TokensError> {
        match tokens.len() {
            0 => Err(TokensError::None),
            count if count > MAX_TOKENS => Err(TokensError::TooMany(count)),
            _ => Ok(Tokens(tokens)),
        }
    }

    /// Reads a file's text: a token on each line. Blank lines, and spaces around a token,
    /// are left out.
    ///
    /// # Errors
    /// If there is none, too many, or a line is something else.
    pub fn parse(text: &str) -> Result<Tokens, TokensError> {
        let lines = text.lines().map(str::trim).zip(1..);
        let tokens = lines
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, line)| {
                Secret::token(text).map_err(|error| TokensError::Line { line, error })
            })
            .collect::<Result<_, _>>()?;
        Tokens::new(tokens)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_lines_and_are_not_printed() {
        let tokens = Tokens::parse("hush-1\r\n\n  hush-2  \n").unwrap();
        let revealed: Vec<&str> = tokens.iter().map(Secret::reveal).collect();
        assert_eq!(revealed, ["hush-1", "hush-2"]);
        let door = Door {
            tls: Some(ServerTls {
                cert: "c".into(),
                key: Secret::new("hush-key"),
                client_ca: None,
            }),
            tokens: Some(tokens),
        };
        assert!(!format!("{door:?} {door}").contains("hush"));
        assert_eq!(door.to_string(), "TLS, one of 2 tokens");
    }

    #[test]
    fn what_is_not_a_token_is_refused_without_being_shown() {
        let error = |text: &str| Tokens::parse(text).unwrap_err().to_string();
        assert_eq!(error(" \n"), "there is no token");
        assert_eq!(
            error("fine\n\nnot this\n"),
            "line 3 is not a token: a token is of visible ASCII characters"
        );
        let many = "t\n".repeat(MAX_TOKENS + 1);
        assert_eq!(
            Tokens::parse(&many),
            Err(TokensError::TooMany(MAX_TOKENS + 1))
        );
        assert!(Tokens::parse(&"t\n".repeat(MAX_TOKENS)).is_ok());
    }

    #[test]
    fn it_is_said_who_gets_in() {
        let tls = |client_ca: Option<&str>| {
            Some(ServerTls {
                cert: String::new(),
                key: Secret::new(""),
                client_ca: client_ca.map(str::to_owned),
            })
        };
        let tokens = || Some(Tokens::parse("a").unwrap());
        for (tls, tokens, said, asks) in [
            (None, None, "no TLS, asks nobody who they are", false),
            (None, tokens(), "no TLS, a token", true),
            (tls(None), None, "TLS, asks nobody who they are", false),
            (tls(Some("")), None, "TLS, clients with a certificate", true),
            (
                tls(Some("")),
                tokens(),
                "TLS, clients with a certificate, a token",
                true,
            ),
        ] {
            let door = Door { tls, tokens };
            assert_eq!((door.to_string().as_str(), door.asks()), (said, asks));
        }
    }
}
