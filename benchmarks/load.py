"""Load: wrk, for a few seconds, with one body."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.debian import require
from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import HEADERS
from benchmarks.processes import Server

CONNECTIONS = 8

_SCRIPT = Path(__file__).with_name("wrk.lua")
_COUNTS = re.compile(r"completed=(\d+) failed=(\d+)")


def require_wrk() -> None:
    """Make sure that there is wrk. Raises `BenchmarkFailed`."""
    try:
        require(lambda: shutil.which("wrk") is not None, ("wrk",))
    except BenchmarkFailed as failure:
        raise BenchmarkFailed(f"wrk, which makes the load: {failure}") from None


def measure_request(server: Server, body_file: Path, seconds: int) -> float:
    """Microseconds of processor time that a request costs the server, over a window of so many seconds.

    Raises `BenchmarkFailed` where a request fails: what is quick and wrong is not measured.
    """
    before = server.read_processor_time()
    completed = drive(server, body_file, seconds)
    return (server.read_processor_time() - before) / completed * 1e6


def drive(server: Server, body_file: Path, seconds: int) -> int:
    """Send a body as often as the server lets us; the number of answers."""
    headers = [f"{name}: {value}" for name, value in HEADERS]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), f"{server.url}/v1/messages"]
    with subprocess.Popen(
        [*command, "--", str(body_file), *headers], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as load:
        try:
            output, _ = load.communicate(timeout=seconds + 30)
        except BaseException:
            load.kill()
            raise
    counts = _COUNTS.search(output)
    if load.returncode != 0 or counts is None or counts[1] == "0":
        raise BenchmarkFailed(f"wrk: {output.strip()}")
    if counts[2] != "0":
        raise BenchmarkFailed(f"{counts[2]} of {counts[1]} requests failed")
    return int(counts[1])
