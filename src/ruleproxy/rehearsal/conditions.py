"""A condition of the language by itself, asked of captured exchanges: which of them to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.captures.capture import Capture
from ruleproxy.engine.compiling import CompiledRule, RuleCompiler
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.masking import render_diagnostics
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.signatures import Side
from ruleproxy.language.source import Source
from ruleproxy.language.walking import children
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused
from ruleproxy.rehearsal.answers import recorded_answer
from ruleproxy.rehearsal.driving import drive

_SIDES: tuple[Side, ...] = ("failure", "response")


class BadCondition(ValueError):
    """A text that is no condition; the message has what the checker says of it."""


class Condition:
    """A boolean expression over one exchange: `request.path == "/v1/messages" and response.status >= 400`.

    `request` is what the client sent. Where the text asks for `response` or `failure`, exchanges that have none do
    not fit. Raises `BadCondition`; `name` is what the text is called in its message.
    """

    def __init__(self, text: str, upstreams: Sequence[Upstream], name: str) -> None:
        self._upstreams = tuple(upstreams)
        self._ruleset = Ruleset((_compile(text, name),))

    def holds(self, capture: Capture) -> bool:
        """Whether a capture fits. A condition that fails, as rules may at run time, does not hold."""
        exchange = Exchange(self._ruleset, capture.request.to_message(), self._upstreams)
        if capture.response is None and capture.failure is None:
            exchange.begin()
        else:
            drive(exchange, [recorded_answer(capture.answered[-1])])
        return any(outcome.verdict == "matched" for done in exchange.outcomes.values() for outcome in done)


def _compile(text: str, name: str) -> CompiledRule:
    rule, tree = _parse(text, name, "request")
    roots = {node.name for node in _names(rule)}
    for side in _SIDES:
        if side in roots:
            rule, tree = _parse(text, name, side)
            break
    found = check_files([tree], load_vocabulary(), check_literal=check_literal)
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if errors:
        raise BadCondition(render_diagnostics(errors).rstrip())
    try:
        return RuleCompiler(tree.source, {}, load_vocabulary(), {}).compile(rule, rule.name)
    except (CannotCompile, EditRefused) as error:
        raise BadCondition(f"{name}: {error}") from None


def _parse(text: str, name: str, side: str) -> tuple[syntax.Rule, syntax.RulesFile]:
    # The text has a line of its own, so that what is said of it points at it alone.
    tree, problems = parse(Source(name, f'rule "condition" on {side} when\n{text}\nthen note "fits" end'))
    if problems:
        raise BadCondition(render_diagnostics(problems).rstrip())
    match tree.items:
        case (syntax.Rule() as rule,):
            return rule, tree
    raise BadCondition(f"{name}: more than a condition: {text[:80]!r}")


def _names(node: syntax.Node) -> Iterator[syntax.Name]:
    if isinstance(node, syntax.Name):
        yield node
    for child in children(node):
        yield from _names(child)
