"""One capture after the other tried on rules: what each process of a run does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ruleproxy.captures.reading import BadCapture
from ruleproxy.captures.source import Source
from ruleproxy.engine.masking import mask_path
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.accepted import compare_accepted
from ruleproxy.rehearsal.coverage import Coverage, RuleCoverage
from ruleproxy.rehearsal.rehearsing import rehearse
from ruleproxy.rehearsal.report import CaptureEntry, Tried
from ruleproxy.rehearsal.rules import RulesAt
from ruleproxy.rehearsal.running import run_capture


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules that captures are tried on, each set by itself, and the upstreams that are declared.

    Outcomes are compared with the accepted ones where there is one set of rules; with `accept` they are written.
    `coverage`, where there is one, watches the rules and counts.
    """

    rulesets: Sequence[Ruleset]
    declared: tuple[Upstream, ...] | None
    accept: bool = False
    coverage: Coverage | None = None

    def __call__(self, source: Source) -> CaptureEntry:
        """What comes of a capture; one that cannot be read is an entry that says so."""
        try:
            capture = source.read()
        except BadCapture as bad:
            return name_problem(source, bad.problem, bad.place)
        tried: list[Tried] = []
        for ruleset in self.rulesets:
            rules = ruleset if self.coverage is None else self.coverage.watch(ruleset)
            run = run_capture(capture, rules, self.declared, detailed=self.coverage is not None)
            accepted = None
            if len(self.rulesets) == 1:
                accepted = compare_accepted(run, source.accepted, accept=self.accept)
            tried.append(Tried(rehearse(run, self.declared), accepted))
            if self.coverage is not None:
                self.coverage.count(run.exchange)
        return CaptureEntry(
            source.key,
            source.name,
            source.shown_file,
            source.line,
            capture.request.method,
            mask_path(capture.request.path.decode("latin-1")),
            tuple(tried),
            number=source.number,
        )


def name_problem(source: Source, problem: str, place: str = "") -> CaptureEntry:
    """The entry of a capture that could not be tried."""
    return CaptureEntry(
        source.key,
        source.name,
        source.shown_file,
        source.line,
        problem=problem,
        place=place,
        number=source.number,
    )


@dataclass(frozen=True, slots=True)
class TrialWork:
    """A trial that any process can begin."""

    rules: Sequence[RulesAt]
    declared: tuple[Upstream, ...] | None
    accept: bool = False
    covering: bool = False

    def open(self) -> Trial:
        """The trial, its rules loaded. Raises `CannotTry`."""
        rulesets = [rules.load() for rules in self.rules]
        return Trial(rulesets, self.declared, self.accept, Coverage() if self.covering else None)

    def finish(self, attempt: Callable[[Source], CaptureEntry]) -> Sequence[RuleCoverage]:
        """What was counted."""
        assert isinstance(attempt, Trial)
        return () if attempt.coverage is None else attempt.coverage.rules

    def name_problem(self, source: Source, problem: str) -> CaptureEntry:
        """The entry of a capture that could not be tried."""
        return name_problem(source, problem)
