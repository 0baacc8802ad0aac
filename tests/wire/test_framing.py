"""Framings: what an answer's first bytes are, and events put from one framing into another."""

from __future__ import annotations

import json

import pytest

from ruleproxy.wire.bedrock import KEEP_ALIVE, encode_chunk, encode_exception
from ruleproxy.wire.events import Item, StreamEvent
from ruleproxy.wire.eventstream import encode_frame
from ruleproxy.wire.formats import Api
from ruleproxy.wire.framing import (
    AWS_EVENT_STREAM,
    SERVER_SENT_EVENTS,
    Framing,
    claimed_framing,
    expected_framing,
    sniff,
)

DELTA = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}'
ERROR = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'


def decode(framing: Framing, data: bytes) -> list[Item]:
    return framing.decode(data)


def carry(data: bytes, came: Framing, wanted: Framing) -> bytes:
    """A stream in another framing."""
    return b"".join(wanted.encode_foreign(item) for item in decode(came, data))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"event: message_start\n", SERVER_SENT_EVENTS),
        (b"data:{}", SERVER_SENT_EVENTS),
        (b": waiting\n", SERVER_SENT_EVENTS),
        (b"\xef\xbb\xbfdata: x", SERVER_SENT_EVENTS),
        (b"\r\n\nid: 3\n", SERVER_SENT_EVENTS),
        (b"data\n", SERVER_SENT_EVENTS),
        (b"", "undecided"),
        (b"\n", "undecided"),
        (b"eve", "undecided"),
        (b"\0\0\0", "undecided"),
        (encode_chunk(DELTA), AWS_EVENT_STREAM),
        (encode_chunk(DELTA)[:12], AWS_EVENT_STREAM),
        (b"\0\0\0\x20\0\0\0\0abcd", "whole"),
        (b'{"type":"message"}', "whole"),
        (b"<html>", "whole"),
        (b"eventual success", "whole"),
        (b" " * 600, "whole"),
    ],
)
def test_the_first_bytes_show_what_an_answer_is(data: bytes, found: object) -> None:
    """Without any content type."""
    assert sniff(data, None) == found


def test_a_content_type_counts_where_the_bytes_say_nothing() -> None:
    """JSON and markup are no stream whatever it says; fields that nobody knows and a bad checksum are judged by it."""
    sse = claimed_framing([(b"Content-Type", b"Text/Event-Stream; charset=utf-8")])
    aws = claimed_framing([(b"content-type", b"application/vnd.amazon.eventstream")])
    whole = claimed_framing([(b"content-type", b"application/json")])
    assert (sse, aws, whole, claimed_framing([])) == (SERVER_SENT_EVENTS, AWS_EVENT_STREAM, None, None)
    assert [sniff(data, sse) for data in (b"{}", b"[1]", b"<p>", b"x: 1\n")] == ["whole"] * 3 + [SERVER_SENT_EVENTS]
    assert sniff(b"\0\0\0\x20\0\0\0\0abcd", aws) == AWS_EVENT_STREAM
    assert sniff(b"\xff\xff\xff\xffjunk", aws) == AWS_EVENT_STREAM
    assert sniff(b'{"message":"no"}', aws) == "whole"


@pytest.mark.parametrize(
    ("path", "framing"),
    [
        ("/v1/messages", SERVER_SENT_EVENTS),
        ("/v1/chat/completions", SERVER_SENT_EVENTS),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict", SERVER_SENT_EVENTS),
        ("/model/m/invoke-with-response-stream", AWS_EVENT_STREAM),
        ("/model/m/invoke", None),
        ("/model/m/converse-stream", None),
        ("/elsewhere", None),
    ],
)
def test_what_a_client_reads(path: str, framing: Framing | None) -> None:
    """Told by the path that it asks for; None: whatever comes."""
    assert expected_framing(path) is framing


def test_frames_become_events_and_events_frames() -> None:
    """There and back again; an exception becomes an error event of the Anthropic format, and the other way round."""
    frames = encode_chunk(DELTA) + encode_exception("rate_limit_error", "slow down")
    events = b"event: content_block_delta\ndata: " + DELTA + b"\n\nevent: error\ndata: " + ERROR + b"\n\n"
    assert carry(frames, AWS_EVENT_STREAM, SERVER_SENT_EVENTS) == events
    assert carry(events, SERVER_SENT_EVENTS, AWS_EVENT_STREAM) == frames


def test_what_one_framing_has_and_the_other_has_not() -> None:
    """Pings and comments keep a connection alive in either; the end of another format's stream is none here."""
    waiting = b': hi\n\nevent: ping\ndata: {"type":"ping"}\n\ndata: [DONE]\n\n\n\n'
    assert carry(waiting, SERVER_SENT_EVENTS, AWS_EVENT_STREAM) == KEEP_ALIVE * 2
    assert carry(KEEP_ALIVE, AWS_EVENT_STREAM, SERVER_SENT_EVENTS) == b": waiting\n\n"


def test_events_without_a_name_become_frames_by_their_data() -> None:
    """An error is an exception, however it was spelled."""
    assert carry(b"data: " + ERROR + b"\n\n", SERVER_SENT_EVENTS, AWS_EVENT_STREAM) == encode_exception(
        "rate_limit_error", "slow down"
    )
    broken = b"event: error\ndata: no JSON\n\n"
    assert carry(broken, SERVER_SENT_EVENTS, AWS_EVENT_STREAM) == encode_exception("api_error", "no JSON")


@pytest.mark.parametrize("framing", [SERVER_SENT_EVENTS, AWS_EVENT_STREAM], ids=lambda framing: framing.name)
def test_an_event_that_nobody_touched_is_its_bytes(framing: Framing) -> None:
    """An edited one is spelled as it was but for the edit, one that was made is new."""
    came = framing.encode(StreamEvent("content_block_delta", DELTA))
    (event,) = decode(framing, came)
    assert isinstance(event, StreamEvent)
    assert (event.type, event.data) == ("content_block_delta", DELTA)
    assert framing.encode(event) is event.raw
    assert event.edit(event.type, event.data) is event
    (again,) = decode(framing, framing.encode(event.edit(event.type, DELTA.replace(b"hi", b"ho"))))
    assert isinstance(again, StreamEvent)
    assert again.data == DELTA.replace(b"hi", b"ho")


@pytest.mark.parametrize(
    ("framing", "api", "expected"),
    [
        (SERVER_SENT_EVENTS, "anthropic.messages", b"event: error\ndata: " + ERROR + b"\n\n"),
        (SERVER_SENT_EVENTS, "vertex.rawpredict", b"event: error\ndata: " + ERROR + b"\n\n"),
        (
            SERVER_SENT_EVENTS,
            "openai.chat",
            b'data: {"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":null}}\n\n',
        ),
        (AWS_EVENT_STREAM, "bedrock.invoke", encode_exception("rate_limit_error", "slow down")),
    ],
)
def test_an_error_in_a_stream_as_each_client_reads_it(framing: Framing, api: Api, expected: bytes) -> None:
    """Its last event."""
    assert framing.encode_error(api, "rate_limit_error", "slow down") == expected


@pytest.mark.parametrize(
    ("framing", "api", "expected"),
    [
        (SERVER_SENT_EVENTS, "anthropic.messages", b'event: ping\ndata: {"type":"ping"}\n\n'),
        (SERVER_SENT_EVENTS, "openai.chat", b": waiting\n\n"),
        (AWS_EVENT_STREAM, "bedrock.invoke", KEEP_ALIVE),
    ],
)
def test_what_keeps_a_connection_alive(framing: Framing, api: Api, expected: bytes) -> None:
    """And is no event of the format, or one that it knows."""
    assert framing.encode_waiting(api) == expected


def test_a_frame_becomes_one_line_for_every_reader() -> None:
    """httpx splits lines wherever Unicode ends one, and litellm reads streams by it."""
    data = DELTA.replace(b"hi", "a\x85b\u2028c\u2029d".encode())
    carried = carry(encode_chunk(data), AWS_EVENT_STREAM, SERVER_SENT_EVENTS)
    assert len(carried.decode().splitlines()) == 3
    (item,) = decode(SERVER_SENT_EVENTS, carried)
    assert isinstance(item, StreamEvent)
    assert json.loads(item.data) == json.loads(data)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_name_with_a_line_end_begins_no_second_line(end: str) -> None:
    """An upstream cannot put an event of its own making between those of a stream: such a one stays without a name."""
    data = json.dumps({"type": f"x{end}data: {{}}{end}{end}"}).encode()
    assert carry(encode_chunk(data), AWS_EVENT_STREAM, SERVER_SENT_EVENTS) == b"data: " + data + b"\n\n"
    named = encode_frame({":message-type": "event", ":event-type": f"a{end}b"}, b"{}")
    assert carry(named, AWS_EVENT_STREAM, SERVER_SENT_EVENTS) == b"data: {}\n\n"
