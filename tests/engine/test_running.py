"""Rules over one message: in order, each whole or not at all, each with a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ruleproxy.engine.events import Action, End, Head, Send
from ruleproxy.engine.exchange import Exchange
from support.running import begin, declared, request, rules, send

HEADERS = [(b"X-Kept", b"1")]


def outcomes(text: str, body: object = None, **fields: Any) -> tuple[Exchange, Action, dict[str, str]]:
    """The exchange of a request, its first action, and each request rule's verdict."""
    ruleset = rules(f"edition 1\n\n{text}")
    sent = request({} if body is None else body, **fields)
    exchange, action = begin(ruleset, sent)
    # Live traffic keeps no details and may tell of rules by a glance at the bytes: what comes of it is the same.
    live = Exchange(ruleset, sent, declared())
    assert live.begin()[0] == action
    assert list(live.acted) == list(exchange.acted)
    assert live.notes == exchange.notes
    return exchange, action, {outcome.rule.name: outcome.verdict for outcome in exchange.outcomes["request"]}


def sent_body(action: Action) -> Any:
    assert isinstance(action, Send)
    return json.loads(action.body)


def rule(name: str, *statements: str, flags: str = "", when: str = "") -> str:
    """The text of a request rule."""
    condition = f"\nwhen {when} then" if when else " then"
    lines = "".join(f"  {statement}\n" for statement in statements)
    return f'rule "{name}" on request{flags}{condition}\n{lines}end\n\n'


FAILING = "rewrite request.body.text.inner = 1"


def test_rules_run_in_order_and_see_what_came_before() -> None:
    """A condition is evaluated when its turn comes, on the message as it is by then."""
    text = (
        rule("first", 'rewrite request.body.model = "b"', when='request.body.model == "a"')
        + rule("second", 'rewrite request.body.model = "c"', when='request.body.model == "b"')
        + rule("third", 'rewrite request.body.model = "d"', when='request.body.model == "a"')
        + rule("fourth", "rewrite request.body.before = original.request.body.model")
    )
    exchange, action, verdicts = outcomes(text, {"model": "a"})
    assert sent_body(action) == {"model": "c", "before": "a"}
    assert verdicts == {"first": "changed", "second": "changed", "third": "unmatched", "fourth": "changed"}
    assert list(exchange.acted) == ["first", "second", "fourth"]


def test_a_rule_that_fails_is_undone_as_a_whole() -> None:
    """Every kind of edit: body, header, query, path, upstream, decisions. The rules around it stand."""
    text = (
        rule("before", "rewrite request.body.n = 1")
        + rule(
            "failing",
            "rewrite request.body.n = 2",
            "inject { a = { b = 1 } } into request.body",
            "strip request.body.list",
            'add "x" to request.body.other',
            'move block in request.body.blocks where block.k == "a" to last',
            'rewrite request.headers["x-kept"] = "2"',
            'rewrite request.headers["x-new"] = "2"',
            'rewrite request.query.q = "2"',
            'rewrite request.path = "/elsewhere"',
            'rewrite upstream.url = "https://upstream.example/exact"',
            'note "never said"',
            "fake_stream",
            FAILING,
        )
        + rule("after", "rewrite request.body.noticed = request.body.n")
    )
    body = {"n": 0, "list": [1], "blocks": [{"k": "a"}, {"k": "b"}], "text": "scalar", "stream": True}
    exchange, action, verdicts = outcomes(text, body, headers=HEADERS, query="q=1")
    assert verdicts == {"before": "changed", "failing": "failed", "after": "changed"}
    assert isinstance(action, Send)
    assert json.loads(action.body) == body | {"n": 1, "noticed": 1}
    assert action.headers == HEADERS
    assert action.target == b"/v1/messages?q=1"
    assert exchange.notes == ()
    assert exchange.patience is None
    failed = exchange.outcomes["request"][1]
    assert failed.failure is not None
    assert failed.failure.startswith("RP510 at 20:3: ")
    assert "failing" not in exchange.acted


def test_undone_means_the_same_bytes() -> None:
    """Where the only rule fails, odd spelling and all leave as they came."""
    text = rule("failing", "rewrite request.body.n = 2", "inject { a = 1 } into request.body", FAILING)
    body = b'{ "n":1e400 , "text" : "\\ud83d", "n2":[ ] }'
    exchange, action, verdicts = outcomes(text, body)
    assert verdicts == {"failing": "failed"}
    assert isinstance(action, Send)
    assert action.body == body
    assert exchange.reused == len(body)


def test_a_condition_may_fail_too() -> None:
    """Arithmetic on what is no number: the rule is named, its statements do not run."""
    text = rule("asks", "rewrite request.body.n = 2", when="(request.body.max_tokens ?? 0) > 5")
    _, action, verdicts = outcomes(text, {"max_tokens": "many"})
    assert verdicts == {"asks": "failed"}
    assert sent_body(action) == {"max_tokens": "many"}


def test_a_required_rule_that_fails_refuses() -> None:
    """502 that names it; the rules after it are unreached, the ones before keep their verdicts."""
    text = (
        rule("before", "rewrite request.body.n = 1")
        + rule("needed", FAILING, flags=", required")
        + rule("after", "rewrite request.body.n = 3")
    )
    exchange, action, verdicts = outcomes(text, {"text": "scalar"})
    assert verdicts == {"before": "changed", "needed": "failed", "after": "unreached"}
    assert isinstance(action, Head)
    assert action.status == 502
    assert exchange.sent is None


def test_a_required_rule_that_does_not_match_is_no_failure() -> None:
    """`required` speaks of failing only."""
    text = rule("needed", "rewrite request.body.n = 1", flags=", required", when='request.body.model == "x"')
    assert outcomes(text)[2] == {"needed": "unmatched"}


def test_shadow_applies_nothing() -> None:
    """Edits and decisions are reported and taken back; later rules see the message without them."""
    text = rule("tried", "rewrite request.body.n = 2", 'respond { status = 418, body = "x" }', flags=", shadow") + rule(
        "after", "rewrite request.body.noticed = request.body.n"
    )
    exchange, action, verdicts = outcomes(text, {"n": 1})
    assert verdicts == {"tried": "shadowed", "after": "changed"}
    assert sent_body(action) == {"n": 1, "noticed": 1}
    tried = exchange.outcomes["request"][0]
    assert [(edit.kind, edit.where, edit.after) for edit in tried.edits] == [("~", "/n", "2")]
    assert tried.decisions == ("respond 418",)
    assert list(exchange.acted) == ["after"]


def test_a_shadow_that_fails_does_not_refuse() -> None:
    """Not even a required one: it is only tried out."""
    text = rule("tried", FAILING, flags=", required, shadow")
    _, action, verdicts = outcomes(text, {"text": "scalar"})
    assert verdicts == {"tried": "failed"}
    assert isinstance(action, Send)


def test_stop_leaves_the_rest_unreached() -> None:
    """What was edited before it stands."""
    text = rule("first", "rewrite request.body.n = 1", "stop", when='request.body.model == "a"') + rule(
        "second", "rewrite request.body.n = 2"
    )
    _, action, verdicts = outcomes(text, {"model": "a"})
    assert verdicts == {"first": "changed", "second": "unreached"}
    assert sent_body(action)["n"] == 1
    _, action, verdicts = outcomes(text, {"model": "b"})
    assert verdicts == {"first": "unmatched", "second": "changed"}
    assert sent_body(action)["n"] == 2


def test_stop_in_a_rule_that_fails_is_undone() -> None:
    """A decision belongs to its rule like an edit."""
    text = rule("first", FAILING, "stop") + rule("second", "rewrite request.body.n = 2")
    assert outcomes(text, {"text": "scalar"})[2] == {"first": "failed", "second": "changed"}


def test_an_answer_ends_the_side() -> None:
    """Nothing is sent; HEAD gets no body."""
    text = rule("mine", 'respond { status = 418, headers = { ["x-a"] = "b" }, body = { n = 1 } }') + rule(
        "after", "rewrite request.body.n = 2"
    )
    exchange, action, verdicts = outcomes(text)
    assert verdicts == {"mine": "changed", "after": "unreached"}
    assert isinstance(action, Head)
    assert (action.status, dict(action.headers)[b"x-a"]) == (418, b"b")
    asked = Exchange(exchange.ruleset, request(method="HEAD"), declared())
    assert [type(step) for step in asked.begin()] == [Head, End]


def test_matched_means_that_nothing_changed() -> None:
    """The condition held and every verb found its work done."""
    text = rule(
        "there already",
        'inject default { model = "x" } into request.body',
        "strip request.body.nothing",
        "rewrite request.body.n = 1",
        'note "looked"',
    )
    exchange, _, verdicts = outcomes(text, {"model": "a", "n": 1})
    assert verdicts == {"there already": "matched"}
    assert exchange.notes == ("looked",)
    assert list(exchange.acted) == []
    assert exchange.reused == len(request({"model": "a", "n": 1}).body)


def test_a_write_of_nil_changes_nothing() -> None:
    """A value that turns out absent is no value to write."""
    text = rule("copies", "rewrite request.body.model = request.body.other")
    _, action, verdicts = outcomes(text, {"model": "a"})
    assert verdicts == {"copies": "matched"}
    assert sent_body(action) == {"model": "a"}


def test_a_loop_takes_a_snapshot() -> None:
    """What a loop adds to its own list is not visited; what it edits is live."""
    text = rule(
        "doubles",
        "for item in request.body.items do",
        "  add { n = item.n } to request.body.items",
        "  rewrite item.n = 7",
        "end",
    )
    _, action, _ = outcomes(text, {"items": [{"n": 1}, {"n": 2}]})
    assert sent_body(action) == {"items": [{"n": 7}, {"n": 7}, {"n": 1}, {"n": 2}]}


@pytest.mark.parametrize("value", [None, "text", 3, {"a": 1}, True])
def test_a_loop_over_no_list_runs_zero_times(value: object) -> None:
    """Clients are not trusted to follow the schema."""
    text = rule("loops", "for item in request.body.items do", "  rewrite request.body.ran = true", "end")
    _, action, verdicts = outcomes(text, {"items": value})
    assert verdicts == {"loops": "matched"}
    assert sent_body(action) == {"items": value}


def test_the_step_budget() -> None:
    """Work over one message is bounded in steps, so that a rule's verdict never depends on the machine."""
    text = rule(
        "quadratic",
        "for one in request.body.items do",
        "  for two in request.body.items do",
        "    rewrite one.n = 1",
        "  end",
        "end",
    )
    exchange, action, verdicts = outcomes(text, {"items": [{} for _ in range(600)]})
    assert verdicts == {"quadratic": "failed"}
    assert exchange.outcomes["request"][0].failure is not None
    assert "more than 200000 steps" in exchange.outcomes["request"][0].failure
    assert sent_body(action) == {"items": [{} for _ in range(600)]}


def test_a_message_that_no_rule_is_for() -> None:
    """Rules of other paths and methods are no candidates, and the request is the client's own."""
    text = rule("get", "strip request.body.model", when='request.method == "GET"') + rule(
        "other", 'rewrite request.headers["x"] = "1"', when='request.path == "/other"'
    )
    made = rules(f"edition 1\n\n{text}")
    sent = send(made, request(b"not JSON", headers=HEADERS, query="a=%2F&a"))
    assert (sent.method, sent.target, sent.headers, sent.body) == (
        "POST",
        b"/v1/messages?a=%2F&a",
        HEADERS,
        b"not JSON",
    )


@pytest.mark.parametrize(
    "condition",
    [
        'request.body.messages[*].content[*].input == { { host = "a" } }',
        '{ request.body.messages } == { { { content = { { input = { host = "a" } } } } } }',
        "{ a = first(request.body.messages) } == { a = last(request.body.messages) }",
    ],
)
def test_lists_that_rules_make_are_compared_by_what_is_in_them(condition: str) -> None:
    """Objects of the message in a list or an object of the rule's own equal the same ones written out."""
    ruleset = rules(f'rule "r" on request when {condition} then\n  rewrite request.headers["x-same"] = "yes"\nend\n')
    sent = request({"messages": [{"content": [{"input": {"host": "a"}}]}]})
    assert send(ruleset, sent).headers == [(b"x-same", b"yes")]
