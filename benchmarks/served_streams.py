"""What an event of a stream costs each proxy, and how much later its first byte comes."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Sequence

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import HEADERS, Payload
from benchmarks.processes import Server
from benchmarks.report import Line
from benchmarks.samples import Sample, divide, subtract
from benchmarks.stacks import NGINX, OBVIOUS, OURS, TITLES, Field, Stack
from benchmarks.upstream import EVENT

_STREAMS = 20
_PAUSE = 0.01
_FIRST_BYTES = 40
_WRITTEN = re.compile(rb'"written":([0-9.]+)')


def measure_streams(field: Field, payloads: Sequence[Payload], *, rounds: int, seconds: int) -> list[Line]:
    """Streams at a model's pace, every event in a packet of its own, without any that rules look at."""
    stacks = [stack for stack in field.stacks if stack.rules]
    small, _, worst = payloads
    costs: dict[str, list[float]] = {stack.name: [] for stack in stacks}
    for _ in range(rounds):
        for stack in stacks:
            costs[stack.name].append(_measure_event(stack.server, small, seconds))
    lines = _beside("stream, an event", "stream: an event passed on", {k: Sample(tuple(v)) for k, v in costs.items()})
    for payload in (small, worst):
        lines += _beside(
            f"first byte, {payload.name}, rules",
            f"stream: first byte later, {payload.title}, rules",
            _measure_first_bytes(stacks, field.upstream, payload, rounds),
        )
    return lines


def _beside(key: str, title: str, samples: dict[str, Sample]) -> list[Line]:
    return [
        Line(f"{key} / {peer}", title, samples[OURS], TITLES[peer], samples[peer], divide(samples[OURS], samples[peer]))
        for peer in (OBVIOUS, NGINX)
        if peer in samples
    ]


def _request(payload: Payload, count: int) -> bytes:
    lines = [f"POST /v1/messages?events={count}&pause={_PAUSE} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (*HEADERS, ("Content-Length", str(len(payload.body))))]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload.body


def _measure_event(server: Server, payload: Payload, seconds: int) -> float:
    count = int(seconds / _PAUSE)
    before = server.read_processor_time()
    asyncio.run(_read_streams(server, _request(payload, count), count))
    return (server.read_processor_time() - before) / (count * _STREAMS) * 1e6


async def _read_streams(server: Server, request: bytes, count: int) -> None:
    async def read_one(number: int) -> None:
        # Not all at the same instant: events that come together would be read together.
        await asyncio.sleep(_PAUSE * number / _STREAMS)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        answer = await reader.read(-1)
        writer.close()
        if answer.count(EVENT) != count - 1:
            raise BenchmarkFailed(f"{answer.count(EVENT)} of {count - 1} events came through")

    async with asyncio.timeout(count * _PAUSE + 30), asyncio.TaskGroup() as running:
        for number in range(_STREAMS):
            running.create_task(read_one(number))


def _measure_first_bytes(stacks: Sequence[Stack], upstream: Server, payload: Payload, rounds: int) -> dict[str, Sample]:
    # What the way without a proxy takes is our own reading, and is taken off.
    servers = {"direct": upstream, **{stack.name: stack.server for stack in stacks}}
    delays: dict[str, list[float]] = {name: [] for name in servers}
    request = _request(payload, 1)
    for _ in range(rounds):
        for name, server in servers.items():
            each = sorted(_measure_delay(server, request) for _ in range(_FIRST_BYTES))
            delays[name].append(each[len(each) // 2])
    direct = Sample(tuple(delays.pop("direct")))
    return {name: subtract(Sample(tuple(values)), direct) for name, values in delays.items()}


def _measure_delay(server: Server, request: bytes) -> float:
    """Microseconds from the upstream's writing of the first event to its arrival here."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        while (written := _WRITTEN.search(received)) is None:
            piece = connection.recv(65_536)
            if not piece:
                raise BenchmarkFailed(f"a stream ended before its first event: {received[:200]!r}")
            received += piece
            now = time.monotonic()
    return (now - float(written[1])) * 1e6
