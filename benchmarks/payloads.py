"""The three request bodies, and what the reference rules have to make of them."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from benchmarks.failure import BenchmarkFailed  # noqa: E402
from benchmarks.peers.rules_by_hand import apply_rules  # noqa: E402
from support.bodies import encode_body, long_session_body  # noqa: E402

SMALL = b'{"model":"claude-opus-4-8","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}'
INJECTED = b',"prompt_text":"proxy bypass"}'
HEADERS = (
    ("Content-Type", "application/json"),
    ("Authorization", "Bearer test-token"),
    ("User-Agent", "ruleproxy-benchmarks"),
    ("anthropic-version", "2023-06-01"),
)

Json = Any


@dataclass(frozen=True, slots=True)
class Payload:
    """A body and the JSON that it is after the reference rules."""

    name: str
    body: bytes
    edited: Json

    @property
    def title(self) -> str:
        """The name with the size."""
        return self.name if self.body == SMALL else f"{self.name} {len(self.body) // 1000} kB"


def make_payloads() -> tuple[Payload, ...]:
    """The 87-byte body, and the typical and the worst body of a long coding session (283 kB).

    Raises `BenchmarkFailed` where the rules by hand, the measure of all others, do not do what they should.
    """
    bodies = {
        "87 B": SMALL,
        "typical": encode_body(long_session_body(typical=True)),
        "worst": encode_body(long_session_body(typical=False)),
    }
    payloads = []
    for name, body in bodies.items():
        edited = json.loads(body)
        apply_rules(edited)
        _check_edit(name, json.loads(body), edited)
        payloads.append(Payload(name, body, edited))
    return tuple(payloads)


def _check_edit(name: str, before: Json, after: Json) -> None:
    injected = after.pop("prompt_text", None)
    problems = []
    if injected != "proxy bypass":
        problems.append("nothing was injected")
    if _marks(after) != _marks(before)[-4:]:
        problems.append("not the four newest cache marks")
    if _blocks(after) != _blocks(before):
        problems.append("a block was lost or altered")
    for message in after["messages"]:
        if isinstance(message["content"], list):
            kinds = [block["type"] for block in message["content"]]
            order = [{"tool_result": 0, "tool_use": 2}.get(kind, 1) for kind in kinds if kind != "thinking"]
            if order != sorted(order):
                problems.append("tool blocks out of order")
    if {key: value for key, value in after.items() if key not in _EDITED} != {
        key: value for key, value in before.items() if key not in _EDITED
    }:
        problems.append("a field that no rule names differs")
    after["prompt_text"] = injected
    if problems:
        raise BenchmarkFailed(f"rules by hand, {name}: {', '.join(sorted(set(problems)))}")


_EDITED = ("tools", "system", "messages")


def _parts(body: Json) -> list[Json]:
    lists = [body.get("tools", []), body.get("system", []), *(message["content"] for message in body["messages"])]
    return [part for parts in lists if isinstance(parts, list) for part in parts]


def _marks(body: Json) -> list[str]:
    return [_without_mark(part) for part in _parts(body) if "cache_control" in part]


def _blocks(body: Json) -> list[str]:
    kept = (part for part in _parts(body) if part.get("type") != "thinking" or part["thinking"] or part["signature"])
    return sorted(_without_mark(part) for part in kept)


def _without_mark(part: Json) -> str:
    plain = deepcopy(part)
    plain.pop("cache_control", None)
    return json.dumps(plain, sort_keys=True)
