"""`collect_stream`: a client that wants a whole answer, and an upstream that only streams."""

from __future__ import annotations

import orjson

from ruleproxy.engine.events import Event, Head, ReadOn, UpstreamData, UpstreamEnd, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.rehearsal.answers import answer_with_stream
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from ruleproxy.wire.fake_stream import fake_stream
from support.events import spell
from support.running import declared, request, rules

MESSAGE = {"type": "message", "id": "1", "model": "corp", "content": [{"type": "text", "text": "hi"}], "usage": {}}
RULES = rules(
    """edition 1

rule "only streams here" on request then
  collect_stream
end

rule "own names" on response
when not response.streamed and response.body.model ~= nil then
  rewrite response.body.model = original.request.body.model
end
"""
)


def run(body: object, *events: Event) -> tuple[Exchange, ClientAnswer]:
    exchange = Exchange(RULES, request(body), declared(), detailed=True)
    return exchange, drive(exchange, [events])


def test_a_stream_is_collected() -> None:
    """The upstream is asked for a stream; response rules and the client see the message."""
    exchange, client = run({"model": "asked"}, *answer_with_stream(spell(fake_stream(orjson.dumps(MESSAGE)))))
    assert orjson.loads(client.sends[0].body) == {"model": "asked", "stream": True}
    body = orjson.loads(client.body)
    assert (client.status, body["model"], body["content"]) == (200, "asked", MESSAGE["content"])
    assert dict(client.headers)[b"content-type"] == b"application/json"
    assert dict(client.headers)[b"content-length"] == b"%d" % len(client.body)
    assert list(exchange.acted) == ["only streams here", "own names"]


def test_the_clients_own_request_says_what_it_reads() -> None:
    """A rule that asks for the stream by hand before it is collected, or for the whole before one is faked, changes
    nothing of what the client gets: the form that it asked for.
    """
    by_hand = 'edition 1\n\nrule "by hand" on request then\n  rewrite request.body.stream = {}\n  {}\nend\n'
    collects = rules(by_hand.format("true", "collect_stream"))
    exchange = Exchange(collects, request({"model": "m"}), declared(), detailed=True)
    client = drive(exchange, [answer_with_stream(spell(fake_stream(orjson.dumps(MESSAGE))))])
    assert orjson.loads(client.body)["content"] == MESSAGE["content"]
    fakes = rules(by_hand.format("false", "fake_stream"))
    exchange = Exchange(fakes, request({"model": "m", "stream": True}), declared(), detailed=True)
    head = UpstreamHead(200, [(b"content-type", b"application/json")])
    client = drive(exchange, [(head, UpstreamData(orjson.dumps(MESSAGE)), UpstreamEnd())])
    assert client.body.startswith(b"event: message_start\n")
    assert orjson.loads(client.sends[0].body) == {"model": "m"}


def test_an_upstream_that_answers_whole_after_all() -> None:
    """What came counts, not what was asked for."""
    head = UpstreamHead(400, [(b"content-type", b"application/json")])
    _, client = run({"model": "m"}, head, UpstreamData(b'{"error": 1}'), UpstreamEnd())
    assert (client.status, client.body) == (400, b'{"error": 1}')


def test_an_error_in_the_stream_has_its_own_status() -> None:
    """And a stream that breaks off is an error too."""
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    _, client = run({"model": "m"}, *answer_with_stream([error]))
    assert client.status == 529
    assert orjson.loads(client.body)["error"]["message"] == "busy"
    _, client = run({"model": "m"}, *answer_with_stream(spell(fake_stream(orjson.dumps(MESSAGE)))[:-1]))
    assert client.status == 502
    assert b"could not be collected" in client.body


def test_a_request_for_a_stream_is_left_alone() -> None:
    """Its stream passes as it comes."""
    events = spell(fake_stream(orjson.dumps(MESSAGE)))
    _, client = run({"model": "m", "stream": True}, *answer_with_stream(events))
    assert client.body == b"".join(events)


def test_a_large_stream_is_collected_part_by_part() -> None:
    """Others have their turn between the parts of a piece, and an error ends it where it stands."""
    exchange = Exchange(RULES, request({"model": "m"}), declared())
    exchange.begin()
    head, *_ = answer_with_stream([])
    exchange.receive(head)
    pings = b'data: {"type":"ping"}\n\n' * 5_000
    assert not exchange.receive(UpstreamData(pings + b"data: {}\n\n" + pings))
    parts = 0
    while exchange.unread:
        actions = exchange.receive(ReadOn())
        parts += 1
    assert isinstance(actions[0], Head)
    assert actions[0].status == 502
    assert 1 < parts < 5
