"""The rules in force, and how an edit of their files becomes the next ones."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruleproxy.captures.masking import Masker
from ruleproxy.engine.learning import LearnedRule, LearnedRules
from ruleproxy.engine.loading import Loaded, load_rules
from ruleproxy.engine.masking import render_diagnostics
from ruleproxy.engine.remembering import LoadMemory
from ruleproxy.engine.ruleset import EMPTY, Ruleset
from ruleproxy.engine.running import Outcome
from ruleproxy.language.counts import count
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.exporting import to_dict
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.watching import State, look_at, watch_places

_log = logging.getLogger("ruleproxy")

REST_SECONDS = 0.1
"""Rules come into force when nothing about their files changed for this long: editors write in several steps."""

_TRIES = 20


class RulesInForce:
    """The current ruleset and what is known of it. `current` is replaced as a whole, never changed.

    `learned` is what was learned under it, and is replaced with it.
    """

    def __init__(
        self, folders: Sequence[Path], upstreams: tuple[Upstream, ...], environment: Mapping[str, str] = os.environ
    ) -> None:
        self.current: Ruleset = EMPTY
        self.learned = LearnedRules()
        self.counts: Counter[tuple[str, str]] = Counter()
        self._folders = tuple(folders)
        self._watched = self._folders
        """The folders, and what the rules in them read from elsewhere."""
        self._upstreams = upstreams
        self._environment = environment
        self._memory = LoadMemory()
        self._files = 0
        self._since = time.time()
        self._rejected: Loaded | None = None
        self._rejected_at = 0.0
        self._reloads = 0
        self._seen: object = None
        self._told: set[tuple[str, str]] = set()

    def load_first(self) -> Loaded:
        """Read the folders before anything is served. What is being written just then is read again."""
        for _ in range(_TRIES):
            watched = self._watched
            state = look_at(watched)
            loaded = self._load()
            if watched != self._watched:
                continue
            if look_at(watched) == state:
                break
            time.sleep(REST_SECONDS)
        self._take(state, loaded)
        return loaded

    def _load(self) -> Loaded:
        loaded = load_rules(self._folders, self._upstreams, environment=self._environment, memory=self._memory)
        if loaded.ruleset is not None:
            loaded.ruleset.prepare_as(self.current)
        kept = () if loaded.ruleset is not None else self._watched
        self._watched = tuple(dict.fromkeys((*self._folders, *loaded.places, *kept)))
        return loaded

    def _take(self, state: State, loaded: Loaded) -> None:
        """Put rules into force if nothing is wrong with them; else the old ones stay."""
        self._seen = state.files
        if loaded.ruleset is None:
            self._rejected, self._rejected_at = loaded, time.time()
            return
        self._rejected = None
        self._files = loaded.files
        known = (self.current.digest, self.current.secrets)
        if (loaded.ruleset.digest, loaded.ruleset.secrets) != known or self.current is EMPTY:
            self.current = loaded.ruleset
            self.forget("the rules changed")
            self._since = time.time()
            self._told.clear()

    def forget(self, reason: str) -> int:
        """Have learned rules act no longer; how many there were."""
        count = len(self.learned)
        if count:
            _log.info("%d learned rule%s forgotten: %s", count, "" if count == 1 else "s", reason)
        self.learned = LearnedRules(self.current.secrets, _announce)
        return count

    async def watch(self) -> None:
        """Reload on every change of the folders until cancelled."""
        await watch_places(lambda: self._watched, self._look)

    async def _look(self) -> None:
        """Read the files if they are others than those that were read last, once they have come to rest."""
        while (state := await asyncio.to_thread(look_at, watched := self._watched)).files != self._seen:
            # The files are read while they rest; what was read of two states is never taken.
            loaded, _ = await asyncio.gather(asyncio.to_thread(self._load), asyncio.sleep(REST_SECONDS))
            if watched != self._watched or await asyncio.to_thread(look_at, watched) != state:
                continue
            if not any(path.exists() for path in self._folders):
                if self._seen is not None:
                    _log.warning("no rules are there any more: rules %s stay in force", self.current.digest[:7])
                self._seen = state.files
                return
            self._take(state, loaded)
            self._tell(loaded)

    def _tell(self, loaded: Loaded) -> None:
        if loaded.ruleset is not None:
            self._reloads += 1
            _log.info("%s", self.describe())
            warnings = [d for d in loaded.diagnostics if d.severity is Severity.WARNING]
            if warnings:
                _log.warning("%s", render_diagnostics(warnings).rstrip())
        else:
            _log.error("%s\nnot loaded: rules %s stay in force", describe_problems(loaded), self.current.digest[:7])

    def describe(self) -> str:
        """What is in force, in one line."""
        missing = [str(folder) for folder in self._folders if not folder.exists()]
        if missing:
            return f"no rules at {missing[0]}: everything passes as it comes until there are some"
        return f"rules {self.current.digest[:7]} in force: {describe(len(self.current), self._files)}"

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Count what rules did, and say of a failing rule that it fails, once for each reason."""
        counts = self.counts
        for outcome in outcomes:
            if outcome.verdict in ("unmatched", "unreached"):
                continue
            counts[outcome.rule.name, outcome.verdict] += 1
            if outcome.failure is not None and len(self._told) < 1_000:
                told = (outcome.rule.name, outcome.failure)
                if told not in self._told:
                    self._told.add(told)
                    masker = Masker(secret.encode() for secret in self.current.secrets)
                    failure = masker.mask_text(outcome.failure.encode("utf-8", "replace")).decode()
                    _log.warning('rule "%s" (%s) failed: %s', outcome.rule.name, outcome.rule.place, failure)

    def status(self) -> dict[str, Any]:
        """What the control page says of the rules."""
        rejected = self._rejected
        verdicts: dict[str, dict[str, int]] = {}
        for (name, verdict), times in sorted(self.counts.items()):
            verdicts.setdefault(name, {})[verdict] = times
        return {
            "rules": {
                "hash": self.current.digest[:7],
                "count": len(self.current),
                "files": self._files,
                "folders": [str(folder) for folder in self._folders],
                "since": _moment(self._since),
                "reloads": self._reloads,
                "learned": len(self.learned),
            },
            "rejected": None
            if rejected is None
            else {
                "at": _moment(self._rejected_at),
                "errors": rejected.errors,
                "unreadable": [f"{item.shown}: {item.reason}" for item in rejected.unreadable],
                "diagnostics": [to_dict(diagnostic) for diagnostic in rejected.diagnostics],
            },
            "verdicts": verdicts,
        }


def _announce(learned: LearnedRule) -> None:
    _log.info("learned a rule, in force until the rules change:\n%s", learned.text.rstrip())


def describe(rules: int, files: int) -> str:
    """`3 rules from 2 files`."""
    return f"{count(rules, 'rule')} from {count(files, 'file')}"


def describe_problems(loaded: Loaded, *, colour: bool = False) -> str:
    """Everything that is wrong, for a terminal or a log."""
    lines = [f"error: {item.shown}: {item.reason}" for item in loaded.unreadable]
    if loaded.diagnostics:
        lines.append(render_diagnostics(loaded.diagnostics, colour=colour).rstrip())
    return "\n".join(lines)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
