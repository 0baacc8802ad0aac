"""A stream faked over the wire: what the client gets for whatever the upstream does, and when."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import anthropic
import pytest

from support.events import read_events, text_of, types_of
from support.packing import pack
from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import (
    AwaitClose,
    Close,
    RecordingUpstream,
    Reset,
    Script,
    WaitFor,
    recording_upstream,
)
from support.server_process import ServerProcess, server_process

RULES = """edition 1

rule "no streams" on request
when request.wants_stream and request.headers["x-ping"] == nil then
  fake_stream
end

rule "no streams, but pings" on request
when request.wants_stream and request.headers["x-ping"] ~= nil then
  fake_stream { ping_every = 0.2s }
end
"""
SETTINGS = "[timeouts]\nfirst_byte = 1.5\n"
STREAM = b'{"model":"claude-opus-4-8","max_tokens":16,"messages":[{"role":"user","content":"hi"}],"stream":true}'
CONTENT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
    {"type": "text", "text": "héllo"},
    {"type": "text", "text": " there"},
    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a", "n": [1, {"deep": "é"}]}},
]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "corp-opus",
    "content": CONTENT,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 9},
}
WHOLE = json.dumps(MESSAGE, ensure_ascii=False).encode()


def answer(status: int, body: bytes, *headers: bytes, kind: bytes = b"application/json") -> bytes:
    """The bytes of a whole answer."""
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def error(kind: str, message: str) -> bytes:
    """An upstream's error body, spelled in a way of its own."""
    return b'{ "type":"error", "error": {"type":"%s","message":"%s"} }' % (kind.encode(), message.encode())


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, recording: RecordingUpstream) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("faked")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    with server_process(folder, recording.url, settings=SETTINGS) as server:
        yield server


@pytest.fixture
def upstream(recording: RecordingUpstream) -> RecordingUpstream:
    recording.requests.clear()
    recording.closed.clear()
    return recording


def ask(server: ServerProcess, upstream: RecordingUpstream, script: Script, *headers: bytes) -> RawAnswer:
    """The answer to a request for a stream when the upstream does this."""
    upstream.answer = lambda _: script
    with RawClient(server.port) as client:
        return client.ask(b"/v1/messages?beta=true", STREAM, headers=headers)


def error_of(given: RawAnswer) -> tuple[str, str]:
    """Type and message of an error body in the Anthropic format."""
    body = json.loads(given.body)
    assert body["type"] == "error"
    return body["error"]["type"], body["error"]["message"]


def test_a_whole_message(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """All kinds of blocks; the upstream was asked for no stream and for no compression."""
    given = ask(server, upstream, (answer(200, WHOLE, b"request-id: req_1"),), b"Accept-Encoding: gzip, br")
    assert given.status == 200
    assert given.values(b"content-type") == [b"text/event-stream; charset=utf-8"]
    assert given.values(b"request-id") == [b"req_1"]
    deltas = (2, 0, 1, 1, 1)
    blocks = [["content_block_start", *["content_block_delta"] * count, "content_block_stop"] for count in deltas]
    assert types_of(given.body) == ["message_start", *chain.from_iterable(blocks), "message_delta", "message_stop"]
    assert text_of(given.body) == "héllo there"
    (asked,) = upstream.requests
    assert asked.body == STREAM.replace(b',"stream":true', b"")
    assert asked.values(b"accept-encoding") == [b"identity"]


def test_the_sdk_reads_all_of_it(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """What the SDK's helper puts together is the message that the upstream sent."""
    upstream.answer = lambda _: (answer(200, WHOLE),)
    with (
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=16, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        message = stream.get_final_message()
    read = [block.to_dict() for block in message.content]
    assert [{key: block[key] for key in sent} for block, sent in zip(read, CONTENT, strict=True)] == CONTENT
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 7, 9)


def test_nothing_is_sent_while_waiting(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Not a byte before the upstream's whole message is there, so its status stays free."""
    released = threading.Event()
    upstream.answer = lambda _: (answer(200, WHOLE)[:-1], WaitFor(released), WHOLE[-1:])
    with RawClient(server.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(STREAM), STREAM))
        client.socket.settimeout(0.6)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        released.set()
        assert client.read_answer().status == 200


@pytest.mark.parametrize("pings", [False, True])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (400, (b"request-id: req_2",)),
        (401, (b'www-authenticate: Bearer realm="x"',)),
        (403, ()),
        (404, ()),
        (413, ()),
        (429, (b"retry-after: 15", b"anthropic-ratelimit-requests-remaining: 0")),
        (500, (b"x-should-retry: false",)),
        (529, (b"Retry-After: 1",)),
    ],
)
def test_an_upstreams_error_arrives_as_it_is(
    server: ServerProcess, upstream: RecordingUpstream, status: int, headers: tuple[bytes, ...], pings: bool
) -> None:
    """Status, headers and the bytes of the body: clients decide by them whether and when to ask again."""
    body = error("some_error", f"status {status}")
    given = ask(server, upstream, (answer(status, body, *headers),), *([b"x-ping: 1"] if pings else []))
    assert given.status == status
    assert given.body == body
    assert set(headers) <= set(given.header_lines)


def test_an_html_error_arrives_as_it_is(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """A login page of something in between, with its status."""
    given = ask(server, upstream, (answer(403, b"<html>blocked</html>", kind=b"text/html"),))
    assert (given.status, given.body) == (403, b"<html>blocked</html>")
    assert given.values(b"content-type") == [b"text/html"]


def test_pings_then_the_events(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """With ping_every the head goes out at the first ping, and the events follow in the same stream."""
    released = threading.Event()
    upstream.answer = lambda _: (WaitFor(released), answer(200, WHOLE))
    with RawClient(server.port) as client:
        client.send(
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-ping: 1\r\nContent-Length: %d\r\n\r\n%s"
            % (len(STREAM), STREAM)
        )
        for _ in range(2):
            client.read_until(b"event: ping\n")
        released.set()
        rest = b"event: ping\n" + client.read_until(b"0\r\n\r\n")
    assert b"event: message_start" in rest
    assert b"event: message_stop" in rest


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ((answer(529, error("overloaded_error", "busy")),), "overloaded_error", "busy"),
        ((answer(429, error("rate_limit_error", "slow down")),), "rate_limit_error", "slow down"),
        ((answer(503, b"<html>down</html>", kind=b"text/html"),), "api_error", "down"),
        ((answer(529, b"unreadable", b"Content-Encoding: br"),), "overloaded_error", "answered 529"),
        ((answer(200, error("overloaded_error", "busy")),), "overloaded_error", "busy"),
        ((answer(200, b"<html>login</html>", kind=b"text/html"),), "api_error", "no message"),
        ((answer(200, WHOLE)[:-9], Close()), "api_error", "127.0.0.1"),
        ((Reset(),), "api_error", "127.0.0.1"),
    ],
)
def test_an_error_after_a_ping(
    server: ServerProcess, upstream: RecordingUpstream, script: Script, kind: str, message: str
) -> None:
    """The 200 is out: the error is the event that follows, with the upstream's own type, and the stream ends."""
    released = threading.Event()
    upstream.answer = lambda _: (WaitFor(released), *script)
    with RawClient(server.port) as client:
        client.send(
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-ping: 1\r\nContent-Length: %d\r\n\r\n%s"
            % (len(STREAM), STREAM)
        )
        head = client.read_until(b"\r\n\r\n")
        assert b" 200 " in head
        released.set()
        body = b""
        while size := int(client.read_until(b"\r\n"), 16):
            body += client.read_bytes(size)
            client.read_bytes(2)
    *pings, last = read_events(body)
    assert {ping["type"] for ping in pings} == {"ping"}
    assert last["type"] == "error"
    assert last["error"]["type"] == kind
    assert message in last["error"]["message"]


def test_an_upstream_that_times_out_after_a_ping(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Pings do not hide a silent upstream for ever."""
    given = ask(server, upstream, (AwaitClose(),), b"x-ping: 1")
    *pings, last = read_events(given.body)
    assert len(pings) > 1
    assert last["error"]["type"] == "timeout_error"
    assert upstream.place in last["error"]["message"]


@pytest.mark.parametrize(
    ("script", "status", "kind", "message"),
    [
        ((answer(200, b"<html>login</html>", kind=b"text/html"),), 502, "api_error", "no message"),
        ((answer(200, b""),), 502, "api_error", "no message"),
        ((answer(200, b"null"),), 502, "api_error", "no message"),
        ((answer(200, b'{"type":"message"'),), 502, "api_error", "no message"),
        ((answer(200, error("overloaded_error", "busy")),), 529, "overloaded_error", "busy"),
        ((answer(200, error("rate_limit_error", "slow")),), 429, "rate_limit_error", "slow"),
        ((answer(200, error("x_error", "what")),), 500, "x_error", "what"),
        ((answer(200, WHOLE)[:-9], Close()), 502, "api_error", "127.0.0.1"),
        ((Reset(),), 502, "api_error", "127.0.0.1"),
        ((Close(),), 502, "api_error", "127.0.0.1"),
        ((AwaitClose(),), 504, "timeout_error", "127.0.0.1"),
    ],
)
def test_no_message_comes(
    server: ServerProcess, upstream: RecordingUpstream, script: Script, status: int, kind: str, message: str
) -> None:
    """A status that clients ask again for and a body that they show, instead of a 200 that holds nothing."""
    given = ask(server, upstream, script)
    assert given.status == status
    found_kind, found_message = error_of(given)
    assert found_kind == kind
    assert message in found_message


def test_the_sdk_asks_again_after_an_overload_with_200(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Told by status the SDK retries by itself, which it never does for what it finds inside a 200."""
    scripts = iter([(answer(200, error("overloaded_error", "busy")),), (answer(200, WHOLE),)])
    upstream.answer = lambda _: next(scripts)
    with (
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=1) as client,
        client.messages.stream(model="m", max_tokens=16, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        assert stream.get_final_text() == "héllo there"
    assert len(upstream.requests) == 2


def test_no_stream_was_asked_for(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Plain JSON, byte for byte."""
    upstream.answer = lambda _: (answer(200, WHOLE),)
    with RawClient(server.port) as client:
        for body in (STREAM.replace(b"true", b"false"), STREAM.replace(b',"stream":true', b"")):
            given = client.ask(body=body)
            assert (given.status, given.body) == (200, WHOLE)
            assert given.values(b"content-type") == [b"application/json"]
            assert upstream.requests[-1].body == body


@pytest.mark.parametrize("pings", [False, True])
def test_an_upstream_that_streams_all_the_same(server: ServerProcess, upstream: RecordingUpstream, pings: bool) -> None:
    """What came counts, not what was asked for: its events go through as they are."""
    events = b'event: message_start\ndata: {"type":"message_start"}\n\nevent: message_stop\ndata: {}\n\n'
    script = (answer(200, events, b"x-mine: 1", kind=b"text/event-stream"),)
    given = ask(server, upstream, script, *([b"x-ping: 1"] if pings else []))
    assert given.body.endswith(events)
    assert given.values(b"content-type")[0].startswith(b"text/event-stream")


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"GZIP", b"br", b"zstd"])
def test_a_compressed_answer(server: ServerProcess, upstream: RecordingUpstream, coding: bytes) -> None:
    """Some gateways compress unasked."""
    data = pack(WHOLE, coding.decode().lower())
    given = ask(server, upstream, (answer(200, data, b"Content-Encoding: " + coding),))
    assert text_of(given.body) == "héllo there"
    assert given.values(b"content-encoding") == []


def test_a_compressed_error(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """It passes as it came, compressed and told so."""
    data = gzip.compress(error("overloaded_error", "busy"))
    given = ask(server, upstream, (answer(529, data, b"Content-Encoding: gzip"),))
    assert (given.status, given.body) == (529, data)
    assert given.values(b"content-encoding") == [b"gzip"]


@pytest.mark.parametrize(
    ("coding", "data", "said"),
    [
        (b"compress", WHOLE, "content-encoding compress"),
        (b"br", WHOLE, "damaged"),
        (b"gzip", WHOLE, "damaged"),
        (b"gzip", gzip.compress(WHOLE)[:-20], "damaged"),
        (b"gzip", gzip.compress(WHOLE)[:-4], "damaged"),
    ],
)
def test_an_answer_that_cannot_be_read(
    server: ServerProcess, upstream: RecordingUpstream, coding: bytes, data: bytes, said: str
) -> None:
    """A coding that is not spoken here, or damaged data: said so, with a status that is not 200."""
    given = ask(server, upstream, (answer(200, data, b"Content-Encoding: " + coding),))
    assert given.status == 502
    assert said in error_of(given)[1]


@pytest.mark.parametrize("pings", [False, True])
def test_a_client_that_leaves(server: ServerProcess, upstream: RecordingUpstream, pings: bool) -> None:
    """The upstream's work is ended at once: its tokens cost money."""
    upstream.answer = lambda _: (AwaitClose(),)
    line = b"x-ping: 1\r\n" if pings else b""
    with RawClient(server.port) as client:
        client.send(
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (line, len(STREAM), STREAM)
        )
        upstream.wait_until(lambda seen: len(seen.requests) == 1)
        if pings:
            client.read_until(b"event: ping\n")
    upstream.wait_until(lambda seen: bool(seen.closed))
    server.wait_for_log(rb"client gone")
