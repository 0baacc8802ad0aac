"""What the engine costs without sockets: beside the same rules by hand, and with a thousand rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from benchmarks.failure import BenchmarkFailed
from benchmarks.payloads import HEADERS, Payload
from benchmarks.peers.rules_by_hand import apply_rules
from benchmarks.report import Line
from benchmarks.samples import Sample, divide, subtract
from benchmarks.stacks import RULES
from ruleproxy.engine.events import Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages.message import Request
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.proxy.server import tune_memory

_UPSTREAMS = (Upstream.from_url("default", "http://127.0.0.1:9"),)
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS]
_ROUNDS = 15
_BATCH_SECONDS = 0.08
_MANY = 1_000


def measure_engine(payloads: Sequence[Payload]) -> list[Line]:
    """The reference rules: our engine, from a request to the bytes to send, beside Python by hand with orjson."""
    ruleset = _load([RULES])
    tune_memory()
    lines = []
    for payload in payloads:
        for name, produced in (("engine", edit(ruleset, payload.body)), ("hand", _edit_by_hand(payload.body))):
            if orjson.loads(produced) != payload.edited:
                raise BenchmarkFailed(f"{name}, {payload.name}: not what the rules make of the body")
        ours, hand = _measure(
            lambda body=payload.body: edit(ruleset, body),  # type: ignore[misc]
            lambda body=payload.body: _edit_by_hand(body),  # type: ignore[misc]
        )
        title = f"engine: {payload.title}, rules"
        lines.append(Line(f"engine, {payload.name} / hand", title, ours, "Python by hand", hand, divide(ours, hand)))
    return lines


def measure_scaling(payloads: Sequence[Payload], folder: Path) -> list[Line]:
    """A thousand rules of one side and path, of which none matches, beside one of each kind of them."""
    folder.mkdir()
    rulesets = []
    for count in (len(_CONDITIONS), _MANY):
        file = folder / f"{count}.rules"
        file.write_text(write_rules(count))
        rulesets.append(_load([file]))
    few, many = rulesets
    tune_memory()
    lines = []
    for payload in payloads[:2]:
        if edit(many, payload.body) != payload.body:
            raise BenchmarkFailed(f"{_MANY} rules that match nothing changed the body {payload.name}")
        ours, base = _measure(
            lambda body=payload.body: edit(many, body),  # type: ignore[misc]
            lambda body=payload.body: edit(few, body),  # type: ignore[misc]
        )
        title = f"engine: {_MANY} idle rules more, {payload.title}"
        lines.append(
            Line(f"{_MANY} rules, {payload.name} / few", title, subtract(ours, base), f"{len(few)} such rules", base)
        )
    return lines


def edit(ruleset: Ruleset, body: bytes) -> bytes:
    """The body that goes out."""
    request = Request("POST", b"/v1/messages", b"", _HEADERS.copy(), body)
    action = Exchange(ruleset, request, _UPSTREAMS).begin()[0]
    if not isinstance(action, Send):
        raise BenchmarkFailed(f"the request was not sent on: {action}")
    return action.body


def _edit_by_hand(body: bytes) -> bytes:
    message = orjson.loads(body)
    apply_rules(message)
    return orjson.dumps(message)


def _load(paths: Sequence[Path]) -> Ruleset:
    loaded = load_rules(paths, _UPSTREAMS)
    if loaded.ruleset is None:
        raise BenchmarkFailed(f"{paths[0]}: {loaded.unreadable or loaded.diagnostics[0].message}")
    return loaded.ruleset


_CONDITIONS = (
    'request.headers["x-team"] == "team {}"',
    'request.headers["anthropic-version"] == "2023-06-{}"',
    'request.body.model == "model-{}"',
    'request.body.metadata.user_id == "user {}"',
    'request.headers["x-team"] == "team {0}" and request.body.model == "model-{0}"',
)


def write_rules(count: int) -> str:
    """The text of so many rules for one side, method and path that differ in what they ask of headers and body."""
    rules = ["edition 1\n"]
    for number in range(count):
        condition = _CONDITIONS[number % len(_CONDITIONS)].format(number + 1_000)
        rules.append(
            f'rule "number {number}" on request\n'
            f'when request.method == "POST" and request.path == "/v1/messages" and {condition} then\n'
            f"  inject {{ tag_{number} = true }} into request.body\n"
            "end\n"
        )
    return "\n".join(rules)


def _measure(first: Callable[[], bytes], second: Callable[[], bytes]) -> tuple[Sample, Sample]:
    # Turn by turn, so that both meet the same neighbours on the machine.
    counts = [_count_for_batch(call) for call in (first, second)]
    rounds = [[_time_batch(call, count) for call, count in zip((first, second), counts, strict=True)]
              for _ in range(_ROUNDS)]  # fmt: skip
    return Sample(tuple(r[0] for r in rounds)), Sample(tuple(r[1] for r in rounds))


def _count_for_batch(call: Callable[[], bytes]) -> int:
    _time_batch(call, 5)
    return max(3, int(_BATCH_SECONDS * 1e6 / _time_batch(call, 10)))


def _time_batch(call: Callable[[], bytes], count: int) -> float:
    begun = time.thread_time_ns()
    for _ in range(count):
        call()
    return (time.thread_time_ns() - begun) / count / 1e3
