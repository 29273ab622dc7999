"""HTTP through the host: WASI 0.3's client. Only components of executors that import
`wasm_flow.http` have it."""

from __future__ import annotations

import asyncio
from typing import Any, Optional
from urllib.parse import urlsplit

import wit_world
from componentize_py_types import Err, Ok
from wit_world.imports import client
from wit_world.imports import wasi_http_types as wit

from .. import http
from ..http import HttpError, Response, _shown

_METHODS = {
    'GET': wit.Method_Get,
    'HEAD': wit.Method_Head,
    'POST': wit.Method_Post,
    'PUT': wit.Method_Put,
    'DELETE': wit.Method_Delete,
    'OPTIONS': wit.Method_Options,
    'PATCH': wit.Method_Patch,
}

# Bytes that are read of a body at a time.
PART = 64 << 10

_trailers = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future
_result = wit_world.result_unit_wasi_http_types_error_code_future


async def send(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout: Optional[float]
) -> Response:
    """Sends one request, and reads the response."""
    parts = urlsplit(url)
    try:
        fields = wit.Fields.from_list([(name, value.encode()) for name, value in headers])
    except Err as error:
        raise _error(url, error) from None
    options = None
    if timeout is not None:
        options = wit.RequestOptions()
        nanoseconds = max(1, round(timeout * 1e9))
        options.set_connect_timeout(nanoseconds)
        options.set_first_byte_timeout(nanoseconds)
        options.set_between_bytes_timeout(nanoseconds)
    trailers, trailers_of = _trailers(lambda: Ok(None))
    contents, contents_of = wit_world.byte_stream() if body else (None, None)
    request, sent = wit.Request.new(fields, contents_of, trailers_of, options)
    known = _METHODS.get(method)
    request.set_method(known() if known else wit.Method_Other(method))
    request.set_scheme(wit.Scheme_Https() if parts.scheme == 'https' else wit.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(f'{parts.path or "/"}{f"?{parts.query}" if parts.query else ""}')

    async def write() -> None:
        if contents is not None:
            with contents:
                await contents.write_all(body)
        await trailers.write(Ok(None))

    writing = asyncio.create_task(write())
    try:
        response = await client.send(request)
    except Err as error:
        raise _error(url, error) from None
    finally:
        with sent:
            pass
    status = response.get_status_code()
    with response.get_headers() as received:
        names = [(name, value.decode('latin-1')) for name, value in received.copy_all()]
    done, done_of = _result(lambda: Ok(None))
    stream, end = wit.Response.consume_body(response, done_of)
    content = bytearray()
    with stream:
        while not stream.writer_dropped:
            content += await stream.read(PART)
    ended = await end.read()
    if isinstance(ended, Err):
        raise _error(url, ended)
    await done.write(Ok(None))
    await writing
    return Response(status, names, bytes(content), url)


def _error(url: str, error: Any) -> HttpError:
    kind = type(error.value).__name__.removeprefix('ErrorCode_').removeprefix('HeaderError_')
    told = getattr(error.value, 'value', None)
    what = f'{_shown(url)}: {kind}' + (f' ({told})' if isinstance(told, str) and told else '')
    if kind == 'HttpRequestDenied':
        what += ". `allow.http` in the executor's table of flow.toml does not grant it"
    return HttpError(what, kind=kind)


def install() -> None:
    """Puts this client in the place of Python's own."""
    http._send = send
