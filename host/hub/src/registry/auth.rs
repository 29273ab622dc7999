//! Who asks: what is sent to say it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{Asker, failure, send};
use super::body::whole;
use super::challenge::Challenge;
use super::client::Client;
use super::error::Problem;
use super::redirect::{Misled, authority, may_lead};
use super::tokens::{Action, Authorization, Scope};
use crate::bounds::{MAX_TOKEN, SILENCE};
use crate::credentials::{Login, Secret};

/// The value of the header `Authorization`.
pub(super) fn header(authorization: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(authorization.reveal()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Finds out what to send in answer to a challenge of `registry`, and keeps it for the
/// next request.
///
/// `login` is what the user has for the registry, if that is anything.
pub(super) async fn authorize(
    client: &Client,
    registry: &Url,
    scope: &Scope,
    challenge: Challenge,
    login: Option<&Login>,
) -> Result<Authorization, Problem> {
    let no_password = || Problem::NoPassword {
        host: authority(registry),
    };
    let secret = match (challenge, login) {
        (Challenge::Basic, Some(Login::Password { user, password })) => basic(user, password),
        (Challenge::Basic, _) => return Err(no_password()),
        (Challenge::Bearer { realm, service }, login) => {
            let asked = Asked {
                realm: realm.parse().map_err(|_| Misled::Unreadable)?,
                service,
            };
            asked.token(client, registry, scope, login).await?
        }
    };
    let is_login = login.is_some();
    let authorization = Authorization { secret, is_login };
    client.tokens().put(scope.clone(), authorization.clone());
    Ok(authorization)
}

pub(super) fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.reveal());
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// The server that gives tokens.
struct Asked {
    realm: Url,
    service: Option<String>,
}

/// What such a server answers. The two names are of two specifications.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Asked {
    async fn token(
        &self,
        client: &Client,
        registry: &Url,
        scope: &Scope,
        login: Option<&Login>,
    ) -> Result<Secret, Problem> {
        let realm = &self.realm;
        may_lead(registry, realm, client.plain())?;
        // Anybody between here and there could read them.
        let is_other = realm.host() != registry.host();
        if login.is_some() && realm.scheme() != "https" && is_other {
            return Err(Problem::Realm(authority(realm)));
        }
        let sender = client.sender(registry, realm);
        let request = match login {
            Some(Login::Token(token)) => {
                let mut form = Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", "wasm-flow")
                    .append_pair("refresh_token", token.reveal());
                for (name, value) in self.parameters(scope) {
                    form.append_pair(name, &value);
                }
                sender
                    .post(realm.clone())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.finish())
            }
            login => {
                let mut realm = realm.clone();
                realm.query_pairs_mut().extend_pairs(self.parameters(scope));
                let request = sender.get(realm);
                match login {
                    Some(Login::Password { user, password }) => {
                        match header(&basic(user, password)) {
                            Some(value) => request.header(AUTHORIZATION, value),
                            None => request,
                        }
                    }
                    _ => request,
                }
            }
        };
        let response = send(request, realm, SILENCE).await?;
        if !response.status().is_success() {
            // It is the registry that has the password.
            let host = authority(registry);
            return Err(match failure(response, Asker::of(login)).await {
                Problem::WrongPassword { user, .. } => Problem::WrongPassword { host, user },
                Problem::OldToken { .. } => Problem::OldToken { host },
                Problem::NoPassword { .. } => Problem::NoPassword { host },
                Problem::Forbidden {
                    text, anonymous, ..
                } => Problem::Forbidden {
                    host,
                    text,
                    anonymous,
                },
                // It is the server of tokens that has nothing there, and not the registry.
                Problem::Missing(text) => Problem::Answered {
                    host: authority(realm),
                    status: 404,
                    text,
                },
                other => other,
            });
        }
        let what = "a token";
        let body = whole(response, what, MAX_TOKEN).await?;
        let malformed = |why: String| Problem::Malformed { what, why };
        // The error of the JSON reader could show a part of the token.
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("line {} of it", error.line())))?;
        // Some servers give both, and one of them empty.
        let tokens = [answer.token, answer.access_token].into_iter().flatten();
        let token = { tokens }.find(|token| !token.is_empty());
        let token = token.ok_or_else(|| malformed("there is none in it".to_owned()))?;
        let authorization = Secret::new(format!("Bearer {token}"));
        match header(&authorization) {
            Some(_) => Ok(authorization),
            None => Err(malformed("it has control characters".to_owned())),
        }
    }

    /// The scope is what is needed here, and not what the registry says.
    fn parameters(&self, (_, repository, action): &Scope) -> Vec<(&'static str, String)> {
        let service = self.service.clone().map(|service| ("service", service));
        let actions = match action {
            Action::Enter => None,
            Action::Pull => Some("pull"),
            Action::Push => Some("pull,push"),
        };
        let scope = actions.map(|actions| ("scope", format!("repository:{repository}:{actions}")));
        service.into_iter().chain(scope).collect()
    }
}
