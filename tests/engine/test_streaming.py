"""Rules of the event side: what they may do to a stream, and that what they leave alone is the bytes that came."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
)
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.messages.message import Headers
from ruleproxy.wire.bedrock import encode_chunk
from support.running import answer, begin, data_of, declared, head_of, request, rules

SSE: Headers = [(b"content-type", b"text/event-stream"), (b"content-length", b"400"), (b"x-a", b"1")]
START = b'event: message_start\ndata: {"type":"message_start","message":{"model" : "corp-opus"}}\n\n'
PING = b": keep-alive\r\n\r\n"
TOOL = b'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"tool_use"}}\n\n'
DELTA = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"content_filtered"}}\n\n'
USAGE = b"event: x_corp_usage\ndata: 3\n\n"
STREAM = START + PING + DELTA + USAGE
RULES = rules(
    """edition 1

rule "model" on event
when event.type == "message_start" then
  rewrite event.data.message.model = original.request.body.model
end

rule "stop reasons" on event
when event.type == "message_delta" and event.data.delta.stop_reason == "content_filtered" then
  rewrite event.data.delta.stop_reason = "refusal"
  note "a refusal"
end

rule "telemetry" on event
when event.type == "x_corp_usage" then
  drop
end
"""
)


def one(body: str, when: str = "event.data ~= null") -> Ruleset:
    """A ruleset of one event rule."""
    return rules(f'edition 1\n\nrule "r" on event\nwhen {when} then\n  {body}\nend\n')


def stream(ruleset: Ruleset, *pieces: bytes, end: Event | None = None) -> tuple[Exchange, list[Action]]:
    """What a client gets of a stream that arrives in these pieces."""
    exchange, _ = begin(ruleset, request({"model": "opus", "stream": True}))
    actions = list(exchange.receive(UpstreamHead(200, SSE)))
    for event in [*map(UpstreamData, pieces), end or UpstreamEnd()]:
        if not actions or not isinstance(actions[-1], End | Cut):
            actions += exchange.receive(event)
    return exchange, actions


def test_events_are_rewritten_dropped_and_left_alone() -> None:
    """Each edit touches one value; a comment and the spelling of everything else stay."""
    exchange, actions = stream(RULES, STREAM)
    assert data_of(actions) == (
        START.replace(b'"corp-opus"', b'"opus"') + PING + DELTA.replace(b"content_filtered", b"refusal")
    )
    assert isinstance(actions[-1], End)
    assert list(exchange.acted) == ["model", "stop reasons", "telemetry"]
    assert "a refusal" in exchange.remarks


def test_a_stream_goes_on_event_by_event() -> None:
    """What is complete is given out at once, and no driver may copy past the rules."""
    exchange, _ = begin(RULES, request({"model": "opus"}))
    assert exchange.receive(UpstreamHead(200, SSE)) == ()
    head = head_of(list(exchange.receive(UpstreamData(START[:20]))))
    assert (b"content-length", b"400") not in head.headers
    assert (b"x-a", b"1") in head.headers
    assert not exchange.relaying
    assert data_of(list(exchange.receive(UpstreamData(START[20:])))) == START.replace(b"corp-opus", b"opus")
    assert not exchange.relaying


def test_what_is_not_streamed_is_relayed_whatever_event_rules_there_are() -> None:
    """They are for streams; whatever its content type says, JSON is none."""
    exchange, action = begin(RULES, request({}))
    head = UpstreamHead(200, [(b"content-type", b"text/event-stream")])
    assert exchange.receive(head) == ()
    assert exchange.receive(UpstreamData(b'{"id":')) == (Head(200, head.headers), Data(b'{"id":'))
    assert exchange.relaying
    assert isinstance(action, Send)
    assert (b"accept-encoding", b"identity") in action.headers


def test_events_are_put_beside_others() -> None:
    """Before and after, with and without a type, JSON and text, and beside an event that is dropped."""
    ruleset = one(
        'emit { type = "a", data = { n = 1 } } before\n  emit { data = "[x]" } after\n  drop',
        'event.type == "x_corp_usage"',
    )
    _, actions = stream(ruleset, USAGE + PING)
    assert data_of(actions) == b'event: a\ndata: {"n":1}\n\ndata: [x]\n\n' + PING


def test_stop_ends_an_event_and_not_the_stream() -> None:
    """Later rules see the next event again."""
    ruleset = rules(
        'edition 1\n\nrule "first" on event\nwhen event.type == "message_start" then\n  stop\nend\n\n'
        'rule "second" on event then\n  rewrite event.data.seen = true\nend\n'
    )
    _, actions = stream(ruleset, START, DELTA)
    assert data_of(actions).startswith(START)
    assert b'"seen":true' in data_of(actions)[len(START) :]


def test_a_type_is_rewritten() -> None:
    """The line that names it, or a new one where there was none; the data stays as it was spelled."""
    ruleset = one('rewrite event.type = "other"')
    _, actions = stream(ruleset, DELTA, b"data:1\r\n\r\n")
    assert (
        data_of(actions) == DELTA.replace(b"event: message_delta", b"event: other") + b"event: other\r\ndata:1\r\n\r\n"
    )


def test_other_lines_of_an_edited_event_stay() -> None:
    """An id is what a client comes back with."""
    ruleset = one("rewrite event.data.n = 2")
    _, actions = stream(ruleset, b'id: 7\nevent: e\ndata:{"n": 1}\nretry: 5\n\n')
    assert data_of(actions) == b'id: 7\nevent: e\ndata:{"n": 2}\nretry: 5\n\n'


def test_the_state_of_a_stream_is_kept() -> None:
    """Stop reason, tool use and number of events, the event at hand included."""
    ruleset = one(
        'rewrite event.data = { n = stream.events, tool = stream.saw_tool_use, stop = stream.stop_reason ?? "none" }'
    )
    _, actions = stream(ruleset, START, TOOL, DELTA)
    found = [orjson.loads(line[6:]) for line in data_of(actions).split(b"\n") if line.startswith(b"data: ")]
    assert found == [
        {"n": 1, "tool": False, "stop": "none"},
        {"n": 2, "tool": True, "stop": "none"},
        {"n": 3, "tool": True, "stop": "content_filtered"},
    ]


def test_a_rule_that_fails_leaves_its_event_as_it_came() -> None:
    """The others go on; the log line and the trace name the rule."""
    ruleset = one('rewrite event.type = "x"\n  rewrite event.data.n = 1')
    exchange, actions = stream(ruleset, USAGE, b'data: {"n": 0}\n\n')
    assert data_of(actions) == USAGE + b'event: x\ndata: {"n": 1}\n\n'
    assert "failed: r" in exchange.remarks


def test_a_required_rule_that_fails_ends_the_stream_with_an_error() -> None:
    """What came before it is given out; nothing comes after."""
    ruleset = rules(
        'edition 1\n\nrule "r" on event, required\nwhen event.type == "x_corp_usage" then\n'
        "  rewrite event.data.n = 1\nend\n"
    )
    _, actions = stream(ruleset, START + USAGE + DELTA)
    assert data_of(actions).startswith(START + b"event: error\n")
    assert b"message_delta" not in data_of(actions)
    assert isinstance(actions[-1], End)


def test_a_shadowed_rule_changes_no_event() -> None:
    """Its verdict says on how many it would have acted."""
    ruleset = rules('edition 1\n\nrule "r" on event, shadow then\n  drop\nend\n')
    exchange, actions = stream(ruleset, STREAM)
    assert data_of(actions) == STREAM
    (outcome,) = exchange.outcomes["event"]
    assert (outcome.verdict, outcome.remarks) == ("shadowed", ("3 of 3 events",))


def test_a_stream_that_breaks_off_is_cut() -> None:
    """What the rules did until then is noted."""
    exchange, actions = stream(RULES, START, DELTA[:10], end=UpstreamFailed("truncated", "gone"))
    assert data_of(actions) == START.replace(b"corp-opus", b"opus")
    assert isinstance(actions[-1], Cut)
    assert list(exchange.acted) == ["model"]


def test_a_stream_in_an_unknown_coding_passes_unread() -> None:
    """And the log line says so: no rule could look into it."""
    exchange, _ = begin(RULES, request({}))
    exchange.receive(UpstreamHead(200, [*SSE, (b"content-encoding", b"compress")]))
    assert exchange.relaying
    assert "stream is compressed: its events were not read" in exchange.remarks


def test_event_rules_do_not_see_a_faked_stream() -> None:
    """Response rules saw the whole answer that it is made of."""
    ruleset = rules(
        'edition 1\n\nrule "fake" on request then\n  fake_stream\nend\n\n'
        'rule "model" on event\nwhen event.type == "message_start" then\n'
        '  rewrite event.data.message.model = "shown"\nend\n'
    )
    exchange, _ = begin(ruleset, request({"model": "m", "stream": True}))
    message = {"type": "message", "id": "1", "model": "m", "content": [], "stop_reason": "end_turn"}
    exchange.receive(UpstreamHead(200, [(b"content-type", b"application/json")]))
    exchange.receive(UpstreamData(orjson.dumps(message)))
    assert b'"model":"m"' in data_of(list(exchange.receive(UpstreamEnd())))


def test_the_trace_has_the_stream() -> None:
    """One verdict a rule, with the first edit that it made and on how many events."""
    exchange, _ = stream(RULES, STREAM)
    text = render_trace(trace_exchange(exchange))
    assert "event  3 events" in text
    assert '~ /message/model  "corp-opus" -> "opus"' in text
    assert "1 of 3 events" in text
    assert "drop" in text


LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
BLOCKS = st.builds(
    lambda lines, end: b"".join(line + end for line in [*lines, b""]),
    st.lists(
        st.sampled_from(
            [b"event: a", b"event:message_stop", b"data: {}", b'data:{"a" : 1e400}', b"data", b": c", b"id:1"]
        ),
        max_size=4,
    ),
    LINE_ENDS,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(BLOCKS, max_size=6).map(b"".join), st.binary(max_size=6), st.lists(st.integers(1, 9), max_size=30))
def test_untouched_streams_are_the_bytes_that_came(blocks: bytes, tail: bytes, cuts: list[int]) -> None:
    """Whatever the stream and however it is cut into pieces, where no rule changes anything."""
    text = blocks + tail
    pieces, at = [], 0
    for size in cuts:
        pieces.append(text[at : at + size])
        at += size
    exchange = Exchange(LOOKING, request({}), declared())
    exchange.begin()
    actions = list(exchange.receive(UpstreamHead(200, SSE)))
    for piece in [*pieces, text[at:]]:
        actions += exchange.receive(UpstreamData(piece))
    actions += exchange.receive(UpstreamEnd())
    assert data_of(actions) == text


LOOKING = rules(
    'edition 1\n\nrule "looks" on event\nwhen event.data.a == "never" or event.type == "never" then\n  drop\nend\n\n'
    'rule "writes the same" on event\nwhen event.type ~= nil then\n  rewrite event.type = event.type\nend\n'
)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_edits_do_not_depend_on_the_pieces(size: int) -> None:
    """The same stream in other pieces gives the same answer."""
    whole = data_of(stream(RULES, STREAM)[1])
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert data_of(stream(RULES, *pieces)[1]) == whole


BEDROCK = """
rule "messages to bedrock" on request
when request.method == "POST" and request.path == "/v1/messages" then
  rewrite upstream.url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"
    .. url_encode(request.body.model ?? "", { keep = ":" }) .. "/invoke-with-response-stream"
  inject default { anthropic_version = "bedrock-2023-05-31" } into request.body
  strip request.body.model
  strip request.body.stream
end

rule "the client's own name" on event
when event.type == "message_start" then
  rewrite event.data.message.model = original.request.body.model
end
"""


def test_a_stream_of_bedrock_is_the_clients_own_behind_rules() -> None:
    """What goes out is what InvokeModel takes; its frames come back as server-sent events, and rules see events."""
    origin = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    sent = {"model": "anthropic.claude-v1:0", "max_tokens": 1, "stream": True, "messages": []}
    exchange, action = begin(rules(BEDROCK, origin), request(sent), origin)
    assert isinstance(action, Send)
    assert action.target == b"/model/anthropic.claude-v1:0/invoke-with-response-stream"
    assert orjson.loads(action.body) == {"max_tokens": 1, "messages": [], "anthropic_version": "bedrock-2023-05-31"}
    start = b'{"type":"message_start","message":{"id":"msg_1","model":"claude-v1"}}'
    frames = [encode_chunk(start), encode_chunk(b'{"type":"message_stop"}')]
    actions = answer(exchange, 200, [(b"content-type", b"application/vnd.amazon.eventstream")], *frames)
    assert (b"content-type", b"text/event-stream; charset=utf-8") in head_of(actions).headers
    data = b"".join(action.data for action in actions if isinstance(action, Data))
    assert data.startswith(b'event: message_start\ndata: {"type":"message_start",')
    assert b'"model":"anthropic.claude-v1:0"' in data
    assert data.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
