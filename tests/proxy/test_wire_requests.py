"""Requests reach the upstream as they came: the target's bytes, the headers' spelling, order and repetition."""

from __future__ import annotations

import pytest

from support.raw_client import RawClient
from support.recording_upstream import RecordingUpstream
from support.server_process import ServerProcess, server_process

TARGETS = [
    b"/v1/messages?beta=true",
    b"/model/arn:aws:bedrock:eu:1:inference-profile%2Fid/invoke",
    b"/model/us.anthropic.claude-v1%3A0/invoke",
    b"/model/us.anthropic.claude-v1:0/invoke",
    b"/a/./b/../c",
    b"/%2e%2e/x",
    b"//evil.example/x",
    b"/a//b///",
    b'/quotes"<>{}^|`\\',
    b"/v1/messages?a=%20&a=&b&&c=d%26?x=/../",
    b"/%zz%",
    b"/",
    b"/@host.example/x",
    b"/x#not-a-fragment",
    b"/" + b"p" * 8000,
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_goes_out_byte_for_byte(client: RawClient, upstream: RecordingUpstream, target: bytes) -> None:
    """Nothing is decoded, encoded, resolved or merged."""
    assert client.ask(target).status == 200
    assert upstream.requests[0].request_line == b"POST " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    "target", [b"*", b"http://127.0.0.1:1/p", b"@evil.example/x", b"evil.example:443", b"?a=b", b"127.0.0.1"]
)
def test_a_target_that_is_no_path_is_refused(client: RawClient, upstream: RecordingUpstream, target: bytes) -> None:
    """Joined to an origin it would be a request forged to another server."""
    answer = client.ask(target)
    assert answer.status == 400
    assert b"does not begin with /" in answer.body
    assert upstream.requests == []


def test_what_the_server_would_alter_is_refused(client: RawClient, upstream: RecordingUpstream) -> None:
    """Hypercorn drops a bare `?` and raises methods to upper case; neither happens silently."""
    assert client.ask(b"/v1/messages?").status == 400
    with RawClient(client.socket.getpeername()[1]) as other:
        other.send(b"post / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert other.read_answer().status == 400
    assert upstream.requests == []


def test_headers_keep_spelling_order_and_repetition(client: RawClient, upstream: RecordingUpstream) -> None:
    """Nothing is added, folded, lower-cased or moved; only the host is the upstream's."""
    headers = [
        b"X-UPPER: 1",
        b"anthropic-beta: a,b",
        b"Anthropic-Beta: c",
        b"x-Lower: \xe4\xff",
        b"Empty:",
        b"Cookie: a=b",
        b"Authorization: Bearer T",
        b"accept-encoding: gzip, br",
    ]
    client.ask(body=b"{}", headers=headers)
    assert upstream.requests[0].header_lines == [
        b"Host: " + upstream.place.encode(),
        *[line if line != b"Empty:" else b"Empty: " for line in headers],
        b"Content-Length: 2",
    ]
    assert upstream.requests[0].body == b"{}"


def test_hop_by_hop_headers_stay_here(client: RawClient, upstream: RecordingUpstream) -> None:
    """Those of the standard, and those that `Connection` names; but never those that frame the message."""
    client.ask(
        body=b"{}",
        headers=[
            b"Connection: keep-alive, X-Mine , content-length, host, transfer-encoding",
            b"x-mine: 1",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"TE: trailers",
            b"Trailer: x",
            b"Upgrade: foo",
            b"X-Kept: 1",
        ],
    )
    names = [line.partition(b":")[0] for line in upstream.requests[0].header_lines]
    assert names == [b"Host", b"X-Kept", b"Content-Length"]
    assert upstream.requests[0].body == b"{}"


def test_a_chunked_body_goes_out_with_its_length(client: RawClient, upstream: RecordingUpstream) -> None:
    """And the client's trailers are dropped."""
    client.send(
        b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    assert client.read_answer().status == 200
    request = upstream.requests[0]
    assert request.body == b"abcde"
    assert request.values(b"content-length") == [b"5"]
    assert b"transfer-encoding" not in request.head.lower()
    assert b"x-trailer" not in request.head.lower()


def test_no_body_is_invented(client: RawClient, upstream: RecordingUpstream) -> None:
    """A GET or HEAD without a length goes out without one; `Content-Length: 0` stays."""
    client.ask(method="GET")
    client.ask(method="HEAD")
    client.ask(method="DELETE", headers=[b"content-length: 0"])
    heads = [request.head.lower() for request in upstream.requests]
    assert b"content-length" not in heads[0]
    assert b"content-length" not in heads[1]
    assert b"content-length: 0" in heads[2]


def test_expect_is_answered_here(client: RawClient, upstream: RecordingUpstream) -> None:
    """The client gets its 100 before its body, and the upstream never hears of it."""
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(b"{}")
    assert client.read_answer().status == 200
    assert upstream.requests[0].values(b"expect") == []
    assert upstream.requests[0].body == b"{}"


def test_a_large_body_arrives_whole(client: RawClient, upstream: RecordingUpstream) -> None:
    """Three megabytes, every byte value."""
    body = bytes(range(256)) * 12_000
    assert client.ask(body=body).status == 200
    assert upstream.requests[0].body == body


def test_cookies_are_not_kept_between_clients(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """One client's Set-Cookie never reaches the next one's request."""
    upstream.answer = lambda _request: (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n",)
    for _ in range(2):
        with RawClient(server.port) as client:
            assert client.ask().values(b"set-cookie") == [b"a=1"]
    assert upstream.requests[1].values(b"cookie") == []


def test_base_paths_are_taken_off_and_put_before(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> None:
    """`--base-path` is this side's, the path of the upstream's URL is the other's; neither is decoded."""
    folder = tmp_path_factory.mktemp("base")
    with (
        server_process(folder, upstream.url + "/gw/v3/", "--base-path", "/mine") as server,
        RawClient(server.port) as client,
    ):
        assert client.ask(b"/mine/v1%2Fx?a=b").status == 200
        assert client.ask(b"/mine", method="HEAD").status == 200
        answer = client.ask(b"/mined/x")
    assert [request.request_line for request in upstream.requests] == [
        b"POST /gw/v3/v1%2Fx?a=b HTTP/1.1",
        b"HEAD /gw/v3/ HTTP/1.1",
    ]
    assert answer.status == 404
    assert b"/mine" in answer.body
