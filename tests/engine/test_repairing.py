"""`repair_stream` in an exchange: on either side, for every kind of answer, beside other rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ruleproxy.engine.events import (
    Action,
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
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.tracing import render_trace, to_dict, trace_exchange
from ruleproxy.messages.message import Headers, Request
from ruleproxy.rehearsal.testing import run_test
from ruleproxy.wire.bedrock import Decoder as FrameDecoder
from ruleproxy.wire.bedrock import encode_chunk
from ruleproxy.wire.events import StreamEvent
from support.repairing import (
    STOP,
    block_stop,
    event,
    message_delta,
    message_start,
    text_delta,
    text_start,
)
from support.running import data_of, declared, head_of, load_text, request, rules
from support.strict_events import check_chunk_stream, check_message_events, check_messages_stream

SSE: Headers = [(b"content-type", b"text/event-stream"), (b"content-length", b"400"), (b"x-a", b"1")]
JSON: Headers = [(b"content-type", b"application/json")]
EVENTS = [message_start(), text_start(0), text_delta(0, "hi"), block_stop(0), message_delta(), STOP]
NAMELESS = [event(each, "") for each in EVENTS]
GOOD = [event(each) for each in EVENTS]
WHOLE = {**message_start()["message"], "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
SIDES = {
    "request": rules('rule "repairs" on request then\n  repair_stream\nend\n'),
    "response": rules('rule "repairs" on response then\n  repair_stream\nend\n'),
}
ASKED = {"model": "opus", "max_tokens": 64, "stream": True}


def ask(ruleset: Ruleset, sent: Request | None = None) -> Exchange:
    exchange = Exchange(ruleset, sent or request(ASKED), declared(), detailed=True)
    exchange.begin()
    return exchange


def run(
    ruleset: Ruleset,
    headers: Headers,
    pieces: Sequence[bytes],
    *,
    end: Event | None = None,
    sent: Request | None = None,
    status: int = 200,
) -> tuple[Exchange, list[Action]]:
    """What a client gets of an answer that arrives in these pieces."""
    exchange = ask(ruleset, sent)
    actions: list[Action] = []
    for each in [UpstreamHead(status, headers), *map(UpstreamData, pieces), end or UpstreamEnd()]:
        if not actions or not isinstance(actions[-1], End):
            actions += exchange.receive(each)
    return exchange, actions


def text_of(told: dict[str, Any]) -> str:
    return "".join(block["text"] for block in told["content"])


@pytest.mark.parametrize("side", SIDES)
def test_a_stream_is_repaired(side: str) -> None:
    """On either side, event by event as they come, with what was done in the log line and the trace."""
    exchange = ask(SIDES[side])
    actions = [*exchange.receive(UpstreamHead(200, SSE)), *exchange.receive(UpstreamData(NAMELESS[0]))]
    assert data_of(actions) == GOOD[0]
    head = head_of(actions)
    assert head.status == 200
    assert (b"x-a", b"1") in head.headers
    assert b"content-length" not in dict(head.headers)
    assert not exchange.relaying
    for piece in NAMELESS[1:]:
        actions += exchange.receive(UpstreamData(piece))
    actions += exchange.receive(UpstreamEnd())
    assert data_of(actions) == b"".join(GOOD)
    assert isinstance(actions[-1], End)
    assert list(exchange.acted) == ["repairs"]
    assert "repaired: no event line (6)" in exchange.remarks
    trace = trace_exchange(exchange)
    assert "stream  repaired: no event line (6)\n" in render_trace(trace)
    assert "repair_stream" in render_trace(trace)
    assert to_dict(trace)["repairs"] == {"no event line": 6}


@pytest.mark.parametrize("side", SIDES)
def test_a_stream_that_conforms_stays_as_it_is(side: str) -> None:
    """And nothing is said of it."""
    exchange, actions = run(SIDES[side], SSE, GOOD)
    assert data_of(actions) == b"".join(GOOD)
    assert not exchange.remarks


def test_what_is_to_be_repaired_is_asked_for_uncompressed() -> None:
    """What is compressed cannot be read as it comes."""
    exchange = ask(SIDES["request"], request(ASKED, headers=[(b"accept-encoding", b"gzip")]))
    assert exchange.sent is not None
    assert (b"accept-encoding", b"identity") in exchange.sent.headers


@pytest.mark.parametrize("headers", [SSE, JSON, [(b"content-type", b"text/plain")], []])
@pytest.mark.parametrize("side", SIDES)
def test_a_stream_is_known_by_its_bytes(side: str, headers: Headers) -> None:
    """Whatever its content type says; the client's says what it is."""
    _, actions = run(SIDES[side], headers, NAMELESS)
    assert data_of(actions) == b"".join(GOOD)
    types = [value for name, value in head_of(actions).headers if name == b"content-type"]
    assert len(types) == 1
    assert types[0].startswith(b"text/event-stream")


@pytest.mark.parametrize("headers", [SSE, JSON])
@pytest.mark.parametrize("side", SIDES)
def test_a_whole_answer_becomes_a_stream(side: str, headers: Headers) -> None:
    """JSON where a stream was promised."""
    exchange, actions = run(SIDES[side], headers, [json.dumps(WHOLE).encode()])
    assert text_of(check_messages_stream(data_of(actions))) == "hi"
    assert dict(head_of(actions).headers)[b"content-type"].startswith(b"text/event-stream")
    assert "repaired: a whole answer" in exchange.remarks


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', 529, "overloaded_error"),
        (b'{"error":{"type":"rate_limit_error","message":"busy"}}', 429, "rate_limit_error"),
        (b"<html>login</html>", 502, "api_error"),
        (b"{}", 502, "api_error"),
        (b'{"type":"message"', 502, "api_error"),
    ],
)
@pytest.mark.parametrize("headers", [SSE, JSON])
@pytest.mark.parametrize("side", SIDES)
def test_an_error_that_came_with_a_200_has_its_own_status(
    side: str, headers: Headers, body: bytes, status: int, kind: str
) -> None:
    """Clients decide by it whether and when to ask again."""
    _, actions = run(SIDES[side], headers, [body])
    assert head_of(actions).status == status
    assert json.loads(data_of(actions))["error"]["type"] == kind


@pytest.mark.parametrize("headers", [SSE, JSON, []])
@pytest.mark.parametrize("side", SIDES)
def test_an_answer_of_nothing_is_a_stream_of_an_error(side: str, headers: Headers) -> None:
    """Claude Code asks again without a stream then, once; a status would have it ask for the same ten times."""
    _, actions = run(SIDES[side], headers, [])
    assert head_of(actions).status == 200
    assert "ended without an event" in check_messages_stream(data_of(actions))["error"]["message"]
    assert isinstance(actions[-1], End)


@pytest.mark.parametrize("status", [400, 404, 429, 529])
@pytest.mark.parametrize("side", SIDES)
def test_an_error_stays_as_it_is(side: str, status: int) -> None:
    """An answer that promises no stream has nothing to repair."""
    exchange, actions = run(SIDES[side], JSON, [b'{"error": 1}'], status=status)
    assert (head_of(actions).status, data_of(actions)) == (status, b'{"error": 1}')
    assert not exchange.remarks


def test_a_connection_that_breaks_ends_with_an_error() -> None:
    """In place of a cut: the client is told who broke off. After the reason, the message is whole."""
    _, actions = run(SIDES["request"], SSE, NAMELESS[:3], end=UpstreamFailed("reset", "upstream.example reset it"))
    assert check_messages_stream(data_of(actions))["error"]["message"] == "upstream.example reset it"
    assert isinstance(actions[-1], End)
    exchange, actions = run(SIDES["request"], SSE, NAMELESS[:5], end=UpstreamFailed("reset", "reset"))
    assert text_of(check_messages_stream(data_of(actions))) == "hi"
    assert "repaired: no event line (5), no message_stop" in exchange.remarks


def test_a_connection_that_breaks_before_the_first_event_keeps_its_status() -> None:
    """Nothing has gone out yet."""
    _, actions = run(SIDES["request"], SSE, [], end=UpstreamFailed("reset", "reset"))
    assert head_of(actions).status == 502


def test_an_upstream_that_does_not_end_is_not_waited_for() -> None:
    """Ten seconds after the reason, one after the end, and not at all before."""
    for count, seconds in ((4, None), (5, 10.0), (6, 1.0)):
        exchange = ask(SIDES["request"])
        actions = [*exchange.receive(UpstreamHead(200, SSE))]
        for piece in GOOD[:count]:
            actions += exchange.receive(UpstreamData(piece))
        assert exchange.patience == seconds
        more = exchange.receive(Waited())
        if seconds is None:
            assert more == ()
        else:
            assert isinstance(more[-1], End)
            assert data_of([*actions, *more]) == b"".join(GOOD[:5]) + data_of(more[:-1]) + (
                GOOD[5] if count == 6 else b""
            )
            assert text_of(check_messages_stream(data_of([*actions, *more]))) == "hi"


def test_an_upstream_that_never_stops_talking_is_left() -> None:
    """Behind the end of the message a thousand more items are enough."""
    exchange = ask(SIDES["request"])
    exchange.receive(UpstreamHead(200, SSE))
    assert data_of(exchange.receive(UpstreamData(b"".join(GOOD)))) == b"".join(GOOD)
    assert exchange.receive(UpstreamData(b": hi\n\n" * 499)) == ()
    assert exchange.receive(UpstreamData(b": hi\n\n" * 499)) == (End(),)


def test_event_rules_see_repaired_events() -> None:
    """Their names and what was added; what rules then do stands."""
    ruleset = rules(
        'rule "repairs" on request then\n  repair_stream\nend\n\n'
        'rule "model" on event\nwhen event.type == "message_start" then\n'
        "  rewrite event.data.message.model = original.request.body.model\nend\n\n"
        'rule "ends" on event\nwhen event.type == "message_stop" then\n  note "ended"\nend\n'
    )
    exchange, actions = run(ruleset, SSE, NAMELESS[:5])
    told = check_messages_stream(data_of(actions))
    assert told["model"] == "opus"
    assert "ended" in exchange.notes


def test_a_required_event_rule_that_fails_ends_the_stream() -> None:
    """With an error, and nothing of the repair behind it."""
    ruleset = rules(
        'rule "repairs" on request then\n  repair_stream\nend\n\n'
        'rule "strict" on event, required\nwhen event.type == "x_corp" then\n'
        "  rewrite event.data.n.of = 1\nend\n"
    )
    _, actions = run(ruleset, SSE, [*NAMELESS[:2], event({"type": "x_corp", "n": 3}, ""), *NAMELESS[2:]])
    assert "strict" in check_messages_stream(data_of(actions))["error"]["message"]
    assert isinstance(actions[-1], End)


def test_a_request_for_no_stream_is_left_alone() -> None:
    """Its answer goes out as it came, and the trace says why."""
    exchange, actions = run(SIDES["request"], JSON, [b'{"a" : 1}'], sent=request({"model": "m"}))
    assert data_of(actions) == b'{"a" : 1}'
    assert "the request asks for no stream" in render_trace(trace_exchange(exchange))
    assert list(exchange.acted) == []


def test_a_format_that_is_not_repaired_is_named() -> None:
    """The rule fails, and the stream goes on as it is."""
    exchange, actions = run(SIDES["request"], SSE, NAMELESS, sent=request(ASKED, path="/v1/responses"))
    assert data_of(actions) == b"".join(NAMELESS)
    assert "this request is openai.responses" in render_trace(trace_exchange(exchange))


def test_events_in_frames() -> None:
    """Bedrock's clients read frames: whole ones, with the events that were repaired."""
    path = "/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke-with-response-stream"
    frames = [encode_chunk(json.dumps(each).encode()) for each in (*EVENTS[:1], *EVENTS[2:])]
    headers: Headers = [(b"content-type", b"application/vnd.amazon.eventstream")]
    for pieces in (frames, [b"".join(frames)[:-5]]):
        _, actions = run(SIDES["request"], headers, pieces, sent=request({"max_tokens": 3}, path=path))
        decoder = FrameDecoder()
        items = decoder.feed(data_of(actions))
        assert decoder.finish() == []
        told = check_message_events([(each.type, each.data) for each in items if isinstance(each, StreamEvent)])
        assert text_of(told) == "hi"


@pytest.mark.parametrize("fault", ["checksum", "text", "length"])
def test_frames_that_cannot_be_read(fault: str) -> None:
    """An exception frame ends the stream, whole and after what was right."""
    path = "/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke-with-response-stream"
    headers: Headers = [(b"content-type", b"application/vnd.amazon.eventstream")]
    first, second = (encode_chunk(json.dumps(each).encode()) for each in EVENTS[:2])
    bad = {"checksum": second[:-1] + b"x", "text": b'{"message":"no"}', "length": b"\xff" * 20}[fault]
    _, actions = run(SIDES["request"], headers, [first + bad, second], sent=request({}, path=path))
    decoder = FrameDecoder()
    items = [each for each in decoder.feed(data_of(actions)) if isinstance(each, StreamEvent)]
    assert decoder.finish() == []
    assert [each.type for each in items] == ["message_start", "error"]
    assert isinstance(actions[-1], End)


def test_chat_completions() -> None:
    """Their streams, their whole answers and their errors in their own format."""
    chunks = [
        {"choices": [{"delta": {"content": "hi"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    stream = [b"data:" + json.dumps(each).encode() + b"\r\n\r\n" for each in chunks]
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    for headers, pieces in ((SSE, stream), (JSON, [json.dumps(whole).encode()])):
        _, actions = run(SIDES["request"], headers, pieces, sent=request(ASKED, path="/v1/chat/completions"))
        told = check_chunk_stream(data_of(actions))
        assert told["choices"][0] == {"content": "hi", "calls": {}, "finish_reason": "stop"}
    for body, status in ((b'{"error":{"message":"busy","type":"rate_limit_error"}}', 429), (b"<html>", 502)):
        _, actions = run(SIDES["request"], JSON, [body], sent=request(ASKED, path="/v1/chat/completions"))
        assert head_of(actions).status == status
        assert "message" in json.loads(data_of(actions))["error"]


def test_a_shadowed_rule_repairs_nothing() -> None:
    """It says what it would do."""
    ruleset = rules('rule "repairs" on request, shadow then\n  repair_stream\nend\n')
    exchange, actions = run(ruleset, SSE, NAMELESS)
    assert data_of(actions) == b"".join(NAMELESS)
    assert "would: repair_stream" in render_trace(trace_exchange(exchange))


def test_a_retry_is_repaired_too() -> None:
    """What was decided for the request holds for every attempt."""
    ruleset = rules(
        'rule "repairs" on request then\n  repair_stream\nend\n\n'
        'rule "again" on response\nwhen response.status == 500 then\n'
        '  rewrite request.headers["x-again"] = "1"\n  retry\nend\n'
    )
    exchange = ask(ruleset)
    exchange.receive(UpstreamHead(500, JSON))
    exchange.receive(UpstreamEnd())
    actions = list(exchange.receive(UpstreamHead(200, SSE)))
    for piece in NAMELESS:
        actions += exchange.receive(UpstreamData(piece))
    assert data_of(actions) == b"".join(GOOD)
    assert isinstance(actions[0], Head)


def test_a_test_block_gives_faulty_events() -> None:
    """On the code that serves: what `given events` gives is repaired, and expectations see what the client got."""
    loaded = load_text(
        'rule "repairs" on request then\n  repair_stream\nend\n\n'
        'test "no names and no end"\n'
        '  given request { method = "POST", path = "/v1/messages", body = { model = "m", stream = true } }\n'
        "  given events {\n"
        '    { data = { type = "message_start", message = { id = "msg_1" } } },\n'
        '    { data = { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = "hi" } } },\n'
        '    { data = { type = "message_delta", delta = { stop_reason = "length" } } },\n'
        "  }\n"
        "  expect count(events) == 6\n"
        '  expect last(events).type == "message_stop"\n'
        '  expect changed "repairs"\n'
        "end\n"
    )
    assert loaded.ruleset is not None, loaded.diagnostics
    result = run_test(loaded.ruleset.tests[0], loaded.ruleset)
    assert result.passed, (result.problem, result.missed)
    assert result.trace is not None
    assert result.trace.repairs["no content_block_start"] == 1
