"""What there is to say of an exchange: what was sent, what rules did, and what its log line tells."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import RunContext
from ruleproxy.engine.events import Send
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome, Verdict
from ruleproxy.engine.sides import Sides
from ruleproxy.wire.repair_stream import describe_repairs


class Findings:
    """What drivers, traces and tests read of an exchange; `sides` has what rules did, and with what."""

    def __init__(self, ruleset: Ruleset, sides: Sides) -> None:
        self.ruleset = ruleset
        self.sides = sides

    @property
    def sent(self) -> Send | None:
        """The last request that went upstream."""
        sends = self.sides.attempts.sends
        return sends[-1] if sends else None

    @property
    def contexts(self) -> dict[str, RunContext]:
        """The messages that the rules of a side worked on last, by side."""
        return self.sides.contexts

    @property
    def notes(self) -> tuple[str, ...]:
        """What rules noted."""
        return self.sides.notes

    @property
    def reused(self) -> int | None:
        """How many bytes of the client's body went out as they came; a detailed exchange counts them."""
        return self.sides.reused

    @property
    def outcomes(self) -> dict[str, list[Outcome]]:
        """What every rule did, by side, in order: once for each time that its side ran."""
        found: dict[str, list[Outcome]] = {}
        for run in self.sides.passes:
            found.setdefault(run.side, []).extend(run.outcomes)
        return found

    def verdict_without_outcome(self, rule: CompiledRule) -> Verdict:
        """What a rule came to that has no outcome: no candidate for this message, or of a side never come to."""
        ran = rule.side == "request" or any(run.side == rule.side for run in self.sides.passes)
        return "unmatched" if ran else "unreached"

    @property
    def acted(self) -> Sequence[str]:
        """Names of the rules that changed something, in order, each once."""
        names = (o.rule.name for run in self.sides.passes for o in run.outcomes if o.verdict == "changed")
        return tuple(dict.fromkeys(names))

    @property
    def retries(self) -> int:
        """How often the request was sent again."""
        return self.sides.attempts.retries

    @property
    def remarks(self) -> Sequence[str]:
        """What else there is to say of it in one log line: failed rules, an unread body, retries, notes of rules."""
        outcomes = (o for run in self.sides.passes for o in run.outcomes)
        failed = dict.fromkeys(f"failed: {o.rule.name}" for o in outcomes if o.verdict == "failed")
        retried = (f"retries {self.retries}",) if self.retries else ()
        repaired = (f"repaired: {describe_repairs(self.sides.repairs)}",) if self.sides.repairs else ()
        return (*failed, *self.sides.remarks, *repaired, *retried, *self.sides.learning.remarks, *self.notes)
