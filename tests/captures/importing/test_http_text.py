"""Captures from raw requests, as tools save them and as people type them."""

from __future__ import annotations

import pytest

from ruleproxy.captures.importing.found import CannotImport
from ruleproxy.captures.importing.http_text import looks_like_http, read_http


@pytest.mark.parametrize(
    ("text", "method", "path", "body"),
    [
        (b"POST /v1/x?beta=true HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", "POST", b"/v1/x?beta=true", b"{}"),
        (b"POST /x HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}\n", "POST", b"/x", b"{}"),
        (b"POST /x HTTP/1.1\nHost: a\n\n{}\n", "POST", b"/x", b"{}"),
        (b"POST /x HTTP/1.1\nHost: a\n\n\n\n{}", "POST", b"/x", b"\n\n{}"),
        (b"GET /a%2Fb", "GET", b"/a%2Fb", b""),
        (b"\nGET https://a.example/x?y\naccept: */*\n", "GET", b"/x?y", b""),
        (b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n", "POST", b"/", b"abcd"),
        (b"PUT / HTTP/1.1\r\n\r\n\x00\xff", "PUT", b"/", b"\x00\xff"),
    ],
)  # fmt: skip
def test_requests(text: bytes, method: str, path: bytes, body: bytes) -> None:
    """Method, target and body are what stands there; framing of one connection goes."""
    assert looks_like_http(text)
    made = read_http(text).request
    assert (made.method, made.path, made.body) == (method, path, body)
    assert not any(name.lower() == b"transfer-encoding" for name, _ in made.headers)


def test_an_absolute_target_says_where_to() -> None:
    """The origin of a URL is kept, and its host is a header."""
    made = read_http(b"GET http://[::1]:8080/x HTTP/1.1\r\n\r\n")
    assert made.sent is not None
    assert made.sent.origin == "http://[::1]:8080"
    assert made.request.headers == [(b"Host", b"[::1]:8080")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", "says 5 bytes, and only 3 follow"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabc", "says 2 bytes, and 3 follow"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nabc", "'x'"),
        (b"POST / HTTP/1.1\r\nno header\r\n\r\n", "line 2 is no header: 'no header'"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "not as long as it says"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "has no size"),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc", "the content-length is '999"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n", "more follows: 'HTTP/1.1 200 OK'"),
        (b"POST / HTTP/1.1\r\nHost: h\r\n\r\n{}\r\n\r\nHTTP/1.1 200 OK\r\n", "more follows: 'HTTP/1.1 200 OK'"),
        (b"GET /a HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\nHost: h\n\n", "more follows: 'GET /b HTTP/1.1'"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: y\r\n\r\nHTTP/1.1 200 OK\r\n",
            "more follows: 'HTTP/1.1 200 OK'",
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "'gzip, chunked' is not read"),
        (b"GET ftp://a/ HTTP/1.1\r\n\r\n", "no URL of http"),
    ],
)
def test_damage_is_named(text: bytes, said: str) -> None:
    """A request that is not what it says of itself is refused."""
    with pytest.raises(CannotImport, match=said):
        read_http(text)


@pytest.mark.parametrize("text", [b"{}", b"curl https://a.example", b"hello world", b"", b"Get on with it"])
def test_other_texts(text: bytes) -> None:
    """Prose and commands are no requests."""
    assert not looks_like_http(text)
