"""An upstream that misbehaves in named ways: a request says which in its header `x-fault`.

What it should have said is always the same: `TEXT`, as a stream of Anthropic messages, in frames to Bedrock's path,
whole to those who ask for no stream.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ruleproxy.wire.bedrock import encode_chunk
from ruleproxy.wire.eventstream import encode_frame
from support.recording_upstream import (
    AwaitClose,
    Close,
    Flood,
    ReceivedRequest,
    RecordingUpstream,
    Reset,
    Script,
    recording_upstream,
)
from support.repairing import STOP, block_stop, event, message_delta, message_start, text_delta, text_start

TEXT = "héllo there"
EVENTS = [
    message_start(),
    text_start(0),
    text_delta(0, "héllo "),
    text_delta(0, "there"),
    block_stop(0),
    message_delta(),
    STOP,
]
STREAM = b"".join(map(event, EVENTS))
FRAMES = b"".join(encode_chunk(json.dumps(each).encode()) for each in EVENTS)
MESSAGE = {
    **message_start()["message"],
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
}
WHOLE = json.dumps(MESSAGE).encode()
BEDROCK_PATH = b"/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke-with-response-stream"
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'

_SSE = b"text/event-stream"
_JSON = b"application/json"
_AWS = b"application/vnd.amazon.eventstream"
_CHUNK = {":event-type": "chunk", ":message-type": "event"}
_EXCEPTION = {":exception-type": "throttlingException", ":message-type": "exception"}
_MIDDLE = len(STREAM) // 2
_DEEP = b"[" * 9000 + b"]" * 9000
_BOMB_OF_EVENTS = gzip.compress(event({"type": "ping"}) * 2_000_000)
_BOMB = gzip.compress(b" " * 128 * 1024 * 1024)
_HALF = len(b"".join(map(event, EVENTS[:3])))


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. `framed`: it is one of a stream in frames. `harmless`: the message is told all the same."""

    script: Callable[[], Script]
    framed: bool = False
    harmless: bool = False


def head(kind: bytes = _SSE, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """The head of an answer."""
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Type: " + kind, *lines]) + b"\r\n\r\n"


def whole(body: bytes, kind: bytes = _SSE, *lines: bytes, status: bytes = b"200 OK") -> Script:
    """An answer with its length."""
    return (head(kind, b"Content-Length: %d" % len(body), *lines, status=status) + body,)


def chunk(data: bytes) -> bytes:
    """A chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


_CHUNKED = head(_SSE, b"Transfer-Encoding: chunked")
_END = b"0\r\n\r\n"


def _points() -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Where an answer may break off: a name, and what was sent until then."""
    yield "before the head", ()
    yield "in the head", (_CHUNKED[:20],)
    yield "after the head", (_CHUNKED,)
    yield "in the size of a chunk", (_CHUNKED, b"1f")
    yield "in an event", (_CHUNKED, chunk(STREAM[:_MIDDLE]))
    yield "between events", (_CHUNKED, chunk(STREAM[:_HALF]))
    yield "in a chunk", (_CHUNKED, chunk(STREAM)[:_MIDDLE])
    yield "before the last event", (_CHUNKED, chunk(b"".join(map(event, EVENTS[:-1]))))
    yield "before the last chunk", (_CHUNKED, chunk(STREAM))


def _broken_frames() -> dict[str, bytes]:
    first, second = (encode_chunk(json.dumps(each).encode()) for each in EVENTS[:2])
    lengths = struct.pack(">II", 0xFFFFFFFF, 0)
    return {
        "a frame with a wrong checksum": first + second[:-1] + bytes([second[-1] ^ 1]) + FRAMES,
        "a prelude with a wrong checksum": first + second[:8] + b"\0\0\0\0" + second[12:],
        "a frame of four gigabytes": first + lengths + struct.pack(">I", zlib.crc32(lengths)) + b"x" * 1000,
        "a frame cut short": FRAMES[:-9],
        "a prelude cut short": first + second[:6],
        "JSON behind a frame": first + WHOLE,
        "a chunk 9 000 deep": first + encode_frame(_CHUNK, b'{"bytes":"e30=","x":' + _DEEP + b"}") + FRAMES,
        "an event in a chunk 9 000 deep": first + encode_chunk(b'{"type":"ping","x":' + _DEEP + b"}") + FRAMES,
        "an exception 9 000 deep": encode_frame(_EXCEPTION, b'{"message":' + _DEEP + b"}"),
        "an exception without UTF-8": encode_frame(_EXCEPTION, b'{"message":"\xff"}'),
    }


def _make_faults() -> Iterator[tuple[str, Fault]]:
    for where, sent in _points():
        settled = where in ("before the last event", "before the last chunk")
        yield f"stalls {where}", Fault(lambda sent=sent: (*sent, AwaitClose()), harmless=settled)  # type: ignore[misc]
        yield f"resets {where}", Fault(lambda sent=sent: (*sent, Reset()))  # type: ignore[misc]
        yield f"closes {where}", Fault(lambda sent=sent: (*sent, Close()), harmless=settled)  # type: ignore[misc]
    for name, frames in _broken_frames().items():
        # Its stop reason is out, and no block is open.
        told = name == "a frame cut short"
        yield name, Fault(lambda frames=frames: whole(frames, _AWS), framed=True, harmless=told)  # type: ignore[misc]
    yield "frames", Fault(lambda: whole(FRAMES, _AWS), framed=True, harmless=True)
    yield (
        "frames in seven bytes",
        Fault(
            lambda: (
                head(_AWS, b"Transfer-Encoding: chunked"),
                *(chunk(FRAMES[at : at + 7]) for at in range(0, len(FRAMES), 7)),
                _END,
            ),
            framed=True,
            harmless=True,
        ),
    )
    yield from _answers()


def _answers() -> Iterator[tuple[str, Fault]]:
    bodies: dict[str, tuple[Script, bool]] = {
        "a length too short": ((head(_SSE, b"Content-Length: 100") + STREAM, Close()), False),
        "a length too long": ((head(_SSE, b"Content-Length: 99999") + STREAM, Close()), True),
        "two lengths": ((head(_SSE, b"Content-Length: 5", b"Content-Length: 9") + STREAM, Close()), False),
        "a length that is none": ((head(_SSE, b"Content-Length: -5") + STREAM, Close()), False),
        "a bad chunk size": ((_CHUNKED, b"zz\r\n" + STREAM, Close()), False),
        "a chunk size of 2^70": ((_CHUNKED, b"400000000000000000\r\n" + STREAM, Close()), False),
        "an unknown transfer coding": ((head(_SSE, b"Transfer-Encoding: x-none") + STREAM, Close()), False),
        "endless headers": ((b"HTTP/1.1 200 OK\r\n", Flood(b"x-more: " + b"y" * 1000 + b"\r\n")), False),
        "one endless header": ((b"HTTP/1.1 200 OK\r\nx-more: ", Flood(b"y" * 65536)), False),
        "a status line of nonsense": ((b"TP/9 what\r\n\r\n", Close()), False),
        "no HTTP at all": ((b"\x16\x03\x01\x02\x00", Close()), False),
        "a status of 999": (whole(STREAM, status=b"999 Huh"), False),
        "100 Continue a thousand times": ((b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, *whole(STREAM)), True),
        "endless interim answers": ((Flood(b"HTTP/1.1 102 Processing\r\n\r\n" * 100),), False),
        "102 and 103": (
            (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n", *whole(STREAM)),
            True,
        ),
        "two answers": ((head(_SSE, b"Content-Length: %d" % len(STREAM)) + STREAM + head() + b"<html>",), True),
        "204 with a body": ((b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", Close()), False),
        "trailers": ((_CHUNKED, chunk(STREAM), b"0\r\nx-late: 1\r\n\r\n"), True),
        "endless trailers": ((_CHUNKED, chunk(STREAM), b"0\r\n", Flood(b"x-late: " + b"y" * 1000 + b"\r\n")), True),
        "an endless event": ((_CHUNKED, chunk(b"data: "), Flood(chunk(b"x" * 65536))), False),
        "an endless comment": ((_CHUNKED, chunk(b": "), Flood(chunk(b"x" * 65536), 64 * 1024 * 1024), Close()), False),
        "an endless stream behind the end": (
            (_CHUNKED, chunk(STREAM), Flood(chunk(b": hi\n\n" * 1000), 8 * 1024 * 1024), Close()),
            True,
        ),
        "an endless whole": ((head(_JSON, b"Transfer-Encoding: chunked"), Flood(chunk(b" " * 65536))), False),
        "a stream to the end of the connection": ((head(_SSE, b"Connection: close") + STREAM, Close()), True),
        "gzip": (whole(gzip.compress(STREAM), _SSE, b"Content-Encoding: gzip"), True),
        "gzip that is cut": (whole(gzip.compress(STREAM)[:-20], _SSE, b"Content-Encoding: gzip"), False),
        "gzip that is none": (whole(STREAM, _SSE, b"Content-Encoding: gzip"), False),
        "a gzip bomb": (whole(_BOMB, _SSE, b"Content-Encoding: gzip"), False),
        "a gzip bomb of a whole": (
            whole(gzip.compress(b" " * 256 * 1024 * 1024), _JSON, b"Content-Encoding: gzip"),
            False,
        ),
        "gzip with zeros behind it": (whole(gzip.compress(STREAM) + b"\0" * 16, _SSE, b"Content-Encoding: gzip"), True),
        "gzip with words behind it": (whole(gzip.compress(STREAM) + b"more", _SSE, b"Content-Encoding: gzip"), True),
        "a bomb of events": (whole(_BOMB_OF_EVENTS, _SSE, b"Content-Encoding: gzip"), False),
        "br": (whole(b"\x8b\x02\x80abc\x03", _SSE, b"Content-Encoding: br"), False),
        "JSON 100 000 deep": (whole(b'event: ping\ndata: {"a":' + b"[" * 100_000 + b"\n\n"), False),
        "a whole 100 000 deep": (whole(b'{"content":' + b"[" * 100_000 + b"]" * 100_000 + b"}", _JSON), False),
        "UTF-8 that is none": (whole(STREAM.replace("é".encode(), b"\xff")), False),
        "NUL bytes": (whole(STREAM.replace(b"there", b"the\0re")), False),
        "half a character in a chunk": ((_CHUNKED, *(chunk(bytes([each])) for each in STREAM), _END), True),
        "CR only": (whole(STREAM.replace(b"\n", b"\r")), True),
        "no event lines": (whole(b"".join(event(each, "") for each in EVENTS)), True),
        "[DONE]": (whole(STREAM + b"data: [DONE]\n\n"), True),
        "no blank line at the end": (whole(STREAM[:-1]), True),
        "an empty stream": (whole(b""), False),
        "an empty answer": (whole(b"", _JSON), False),
        "a login page": (whole(b"<html>login</html>", b"text/html"), False),
        "a login page as a stream": (whole(b"<html>login</html>"), False),
        "an error object": (whole(ERROR, _JSON), False),
        "an error object as a stream": (whole(ERROR), False),
        "an error event": (whole(event(json.loads(ERROR))), False),
        "a whole answer": (whole(WHOLE, _JSON), True),
        "a whole answer as a stream": (whole(WHOLE), True),
        "a stream as JSON": (whole(STREAM, _JSON), True),
        "an error event without UTF-8": (whole(b'event: error\ndata: {"error":{"message":"\xff"}}\n\n'), False),
        "an error event 9 000 deep": (whole(b'event: error\ndata: {"error":' + _DEEP + b"}\n\n"), False),
        "an error event of Google's": (whole(b'data: {"error":{"code":500,"status":"INTERNAL"}}\n\n'), False),
        "an error object 9 000 deep": (whole(b'{"type":"error","error":' + _DEEP + b"}", _JSON), False),
        "an event 9 000 deep": (whole(b'event: message_start\ndata: {"message":' + _DEEP + b"}\n\n" + STREAM), False),
        "a redirect": (whole(b"", b"text/html", b"Location: http://127.0.0.1:1/login", status=b"302 Found"), False),
        "a switch of protocols": (
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", Close()),
            False,
        ),
    }
    for name, (script, harmless) in bodies.items():
        yield name, Fault(lambda script=script: script, harmless=harmless)  # type: ignore[misc]


FAULTS: Mapping[str, Fault] = dict(_make_faults())
"""Every way there is, by its name."""

FLOODS = tuple(name for name in FAULTS if "endless" in name or "bomb" in name)
"""Those that send more than anybody should keep."""


def answer(request: ReceivedRequest) -> Script:
    """What is said to a request: its fault, or what should be said."""
    asked = request.values(b"x-fault")
    if asked:
        return FAULTS[asked[0].decode()].script()
    if BEDROCK_PATH in request.request_line:
        return whole(FRAMES, _AWS)
    return whole(STREAM) if b'"stream":true' in request.body else whole(WHOLE, _JSON)


@contextmanager
def faulty_upstream() -> Iterator[RecordingUpstream]:
    """Run one on a free port."""
    with recording_upstream(answer) as upstream:
        yield upstream
