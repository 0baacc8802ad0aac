"""What an event of a stream costs each proxy, and how much later its first byte comes."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import HEADERS, Payload
from benchmarks.processes import Server
from benchmarks.report import Line
from benchmarks.samples import Sample, divide, subtract
from benchmarks.stacks import NGINX, OBVIOUS, OURS, TITLES, Field, Stack
from benchmarks.upstream import EVENT

_FIRST_BYTES = 40
_WRITTEN = re.compile(rb'"written":([0-9.]+)')


@dataclass(frozen=True, slots=True)
class _Pace:
    """How events come: `count` in each of `streams`, `pause` seconds apart."""

    key: str
    title: str
    streams: int
    count: int
    pause: float


def measure_streams(field: Field, payloads: Sequence[Payload], *, rounds: int, seconds: int) -> list[Line]:
    """An event at the pace of models and in a torrent, and when the first byte comes; no rule looks at events."""
    stacks = [stack for stack in field.stacks if stack.rules]
    lines: list[Line] = []
    for pace in (
        _Pace("event alone", "stream: an event that comes alone", 20, seconds * 100, 0.01),
        _Pace("event in a torrent", "stream: an event in a torrent", 4, 5_000, 0.0),
    ):
        costs: dict[str, list[float]] = {stack.name: [] for stack in stacks}
        for _ in range(rounds):
            for stack in stacks:
                costs[stack.name].append(asyncio.run(_measure_event(stack.server, payloads[0], pace)))
        lines += _set_beside(pace.key, pace.title, {name: Sample(tuple(values)) for name, values in costs.items()})
    for payload in payloads:
        after, added = _measure_first_bytes(stacks, field.upstream, payload, rounds)
        if payload is payloads[0]:
            lines += _set_beside("first byte after the upstream's", "stream: first byte after the upstream's", after)
        title = f"stream: first byte later, {payload.title}, rules"
        lines += _set_beside(f"first byte, {payload.name}, rules", title, added)
    return lines


def _set_beside(key: str, title: str, samples: dict[str, Sample]) -> list[Line]:
    return [
        Line(f"{key} / {peer}", title, samples[OURS], TITLES[peer], samples[peer], divide(samples[OURS], samples[peer]))
        for peer in (OBVIOUS, NGINX)
        if peer in samples
    ]


def _request(payload: Payload, count: int, pause: float) -> bytes:
    lines = [f"POST /v1/messages?events={count}&pause={pause} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (*HEADERS, ("Content-Length", str(len(payload.body))))]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload.body


async def _measure_event(server: Server, payload: Payload, pace: _Pace) -> float:
    """Microseconds of processor time that an event costs, from when all streams run until the first one ends."""
    request = _request(payload, pace.count, pace.pause)
    received = running = 0
    marks: list[tuple[float, int]] = []

    async def read_one(number: int) -> None:
        nonlocal received, running
        # Not all at the same instant: events that come together would be read together.
        await asyncio.sleep(pace.pause * number / pace.streams)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        events = bytearray()
        while size := int(await reader.readline(), 16):
            if not events:
                running += 1
                if running == pace.streams:
                    marks.append((server.read_processor_time(), received))
            events += (await reader.readexactly(size + 2))[:-2]
            received += size
        if len(marks) == 1:
            marks.append((server.read_processor_time(), received))
        writer.close()
        if events.count(EVENT) != pace.count - 1:
            raise BenchmarkFailed(f"{events.count(EVENT)} of {pace.count - 1} events came through")

    try:
        async with asyncio.timeout(pace.count * pace.pause + 30):
            await asyncio.gather(*(read_one(number) for number in range(pace.streams)))
    except (EOFError, ValueError, TimeoutError) as error:
        raise BenchmarkFailed(f"a stream of {server.url} was cut or got stuck: {error!r}") from error
    if len(marks) != 2:
        raise BenchmarkFailed("the streams did not run at the same time")
    (time_before, before), (time_after, after) = marks
    return (time_after - time_before) / (after - before) * len(EVENT) * 1e6


def _measure_first_bytes(
    stacks: Sequence[Stack], upstream: Server, payload: Payload, rounds: int
) -> tuple[dict[str, Sample], dict[str, Sample]]:
    """For each stack: microseconds between the upstream's writing and our reading, and from our asking on.

    Of both, what it takes without a proxy is taken off.
    """
    servers = {"direct": upstream, **{stack.name: stack.server for stack in stacks}}
    delays: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    request = _request(payload, 1, 0.0)
    for _ in range(rounds):
        for name, server in servers.items():
            each = [_measure_delays(server, request) for _ in range(_FIRST_BYTES)]
            delays[name].append((median(after for after, _ in each), median(whole for _, whole in each)))
    direct = delays.pop("direct")
    after, added = (
        {name: subtract(_column(values, index), _column(direct, index)) for name, values in delays.items()}
        for index in (0, 1)
    )
    return after, added


def _column(rows: Sequence[tuple[float, float]], index: int) -> Sample:
    return Sample(tuple(row[index] for row in rows))


def _measure_delays(server: Server, request: bytes) -> tuple[float, float]:
    """Microseconds until the first event is here: since the upstream wrote it, and since we asked."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        asked = time.monotonic()
        connection.sendall(request)
        while (written := _WRITTEN.search(received)) is None:
            piece = connection.recv(65_536)
            if not piece:
                raise BenchmarkFailed(f"a stream ended before its first event: {received[:200]!r}")
            received += piece
        now = time.monotonic()
    return (now - float(written[1])) * 1e6, (now - asked) * 1e6
