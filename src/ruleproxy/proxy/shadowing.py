"""Rules beside the live ones: what they would have done on real traffic, compared and counted, nothing of it applied.

An exchange is compared after its end, in a thread of its own, with the answer that really came. That thread takes a
bounded part of the processor time: what comes faster than it can be compared is left out, and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.redaction import mask_remark, mask_traceback
from ruleproxy.engine.arriving import Limits
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.masking import mask_path
from ruleproxy.engine.running import Outcome
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.capturing import Recorder
from ruleproxy.proxy.recording import Recording
from ruleproxy.proxy.reloading import RulesInForce
from ruleproxy.rehearsal.comparing import Comparer, Difference
from ruleproxy.rehearsal.differences import Answer, Outgoing
from ruleproxy.rehearsal.driving import Unanswered, drive
from ruleproxy.rehearsal.recorded import RecordedAnswers

_log = logging.getLogger("ruleproxy")

SHARE: Final = 0.125
"""Processor time that comparing may take, as a part of what everything else takes.

What is kept for it, and what two threads take from each other, comes to as much again under full load.
"""

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a body; exchanges with a larger one are left out."""

_HEAD_START: Final = 0.2
_MOST_WAITING: Final = 64
_MOST_GROUPS: Final = 200
_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class _Ran:
    sent: Outgoing | None
    answer: Answer | None
    unanswered: str
    outcomes: Sequence[Outcome]


@dataclass(slots=True)
class _Group:
    """One kind of difference: how many exchanges have it, and the first of them."""

    first: Difference
    path: str
    count: int = 0


class Shadow:
    """Compares a second set of rules with the live one on exchanges that are over.

    `samples` writes a few exchanges of each kind of difference; `known` gives the secrets of both sets; `limits` are
    those of the live exchanges.
    """

    def __init__(
        self,
        rules: RulesInForce,
        upstreams: tuple[Upstream, ...],
        *,
        samples: Recorder | None,
        known: Callable[[], Iterable[bytes]],
        limits: Limits | None = None,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.thread_time, time.process_time),
    ) -> None:
        self.rules = rules
        self._upstreams = upstreams
        self._samples = samples
        self._known = known
        self._limits = limits
        self._own_time, self._whole_time = clocks
        self._spent = 0.0
        self._began = self._whole_time()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._lock = threading.Lock()
        self._waiting = 0
        self._compared = self._differing = self._left_out = 0
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._by_rule: Counter[str] = Counter()
        self._comparers: dict[tuple[str, str], Comparer] = {}
        self._failed = False

    def takes(self) -> bool:
        """Whether there is time to compare the exchange that begins now."""
        others = self._whole_time() - self._began - self._spent
        takes = self._waiting < _MOST_WAITING and self._spent <= _HEAD_START + SHARE * others
        self._left_out += not takes
        return takes

    def keep(self, recording: Recording) -> None:
        """Compare an exchange that is over."""
        exchange = recording.exchange
        if not isinstance(exchange, Exchange) or not recording.complete:
            self._left_out += 1
            return
        with self._lock:
            self._waiting += 1
        try:
            self._thread.submit(self._compare, recording, exchange)
        except RuntimeError:
            self._left_out += 1  # closed: the proxy is stopping

    def close(self) -> None:
        """Compare what is waiting, and say what came of it all."""
        self._thread.shutdown()
        _log.info("%s", self.describe())

    def describe(self) -> str:
        """What came of it, in one line."""
        said = f"shadow: {self._compared} compared, {self._differing} would differ"
        rules = ", ".join(f'"{name}" on {number}' for name, number in self._by_rule.most_common(5))
        return said + (f" ({rules})" if rules else "") + (f", {self._left_out} left out" if self._left_out else "")

    def status(self) -> dict[str, Any]:
        """What there is to say of it on the control pages."""
        groups = sorted(self._groups.values(), key=lambda group: -group.count)
        return {
            "rules": self.rules.status()["rules"],
            "rejected": self.rules.status()["rejected"],
            "compared": self._compared,
            "differing": self._differing,
            "left_out": self._left_out,
            "by_rule": dict(self._by_rule.most_common()),
            "differences": [
                {
                    "part": group.first.part,
                    "kind": group.first.kind,
                    "where": group.first.where,
                    "before": group.first.before,
                    "after": group.first.after,
                    "rules": list(group.first.rules),
                    "exchanges": group.count,
                    "first": group.path,
                }
                for group in groups
            ],
        }

    def _compare(self, recording: Recording, exchange: Exchange) -> None:
        started = self._own_time()
        try:
            live = exchange.ruleset
            shadow = self.rules.current
            if shadow.digest == live.digest:
                found: tuple[Difference, ...] = ()
            else:
                other = Exchange(
                    shadow,
                    recording.request,
                    self._upstreams,
                    limits=self._limits,
                    observe=self.rules.observe,
                    learned=self.rules.learned,
                )
                new = _run(other, recording)
                old = _Ran(_outgoing(exchange), recording.client_answer(), "", _outcomes(exchange))
                key = live.digest, shadow.digest
                if key not in self._comparers:
                    self._comparers = {key: Comparer(live, shadow, self._upstreams)}
                found = self._comparers[key].compare(old, new, recording.assemble)
            self._count(found, recording)
        except Exception:  # noqa: BLE001 - whatever it was, the traffic goes on and the log says it
            self._left_out += 1
            if not self._failed:
                self._failed = True
                shown = mask_traceback(recording.request, self._known())
                _log.error("an exchange could not be compared\n%s", shown)
        finally:
            self._spent += self._own_time() - started
            with self._lock:
                self._waiting -= 1

    def _count(self, found: tuple[Difference, ...], recording: Recording) -> None:
        self._compared += 1
        if not found:
            return
        self._differing += 1
        self._by_rule.update({name for difference in found for name in difference.rules})
        path = f"{recording.request.method} {mask_path(recording.request.raw_path.decode('latin-1'))}"
        rare: list[Difference] = []
        for difference in found:
            key = (difference.part, difference.kind, difference.where, difference.rules)
            group = self._groups.get(key)
            if group is None:
                if len(self._groups) >= _MOST_GROUPS:
                    continue
                group = self._groups[key] = _Group(self._mask(difference, recording), path)
                _log.info("%s", _tell(group))
            group.count += 1
            if group.count <= _SAMPLES:
                rare.append(group.first)
        if rare and self._samples is not None:
            self._samples.write(self._sample(recording, rare), recording.started)

    def _mask(self, difference: Difference, recording: Recording) -> Difference:
        known = list(self._known())
        before, after = (
            None if text is None else mask_remark(text, recording.request, known)
            for text in (difference.before, difference.after)
        )
        return replace(difference, before=before, after=after)

    def _sample(self, recording: Recording, found: Sequence[Difference]) -> Capture:
        trace = {
            "acted": list(recording.exchange.acted),
            "shadow": {
                "rules": self.rules.current.digest[:7],
                "differences": [
                    {"where": f"{d.part} {d.where}", "live": d.before, "shadow": d.after, "rules": list(d.rules)}
                    for d in found
                ],
            },
        }
        return replace(recording.assemble(), trace=trace)


def _run(exchange: Exchange, recording: Recording) -> _Ran:
    try:
        client = drive(exchange, RecordedAnswers(recording.read_attempts()))
    except Unanswered:
        return _Ran(_outgoing(exchange), None, "it would be sent again", _outcomes(exchange))
    answer = Answer(client.status, client.headers, client.body, client.cut)
    return _Ran(_outgoing(exchange), answer, "", _outcomes(exchange))


def _outgoing(exchange: Exchange) -> Outgoing | None:
    send = exchange.sent
    if send is None:
        return None
    return Outgoing(send.method, send.target, exchange.sides.ruled_headers, send.body, send.origin)


def _outcomes(exchange: Exchange) -> Sequence[Outcome]:
    return [outcome for run in exchange.sides.passes for outcome in run.outcomes]


def _tell(group: _Group) -> str:
    found = group.first
    rules = ", ".join(f'"{name}"' for name in found.rules)
    values = " -> ".join(text for text in (found.before, found.after) if text is not None)
    return f"shadow: {found.kind} {found.part} {found.where}  {values}" + (f"  {rules}" if rules else "")
