//! Without a host there is nobody to send a request.

use super::{ErrorKind, Request, Response, Url};

pub(super) async fn send(_request: Request, _url: Url) -> Result<Response, (ErrorKind, String)> {
    Err((
        ErrorKind::NoHost,
        "requests are sent by the host, and this is no component: run it with `wasm-flow`"
            .to_owned(),
    ))
}
