"""Streams made from whole messages, byte by byte and as the real SDK reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from anthropic import Anthropic
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.sse import Decoder
from ruleproxy.wire.whole import NotAMessageError
from support.events import spell


def read(events: list[StreamEvent]) -> list[tuple[str, Any]]:
    items = Decoder().feed(b"".join(spell(events)))
    return [(item.type, json.loads(item.data)) for item in items if isinstance(item, StreamEvent)]


def message(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 11, "output_tokens": 7}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks)}
    return head | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage} | fields


def body(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


CITATION = {
    "type": "char_location",
    "cited_text": "a line",
    "document_index": 0,
    "document_title": None,
    "file_id": None,
    "start_char_index": 0,
    "end_char_index": 6,
}
CACHE_USAGE = {
    "input_tokens": 3,
    "output_tokens": 90,
    "cache_creation_input_tokens": 40,
    "cache_read_input_tokens": 70_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 0},
    "service_tier": "standard",
}
NESTED_INPUT = {
    "path": "/tmp/\u00fc \U0001f600.txt",
    "edits": [{"from": 'say "a"\\b\n', "to": None}, {"deep": [[[]], {"x": {}}]}],
    "size": 123456789012345678901234567890,
    "ratio": 1e-7,
    "on": True,
}
WEB_RESULT = {"type": "web_search_result", "title": "T", "url": "https://corp.example", "encrypted_content": "e"}

MESSAGES = {
    "text": message({"type": "text", "text": "Hello, w\u00f6rld \U0001f600"}),
    "long text": message({"type": "text", "text": 'a "quoted" \\ line \u00fc\U0001f600\n' * 3_000}),
    "empty text": message({"type": "text", "text": ""}),
    "no blocks": message(),
    "several blocks": message(*({"type": "text", "text": f"part {number}"} for number in range(5))),
    "tool use": message(
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_1", "name": "edit", "input": NESTED_INPUT},
        {"type": "tool_use", "id": "toolu_2", "name": "list", "input": {}},
        stop_reason="tool_use",
    ),
    "thinking": message(
        {"type": "thinking", "thinking": "Hm.\n" * 2_000, "signature": "c2lnbmVk" * 50},
        {"type": "text", "text": "Yes."},
    ),
    "empty thinking, signed": message(
        {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}, {"type": "text", "text": "Yes."}
    ),
    "redacted thinking": message(
        {"type": "redacted_thinking", "data": "b3BhcXVl" * 30}, {"type": "text", "text": "Yes."}
    ),
    "citations": message({"type": "text", "text": "It says so.", "citations": [CITATION, CITATION]}),
    "server tool": message(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a b"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [WEB_RESULT]},
    ),
    "cache usage": message({"type": "text", "text": "Hi"}, usage=CACHE_USAGE),
    "stop sequence": message({"type": "text", "text": "Hi"}, stop_reason="stop_sequence", stop_sequence="END"),
    "container": message({"type": "text", "text": "Hi"}, container={"id": "c_1", "expires_at": "2027-01-01T00:00:00Z"}),
}


class Upstream(BaseHTTPRequestHandler):
    """Answers with the message that the path names: faked where a stream is asked for, whole otherwise."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = body(MESSAGES[asked["model"]])
        kind = "application/json"
        if asked.get("stream"):
            answer, kind = b"".join(spell(fake_stream(answer))), "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Keep quiet."""


@contextmanager
def serve() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def client() -> Iterator[Anthropic]:
    with serve() as url, Anthropic(api_key="test", base_url=url, max_retries=0) as client:
        yield client


def question(name: str) -> Any:
    return {"model": name, "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_sdk_gathers_the_message_that_was_faked(client: Anthropic, name: str) -> None:
    """The helper's final message is the one that a non-streaming call gives, and the one that was sent."""
    with client.messages.stream(**question(name)) as stream:
        gathered = stream.get_final_message()
    whole = client.messages.create(**question(name))
    # The helper adds a `stop_details` of None where there was none.
    assert gathered.to_dict(exclude_none=True) == whole.to_dict(exclude_none=True)
    assert gathered.to_dict()["content"] == MESSAGES[name]["content"]
    assert gathered.to_dict()["usage"] == MESSAGES[name]["usage"]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_sdk_sees_every_event_of_a_raw_stream(client: Anthropic, name: str) -> None:
    """From message_start to message_stop, each with its block's index."""
    with client.messages.create(**question(name), stream=True) as stream:
        seen = [event.to_dict() for event in stream]
    assert [event["type"] for event in seen] == [kind for kind, _ in read(fake_stream(body(MESSAGES[name])))]
    starts = [event["index"] for event in seen if event["type"] == "content_block_start"]
    assert starts == list(range(len(MESSAGES[name]["content"])))


def test_a_stream_has_all_that_clients_insist_on() -> None:
    """Names, a full message at the start, blocks that start empty, usage at both ends, the last event."""
    events = fake_stream(body(message({"type": "text", "text": "Hi"}, {"type": "x_new", "y": 1}, id="msg_9")))
    start = message(id="msg_9", stop_reason=None, usage={"input_tokens": 11, "output_tokens": 0})
    assert read(events) == [
        ("message_start", {"type": "message_start", "message": start}),
        (
            "content_block_start",
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
        (
            "content_block_delta",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        ),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "content_block_start",
            {"type": "content_block_start", "index": 1, "content_block": {"type": "x_new", "y": 1}},
        ),
        ("content_block_stop", {"type": "content_block_stop", "index": 1}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"input_tokens": 11, "output_tokens": 7},
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    ]


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
def test_an_input_comes_by_deltas_that_spell_it_as_the_upstream_did(kind: str) -> None:
    """Spacing, numbers, escapes and halves of surrogate pairs; never a `{}` before the real input."""
    text = rb'{ "n": 1e5, "big": 123456789012345678901234567890, "s": "\ud83d \u003c\/ \\ud800",' + b'\r\n "t": 1.50}'
    whole = b'{"content":[{"type":"%s","id":"t","name":"n","input":%s}]}' % (kind.encode(), text)
    events = read(fake_stream(whole, delta_size=7))
    start = next(data["content_block"] for name, data in events if name == "content_block_start")
    assert start == {"type": kind, "id": "t", "name": "n", "input": {}}
    pieces = [data["delta"]["partial_json"] for name, data in events if name == "content_block_delta"]
    assert "".join(pieces).encode() == text
    assert len(pieces) > 10


def test_an_absent_or_empty_input_is_an_empty_object() -> None:
    """One delta says so; a tool without arguments is still called."""
    for tool in ({"type": "tool_use", "id": "t", "name": "n"}, {"type": "tool_use", "input": {}}):
        deltas = [data["delta"] for name, data in read(fake_stream(body(message(tool)))) if "delta" in data]
        assert deltas[0] == {"type": "input_json_delta", "partial_json": "{}"}


def test_missing_fields_get_sensible_values_and_no_invented_end() -> None:
    """An id, a role, the model of the request, counts of 0; the stop reason stays null."""
    events = read(fake_stream(b'{"content":[{"type":"tool_use","id":"t","name":"n","input":{}}]}', model="asked"))
    start = events[0][1]["message"]
    assert start.pop("id").startswith("msg_")
    assert start == {
        "type": "message",
        "role": "assistant",
        "model": "asked",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    assert events[-2][1]["delta"] == {"stop_reason": None, "stop_sequence": None}
    assert events[-2][1]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    nulls = read(fake_stream(body(message(usage=None, model=None))))
    assert nulls[0][1]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_what_belongs_to_the_end_is_told_at_the_end() -> None:
    """Stop details, a container and what context management did are null until then."""
    ending = {"stop_details": {"type": "refusal"}, "container": {"id": "c"}}
    edits: dict[str, Any] = {"applied_edits": []}
    events = read(fake_stream(body(message(**ending, context_management=edits))))
    start = events[0][1]["message"]
    assert [start[name] for name in ("stop_details", "container", "context_management")] == [None, None, None]
    assert events[-2][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, **ending}
    assert events[-2][1]["context_management"] == edits


def test_an_error_object_is_not_faked() -> None:
    """Success is not made of it; the caller gets to decide."""
    with pytest.raises(NotAMessageError):
        fake_stream(b'{"type":"error","error":{"type":"api_error","message":"no"}}')


@settings(deadline=None)
@given(st.text(st.characters()), st.booleans(), st.integers(1, 9))
def test_text_in_pieces_is_the_text(text: str, ascii_only: bool, size: int) -> None:
    """However it is spelled and cut, halves of surrogate pairs included; no piece cuts a pair or an escape."""
    value = message({"type": "text", "text": text})
    whole = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        whole.decode()
    except UnicodeDecodeError:
        whole = json.dumps(value).encode()
    pieces = [
        data["delta"]["text"]
        for name, data in read(fake_stream(whole, delta_size=size))
        if name == "content_block_delta"
    ]
    assert "".join(pieces) == json.loads(whole)["content"][0]["text"]
    assert all(len(piece) <= size for piece in pieces)


def test_compactions_are_told_by_a_delta() -> None:
    """@ai-sdk/anthropic takes the summary from there alone, @anthropic-ai/sdk as the block's final value."""
    block = {"type": "compaction", "content": "so \u00e9 far", "signature": "c2ln"}
    _, (_, start), (_, delta), *_ = read(fake_stream(body(message(block))))
    assert start["content_block"] == block | {"content": None}
    assert delta["delta"] == {"type": "compaction_delta", "content": "so \u00e9 far"}


def test_a_faked_event_is_one_line_for_every_reader() -> None:
    """Whatever Unicode calls a line end is one to some clients, in texts and in inputs."""
    told = "a\x85b\u2028c\u2029d"
    events = fake_stream(
        body(
            message({"type": "text", "text": told}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": told}})
        )
    )
    assert all(len(event.data.decode().splitlines()) == 1 for event in events)
    deltas = [data["delta"] for kind, data in read(events) if kind == "content_block_delta"]
    assert deltas[0]["text"] == told
    assert json.loads(deltas[1]["partial_json"]) == {"a": told}
