"""Sending again: when a rule may, what goes out then, and what is said of it."""

from __future__ import annotations

from typing import Any

import orjson

from ruleproxy.engine.events import Event, UpstreamData, UpstreamEnd, UpstreamFailed, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from support.running import declared, refused, request, rules, whole

JSON = [(b"content-type", b"application/json")]
SSE = [(b"content-type", b"text/event-stream")]
MESSAGE = {"type": "message", "id": "1", "model": "m", "content": [], "stop_reason": "end_turn"}
DELETE_EXTRA = rules(
    """edition 1

rule "asked" on request then
  rewrite request.headers["x-runs"] = (request.headers["x-runs"] ?? "") .. "1"
end

rule "delete what the gateway calls extra" on response
when response.status == 400 and not response.streamed then
  local field = capture(response.body.error.message ?? "", [[([a-z_.]+): Extra inputs are not permitted]])
  if field ~= nil then
    strip request.body at field
    note "removed " .. field
    retry
  end
end
"""
)


def run(ruleset: Ruleset, body: object, *answers: tuple[Event, ...]) -> tuple[Exchange, ClientAnswer]:
    exchange = Exchange(ruleset, request(body), declared(), detailed=True)
    return exchange, drive(exchange, answers)


def on_response(statements: str) -> Ruleset:
    return rules(f'edition 1\n\nrule "r" on response\nwhen response.status == 400 then\n  {statements}\nend\n')


def test_the_edited_request_is_sent_until_the_upstream_takes_it() -> None:
    """Each attempt has what the one before had, but for the field; request rules run once."""
    body: dict[str, Any] = {"a": 1, "b": 2, "c": 3}
    exchange, client = run(DELETE_EXTRA, body, refused("a"), refused("b"), whole(200, MESSAGE))
    assert [orjson.loads(send.body) for send in client.sends] == [body, {"b": 2, "c": 3}, {"c": 3}]
    assert {dict(send.headers)[b"x-runs"] for send in client.sends} == {b"1"}
    assert client.status == 200
    assert dict(client.headers)[b"x-ruleproxy-retries"] == b"2"
    assert [remark for remark in exchange.remarks if "retries" in remark] == ["retries 2"]
    assert exchange.notes == ("removed a", "removed b")


def test_an_answer_without_retries_has_no_header_of_them() -> None:
    """It is as it came."""
    _, client = run(DELETE_EXTRA, {"a": 1}, whole(200, MESSAGE))
    assert client.headers == JSON


def test_the_same_request_is_not_sent_twice() -> None:
    """Nothing is there to take away: the refusal goes to the client, and the trace says why."""
    exchange, client = run(DELETE_EXTRA, {"a": 1}, refused("absent"))
    assert client.status == 400
    assert exchange.notes == ()
    (outcome,) = exchange.outcomes["response"]
    assert outcome.verdict == "matched"
    assert outcome.remarks[-1] == "undone, not sent again: it would be the same request as before"


def test_three_retries_are_the_most() -> None:
    """Then the last refusal is the answer, and the edits of the rule that wanted a fourth are undone."""
    body = dict.fromkeys("abcde", 1)
    exchange, client = run(DELETE_EXTRA, body, *(refused(name) for name in "abcd"))
    assert len(client.sends) == 4
    assert client.status == 400
    assert dict(client.headers)[b"x-ruleproxy-retries"] == b"3"
    assert exchange.outcomes["response"][-1].remarks[-1] == "undone, not sent again: it was sent 4 times already"
    assert orjson.loads(exchange.sides.edited.body.to_bytes()[0]) == {"d": 1, "e": 1}


def test_going_back_to_an_attempt_before_is_no_new_one() -> None:
    """Two rules that undo each other come to an end."""
    ruleset = on_response(
        "if request.body.a == 1 then\n    rewrite request.body.a = 2\n  else\n    rewrite request.body.a = 1\n  end"
        "\n  retry"
    )
    _, client = run(ruleset, {"a": 1}, whole(400, {}), whole(400, {}))
    assert len(client.sends) == 2


def test_headers_and_upstream_are_edited_for_a_retry() -> None:
    """Everything of a request may be."""
    upstreams = ("https://a.example", "https://b.example")
    ruleset = rules(
        'edition 1\n\nrule "r" on response\nwhen response.status == 400 then\n  rewrite upstream.name = "upstream1"\n'
        '  rewrite request.headers["x-again"] = "1"\n  rewrite request.path = "/other"\n  retry\nend\n',
        *upstreams,
    )
    exchange = Exchange(ruleset, request({}), declared(*upstreams))
    client = drive(exchange, [whole(400, {}), whole(200, MESSAGE)])
    again = client.sends[1]
    assert (again.origin, again.target) == ("https://b.example", b"/other")
    assert (b"x-again", b"1") in again.headers


def test_an_edit_on_a_way_that_does_not_retry_is_undone() -> None:
    """And reported: the rule fails, its edit of the answer goes as well."""
    ruleset = on_response(
        "rewrite response.status = 418\n  rewrite request.body.a = 2\n"
        '  if response.headers["x-again"] == "1" then\n    retry\n  end'
    )
    exchange, client = run(ruleset, {"a": 1}, whole(400, {}))
    assert client.status == 400
    (outcome,) = exchange.outcomes["response"]
    assert outcome.verdict == "failed"
    assert "of use only with `retry`" in (outcome.failure or "")
    assert orjson.loads(exchange.sides.edited.body.to_bytes()[0]) == {"a": 1}


def test_a_shadowed_retry_sends_nothing() -> None:
    """It is reported as what would have been."""
    ruleset = rules(
        'edition 1\n\nrule "r" on response, shadow\nwhen response.status == 400 then\n'
        "  rewrite request.body.a = 2\n  retry\nend\n"
    )
    exchange, client = run(ruleset, {"a": 1}, whole(400, {}))
    assert len(client.sends) == 1
    (outcome,) = exchange.outcomes["response"]
    assert (outcome.verdict, outcome.decisions) == ("shadowed", ("retry",))


def test_a_refused_stream_is_faked() -> None:
    """Asked again without streaming, the whole answer becomes the stream that the client wants."""
    ruleset = on_response("fake_stream\n  retry")
    exchange, client = run(ruleset, {"model": "m", "stream": True}, whole(400, {}), whole(200, MESSAGE))
    assert [orjson.loads(send.body) for send in client.sends] == [{"model": "m", "stream": True}, {"model": "m"}]
    assert client.streamed
    assert client.events()[0].type == "message_start"
    assert dict(client.headers)[b"x-ruleproxy-retries"] == b"1"
    assert exchange.outcomes["response"][0].decisions == ("fake_stream", "retry")


def test_a_stream_that_was_not_asked_for_is_not_faked() -> None:
    """Nothing differs then, so nothing is sent again."""
    _, client = run(on_response("fake_stream\n  retry"), {"model": "m"}, whole(400, {}))
    assert len(client.sends) == 1


def test_a_retried_stream_passes_as_it_comes() -> None:
    """The second answer is as good as a first one."""
    ruleset = on_response('rewrite request.headers["x-again"] = "1"\n  retry')
    answer = (UpstreamHead(200, SSE), UpstreamData(b"data: 1\n\n"), UpstreamEnd())
    exchange, client = run(ruleset, {}, whole(400, {}), answer)
    assert client.body == b"data: 1\n\n"
    assert exchange.relaying


def test_a_retry_that_fails_is_a_failure() -> None:
    """With the header that says how often it was tried."""
    _, client = run(DELETE_EXTRA, {"a": 1}, refused("a"), (UpstreamFailed("refused", "nobody is there"),))
    assert client.status == 502
    assert dict(client.headers)[b"x-ruleproxy-retries"] == b"1"


def test_the_trace_has_every_answer() -> None:
    """With the edits of the request marked as such, and their credentials masked."""
    ruleset = on_response(
        'rewrite request.body.a = 2\n  rewrite request.headers["authorization"] = "Bearer abc"\n  retry'
    )
    exchange, _ = run(ruleset, {"a": 1}, whole(400, {}), whole(200, MESSAGE))
    text = render_trace(trace_exchange(exchange))
    assert text.count("\nresponse  ") == 2
    assert "~ request /a" in text
    assert "retry" in text
    assert "abc" not in text
