//! What is answered, and what it means if that is not a success.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use reqwest::{RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

use super::body::{complaint, reason, silent};
use super::error::Problem;
use super::payload::Progress;
use super::redirect::{authority, is_same_origin};
use crate::bounds::{SILENCE, UPLOADED};
use crate::credentials::Login;
use crate::shown::shown;

/// Sends a request that has no long body.
pub(super) async fn send(
    request: RequestBuilder,
    url: &Url,
    patience: Duration,
) -> Result<Response, Problem> {
    match timeout(patience, request.send()).await {
        Err(_) => Err(silent(authority(url), "answered nothing", patience)),
        Ok(Err(error)) => Err(unsent(error, url)),
        Ok(Ok(response)) => Ok(response),
    }
}

/// Sends a request with a body that may take long. It may not stand still.
pub(super) async fn send_upload(
    request: RequestBuilder,
    url: &Url,
    size: u64,
    progress: &Progress,
) -> Result<Response, Problem> {
    let mut sending = std::pin::pin!(request.send());
    let mut before = 0;
    loop {
        let sent = progress.sent();
        let is_sent = sent >= size;
        let (time, did) = match is_sent {
            true => (UPLOADED, "answered nothing to an upload"),
            false => (SILENCE, "taken nothing of an upload"),
        };
        match timeout(time, &mut sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => return Err(unsent(error, url)),
            Err(_) if is_sent || progress.sent() == before => {
                return Err(silent(authority(url), did, time));
            }
            Err(_) => before = progress.sent(),
        }
    }
}

fn unsent(error: reqwest::Error, url: &Url) -> Problem {
    let host = authority(url);
    let is_connect = error.is_connect();
    let mut reason = reason(error);
    if reason.contains("UnknownIssuer") {
        reason += "; if its authority is to be trusted, add it to the system's certificates, or \
                   name a file with it in SSL_CERT_FILE";
    }
    match is_connect {
        true => Problem::Unreachable { host, reason },
        false => Problem::Broken { host, reason },
    }
}

/// Who has asked, as far as the one who answers was told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asker<'a> {
    /// Nobody with a name.
    Anonymous,
    /// Whoever has this.
    Login(&'a Login),
    /// Somebody whose login was taken before.
    Known,
    /// Somebody of whom this host knows nothing: a registry has led here.
    Led,
}

impl Asker<'_> {
    pub(super) fn of(login: Option<&Login>) -> Asker<'_> {
        login.map_or(Asker::Anonymous, Asker::Login)
    }
}

/// The answer to a request that was meant for `named`, if it is a success.
pub(super) async fn finished(
    response: Response,
    named: &Url,
    asker: Asker<'_>,
) -> Result<Response, Problem> {
    // A storage server that refuses an address has nothing to do with the password.
    let asker = match is_same_origin(response.url(), named) {
        true => asker,
        false => Asker::Led,
    };
    match response.status().is_success() {
        true => Ok(response),
        false => Err(failure(response, asker).await),
    }
}

/// What an answer means that is not a success.
pub(super) async fn failure(response: Response, asker: Asker<'_>) -> Problem {
    let host = authority(response.url());
    let status = response.status();
    let after = retry_after(response.headers());
    let text = complaint(response).await;
    match (status, asker) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Asker::Led) => Problem::Answered {
            host,
            status: status.as_u16(),
            text,
        },
        (StatusCode::UNAUTHORIZED, Asker::Login(Login::Password { user, .. })) => {
            let user = shown(user);
            Problem::WrongPassword { host, user }
        }
        (StatusCode::UNAUTHORIZED, Asker::Login(Login::Token(_))) => Problem::OldToken { host },
        (StatusCode::UNAUTHORIZED, Asker::Anonymous) => Problem::NoPassword { host },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, asker) => Problem::Forbidden {
            host,
            text,
            anonymous: matches!(asker, Asker::Anonymous),
        },
        (StatusCode::NOT_FOUND, _) => Problem::Missing(text),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
            Problem::Busy { host, after, text }
        }
        (status, _) => Problem::Answered {
            host,
            status: status.as_u16(),
            text,
        },
    }
}

/// In seconds; the form with a date is rare, and then the usual pause is made.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}
