"""The reader of answers: strict, indifferent to how the bytes are cut, and of one mind with h11."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.proxy.response_reader import BadResponse, ResponseReader, Truncated

HEADS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.0 404 Not Found\r\n",
        b"HTTP/1.1 204 x\r\n",
        b"HTTP/1.1 304 \r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/2.0 200 OK\r\n",
        b"http/1.1 200 OK\r\n",
        b"HTTP/1.1 20 OK\r\n",
    ]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 5\r\n",
            b"content-length: 5, 5\r\n",
            b"Content-Length: 0\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 5_0\r\n",
            b"Content-Length:\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: gzip\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n",
            b"Connection: close\r\n",
            b"X-Empty:\r\n",
            b"X-Bad\r\n",
            b"X Bad: 1\r\n",
            b"X-Bad : 1\r\n",
            b" folded\r\n",
            b"X-Latin: \xe4\xff\r\n",
            b"X: a\x00\r\n",
            b"X-Bare: lf\n",
        ]
    ),
    max_size=3,
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"hel",
        b"hello!",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\nmore",
        b"5\r\nhellothere\r\n0\r\n\r\n",
        b"05 \r\nhello\r\n0\r\n\r\n",
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhel",
    ]
)
ANSWERS = st.builds(lambda head, headers, body: head + b"".join(headers) + b"\r\n" + body, HEADS, HEADERS, BODIES)
Outcome = tuple[object, ...]


def read(data: bytes, cuts: list[int], method: str = "GET") -> Outcome:
    """Feed the bytes in pieces, then the end of the connection: what was understood, or "bad"."""
    reader = ResponseReader(method)
    body = b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        for start, stop in pairwise(edges):
            body += b"".join(reader.feed(data[start:stop])) if stop > start else b""
        if not reader.complete:
            reader.end()
    except BadResponse:
        return ("bad",)
    assert reader.head is not None
    return (reader.head.status, reader.head.headers, body, reader.excess, reader.persistent)


def read_with_h11(data: bytes, method: str) -> Outcome:
    """The same by h11's client."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    status, headers, body = 0, [], b""
    try:
        connection.receive_data(data)
        closed = False
        while True:
            event = connection.next_event()
            match event:
                case h11.Response():
                    status, headers = event.status_code, event.headers.raw_items()
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    return (status, headers, body)
                case h11.NEED_DATA if not closed:
                    closed = True
                    connection.receive_data(b"")
                case h11.InformationalResponse():
                    pass
                case _:
                    return ("bad",)
    except h11.RemoteProtocolError:
        return ("bad",)


@given(ANSWERS, st.lists(st.integers(0, 300), max_size=6), st.sampled_from(["GET", "HEAD"]))
def test_it_does_not_matter_where_the_bytes_are_cut(data: bytes, cuts: list[int], method: str) -> None:
    """One piece or seven: the same head, the same body, the same verdict."""
    assert read(data, cuts, method) == read(data, [], method)


@given(ANSWERS)
def test_byte_by_byte_is_the_same(data: bytes) -> None:
    """Every state survives being entered with a single byte."""
    assert read(data, list(range(len(data)))) == read(data, [])


@settings(max_examples=500)
@given(ANSWERS, st.sampled_from(["GET", "HEAD"]))
def test_what_it_accepts_h11_reads_the_same(data: bytes, method: str) -> None:
    """An independent judge: no answer is read here in another way than there."""
    outcome = read(data, [], method)
    if outcome == ("bad",):
        return
    status, headers, body, *_ = outcome
    other = read_with_h11(data, method)
    if b"transfer-encoding" in data.lower() and b"content-length" in data.lower():
        # The length is dropped here where both are said; h11 keeps the line.
        assert other == ("bad",) or (other[0], other[2]) == (status, body)
        return
    assert isinstance(headers, list)
    assert other[0] == status
    assert other[2] == body
    # h11 joins equal lengths into one line.
    assert {name.lower() for name, _ in headers} == {name.lower() for name, _ in other[1]}  # type: ignore[attr-defined]


BAD = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n folded first: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x1bb\r\n\r\n",
    b"HTTP/3 200 OK\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 16 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
]


@pytest.mark.parametrize("data", BAD)
def test_what_is_not_an_answer_is_refused(data: bytes) -> None:
    """Lengths and encodings that may be read in two ways, heads and chunks that are none, and floods."""
    with pytest.raises(BadResponse):
        ResponseReader("GET").feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
def test_an_early_end_is_told(data: bytes) -> None:
    """Within the head, the length, a chunk or the trailers."""
    reader = ResponseReader("GET")
    if data:
        reader.feed(data)
    with pytest.raises(Truncated):
        reader.end()


def test_folds_become_a_space() -> None:
    """RFC 9112 5.2."""
    reader = ResponseReader("GET")
    reader.feed(b"HTTP/1.1 200 OK\r\nX: one\r\n\t two\r\nContent-Length: 0\r\n\r\n")
    assert reader.head is not None
    assert reader.head.headers[0] == (b"X", b"one two")


def test_a_head_may_come_byte_by_byte() -> None:
    """A quarter of a megabyte of it, and of a trailer: what came before is not looked at again for each byte."""
    reader = ResponseReader("GET")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + b"a: b\r\n" * 40_000 + b"\r\n"
    for at in range(len(head)):
        assert reader.head is None
        assert not reader.feed(head[at : at + 1])
    assert reader.head is not None
    assert len(reader.head.headers) == 40_001
    for byte in b"0\r\nx: " + b"y" * 250_000 + b"\r\n\r\n":
        assert not reader.complete
        reader.feed(bytes((byte,)))
    assert reader.complete
