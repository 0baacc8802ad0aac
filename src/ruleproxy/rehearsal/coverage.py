"""How much of the rules tests and captures reach: what each rule came to, and each leg of its condition both ways.

Rules are watched from outside: a condition of several legs is evaluated leg by leg, as `and` and `or` do, with what
each comes to noted; a rule with an `if` or a `where` is compiled anew, so that what its legs come to is told. Nothing
else of a rule is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import RunContext
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.legs import Branch, Leg
from ruleproxy.engine.masking import mask_expression
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Verdict
from ruleproxy.language import syntax
from ruleproxy.language.counts import count


@dataclass(slots=True)
class LegCoverage:
    """A leg of a condition, that of a rule, of an `if` or of a `where`: how often it was true, and how often false."""

    text: str
    true: int = 0
    false: int = 0

    def note(self, value: bool) -> bool:
        """Once more; gives the value."""
        if value:
            self.true += 1
        else:
            self.false += 1
        return value


@dataclass(slots=True)
class RuleCoverage:
    """A rule: how often it came to each verdict. `quiet`: it can only note something."""

    name: str
    place: str
    quiet: bool = False
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    legs: list[LegCoverage] = field(default_factory=list)

    @property
    def covered(self) -> bool:
        """Whether it was seen to act; of one that can only note something, whether its condition held."""
        acted: tuple[Verdict, ...] = ("changed", "shadowed", "matched") if self.quiet else ("changed", "shadowed")
        return any(self.verdicts.get(verdict) for verdict in acted)


class Coverage:
    """What was seen of rules, those of several sets together. Rules are told apart by name and place."""

    def __init__(self, rules: Iterable[RuleCoverage] = ()) -> None:
        self._rules = {(rule.name, rule.place): rule for rule in rules}
        self._watched: dict[int, tuple[Ruleset, Ruleset]] = {}

    def watch(self, ruleset: Ruleset) -> Ruleset:
        """The same rules, their conditions watched."""
        if id(ruleset) not in self._watched:
            rules = tuple(map(self._watch, ruleset.rules))
            watched = Ruleset(rules, ruleset.tests, ruleset.digest, ruleset.origins, ruleset.secrets)
            self._watched[id(ruleset)] = ruleset, watched
        return self._watched[id(ruleset)][1]

    def count(self, exchange: Exchange) -> None:
        """What every rule came to in an exchange of watched rules that was run in detail."""
        outcomes = exchange.outcomes
        for rule in exchange.ruleset.rules:
            seen = self._rules[rule.name, rule.place]
            verdicts = [outcome.verdict for outcome in outcomes.get(rule.side, ()) if outcome.rule is rule]
            missing = None if verdicts else exchange.verdict_without_outcome(rule)
            for verdict in verdicts if missing is None else (missing,):
                seen.verdicts[verdict] = seen.verdicts.get(verdict, 0) + 1
            if missing == "unmatched" and rule.applies is not None and seen.legs:
                # The index passed it over, by a leg that asks for method or path: which one is seen by asking.
                with suppress(Exception):
                    rule.applies(exchange.contexts[rule.side])

    def add(self, rules: Iterable[RuleCoverage]) -> None:
        """What was seen elsewhere of the same rules."""
        for other in rules:
            known = self._rules.setdefault(
                (other.name, other.place), RuleCoverage(other.name, other.place, other.quiet)
            )
            for verdict, number in other.verdicts.items():
                known.verdicts[verdict] = known.verdicts.get(verdict, 0) + number
            known.legs = known.legs or [LegCoverage(leg.text) for leg in other.legs]
            for leg, seen in zip(known.legs, other.legs, strict=True):
                leg.true += seen.true
                leg.false += seen.false

    @property
    def rules(self) -> Sequence[RuleCoverage]:
        """Every rule, in order."""
        return list(self._rules.values())

    @property
    def points(self) -> tuple[int, int]:
        """How many are covered of all points: one a rule, and two a leg, seen true and seen false."""
        covered = [rule.covered for rule in self.rules]
        covered += [bool(seen) for rule in self.rules for leg in rule.legs for seen in (leg.true, leg.false)]
        return sum(covered), len(covered)

    @property
    def per_cent(self) -> float:
        """Points that are covered; 100 where there are none."""
        covered, points = self.points
        return 100 * covered / points if points else 100.0

    def _watch(self, rule: CompiledRule) -> CompiledRule:
        seen = self._rules.setdefault(
            (rule.name, rule.place), RuleCoverage(rule.name, rule.place, rule.effects.verbs <= {"note"})
        )
        known = iter(list(seen.legs))

        def take(text: str) -> LegCoverage:
            leg = next(known, None)
            if leg is None:
                seen.legs.append(leg := LegCoverage(mask_expression(text)))
            return leg

        rule = self._watch_condition(rule, take)
        if not _decides(rule.node.body):
            return rule
        watched = rule.compiler.compile(
            rule.node, rule.name, lambda span: take(" ".join(rule.source.slice(span).split())).note
        )
        return replace(rule, act=watched.act, spans=watched.spans)

    @staticmethod
    def _watch_condition(rule: CompiledRule, take: Callable[[str], LegCoverage]) -> CompiledRule:
        applies = rule.applies
        branch = None if rule.node.condition is None else rule.compiler.branch(rule.node.condition)
        if applies is None or branch is None or branch.leg is not None:
            return rule
        notes = {id(leg): take(leg.text) for leg in _legs(branch)}

        def watch(context: RunContext) -> bool:
            try:
                return _evaluate(branch, context, lambda leg, value: notes[id(leg)].note(value))
            except Exception:  # noqa: BLE001 - the condition itself says it again, with its place in the file
                return applies(context)

        return replace(rule, applies=watch)


def _decides(statements: Iterable[syntax.Statement]) -> bool:
    """Whether there is an `if` or a `where`."""
    for node in statements:
        match node:
            case syntax.If():
                return True
            case syntax.For() if _decides(node.body):
                return True
            case syntax.Action() if "condition" in node.arguments:
                return True
    return False


def _legs(branch: Branch) -> Iterator[Leg]:
    if branch.leg is not None:
        yield branch.leg
    for part in branch.parts:
        yield from _legs(part)


def _evaluate(branch: Branch, context: RunContext, note: Callable[[Leg, bool], object]) -> bool:
    if branch.leg is not None:
        value = branch.leg.holds(context)
        note(branch.leg, value)
        return value
    ends_with = branch.operator == "or"
    for part in branch.parts:
        if _evaluate(part, context, note) is ends_with:
            return ends_with
    return not ends_with


def render_coverage(coverage: Coverage) -> Iterator[str]:
    """A line a rule, under it the legs that were not seen both ways, and what that comes to."""
    rules = coverage.rules
    names = max((len(rule.name) for rule in rules), default=0)
    places = max((len(rule.place) for rule in rules), default=0)
    yield f"{'coverage':<{names + 2}}  {'':<{places}}  changed  matched  unmatched  unreached"
    for rule in rules:
        changed = rule.verdicts.get("changed", 0) + rule.verdicts.get("shadowed", 0)
        matched, unmatched, unreached = (rule.verdicts.get(v, 0) for v in _COUNTED)
        failed = rule.verdicts.get("failed", 0)
        yield (
            f"  {rule.name:<{names}}  {rule.place:<{places}}  {changed:>7}  {matched:>7}  {unmatched:>9}  "
            f"{unreached:>9}{f'  {failed} failed' if failed else ''}{'' if rule.covered else '  never acted'}"
        )
        for leg in rule.legs:
            missing = " or ".join(word for word, seen in (("true", leg.true), ("false", leg.false)) if not seen)
            if missing:
                yield f"      never {missing}: {leg.text}"
    covered, points = coverage.points
    acting = sum(rule.covered for rule in rules)
    legs = f", {covered - acting} of {points - len(rules)} outcomes of legs were seen" if points > len(rules) else ""
    yield f"{format_per_cent(coverage)} covered: {acting} of {count(len(rules), 'rule')} acted{legs}"


def format_per_cent(coverage: Coverage) -> str:
    """`93.3 %`, never rounded up."""
    return f"{int(coverage.per_cent * 10) / 10:g} %"


_COUNTED: tuple[Verdict, ...] = ("matched", "unmatched", "unreached")
