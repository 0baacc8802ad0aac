"""Attacks on the client's side of the proxy."""

from __future__ import annotations

from importlib.metadata import version

import orjson
import pytest

from support.raw_client import RawClient, exchange_bytes
from support.recording_upstream import RecordingUpstream
from support.server_process import ServerProcess, server_process

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_private_names_are_those_of_the_pinned_version() -> None:
    """`ruleproxy.proxy.hardening` replaces a private class of Hypercorn: look at it again before raising the pin."""
    assert version("hypercorn").startswith("0.18.")


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"transfer-encoding: Chunked\r\nCONTENT-LENGTH: 0\r\n",
        b"Connection: content-length\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_two_framings_are_refused_and_the_rest_is_not_read(
    server: ServerProcess, upstream: RecordingUpstream, framing: bytes
) -> None:
    """Content-Length with Transfer-Encoding: 400, close, and no second request comes of the bytes that follow."""
    data = exchange_bytes(server.port, b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in data.lower()
    assert data.count(b"HTTP/1.1") == 1
    assert upstream.requests == []


def test_http_2_is_not_spoken(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """`Upgrade: h2c` is answered in HTTP/1.1 and not passed on; the preface of HTTP/2 is refused."""
    with RawClient(server.port) as client:
        answer = client.ask(
            method="GET",
            headers=[b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
        )
    assert (answer.status, answer.body) == (200, b"ok")
    assert b"h2c" not in upstream.requests[0].head
    upstream.requests.clear()
    data = exchange_bytes(server.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert data.startswith(b"HTTP/1.1 505 ")
    assert upstream.requests == []


def test_websockets_are_refused(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Not forwarded, and not taken for a request; an agent that tries one first is told to ask by HTTP."""
    data = exchange_bytes(
        server.port,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    assert data.startswith(b"HTTP/1.1 426 ")
    assert b"websockets are not forwarded" in data
    assert upstream.requests == []
    server.wait_for_log(rb"GET / 426 .*\(a websocket\)")


@pytest.mark.parametrize(
    "rest",
    [
        b"\r\n",
        b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + SMUGGLED,
    ],
)
def test_a_handshake_that_is_none_ends_the_connection(
    server: ServerProcess, upstream: RecordingUpstream, rest: bytes
) -> None:
    """One answer, then the end: nobody keeps connections open by what is no websocket, and nothing behind is read."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    data = exchange_bytes(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n" + upgrade + rest)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert data.count(b"HTTP/1.1") == 1
    assert upstream.requests == []
    assert b"Traceback" not in server.log


@pytest.mark.parametrize("http_version", [b"0.9", b"2.0", b"1.2"])
def test_other_versions_are_refused(server: ServerProcess, upstream: RecordingUpstream, http_version: bytes) -> None:
    """HTTP/1.0 and 1.1 are spoken, nothing else."""
    data = exchange_bytes(server.port, b"GET / HTTP/" + http_version + b"\r\nHost: a\r\n\r\n")
    assert data.split(b" ")[1] in (b"505", b"400")
    assert upstream.requests == []


@pytest.mark.parametrize("piece", [1_000_000, 1_000])
def test_the_header_limit_holds_however_the_bytes_come(
    server: ServerProcess, upstream: RecordingUpstream, piece: int
) -> None:
    """64 KiB for request line and headers, in one write or in many."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * 990) for i in range(66)) + b"\r\n"
    with RawClient(server.port) as client:
        for start in range(0, len(head), piece):
            client.send(head[start : start + piece])
        assert client.read_answer().status == 431
    assert upstream.requests == []


def test_headers_below_the_limit_pass(client: RawClient, upstream: RecordingUpstream) -> None:
    """60 kB of headers reach the upstream."""
    headers = [b"X-%d: %s" % (i, b"v" * 1000) for i in range(60)]
    assert client.ask(headers=headers).status == 200
    assert upstream.requests[0].values(b"x-59") == [b"v" * 1000]


@pytest.mark.parametrize("length", [b"67108865", b"18446744073709551621"])
def test_a_body_that_says_it_is_too_large_is_refused_unread(
    client: RawClient, upstream: RecordingUpstream, length: bytes
) -> None:
    """413 in the client's format, also for a length beyond 64 bits, without waiting for the body."""
    client.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + b"\r\n\r\n{")
    answer = client.read_answer()
    assert answer.status == 413
    assert orjson.loads(answer.body)["error"]["type"] == "request_too_large"
    assert upstream.requests == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_large_is_refused(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream, chunked: bool
) -> None:
    """The limit is the setting's; the client that is still sending gets to read the answer."""
    folder = tmp_path_factory.mktemp("limit")
    with (
        server_process(folder, upstream.url, settings="[limits]\nbody = 1000\n") as server,
        RawClient(server.port) as client,
    ):
        if chunked:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send((b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 20_000)
        else:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
        answer = client.read_answer()
    assert answer.status == 413
    assert b"1000 bytes" in answer.body
    assert upstream.requests == []


def test_a_body_that_stops_coming_is_given_up(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> None:
    """408 after `timeouts.client` seconds without a byte."""
    folder = tmp_path_factory.mktemp("slow")
    with (
        server_process(folder, upstream.url, settings="[timeouts]\nclient = 0.3\n") as server,
        RawClient(server.port) as client,
    ):
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{")
        assert client.read_answer().status == 408
    assert upstream.requests == []


MALFORMED = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost : a\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n",
    b"PO(ST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
def test_malformed_requests_are_refused(
    server: ServerProcess, upstream: RecordingUpstream, request_bytes: bytes
) -> None:
    """A 4xx or 501, the connection ends, and the upstream hears nothing."""
    data = exchange_bytes(server.port, request_bytes + SMUGGLED)
    assert data.split(b" ")[1] in (b"400", b"501")
    assert data.count(b"HTTP/1.1") == 1
    assert upstream.requests == []


@pytest.mark.parametrize("size", [b"zz", b"-1", b"+1", b" 1", b"0x1", b"1_0", b"f" * 21])
def test_a_bad_chunk_ends_the_connection(server: ServerProcess, upstream: RecordingUpstream, size: bytes) -> None:
    """Neither the request nor what follows it goes on."""
    data = exchange_bytes(
        server.port,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\na\r\n0\r\n\r\n" + SMUGGLED,
    )
    assert data.count(b"HTTP/1.1") <= 1
    assert upstream.requests == []


def test_bare_line_feeds_and_folds_are_normalised(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """They are accepted, and what goes on is spelled as the standard says."""
    with RawClient(server.port) as client:
        client.send(b"GET / HTTP/1.1\nHost: a\nX-Fold: one\r\n  two\r\n\r\n")
        assert client.read_answer(method="GET").status == 200
    head = upstream.requests[0].head
    assert b"X-Fold: one two" in head
    assert head.replace(b"\r\n", b"").count(b"\n") == 0


def test_requests_in_a_row_are_answered_in_turn(client: RawClient, upstream: RecordingUpstream) -> None:
    """Three requests in one write are three requests."""
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(3)))
    for _ in range(3):
        assert client.read_answer(method="GET").body == b"ok"
    assert [request.request_line.split(b" ")[1] for request in upstream.requests] == [b"/0", b"/1", b"/2"]
