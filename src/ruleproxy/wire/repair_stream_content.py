"""The content blocks of one message in a repair: started, filled and closed one after the other."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.json_levels import write_object, write_string
from ruleproxy.wire.repair_stream import Repairs, UnrepairableError
from ruleproxy.wire.repair_stream_blocks import (
    DELTAS,
    INPUT_BEARING,
    InputProgress,
    empty_block,
    fits,
    start_block,
)
from ruleproxy.wire.repair_stream_data import edit_members, open_members

WAITING_BYTES = 1024 * 1024
"""So many bytes of events wait at most for a tool call to be complete."""

MOST_WAITING_BLOCKS = 32
"""So many blocks wait at most for a tool call to be complete."""

_MOST_REMEMBERED = 256


@dataclass(slots=True)
class _Block:
    """The block that is open: `index` as the client counts, `source` as the upstream does (None: it never said)."""

    index: int
    source: int | None
    kind: str
    filled: bool = False
    signed: bool = False
    input: InputProgress = field(default_factory=InputProgress)
    carried: tuple[bytes, ...] = ()

    @property
    def takes_input(self) -> bool:
        return self.kind in INPUT_BEARING

    @property
    def done(self) -> bool:
        """Whether it needs nothing more, as far as can be told."""
        return not self.takes_input or bool(self.carried) or self.input.complete


class ContentRepairer:
    """Feed it the content events of one message; `give` gets what the client does.

    `count` is how many blocks were started, `called` whether one of them is a tool call for the client.
    """

    def __init__(self, give: Callable[[StreamEvent], None], repairs: Repairs, seed: str) -> None:
        self.count = 0
        self.called = False
        self._give_out = give
        self._repairs = repairs
        self._seed = seed
        self._open: _Block | None = None
        self._unsettled: StreamEvent | None = None  # the start of the open block, not given out yet
        self._unsigned: tuple[_Block, StreamEvent] | None = None  # a thought without a signature, and its end to come
        self._highest = -1  # the highest index that the upstream has started
        self._closed_here: set[int] = set()  # indexes of the upstream's that were closed before it said so
        self._calls: set[int] = set()  # indexes of the upstream's that were tool calls
        self._waiting: deque[tuple[StreamEvent, dict[str, Any]]] = deque()
        self._waiting_blocks: set[int] = set()
        self._waiting_size = 0

    @property
    def open(self) -> bool:
        """Whether a block is open, or waits to be."""
        return self._open is not None or bool(self._waiting)

    def take(self, event: StreamEvent, data: dict[str, Any]) -> None:
        """Give out what a content event becomes. Raises UnrepairableError."""
        self._place(event, data)
        while self._waiting and (self._open is None or self._open.done):
            self._replay()

    def close(self, *, cut: bool) -> None:
        """Close what is open. `cut`: the message may end within a tool call. Raises UnrepairableError."""
        while self.open:
            if self._open is not None:
                if not cut and self._open.input.started and not self._open.done:
                    raise UnrepairableError("ends the message within a tool call")
                self._close()
            if self._waiting:
                self._replay()

    def settle(self) -> None:
        """Give out the end and the start that wait for the next item, if they do."""
        if self._unsigned is not None:
            (_, stop), self._unsigned = self._unsigned, None
            self._give_out(stop)
        if self._unsettled is not None:
            event, self._unsettled = self._unsettled, None
            self._give_out(event)

    def _replay(self) -> None:
        """Take what waits in its turn; some of it may have to wait again."""
        if self._open is not None:
            self._close()
        waiting, self._waiting = self._waiting, deque()
        self._waiting_blocks.clear()
        self._waiting_size = 0
        for event, data in waiting:
            self._place(event, data)

    def _place(self, event: StreamEvent, data: dict[str, Any]) -> None:
        index = data.get("index")
        source = index if isinstance(index, int) and not isinstance(index, bool) else None
        if self._has_to_wait(event.type, source, data):
            self._wait(event, data, source)
        elif event.type == "content_block_start":
            self._start(event, data, source)
        elif event.type == "content_block_delta":
            self._fill(event, data, source)
        else:
            self._stop(event, source)

    def _has_to_wait(self, kind: str, source: int | None, data: dict[str, Any]) -> bool:
        block = self._open
        if source is not None and source in self._waiting_blocks:
            return True
        if block is None or block.done or source is None or source == block.source:
            return False
        if kind == "content_block_delta":
            delta = data.get("delta")
            told = delta.get("type") if isinstance(delta, dict) else None
            return isinstance(told, str) and not fits(told, block.kind)
        return kind == "content_block_start"

    def _wait(self, event: StreamEvent, data: dict[str, Any], source: int | None) -> None:
        self._waiting.append((event, data))
        self._waiting_size += len(event.data)
        if source is not None and source not in self._waiting_blocks:
            self._repairs.note("interleaved blocks")
            self._waiting_blocks.add(source)
        if self._waiting_size > WAITING_BYTES or len(self._waiting_blocks) > MOST_WAITING_BLOCKS:
            raise UnrepairableError("goes on with other blocks for too long before a tool call is complete")

    def _start(self, event: StreamEvent, data: dict[str, Any], source: int | None) -> None:
        made_id = "toolu_" + hashlib.sha256(f"{self._seed} {self.count}".encode()).hexdigest()[:24]
        content = data.get("content_block")
        text = open_members(event.data)["content_block"] if isinstance(content, dict) else b""
        begun = start_block(text, content, made_id)
        if begun is None:
            self._repairs.note("unreadable content_block_start")
            return
        if self._open is not None:
            self._close()
        if source is not None:
            self._highest = max(self._highest, source)
            self._closed_here.discard(source)
        block = self._begin(begun.kind, source)
        block.signed = isinstance(content, dict) and bool(content.get("signature"))
        changes: dict[str, bytes] = {}
        if source != block.index:
            self._repairs.note("renumbered block")
            changes["index"] = b"%d" % block.index
        if begun.changed:
            self._repairs.note("content in a content_block_start" if begun.carried else "incomplete content_block")
            changes["content_block"] = begun.block
        self._unsettled = event.edit(event.type, edit_members(event.data, changes)) if changes else event
        if block.takes_input:
            block.carried = begun.carried
            self.settle()
        else:
            for delta in begun.carried:
                self._give_delta(block, delta)
        if begun.kind not in ("text", "thinking"):
            self.settle()

    def _begin(self, kind: str, source: int | None) -> _Block:
        self._open = block = _Block(self.count, source, kind)
        self.count += 1
        self.called = self.called or kind == "tool_use"
        return block

    def _give(self, event: StreamEvent) -> None:
        self.settle()
        self._give_out(event)

    def _give_delta(self, block: _Block, delta: bytes) -> None:
        block.filled = True
        data = {"type": b'"content_block_delta"', "index": b"%d" % block.index, "delta": delta}
        self._give(StreamEvent("content_block_delta", write_object(data)))

    def _fill(self, event: StreamEvent, data: dict[str, Any], source: int | None) -> None:
        delta = data.get("delta")
        if not isinstance(delta, dict):
            self._repairs.note("delta without content")
            return
        kind = delta.get("type")
        if not isinstance(kind, str):
            kind = next((name for name, (member, _) in DELTAS.items() if member in delta), None)
            if kind is None:
                self._repairs.note("delta without content")
                return
            whole = edit_members(open_members(event.data)["delta"], {"type": write_string(kind)})
            event = event.edit(event.type, edit_members(event.data, {"delta": whole}))
            self._repairs.note("delta without its type")
        told = delta.get(DELTAS[kind][0]) if kind in DELTAS else None
        if kind in DELTAS and told is None:
            self._repairs.note("delta without content")
            return
        if kind in DELTAS and kind != "citations_delta" and not isinstance(told, str):
            raise UnrepairableError(f"has a {kind} that is no text")
        if kind == "signature_delta" and told and (late := self._find_unsigned(source)) is not None:
            self._repairs.note("signature after its block")
            late.signed = True
            self._give_out(_renumber(event, source, late))
            return
        block = self._find(kind, source, told)
        if block is None:
            return
        block.signed = block.signed or (kind == "signature_delta" and bool(told))
        if block.takes_input and kind == "input_json_delta":
            block.input.feed(str(told))
            if told and block.carried:
                block.carried = ()  # what deltas tell takes the place of what stood in the start
        block.filled = block.filled or bool(told)
        if source not in (None, block.source):
            self._repairs.note("delta of another index")
        self._give(_renumber(event, source, block))

    def _find_unsigned(self, source: int | None) -> _Block | None:
        """The thought that just ended, if a signature that comes now is its own: without it no turn can replay it."""
        if self._unsigned is None:
            return None
        block = self._unsigned[0]
        if block.signed or (self._open is not None and fits("signature_delta", self._open.kind)):
            return None
        return block if self._open is None or source in (None, block.source) else None

    def _find(self, kind: str, source: int | None, told: Any) -> _Block | None:
        """The block that a delta fills, opened if need be; None where it is to be left out."""
        block = self._open
        fitting = block is not None and fits(kind, block.kind)
        if block is not None and fitting:
            foreign = source is not None and source != block.source
            if foreign and block.takes_input and source in self._calls:
                raise UnrepairableError("goes on with a tool call that is closed")
            # An index that was never started tells of a block of its own, unless the open one still waits for content.
            if not foreign or block.takes_input or not block.filled or (source or 0) <= self._highest:
                return block
        if told == "" or kind in ("signature_delta", "citations_delta") or kind not in DELTAS:
            self._repairs.note(f"{kind} without its block" if told != "" else "empty delta without its block")
            return None
        if block is not None and self._unsettled is not None and source in (None, block.source):
            # Nothing of the block was told yet: it is meant to be of the type that its delta has.
            self._unsettled = None
            self.count -= 1
            self._open = None
        opened, content = empty_block(kind)
        if self._open is not None:
            self._close()
        self._repairs.note("no content_block_start")
        if source is not None:
            self._highest = max(self._highest, source)
            self._closed_here.discard(source)
        begun = self._begin(opened, source)
        data = {"type": b'"content_block_start"', "index": b"%d" % begun.index, "content_block": content}
        self._give(StreamEvent("content_block_start", write_object(data)))
        return begun

    def _stop(self, event: StreamEvent, source: int | None) -> None:
        block = self._open
        if block is None or source not in (None, block.source):
            if source not in self._closed_here:
                self._repairs.note("stray content_block_stop")
            return
        self._close(_renumber(event, source, block))

    def _close(self, stop: StreamEvent | None = None) -> None:
        """Close the open block, with the upstream's own event or one made here."""
        block, own = self._open, stop is None
        assert block is not None
        if stop is None and self._unsettled is not None:
            # It never got anything, not even an end: an empty block that the next turn could not be sent with.
            self._repairs.note("empty block")
            self._unsettled = None
            self.count -= 1
        else:
            for delta in block.carried:
                self._give_delta(block, delta)
            if stop is None:
                self._repairs.note("no content_block_stop")
                data = {"type": b'"content_block_stop"', "index": b"%d" % block.index}
                stop = StreamEvent("content_block_stop", write_object(data))
            self.settle()
            if block.kind == "thinking" and not block.signed:
                self._unsigned = block, stop
            else:
                self._give_out(stop)
        if block.source is not None:
            if own:
                _remember(self._closed_here, block.source)
            if block.takes_input:
                _remember(self._calls, block.source)
        self._open = None


def _renumber(event: StreamEvent, source: int | None, block: _Block) -> StreamEvent:
    if source == block.index:
        return event
    return event.edit(event.type, edit_members(event.data, {"index": b"%d" % block.index}))


def _remember(indexes: set[int], index: int) -> None:
    if len(indexes) < _MOST_REMEMBERED:
        indexes.add(index)
