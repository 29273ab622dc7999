//! HTTP with WASI 0.3's client.

use std::pin::pin;

use futures_util::future::{Either, pending, select};
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode, Fields, HeaderError, Method, RequestOptions, Scheme};
use wasip3::wit_bindgen::StreamResult;
use wasip3::{wit_future, wit_stream};

use super::url::Url;
use super::{ErrorKind, HttpError, Request, Response, redirect, too_large};

/// Bytes sent or read at a time.
const CHUNK: usize = 64 << 10;

const LENGTH: &str = "content-length";

pub(super) async fn send(request: &Request) -> Result<Response, HttpError> {
    let url = &request.url;
    let not_valid =
        |what: &str| HttpError::new(ErrorKind::Protocol, format!("{what} is not valid"));
    let mut headers: Vec<_> = request
        .headers()
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect();
    // Without it the body is sent in chunks, which some servers do not read.
    let may_have_body = matches!(request.method(), "POST" | "PUT" | "PATCH");
    if request.header(LENGTH).is_none() && (may_have_body || !request.body.is_empty()) {
        let length = request.body.len().to_string();
        headers.push((LENGTH.to_owned(), length.into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|error| match error {
        HeaderError::Forbidden => HttpError::new(
            ErrorKind::Protocol,
            "a header is one that only the host may set, such as `host` or `connection`",
        ),
        error => HttpError::new(
            ErrorKind::Protocol,
            format!("the headers are not valid: {error:?}"),
        ),
    })?;

    let options = RequestOptions::new();
    if let Some(timeout) = request.limits.timeout {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // A host may ignore this and use its own timeout. `Request::send` enforces
        // ours in any case.
        let _ = options.set_connect_timeout(Some(nanoseconds));
        let _ = options.set_first_byte_timeout(Some(nanoseconds));
    }

    let (mut to_body, from_body) = wit_stream::new();
    let (trailers, from_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let contents = (!request.body.is_empty()).then_some(from_body);
    let (outgoing, _sent) = types::Request::new(headers, contents, from_trailers, Some(options));
    outgoing
        .set_method(&method_of(&request.method))
        .map_err(|()| not_valid("the method"))?;
    let scheme = if url.is_secure() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| not_valid("the scheme"))?;
    outgoing
        .set_authority(Some(url.authority()))
        .map_err(|()| not_valid("the host"))?;
    outgoing
        .set_path_with_query(Some(url.path_with_query()))
        .map_err(|()| not_valid("the path"))?;

    let exchange = async {
        let response = client::send(outgoing)
            .await
            .map_err(|error| explained(error, url))?;
        let status = response.get_status_code();
        let headers = response.get_headers().copy_all();
        let head = Response::received(status, headers);
        if redirect::is_followed(request, &head) {
            return Ok(head);
        }
        let body = read_body(response, request.limits.max_body, url).await?;
        Ok(head.with_body(body))
    };
    // The response may come before the whole body is sent. Then the rest is not
    // waited for.
    let write = async move {
        for chunk in request.body.chunks(CHUNK) {
            if !to_body.write_all(chunk.to_vec()).await.is_empty() {
                break;
            }
        }
        drop(to_body);
        pending::<()>().await;
    };
    match select(pin!(exchange), pin!(write)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => unreachable!("it is pending"),
    }
}

async fn read_body(
    response: types::Response,
    max_body: usize,
    url: &Url,
) -> Result<Vec<u8>, HttpError> {
    let (result, from_result) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut stream, trailers) = types::Response::consume_body(response, from_result);
    let mut body = Vec::new();
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let (status, read) = stream.read(buffer).await;
        buffer = read;
        if buffer.len() > max_body - body.len() {
            return Err(too_large(max_body));
        }
        body.append(&mut buffer);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    match trailers.await {
        Ok(_) => Ok(body),
        Err(error) => Err(explained(error, url).in_body()),
    }
}

fn method_of(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        _ => Method::Other(method.to_owned()),
    }
}

fn explained(error: ErrorCode, url: &Url) -> HttpError {
    let (kind, reason) = match error {
        ErrorCode::DestinationIpProhibited => {
            return HttpError::new(
                ErrorKind::Refused,
                format!(
                    "refused by the host: the name in {origin} stands for an address that is \
                     not on the Internet. If that is meant, write \
                     {{ origin = \"{origin}\", private = true }}, or with a path below it, in \
                     `http` under [executors.allow] of this executor",
                    origin = url.origin(),
                ),
            );
        }
        ErrorCode::HttpRequestDenied => {
            return HttpError::new(
                ErrorKind::Refused,
                format!(
                    "refused by the host: flow.toml does not allow {origin}{path}. To grant it, \
                     add \"{origin}\", or a path below it, to `http` under [executors.allow] of \
                     this executor",
                    origin = url.origin(),
                    path = url.path_only()
                ),
            );
        }
        ErrorCode::DnsTimeout => (ErrorKind::Timeout, "looking up the host took too long"),
        ErrorCode::ConnectionTimeout => (ErrorKind::Timeout, "connecting took too long"),
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            (ErrorKind::Timeout, "the response took too long")
        }
        ErrorCode::ConnectionWriteTimeout => {
            (ErrorKind::Timeout, "sending the request took too long")
        }
        ErrorCode::DnsError(payload) => {
            let reason = "the host could not be looked up";
            return match payload.rcode {
                Some(rcode) => HttpError::new(ErrorKind::Connect, format!("{reason}: {rcode}")),
                None => HttpError::new(ErrorKind::Connect, reason),
            };
        }
        ErrorCode::DestinationNotFound => (ErrorKind::Connect, "there is no such host"),
        ErrorCode::DestinationUnavailable => (ErrorKind::Connect, "the host is not available"),
        ErrorCode::DestinationIpUnroutable => (ErrorKind::Connect, "there is no route to the host"),
        ErrorCode::ConnectionRefused => (ErrorKind::Connect, "connection refused"),
        ErrorCode::ConnectionLimitReached => (
            ErrorKind::Connect,
            "too many connections are open; read some responses before more requests are sent",
        ),
        ErrorCode::TlsCertificateError => (ErrorKind::Tls, "the server's certificate is not valid"),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => {
            (ErrorKind::Tls, "a secure connection could not be made")
        }
        ErrorCode::ConnectionTerminated => (
            ErrorKind::Incomplete,
            "the connection was closed before a response came",
        ),
        // wasmtime reports every failure of a connection that was made like this.
        ErrorCode::HttpProtocolError => (
            ErrorKind::Incomplete,
            "the connection broke off, or the server does not speak HTTP/1.1",
        ),
        ErrorCode::HttpResponseIncomplete => {
            (ErrorKind::Incomplete, "the response is not complete")
        }
        ErrorCode::InternalError(Some(reason)) => {
            return HttpError::new(ErrorKind::Protocol, reason);
        }
        other => return HttpError::new(ErrorKind::Protocol, format!("{other:?}")),
    };
    HttpError::new(kind, reason)
}
