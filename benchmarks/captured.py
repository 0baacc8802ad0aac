"""`ruleproxy test --captures` on ten thousand captures: how long two cores take, and whether memory stays flat."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import ROOT
from benchmarks.processes import read_memory
from benchmarks.report import Line
from benchmarks.samples import Sample, divide
from benchmarks.stacks import RULES
from ruleproxy.captures.capture import Capture, CapturedEvent, CapturedRequest, CapturedResponse
from ruleproxy.captures.writing import render_capture, write_whole
from support.bodies import claude_code_body, claude_code_headers, encode_body

COUNT = 10_000
_DISTINCT = 100
"""So many are written; the others are further names of these files, or a gigabyte would be."""
_CORES = 2
_LOOK_SECONDS = 0.1


def measure_captures(folder: Path) -> list[Line]:
    """Ten thousand captures of the 76 kB that a coding client sends, with a streamed answer, on the reference rules.

    The time is the processor time of all processes over two cores: what two cores take that nobody else uses.
    """
    captures = folder / "captures"
    captures.mkdir(parents=True)
    for number, capture in enumerate(make_captures(_DISTINCT)):
        write_whole(captures / f"{number:05}.json", render_capture(capture))
    for number in range(_DISTINCT, COUNT):
        os.link(captures / f"{number % _DISTINCT:05}.json", captures / f"{number:05}.json")
    output = folder / "output.txt"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    held = list(_watch(_start(captures, output)))
    took = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    closing = output.read_text().rstrip().rpartition("\n")[2]
    if closing != "10 000 captures: 10 000 changed":
        raise BenchmarkFailed(f"test --captures said {closing!r}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    third = len(held) // 3
    early, late = (Sample((max(part) / 1024,), "MiB") for part in (held[third : 2 * third], held[2 * third :]))
    waited = Sample((took,), "s")
    return [
        Line(
            "captures, two cores", f"captures: {COUNT} of 76 kB", Sample((spent / _CORES,), "s"), "on the clock", waited
        ),
        Line("captures, memory", "captures: memory of all processes, late", late, "before", early, divide(late, early)),
    ]


def make_captures(count: int) -> Iterator[Capture]:
    """Captures of the shape of a coding client's, each another one."""
    body = encode_body(claude_code_body())
    headers = [(name.encode(), value.encode()) for name, value in claude_code_headers("*masked-00000000*")]
    events = [_event(b'{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[]}}')]
    events += [_event(b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word"}}')] * 40
    events += [_event(b'{"type":"message_stop"}')]
    answer = CapturedResponse(200, [(b"content-type", b"text/event-stream")], events=tuple(events))
    for number in range(count):
        own = body.replace(b'"max_tokens":64000', b'"max_tokens":%d' % (60_000 + number))
        yield Capture(CapturedRequest("POST", b"/v1/messages?beta=true", headers, own), response=answer)


def _event(data: bytes) -> CapturedEvent:
    return CapturedEvent(data.partition(b'"type":"')[2].partition(b'"')[0].decode(), data, 1.0)


def _start(captures: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "ruleproxy",
        "test",
        str(RULES),
        "--captures",
        str(captures),
        "--jobs",
        str(_CORES),
    ]
    with output.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, cwd=ROOT, start_new_session=True)


def _watch(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """The memory of a process and its children, in kB, until it ends: look by look."""
    try:
        while process.poll() is None:
            yield sum(map(read_memory, [process.pid, *_find_children(process.pid)]))
            time.sleep(_LOOK_SECONDS)
    finally:
        process.kill()
        process.wait()


def _find_children(parent: int) -> Sequence[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []
