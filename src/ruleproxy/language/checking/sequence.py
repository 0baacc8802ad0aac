"""Rules in the order in which they act: what each asks for, reads and writes, and whether one asks for all of another.

Conditions are read as the alternatives of an `or` at their top, each a list of parts that an `and` joins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ruleproxy.language import syntax
from ruleproxy.language.checking.constraints import Constraint, find_constraint, implies, split_parts
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.scope import Key, Scope, covers
from ruleproxy.language.checking.units import Expansion, Unit
from ruleproxy.language.checking.writes import Write, find_paths, is_shadow
from ruleproxy.language.roots import ALL_ROOTS
from ruleproxy.language.walking import children

SILENT_VERBS = frozenset({"note", "stop", "respond"})
"""Verbs without a place that change nothing that a later condition could ask for."""

ENDING_VERBS = frozenset({"stop", "respond"})
"""Verbs after which no later rule of the side acts on the message."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition: what it asks of one place, if that can be said, and its text."""

    node: syntax.Expression
    asked: Constraint | None
    text: str | None


@dataclass
class PlacedRule:
    """A rule and where it stands among all, packs expanded: `at` counts them."""

    unit: Unit
    findings: Findings
    rule: syntax.Rule
    at: int
    scope: Scope
    writes: list[Write] = field(default_factory=list)

    def take_facts(self, other: PlacedRule) -> None:
        """Take over what was found out about the same rule, read the same way, wherever it stood."""
        self.__dict__ |= {name: known for name, known in other.__dict__.items() if name in FACTS}

    @property
    def side(self) -> str:
        """The side as written."""
        return self.rule.side.text

    @property
    def name(self) -> str:
        """The name in effect: that of a pack's rule begins with the pack."""
        return self.unit.prefix + self.rule.name

    def is_used_by_another(self, other: PlacedRule) -> bool:
        """Whether this is a rule of a pack and the other is not: whoever uses the pack has no hand in this one."""
        return self.unit.use is not None and self.unit is not other.unit

    @cached_property
    def applies(self) -> bool:
        """Whether the rule does what it says, and not only in shadow."""
        return not is_shadow(self.rule)

    @cached_property
    def alternatives(self) -> list[list[Part]]:
        """What the condition asks for; one alternative without parts where there is no condition."""
        condition = self.rule.condition
        if condition is None:
            return [[]]
        return [self.parts_of(alternative) for alternative in split_parts(condition, "or")]

    def parts_of(self, alternative: syntax.Expression) -> list[Part]:
        """The parts that an `and` joins."""
        return [self.part_of(part) for part in split_parts(alternative, "and")]

    def part_of(self, node: syntax.Expression) -> Part:
        """A part as data; without text where it names a variable of the file."""
        paths = list(find_paths(node))
        names = {path.base.name for path in paths if isinstance(path.base, syntax.Name)}
        text = self.findings.text(node.span, 100_000) if names <= ALL_ROOTS else None
        if text is None:
            return Part(node, None, None)
        if "parameters" in names:
            text = f"{self.unit.number} {text}"  # the same words mean something else in another pack
        asked = find_constraint(self.scope, node)
        return Part(node, None if asked is None else replace(asked, key=self.unit.qualify(asked.key)), text)

    @cached_property
    def asked_keys(self) -> list[Key]:
        """The places that the condition reads."""
        return [] if self.rule.condition is None else list(self.keys_in(self.rule.condition))

    @cached_property
    def used_keys(self) -> list[Key]:
        """The places that the rule reads or writes anywhere, through variables where they stand for one."""
        return [*self.keys_in(self.rule), *(write.place for write in self.writes)]

    def keys_in(self, node: syntax.Node) -> Iterator[Key]:
        """The places that the paths in a node name; those that begin at a variable as the variable's name."""
        for path in find_paths(node):
            key = self.scope.key_of(path)
            if key is not None:
                yield self.unit.qualify(key)

    @cached_property
    def verbs(self) -> frozenset[str]:
        """The verbs of all statements."""
        return frozenset(action.verb for action in find_actions(self.rule))

    @cached_property
    def has_hidden_effects(self) -> bool:
        """Whether a statement does something to the message that no place of it names."""
        placed = {id(write.action) for write in self.writes}
        return any(id(action) not in placed and action.verb not in SILENT_VERBS for action in find_actions(self.rule))

    @cached_property
    def ends(self) -> bool:
        """Whether no later rule of the side acts where this one does."""
        body = self.rule.body
        return self.applies and any(isinstance(last, syntax.Action) and last.verb in ENDING_VERBS for last in body)


FACTS = frozenset(name for name, value in vars(PlacedRule).items() if isinstance(value, cached_property))
"""What is found out about a rule when it is asked for, and stays true of it."""


def find_actions(node: syntax.Node) -> Iterator[syntax.Action]:
    """All statements in a node that begin with a verb."""
    waiting: list[syntax.Node] = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, syntax.Action):
            yield current
        elif not isinstance(current, syntax.Path):
            waiting.extend(children(current))


def place_rules(expansion: Expansion, writes: Sequence[Write]) -> list[PlacedRule]:
    """The rules in their order, each with what it writes."""
    written: dict[tuple[int, int], list[Write]] = {}
    for write in writes:
        # The same tree may stand in two files; in each it has findings of its own.
        written.setdefault((id(write.findings), id(write.rule)), []).append(write)
    placed: list[PlacedRule] = []
    for unit, findings, checked in expansion.rules:
        rule = checked.rule
        own = [replace(write, place=unit.qualify(write.place)) for write in written.get((id(findings), id(rule)), ())]
        scope = Scope(unit.setting, findings, "request")
        new = PlacedRule(unit, findings, rule, len(placed), scope, own)
        if checked.placed is not None and checked.placed.unit.number == unit.number:
            new.take_facts(checked.placed)
        checked.placed = new
        placed.append(new)
    return placed


def asks_for_all_of(wide: PlacedRule, narrow: PlacedRule) -> bool:
    """Whether every message that one rule asks for is one that the other asks for as well."""
    return all(any(is_wider(mine, theirs) for mine in wide.alternatives) for theirs in narrow.alternatives)


def is_wider(wide: Sequence[Part], narrow: Sequence[Part]) -> bool:
    """Whether each part of an alternative is implied by a part of another."""
    return all(any(is_implied(part, other) for other in narrow) for part in wide)


def is_implied(part: Part, other: Part) -> bool:
    """Whether a part holds wherever another one does."""
    if part.text is not None and part.text == other.text:
        return True
    if part.asked is None or other.asked is None or part.asked.key != other.asked.key:
        return False
    return implies(other.asked, part.asked)


def may_touch(written: Key, key: Key) -> bool:
    """Whether a write to a place may change what is read at another: it, what holds it, or what is in it."""
    return covers(written, key) or covers(key, written)


def leaves_alone(rule: PlacedRule, keys: Sequence[Key]) -> bool:
    """Whether a rule surely changes nothing at some places."""
    if not rule.applies or not keys:
        return True
    if rule.has_hidden_effects:
        return False
    return not any(may_touch(write.place, key) for write in rule.writes for key in keys)


def between(rules: Sequence[PlacedRule], first: PlacedRule, second: PlacedRule) -> Iterator[PlacedRule]:
    """The rules of a side that act after one and before another."""
    for at in range(first.at + 1, second.at):
        if rules[at].side == first.side:
            yield rules[at]


@dataclass(slots=True)
class Untouched:
    """How far some places are left alone after a rule: asked of rule after rule, each is looked at once."""

    rules: Sequence[PlacedRule]
    reached: dict[object, tuple[int, bool]] = field(default_factory=dict)

    def lasts(self, name: object, keys: Sequence[Key], first: PlacedRule, second: PlacedRule) -> bool:
        """Whether no rule between two changes what stands at some places; `name` stands for those places."""
        start, clean = self.reached.get((name, first.at), (first.at + 1, True))
        if clean and start < second.at:
            passed = (self.rules[at] for at in range(start, second.at))
            clean = all(rule.side != first.side or leaves_alone(rule, keys) for rule in passed)
            self.reached[name, first.at] = (second.at, clean)
        return clean
