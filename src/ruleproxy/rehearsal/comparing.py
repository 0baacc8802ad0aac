"""What differs between two sets of rules on one captured exchange, and which rules make the difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.reading import BadCapture
from ruleproxy.captures.source import Source
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome
from ruleproxy.messages.journal import Edit, Kind
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.differences import Answer, Outgoing, compare_answers, compare_requests
from ruleproxy.rehearsal.rules import RulesAt
from ruleproxy.rehearsal.running import Run, run_capture

Part = Literal["request", "answer", "rules"]
"""Of what goes out, of what the client gets, of whether rules fail."""

_INDEX: Final = re.compile(r"/\d+(?=/|$)")
_EVENT: Final = re.compile(r"event/\*/data")
_KNOWN: Final = 256
"""So many different sets of differences have their rules found once."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the outcomes differ. `where` has `*` for each index of a list; `places` are so many of them.

    `before` and `after` are those of the first place, `alike` whether all have the same. `rules` make the difference.
    """

    part: Part
    kind: Kind
    where: str
    before: str | None
    after: str | None
    rules: tuple[str, ...] = ()
    places: int = 1
    alike: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """One capture under both sets of rules. `problem` is why it could not be tried (at `place`)."""

    name: str
    differences: tuple[Difference, ...] = ()
    problem: str | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class ComparingWork:
    """Two sets of rules to be compared."""

    old: RulesAt
    new: RulesAt
    declared: tuple[Upstream, ...] | None

    def open(self) -> Callable[[Source], Compared]:
        """The comparison of one capture. Raises `CannotTry`."""
        return Comparer(self.old.load(), self.new.load(), self.declared)

    def finish(self, attempt: Callable[[Source], Compared]) -> None:
        """Nothing is left when all are compared."""

    def name_problem(self, source: Source, problem: str) -> Compared:
        """A capture that could not be compared."""
        return Compared(source.name, problem=problem)


class Ran(Protocol):
    """An exchange after it ran, with whatever rules: see `Run`."""

    @property
    def sent(self) -> Outgoing | None:
        """What went out last; None where a rule answered."""

    @property
    def answer(self) -> Answer | None:
        """What the client got; None where that is not known."""

    @property
    def unanswered(self) -> str:
        """Why that is not known."""

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What every rule did."""


class Comparer:
    """Compares captures under two sets of rules."""

    def __init__(self, old: Ruleset, new: Ruleset, declared: tuple[Upstream, ...] | None) -> None:
        self._rulesets = old, new
        self._declared = declared
        self._known: dict[tuple[object, ...], tuple[tuple[str, ...], ...]] = {}

    def __call__(self, source: Source) -> Compared:
        """What differs on a capture."""
        try:
            capture = source.read()
        except BadCapture as bad:
            return Compared(source.name, problem=bad.problem, place=bad.place)
        old, new = self._run(capture, detailed=False)
        return Compared(source.name, self.compare(old, new, lambda: capture))

    def compare(self, old: Ran, new: Ran, capture: Callable[[], Capture]) -> tuple[Difference, ...]:
        """What differs between two runs of an exchange, one under each set, and which rules make it so.

        `capture` gives the exchange where it has to be looked at closely.
        """
        found = list(_merge(compare_runs(old, new)))
        if not found:
            return ()
        rules = self._find_rules(capture, found, old, new)
        return tuple(
            Difference(d.part, d.kind, d.where, d.before, d.after, names, d.places, d.alike)
            for d, names in zip(found, rules, strict=True)
        )

    def _run(self, capture: Capture, *, detailed: bool) -> tuple[Run, Run]:
        old, new = (run_capture(capture, rules, self._declared, detailed=detailed) for rules in self._rulesets)
        return old, new

    def _find_rules(
        self, capture: Callable[[], Capture], found: Sequence[Difference], old: Ran, new: Ran
    ) -> tuple[tuple[str, ...], ...]:
        # Most captures differ in the same places because of the same rules: only the first one is looked at closely.
        key = (
            tuple((difference.part, difference.kind, difference.where) for difference in found),
            *(tuple((o.rule.name, o.verdict) for o in run.outcomes if o.verdict != "unmatched") for run in (old, new)),
        )
        if key not in self._known:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            acts = [_read_acts(run.outcomes) for run in self._run(capture(), detailed=True)]
            ended = (old.sent is None) is not (new.sent is None)
            self._known[key] = tuple(_blame(difference, *acts, ended=ended) for difference in found)
        return self._known[key]


def compare_runs(old: Ran, new: Ran) -> Iterator[tuple[Part, Edit]]:
    """Every difference of the outcomes: of what goes out, of what the client gets, of which rules fail."""
    sent, sends = old.sent, new.sent
    if sent is not None and sends is not None:
        yield from (("request", edit) for edit in compare_requests(sent, sends))
    elif sent is not sends:
        yield "request", Edit("~", "sent", *(_describe_sent(run) for run in (old, new)))
    answer, answers = old.answer, new.answer
    if answer is not None and answers is not None:
        yield from (("answer", edit) for edit in compare_answers(answer, answers))
    elif old.unanswered != new.unanswered or (answer is None) != (answers is None):
        yield "answer", Edit("~", "answer", *(_describe_answer(run) for run in (old, new)))
    failed = [{o.rule.name for o in run.outcomes if o.verdict == "failed"} for run in (old, new)]
    for name in sorted(failed[0] ^ failed[1]):
        words = ("failed", "did not fail") if name in failed[0] else ("did not fail", "failed")
        yield "rules", Edit("~", f'rule "{name}"', *words)


def _describe_sent(run: Ran) -> str:
    if run.sent is not None:
        return f"sent to {run.sent.origin}"
    return "answered here" if run.answer is None else f"answered here with {run.answer.status}"


def _describe_answer(run: Ran) -> str:
    if run.answer is not None:
        return f"{run.answer.status}"
    return run.unanswered or "not recorded"


def _merge(edits: Iterator[tuple[Part, Edit]]) -> Iterator[Difference]:
    """Edits at places that differ by indices only, as one."""
    groups: dict[tuple[Part, Kind, str], list[Edit]] = {}
    for part, edit in edits:
        groups.setdefault((part, edit.kind, _generalise(edit.where)), []).append(edit)
    for (part, kind, where), same in groups.items():
        first = same[0]
        alike = all((edit.before, edit.after) == (first.before, first.after) for edit in same)
        yield Difference(part, kind, where, first.before, first.after, (), len(same), alike)


def _generalise(where: str) -> str:
    return _INDEX.sub("/*", where) if where.startswith(("/", "event/")) else where


Acts = dict[str, frozenset[tuple[str, str]]]
"""By the name of a rule: where it edited (`*` for indices), `decision` or `failure`, and what that was."""


def _read_acts(outcomes: Sequence[Outcome]) -> Acts:
    acts: dict[str, set[tuple[str, str]]] = {}
    for outcome in outcomes:
        if outcome.verdict not in ("changed", "failed"):
            continue
        known = acts.setdefault(outcome.rule.name, set())
        known |= {("decision", decision) for decision in outcome.decisions}
        if outcome.verdict == "failed":
            # One that is required ends the side, as if it had said so.
            known.add(("decision" if outcome.rule.required else "failure", str(outcome.failure)))
            continue
        side = "request" if outcome.rule.side == "request" else "answer"
        for edit in outcome.edits:
            of_request = edit.where.startswith("request ") or side == "request"
            where = _generalise(edit.where.removeprefix("request "))
            known.add((f"{'request' if of_request else 'answer'} {where}", f"{edit.kind} {edit.before} {edit.after}"))
    return {name: frozenset(known) for name, known in acts.items()}


def _blame(difference: Difference, old: Acts, new: Acts, *, ended: bool) -> tuple[str, ...]:
    """The rules that make a difference: those that edit there otherwise, or that act otherwise at all.

    `ended`: under one set nothing was sent, so all that differs is of the rule that answered.
    """
    if difference.part == "rules":
        return ()
    names = dict.fromkeys((*new, *old))
    unlike = {name: old.get(name, frozenset()) ^ new.get(name, frozenset()) for name in names}
    # Who edits there; else who decides otherwise (to answer, to fake a stream, to drop an event); else all of them.
    there = [name for name, acts in unlike.items() if any(_touches(where, difference) for where, _ in acts)]
    deciding = [name for name, acts in unlike.items() if any(where == "decision" for where, _ in acts)]
    return tuple((deciding if ended else there) or deciding or [name for name, acts in unlike.items() if acts])


def _touches(where: str, difference: Difference) -> bool:
    part, _, edited = where.partition(" ")
    place = _EVENT.sub("", difference.where)
    if part != difference.part or place in ("sent", ""):
        return False
    if place in ("path", "origin"):
        return edited.partition(".")[0].partition(" ")[0] in ("upstream", "path", "raw_path", "query")
    return edited == place or edited.startswith(f"{place}/") or place.startswith(f"{edited}/") or not edited
