"""Secrets that change while the proxy runs: got from a command or a file, used for a time, got again.

Rules never hold their values. What `secret("NAME")` gives them is a stand-in, a text that nobody can guess; the value
takes its place when a request is on its way out, after the last edit. So there is nothing that a trace, a capture or a
log could show, nobody waits for a secret that his request does not need, and a request that was refused with 401 can be
sent again with a new value without its rules.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from ruleproxy.engine.events import Send
from ruleproxy.engine.secret_texts import SECRET_LIMIT, SecretUnreadable, check_secret, read_secret_file
from ruleproxy.proxy.secret_sources import SecretSource, SecretSources

_log = logging.getLogger("ruleproxy")

_MARK: Final = f"ruleproxy-{os.urandom(16).hex()}-"
_STAND_IN: Final = re.compile(rb"%s([A-Za-z0-9_]+?)-end" % _MARK.encode("ascii"))
_EARLY: Final = 0.8
"""The part of its lifetime after which a secret is got again beside the traffic."""
_FAILED_SECONDS: Final = 5.0
"""How long a failure is told before the command runs again."""
_REFUSED_SECONDS: Final = 5.0
"""How long after it was got again because of a refusal it is not got again for that: some upstreams refuse all."""
_REMEMBERED: Final = 4


def stand_in(name: str) -> str:
    """The text that stands for a secret's value until its request goes out."""
    return f"{_MARK}{name}-end"


def rules_environment(sources: SecretSources, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment as rules are loaded with it: with the secrets of the settings as variables."""
    found = dict(environment)
    for name, source in sources.items():
        if source.variable is None:
            found[name] = stand_in(name)
        elif source.variable in environment:
            found[name] = environment[source.variable]
        else:
            found.pop(name, None)
    return found


class LiveSecrets:
    """Gets secrets, each by one command at a time, and puts them where their stand-ins are.

    `clock` gives seconds, as of any moment: lifetimes are counted by it.
    """

    def __init__(self, sources: SecretSources, clock: Callable[[], float] = time.monotonic) -> None:
        self._held = {name: _Held(source, clock) for name, source in sources.items() if source.variable is None}

    def known(self) -> list[bytes]:
        """The values that were used of late, to be masked wherever they come back."""
        return [value.encode() for held in self._held.values() for value in held.used]

    async def prepare(self, texts: Iterable[str]) -> None:
        """Get the secrets for which these texts stand, before anybody waits for them; the log has what fails."""
        wanted = set(texts)
        for name, held in self._held.items():
            if stand_in(name) in wanted:
                with suppress(SecretUnreadable):
                    await held.get()

    @staticmethod
    def stands_in(send: Send) -> bool:
        """Whether a request holds a stand-in."""
        mark = _MARK.encode("ascii")
        return mark in send.target or any(mark in value for _, value in send.headers)

    async def fill(self, send: Send) -> tuple[Send, dict[str, str]]:
        """The request with values in place of stand-ins, and which those were. Raises `SecretUnreadable`."""
        texts = (send.target, *(value for _, value in send.headers))
        names = dict.fromkeys(match[1].decode("ascii") for text in texts for match in _STAND_IN.finditer(text))
        values = {name: await self._find(name).get() for name in names}

        def spell(match: re.Match[bytes]) -> bytes:
            return values[match[1].decode("ascii")].encode("latin-1")

        def spell_in_target(match: re.Match[bytes]) -> bytes:
            return quote(values[match[1].decode("ascii")], safe="-._~").encode("ascii")

        filled = replace(
            send,
            target=_STAND_IN.sub(spell_in_target, send.target),
            headers=[(name, _STAND_IN.sub(spell, value)) for name, value in send.headers],
        )
        return filled, values

    async def renew(self, used: Mapping[str, str]) -> bool:
        """Get secrets again that an upstream refused; whether one of them is another one now."""
        renewed = False
        for name, value in used.items():
            try:
                renewed = await self._find(name).get(instead_of=value) != value or renewed
            except SecretUnreadable as error:
                _log.error("%s", error)
        return renewed

    def _find(self, name: str) -> _Held:
        held = self._held.get(name)
        if held is None:
            raise SecretUnreadable(f"secret {name} has no source any more")
        return held


class _Held:
    """One secret: what it was last, and the one attempt to get it that is under way."""

    def __init__(self, source: SecretSource, clock: Callable[[], float]) -> None:
        self.used: deque[str] = deque(maxlen=_REMEMBERED)
        self._source = source
        self._clock = clock
        self._value: str | None = None
        self._since = 0.0
        self._failure: SecretUnreadable | None = None
        self._failed = float("-inf")
        self._renewed = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, *, instead_of: str | None = None) -> str:
        """The value, another than `instead_of` if there is one. Raises `SecretUnreadable`."""
        now = self._clock()
        age, lifetime = now - self._since, self._source.lifetime
        refused = self._value is not None and self._value == instead_of and now - self._renewed > _REFUSED_SECONDS
        if refused and self._fetching is None:
            self._renewed = now
        elif self._value is not None and age < lifetime and not refused:
            if age > lifetime * _EARLY and self._fetching is None and now - self._failed > _FAILED_SECONDS:
                self._fetch()
            return self._value
        if self._fetching is None:
            if self._failure is not None and now - self._failed < _FAILED_SECONDS:
                raise self._failure
            self._fetch()
        assert self._fetching is not None
        # Whoever waits may go away; the others and the secret stay.
        await asyncio.shield(self._fetching)
        if self._failure is not None:
            raise self._failure
        assert self._value is not None
        return self._value

    def _fetch(self) -> None:
        self._fetching = asyncio.get_running_loop().create_task(self._fetch_value())

    async def _fetch_value(self) -> None:
        source = self._source
        try:
            if source.command is not None:
                value = await run_command(source.name, source.command, source.timeout)
            else:
                assert source.file is not None
                value = await asyncio.to_thread(read_secret_file, source.name, source.file)
            if not value.isascii():
                raise SecretUnreadable(f"secret {source.name}: it has characters that no header may hold")
        except SecretUnreadable as error:
            self._failure, self._failed = error, self._clock()
            _log.error("%s", error)
        else:
            self._failure = None
            self._value, self._since = value, self._clock()
            if value not in self.used:
                self.used.append(value)
        finally:
            self._fetching = None


async def run_command(name: str, command: tuple[str, ...], seconds: float) -> str:
    """What a command prints. Raises `SecretUnreadable`, which never says what that was.

    It has no terminal and no input; what it says on its error output is for nobody. Its whole process group is ended
    when it takes longer than `seconds`, or when nobody wants it any more.
    """
    program = command[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SecretUnreadable(
            f"secret {name}: its command {program} cannot be run: {(reason or str(error)).lower()}"
        ) from None
    try:
        async with asyncio.timeout(seconds):
            assert process.stdout is not None
            data = b""
            while len(data) <= SECRET_LIMIT and (more := await process.stdout.read(65536)):
                data += more
            if len(data) > SECRET_LIMIT:
                raise SecretUnreadable(f"secret {name}: its command {program} gave more than {SECRET_LIMIT} bytes")
            code = await process.wait()
    except TimeoutError:
        raise SecretUnreadable(f"secret {name}: its command {program} gave nothing within {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code != 0:
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise SecretUnreadable(f"secret {name}: its command {program} {ended}")
    return check_secret(name, data, f"its command {program}")
