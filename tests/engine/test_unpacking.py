"""Compressed requests and answers in an exchange: opened for rules, as they came otherwise."""

from __future__ import annotations

import orjson
import pytest

from ruleproxy.engine.arriving import Limits
from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    ReadOn,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
)
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.unpacking import STEP
from ruleproxy.messages.message import Headers, Request
from support.packing import Packer, pack
from support.running import answer, begin, data_of, declared, head_of, request, rules

BODY = b'{"model":  "a", "big": 12345678901234567890123}'
SSE = b"text/event-stream"
MESSAGE = {"type": "message", "id": "1", "model": "m", "content": [], "stop_reason": "end_turn", "usage": {}}

ON_REQUEST = (
    'edition 1\n\nrule "r" on request\nwhen request.body.model == "a" then\n  rewrite request.body.model = "b"\nend\n'
)
ON_RESPONSE = (
    'edition 1\n\nrule "r" on response\nwhen not response.streamed and response.body.model == "m" then\n'
    '  rewrite response.body.model = "shown"\nend\n'
)
ON_EVENT = (
    'edition 1\n\nrule "r" on event\nwhen event.type == "message_start" then\n  rewrite event.data.model = "b"\nend\n'
)
ON_FAILURE = (
    'edition 1\n\nrule "r" on failure\nwhen failure.kind == "error_event" then\n'
    '  respond { status = 418, body = { said = failure.error.message ?? "" } }\nend\n'
)
FAKE = 'edition 1\n\nrule "r" on request then\n  fake_stream\nend\n'


def packed_request(*codings: str, body: bytes = BODY) -> Request:
    headers: Headers = [(b"Content-Type", b"application/json"), (b"Content-Encoding", ", ".join(codings).encode())]
    return request(pack(body, *codings), headers=headers)


def packed_head(coding: str, kind: bytes = b"application/json", status: int = 200, length: int = 99) -> UpstreamHead:
    lines = [(b"Content-Type", kind), (b"Content-Encoding", coding.encode()), (b"X", b"y")]
    return UpstreamHead(status, [*lines, (b"Content-Length", b"%d" % length)])


def names(headers: Headers) -> list[bytes]:
    return [name.lower() for name, _ in headers]


def stream(exchange: Exchange, head: UpstreamHead, *pieces: bytes) -> list[Action]:
    actions: list[Action] = []
    events: list[Event] = [head, *map(UpstreamData, pieces), UpstreamEnd()]
    for event in events:
        actions += receive(exchange, event)
    return actions


def receive(exchange: Exchange, event: Event) -> list[Action]:
    """As drivers do: what is unread is read before anything else happens."""
    actions = list(exchange.receive(event))
    while exchange.unread:
        actions += exchange.receive(ReadOn())
    return actions


@pytest.mark.parametrize("codings", [("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "br"), ("GZIP",)])
def test_a_request_is_opened_for_a_rule(codings: tuple[str, ...]) -> None:
    """Edited, it goes out open, with everything that no rule touched as it was written."""
    given = packed_request(*[coding.lower() for coding in codings])
    given.headers[1] = (b"Content-Encoding", ", ".join(codings).encode())
    _, sent = begin(rules(ON_REQUEST), given)
    assert isinstance(sent, Send)
    assert sent.body == BODY.replace(b'"a"', b'"b"')
    assert names(sent.headers) == [b"content-type", b"accept-encoding"] or names(sent.headers) == [b"content-type"]


def test_a_request_that_no_rule_changed_goes_out_as_it_came() -> None:
    """The very bytes, still packed and said to be."""
    given = packed_request("gzip", body=b'{"model": "other"}')
    exchange, sent = begin(rules(ON_REQUEST), given)
    assert isinstance(sent, Send)
    assert (sent.body, sent.headers) == (given.body, given.headers)
    assert exchange.remarks == ()


def test_nobody_opens_what_nobody_reads() -> None:
    """A rule on headers leaves a body alone, were it a bomb."""
    ruleset = rules('edition 1\n\nrule "r" on request then\n  rewrite request.headers["x-a"] = "b"\nend\n')
    given = request(b"no gzip", headers=[(b"content-encoding", b"gzip")])
    exchange, sent = begin(ruleset, given)
    assert isinstance(sent, Send)
    assert sent.body == b"no gzip"
    assert exchange.remarks == ()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_request_that_inflates_too_much_is_refused(path: str) -> None:
    """413 in the client's shape, before anything is sent."""
    given = request(pack(bytes(3_000_000), "gzip"), path=path, headers=[(b"content-encoding", b"gzip")])
    exchange = Exchange(rules(ON_REQUEST), given, declared(), limits=Limits(decoded=1_000_000))
    actions = list(exchange.begin())
    assert head_of(actions).status == 413
    message = orjson.loads(data_of(actions))["error"]["message"]
    assert message == "the request's body: content-encoding gzip: it inflates to more than 1000000 bytes"


@pytest.mark.parametrize(
    ("coding", "said"),
    [
        (b"gzip", "body content-encoding gzip: not opened, the data is not gzip"),
        (b"compress", "body content-encoding compress: not opened, content-encoding 'compress' is not known"),
    ],
)
def test_a_request_that_cannot_be_opened_passes_and_the_log_says_so(coding: bytes, said: str) -> None:
    """It may be right for the upstream; no rule acts on it."""
    given = request(b"{}", headers=[(b"content-encoding", coding)])
    exchange, sent = begin(rules(ON_REQUEST), given)
    assert isinstance(sent, Send)
    assert (sent.body, sent.headers) == (given.body, given.headers)
    assert exchange.remarks[0].startswith(said)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_an_edited_answer_goes_out_open(coding: str) -> None:
    """Its length is that of what is sent, and no coding is named."""
    exchange, _ = begin(rules(ON_RESPONSE), request({}))
    packed = pack(orjson.dumps(MESSAGE), coding)
    actions = stream(exchange, packed_head(coding, length=len(packed)), packed[:9], packed[9:])
    head, data = head_of(actions), data_of(actions)
    assert orjson.loads(data)["model"] == "shown"
    assert b"content-encoding" not in names(head.headers)
    assert [value for name, value in head.headers if name.lower() == b"content-length"] == [b"%d" % len(data)]


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_no_rule_changed_goes_out_as_it_came(status: int) -> None:
    """Headers and bytes, of errors too."""
    exchange, _ = begin(rules(ON_RESPONSE), request({}))
    packed = pack(b'{"model": "other"}', "br")
    head = packed_head("br", status=status, length=len(packed))
    actions = stream(exchange, head, packed)
    assert (head_of(actions).status, head_of(actions).headers) == (status, head.headers)
    assert data_of(actions) == packed


def test_an_answer_whose_headers_a_rule_changed_keeps_its_bytes() -> None:
    """Coding and length stay with the bytes that they describe."""
    exchange, _ = begin(
        rules('edition 1\n\nrule "r" on response then\n  rewrite response.headers["x"] = "z"\nend\n'), request({})
    )
    packed = pack(b"{}", "gzip")
    actions = stream(exchange, packed_head("gzip", length=len(packed)), packed)
    lines = dict(head_of(actions).headers)
    assert (lines[b"X"], lines[b"Content-Encoding"], lines[b"Content-Length"]) == (b"z", b"gzip", b"%d" % len(packed))
    assert data_of(actions) == packed


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_events_of_a_compressed_stream_are_ruled_as_they_come(coding: str) -> None:
    """Each goes on at once, open."""
    exchange, _ = begin(rules(ON_EVENT), request({}))
    packer = Packer(coding)
    first = b'event: message_start\ndata: {"model":"a"}\n\n'
    actions = [*exchange.receive(packed_head(coding, SSE)), *exchange.receive(UpstreamData(packer.feed(first)))]
    assert b'"model":"b"' in data_of(actions)
    assert not {b"content-encoding", b"content-length"} & set(names(head_of(actions).headers))
    assert not exchange.relaying
    rest = b"event: message_stop\ndata: {}\n\n"
    more = [*exchange.receive(UpstreamData(packer.feed(rest, last=True))), *exchange.receive(UpstreamEnd())]
    assert data_of(more) == rest
    assert isinstance(more[-1], End)


def test_a_compressed_stream_that_begins_with_an_error_is_a_failure() -> None:
    """Failure rules see through the coding."""
    exchange, _ = begin(rules(ON_FAILURE), request({"stream": True}))
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    actions = stream(exchange, packed_head("gzip", SSE), pack(error, "gzip"))
    assert head_of(actions).status == 418
    assert b"busy" in data_of(actions)


def test_a_compressed_stream_that_failure_rules_let_pass_goes_out_as_it_came() -> None:
    """What was held of it first, then the rest without a look."""
    exchange, _ = begin(rules(ON_FAILURE), request({"stream": True}))
    packed = pack(b'event: message_start\ndata: {"type":"message_start"}\n\n' * 3, "gzip")
    head = packed_head("gzip", SSE)
    actions = [*exchange.receive(head), *exchange.receive(UpstreamData(packed[:-8]))]
    assert head_of(actions).headers == head.headers
    assert exchange.relaying
    actions += [*exchange.receive(UpstreamData(packed[-8:])), *exchange.receive(UpstreamEnd())]
    assert data_of(actions) == packed


def test_a_faked_stream_is_made_of_a_compressed_answer() -> None:
    """Whatever it was packed with."""
    exchange, _ = begin(rules(FAKE), request({"model": "m", "stream": True}))
    actions = stream(exchange, packed_head("zstd"), pack(orjson.dumps(MESSAGE), "zstd"))
    assert b"event: message_stop" in data_of(actions)
    assert b"content-encoding" not in names(head_of(actions).headers)


@pytest.mark.parametrize(
    ("ruleset", "kind", "plain"),
    [(ON_RESPONSE, b"application/json", b'{"model":"m"}'), (ON_EVENT, SSE, b"data: {}\n\n"), (FAKE, SSE, b"{}")],
)
@pytest.mark.parametrize("damage", ["wrong", "short"])
def test_a_damaged_answer_is_a_named_failure(ruleset: str, kind: bytes, plain: bytes, damage: str) -> None:
    """502 that says so, or the cut that shows a stream is not whole."""
    exchange, _ = begin(rules(ruleset), request({"stream": True}))
    packed = b"nonsense" * 9 if damage == "wrong" else pack(plain, "gzip")[:-4]
    actions = stream_until_over(exchange, packed_head("gzip", kind), packed)
    if isinstance(actions[-1], Cut):
        assert any("compressed answer is damaged" in remark for remark in exchange.remarks)
    else:
        assert head_of(actions).status == 502
        assert b"compressed answer is damaged" in data_of(actions)


def stream_until_over(exchange: Exchange, head: UpstreamHead, data: bytes) -> list[Action]:
    actions: list[Action] = []
    for event in (head, UpstreamData(data), UpstreamEnd()):
        actions += receive(exchange, event)
        if actions and isinstance(actions[-1], End | Cut):
            return actions
    raise AssertionError(actions)


@pytest.mark.parametrize("end", [b"", b"!"])
def test_a_damaged_error_keeps_its_status(end: bytes) -> None:
    """What says most of an error is its status: it passes unread."""
    exchange, _ = begin(rules(ON_RESPONSE), request({}))
    damaged = pack(b'{"model":"m"}', "gzip")[:-4] + end
    actions = stream_until_over(exchange, packed_head("gzip", status=529), damaged)
    assert (head_of(actions).status, data_of(actions)) == (529, damaged)
    assert b"content-encoding" in names(head_of(actions).headers)


@pytest.mark.parametrize(("ruleset", "kind"), [(ON_RESPONSE, b"application/json"), (ON_EVENT, SSE)])
def test_an_answer_that_inflates_too_much_is_a_named_failure(ruleset: str, kind: bytes) -> None:
    """Before it is held in memory; a stream that has begun is cut, and the log says why."""
    exchange = Exchange(rules(ruleset), request({}), declared(), limits=Limits(decoded=1_000_000))
    exchange.begin()
    piece = b": x\n\n" if kind is SSE else b"[1] \n"
    actions = stream_until_over(exchange, packed_head("br", kind), pack(piece * 2_000_000, "br"))
    said = "the upstream's answer inflates to more than 1000000 bytes"
    if kind is SSE:
        assert (head_of(actions).status, actions[-1]) == (200, Cut())
        assert said in exchange.remarks
    else:
        assert head_of(actions).status == 502
        assert said in data_of(actions).decode()


def test_answers_without_a_body_keep_their_headers() -> None:
    """HEAD and 304 say what a body would be packed in."""
    for method, status in (("HEAD", 200), ("GET", 304)):
        exchange, _ = begin(rules(ON_RESPONSE), request(method=method))
        head = packed_head("gzip", status=status)
        actions = [*exchange.receive(head), *exchange.receive(UpstreamEnd())]
        assert head_of(actions).headers == head.headers


def test_without_rules_nothing_is_opened() -> None:
    """The bytes pass as they come, whatever they are."""
    exchange, _ = begin(Ruleset(), request({}))
    actions = answer(exchange, 200, [(b"content-encoding", b"gzip")], b"no gzip at all")
    assert data_of(actions) == b"no gzip at all"


def test_a_failure_of_the_upstream_in_a_compressed_stream_is_a_cut() -> None:
    """The same as in an open one."""
    exchange, _ = begin(rules(ON_EVENT), request({}))
    exchange.receive(packed_head("gzip", SSE))
    exchange.receive(UpstreamData(Packer("gzip").feed(b"data: {}\n\n")))
    assert isinstance(exchange.receive(UpstreamFailed("reset", "gone"))[-1], Cut)


def test_a_little_that_inflates_to_much_is_read_in_parts() -> None:
    """Others are served in between: one kilobyte may hold a hundred thousand events, each one for the rules."""
    events = b'event: ping\ndata: {"type":"ping"}\n\n' * 20_000
    exchange, _ = begin(rules(ON_EVENT), request({}))
    exchange.receive(packed_head("gzip", SSE))
    parts = [data_of(list(exchange.receive(UpstreamData(pack(events, "gzip")))))]
    while exchange.unread:
        parts.append(data_of(list(exchange.receive(ReadOn()))))
    assert b"".join(parts) == events
    assert max(map(len, parts)) < 2 * STEP
    assert isinstance(exchange.receive(UpstreamEnd())[-1], End)
    assert not exchange.unread


@pytest.mark.parametrize("rule", [ON_RESPONSE, ON_FAILURE, ON_EVENT])
def test_nothing_is_left_unread_of_what_is_over(rule: str) -> None:
    """Neither of an answer that was refused within, nor of one that goes on as it came."""
    exchange = Exchange(rules(rule), request({}), declared(), limits=Limits(decoded=4 * STEP))
    exchange.begin()
    receive(exchange, packed_head("gzip", b"application/json"))
    actions = receive(exchange, UpstreamData(pack(b" " * 16 * STEP, "gzip")))
    assert isinstance(actions[-1], End | Cut | Data)
    assert not exchange.unread
