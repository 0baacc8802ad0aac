"""Secrets in AWS event streams: within a frame, across frames, in headers, in what is damaged."""

from __future__ import annotations

import json

import pytest

from ruleproxy.captures.frame_masking import holds_frames, mask_frames
from ruleproxy.captures.masking import Masker
from ruleproxy.wire.bedrock import encode_chunk, encode_exception
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.eventstream import FrameDecoder, encode_frame
from ruleproxy.wire.framing import AWS_EVENT_STREAM

SECRET = "ghp_" + "Pl4nt3d0" * 4


def _delta(text: str, field: str = "text") -> bytes:
    return encode_chunk(
        json.dumps(
            {"type": "content_block_delta", "index": 0, "delta": {"type": f"{field}_delta", field: text}}
        ).encode()
    )


def _texts(stream: bytes) -> str:
    items = AWS_EVENT_STREAM.decode(stream)
    deltas = [json.loads(item.data).get("delta", {}) for item in items if isinstance(item, StreamEvent)]
    return "".join(str(delta.get("text", delta.get("partial_json", ""))) for delta in deltas)


@pytest.mark.parametrize("size", range(1, 37))
def test_a_secret_across_frames(size: int) -> None:
    """Cut anywhere, it becomes one mask; the frames still have right checksums, and others keep their bytes."""
    text = f"the key is {SECRET} and that is all"
    before, after = _delta("first. "), encode_chunk(b'{"type":"message_stop"}')
    stream = before + b"".join(_delta(text[at : at + size]) for at in range(0, len(text), size)) + after
    assert holds_frames(stream)
    masked = mask_frames(stream, Masker())
    assert _texts(masked) == "first. " + Masker().mask_text(text.encode()).decode()
    assert "*masked-" in _texts(masked)
    assert masked.startswith(before)
    assert masked.endswith(after)


def test_a_stream_without_secrets_keeps_its_bytes() -> None:
    """Padding, spelling and headers included."""
    stream = encode_frame({":message-type": "event", ":event-type": "chunk"}, b'{"bytes": "eyJhIjogMX0=", "p": "abc"}')
    stream += _delta("nothing to see")
    assert mask_frames(stream, Masker()) == stream


def test_secrets_in_exceptions_headers_and_payloads() -> None:
    """An exception's message, a header, an event of Converse: masked, in frames that can be read."""
    stream = (
        encode_exception("api_error", f"invalid key {SECRET}")
        + encode_frame({":message-type": "error", ":error-code": "x", ":error-message": f"bad {SECRET}"}, b"")
        + encode_frame({":message-type": "event", ":event-type": "contentBlockDelta", "note": SECRET}, b'{"a":1}')
        + encode_frame({":message-type": "event", ":event-type": "x"}, json.dumps({"password": "Pl4nt3d!"}).encode())
    )
    masked = mask_frames(stream, Masker())
    assert b"Pl4nt3d" not in masked
    assert len(FrameDecoder().feed(masked)) == 4


def test_what_follows_damage_is_masked_as_it_stands() -> None:
    """A frame that breaks off, and bytes that are no frames."""
    whole = _delta(SECRET)
    assert b"Pl4nt3d" not in mask_frames(_delta("a") + f"then text with {SECRET}".encode() + b"." * 20, Masker())
    assert _texts(mask_frames(_delta("a") + whole[: len(whole) // 2], Masker())[: len(_delta("a"))]) == "a"
