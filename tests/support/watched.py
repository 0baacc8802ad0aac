"""A server whose rules are edited while it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.raw_client import RawClient
from support.recording_upstream import RecordingUpstream
from support.server_process import ServerProcess, server_process


def marking(value: str, name: str = "x-one") -> str:
    """A rules file that says in a header which rules a request went through."""
    return f'edition 1\n\nrule "mark {name}" on request then\n  rewrite request.headers["{name}"] = "{value}"\nend\n'


@dataclass
class Watched:
    """A server whose rules are edited, and the upstream that sees which ones were in force."""

    server: ServerProcess
    upstream: RecordingUpstream
    rules: Path

    def marks(self) -> tuple[bytes, ...]:
        """What the rules in force write into a request that is sent now."""
        with RawClient(self.server.port) as client:
            assert client.ask(body=b"{}").status == 200
        request = self.upstream.requests[-1]
        return tuple(value for name in (b"x-one", b"x-two") for value in request.values(name))

    def wait_for_marks(self, *expected: bytes) -> None:
        """Send requests until these rules are in force."""
        self.wait_until(lambda: self.marks() == expected, f"the rules {expected} never came into force")

    def wait_until(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + 15
        while not condition():
            assert time.monotonic() < deadline, f"{complaint}: {self.server.log.decode()[-3000:]}"
            time.sleep(0.02)

    def status(self) -> dict[str, Any]:
        """What the control page says."""
        with RawClient(self.server.port) as client:
            lines = b"GET /_ruleproxy/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            client.send(lines)
            found: dict[str, Any] = json.loads(client.read_answer().body)
            return found


@contextmanager
def watching(folder: Path, upstream: RecordingUpstream, *arguments: str) -> Iterator[Watched]:
    with server_process(folder, upstream.url, *arguments) as server:
        yield Watched(server, upstream, folder / "rules")
