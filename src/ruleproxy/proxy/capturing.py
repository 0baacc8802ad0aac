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
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.redaction import mask_capture, mask_traceback
from ruleproxy.captures.writing import render_capture, write_whole
from ruleproxy.proxy.recording import Recording, show_time

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

    @property
    def body_limit(self) -> int:
        """Bytes of one body that are recorded."""
        return self._limits.body

    def takes(self) -> bool:
        """Whether the exchange that begins now is recorded."""
        return not (self._full or self._paused) and self._choose()

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
            else:
                self.write(capture, recording.started)
        except Exception:  # noqa: BLE001 - whatever it was, the traffic goes on and the log says it
            self._dropped += 1
            if "unexpected" not in self._reported:
                self._reported.add("unexpected")
                shown = mask_traceback(recording.request, self._known())
                _log.error("an exchange could not be recorded\n%s", shown)
        finally:
            with self._lock:
                self._waiting -= 1
                self._waiting_bytes -= size

    def write(self, capture: Capture, started: float) -> None:
        """Write an exchange that began then, masked, as far as there is room; what cannot be is said in the log."""
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
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._total += write_whole(self.folder / self._name(started, capture.request.path), text)
        except OSError as error:
            self._dropped += 1
            self._report(
                "failed", f"captures cannot be written to {self.folder}: {(error.strerror or str(error)).lower()}"
            )
            return
        self._files += 1
        self._written += 1

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
