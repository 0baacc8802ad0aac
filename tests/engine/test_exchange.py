"""The exchange without I/O: what follows each thing that an upstream can do."""

from __future__ import annotations

import json

import orjson
import pytest

from ruleproxy.engine.arriving import Limits
from ruleproxy.engine.events import (
    Cut,
    Data,
    End,
    Head,
    ReadOn,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import EMPTY
from ruleproxy.messages.message import Headers
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.framing import SERVER_SENT_EVENTS
from support.running import answer, begin, data_of, declared, head_of, request, rules
from support.streams import encode_all

JSON: Headers = [(b"Content-Type", b"application/json"), (b"X-A", b"1"), (b"X-A", b"2")]
SSE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
MARK_ANSWERS = rules(
    """edition 1

rule "answers" on response
when not response.streamed and response.body.model ~= nil then
  rewrite response.body.model = original.request.body.model
  rewrite response.headers["x-status"] = text(response.status)
end

rule "streams" on response
when response.streamed then
  rewrite response.headers["x-stream"] = "1"
end
"""
)
FAKE = rules('edition 1\n\nrule "fakes" on request then\n  fake_stream { ping_every = 5s }\nend\n')


def test_without_rules_everything_is_relayed() -> None:
    """Head and data as they come, one for one; no more asking once the head is out."""
    exchange, action = begin(EMPTY, request(b"{}"))
    assert isinstance(action, Send)
    assert exchange.receive(UpstreamHead(200, JSON)) == (Head(200, JSON),)
    assert exchange.relaying
    assert exchange.receive(UpstreamData(b"a")) == (Data(b"a"),)
    assert exchange.receive(UpstreamEnd()) == (End(),)


def test_a_response_rule_holds_the_answer_until_it_is_whole() -> None:
    """Then its edits stand, its length is right, and other headers keep spelling, order and repetition."""
    exchange, _ = begin(MARK_ANSWERS, request({"model": "asked"}))
    assert exchange.receive(UpstreamHead(201, [*JSON, (b"Content-Length", b"19")])) == ()
    assert exchange.receive(UpstreamData(b'{"model"')) == ()
    assert exchange.receive(UpstreamData(b' : "corp" }')) == ()
    actions = list(exchange.receive(UpstreamEnd()))
    assert data_of(actions) == b'{"model" : "asked" }'
    head = head_of(actions)
    assert head.status == 201
    assert head.headers == [*JSON, (b"x-status", b"201"), (b"content-length", b"20")]
    assert list(exchange.acted) == ["answers"]


def test_an_answer_that_no_rule_changes_is_as_it_came() -> None:
    """Its own length line and its bytes, whatever they are."""
    exchange, _ = begin(MARK_ANSWERS, request({"model": "asked"}))
    lines = [*JSON, (b"Content-Length", b"9")]
    actions = answer(exchange, 200, lines, b"not", b" JSON!")
    assert head_of(actions) == Head(200, lines)
    assert data_of(actions) == b"not JSON!"


def test_an_answer_that_rules_read_is_asked_for_uncompressed() -> None:
    """Only then: without such rules the client's own line stands."""
    lines = [(b"Accept-Encoding", b"gzip, br")]
    _, action = begin(MARK_ANSWERS, request({}, headers=lines))
    assert isinstance(action, Send)
    assert action.headers == [(b"Accept-Encoding", b"identity")]
    _, action = begin(EMPTY, request({}, headers=lines))
    assert isinstance(action, Send)
    assert action.headers == lines


def test_a_stream_passes_with_its_head_edited() -> None:
    """Response rules may write its headers; its bytes go on as they come."""
    exchange, _ = begin(MARK_ANSWERS, request({"model": "asked"}))
    assert exchange.receive(UpstreamHead(200, SSE)) == ()
    head, data = exchange.receive(UpstreamData(b"data: "))
    assert (head, data) == (Head(200, [*SSE, (b"x-stream", b"1")]), Data(b"data: "))
    assert exchange.relaying


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("GET", 304)])
def test_an_answer_without_a_body_is_not_waited_for(method: str, status: int) -> None:
    """Its length says what a body would have had, and stays."""
    exchange, _ = begin(MARK_ANSWERS, request(method=method))
    assert exchange.receive(UpstreamHead(status, [(b"Content-Length", b"7")])) == (
        Head(status, [(b"Content-Length", b"7")]),
    )
    assert exchange.receive(UpstreamEnd()) == (End(),)


def test_an_answer_too_large_to_hold() -> None:
    """502, and nothing more is kept."""
    exchange = Exchange(MARK_ANSWERS, request({}), declared(), limits=Limits(answer=10))
    exchange.begin()
    exchange.receive(UpstreamHead(200, JSON))
    assert exchange.receive(UpstreamData(b"x" * 10)) == ()
    actions = list(exchange.receive(UpstreamData(b"x")))
    assert head_of(actions).status == 502
    assert b"larger than 10 bytes" in data_of(actions)
    assert isinstance(actions[-1], End)


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("refused", 502, "api_error"),
        ("reset", 502, "api_error"),
        ("tls", 502, "api_error"),
        ("truncated", 502, "api_error"),
        ("timeout", 504, "timeout_error"),
    ],
)
def test_a_failure_before_the_head(kind: str, status: int, error: str) -> None:
    """An error of the client's format with what happened."""
    exchange, _ = begin(EMPTY, request(b"{}"))
    actions = list(exchange.receive(UpstreamFailed(kind, "up.example:1 is gone")))  # type: ignore[arg-type]
    assert head_of(actions).status == status
    found = json.loads(data_of(actions))["error"]
    assert (found["type"], found["message"]) == (error, "up.example:1 is gone")


def test_a_failure_after_the_head_cuts() -> None:
    """Truncation must stay visible."""
    exchange, _ = begin(EMPTY, request(b"{}"))
    exchange.receive(UpstreamHead(200, JSON))
    assert exchange.receive(UpstreamFailed("truncated", "gone")) == (Cut(),)


def test_a_failure_in_an_answer_that_is_held() -> None:
    """Nothing went out yet, so it can still become a status."""
    exchange, _ = begin(MARK_ANSWERS, request({"model": "asked"}))
    exchange.receive(UpstreamHead(200, JSON))
    exchange.receive(UpstreamData(b'{"model"'))
    assert head_of(list(exchange.receive(UpstreamFailed("truncated", "gone")))).status == 502


def test_waiting() -> None:
    """One head, then a ping for each time of patience, and the events in the same answer."""
    exchange, _ = begin(FAKE, request({"model": "m", "stream": True}))
    assert exchange.patience == 5
    first, second = list(exchange.receive(Waited())), list(exchange.receive(Waited()))
    assert head_of(first).status == 200
    assert [type(action) for action in second] == [Data]
    assert b"event: ping" in data_of(second)
    rest = answer(exchange, 200, JSON, b'{"type":"message","content":[]}')
    assert not [action for action in rest if isinstance(action, Head)]
    assert b"event: message_stop" in data_of(rest)


def test_no_one_waits_without_a_faked_stream() -> None:
    """Neither does a request that asked for no stream."""
    for ruleset, body in ((EMPTY, {"stream": True}), (FAKE, {"stream": False}), (FAKE, {})):
        exchange, _ = begin(ruleset, request(body))
        assert exchange.patience is None
        assert exchange.receive(Waited()) == ()


def test_a_required_rule_on_the_way_back() -> None:
    """The answer is not passed on half done."""
    ruleset = rules(
        'edition 1\n\nrule "needed" on response, required\nwhen not response.streamed then\n'
        "  rewrite response.body.text.inner = 1\nend\n"
    )
    exchange, _ = begin(ruleset, request({}))
    actions = answer(exchange, 200, JSON, b'{"text":"scalar"}')
    assert head_of(actions).status == 502
    assert b'required rule \\"needed\\"' in data_of(actions)


def test_an_answer_instead_of_the_upstreams() -> None:
    """`respond` on the way back."""
    ruleset = rules(
        'edition 1\n\nrule "mine" on response\nwhen response.status == 401 then\n'
        '  respond { status = 200, body = "log in first" }\nend\n'
    )
    exchange, _ = begin(ruleset, request({}))
    actions = answer(exchange, 401, JSON, b"{}")
    assert head_of(actions).status == 200
    assert data_of(actions) == b"log in first"


def test_a_large_faked_stream_is_made_part_by_part() -> None:
    """Others have their turn between the parts; together they are the whole stream."""
    body = orjson.dumps({"type": "message", "id": "1", "content": [{"type": "text", "text": "a"}] * 5_000})
    exchange = Exchange(FAKE, request({"model": "m", "stream": True}), declared())
    exchange.begin()
    exchange.receive(UpstreamHead(200, [(b"content-type", b"application/json")]))
    exchange.receive(UpstreamData(body))
    while exchange.unread:
        exchange.receive(ReadOn())
    actions = [*exchange.receive(UpstreamEnd())]
    assert exchange.unread
    while exchange.unread:
        assert not isinstance(actions[-1], End)
        actions += exchange.receive(ReadOn())
    head, *parts, end = actions
    assert isinstance(head, Head)
    assert end == End()
    given = b"".join(part.data for part in parts if isinstance(part, Data))
    assert given == encode_all(SERVER_SENT_EVENTS, fake_stream(body, model="m"))
    assert len(parts) > 2
