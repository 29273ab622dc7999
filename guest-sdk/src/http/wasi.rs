//! HTTP with WASI 0.3's client.

use std::pin::pin;

use futures_util::future::{Either, pending, select};
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode, Fields, Method, RequestOptions, Scheme};
use wasip3::wit_bindgen::StreamResult;
use wasip3::{wit_future, wit_stream};

use super::{ErrorKind, Request, Response, Url};

type Failed = (ErrorKind, String);

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

pub(super) async fn send(request: Request, url: Url) -> Result<Response, Failed> {
    let Request {
        method,
        url: address,
        headers,
        body,
        timeout,
        max_body,
    } = request;
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    let headers = Fields::from_list(&headers).map_err(|error| {
        (
            ErrorKind::Protocol,
            format!("a header is not valid: {error:?}"),
        )
    })?;

    let options = RequestOptions::new();
    if let Some(timeout) = timeout {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // A host may ignore this and use its own timeout. `Request::send` enforces
        // ours in any case.
        let _ = options.set_connect_timeout(Some(nanoseconds));
        let _ = options.set_first_byte_timeout(Some(nanoseconds));
    }

    let (mut to_body, from_body) = wit_stream::new();
    let (trailers, from_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let contents = (!body.is_empty()).then_some(from_body);
    let (outgoing, _sent) = types::Request::new(headers, contents, from_trailers, Some(options));
    let refused = |what: &str| (ErrorKind::Protocol, format!("the {what} is not valid"));
    outgoing
        .set_method(&method_of(method))
        .map_err(|()| refused("method"))?;
    let scheme = if url.secure {
        Scheme::Https
    } else {
        Scheme::Http
    };
    outgoing
        .set_scheme(Some(&scheme))
        .map_err(|()| refused("scheme"))?;
    outgoing
        .set_authority(Some(&url.authority))
        .map_err(|()| refused("host"))?;
    outgoing
        .set_path_with_query(Some(&url.path))
        .map_err(|()| refused("path"))?;

    let exchange = async {
        let response = client::send(outgoing)
            .await
            .map_err(|error| explained(error, &url))?;
        let status = response.get_status_code();
        let headers = response.get_headers().copy_all();
        let body = read_body(response, max_body, &url).await?;
        Ok(Response {
            url: address,
            status,
            headers,
            body,
        })
    };
    // The response may come before the whole body is sent. Then the rest is not
    // waited for.
    let write = async move {
        if !body.is_empty() {
            to_body.write_all(body).await;
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
) -> Result<Vec<u8>, Failed> {
    let (result, from_result) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut stream, trailers) = types::Response::consume_body(response, from_result);
    let mut body = Vec::new();
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let (status, read) = stream.read(buffer).await;
        buffer = read;
        if buffer.len() > max_body - body.len() {
            return Err((
                ErrorKind::Body,
                format!(
                    "the response's body has more than {max_body} bytes: `max_body` sets the limit"
                ),
            ));
        }
        body.append(&mut buffer);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    match trailers.await {
        Ok(_) => Ok(body),
        Err(error) => {
            let (kind, reason) = explained(error, url);
            let kind = match kind {
                ErrorKind::Timeout => kind,
                _ => ErrorKind::Body,
            };
            Err((kind, format!("the response's body broke off: {reason}")))
        }
    }
}

fn method_of(method: String) -> Method {
    match method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        _ => Method::Other(method),
    }
}

fn explained(error: ErrorCode, url: &Url) -> Failed {
    let text = |kind, reason: &str| (kind, reason.to_owned());
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => (
            ErrorKind::Refused,
            format!(
                "refused by the host: flow.toml does not allow {origin}. To grant it, add \
                 \"{origin}\" to `http` under [executors.allow] of this executor",
                origin = url.origin()
            ),
        ),
        ErrorCode::DnsTimeout => text(ErrorKind::Timeout, "looking up the host took too long"),
        ErrorCode::ConnectionTimeout => text(ErrorKind::Timeout, "connecting took too long"),
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            text(ErrorKind::Timeout, "the response took too long")
        }
        ErrorCode::ConnectionWriteTimeout => {
            text(ErrorKind::Timeout, "sending the request took too long")
        }
        ErrorCode::DnsError(payload) => (
            ErrorKind::Connect,
            match payload.rcode {
                Some(rcode) => format!("the host could not be looked up: {rcode}"),
                None => "the host could not be looked up".to_owned(),
            },
        ),
        ErrorCode::DestinationNotFound => text(ErrorKind::Connect, "there is no such host"),
        ErrorCode::DestinationUnavailable => text(ErrorKind::Connect, "the host is not available"),
        ErrorCode::DestinationIpUnroutable => {
            text(ErrorKind::Connect, "there is no route to the host")
        }
        ErrorCode::ConnectionRefused => text(ErrorKind::Connect, "connection refused"),
        ErrorCode::ConnectionTerminated => text(
            ErrorKind::Connect,
            "the connection was closed before a response came",
        ),
        ErrorCode::ConnectionLimitReached => {
            text(ErrorKind::Connect, "the host has too many connections open")
        }
        ErrorCode::TlsCertificateError => {
            text(ErrorKind::Connect, "the server's certificate is not valid")
        }
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => {
            text(ErrorKind::Connect, "a secure connection could not be made")
        }
        ErrorCode::HttpResponseIncomplete => text(ErrorKind::Body, "the response is not complete"),
        ErrorCode::InternalError(Some(reason)) => (ErrorKind::Protocol, reason),
        other => (ErrorKind::Protocol, format!("{other:?}")),
    }
}
