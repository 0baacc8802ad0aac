"""What was made of the text of rules, from one load of some files to the next: only what changed is made again.

A compiled rule is made of its text and name, of the constants of its file that it names, and of the parameters of its
pack. Values are computed anew each time, for a table may be another one although no text is; a value that is the same
stays the same object, so that what was made of it can be told by that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ruleproxy.engine.compiling import CompiledRule, RuleCompiler
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking import CheckMemory
from ruleproxy.language.generations import Generations

_ABSENT: Final = object()

_LOADING: Final = re.compile(rf"\b(?:{'|'.join(f.name for f in load_vocabulary().functions.values() if f.load)})\s*\(")
"""What may be read at load time by a rule itself: a secret, which may be another one each time."""

_LEARNING: Final = frozenset(verb.name for verb in load_vocabulary().verbs.values() if verb.learns)
"""Verbs that make a rule hold the lines of its file that its statements stand in."""


class NotedConstants(dict[str, Any]):
    """The constants of a file, and which of them were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            self.asked.add(name)
        return super().__contains__(name)


@dataclass(frozen=True, slots=True)
class _KnownRule:
    rule: CompiledRule
    constants: Mapping[str, Any]
    parameters: Mapping[str, Any]


class LoadMemory:
    """What loads remember; for one load at a time."""

    def __init__(self) -> None:
        self.checked = CheckMemory()
        self._rules: Generations[tuple[str, str], _KnownRule] = Generations()
        self._values: Generations[tuple[str, str], Any] = Generations()
        self._whole = False

    def begin(self) -> None:
        """A load begins: what the last one did not need is forgotten, if it came to its end."""
        self.checked.rules.turn()
        self._rules.turn(forget=self._whole)
        self._values.turn(forget=self._whole)
        self._whole = False

    def finish(self) -> None:
        """Everything was compiled."""
        self._whole = True

    def __len__(self) -> int:
        return len(self.checked.rules) + len(self._rules) + len(self._values)

    def compile(
        self,
        compiler: RuleCompiler,
        node: syntax.Rule,
        name: str,
        constants: NotedConstants,
        parameters: Mapping[str, Any],
    ) -> CompiledRule:
        """The compiled rule, from the last load where nothing of it is another. Raises as `RuleCompiler.compile`."""
        key = (name, compiler.source.slice(node.span))
        known = self._rules.find(key)
        if known is not None and known.parameters is parameters:
            if all(constants.get(asked, _ABSENT) is value for asked, value in known.constants.items()):
                rule = known.rule.moved(node, compiler)
                self._rules.keep(key, _KnownRule(rule, known.constants, parameters))
                return rule
        constants.asked.clear()
        rule = compiler.compile(node, name)
        if _LOADING.search(key[1]) is None and _LEARNING.isdisjoint(rule.effects.verbs):
            used = {asked: constants.get(asked, _ABSENT) for asked in constants.asked}
            self._rules.keep(key, _KnownRule(rule, used, parameters))
        return rule

    def same_value(self, owner: str, name: str, value: Any) -> Any:
        """A value of a file or a pack; the one that it had at the last load, if the two are alike in all."""
        known = self._values.find((owner, name))
        try:
            if known is not None and is_same(known, value):
                return known
        except RecursionError:
            pass  # nested too deeply to tell: another one
        self._values.keep((owner, name), value)
        return value


def is_same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON, to the kind of each number and the order of each object."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all(map(is_same, left, right))
    if type(left) is dict:
        return list(left) == list(right) and all(map(is_same, left.values(), right.values()))
    if type(left) is float:
        return repr(left) == repr(right)
    return type(left) in (str, int, bool) and bool(left == right)
