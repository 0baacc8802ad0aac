"""Rules loaded again by a process that tries captures: the same ones, or it is said that they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.rehearsal.processes import CannotTry


@dataclass(frozen=True, slots=True)
class RulesAt:
    """Paths of rules, and the digest that they had."""

    paths: Sequence[Path]
    digest: str

    def load(self) -> Ruleset:
        """The rules. Raises `CannotTry` where they are others by now."""
        ruleset = load_rules(self.paths, None, None).ruleset
        if ruleset is None or ruleset.digest != self.digest:
            raise CannotTry(f"the rules in {', '.join(map(str, self.paths))} changed while captures were tried")
        return ruleset
