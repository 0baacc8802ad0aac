"""One state machine drives sockets and tests: the same exchange over both has the same trace and the same answer."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from ruleproxy.captures.capture import Capture
from ruleproxy.captures.reading import read_capture
from ruleproxy.engine.events import Event, UpstreamData, UpstreamEnd, UpstreamFailed, UpstreamHead
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.learning import LearnedRules
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.trace import to_dict
from ruleproxy.engine.tracing import trace_exchange
from ruleproxy.messages.message import Headers
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.driving import ClientAnswer, drive
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS
from support.providers import MESSAGE
from support.raw_client import RawClient
from support.recording_upstream import Close, Script, recording_upstream
from support.server_process import server_process
from support.streams import encode_all

JSON: Headers = [(b"content-type", b"application/json")]
EVENTS = fake_stream(orjson.dumps(MESSAGE))


@dataclass(frozen=True)
class Said:
    """What an upstream says in one go; with None for a status it closes the connection without a word."""

    status: int | None
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True)
class Fixture:
    """Rules, what the client sends, and what the upstream says each time that it is asked."""

    rules: str
    body: dict[str, Any]
    answers: Sequence[Said]
    acted: Sequence[str]


WHOLE = Said(200, JSON, orjson.dumps(MESSAGE))
STREAM = Said(200, [(b"content-type", b"text/event-stream")], encode_all(SERVER_SENT_EVENTS, EVENTS))
FRAMES = Said(200, [(b"content-type", b"application/vnd.amazon.eventstream")], encode_all(AWS_EVENT_STREAM, EVENTS))
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'

FIXTURES = {
    "retry": Fixture(
        'rule "less" on response\nwhen response.status == 400 and not response.streamed then\n'
        '  strip request.body.extra\n  note "without extra"\n  retry\nend\n',
        {"model": "m", "extra": 1},
        [Said(400, JSON, b'{"error":{"message":"extra: Extra inputs are not permitted"}}'), WHOLE],
        ["less"],
    ),
    "fake": Fixture(
        'rule "whole" on request\nwhen request.wants_stream then\n  fake_stream\nend\n',
        {"model": "m", "stream": True},
        [WHOLE],
        ["whole"],
    ),
    "collect": Fixture('rule "stream" on request then\n  collect_stream\nend\n', {"model": "m"}, [STREAM], ["stream"]),
    "events": Fixture(
        'rule "own name" on event\nwhen event.type == "message_start" then\n'
        "  rewrite event.data.message.model = original.request.body.model\nend\n\n"
        'rule "no stops" on event\nwhen event.type == "content_block_stop" then\n  drop\nend\n',
        {"model": "m", "stream": True},
        [STREAM],
        ["own name", "no stops"],
    ),
    "error event": Fixture(
        'rule "a status" on failure\nwhen failure.kind == "error_event" then\n'
        "  respond { status = failure.error.status, body = error(failure.error.type, failure.error.message) }\nend\n",
        {"model": "m", "stream": True},
        [Said(200, STREAM.headers, b"event: error\ndata: " + ERROR + b"\n\n")],
        ["a status"],
    ),
    "no answer": Fixture(
        'rule "try with less" on failure\nwhen failure.kind == "reset" then\n'
        "  strip request.body.extra\n  retry\nend\n",
        {"model": "m", "extra": 1},
        [Said(None, []), WHOLE],
        ["try with less"],
    ),
    "conversion": Fixture(
        'use "ruleproxy/messages-to-bedrock" with { url = "URL" }\n',
        {"model": "m", "max_tokens": 16, "messages": [], "stream": True},
        [FRAMES],
        [
            "messages-to-bedrock/messages to InvokeModel",
            "messages-to-bedrock/the client's own model name in the stream",
        ],
    ),
}


def script(said: Said) -> Script:
    """What is said over a socket."""
    if said.status is None:
        return (Close(),)
    lines = [b"HTTP/1.1 %d X" % said.status, *(name + b": " + value for name, value in said.headers)]
    return (b"\r\n".join(lines) + b"\r\n\r\n" + said.body, Close())


def happenings(said: Said, failure: str) -> tuple[Event, ...]:
    """The same without one; `failure` is what the sockets said of a closed connection."""
    if said.status is None:
        return (UpstreamFailed("reset", failure),)
    return (UpstreamHead(said.status, said.headers), UpstreamData(said.body), UpstreamEnd())


def over_sockets(folder: Path, fixture: Fixture) -> tuple[str, Capture]:
    """The exchange through a real server between a real client and a real upstream, and its capture."""
    answers = iter(fixture.answers)
    with recording_upstream(lambda _: script(next(answers))) as upstream:
        (folder / "rules").mkdir()
        text = fixture.rules.replace("URL", upstream.url)
        (folder / "rules" / "1.rules").write_text(f"edition 1\n\n{text}")
        with server_process(folder, upstream.url, "--record", "captures") as server, RawClient(server.port) as client:
            client.ask(b"/v1/messages", json.dumps(fixture.body).encode())
            deadline = time.monotonic() + 20
            while not (files := list((folder / "captures").rglob("*.json"))):
                assert time.monotonic() < deadline, "nothing was recorded"
                time.sleep(0.01)
        return upstream.url, read_capture(files[0])


def without_sockets(url: str, fixture: Fixture, capture: Capture, failure: str) -> tuple[Exchange, ClientAnswer]:
    """The same, driven from a script."""
    upstreams = (Upstream.from_url("default", url),)
    loaded = load_rules([Path("rules")], upstreams)
    assert loaded.ruleset is not None
    learned = LearnedRules(loaded.ruleset.secrets)
    exchange = Exchange(loaded.ruleset, capture.request.to_message(), upstreams, detailed=True, learned=learned)
    return exchange, drive(exchange, [happenings(said, failure) for said in fixture.answers])


@pytest.mark.parametrize("name", FIXTURES)
def test_the_same_trace_with_sockets_and_without(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every verdict, every edit, every note; and the client's answer."""
    fixture = FIXTURES[name]
    url, capture = over_sockets(tmp_path, fixture)
    monkeypatch.chdir(tmp_path)
    told = [side.get("subject", ["", "", ""]) for side in capture.trace["sides"] if side["side"] == "failure"]
    exchange, client = without_sockets(url, fixture, capture, told[0][-1] if told else "")
    assert orjson.loads(orjson.dumps(to_dict(trace_exchange(exchange)))) == capture.trace
    assert list(exchange.acted) == fixture.acted
    assert capture.answer is not None
    assert client.status == capture.answer.status
    assert client.body == capture.answer.to_message().body
