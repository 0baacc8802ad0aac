"""A small and fast upstream, a process of its own: `python -m benchmarks.upstream` says where it listens.

It answers every POST with the same message; with `?events=N&pause=SECONDS` in the target, with N server-sent events,
one at a time. The first event says when it was written, on the clock of `time.monotonic`. `GET /last` gives the body
that came last, `GET /left` the moments, on the same clock, at which streams were left before their end.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import cast
from urllib.parse import parse_qs, urlsplit

ANSWER = (
    b'{"id":"msg_0000000000000000","type":"message","role":"assistant","model":"claude-opus-4-8",'
    b'"content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":12,"output_tokens":3}}'
)
EVENT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a few words"}}\n\n'
)

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

_last_body: list[bytes] = []
_left: list[float] = []


class Upstream(asyncio.Protocol):
    """One connection: requests with a content length, one after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._target = b""
        self._parts: list[bytes] = []
        self._missing = 0
        self._stream: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a stream that nobody reads any longer."""
        del exc
        if self._stream is not None and not self._stream.done():
            _left.append(time.monotonic())
            self._stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a head or of a body."""
        if not self._missing:
            data = self._head + data
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self._head = b""
            length = _LENGTH.search(head)
            self._target = head.split(b" ", 2)[1]
            self._missing = int(length[1]) if length else 0
            self._parts = []
        self._missing -= len(data)
        self._parts.append(data)
        if not self._missing:
            self._answer()

    def _answer(self) -> None:
        global _last_body
        assert self._transport is not None
        if self._target in (b"/last", b"/left"):
            body = b"".join(_last_body) if self._target == b"/last" else json.dumps(_left).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return
        _last_body = self._parts
        if b"?events=" in self._target:
            self._stream = asyncio.get_running_loop().create_task(self._write_events(self._transport))
        else:
            self._transport.write(_ANSWER)

    async def _write_events(self, transport: asyncio.Transport) -> None:
        asked = parse_qs(urlsplit(self._target.decode("ascii")).query)
        count, pause = int(asked["events"][0]), float(asked["pause"][0])
        written = b'event: message_start\ndata: {"type":"message_start","written":%.7f}\n\n' % time.monotonic()
        transport.write(_STREAM_HEAD + _chunk(written))
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(count - 1):
            due += pause
            await asyncio.sleep(due - loop.time())
            transport.write(_CHUNK)
        transport.write(b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_CHUNK = _chunk(EVENT)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _main() -> None:
    try:
        import uvloop
    except ImportError:  # as for the proxy: not everywhere
        asyncio.run(_serve())
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve())


if __name__ == "__main__":
    _main()
