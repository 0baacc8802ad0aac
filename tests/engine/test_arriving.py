"""What an answer is shows in its first bytes: streams without a content type, disguised failures, foreign framings."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from ruleproxy.engine.events import (
    Data,
    End,
    Event,
    Head,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
    Waited,
)
from ruleproxy.engine.exchange import Exchange
from ruleproxy.messages.message import Headers
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from ruleproxy.wire.bedrock import KEEP_ALIVE, encode_chunk, encode_exception
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS
from ruleproxy.wire.invocation_metrics import Metering
from support.running import begin, declared, request, rules
from support.streams import encode_all

SEES = rules(
    'edition 1\n\nrule "whole" on response\nwhen not response.streamed and response.status == 200 then\n'
    '  if response.body == nil then\n    respond { status = 502, body = "no message" }\n'
    "  elseif response.body.error ~= nil then\n    respond { status = 503, body = response.body.error }\n  end\nend\n\n"
    'rule "stream" on response\nwhen response.streamed then\n  rewrite response.headers["x-stream"] = "yes"\nend\n\n'
    'rule "failed" on failure then\n'
    '  respond { status = 599, body = { kind = failure.kind, type = failure.error.type ?? "" } }\nend\n'
)
EVENT_RULES = rules(
    'edition 1\n\nrule "own" on event\nwhen event.type == "message_start" then\n'
    '  rewrite event.data.message.model = "own"\nend\n\n'
    'rule "no pings" on event\nwhen event.type == "ping" then\n  drop\nend\n'
)
NOTHING = rules("edition 1\n")
SSE: Headers = [(b"content-type", b"text/event-stream")]
AWS: Headers = [(b"content-type", b"application/vnd.amazon.eventstream")]
JSON: Headers = [(b"content-type", b"application/json")]
EVENTS = fake_stream(orjson.dumps({"id": "msg_1", "content": [{"type": "text", "text": "hi"}], "model": "m"}))
STREAM, FRAMES = encode_all(SERVER_SENT_EVENTS, EVENTS), encode_all(AWS_EVENT_STREAM, EVENTS)
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}\n\n'
BEDROCK = "/model/m/invoke-with-response-stream"


def run(
    ruleset: Any, headers: Headers, *pieces: bytes, path: str = "/v1/messages", end: Event | None = None
) -> ClientAnswer:
    """What the client gets who asked for a stream."""
    happened = (UpstreamHead(200, headers), *map(UpstreamData, pieces), end or UpstreamEnd())
    return drive(Exchange(ruleset, request({"stream": True}, path=path), declared()), [happened])


@pytest.mark.parametrize("headers", [SSE, [], JSON, [(b"content-type", b"text/plain")]])
def test_a_stream_is_one_whatever_it_is_called(headers: Headers) -> None:
    """Its first bytes show it; it is not waited for, and leaves as it came."""
    client = run(SEES, headers, STREAM)
    assert (client.status, client.body) == (200, STREAM)
    assert (b"x-stream", b"yes") in client.headers
    exchange, _ = begin(SEES, request({"stream": True}))
    assert exchange.receive(UpstreamHead(200, headers)) == ()
    assert exchange.receive(UpstreamData(b"eve")) == ()
    head, data = exchange.receive(UpstreamData(b"nt: message_start\ndata: {}\n\n"))
    assert isinstance(head, Head)
    assert data == Data(b"event: message_start\ndata: {}\n\n")


EVENT = b'{"kind":"error_event","type":"api_error"}'


@pytest.mark.parametrize("headers", [SSE, JSON, [], [(b"content-type", b"text/html")]])
@pytest.mark.parametrize(
    ("body", "status", "shown"),
    [
        (b"<html>log in</html>", 502, b"no message"),
        (b'{"error":{"type":"api_error"}}', 503, b'{"type":"api_error"}'),
        (b'\n {"error":{"type":"api_error"}}', 503, b'{"type":"api_error"}'),
        (b"", 599, b'{"kind":"empty_stream","type":"api_error"}'),
        (b"\n", 599, b'{"kind":"empty_stream","type":"api_error"}'),
        (ERROR, 599, b'{"kind":"error_event","type":"rate_limit_error"}'),
        (b'event: error\ndata: {"type":"error","code":"x","message":"no"}\n\n', 599, EVENT),
        (b'data: {"error":{"message":"no"}}\n\n', 599, b'{"kind":"error_event","type":"api_error"}'),
        (b'data: {"error":{"message":{"a":1},"code":"E7","status":"INTERNAL"}}\n\n', 599, EVENT),
        (b'data: {"error":{"code":429.5}}\n\n', 599, EVENT),
        (b'data: {"error":["no"]}\n\n', 599, EVENT),
        (b'event: error\ndata: {"error":{"message":"\xff"}}\n\n', 599, EVENT),
        (b'event: error\ndata: {"error":' + b"[" * 9000 + b"]" * 9000 + b"}\n\n", 599, EVENT),
        (encode_exception("rate_limit_error", "slow"), 599, b'{"kind":"error_event","type":"rate_limit_error"}'),
        (b'event: ping\ndata: {"type":"ping"}\n\n', 599, b'{"kind":"empty_stream","type":"api_error"}'),
    ],
)
def test_disguised_failures_are_seen(body: bytes, status: int, shown: bytes, headers: Headers) -> None:
    """Whole bodies by response rules, errors and nothing at all by failure rules, whatever the content type says."""
    client = run(SEES, headers, body)
    assert (client.status, client.body) == (status, shown)


def test_nothing_at_all_where_no_failure_rule_takes_it() -> None:
    """Response rules see an answer without a body then; without any it passes as it is."""
    only = rules(
        'edition 1\n\nrule "nothing" on response\nwhen not response.streamed and response.body == nil then\n'
        "  respond { status = 502 }\nend\n"
    )
    assert run(only, SSE).status == 502
    assert run(NOTHING, SSE).status == 200
    assert run(EVENT_RULES, SSE).body == b""


def test_a_whole_answer_that_was_asked_for_is_no_empty_stream() -> None:
    """Nothing is held against a request that asked for none."""
    happened = (UpstreamHead(200, JSON), UpstreamEnd())
    client = drive(Exchange(SEES, request({}), declared()), [happened])
    assert (client.status, client.body) == (502, b"no message")


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_status_is_no_stream(status: int) -> None:
    """Not even where it calls itself one; response rules see its body."""
    ruleset = rules(
        'edition 1\n\nrule "whole" on response\nwhen not response.streamed and response.body.a ~= nil then\n'
        "  strip response.body.a\nend\n"
    )
    happened = (UpstreamHead(status, SSE), UpstreamData(b'{"a":1}'), UpstreamEnd())
    client = drive(Exchange(ruleset, request({"stream": True}), declared()), [happened])
    assert (client.status, client.body) == (status, b"{}")


def test_a_silent_stream_is_begun_after_a_while() -> None:
    """By its content type; an answer that calls itself whole is waited for."""
    exchange, _ = begin(SEES, request({"stream": True}))
    exchange.receive(UpstreamHead(200, SSE))
    assert exchange.patience is not None
    assert isinstance(exchange.receive(Waited())[0], Head)
    exchange, _ = begin(SEES, request({"stream": True}))
    exchange.receive(UpstreamHead(200, JSON))
    assert exchange.patience is None


def test_event_rules_run_on_frames() -> None:
    """An edited event leaves as a frame with the right checksums, all others as the bytes that came."""
    padded = encode_chunk(b'{"type":"ping"}')
    client = run(EVENT_RULES, AWS, FRAMES, padded, KEEP_ALIVE, path=BEDROCK)
    assert client.body == FRAMES.replace(encode_chunk(EVENTS[0].data), encode_chunk(own(EVENTS[0].data))) + KEEP_ALIVE
    assert [event.type for event in client.events()] == [event.type for event in EVENTS]


def own(data: bytes) -> bytes:
    """The first event as the rule leaves it."""
    return data.replace(b'"model":"m"', b'"model":"own"')


@pytest.mark.parametrize("ruleset", [NOTHING, EVENT_RULES, SEES], ids=["no rules", "event rules", "response rules"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_frames_become_server_sent_events(ruleset: Any, size: int) -> None:
    """For a client that reads those, with the headers of one and rules in between."""
    pieces = [FRAMES[at : at + size] for at in range(0, len(FRAMES), size)]
    headers = [*AWS, (b"x-amzn-requestid", b"r"), (b"content-length", b"%d" % len(FRAMES))]
    client = run(ruleset, headers, *pieces)
    assert client.body == (STREAM if ruleset is not EVENT_RULES else own(STREAM))
    assert dict(client.headers)[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert dict(client.headers)[b"x-amzn-requestid"] == b"r"
    assert b"content-length" not in dict(client.headers)


@pytest.mark.parametrize("ruleset", [NOTHING, EVENT_RULES, SEES], ids=["no rules", "event rules", "response rules"])
def test_server_sent_events_become_frames(ruleset: Any) -> None:
    """For a Bedrock client; an error among them becomes an exception."""
    client = run(ruleset, SSE, STREAM, ERROR, path=BEDROCK)
    counting = Metering()
    frames = b"".join(encode_chunk(counting.take(each).data) for each in EVENTS)
    expected = frames.replace(encode_chunk(EVENTS[0].data), encode_chunk(own(EVENTS[0].data)))
    start = expected if ruleset is EVENT_RULES else frames
    assert client.body == start + encode_exception("rate_limit_error", "slow down")
    assert dict(client.headers)[b"content-type"] == b"application/vnd.amazon.eventstream"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (FRAMES[:-1] + b"?", "checksum"),
        (FRAMES[:-3], "ended within an event"),
        (FRAMES + b'{"message":"out of credit"}', "prelude of a frame"),
        (encode_chunk(EVENTS[0].data) + b"\xff" * 12, "prelude of a frame"),
        (b"\xff" * 12, "prelude of a frame"),
    ],
)
def test_a_foreign_stream_that_breaks_ends_with_an_error(broken: bytes, words: str) -> None:
    """What came before it arrives; the end says what happened, and is no end of a message."""
    client = run(NOTHING, AWS, broken)
    *_, last = client.events()
    assert last.type == "error"
    assert words in orjson.loads(last.data)["error"]["message"]
    assert client.body.startswith(b"event: error" if broken.startswith(b"\xff") else b"event: message_start")


def test_a_foreign_stream_that_is_cut_shows_it() -> None:
    """The connection ends within the answer, as the upstream's did."""
    assert run(NOTHING, AWS, FRAMES[:200], end=UpstreamFailed("truncated", "gone")).cut


def test_a_broken_stream_of_the_clients_own_passes_as_it_came() -> None:
    """Without event rules nothing is read of it."""
    broken = FRAMES[:-1] + b"?"
    assert run(NOTHING, AWS, broken, path=BEDROCK).body == broken


def test_a_compressed_stream_is_opened_to_be_converted() -> None:
    """The client is given the same events as without the coding, and no header that tells of it."""
    client = run(NOTHING, [*AWS, (b"content-encoding", b"gzip")], gzip.compress(FRAMES))
    assert (client.status, client.body) == (200, run(NOTHING, AWS, FRAMES).body)
    assert b"content-encoding" not in dict(client.headers)


@pytest.mark.parametrize(
    ("coding", "said"), [(b"lzma", b"content-encoding lzma"), (b"gzip, lzma", b"content-encoding gzip, lzma")]
)
def test_a_coding_that_is_not_spoken_cannot_be_converted(coding: bytes, said: bytes) -> None:
    """It is an error in the client's own words, not bytes that it cannot read."""
    client = run(NOTHING, [*AWS, (b"content-encoding", coding)], FRAMES)
    assert client.status == 502
    assert said in client.body


def test_a_compressed_stream_that_is_damaged_shows_as_cut() -> None:
    """What came before is given out; it never looks complete."""
    client = run(NOTHING, [*AWS, (b"content-encoding", b"gzip")], gzip.compress(FRAMES)[:-12])
    assert client.body.startswith(b"event: message_start")
    assert client.cut


def test_json_where_frames_belong_is_a_whole_answer() -> None:
    """It is not read as the length of a frame: neither waited for nor converted."""
    body = b'{"message":"out of credit"}'
    client = run(NOTHING, AWS, body)
    assert (client.status, client.body) == (200, body)


def test_a_client_of_no_known_format_gets_what_comes() -> None:
    """There is nothing to convert to."""
    assert run(NOTHING, AWS, FRAMES, path="/elsewhere").body == FRAMES


def test_pings_of_a_faked_stream_are_the_clients_own() -> None:
    """Before the upstream said a word; then the message in the same framing, or its error as the last event."""
    ruleset = rules('edition 1\n\nrule "faked" on request then\n  fake_stream { ping_every = 1s }\nend\n')
    for path, ping, error in (
        ("/v1/messages", b'event: ping\ndata: {"type":"ping"}\n\n', ERROR.replace(b"slow down", b"no")),
        (BEDROCK, KEEP_ALIVE, encode_exception("rate_limit_error", "no")),
        (
            "/v1/chat/completions",
            b": waiting\n\n",
            b'data: {"error":{"message":"no","type":"rate_limit_error","param":null,"code":null}}\n\n',
        ),
    ):
        exchange, _ = begin(ruleset, request({"stream": True}, path=path))
        head, data = exchange.receive(Waited())
        assert isinstance(head, Head)
        assert data == Data(ping)
        assert exchange.receive(Waited()) == (Data(ping),)
        exchange.receive(UpstreamHead(429, JSON))
        exchange.receive(UpstreamData(b'{"error":{"type":"rate_limit_error","message":"no"}}'))
        assert exchange.receive(UpstreamEnd()) == (Data(error), End())
