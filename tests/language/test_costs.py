"""What the time of a rule grows with."""

from __future__ import annotations

import pytest

from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.costs import find_cost
from ruleproxy.language.effects import rule_effects
from ruleproxy.language.parsing import parse
from ruleproxy.language.source import Source


def cost(body: str, condition: str = "", side: str = "request") -> str:
    tree, diagnostics = parse(Source("a", f'rule "a" on {side} {condition} then\n{body}\nend\n'))
    assert diagnostics == []
    rule = tree.items[0]
    assert isinstance(rule, syntax.Rule)
    return find_cost(rule, rule_effects(rule, load_vocabulary()))


LOOP = "for a in request.body.messages do\n  {}\nend"

CASES = [
    ("head", 'rewrite request.path = "/a"', ""),
    ("head", 'strip value in request.headers["a"] where value == "b"', ""),
    ("places", "strip request.body.a", ""),
    ("places", "stop", 'when request.model == "m"'),
    ("places", "if request.body.a == 1 then\n  stop\nelse\n  strip request.body.b\nend", ""),
    ("elements", "strip request.body.tools[*].strict", ""),
    ("elements", "stop", 'when "a" in request.body.tools[*].name'),
    ("elements", "strip a in request.body.messages where blank(a.content)", ""),
    ("elements", LOOP.format("strip a.b"), ""),
    ("elements", 'if "a" in request.body.tools[*].name then\n  stop\nend', ""),
    ("pairs", LOOP.format("local b = a.content[*].id"), ""),
    ("pairs", LOOP.format("if a.id in request.body.tools[*].id then\n  stop\nend"), ""),
    ("pairs", "strip a in request.body.messages where a.id in request.body.tools[*].id", ""),
    ("pairs", LOOP.format("for b in a.content do\n  strip b.c\nend"), ""),
    ("body", "strip request.body[**].cache_control", ""),
    ("body", "limit cache_control in request.body to 4", ""),
    ("body", "fake_stream", ""),
]


@pytest.mark.parametrize(("expected", "body", "condition"), CASES)
def test_classes(expected: str, body: str, condition: str) -> None:
    """The dearest thing that a rule does is its class."""
    assert cost(body, condition) == expected


def test_events_are_data() -> None:
    """A rule on events looks into their data."""
    assert cost('rewrite event.data.a = "b"', side="event") == "places"
    assert cost("drop", 'when event.type == "ping"', side="event") == "head"
