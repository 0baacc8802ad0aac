"""The secrets of rules: from the environment, and from the files and commands that settings name.

What a command or a file gives holds for its lifetime. A 401 of an upstream that got such a secret has it given anew,
once, and the request is sent again with the new one.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx

from ruleproxy.messages.values import EditRefused
from ruleproxy.proxy.secret_sources import (
    SecretSource,
    SecretSources,
    SecretUnreadable,
    check_secret,
    read_secret_file,
    read_secret_now,
)

_log = logging.getLogger("ruleproxy")

_BETWEEN = 5.0
"""Seconds between two askings after refusals: an upstream that refuses everything starts no command each time."""


@dataclass(frozen=True, slots=True)
class _Held:
    value: str
    at: float


class Secrets(Mapping[str, str]):
    """Secrets by name, for `load_rules`. `value = secrets[name]` raises `EditRefused` where one cannot be had.

    Safe to be used from several threads; a command runs once at a time.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        sources: SecretSources,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._sources = sources
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._renewing = asyncio.Lock()
        self.renewed = asyncio.Event()
        """Set when a refusal made a secret another one."""

    def __getitem__(self, name: str) -> str:
        source = self._sources.get(name)
        if source is None:
            return self._environment[name]
        with self._lock:
            held = self._held.get(name)
            if held is None or self._clock() - held.at >= source.lifetime:
                try:
                    held = self._held[name] = _Held(self._read(source), self._clock())
                except SecretUnreadable as error:
                    raise EditRefused(str(error)) from None
            return held.value

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._sources, *self._environment))

    def __len__(self) -> int:
        return len(set(self._sources) | set(self._environment))

    @property
    def due(self) -> float | None:
        """Seconds until the first secret in use has lived its life; None where none ever does."""
        left = [self._sources[name].lifetime - (self._clock() - held.at) for name, held in self._held.items()]
        return max(min(left), 0.0) if left else None

    def refresh(self) -> bool:
        """Have those that have lived their lives given anew; whether any is another one. What fails is logged."""
        return sum(self._refresh(name) for name in list(self._held)) > 0

    def _refresh(self, name: str, *, older_than: float | None = None) -> bool:
        source = self._sources[name]
        with self._lock:
            held = self._held[name]
            if self._clock() - held.at < (source.lifetime if older_than is None else older_than):
                return False
            try:
                value = self._read(source)
            except SecretUnreadable as error:
                _log.warning("%s; the one before is used", error)
                value = held.value
            self._held[name] = _Held(value, self._clock())
            return value != held.value

    def _read(self, source: SecretSource) -> str:
        if source.command is not None:
            return _run(source)
        if source.file is not None:
            return read_secret_file(source.name, source.file)
        return read_secret_now(source.name, self._environment, self._sources)

    async def renew(self, request: httpx.Request) -> httpx.Request | None:
        """The refused request with secrets given anew; None where it has none that can be, or they are the same."""
        lines = [*request.headers.raw]
        target: bytes = request.extensions["target"]
        text = b"\n".join((target, *(value for _, value in lines)))
        named = [(name, held.value) for name, held in self._held.items() if held.value.encode() in text]
        if not named:
            return None
        async with self._renewing:
            for name, _ in named:
                await asyncio.to_thread(self._refresh, name, older_than=_BETWEEN)
        changed = [(old.encode(), self._held[name].value.encode()) for name, old in named]
        changed = [(old, new) for old, new in changed if old != new]
        if not changed:
            return None
        self.renewed.set()
        for old, new in changed:
            lines = [(name, value.replace(old, new)) for name, value in lines]
            target = target.replace(old, new)
        _log.info("401 from %s: sent again with %s given anew", request.url.host, ", ".join(name for name, _ in named))
        return httpx.Request(
            request.method,
            request.url,
            headers=lines,
            stream=request.stream,
            extensions={**request.extensions, "target": target},
        )


def _run(source: SecretSource) -> str:
    assert source.command is not None
    shown = f"its command {source.command[0]}"
    try:
        done = subprocess.run(  # noqa: S603 - the command is the user's own setting
            source.command, stdin=subprocess.DEVNULL, capture_output=True, timeout=source.timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise SecretUnreadable(f"secret {source.name}: {shown} gave nothing in {source.timeout:g} s") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SecretUnreadable(f"secret {source.name}: {shown} cannot be run: {reason}") from None
    if done.returncode != 0:
        # What it printed may be the secret.
        raise SecretUnreadable(f"secret {source.name}: {shown} ended with {done.returncode}")
    return check_secret(source.name, done.stdout, shown)
