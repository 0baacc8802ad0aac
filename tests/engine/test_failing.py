"""Rules of the failure side: nothing usable came, and the beginning of a stream that is none."""

from __future__ import annotations

import orjson
import pytest

from ruleproxy.engine.arriving import Limits
from ruleproxy.engine.events import (
    Cut,
    Data,
    End,
    Event,
    FailureKind,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.holding import HELD_BYTES
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.messages.message import Headers
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from support.running import begin, declared, request, rules

JSON: Headers = [(b"content-type", b"application/json")]
SSE: Headers = [(b"content-type", b"text/event-stream")]
MESSAGE = {"type": "message", "id": "1", "model": "m", "content": [], "stop_reason": "end_turn"}
START = b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
TELL = rules(
    """edition 1

rule "errors are errors" on failure
when failure.kind == "error_event" then
  respond { status = failure.error.status, body = error(failure.error.type, failure.error.message) }
end

rule "others by name" on failure then
  respond { status = 599, body = { kind = failure.kind, message = failure.error.message } }
end
"""
)
FAKE = rules(
    """edition 1

rule "fake the stream when nothing comes" on failure
when original.request.wants_stream and failure.kind in { "timeout", "reset" } then
  fake_stream
  retry
end
"""
)
IDLE = rules('edition 1\n\nrule "idle" on failure\nwhen failure.kind == "tls" then\n  respond { status = 599 }\nend\n')


def streamed(*pieces: bytes, end: Event | None = None) -> tuple[Event, ...]:
    return (UpstreamHead(200, SSE), *map(UpstreamData, pieces), end or UpstreamEnd())


def run(*events: Event) -> tuple[Exchange, ClientAnswer]:
    exchange = Exchange(TELL, request({"stream": True}), declared(), detailed=True)
    return exchange, drive(exchange, [events])


@pytest.mark.parametrize("kind", ["refused", "reset", "timeout", "tls", "truncated"])
def test_a_rule_answers_where_no_answer_came(kind: FailureKind) -> None:
    """It knows what happened by its kind and has the words of the proxy."""
    _, client = run(UpstreamFailed(kind, "it broke"))
    assert client.status == 599
    assert orjson.loads(client.body) == {"kind": kind, "message": "it broke"}


@pytest.mark.parametrize("pieces", [(OVERLOADED,), (PING + OVERLOADED,), (b": hello\n\n", PING, OVERLOADED, START)])
def test_an_error_at_the_start_of_a_stream_becomes_a_status(pieces: tuple[bytes, ...]) -> None:
    """Whatever pings and comments come before it."""
    exchange, client = run(*streamed(*pieces))
    assert client.status == 529
    assert orjson.loads(client.body) == {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    assert "failure  error_event  busy" in render_trace(trace_exchange(exchange))


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        (b'data: {"error":{"message":"slow down","code":429}}\n\n', 429, "slow down"),
        (b'data: {"error":"no"}\n\n', 500, "no"),
        (b"event: error\ndata: it broke\n\n", 500, "it broke"),
    ],
)
def test_errors_of_other_shapes(event: bytes, status: int, message: str) -> None:
    """Chat completions have no event type, some gateways no JSON."""
    _, client = run(*streamed(event))
    assert client.status == status
    assert orjson.loads(client.body)["error"]["message"] == message


def test_a_stream_without_events_is_empty() -> None:
    """Its own kind of failure."""
    _, client = run(*streamed(b": nothing\n\n"))
    assert orjson.loads(client.body)["kind"] == "empty_stream"


def test_an_error_behind_the_first_event_belongs_to_the_stream() -> None:
    """The head is out by then."""
    _, client = run(*streamed(START + OVERLOADED))
    assert (client.status, client.body) == (200, START + OVERLOADED)


@pytest.mark.parametrize("pieces", [(START,), (PING, START), (OVERLOADED,), (b"",)])
def test_where_no_rule_decides_the_stream_is_as_it_came(pieces: tuple[bytes, ...]) -> None:
    """Held bytes included, and an empty stream stays a stream."""
    client = drive(Exchange(IDLE, request({}), declared()), [streamed(*pieces)])
    assert (client.status, client.body) == (200, b"".join(pieces))


def test_the_head_is_held_until_the_first_useful_event() -> None:
    """Then everything that was held goes out and the rest is relayed."""
    exchange, _ = begin(IDLE, request({}))
    assert exchange.receive(UpstreamHead(200, SSE)) == ()
    assert exchange.patience is not None
    assert exchange.receive(UpstreamData(PING)) == ()
    assert exchange.receive(UpstreamData(START)) == (Head(200, SSE), Data(PING + START))
    assert exchange.relaying
    assert exchange.patience is None


def test_holding_ends_with_patience() -> None:
    """A slow stream is one too."""
    exchange, _ = begin(IDLE, request({}))
    exchange.receive(UpstreamHead(200, SSE))
    assert exchange.receive(Waited()) == (Head(200, SSE),)
    assert exchange.relaying


def test_holding_is_bounded() -> None:
    """In bytes, and in pings."""
    exchange, _ = begin(IDLE, request({}))
    exchange.receive(UpstreamHead(200, SSE))
    assert not exchange.receive(UpstreamData(b"data: " + b"x" * (HELD_BYTES // 2 - 6)))
    assert not exchange.receive(UpstreamData(b"x" * (HELD_BYTES // 2)))
    assert exchange.receive(UpstreamData(b"x"))[0] == Head(200, SSE)
    exchange, _ = begin(IDLE, request({}))
    exchange.receive(UpstreamHead(200, SSE))
    assert exchange.receive(UpstreamData(PING * 20)) == (Head(200, SSE), Data(PING * 20))


def test_a_stream_that_breaks_while_it_is_held_is_a_failure() -> None:
    """With a status, which a cut stream could not have had."""
    _, client = run(*streamed(PING, end=UpstreamFailed("truncated", "gone")))
    assert orjson.loads(client.body) == {"kind": "truncated", "message": "gone"}
    client = drive(Exchange(IDLE, request({}), declared()), [streamed(PING, end=UpstreamFailed("reset", "gone"))])
    assert client.status == 502


def test_nothing_came_and_the_request_is_sent_again() -> None:
    """Without streaming, and the answer is made a stream."""
    whole = (UpstreamHead(200, JSON), UpstreamData(orjson.dumps(MESSAGE)), UpstreamEnd())
    exchange = Exchange(FAKE, request({"model": "m", "stream": True}), declared())
    client = drive(exchange, [(UpstreamFailed("timeout", "silence"),), whole])
    assert [orjson.loads(send.body) for send in client.sends] == [{"model": "m", "stream": True}, {"model": "m"}]
    assert client.streamed
    assert (b"x-ruleproxy-retries", b"1") in client.headers


def test_a_failure_after_the_first_byte_is_no_rules_matter() -> None:
    """The client has a part of the answer: it is shown that the rest is missing."""
    exchange, _ = begin(TELL, request({}))
    exchange.receive(UpstreamHead(200, SSE))
    exchange.receive(UpstreamData(START))
    assert exchange.receive(UpstreamFailed("reset", "gone")) == (Cut(),)
    assert "failure" not in exchange.outcomes


def test_a_failure_behind_a_ping_is_an_event() -> None:
    """A faked stream that has begun cannot be answered or sent again any more."""
    ruleset = rules(
        'edition 1\n\nrule "fakes" on request then\n  fake_stream { ping_every = 1s }\nend\n\n'
        'rule "again" on failure then\n  rewrite request.body.a = 1\n  retry\nend\n'
    )
    exchange, action = begin(ruleset, request({"model": "m", "stream": True}))
    assert isinstance(action, Send)
    assert isinstance(exchange.receive(Waited())[0], Head)
    data, end = exchange.receive(UpstreamFailed("reset", "gone"))
    assert isinstance(data, Data)
    assert data.data.startswith(b"event: error\n")
    assert isinstance(end, End)


def test_a_required_rule_of_this_side_that_fails_refuses() -> None:
    """502, with its name."""
    ruleset = rules(
        'edition 1\n\nrule "r" on failure, required then\n  respond { status = request.body.status }\nend\n'
    )
    client = drive(Exchange(ruleset, request({"status": "x"}), declared()), [(UpstreamFailed("reset", "gone"),)])
    assert client.status == 502
    assert b'required rule \\"r\\"' in client.body


WHOLE = orjson.dumps(MESSAGE)


@pytest.mark.parametrize("status", [200, 500])
def test_a_whole_answer_that_breaks_off_is_a_failure(status: int) -> None:
    """Its client could do nothing with a part of it: it is held until its end where failure rules may act."""
    exchange, _ = begin(TELL, request({}))
    assert exchange.receive(UpstreamHead(status, JSON)) == ()
    assert exchange.receive(UpstreamData(WHOLE[:20])) == ()
    head, data, _ = exchange.receive(UpstreamFailed("truncated", "cut short"))
    assert isinstance(head, Head)
    assert isinstance(data, Data)
    assert (head.status, data.data) == (599, b'{"kind":"truncated","message":"cut short"}')
    exchange, _ = begin(IDLE, request({}))
    exchange.receive(UpstreamHead(status, JSON))
    head = exchange.receive(UpstreamFailed("truncated", "cut short"))[0]
    assert isinstance(head, Head)
    assert head.status == 502


def test_a_whole_answer_that_is_held_goes_on_as_it_came() -> None:
    """Also one that is larger than what is held: from there on it passes."""
    exchange, _ = begin(TELL, request({}))
    exchange.receive(UpstreamHead(200, JSON))
    exchange.receive(UpstreamData(WHOLE))
    assert exchange.receive(UpstreamEnd()) == (Head(200, JSON), Data(WHOLE), End())
    exchange = Exchange(TELL, request({}), declared(), limits=Limits(answer=100))
    exchange.begin()
    exchange.receive(UpstreamHead(200, JSON))
    assert exchange.receive(UpstreamData(b"{" + b" " * 100)) == (Head(200, JSON), Data(b"{" + b" " * 100))
    assert exchange.relaying


@pytest.mark.parametrize(
    "kind",
    [
        b"application/x-ndjson",
        b"application/jsonl",
        b"application/json-seq",
        b"application/stream+json",
        b"application/json;stream=watch",
        b"application/octet-stream",
        b"text/plain",
        None,
    ],
)
def test_what_can_be_read_in_parts_passes_as_it_comes(kind: bytes | None) -> None:
    """Failure rules do not have a client wait for the end of lines of JSON or of a file."""
    lines = [] if kind is None else [(b"Content-Type", kind)]
    exchange, _ = begin(TELL, request({}))
    exchange.receive(UpstreamHead(200, lines))
    assert exchange.receive(UpstreamData(b'{"line": 1}\n')) == (Head(200, lines), Data(b'{"line": 1}\n'))
    assert exchange.relaying


def test_a_document_of_a_type_of_its_own_is_held() -> None:
    """As `application/json` is."""
    exchange, _ = begin(TELL, request({}))
    exchange.receive(UpstreamHead(200, [(b"content-type", b"application/problem+json; charset=utf-8")]))
    assert exchange.receive(UpstreamData(WHOLE)) == ()
