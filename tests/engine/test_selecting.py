"""The index over many rules passes over those that cannot match, and no other."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine.events import Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages.message import Headers
from support.running import declared, request, rules

CONDITIONS = (
    'request.headers["x-a"] == "1"',
    'request.headers["X-A"] == "2" and request.body.model == "m"',
    'request.headers["x-b"] ~= nil',
    'request.headers["x-b"] in { "1", "2" }',
    'request.body.model == "m"',
    'request.body.model in { "n", "o" }',
    'request.body.metadata.user_id == "u"',
    "request.body.metadata ~= nil",
    "request.body.max_tokens == 1",
    'request.body.stream == true and request.headers["x-a"] ~= nil',
    '"1" == request.headers["x-a"]',
    'request.headers["x-a"] == nil',
    'request.body.model ~= "m"',
    '(request.body.model == "m")',
    'not (request.headers["x-a"] == "1")',
    'request.headers["x-a"] == "1" or request.body.model == "m"',
    '(request.body.temperature ?? 0) < 1 and request.headers["x-c"] == "1"',
    'request.headers["x-c"] == "made"',
    'request.body.made == "yes"',
    'request.body.metadata.team == "t"',
)
WRITING = {
    3: '  rewrite request.headers["x-c"] = "made"\n',
    5: '  rewrite request.body.made = "yes"\n',
    7: '  rewrite request.body.metadata.team = "t"\n',
    10: '  strip request.headers["x-b"]\n',
}


@cache
def many() -> Ruleset:
    """Each condition twice, so that there are rules behind those that write what others ask for."""
    text = ""
    for number, condition in enumerate(CONDITIONS * 2):
        statement = WRITING.get(number, f"  inject {{ tag_{number} = true }} into request.body\n")
        text += f'rule "{number}" on request\nwhen {condition} then\n{statement}end\n'
    return rules(text)


def outcome(headers: Headers, data: bytes, *, detailed: bool) -> tuple[Any, ...]:
    exchange = Exchange(many(), request(data, headers=headers), declared(), detailed=detailed)
    action = exchange.begin()[0]
    assert isinstance(action, Send)
    verdicts = {o.rule.name: o.verdict for o in exchange.outcomes["request"] if o.verdict != "unmatched"}
    return verdicts, action.body, action.headers


VALUE = st.sampled_from(["1", "2", "3", "made"])
HEADERS = st.lists(
    st.tuples(st.sampled_from(["x-a", "X-A", "X-b", "x-c"]), VALUE).map(lambda p: (p[0].encode(), p[1].encode())),
    max_size=4,
)
METADATA = st.fixed_dictionaries({}, optional={"user_id": st.sampled_from(["u", 1]), "team": st.just("t")})
BODY = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["m", "n", "x", 1, None]),
        "metadata": st.one_of(METADATA, st.sampled_from([None, "u", ["u"]])),
        "max_tokens": st.sampled_from([1, 1.0, True, "1"]),
        "stream": st.sampled_from([True, "true"]),
        "temperature": st.sampled_from([0, 2, "hot"]),
        "made": st.sampled_from(["yes", "no"]),
    },
)


@settings(max_examples=500, deadline=None)
@given(headers=HEADERS, body=st.one_of(BODY.map(orjson.dumps), st.sampled_from([b"", b"[]", b"{", b'{"a":"\\ud800"}'])))
def test_selected_rules_do_what_all_of_them_do(headers: Headers, body: bytes) -> None:
    """With and without the index the same rules act, with the same bytes, whatever earlier rules wrote."""
    assert outcome(headers, body, detailed=False) == outcome(headers, body, detailed=True)


def test_rules_that_cannot_match_are_not_evaluated() -> None:
    """Of a thousand rules that ask for other headers, none gets an outcome."""
    text = "".join(
        f'rule "{n}" on request\nwhen request.headers["x-{n}"] == "1" then\n  strip request.body.a\nend\n'
        for n in range(1000)
    )
    ruleset = rules(text)
    exchange = Exchange(ruleset, request({"a": 1}, headers=[(b"x-77", b"1")]), declared())
    exchange.begin()
    assert [(o.rule.name, o.verdict) for o in exchange.outcomes["request"]] == [("77", "changed")]


def test_made_ready_as_another_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ruleset that takes the place of one has its candidates found before it does: the same that it would find."""
    old = rules('rule "a" on request\nwhen request.path == "/a" then\n  strip request.body.a\nend\n')
    text = 'rule "b" on request\nwhen request.path == "/a" then\n  strip request.body.b\nend\n'
    new, fresh = rules(text), rules(text)
    for path in ("/a", "/b"):
        old.candidates("request", "POST", path)
    new.prepare_as(old)
    expected = [[rule.name for rule in fresh.candidates("request", "POST", path)] for path in ("/a", "/b")]
    monkeypatch.setattr(Ruleset, "_choose", lambda *_: pytest.fail("looked for candidates"))
    assert [[rule.name for rule in new.candidates("request", "POST", path)] for path in ("/a", "/b")] == expected
