//! HTTP without a host: nothing can send a request.

use super::{ErrorKind, Request, Response, Url};

pub(super) async fn send(_request: Request, _url: Url) -> Result<Response, (ErrorKind, String)> {
    Err((
        ErrorKind::NoHost,
        "only a host can send requests, and there is none here: run the executor with `wasm-flow`"
            .to_owned(),
    ))
}
