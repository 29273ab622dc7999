//! One request: who asks, where it is led to, and whether it is sent again.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Response;
use tokio::time::sleep;
use url::Url;

use super::answer::{Asker, failure, finished, send, send_upload};
use super::auth::{authorize, header};
use super::body::whole;
use super::challenge::Challenge;
use super::error::{Problem, RegistryError};
use super::payload::{Payload, Progress};
use super::redirect::{Misled, authority, is_same_origin, may_lead};
use super::remote::Remote;
use super::tokens::{Action, Scope};
use crate::bounds::{ATTEMPTS, LONGEST_PAUSE, MAX_REDIRECTS, PAUSE, SILENCE};
use crate::credentials::{Login, Secret};

/// A request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    pub(super) content: Option<(&'a str, &'a Payload)>,
    pub(super) action: Action,
    /// How long an answer may take to begin.
    pub(super) patience: Duration,
}

impl Ask<'_> {
    pub(super) fn get(url: Url, accept: Option<&'static str>) -> Ask<'static> {
        Ask {
            method: Method::GET,
            url,
            accept,
            content: None,
            action: Action::Pull,
            patience: SILENCE,
        }
    }
}

impl Remote {
    /// Asks whether the registry lets the user in. Says whether it has asked who that is.
    ///
    /// # Errors
    /// When it does not, or cannot be asked.
    pub async fn enter(&self, login: Option<&Login>) -> Result<bool, RegistryError> {
        let entered = async {
            let base = self.base()?;
            // Not what was good before.
            self.client().tokens().forget(self.repository().host());
            let ask = Ask {
                action: Action::Enter,
                ..Ask::get(base.clone(), None)
            };
            let response = match self.ask_as(&ask, Some(login)).await {
                Err(Problem::Missing(_)) => {
                    return Err(Problem::NoRegistry(self.repository().host().to_owned()));
                }
                other => other?,
            };
            // Then nobody has looked at the password.
            if !is_same_origin(response.url(), &base) {
                let why = format!("it leads to {}", authority(response.url()));
                let what = "an answer at /v2/, where a registry lets users in,";
                return Err(Problem::Malformed { what, why });
            }
            let scope = self.scope(Action::Enter);
            Ok(self.client().tokens().get(&scope).is_some())
        };
        let entered = entered.await;
        entered.map_err(|problem| RegistryError::new(self.repository().host(), problem))
    }

    /// Asks for something small, and reads it. A connection that breaks is made again.
    pub(super) async fn read(
        &self,
        ask: impl Fn() -> Ask<'static>,
        what: &'static str,
        most: u64,
    ) -> Result<(Bytes, HeaderMap), Problem> {
        let mut attempt = 0;
        loop {
            let response = self.ask(&ask()).await?;
            let headers = response.headers().clone();
            match whole(response, what, most).await {
                Err(problem) if pause(&mut attempt, &problem).await => {}
                other => return other.map(|bytes| (bytes, headers)),
            }
        }
    }

    fn scope(&self, action: Action) -> Scope {
        let path = match action {
            Action::Enter => String::new(),
            _ => self.repository().path().to_owned(),
        };
        (self.repository().host().to_owned(), path, action)
    }

    /// Sends a request, with what the registry wants to know of who asks, to where it
    /// leads, and again if that may help.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, Problem> {
        self.ask_as(ask, None).await
    }

    /// As [`ask`](Self::ask); `login` is what is used instead of the stored credentials.
    async fn ask_as(
        &self,
        ask: &Ask<'_>,
        login: Option<Option<&Login>>,
    ) -> Result<Response, Problem> {
        let mut attempt = 0;
        // An upload cannot go on in the middle, and whoever sends it begins anew.
        let is_read = ask.method == Method::GET || ask.method == Method::HEAD;
        loop {
            match self.ask_once(ask, login).await {
                Err(problem) if is_read && pause(&mut attempt, &problem).await => {}
                other => return other,
            }
        }
    }

    async fn ask_once(
        &self,
        ask: &Ask<'_>,
        login: Option<Option<&Login>>,
    ) -> Result<Response, Problem> {
        let named = self.base()?;
        let scope = self.scope(ask.action);
        let kept = self.client().tokens().get(&scope);
        let mut response = self
            .follow(ask, &named, kept.as_ref().map(|kept| &kept.secret))
            .await?;
        let is_login = kept.as_ref().is_some_and(|kept| kept.is_login);
        let is_anonymous = kept.is_some() && !is_login;
        let asker = match is_login {
            true => Asker::Known,
            false => Asker::Anonymous,
        };
        let may_help = match response.status() {
            StatusCode::UNAUTHORIZED => true,
            // Somebody may have logged in since that token was given.
            StatusCode::FORBIDDEN => is_anonymous,
            _ => false,
        };
        if !may_help || !is_same_origin(response.url(), &named) {
            return finished(response, &named, asker).await;
        }
        let stored;
        let login = match login {
            Some(login) => login,
            None => {
                let host = self.repository().host();
                stored = self.client().credentials().get(host).await?;
                stored.as_ref()
            }
        };
        if response.status() == StatusCode::FORBIDDEN {
            if login.is_none() {
                return finished(response, &named, asker).await;
            }
            // Without a token the registry says again where one is to be had.
            response = self.follow(ask, &named, None).await?;
            if response.status() != StatusCode::UNAUTHORIZED
                || !is_same_origin(response.url(), &named)
            {
                return finished(response, &named, Asker::Anonymous).await;
            }
        }
        let Some(challenge) = Challenge::of(response.headers()) else {
            return Err(failure(response, Asker::of(login)).await);
        };
        let asker = match (&challenge, login) {
            // The server that gave the token has taken the password: what is missing is
            // a right, and not another password.
            (Challenge::Bearer { .. }, Some(_)) => Asker::Known,
            (_, login) => Asker::of(login),
        };
        let authorization = authorize(self.client(), &named, &scope, challenge, login).await?;
        let response = self
            .follow(ask, &named, Some(&authorization.secret))
            .await?;
        finished(response, &named, asker).await
    }

    /// Sends a request to its address, and to those that the answers name.
    async fn follow(
        &self,
        ask: &Ask<'_>,
        named: &Url,
        mut authorization: Option<&Secret>,
    ) -> Result<Response, Problem> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(ask, named, &url, authorization).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let is_read = ask.method == Method::GET || ask.method == Method::HEAD;
            let location = response.headers().get(LOCATION);
            let (true, Some(location)) = (is_read, location) else {
                return Ok(response);
            };
            let location = location.to_str().map_err(|_| Misled::Unreadable)?;
            let next = url.join(location).map_err(|_| Misled::Unreadable)?;
            may_lead(&url, &next, self.client().plain())?;
            // Whatever address another host names next was not asked for by the user.
            if !is_same_origin(named, &next) {
                authorization = None;
            }
            url = next;
        }
        Err(Misled::TooMany.into())
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        named: &Url,
        url: &Url,
        authorization: Option<&Secret>,
    ) -> Result<Response, Problem> {
        let sender = self.client().sender(named, url);
        let mut request = sender.request(ask.method.clone(), url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if is_same_origin(named, url)
            && let Some(value) = authorization.and_then(header)
        {
            request = request.header(AUTHORIZATION, value);
        }
        let Some((media_type, payload)) = ask.content else {
            // Over HTTP/1.1 the client sends no length of a body that is not there, and some
            // registries and proxies want one.
            if ask.method == Method::POST {
                request = request.header(CONTENT_LENGTH, 0);
            }
            return send(request, url, ask.patience).await;
        };
        let progress = Progress::default();
        let body = payload.body(&progress).await?;
        let request = request
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, payload.size())
            .body(body);
        send_upload(request, url, payload.size(), &progress).await
    }
}

/// Waits before another attempt; `false` if that does not help, if there have been
/// enough, or if it would be too long.
pub(crate) async fn pause(attempt: &mut u32, problem: &Problem) -> bool {
    *attempt += 1;
    let after = match problem {
        Problem::Busy { after, .. } => *after,
        _ => None,
    };
    let pause = after.unwrap_or(PAUSE * 4u32.saturating_pow(*attempt - 1));
    if !problem.may_pass() || *attempt >= ATTEMPTS || pause > LONGEST_PAUSE {
        return false;
    }
    sleep(pause).await;
    true
}
