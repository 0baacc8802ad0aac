"""Masks in a stream of AWS event-stream frames: within a frame, and across the deltas of several.

Frames in which something is masked are made anew, with lengths and checksums that hold; all others keep their bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.captures.capture import CapturedEvent
from ruleproxy.captures.masking import Masker
from ruleproxy.captures.stream_masking import mask_events
from ruleproxy.wire.bedrock import Decoder, respell_event
from ruleproxy.wire.events import BadStreamError, Item, StreamEvent, Unfinished
from ruleproxy.wire.eventstream import begins_frame, decode_frame, encode_frame


def holds_frames(body: bytes) -> bool:
    """Whether a body is a stream of frames, told by its first bytes."""
    return begins_frame(body)


def mask_frames(body: bytes, masker: Masker) -> bytes:
    """The frames with masks. Where they are damaged, what follows is masked as bytes that nobody knows."""
    items, rest = _decode(body)
    events = [item for item in items if isinstance(item, StreamEvent)]
    masked = iter(mask_events([CapturedEvent(event.type, event.data) for event in events], masker))
    parts: list[bytes] = []
    for item in items:
        raw = item.raw
        if isinstance(item, StreamEvent) and (data := next(masked).data) is not None and data != item.data:
            raw = respell_event(raw, item.type, data)
        parts.append(_mask_frame(raw, masker))
    return b"".join((*parts, masker.mask_text(rest)))


def _decode(body: bytes) -> tuple[Sequence[Item], bytes]:
    decoder = Decoder()
    try:
        items = [*decoder.feed(body), *decoder.finish()]
    except BadStreamError as error:
        items = error.before
    whole = [item for item in items if not isinstance(item, Unfinished)]
    return whole, body[sum(len(item.raw) for item in whole) :]


def _mask_frame(raw: bytes, masker: Masker) -> bytes:
    # What stands in headers, and in payloads that are no events.
    if masker.mask_text(raw) == raw:
        return raw
    frame = decode_frame(raw)
    headers = {
        name: masker.mask_text(value.encode()).decode()
        for name, value in frame.headers.items()
        if isinstance(value, str)
    }
    return encode_frame(headers, masker.mask_text(frame.payload))
