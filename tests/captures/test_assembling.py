"""Putting together what was kept of an exchange: readable, cut to size, with nothing that hides a credential."""

from __future__ import annotations

import gzip

import pytest

from ruleproxy.captures.assembling import KeptBody, assemble_request, assemble_response
from ruleproxy.captures.capture import CapturedEvent
from ruleproxy.messages.message import Headers
from support.packing import pack

STREAM: Headers = [(b"Content-Type", b"text/event-stream; charset=utf-8")]
EVENTS = b"event: ping\ndata: {}\n\n: comment\n\ndata: [DONE]\n\n"


def kept(*pieces: bytes, limit: int = 1000) -> KeptBody:
    """A body that came in pieces, one a millisecond."""
    body = KeptBody(limit)
    for at_ms, piece in enumerate(pieces):
        body.add(at_ms, piece)
    return body


@pytest.mark.parametrize("headers", [STREAM, [(b"content-type", b"text/plain")], []])
def test_a_stream_is_split_into_events_with_their_times(headers: Headers) -> None:
    """Whatever type it says, but for JSON and pages; the bytes joined are what came."""
    answer = assemble_response(200, headers, kept(EVENTS[:15], EVENTS[15:40], EVENTS[40:]))
    assert answer.events == (
        CapturedEvent("ping", b"{}", 1),
        CapturedEvent(at_ms=1, raw=b": comment\n\n"),
        CapturedEvent("", b"[DONE]", 2),
    )
    assert answer.content == EVENTS


def test_other_answers_are_bodies() -> None:
    """JSON that happens to begin like a field, text, nothing."""
    assert assemble_response(200, [(b"content-type", b"application/json")], kept(b"data: 1")).events is None
    assert assemble_response(200, [], kept(b"plain")).body == b"plain"
    assert assemble_response(204, [], kept()).body == b""


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        (b"gzip", pack(EVENTS, "gzip")),
        (b"gzip", pack(EVENTS[:9], "gzip") + pack(EVENTS[9:], "gzip")),
        (b"Deflate", pack(EVENTS, "deflate")),
        (b"br", pack(EVENTS, "br")),
        (b"zstd", pack(EVENTS, "zstd")),
        (b"gzip, br", pack(EVENTS, "gzip", "br")),
    ],
)
def test_a_content_coding_is_taken_off(coding: bytes, packed: bytes) -> None:
    """Piece by piece, so that events keep their times; the part says which it was, and as a message lacks it."""
    headers = [*STREAM, (b"Content-Encoding", coding), (b"Content-Length", b"%d" % len(packed))]
    answer = assemble_response(200, headers, kept(packed[:20], packed[20:]))
    assert answer.decoded == coding.decode().lower()
    assert answer.content == EVENTS
    assert answer.headers == headers
    assert answer.to_message().headers == STREAM
    request = assemble_request("POST", b"/", [(b"content-encoding", coding)], packed, 1000)
    assert (request.body, request.decoded) == (EVENTS, coding.decode().lower())


@pytest.mark.parametrize(("coding", "body"), [(b"compress", b"x"), (b"gzip, exi", b"x"), (b"gzip", b"no gzip")])
def test_what_cannot_be_looked_into_is_withheld(coding: bytes, body: bytes) -> None:
    """No byte of it is kept, and the part says why."""
    answer = assemble_response(200, [(b"content-encoding", coding)], kept(body))
    assert (answer.content, answer.truncated) == (b"", len(body))
    assert "content coding" in answer.withheld


def test_a_long_body_is_cut_before_a_word() -> None:
    """So that no half of a credential is kept; the part says how many bytes there were besides."""
    answer = assemble_response(200, [], kept(b"some words ", b"sk-ant-api03-half and more", limit=20))
    assert (answer.body, answer.truncated) == (b"some words ", 26)
    request = assemble_request("POST", b"/", [], b"x" * 5000, 2000)
    assert len(request.body) + request.truncated == 5000


def test_a_small_body_that_unpacks_to_a_huge_one_is_cut() -> None:
    """The limit holds for what is unpacked."""
    packed = gzip.compress(b"a b " * 1_000_000)
    answer = assemble_response(200, [(b"content-encoding", b"gzip")], kept(packed, limit=10_000))
    assert 9_000 < len(answer.body) <= 10_000
    assert answer.truncated > 0
    whole = assemble_response(200, [(b"content-encoding", b"gzip")], kept(gzip.compress(b"a b " * 2500), limit=10_000))
    assert (len(whole.body), whole.truncated) == (10_000, 0)
