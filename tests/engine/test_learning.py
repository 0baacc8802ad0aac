"""Learning: what a rule had to do after a refusal is done up front from then on."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ruleproxy.engine.events import Event, Send, UpstreamData, UpstreamEnd, UpstreamFailed, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.learning import MOST_LEARNED, LearnedRules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from support.running import declared, refused, request, rules, whole

JSON = [(b"content-type", b"application/json")]
SSE = [(b"content-type", b"text/event-stream")]
MESSAGE = {"type": "message", "id": "1", "model": "m", "content": [], "stop_reason": "end_turn"}
DELETE_EXTRA = """edition 1

rule "delete what the gateway calls extra" on response
when response.status == 400 and not response.streamed then
  local field = capture(response.body.error.message ?? "", [[([A-Za-z_0-9.]+): Extra inputs are not permitted]])
  if field ~= nil then
    strip request.body at field
    learn
    retry
  end
end
"""


TAKEN = whole(200, MESSAGE)


def run(
    ruleset: Ruleset, store: LearnedRules | None, body: object, *answers: tuple[Event, ...]
) -> tuple[Exchange, ClientAnswer]:
    exchange = Exchange(ruleset, request(body), declared(), detailed=True, learned=store)
    return exchange, drive(exchange, answers)


def learn(text: str, body: object, *answers: tuple[Event, ...]) -> tuple[LearnedRules, Exchange]:
    store = LearnedRules()
    exchange, _ = run(rules(text), store, body, *answers)
    return store, exchange


def sent(send: Send) -> Any:
    return orjson.loads(send.body)


def test_what_succeeded_is_done_up_front() -> None:
    """The next request to that upstream and model goes out without the field at once."""
    store, first = learn(DELETE_EXTRA, {"model": "m", "a": {}, "b": 1}, refused("a"), TAKEN)
    _, client = run(first.ruleset, store, {"model": "m", "a": {}, "b": 2}, TAKEN)
    assert [sent(send) for send in client.sends] == [{"model": "m", "b": 2}]
    assert b"x-ruleproxy-retries" not in dict(client.headers)
    _, other = run(first.ruleset, store, {"model": "other", "a": {}}, TAKEN)
    assert sent(other.sends[0]) == {"model": "other", "a": {}}


def on_response(statements: str, *, flags: str = "", before: str = "") -> str:
    return (
        f'edition 1\n\n{before}\nrule "r" on response{flags}\n'
        f"when response.status == 400 and not response.streamed then\n{statements}\nend\n"
    )


def test_a_learned_rule_is_the_text_that_is_printed() -> None:
    """What is kept as text is the whole of it: loaded as a file, it does the same."""
    store, first = learn(DELETE_EXTRA, {"model": "m", "a": {}, "b": 1}, refused("a"), TAKEN)
    (learned,) = store.rules
    assert learned.rule.name == (
        'learned: delete what the gateway calls extra: strip request.body at "a" (m at default)'
    )
    assert (
        'when upstream.name == "default" and request.model == "m" then\n  strip request.body at "a"\nend' in store.text
    )
    _, client = run(rules(store.text), None, {"model": "m", "a": {}, "b": 2}, TAKEN)
    assert sent(client.sends[0]) == {"model": "m", "b": 2}
    assert first.remarks == ("retries 1", learned.rule.name)


def test_several_refusals_in_one_exchange_add_up() -> None:
    """Each field is learned once, and the next request goes out without all of them."""
    body = {"model": "m", "a": 1, "b": 2, "c": 3, "keep": 4}
    store, first = learn(DELETE_EXTRA, body, refused("a"), refused("b"), refused("c"), TAKEN)
    assert len(store) == 3
    again, client = run(first.ruleset, store, body, TAKEN)
    assert sent(client.sends[0]) == {"model": "m", "keep": 4}
    assert tuple(again.acted) == tuple(learned.rule.name for learned in store.rules)
    assert len(store) == 3


def test_more_refusals_than_retries_are_got_over_in_turns() -> None:
    """Five fields are refused one by one: the first request loses three and fails, the next one goes through."""
    names = ["a", "b", "c", "d", "e"]
    body = {"model": "m", **dict.fromkeys(names, 1)}
    store, ruleset = LearnedRules(), rules(DELETE_EXTRA)
    _, client = run(ruleset, store, body, *map(refused, names[:4]))
    assert client.status == 400
    assert len(store) == 3
    _, client = run(ruleset, store, body, refused("d"), refused("e"), TAKEN)
    assert client.status == 200
    assert len(store) == 5


def test_a_refusal_that_an_edit_does_not_help_against_teaches_nothing() -> None:
    """An upstream that names the same field whatever is done, and one that fails at last."""
    body = {"model": "m", "a": 1, "b": 1, "c": 1}
    store, _ = learn(DELETE_EXTRA, body, refused("a"), refused("b"), refused("c"), refused("c"))
    assert len(store) == 0
    store, _ = learn(DELETE_EXTRA, {"model": "m", "a": 1, "b": 1}, refused("a"), refused("b"), refused("b"))
    assert len(store) == 0


def test_what_is_under_way_at_the_same_time_is_learned_once() -> None:
    """Ten requests that are refused beside each other leave one rule, and one announcement."""
    said: list[str] = []
    store = LearnedRules(announce=lambda learned: said.append(learned.text))
    ruleset = rules(DELETE_EXTRA)
    exchanges = [Exchange(ruleset, request({"model": "m", "a": 1}), declared(), learned=store) for _ in range(10)]
    for answer in ((), refused("a"), TAKEN):
        for exchange in exchanges:
            if not answer:
                exchange.begin()
            for event in answer:
                exchange.receive(event)
    assert len(store) == 1
    assert said == [learned.text for learned in store.rules]
    assert sum(len(exchange.sides.learning.learned) for exchange in exchanges) == 1


STREAM = b'event: message_start\ndata: {"type":"message_start"}\n\n'
ERROR_STREAM = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'


@pytest.mark.parametrize(
    ("answer", "learned"),
    [
        (TAKEN, 1),
        (whole(200, {"input_tokens": 3}), 1),
        (whole(200, {"id": "resp_1", "error": None}), 1),
        ((UpstreamHead(200, SSE), UpstreamData(STREAM), UpstreamEnd()), 1),
        ((UpstreamHead(200, SSE), UpstreamData(ERROR_STREAM), UpstreamEnd()), 0),
        ((UpstreamHead(200, SSE), UpstreamEnd()), 0),
        ((UpstreamHead(200, JSON), UpstreamData(b"<html>log in</html>"), UpstreamEnd()), 0),
        ((UpstreamHead(200, JSON), UpstreamData(b""), UpstreamEnd()), 0),
        ((UpstreamHead(200, JSON), UpstreamData(b"{"), UpstreamEnd()), 0),
        (whole(200, {"type": "error", "error": {"message": "no"}}), 0),
        (whole(200, {"error": "no"}), 0),
        (whole(500, {"type": "error", "error": {"message": "no"}}), 0),
        ((UpstreamFailed("reset", "gone"),), 0),
    ],
)
def test_only_a_good_answer_teaches(answer: tuple[Event, ...], learned: int) -> None:
    """A 200 that is a page, empty, an error or a stream that begins with one is no success."""
    store, _ = learn(DELETE_EXTRA, {"model": "m", "a": 1}, refused("a"), answer)
    assert len(store) == learned


def test_a_rule_in_shadow_learns_nothing() -> None:
    """It does nothing, so nothing of it can succeed."""
    store, exchange = learn(
        on_response("  strip request.body.a\n  learn\n  retry", flags=", shadow"), {"model": "m", "a": 1}, refused("a")
    )
    assert len(store) == 0
    assert len(exchange.sides.attempts) == 1


def test_what_the_rule_asked_of_the_request_goes_along() -> None:
    """An edit that was made for requests of one kind is not made to others."""
    text = on_response(
        """  if request.body.thinking.type == "adaptive" then
    rewrite request.body.thinking = { type = "enabled", budget_tokens = budget }
    learn
    retry
  end""",
        before="local budget = 1024\n",
    )
    body = {"model": "m", "thinking": {"type": "adaptive"}}
    store, first = learn(text, body, refused("thinking"), TAKEN)
    assert 'request.body.thinking.type == "adaptive"' in store.text
    assert "response" not in store.text
    _, plain = run(first.ruleset, store, {"model": "m"}, TAKEN)
    assert sent(plain.sends[0]) == {"model": "m"}
    _, adaptive = run(first.ruleset, store, body, TAKEN)
    assert sent(adaptive.sends[0])["thinking"] == {"type": "enabled", "budget_tokens": 1024}


def test_a_faked_stream_is_learned() -> None:
    """After one refusal of the stream, none is asked for any more."""
    text = """rule "r" on response
when request.wants_stream and response.status == 403 then
  fake_stream
  learn
  retry
end
"""
    body = {"model": "m", "stream": True}
    store, first = learn(text, body, whole(403, {"error": "no streams"}), TAKEN)
    again, client = run(first.ruleset, store, body, TAKEN)
    assert sent(client.sends[0]) == {"model": "m"}
    assert client.streamed
    assert len(again.acted) == 1
    _, plain = run(first.ruleset, store, {"model": "m"}, TAKEN)
    assert not plain.streamed


BODY = {"model": "m", "a": 1, "messages": [{"role": "system", "content": "a"}]}
REFUSED = [
    ("  rewrite request.body.model = \"x\"\n", "model of a request is never edited up front"),
    ("  rewrite request.body.max_tokens = 1\n", "max_tokens of a request is never edited up front"),
    ("  rewrite request.body.messages = list()\n", "messages of a request is never edited up front"),
    ("  rewrite request.body.messages[*].role = \"user\"\n", "the role of a message of a request is never"),
    ("  strip request.body.messages[*].content\n", "the content of a message of a request is never"),
    ("  strip one in request.body.messages where one.role == \"system\"\n", "messages of a request is never"),
    ("  inject { model = \"x\" } into request.body\n", "model of a request is never edited up front"),
    ("  keep { \"model\" } in request.body\n", "the body as a whole of a request is never edited up front"),
    ("  rename request.body.a to \"max_tokens\"\n", "max_tokens of a request is never edited up front"),
    ("  rewrite request.body.x = request.body.a ?? 1\n", "`request.body.a ?? 1` is of that one request"),
    ("  rewrite request.body.x = original.request.method\n", "is of that one request"),
    ("  rewrite upstream.timeout = 5s\n  strip request.body.a\n", "only body, headers and query are edited up front"),
    ("  rewrite request.headers[\"x-key\"] = secret(\"KEY\")\n", "a secret would stand in it"),
    ("  rewrite request.headers[\"x\"] = \"Bearer \" .. secret(\"KEY\")\n", "a secret would stand in it"),
    ("  local long = replace(response.body.error.message ?? \"\", [[a]], \"" + "b" * 600 + "\")\n"
     "  rewrite request.body.x = long\n", "characters would stand in it"),
    ("  rewrite request.headers[\"x\"] = \"sk-ant-api03-" + "a1B2" * 12 + "\"\n", "a credential would stand in it"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_is_never_learned(statement: str, reason: str) -> None:
    """The rule acts as ever, nothing is learned of it, and the log line and the trace say why."""
    text = on_response(statement + "  learn\n  retry")
    store, exchange = learn(text, BODY, refused("a"), TAKEN)
    assert len(exchange.sides.attempts) == 2, exchange.outcomes
    assert len(store) == 0
    (said,) = [remark for remark in exchange.remarks if remark.startswith("not learned: ")]
    assert reason in said
    assert reason in " ".join(render_trace(trace_exchange(exchange)).split())


def test_a_request_without_a_model_teaches_nothing() -> None:
    """There is nothing that the rule could be guarded by."""
    store, exchange = learn(DELETE_EXTRA, {"a": 1}, refused("a"), TAKEN)
    assert len(store) == 0
    assert exchange.remarks[-1] == 'not learned: "delete what the gateway calls extra": the request names no model'


def test_the_secrets_of_the_rules_stand_in_no_learned_rule() -> None:
    """A gateway that echoes one in its error does not get it into the log."""
    store = LearnedRules(frozenset({"s3cr3t"}))
    run(rules(DELETE_EXTRA), store, {"model": "m", "s3cr3t": 1}, refused("s3cr3t"), TAKEN)
    assert len(store) == 0


def test_no_more_is_learned_than_there_is_room_for() -> None:
    """An upstream that invents errors fills its own share, and the next lesson is refused by name."""
    store, ruleset = LearnedRules(), rules(DELETE_EXTRA)
    for index in range(MOST_LEARNED):
        run(ruleset, store, {"model": "m", f"f{index}": 1}, refused(f"f{index}"), TAKEN)
    assert len(store) == MOST_LEARNED
    exchange, client = run(ruleset, store, {"model": "m", "more": 1}, refused("more"), TAKEN)
    assert client.status == 200
    assert len(store) == MOST_LEARNED
    assert "16 rules are learned for m at default already" in exchange.remarks[-1]
    run(ruleset, store, {"model": "other", "more": 1}, refused("more"), TAKEN)
    assert len(store) == MOST_LEARNED + 1


@pytest.mark.parametrize(
    "model", ['m"', "m\n-- x", "m\\", "]]", "\u202em", "modèle", 'x" or true then\n  strip request.body.a\nend\n--']
)
def test_the_names_of_models_are_only_names(model: str) -> None:
    """Whatever a client calls its model stands in the rule as a string."""
    store, first = learn(DELETE_EXTRA, {"model": model, "a": 1}, refused("a"), TAKEN)
    assert len(store) == 1
    assert all(remark.isprintable() for remark in first.remarks)
    assert store.text.isprintable() or all(c.isprintable() or c == "\n" for c in store.text)
    _, client = run(first.ruleset, store, {"model": model, "a": 1, "b": 1}, TAKEN)
    assert sent(client.sends[0]) == {"model": model, "b": 1}
    _, other = run(first.ruleset, store, {"model": "m", "a": 1}, TAKEN)
    assert sent(other.sends[0]) == {"model": "m", "a": 1}


def test_a_field_is_only_a_field() -> None:
    """Whatever an upstream calls extra stands in the rule as a string, and never takes what every request needs."""
    text = on_response(
        """  local field = capture(response.body.error.message ?? "", [[(?s)(.*): Extra inputs]])
  if field ~= nil then
    strip request.body at field
    learn
    retry
  end"""
    )
    hostile = 'a"\n  stop\nend --[['
    store, _ = learn(text, {"model": "m", hostile: 1}, refused(hostile), TAKEN)
    assert [len(learned.rule.node.body) for learned in store.rules] == [1]
    store, exchange = learn(text, {"model": "m", "max_tokens": 1}, refused("max_tokens"))
    assert len(store) == 0
    assert len(exchange.sides.attempts) == 1


def test_request_rules_that_stop_come_before_what_was_learned() -> None:
    """A learned rule is a rule of the request side, the last one."""
    text = DELETE_EXTRA + '\nrule "s" on request\nwhen request.body.last == true then\n  stop\nend\n'
    store, first = learn(text, {"model": "m", "a": 1}, refused("a"), TAKEN)
    again, client = run(first.ruleset, store, {"model": "m", "a": 1, "last": True}, TAKEN)
    assert "a" in sent(client.sends[0])
    assert [outcome.verdict for outcome in again.outcomes["request"]] == ["changed", "unreached"]


def test_a_success_elsewhere_teaches_nothing_of_here() -> None:
    """Where another rule sends the request to another upstream afterwards, the first one has taken nothing."""
    text = (
        DELETE_EXTRA
        + """
rule "elsewhere" on response
when response.status == 500 then
  rewrite upstream.name = "upstream1"
  retry
end
"""
    )
    store = LearnedRules()
    urls = ("https://a.example", "https://b.example")
    exchange = Exchange(rules(text, *urls), request({"model": "m", "a": 1}), declared(*urls), learned=store)
    drive(exchange, [refused("a"), whole(500, {"error": "x"}), TAKEN])
    assert len(exchange.sides.attempts) == 3
    assert len(store) == 0


def test_learned_rules_have_names_of_their_own() -> None:
    """All of them can stand in one file."""
    text = on_response(
        """  strip request.body.a
  strip request.body at capture(response.body.error.message ?? "", [[([a-z]+):]]) ?? ""
  learn
  retry"""
    )
    store, first = learn(text, {"model": "m", "a": 1, "b": 1}, refused("b"), TAKEN)
    run(first.ruleset, store, {"model": "m", "c": 1}, refused("c"), TAKEN)
    assert len({learned.rule.name for learned in store.rules}) == len(store) == 2
    assert len(rules(store.text)) == 2


def test_the_trace_shows_what_was_learned() -> None:
    """The text of the rule stands at its end."""
    store, exchange = learn(DELETE_EXTRA, {"model": "m", "a": 1}, refused("a"), TAKEN)
    shown = render_trace(trace_exchange(exchange))
    assert "learned, for later requests:" in shown
    assert all(line in shown for line in store.rules[0].text.splitlines())
