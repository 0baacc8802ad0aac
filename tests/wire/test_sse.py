"""Server-sent events, encoded and decoded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ruleproxy.wire.events import EventTooLargeError, Filler, Item, StreamEvent, Unfinished
from ruleproxy.wire.sse import Decoder, encode_comment, encode_event


def decode(*pieces: bytes) -> list[Item]:
    decoder = Decoder()
    items = [item for piece in pieces for item in decoder.feed(piece)]
    return items + decoder.finish()


def events(*pieces: bytes) -> list[tuple[str, bytes]]:
    return [(item.type, item.data) for item in decode(*pieces) if isinstance(item, StreamEvent)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_each_line_end_of_the_standard_ends_lines(line_end: bytes) -> None:
    """LF, CR and CRLF streams give the same events."""
    stream = b"event: a\ndata: 1\n\nevent: b\ndata: 2\ndata: 3\n\n".replace(b"\n", line_end)
    assert events(stream) == [("a", b"1"), ("b", b"2\n3")]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"data:{}\n\n", ("", b"{}")),
        (b"data: {}\n\n", ("", b"{}")),
        (b"data:  {}\n\n", ("", b" {}")),
        (b"data\n\n", ("", b"")),
        (b"data:\n\n", ("", b"")),
        (b"event:ping\ndata:{}\n\n", ("ping", b"{}")),
        (b"event: a\nevent: b\ndata: 1\n\n", ("b", b"1")),
        (b"id: 7\nretry: 10\nunknown: x\ndata: 1\n\n", ("", b"1")),
        (b"data: a:b: c\n\n", ("", b"a:b: c")),
        (b"event: a\n: between\ndata: 1\n\n", ("a", b"1")),
        (b"\xef\xbb\xbfdata: 1\n\n", ("", b"1")),
        ("data: gr\u00fc\u00df \U0001f600\n\n".encode(), ("", "gr\u00fc\u00df \U0001f600".encode())),
        (b"event: \xff\ndata: \xff\n\n", ("\ufffd", b"\xff")),
    ],
)
def test_fields_are_read_as_the_standard_says(block: bytes, expected: tuple[str, bytes]) -> None:
    """Optional space, missing names, comments, several values, a byte-order mark, bytes that are no UTF-8."""
    assert events(block) == [expected]


def test_a_comment_between_events_comes_at_once() -> None:
    """A keep-alive comment must not wait for the event after it."""
    assert Decoder().feed(b": still here\n") == [Filler(b": still here\n")]


def test_a_block_without_data_is_no_event() -> None:
    """The standard dispatches nothing for it; its bytes are kept."""
    assert decode(b"event: lonely\n\n\n") == [Filler(b"event: lonely\n\n"), Filler(b"\n")]


def test_the_end_without_a_blank_line_leaves_the_event_unfinished() -> None:
    """A cut event is neither lost nor taken for whole."""
    assert decode(b"data: 1\n\ndata: 2\n") == [
        StreamEvent("", b"1", b"data: 1\n\n"),
        Unfinished(b"data: 2\n"),
    ]
    assert decode(b"data: 1\r") == [Unfinished(b"data: 1\r")]


def test_a_stream_of_bare_returns_does_not_lag() -> None:
    """Its events are complete with their last byte, though an LF might have followed."""
    decoder = Decoder()
    assert decoder.feed(b"data: 1\r\r") == [StreamEvent("", b"1", b"data: 1\r\r")]
    assert decoder.feed(b"data: 2\r\r") == [StreamEvent("", b"2", b"data: 2\r\r")]


def test_a_crlf_cut_in_two_is_one_line_end() -> None:
    """The LF that comes in the next piece ends no second line."""
    expected = [StreamEvent("", b"1", b"data: 1\r\n\r\n"), StreamEvent("", b"2", b"data: 2\r\n\r\n")]
    assert decode(b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r", b"\n") == expected


def test_an_event_over_the_limit_is_an_error_that_keeps_what_came_before() -> None:
    """Whole or in pieces, finished or not; an event of exactly the limit passes."""
    small = b"data: 1\n\n"
    large = b"data: " + b"x" * 92 + b"\n\n"
    assert len(Decoder(limit=100).feed(large)) == 1
    with pytest.raises(EventTooLargeError, match="larger than 99 bytes") as caught:
        Decoder(limit=99).feed(small + large)
    assert [item.raw for item in caught.value.before] == [small]
    pieces = Decoder(limit=99)
    assert pieces.feed(large[:50]) == []
    with pytest.raises(EventTooLargeError):
        pieces.feed(large[50:])
    endless = Decoder(limit=99)
    with pytest.raises(EventTooLargeError):
        endless.feed(b"data: " + b"x" * 94)


def test_encoded_events_have_the_form_that_clients_know() -> None:
    """`event:` first, then the data, then a blank line; data of several lines stays readable."""
    assert encode_event("ping", b'{"type":"ping"}') == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert encode_event("", b"[DONE]") == b"data: [DONE]\n\n"
    assert encode_event("a", b"1\r\n2\r3") == b"event: a\ndata: 1\ndata: 2\ndata: 3\n\n"
    assert encode_comment("waiting") == b": waiting\n\n"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb"])
def test_a_line_end_cannot_be_smuggled_into_a_name(bad: str) -> None:
    """It would begin a field of the writer's choice."""
    with pytest.raises(ValueError, match="line end"):
        encode_event(bad, b"")
    with pytest.raises(ValueError, match="line end"):
        encode_comment(bad)


# Fragments whose every order is interesting; arbitrary bytes are nearly all one line.
STREAMS = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b"\r\n",
            b"data: ",
            b"data:",
            b"event: a",
            b": note",
            b"\xef\xbb\xbf",
            "\u00fc\U0001f600".encode(),
            b"x",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(0, 120), max_size=12))
@example(b"data: x\r\r\ndata: y\r\r\n", [9])
@example(b"data: x\n\r\ndata: y\r\n\r", [9, 20])
@example(b"\r\r\n\r", [1, 2, 3])
def test_any_pieces_give_the_same_items_and_all_bytes(stream: bytes, cuts: list[int]) -> None:
    """Chunking is invisible, and the raw bytes joined are the input."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    whole = decode(stream)
    assert decode(*(stream[start:end] for start, end in pairwise(edges))) == whole
    assert decode(*(bytes([byte]) for byte in stream)) == whole
    assert b"".join(item.raw for item in whole) == stream


@settings(deadline=None)
@given(STREAMS)
def test_the_decoder_agrees_with_the_standard_read_line_by_line(stream: bytes) -> None:
    """The same events as the standard's own algorithm over the whole text."""
    expected: list[tuple[str, bytes]] = []
    kind = ""
    data: list[bytes] = []
    lines = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for line in lines[:-1]:
        name, _, value = line.partition(b":")
        if not line:
            if data:
                expected.append((kind, b"\n".join(data)))
            kind, data = "", []
        elif name == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        elif name == b"event":
            kind = (value[1:] if value[:1] == b" " else value).decode("utf-8", "replace")
    assert events(stream) == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), st.binary())
def test_what_is_encoded_is_decoded(kind: str, data: bytes) -> None:
    """One event out, the same event in; line ends inside the data come back as LF."""
    normal = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert events(encode_event(kind, data)) == [(kind, normal)]
