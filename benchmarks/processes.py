"""Processes that the benchmarks start, measure and stop, each by its id."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import ROOT

_LISTENING = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)\n")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `port` of the loopback address."""

    process_id: int
    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def read_processor_time(self) -> float:
        """Seconds of processor time, its own and the kernel's for it, since it started (proc(5), utime and stime)."""
        text = Path(f"/proc/{self.process_id}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def run_server(
    command: Sequence[str],
    folder: Path,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server in `folder` until the block ends; without `port` its output says where it listens.

    Raises `BenchmarkFailed` where it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / "output.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RULEPROXY_")}
    with log_file.open("wb") as log:
        # A session of its own: an interrupt from the keyboard comes to us alone, and we stop what we started.
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=kept | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
            start_new_session=True,
        )
    try:
        yield Server(process.pid, _wait_until_up(process, log_file, port))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], log_file: Path, port: int | None) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if port is None:
            match = _LISTENING.search(log_file.read_bytes())
            if match is not None:
                return int(match[1])
        elif _is_listening(port):
            return port
        time.sleep(0.02)
    raise BenchmarkFailed(f"{' '.join(process.args)} did not come up: {log_file.read_text()}")  # type: ignore[arg-type]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_memory(process_id: int) -> int:
    """What a process holds, in kB (proc(5), VmRSS); nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def find_free_port() -> int:
    """A port that nothing listens on at this moment, for a server that cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
