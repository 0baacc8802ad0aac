"""Rules that no test can reach, in files that have tests (RP801).

Said as a note, and once a file: a first test must not bring a warning for every rule that has none yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language import syntax
from ruleproxy.language.checking.expectations import RULE_VERDICTS
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.scope import literal_string
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.effects import required_values

NEEDED = {"event": ("events", "response"), "failure": ("failure", "response", "events")}
"""What a test has to give for a rule of a side to run: one of these."""


def check_coverage(files: Sequence[syntax.RulesFile], all_findings: Sequence[Findings]) -> None:
    """Report the first rule of each file with tests that no test of any file can reach."""
    tests = [item for file in files for item in file.items if isinstance(item, syntax.Test)]
    for file, findings in zip(files, all_findings, strict=True):
        if not file.whole or not any(isinstance(item, syntax.Test) for item in file.items):
            continue
        rules = [item for item in file.items if isinstance(item, syntax.Rule)]
        missed = [rule for rule in rules if not any(may_reach(test, rule) for test in tests)]
        if missed:
            rest = f", and {len(missed) - 1} more of this file" if len(missed) > 1 else ""
            findings.add("RP801", f"no test reaches this rule{rest}", missed[0].name_span,
                         severity=Severity.NOTE, help=offer_test(missed[0]))  # fmt: skip


def may_reach(test: syntax.Test, rule: syntax.Rule) -> bool:
    """Whether a rule may run in a test, or the test names it."""
    if any(last.verdict in RULE_VERDICTS and last.subject == rule.name for last in test.expectations):
        return True
    given = {last.subject.text for last in test.givens} | ({"events"} if begins_stream(test) else set())
    needed = NEEDED.get(rule.side.text)
    if needed is not None and given.isdisjoint(needed):
        return False
    for attribute in ("method", "path"):
        wanted = required_values(rule.condition, attribute, careful=False)
        there = given_value(test, attribute)
        if wanted is not None and there is not None and there not in wanted:
            return False
    return True


def begins_stream(test: syntax.Test) -> bool:
    """Whether a test gives a failure behind the first events of a stream."""
    return any(
        given.subject.text == "failure" and field.key is not None and literal_string(field.key) == "events"
        for given in test.givens
        if given.table is not None
        for field in given.table.fields
    )


def given_value(test: syntax.Test, attribute: str) -> str | None:
    """The method or path of a test's request, where it is written out."""
    for given in test.givens:
        if given.subject.text != "request" or given.table is None:
            continue
        for field in given.table.fields:
            if field.key is not None and literal_string(field.key) == attribute:
                return literal_string(field.value)
    return None


def offer_test(rule: syntax.Rule) -> str:
    """The beginning of a test that speaks of a rule."""
    return f'expect changed "{rule.name}"'
