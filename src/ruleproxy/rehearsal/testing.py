"""Running the `test` blocks of rules files: the whole exchange, on the same code as the sockets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.learning import LearnedRules
from ruleproxy.engine.ruleset import BadParameters, Ruleset, RuleTest
from ruleproxy.engine.trace import Trace
from ruleproxy.engine.tracing import trace_exchange
from ruleproxy.rehearsal.coverage import Coverage
from ruleproxy.rehearsal.driving import Unanswered, drive
from ruleproxy.rehearsal.expectations import Missed, check_expectation
from ruleproxy.rehearsal.finished import Finished
from ruleproxy.rehearsal.givens import BadTest, read_given, read_parameters


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. `problem` is why it could not be run; `trace` is there once its exchange ran."""

    __test__ = False  # pytest: not a test class of ours

    file: str
    line: int
    name: str
    missed: tuple[Missed, ...] = ()
    problem: str | None = None
    trace: Trace | None = None
    accepted: tuple[Path, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything that the test expects is so."""
        return self.problem is None and not self.missed


def run_test(test: RuleTest, ruleset: Ruleset, *, accept: bool = False, coverage: Coverage | None = None) -> TestResult:
    """Run one test of a ruleset; `accept` writes the snapshots that it compares with, `coverage` counts."""
    line = test.source.position(test.node.span.start).line
    trace: Trace | None = None
    try:
        if not test.node.expectations:
            raise BadTest(test.node.name_span, "the test asserts nothing")
        test, ruleset = _with_parameters(test, ruleset)
        ruleset = ruleset if coverage is None else coverage.watch(ruleset)
        given = read_given(test, ruleset.origins)
        learned = LearnedRules(ruleset.secrets)
        exchange = Exchange(ruleset, given.request, given.upstreams, detailed=True, learned=learned)
        try:
            client = drive(exchange, given.answers)
        except Unanswered as error:
            raise BadTest(test.node.name_span, str(error)) from None
        finally:
            trace = trace_exchange(exchange)
            if coverage is not None:
                coverage.count(exchange)
        finished = Finished(test, exchange, client, given.upstreams, learned, accept)
        checked = [check_expectation(expect, finished) for expect in test.node.expectations]
    except BadTest as error:
        position = test.source.position(error.span.start)
        problem = f"{test.source.name}:{position.line}:{position.column}: {error}"
        return TestResult(test.source.name, line, test.node.name, (), problem, trace)
    missed = tuple(found for found in checked if found is not None)
    return TestResult(test.source.name, line, test.node.name, missed, None, trace, tuple(finished.accepted))


def _with_parameters(test: RuleTest, ruleset: Ruleset) -> tuple[RuleTest, Ruleset]:
    if test.with_parameters is None:
        read_parameters(test)  # refuses them
        return test, ruleset
    try:
        fresh = test.with_parameters(read_parameters(test))
    except BadParameters as error:
        spans = [given.span for given in test.node.givens if given.subject.text == "parameters"]
        raise BadTest(spans[0] if spans else test.node.name_span, str(error)) from None
    return next(other for other in fresh.tests if other.node is test.node), fresh
