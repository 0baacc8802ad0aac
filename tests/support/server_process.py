"""The proxy as users run it: a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LISTENING = re.compile(rb"listening on http://\S+:(\d+)\n")


@dataclass
class ServerProcess:
    """A running `ruleproxy serve`; everything it writes is in `log`."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> bytes:
        return self.log_file.read_bytes()

    def wait_for_log(self, pattern: bytes, seconds: float = 10) -> re.Match[bytes]:
        """Wait until the log matches; fails the test where it never does."""
        return _wait_for(self.process, self.log_file, re.compile(pattern), seconds)


@contextmanager
def server_process(
    folder: Path, upstream: str, *arguments: str, settings: str = "", environment: dict[str, str] | None = None
) -> Iterator[ServerProcess]:
    """Serve on a free port until the block ends; `settings` is the text of a ruleproxy.toml."""
    (folder / "ruleproxy.toml").write_text(settings)
    (folder / "rules").mkdir(exist_ok=True)
    log_file = folder / "serve.log"
    command = serve_command("--upstream", upstream, "--listen", "127.0.0.1:0", *arguments)
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=clean_environment() | (environment or {})
        )
    try:
        match = _wait_for(process, log_file, _LISTENING, 30)
        yield ServerProcess(process, int(match[1]), log_file)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
            raise


def serve_command(*arguments: str) -> Sequence[str]:
    """The command line of `ruleproxy serve`."""
    return (sys.executable, "-m", "ruleproxy", "serve", *arguments)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of its own for the proxy."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RULEPROXY_")}


def _wait_for(
    process: subprocess.Popen[bytes], log_file: Path, pattern: re.Pattern[bytes], seconds: float
) -> re.Match[bytes]:
    deadline = time.monotonic() + seconds
    while (match := pattern.search(log_file.read_bytes())) is None:
        assert process.poll() is None, f"the server ended: {log_file.read_text()}"
        assert time.monotonic() < deadline, f"the log never said {pattern.pattern!r}: {log_file.read_text()}"
        time.sleep(0.01)
    return match
