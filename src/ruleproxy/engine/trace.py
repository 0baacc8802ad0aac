"""A trace as data: what the rules did with one exchange. Credentials of headers and queries are masked in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ruleproxy.engine.context import STEP_BUDGET
from ruleproxy.engine.running import FalseLeg, Verdict
from ruleproxy.messages.journal import Edit


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What one rule did. `edits` were not made, or were undone, where the verdict is `shadowed` or `failed`."""

    verdict: Verdict
    name: str
    place: str
    edits: tuple[Edit, ...] = ()
    decisions: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    false_leg: FalseLeg | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class BodyTrace:
    """Sizes in bytes as the body came and went, how many values differ, how many bytes are the ones that came.

    `problem` says why no rule could look inside, if so.
    """

    came: int
    went: int
    values_changed: int
    reused: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SideTrace:
    """One side. `subject` says which message, `on_side` how many rules the side has.

    `own_edits` are the proxy's: what a decision of a rule made necessary. `answered` is the rule's decision that
    kept the request from being sent, None where it was sent. `body` is None for a stream and for a failure.
    """

    side: Literal["request", "response", "event", "failure"]
    subject: tuple[str, ...]
    on_side: int
    rules: tuple[RuleTrace, ...]
    own_edits: tuple[Edit, ...]
    body: BodyTrace | None
    prompt: str | None
    steps: int
    step_budget: int = STEP_BUDGET
    answered: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole exchange; `digest` is the hash of the rules. A side that ran again, after a retry, is there again.

    `repairs` says what `repair_stream` did to the stream, and how often;
    `learned` are the texts of the rules that it taught, `not_learned` says what was not learned and why.
    """

    digest: str
    sides: tuple[SideTrace, ...]
    learned: tuple[str, ...] = ()
    not_learned: tuple[str, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)


def to_dict(trace: Trace) -> dict[str, Any]:
    """A trace as data that any JSON writer takes."""
    return asdict(trace)
