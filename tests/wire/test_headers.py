"""Which headers belong to a connection and which to the message."""

from __future__ import annotations

import pytest

from ruleproxy.wire.headers import frame_request, has_conflicting_framing, strip_hop_by_hop


def test_hop_by_hop_headers_go() -> None:
    """In any spelling; everything else stays as it is."""
    headers = [(b"CONNECTION", b"close"), (b"a", b"1"), (b"tE", b"x"), (b"A", b"2"), (b"Transfer-Encoding", b"chunked")]
    assert strip_hop_by_hop(headers) == [(b"a", b"1"), (b"A", b"2")]


def test_headers_that_connection_names_go() -> None:
    """From every `Connection` line, with odd spacing."""
    headers = [(b"Connection", b" X-One ,x-two"), (b"x-one", b"1"), (b"X-TWO", b"2"), (b"connection", b"x-three")]
    assert strip_hop_by_hop([*headers, (b"X-Three", b"3"), (b"x-four", b"4")]) == [(b"x-four", b"4")]


def test_framing_headers_stay_whatever_connection_says() -> None:
    """Without its length a body becomes a request of its own at the next hop."""
    headers = [(b"Connection", b"content-length, host"), (b"Host", b"a"), (b"Content-Length", b"1")]
    assert strip_hop_by_hop(headers) == headers[1:]


def test_a_request_is_framed_in_place() -> None:
    """Host and length keep their places; a wrong length is put right, encoding and expectation go."""
    headers = [
        (b"A", b"1"),
        (b"HOST", b"proxy"),
        (b"Content-length", b"9"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Expect", b"100-continue"),
        (b"B", b"2"),
    ]
    assert frame_request(headers, "POST", b"up:1", b"ab") == [
        (b"A", b"1"),
        (b"HOST", b"up:1"),
        (b"Content-length", b"2"),
        (b"B", b"2"),
    ]


@pytest.mark.parametrize(("method", "body", "length"), [("GET", b"", []), ("POST", b"", [b"0"]), ("GET", b"x", [b"1"])])
def test_a_length_is_added_where_one_is_needed(method: str, body: bytes, length: list[bytes]) -> None:
    """For a body, and for a method that has one."""
    framed = frame_request([], method, b"up", body)
    assert framed[0] == (b"Host", b"up")
    assert [value for name, value in framed if name == b"Content-Length"] == length


def test_repeated_framing_headers_become_one() -> None:
    """Two lengths or hosts, even equal ones, are not passed on."""
    headers = [(b"Host", b"a"), (b"host", b"b"), (b"Content-Length", b"1"), (b"content-length", b"1")]
    assert frame_request(headers, "POST", b"up", b"x") == [(b"Host", b"up"), (b"Content-Length", b"1")]


def test_two_framings_conflict() -> None:
    """Whatever the order and the spelling."""
    assert has_conflicting_framing([(b"TRANSFER-encoding", b""), (b"content-LENGTH", b"")])
    assert not has_conflicting_framing([(b"content-length", b""), (b"content-length", b"")])
