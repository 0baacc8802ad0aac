"""How a stream's events are framed: as server-sent events or as AWS event-stream frames.

What an answer is shows in its first bytes. Gateways send streams without a content type, JSON and login pages as
`text/event-stream`, and JSON errors where frames belong; so the content type only counts where the bytes say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from ruleproxy.messages.message import Headers
from ruleproxy.wire import bedrock, eventstream, sse
from ruleproxy.wire.events import Filler, Item, StreamEvent
from ruleproxy.wire.formats import Api, api_of, error_event


class Decoder(Protocol):
    """Takes a stream's bytes as they arrive, and gives what they complete."""

    def feed(self, piece: bytes) -> list[Item]:
        """What `piece` completes, in order. Raises BadStreamError."""

    def finish(self) -> list[Item]:
        """What the end completes."""


@dataclass(frozen=True, slots=True)
class Framing:
    """One way to put events into bytes. `decoder` makes a decoder; it takes the limit of an event in bytes."""

    name: Literal["server-sent events", "AWS event stream"]
    content_type: bytes
    decoder: Callable[[int], Decoder]
    _new: Callable[[str, bytes], bytes]
    _respell: Callable[[bytes, str, bytes], bytes]
    _filler: Callable[[bytes], bytes]

    def decode(self, stream: bytes) -> list[Item]:
        """What a whole stream consists of. Raises BadStreamError."""
        decoder = self.decoder(sse.DEFAULT_LIMIT)
        return [*decoder.feed(stream), *decoder.finish()]

    def encode(self, event: StreamEvent) -> bytes:
        """The bytes of an event that was decoded from this framing, or made here: those it came as, if it has any."""
        if not event.raw:
            return self._new(event.type, event.data)
        return self._respell(event.raw, event.type, event.data) if event.edited else event.raw

    def encode_foreign(self, item: StreamEvent | Filler) -> bytes:
        """The bytes of what was decoded from another framing.

        A type with a line end in it has no place in a server-sent event: such an event stays unnamed, but for its data.
        """
        if isinstance(item, Filler):
            return self._filler(item.raw)
        if self is not SERVER_SENT_EVENTS:
            return self._new(item.type, item.data)
        data = sse.write_in_one_line(item.data) if item.data[:1] == b"{" else item.data
        return self._new("" if sse.has_line_end(item.type) else item.type, data)

    def encode_error(self, api: Api, kind: str, message: str) -> bytes:
        """An error as the last event of a stream to a client of this format; `kind` is an Anthropic error type."""
        if self is AWS_EVENT_STREAM:
            return bedrock.encode_exception(kind, message)
        return sse.encode_event(*error_event(api, kind, message))

    def encode_waiting(self, api: Api) -> bytes:
        """What keeps a connection alive and is no event to a client of this format."""
        if self is AWS_EVENT_STREAM:
            return bedrock.KEEP_ALIVE
        # The API sends such events itself. Other formats have none, and every reader skips a comment.
        known = api in ("anthropic.messages", "vertex.rawpredict", "unknown")
        return sse.encode_event("ping", b'{"type":"ping"}') if known else sse.encode_comment("waiting")


def _new_server_sent(type: str, data: bytes) -> bytes:  # noqa: A002 (the field's own name)
    return sse.encode_event(type, data)


SERVER_SENT_EVENTS = Framing(
    "server-sent events",
    b"text/event-stream; charset=utf-8",
    sse.Decoder,
    _new_server_sent,
    sse.respell_event,
    lambda _: sse.encode_comment("waiting"),
)

AWS_EVENT_STREAM = Framing(
    "AWS event stream",
    b"application/vnd.amazon.eventstream",
    bedrock.Decoder,
    bedrock.encode_event,
    bedrock.respell_event,
    lambda raw: bedrock.KEEP_ALIVE if raw.startswith(b":") else b"",
)

MOST_SNIFFED = 512
"""So many bytes tell at the latest what an answer is."""

_SPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELD = re.compile(rb"(?:data|event|id|retry)(?::|[\r\n])|:")
_FIELD_BEGUN = tuple(name[:size] for name in (b"data:", b"event:", b"id:", b"retry:") for size in range(1, len(name)))


def claimed_framing(headers: Headers) -> Framing | None:
    """The framing that a content type names; None for that of a whole answer, or for none."""
    named = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    kind = named.partition(b";")[0].strip().lower()
    if kind == b"text/event-stream":
        return SERVER_SENT_EVENTS
    return AWS_EVENT_STREAM if kind == AWS_EVENT_STREAM.content_type else None


def sniff(data: bytes, claimed: Framing | None) -> Framing | Literal["whole", "undecided"]:
    """What an answer with a 2xx status is by its first bytes: a stream, anything else, or too little to say.

    `claimed` is what its content type says. JSON begins with a brace or bracket and markup with `<`; no field of a
    server-sent event does. The prelude of a frame has a checksum of its own, and in text no byte is zero.
    """
    if data[:1] == b"\0":
        if claimed is AWS_EVENT_STREAM or eventstream.begins_frame(data):
            return AWS_EVENT_STREAM
        return "undecided" if len(data) < eventstream.PRELUDE_SIZE else "whole"
    text = data.removeprefix(_BYTE_ORDER_MARK).lstrip(_SPACE)
    if _FIELD.match(text):
        return SERVER_SENT_EVENTS
    if (not text and len(data) < MOST_SNIFFED) or text in _FIELD_BEGUN:
        return "undecided"
    # What is no JSON and no markup may yet be a stream: one that is damaged, or begins with fields nobody knows.
    return claimed if claimed is not None and text[:1] not in b"{[<" else "whole"


def expected_framing(path: str) -> Framing | None:
    """The framing of streams that a client reads who asked for this path; None where that is not known."""
    match api_of(path):
        case "bedrock.invoke":
            return AWS_EVENT_STREAM if path.endswith("/invoke-with-response-stream") else None
        case "unknown" | "anthropic.count_tokens":
            return None
        case _:
            return SERVER_SENT_EVENTS
