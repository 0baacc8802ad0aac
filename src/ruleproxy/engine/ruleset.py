"""The rules in force, compiled and indexed: what live traffic, tests and traces all run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.glancing import Worth
from ruleproxy.engine.projection import make_pick
from ruleproxy.engine.selecting import Selector
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


_Key = tuple[Side, str | None, str | None]
_MOVING = frozenset({"request.method", "request.path", "request.raw_path"})


class Candidates(Sequence[CompiledRule]):
    """Rules that may act on a message, and what picks out of its body the part that says whether they do."""

    __slots__ = ("_rules", "pick", "selector", "worth")

    def __init__(self, rules: tuple[CompiledRule, ...]) -> None:
        self._rules = rules
        looks = [look for rule in rules for look in rule.looks]
        self.selector = Selector(rules)
        self.pick = make_pick(looks, "request.body") if looks or self.selector.useful else None
        """None where no rule can be judged by a glance at the message."""
        self.worth = Worth()

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[CompiledRule]:
        return iter(self._rules)

    @overload
    def __getitem__(self, index: int) -> CompiledRule: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CompiledRule, ...]: ...
    def __getitem__(self, index: int | slice) -> CompiledRule | tuple[CompiledRule, ...]:
        return self._rules[index]


class BadParameters(ValueError):
    """Parameters that a pack does not take; the message names the one."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in effective order. `digest` is a hash of the text of all files, in hexadecimal.

    `origins` are the upstream origins that rules write out, each once; `secrets` are the values of their secrets.
    """

    rules: tuple[CompiledRule, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    digest: str = "0" * 64
    origins: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    _index: dict[_Key, Candidates] = field(default_factory=dict, repr=False, compare=False)
    _literals: tuple[frozenset[str], frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        methods = (method for rule in self.rules for method in rule.effects.methods or ())
        paths = (path for rule in self.rules for path in rule.effects.paths or ())
        object.__setattr__(self, "_literals", (frozenset(methods), frozenset(paths)))

    def candidates(self, side: Side, method: str, path: str) -> Candidates:
        """The rules of a side that may act on a message with this method and decoded path, in order.

        More rules than will act, never fewer: a condition is evaluated when its turn comes.
        """
        methods, paths = self._literals
        key = (side, method if method in methods else None, path if path in paths else None)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = Candidates(tuple(self._choose(*key)))
        return found

    def prepare_as(self, other: Ruleset) -> None:
        """Make ready what was asked of another ruleset, so that the first request of each kind need not wait for it."""
        for side, method, path in list(other._index):
            self.candidates(side, method or "", path or "")

    def _choose(self, side: Side, method: str | None, path: str | None) -> Iterator[CompiledRule]:
        moved = False
        for rule in self.rules:
            if rule.side != side:
                continue
            effects = rule.effects
            asked = (effects.methods is None or method in effects.methods) and (
                effects.paths is None or path in effects.paths
            )
            if moved or asked:
                yield rule
            # Behind a rule that writes what the index asks for, it cannot say any more who is a candidate.
            moved = moved or (asked and not _MOVING.isdisjoint(effects.writes))

    def __len__(self) -> int:
        return len(self.rules)


EMPTY = Ruleset()
"""No rules: everything passes as it came."""
