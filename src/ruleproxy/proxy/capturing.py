"""Recording exchanges to capture files, beside the traffic and never in its way.

While an exchange runs, its parts are only kept (the same bytes, not copies); after its end a thread of its own makes
them readable, masks credentials and writes one file. What cannot be written, because the folder is full or refuses,
is said once in the log, and the traffic goes on.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from ruleproxy.captures.assembling import KeptBody, assemble_request, assemble_response
from ruleproxy.captures.capture import Capture, CapturedFailure, CapturedRequest, CapturedResponse
from ruleproxy.captures.redaction import mask_capture
from ruleproxy.captures.writing import render_capture, write_whole
from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamFailed,
    UpstreamHead,
)
from ruleproxy.messages.message import Headers, Request
from ruleproxy.proxy.forwarding import Answer, Exchange, Forwarder
from ruleproxy.wire.headers import frame_request

_log = logging.getLogger("ruleproxy")

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """How much is recorded: which part of the exchanges (1.0: all, 0.1: every tenth), files in the folder, their bytes
    together, bytes of one body; and how many exchanges, and bytes of them, may wait to be written before further ones
    are left out.
    """

    sample: float = 1.0
    files: int = 10_000
    total: int = 1024 * 1024 * 1024
    body: int = 8 * 1024 * 1024
    waiting: int = 64
    waiting_bytes: int = 128 * 1024 * 1024


class Recorder:
    """Writes exchanges to a folder (made with mode 0700 where there is none), one file each.

    `known` gives the proxy's own secrets, which are masked wherever they stand. `wanted` is asked in the recorder's
    thread whether an exchange that is over is written. What a folder holds already counts towards the limits.
    `paused`: nothing is recorded until `switch` says so.
    """

    def __init__(
        self,
        folder: Path,
        limits: RecordLimits | None = None,
        *,
        known: Callable[[], Iterable[bytes]] = tuple,
        wanted: Callable[[Capture], bool] | None = None,
        paused: bool = False,
    ) -> None:
        self.folder = folder
        self._wanted = wanted
        self._paused = paused
        self._share = 0.0
        self._unfit = 0
        self._limits = limits or RecordLimits()
        self._known = known
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="captures")
        self._lock = threading.Lock()
        self._waiting = self._waiting_bytes = 0
        self._written = self._dropped = 0
        self._reported: set[str] = set()
        self._process = os.urandom(2).hex()
        self._number = 0
        self._files, self._total = self._measure()
        self._full = False

    def wrap(self, exchange: Exchange, request: Request, trace: Callable[[], Any] | None = None) -> Exchange:
        """The exchange as one that is recorded; itself where it is not, and once the folder is full.

        `trace` is asked after the end, in the recorder's thread, for what the rules did (JSON values).
        """
        if self._full or self._paused or not self._choose():
            return exchange
        return Recording(exchange, request, self, self._limits.body, trace)

    def _choose(self) -> bool:
        # Every so many-th, not by chance: what is recorded of the same traffic is the same.
        self._share += self._limits.sample
        if self._share < 1.0:
            return False
        self._share -= 1.0
        return True

    def switch(self, *, on: bool) -> None:
        """Record from now on, or pause. Exchanges under way are finished as they were begun."""
        if self._paused == on:
            self._paused = not on
            _log.info("recording to %s %s", self.folder, "goes on" if on else "pauses")

    def status(self) -> dict[str, object]:
        """What there is to say of it on the control pages."""
        return {
            "folder": str(self.folder),
            "on": not (self._paused or self._full),
            "unfit": self._unfit,
            "written": self._written,
            "left_out": self._dropped,
            "files": self._files,
            "bytes": self._total,
            "full": self._full,
        }

    def close(self) -> None:
        """Write what is waiting. Later exchanges are not recorded."""
        self._full = True
        self._thread.shutdown()

    def keep(self, recording: Recording) -> None:
        """Have a finished exchange written."""
        size = recording.size
        with self._lock:
            crowded = self._waiting >= self._limits.waiting or self._waiting_bytes + size > self._limits.waiting_bytes
            if not crowded:
                self._waiting += 1
                self._waiting_bytes += size
        if crowded:
            self._dropped += 1
            self._report("crowded", "captures come faster than they can be written: some are left out")
            return
        try:
            self._thread.submit(self._write, recording, size)
        except RuntimeError:
            # Closed: the proxy is stopping.
            self._dropped += 1

    def _write(self, recording: Recording, size: int) -> None:
        try:
            capture = recording.assemble()
            if self._wanted is not None and not self._wanted(capture):
                self._unfit += 1
                return
            capture = mask_capture(capture, self._known())
            text = render_capture(capture)
            if self._files >= self._limits.files or self._total + len(text) > self._limits.total:
                self._full = True
                self._dropped += 1
                limit = f"{self._limits.files} files, {self._limits.total} bytes"
                self._report(
                    "full", f"the captures in {self.folder} have reached their limit ({limit}): no more are recorded"
                )
                return
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._total += write_whole(self.folder / self._name(recording.started, capture.request.path), text)
            self._files += 1
            self._written += 1
        except OSError as error:
            self._dropped += 1
            self._report(
                "failed", f"captures cannot be written to {self.folder}: {(error.strerror or str(error)).lower()}"
            )
        except Exception:  # noqa: BLE001 - whatever it was, the traffic goes on and the log says it
            self._dropped += 1
            if "unexpected" not in self._reported:
                self._reported.add("unexpected")
                _log.exception("an exchange could not be recorded")
        finally:
            with self._lock:
                self._waiting -= 1
                self._waiting_bytes -= size

    def _name(self, started: float, path: bytes) -> str:
        self._number += 1
        shown = _UNFIT.sub("-", path.partition(b"?")[0].decode("latin-1")).strip("-.")[:_NAME_LENGTH] or "root"
        return f"{show_time(started, compact=True)}-{self._process}{self._number:04x}-{shown}.json"

    def _measure(self) -> tuple[int, int]:
        try:
            sizes = [entry.stat().st_size for entry in os.scandir(self.folder) if entry.name.endswith(".json")]
        except FileNotFoundError:
            return 0, 0
        except OSError as error:
            self._report(
                "failed", f"captures cannot be written to {self.folder}: {(error.strerror or str(error)).lower()}"
            )
            return 0, 0
        return len(sizes), sum(sizes)

    def _report(self, kind: str, message: str) -> None:
        if kind not in self._reported:
            self._reported.add(kind)
            _log.warning("%s", message)


class Recording:
    """An exchange that keeps what passes through it. It is never `relaying`: then its driver would not show it."""

    relaying = False

    def __init__(
        self, exchange: Exchange, request: Request, recorder: Recorder, limit: int, trace: Callable[[], Any] | None
    ) -> None:
        self.exchange = exchange
        self.started = time.time()
        self._clock = time.perf_counter()
        self._now = 0.0
        self._request = request
        self._recorder = recorder
        self._limit = limit
        self._trace = trace
        self._sent: Send | None = None
        self._came: tuple[int, Headers] | None = None
        self._came_body = KeptBody(limit)
        self._failure: CapturedFailure | None = None
        self._got: tuple[int, Headers] | None = None
        self._got_body = KeptBody(limit)
        self._complete = False
        self._finished = False

    @property
    def patience(self) -> float | None:
        """The exchange's own."""
        return self.exchange.patience

    @property
    def acted(self) -> Sequence[str]:
        """The exchange's own."""
        return self.exchange.acted

    @property
    def remarks(self) -> Sequence[str]:
        """The exchange's own."""
        return self.exchange.remarks

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        sent = 0 if self._sent is None else len(self._sent.body)
        return len(self._request.body) + sent + self._came_body.size + self._got_body.size

    def begin(self) -> Sequence[Action]:
        """The exchange's first actions."""
        return self._keep_actions(self.exchange.begin())

    def receive(self, event: Event) -> Sequence[Action]:
        """The exchange's actions after an event."""
        self._now = (time.perf_counter() - self._clock) * 1000
        match event:
            case UpstreamData(data):
                self._came_body.add(self._now, data)
            case UpstreamHead(status, headers):
                self._came = (status, headers)
            case UpstreamFailed(kind, message):
                self._failure = CapturedFailure(kind, message)
        return self._keep_actions(self.exchange.receive(event))

    def finish(self) -> None:
        """Have it written, once."""
        if not self._finished:
            self._finished = True
            self._recorder.keep(self)

    def assemble(self) -> Capture:
        """The capture, nothing masked yet."""
        request = self._request
        return Capture(
            assemble_request(request.method, request.target, request.headers, request.body, self._limit),
            self._assemble_sent(),
            self._assemble_answer(self._came, self._came_body, cut=self._failure is not None),
            self._failure,
            self._assemble_answer(self._got, self._got_body, cut=not self._complete),
            {"acted": list(self.exchange.acted)} if self._trace is None else self._trace(),
            show_time(self.started),
        )

    def _assemble_sent(self) -> CapturedRequest | None:
        sent = self._sent
        if sent is None:
            return None
        headers = frame_request(sent.headers, sent.method, httpx.URL(sent.origin).netloc, sent.body)
        return assemble_request(sent.method, sent.target, headers, sent.body, self._limit, sent.origin)

    @staticmethod
    def _assemble_answer(head: tuple[int, Headers] | None, body: KeptBody, *, cut: bool) -> CapturedResponse | None:
        return None if head is None else assemble_response(*head, body, cut=cut)

    def _keep_actions(self, actions: Sequence[Action]) -> Sequence[Action]:
        for action in actions:
            match action:
                case Data(data):
                    self._got_body.add(self._now, data)
                case Head(status, headers):
                    self._got = (status, headers)
                case Send():
                    self._sent = action
                    self._came, self._came_body, self._failure = None, KeptBody(self._limit), None
                case End():
                    self._complete = True
                case Cut():
                    self._complete = False
        return actions


class RecordingForwarder(Forwarder):
    """A forwarder that has recorded exchanges written when they are over, however they ended."""

    async def forward(self, exchange: Exchange, answer: Answer) -> None:
        """Drive an exchange to its end; its file is written afterwards."""
        try:
            await super().forward(exchange, answer)
        finally:
            if isinstance(exchange, Recording):
                exchange.finish()


def show_time(seconds: float, *, compact: bool = False) -> str:
    """A time in UTC with milliseconds; `compact` without what file names and sorting do not need."""
    spelling = "%Y%m%dT%H%M%S" if compact else "%Y-%m-%dT%H:%M:%S"
    return f"{time.strftime(spelling, time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"
