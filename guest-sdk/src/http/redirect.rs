//! Following redirects, as browsers do.

use super::error::{Repeat, quoted_location, shown};
use super::{ErrorKind, HttpError, Request, Response, platform};

/// Headers that are secrets of one server.
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Sends a request and follows redirects.
pub(super) async fn follow(mut request: Request) -> Result<Response, HttpError> {
    let first = request.url().to_owned();
    let mut repeat = Repeat::of(request.method());
    let mut followed = 0;
    loop {
        let result = match platform::send(&request).await {
            Ok(response) => {
                let response = response.at(request.url()).repeated(repeat);
                match target(&request, &response) {
                    None => return Ok(response),
                    Some(_) if followed == request.limits.redirects => Err(HttpError::new(
                        ErrorKind::Redirect,
                        format!("there are more than {followed} redirects"),
                    )),
                    Some(location) => redirected(&mut request, response.status(), location),
                }
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                followed += 1;
                repeat = repeat.after_redirect();
            }
            Err(error) if followed == 0 => return Err(error.at(&first).repeated(repeat)),
            Err(error) => {
                let error = error.redirected_to(request.url());
                return Err(error.at(&first).repeated(repeat));
            }
        }
    }
}

/// Whether a response is a redirect that is followed. Then its body is not needed.
pub(super) fn is_followed(request: &Request, response: &Response) -> bool {
    target(request, response).is_some()
}

fn target<'a>(request: &Request, response: &'a Response) -> Option<&'a str> {
    let follows = request.limits.redirects > 0;
    (follows && matches!(response.status(), 301 | 302 | 303 | 307 | 308))
        .then(|| response.header("location"))
        .flatten()
}

/// Changes the request to the one that a redirect asks for.
fn redirected(request: &mut Request, status: u16, location: &str) -> Result<(), HttpError> {
    let impossible = |reason: String| HttpError::new(ErrorKind::Redirect, reason);
    let url = request.url.join(location).map_err(|reason| {
        impossible(format!(
            "redirected ({status}) to `{}`, which {reason}",
            quoted_location(location)
        ))
    })?;
    if request.url.is_secure() && !url.is_secure() {
        return Err(impossible(format!(
            "redirected ({status}) to {}: from `https` to `http` is not followed, because anyone \
             on the way could read it. If that does not matter, send the request there",
            shown(url.as_str())
        )));
    }
    let to_get = match status {
        301 | 302 => request.method == "POST",
        303 => !matches!(request.method.as_str(), "GET" | "HEAD"),
        _ => false,
    };
    if to_get {
        "GET".clone_into(&mut request.method);
        request.body = Vec::new();
        request
            .headers
            .retain(|(name, _)| !starts_with(name, "content-"));
    }
    if !request.url.same_origin(&url) {
        request.headers.retain(|(name, _)| {
            !SECRETS
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret))
        });
    }
    request.url = url;
    Ok(())
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
