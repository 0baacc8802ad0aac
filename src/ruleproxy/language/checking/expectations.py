"""Test blocks: what is given, what is expected, and whether the rules they name exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ruleproxy.language import syntax
from ruleproxy.language.checking.expressions import check_condition, type_expression, type_steps
from ruleproxy.language.checking.findings import did_you_mean
from ruleproxy.language.checking.kinds import needs, put_article, with_article
from ruleproxy.language.checking.scope import Scope, bare, literal_string
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.roots import FAILURES, names_of
from ruleproxy.language.types import INT, JSON, LIST, STRING, Type, of

SUBJECTS: Mapping[str, Mapping[str, Type]] = {
    "request": {
        "method": STRING,
        "path": STRING,
        "raw_path": STRING,
        "query": of("string", "object"),
        "headers": of("object"),
        "body": JSON,
        "body_text": STRING,
    },
    "response": {"status": INT, "headers": of("object"), "body": JSON, "body_text": STRING},
    "upstream": {"name": STRING, "host": of("string", "secret"), "url": of("string", "secret")},
    "failure": {"kind": names_of(*FAILURES), "message": STRING, "events": LIST},
    "event": {"type": STRING, "data": JSON},
}
"""What can be given, by subject, and the fields of each."""

ALL_SUBJECTS = ("request", "response", "events", "failure", "upstream", "parameters")

RECORDED = ("request", "response")
"""What can be given from a capture."""

RULE_VERDICTS = frozenset({"changed", "matched", "unmatched", "shadowed", "failed", "unreached", "stopped_by"})
"""What is said of a rule by name."""


@dataclass(frozen=True, slots=True)
class KnownRules:
    """The names of the rules that a test may speak of; `complete` where each pack in use could be opened.

    `first` is the first rule of the test's own files, if there is one.
    """

    names: frozenset[str]
    complete: bool
    first: str | None


def check_test(scope: Scope, test: syntax.Test, rules: KnownRules) -> None:
    """Check a test in a scope that has the file's locals."""
    scope.stage = "test"
    for given in test.givens:
        check_given(scope, given)
    check_requests(scope, test)
    if not test.expectations:
        offer = f'expect changed "{rules.first}"' if rules.first is not None else "expect response.status == 200"
        scope.findings.add("RP801", f'the test "{test.name}" asserts nothing', test.name_span, help=offer)
    for expectation in test.expectations:
        check_expectation(scope, expectation, rules)


def check_given(scope: Scope, given: syntax.Given) -> None:
    """One `given`."""
    subject = given.subject
    if subject.text not in ALL_SUBJECTS:
        offer = did_you_mean(subject.text, ALL_SUBJECTS) or (f"one of: {', '.join(ALL_SUBJECTS)}",)
        scope.findings.add("RP201", f"unknown subject `{subject.text}`", subject.span, help=offer)
    if given.table is None:
        if subject.text in ALL_SUBJECTS and subject.text not in RECORDED:
            message = f"`given {subject.text}` takes a table: a request and a response come from captures"
            recorded = subject.text in ("events", "failure")
            shown = f'given response from "{given.capture}"' if recorded else f"given {subject.text} {{ … }}"
            scope.findings.add("RP302", message, given.span, help=shown)
        return
    before, scope.stage = scope.stage, "file"
    type_expression(scope, given.table)
    scope.stage = before
    if subject.text == "parameters":
        check_parameters(scope, given.table)
    elif subject.text == "events":
        if any(field.key is not None for field in given.table.fields):
            in_braces = f"{{ {scope.findings.text(given.table.span, 10_000)} }}"
            scope.findings.add("RP302", "events are a list", given.table.span, "one event", help=in_braces)
            return
        check_events(scope, given.table)
    elif subject.text in SUBJECTS:
        check_fields(scope, subject.text, given.table)
        note_path(scope, subject.text, given.table)


def check_events(scope: Scope, table: syntax.Table) -> None:
    """Events that are given."""
    for field in table.fields:
        inner = bare(field.value)
        if isinstance(inner, syntax.Table):
            check_fields(scope, "event", inner)


def check_requests(scope: Scope, test: syntax.Test) -> None:
    """A test has one request."""
    requests = [given for given in test.givens if given.subject.text == "request"]
    if not requests and test.expectations:
        offer = 'given request { method = "POST", path = "/v1/messages", body = {} }'
        scope.findings.add("RP801", f'the test "{test.name}" has no request', test.name_span, help=offer,
                           severity=Severity.ERROR)  # fmt: skip
    for given in requests[1:]:
        scope.findings.add("RP203", "a test has one request", given.span, second=requests[0].span,
                           second_label="the first one")  # fmt: skip


def note_path(scope: Scope, subject: str, table: syntax.Table) -> None:
    """Which path a request of a test has: what is expected of its body is read by that format.

    It is what came: rules may have written another one by the time that it goes out.
    """
    if subject != "request":
        return
    for field in table.fields:
        name = None if field.key is None else literal_string(field.key)
        path = literal_string(field.value)
        if name == "path" and path is not None:
            scope.learn(("original", "request", "path"), names_of(path))


def check_parameters(scope: Scope, table: syntax.Table) -> None:
    """Parameters that a test gives: declared ones."""
    declared = scope.setting.parameters
    for field in table.fields:
        name = None if field.key is None else literal_string(field.key)
        if field.key is not None and name is not None and declared is not None and name not in declared:
            scope.findings.add("RP202", f"no parameter `{name}` is declared", field.key.span,
                               help=did_you_mean(name, declared))  # fmt: skip


def check_fields(scope: Scope, subject: str, table: syntax.Table) -> None:
    """The fields of a table that is given."""
    fields = SUBJECTS[subject]
    for field in table.fields:
        if field.key is None:
            message = f"{put_article(subject)} has named fields"
            scope.findings.add("RP302", message, field.span, help=f"{next(iter(fields))} = …")
            continue
        name = literal_string(field.key)
        if name is None:
            continue
        if name not in fields:
            offer = did_you_mean(name, fields) or (f"known: {', '.join(fields)}",)
            scope.findings.add("RP202", f"{put_article(subject)} has no field `{name}`", field.key.span, help=offer)
            continue
        silent, scope.findings.silent = scope.findings.silent, True
        known = type_expression(scope, field.value)
        scope.findings.silent = silent
        if not known.kinds <= {"nil"}:
            wanted = fields[name].kinds
            what = f"`{name}` takes {with_article(Type(wanted - {'nil'}))}"
            needs(scope, field.value, known, wanted | {"nil", "null"}, what)
            check_choice(scope, field.value, fields[name])
            if name == "events" and isinstance(inner := bare(field.value), syntax.Table):
                check_events(scope, inner)
            check_written_out(scope, name, field.value)


def check_written_out(scope: Scope, name: str, node: syntax.Expression) -> None:
    """A path or a status that is written out and cannot be one."""
    inner = bare(node)
    if not isinstance(inner, syntax.Literal):
        return
    if name in ("path", "raw_path") and isinstance(inner.value, str) and not inner.value.startswith("/"):
        scope.findings.add("RP302", "a path begins with a slash", node.span, help=f'"/{inner.value}"')
    if name == "status" and isinstance(inner.value, int) and not 200 <= inner.value <= 599:
        scope.findings.add("RP302", "the status of an answer is 200 to 599", node.span)


def check_choice(scope: Scope, node: syntax.Expression, wanted: Type) -> None:
    """A string that has to be one of a few."""
    text = literal_string(node)
    if text is None or wanted.choices is None or text in wanted.choices:
        return
    offer = did_you_mean(text, wanted.choices) or (f"one of: {', '.join(sorted(wanted.choices))}",)
    scope.findings.add("RP201", f'unknown kind "{text}"', node.span, help=offer)


def check_expectation(scope: Scope, expectation: syntax.Expect, rules: KnownRules) -> None:
    """One `expect`."""
    scope.stage = "test" if expectation.attempt is None else "attempt"
    if expectation.attempt == 0:
        scope.findings.add("RP302", "attempts are counted from 1", expectation.span, help="expect attempt 1 …")
    if expectation.condition is not None:
        scope.in_condition = True
        check_condition(scope, expectation.condition)
        scope.in_condition = False
        return
    subject = expectation.subject
    if expectation.verdict == "unchanged" and isinstance(subject, syntax.Path):
        type_steps(scope, subject)
    elif expectation.verdict in RULE_VERDICTS and isinstance(subject, str) and subject not in rules.names:
        offer = did_you_mean(subject, rules.names, "{}")
        if rules.complete or offer:
            scope.findings.add("RP201", f'no rule is named "{subject}"', expectation.span, help=offer)
