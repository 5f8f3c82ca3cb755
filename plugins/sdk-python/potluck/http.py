"""HTTP requests to granted origins: `- http: https://sso.example.org`."""

import json as _json

from . import _host


class Response:
    """What came back. Any status is an answer, 500 too."""

    def __init__(self, status, headers, body):
        self.status = status
        #: In lower case; of several of one name, the last.
        self.headers = dict(headers)
        self.body = bytes(body)

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        return _json.loads(self.body)


def send(method, url, *, headers=None, body=b"", json=None, timeout=None):
    """Sends a request and follows its redirects. `json` is sent as such; seconds."""
    headers = dict(headers or {})
    if json is not None:
        body = _json.dumps(json)
        headers.setdefault("content-type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    request = _host.record(
        "http",
        "Request",
        method=method,
        url=url,
        headers=list(headers.items()),
        body=body,
        timeout_ms=None if timeout is None else int(timeout * 1000),
    )
    answer = _host.call("http", "send", request)
    return Response(answer.status, answer.headers, answer.body)


def get(url, **how):
    """A request with GET; see `send`."""
    return send("GET", url, **how)


def post(url, **how):
    """A request with POST; see `send`."""
    return send("POST", url, **how)
