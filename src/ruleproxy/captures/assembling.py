"""What was kept while an exchange ran, put together: bodies made readable and cut to size, streams split into events.

Nothing is written that cannot be looked into for credentials: a body in a content coding that is not known here is
withheld, and the last characters before a cut go too, because half a credential is not recognised as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ruleproxy.captures.capture import CapturedEvent, CapturedRequest, CapturedResponse
from ruleproxy.messages.message import Headers
from ruleproxy.wire import compression
from ruleproxy.wire.events import EventTooLargeError, Item, StreamEvent
from ruleproxy.wire.sse import Decoder, encode_event

Chunk = tuple[float, bytes]
"""Bytes and when they were there, in milliseconds since the request was."""

_STREAM_TYPE: Final = b"text/event-stream"
_STREAM_START: Final = re.compile(rb"\s*(?:event|data|id|retry)?:")
_TAIL: Final = re.compile(rb"[^\s\"'{}\[\],]+\Z")
_LONGEST_TAIL: Final = 512


@dataclass(slots=True)
class KeptBody:
    """A body as far as it was kept: at most `limit` bytes, and how many more there were."""

    limit: int
    chunks: list[Chunk] = field(default_factory=list)
    size: int = 0
    truncated: int = 0

    def add(self, at_ms: float, data: bytes) -> None:
        """Keep bytes, as far as there is room."""
        room = self.limit - self.size
        if len(data) > room:
            self.truncated += len(data) - max(room, 0)
            data = data[: max(room, 0)]
        if data:
            self.size += len(data)
            self.chunks.append((at_ms, data))


def assemble_request(
    method: str, path: bytes, headers: Headers, body: bytes, limit: int, origin: str = ""
) -> CapturedRequest:
    """A request with its body readable, of at most `limit` bytes."""
    kept = KeptBody(limit)
    kept.add(0, body)
    read = _read(headers, kept)
    return CapturedRequest(
        method,
        path,
        headers,
        read.join(),
        origin,
        truncated=read.truncated,
        decoded=read.coding,
        withheld=read.withheld,
    )


def assemble_response(status: int, headers: Headers, kept: KeptBody, *, cut: bool = False) -> CapturedResponse:
    """An answer with its body readable; as events where it says that it is a stream of them, or begins like one."""
    read = _read(headers, kept)
    events = _split_events(read) if not read.withheld and _is_stream(headers, read.chunks) else None
    return CapturedResponse(
        status,
        headers,
        read.join() if events is None else b"",
        events,
        truncated=read.truncated,
        decoded=read.coding,
        withheld=read.withheld,
        cut=cut,
    )


@dataclass(slots=True)
class _Read:
    chunks: Sequence[Chunk]
    truncated: int = 0
    coding: str = ""
    withheld: str = ""

    def join(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


def _read(headers: Headers, kept: KeptBody) -> _Read:
    codings = compression.find_codings(headers)
    if not codings or not kept.chunks:
        return _cut(kept.chunks, kept.truncated)
    coding = ", ".join(codings)
    try:
        decoder = compression.Decoder(codings)
    except compression.CodingError:
        return _Read((), kept.truncated + kept.size, withheld=f"content coding {coding} is not read here")
    try:
        chunks, left = _decode(kept, decoder)
    except compression.CodingError:
        return _Read((), kept.truncated + kept.size, withheld=f"not in the content coding that it names, {coding}")
    return _cut(chunks, kept.truncated + left, coding)


def _cut(chunks: Sequence[Chunk], truncated: int, coding: str = "") -> _Read:
    if not truncated:
        return _Read(chunks, 0, coding)
    kept, size = _cut_tail(chunks)
    return _Read(kept, truncated + size, coding)


def _decode(kept: KeptBody, decoder: compression.Decoder) -> tuple[list[Chunk], int]:
    """What a body is without its codings, up to its limit, and how many bytes were left, decoded or not."""
    chunks: list[Chunk] = []
    room, left = kept.limit, 0
    for at_ms, data in kept.chunks:
        if left:
            left += len(data)
            continue
        pieces: list[bytes] = []
        for piece in decoder.feed(data):
            pieces.append(piece[:room])
            left = max(len(piece) - room, 0)
            room -= len(pieces[-1])
            if left:
                break
        if plain := b"".join(pieces):
            chunks.append((at_ms, plain))
    return chunks, left


def _cut_tail(chunks: Sequence[Chunk]) -> tuple[list[Chunk], int]:
    if not chunks:
        return [], 0
    at_ms, last = chunks[-1]
    tail = _TAIL.search(last[-_LONGEST_TAIL:])
    size = 0 if tail is None else len(tail[0])
    return [*chunks[:-1], (at_ms, last[: len(last) - size])], size


def _is_stream(headers: Headers, chunks: Sequence[Chunk]) -> bool:
    types = [value.lower() for name, value in headers if name.lower() == b"content-type"]
    if any(value.startswith(_STREAM_TYPE) for value in types):
        return True
    # Some gateways send events under another type, and clients take them.
    named = any(value.startswith((b"application/json", b"text/html")) for value in types)
    return bool(chunks) and not named and _STREAM_START.match(chunks[0][1]) is not None


def _split_events(read: _Read) -> tuple[CapturedEvent, ...]:
    decoder = Decoder()
    events: list[CapturedEvent] = []
    at_ms = 0.0
    try:
        for at_ms, data in read.chunks:
            _capture_items(decoder.feed(data), at_ms, events)
        _capture_items(decoder.finish(), at_ms, events)
    except EventTooLargeError as error:
        _capture_items(error.before, at_ms, events)
        read.truncated += len(read.join()) - sum(len(event.to_bytes()) for event in events)
    return tuple(events)


def _capture_items(items: Iterable[Item], at_ms: float, events: list[CapturedEvent]) -> None:
    at_ms = round(at_ms, 1)
    for item in items:
        if isinstance(item, StreamEvent):
            spelled = encode_event(item.type, item.data)
            events.append(CapturedEvent(item.type, item.data, at_ms, None if spelled == item.raw else item.raw))
        elif events and events[-1].data is None and events[-1].at_ms == at_ms and events[-1].raw is not None:
            # A comment and the blank line after it are one.
            events[-1] = CapturedEvent(at_ms=at_ms, raw=events[-1].raw + item.raw)
        else:
            events.append(CapturedEvent(at_ms=at_ms, raw=item.raw))
