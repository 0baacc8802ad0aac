"""The rules in force, compiled and indexed: what live traffic, tests and traces all run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.language import syntax
from ruleproxy.language.signatures import Side
from ruleproxy.language.source import Source


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A `test` block and the file it stands in.

    `constants` are the file's, `parameters` those of its pack.
    `with_parameters`, for a test inside a pack, gives the pack's rules with these parameters over its defaults; it
    raises `BadParameters`.
    """

    __test__ = False  # pytest: not a test class of ours

    source: Source
    node: syntax.Test
    constants: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    with_parameters: Callable[[Mapping[str, Any]], Ruleset] | None = field(default=None, repr=False)


class BadParameters(ValueError):
    """Parameters that a pack does not take; the message names the one."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in effective order. `digest` is a hash of the text of all files, in hexadecimal.

    `origins` are the upstream origins that rules write out, each once.
    """

    rules: tuple[CompiledRule, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    digest: str = "0" * 64
    origins: tuple[str, ...] = ()
    _index: dict[tuple[Side, str | None, str | None], tuple[CompiledRule, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _literals: tuple[frozenset[str], frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        methods = (method for rule in self.rules for method in rule.methods or ())
        paths = (path for rule in self.rules for path in rule.paths or ())
        object.__setattr__(self, "_literals", (frozenset(methods), frozenset(paths)))

    def candidates(self, side: Side, method: str, path: str) -> Sequence[CompiledRule]:
        """The rules of a side that may act on a message with this method and decoded path, in order.

        More rules than will act, never fewer: a condition is evaluated when its turn comes.
        """
        methods, paths = self._literals
        key = (side, method if method in methods else None, path if path in paths else None)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = tuple(
                rule
                for rule in self.rules
                if rule.side == side
                and (rule.methods is None or key[1] in rule.methods)
                and (rule.paths is None or key[2] in rule.paths)
            )
        return found

    def __len__(self) -> int:
        return len(self.rules)


EMPTY = Ruleset()
"""No rules: everything passes as it came."""
