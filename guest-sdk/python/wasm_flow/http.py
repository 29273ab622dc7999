"""HTTP for executors: `await http.get('https://api.example.com/v1/items')`.

An executor reaches what `allow.http` in flow.toml grants it, and nothing else. Without a
host, requests go through Python's own urllib.
"""

from __future__ import annotations

import json as _json
from typing import Any, Mapping, Optional, Union
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

# Redirects that are followed.
REDIRECTS = 10


class HttpError(Exception):
    """Why there is no response, or none that was asked for."""

    def __init__(self, message: str, *, kind: str, status: Optional[int] = None) -> None:
        super().__init__(message)
        # `ConnectionRefused`, `HttpRequestDenied`, `Status` ...
        self.kind = kind
        self.status = status


class Response:
    """What a server answered."""

    __slots__ = ('status', 'headers', 'content', 'url')

    # By their names in small letters; several of one name are joined by commas.
    headers: dict[str, str]

    def __init__(
        self, status: int, headers: list[tuple[str, str]], content: bytes, url: str
    ) -> None:
        self.status = status
        self.headers = {}
        for name, value in headers:
            name = name.lower()
            before = self.headers.get(name)
            self.headers[name] = value if before is None else f'{before}, {value}'
        self.content = content
        self.url = url

    @property
    def ok(self) -> bool:
        """Whether the status is not an error's."""
        return self.status < 400

    @property
    def text(self) -> str:
        """The body as text, in the encoding that its type names, or UTF-8."""
        kind = self.headers.get('content-type', '')
        _, found, encoding = kind.partition('charset=')
        name = encoding.split(';')[0].strip().strip('"') if found else 'utf-8'
        try:
            return self.content.decode(name, 'replace')
        except LookupError:
            return self.content.decode('utf-8', 'replace')

    def json(self) -> Any:
        """What the body holds as JSON."""
        return _json.loads(self.content)

    def raise_for_status(self) -> 'Response':
        """Fails if the status is an error's; else it is the response itself."""
        if not self.ok:
            raise HttpError(
                f'{_shown(self.url)} answered with the status {self.status}',
                kind='Status',
                status=self.status,
            )
        return self

    def __repr__(self) -> str:
        return f'<Response {self.status} of {len(self.content)} bytes>'


async def request(
    method: str,
    url: str,
    *,
    params: Optional[Mapping[str, Any]] = None,
    headers: Optional[Mapping[str, str]] = None,
    json: Any = None,
    data: Union[bytes, str, Mapping[str, Any], None] = None,
    timeout: Optional[float] = None,
) -> Response:
    """Sends a request, and waits for the whole response. `timeout` is in seconds, and for
    each redirect anew."""
    method = method.upper()
    body, more = _body(json, data)
    sent = {**more, **{name.lower(): value for name, value in (headers or {}).items()}}
    if params:
        parts = urlsplit(url)
        query = '&'.join(filter(None, (parts.query, urlencode(params, doseq=True))))
        url = urlunsplit(parts._replace(query=query))
    for _ in range(REDIRECTS + 1):
        _check(url)
        response = await _send(method, url, list(sent.items()), body, timeout)
        location = response.headers.get('location')
        if response.status not in (301, 302, 303, 307, 308) or location is None:
            return response
        before, url = url, urljoin(url, location)
        if urlsplit(before).netloc != urlsplit(url).netloc:
            # They are meant for the server that was asked.
            for name in ('authorization', 'cookie'):
                sent.pop(name, None)
        if response.status == 303 or response.status in (301, 302) and method == 'POST':
            method, body = 'GET', b''
            sent.pop('content-type', None)
    raise HttpError(f'{_shown(url)} redirects more than {REDIRECTS} times', kind='Redirects')


async def get(url: str, **options: Any) -> Response:
    """A GET request."""
    return await request('GET', url, **options)


async def post(url: str, **options: Any) -> Response:
    """A POST request."""
    return await request('POST', url, **options)


async def put(url: str, **options: Any) -> Response:
    """A PUT request."""
    return await request('PUT', url, **options)


async def delete(url: str, **options: Any) -> Response:
    """A DELETE request."""
    return await request('DELETE', url, **options)


def _body(json: Any, data: Any) -> tuple[bytes, dict[str, str]]:
    if json is not None:
        if data is not None:
            raise TypeError('a request has `json` or `data`, and not both')
        return _json.dumps(json).encode(), {'content-type': 'application/json'}
    if data is None:
        return b'', {}
    if isinstance(data, str):
        return data.encode(), {}
    if isinstance(data, Mapping):
        form = {'content-type': 'application/x-www-form-urlencoded'}
        return urlencode(data, doseq=True).encode(), form
    return bytes(data), {}


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise HttpError(f'{_shown(url)} is not an http:// or https:// URL', kind='Url')
    if parts.username is not None:
        raise HttpError(
            f'{_shown(url)} names a user: send the `authorization` header instead', kind='Url'
        )


def _shown(url: str) -> str:
    """A URL for a message: without its query and a user, which may be secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition('@')[2]
    return urlunsplit(parts._replace(netloc=host, query='', fragment=''))


async def _send(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout: Optional[float]
) -> Response:
    """Sends one request. In a component, the host's client takes this one's place."""
    import asyncio

    return await asyncio.to_thread(_send_plain, method, url, headers, body, timeout)


def _send_plain(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout: Optional[float]
) -> Response:
    from urllib import error as errors
    from urllib import request as plain

    class NoRedirect(plain.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    asked = plain.Request(url, data=body or None, headers=dict(headers), method=method)
    try:
        answer = plain.build_opener(NoRedirect).open(asked, timeout=timeout)
    except errors.HTTPError as error:
        answer = error
    except (errors.URLError, OSError) as error:
        raise HttpError(f'{_shown(url)} cannot be reached: {error}', kind='Connection') from error
    with answer:
        return Response(answer.status, list(answer.headers.items()), answer.read(), url)
