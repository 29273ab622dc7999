//! HTTP without a host: a test answers the requests.

use super::{ErrorKind, HttpError, Request, Response, redirect, too_large};
use crate::testing::http;

pub(super) async fn send(request: &Request) -> Result<Response, HttpError> {
    let answers = http::current().ok_or(ErrorKind::NoHost)?;
    let response = answers.answer(request).await?;
    if request.method() == "HEAD" || redirect::is_followed(request, &response) {
        return Ok(response.with_body(Vec::new()));
    }
    if response.bytes().len() > request.limits.max_body {
        return Err(too_large(request.limits.max_body));
    }
    Ok(response)
}
