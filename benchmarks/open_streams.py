"""What many open streams hold of memory, and how soon an upstream sees that a client has left."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import HEADERS
from benchmarks.processes import Server, read_memory, run_server
from benchmarks.report import Line
from benchmarks.samples import Sample, divide
from benchmarks.stacks import ask, python, run_ours

STREAMS = 1_000
_AT_ONCE = 100
_LEAVING = 50
_SETTLED_SECONDS = 1.0
_DEADLINE_SECONDS = 10.0
_BODY = b'{"model":"claude-opus-4-8","max_tokens":16,"stream":true,"messages":[]}'

# Rules on the sides that hold something of each stream.
_RULES = """edition 1

rule "no telemetry" on event
when event.type == "x_usage" then
  drop
end

rule "a kind word" on failure
when failure.kind == "timeout" then
  respond { status = 529, body = { type = "error" } }
end
"""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def measure_open_streams(folder: Path) -> list[Line]:
    """A thousand streams before one process, with rules for events and failures; then fifty clients leave."""
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "sides.rules").write_text(_RULES)
    with (
        run_server(python("benchmarks.upstream"), folder / "upstream") as upstream,
        run_ours(folder / "ruleproxy", upstream, folder / "rules") as server,
    ):
        return asyncio.run(_measure(upstream, server))


async def _measure(upstream: Server, server: Server) -> list[Line]:
    before = Sample((read_memory(server.process_id) / 1024,), "MiB")
    async with _open(server, STREAMS) as connections:
        await asyncio.sleep(_SETTLED_SECONDS)
        held = Sample((read_memory(server.process_id) / 1024,), "MiB")
        delays = Sample(tuple(sorted([await _leave(upstream, each) for each in connections[:_LEAVING]])), "ms")
    title = f"open: memory with {STREAMS} streams"
    slowest = Sample((max(delays.values),), "ms")
    return [
        Line("open streams, memory", title, held, "with none", before, divide(held, before)),
        Line("leaving, median", "open: until the upstream sees that a client left", delays),
        Line("leaving, slowest", f"open: the slowest of {_LEAVING}", slowest),
    ]


@asynccontextmanager
async def _open(server: Server, count: int) -> AsyncIterator[Sequence[Connection]]:
    connections: list[Connection] = []
    try:
        for _ in range(0, count, _AT_ONCE):
            connections += await asyncio.gather(*(_open_one(server) for _ in range(_AT_ONCE)))
        yield connections
    finally:
        for _, writer in connections:
            writer.close()


async def _open_one(server: Server) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    # The first event comes at once, and a second one within a minute: longer than any of this takes.
    lines = ["POST /v1/messages?events=2&pause=60 HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(_BODY)}"]
    lines += [f"{name}: {value}" for name, value in HEADERS]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + _BODY)
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await reader.readuntil(b'"written":')
    except (asyncio.IncompleteReadError, TimeoutError) as error:
        raise BenchmarkFailed(f"a stream of {server.url} did not begin: {error!r}") from error
    return reader, writer


async def _leave(upstream: Server, connection: Connection) -> float:
    """Milliseconds from a client's leaving until its upstream sees the end of its connection."""
    known = len(await asyncio.to_thread(_read_left, upstream))
    left = time.monotonic()
    connection[1].close()
    deadline = left + _DEADLINE_SECONDS
    while len(seen := await asyncio.to_thread(_read_left, upstream)) == known:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"an upstream was not told within {_DEADLINE_SECONDS:g} s that its client left")
        await asyncio.sleep(0.005)
    return (seen[-1] - left) * 1000


def _read_left(upstream: Server) -> list[float]:
    moments: list[float] = json.loads(ask(upstream, "GET", "/left", b""))
    return moments
