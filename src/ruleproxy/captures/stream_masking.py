"""Masks in a stream of events, where a secret may be spread over many of them.

A model writes a key a few characters at a time. So the texts that stand at the same place of events of the same kind
(`/delta/text` of `content_block_delta` with index 1) are joined before they are looked at, whatever their provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from ruleproxy.captures.capture import CapturedEvent
from ruleproxy.captures.masking import Masker

_INDEXES: Final = ("index", "output_index", "content_index", "item_id")

Channel = tuple[object, ...]


@dataclass(slots=True)
class _Text:
    """A text within a parsed event: `holder[key]`."""

    holder: Any
    key: Any
    event: int


def mask_events(events: Sequence[CapturedEvent], masker: Masker) -> tuple[CapturedEvent, ...]:
    """The events with masks. One that holds a mask is written compactly, whatever its spelling was."""
    masked = [_mask_event(event, masker) for event in _mask_across(events, masker)]
    return tuple(masked)


def _mask_across(events: Sequence[CapturedEvent], masker: Masker) -> list[CapturedEvent]:
    values: list[Any] = []
    channels: dict[Channel, list[_Text]] = {}
    for number, event in enumerate(events):
        value = _parse(event.data)
        if value is None and event.data is not None:
            # No JSON: pieces of one text.
            value = [event.data.decode("latin-1")]
        values.append(value)
        _collect(value, (event.type,), number, channels)
    changed: set[int] = set()
    for texts in channels.values():
        pieces = [text.holder[text.key].encode("utf-8", "surrogatepass") for text in texts]
        for text, before, after in zip(texts, pieces, masker.mask_pieces(pieces), strict=True):
            if before != after:
                text.holder[text.key] = after.decode("utf-8", "replace")
                changed.add(text.event)
    return [
        replace(event, data=_spell(event, values[number]), raw=None) if number in changed else event
        for number, event in enumerate(events)
    ]


def _mask_event(event: CapturedEvent, masker: Masker) -> CapturedEvent:
    if event.data is None:
        return replace(event, raw=None if event.raw is None else masker.mask_text(event.raw))
    data = masker.mask_text(event.data)
    if data != event.data:
        return replace(event, data=data, raw=None)
    # A comment among its lines.
    if event.raw is not None and masker.mask_text(event.raw) != event.raw:
        return replace(event, raw=None)
    return event


def _parse(data: bytes | None) -> Any:
    try:
        return None if data is None else orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _spell(event: CapturedEvent, value: Any) -> bytes:
    return value[0].encode("latin-1", "replace") if _parse(event.data) is None else orjson.dumps(value)


def _collect(root: Any, channel: Channel, event: int, channels: dict[Channel, list[_Text]]) -> None:
    waiting = [(root, channel)]
    while waiting:
        value, channel = waiting.pop()
        if isinstance(value, dict):
            channel += tuple(index for name in _INDEXES if isinstance(index := value.get(name), int | str))
            items: Any = value.items()
        else:
            items = enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            if isinstance(inner, str):
                channels.setdefault((*channel, key), []).append(_Text(value, key, event))
            else:
                waiting.append((inner, (*channel, key)))
