"""An upstream that answers the same message in the format that it is asked in: whole, or as the format's own stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruleproxy.wire.bedrock import encode_exception
from ruleproxy.wire.fake_chat import fake_chat
from ruleproxy.wire.fake_responses import fake_responses
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.formats import Api, api_of, error_body, error_headers, error_status
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS
from support.recording_upstream import Close, Pause, ReceivedRequest, Script
from support.server_process import ServerProcess, server_process

CONTENT: list[dict[str, Any]] = [
    {"type": "text", "text": "héllo 😀"},
    {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/café", "n": [1, {"deep": "é"}]}},
]
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-8",
    "content": CONTENT,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 9},
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "héllo 😀",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "Read", "arguments": '{"path": "/café"}'}}
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16},
}

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-5",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "héllo 😀", "annotations": []}],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "Read",
            "arguments": '{"path": "/café"}',
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 16,
    },
}
WHOLE: Mapping[Api, dict[str, Any]] = {"openai.chat": COMPLETION, "openai.responses": RESPONSE}

BEDROCK_STATUSES = {"authentication_error": 403, "overloaded_error": 503}
"""Those that differ from the messages API's."""

MODES = """edition 1

rule "faked" on request
when request.headers["x-mode"] == "fake" then
  fake_stream
end

rule "faked, with pings" on request
when request.headers["x-mode"] == "pings" then
  fake_stream { ping_every = 0.05s }
end

rule "collected" on request
when request.headers["x-mode"] == "collect" then
  collect_stream
end

rule "read on the way" on event
when event.data.nothing == true then
  drop
end
"""


@contextmanager
def serve_modes(folder: Path, upstream: str, use: str = "") -> Iterator[ServerProcess]:
    """A server whose clients say by `x-mode` how their message shall come; `use` a pack that converts."""
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(MODES.replace("edition 1\n", f"edition 1\n\n{use}\n", 1))
    with server_process(folder, upstream) as running:
        yield running


def answer_in_its_format(request: ReceivedRequest) -> Script:
    """The message, as a stream where one was asked for; a request that says `slowly` waits for it.

    A request whose text says `fail KIND` fails with that error, `fail KIND in the stream` as the stream's first event.
    """
    path = request.request_line.split(b" ")[1].partition(b"?")[0].decode()
    body: dict[str, Any] = json.loads(request.body) if request.body else {}
    api = api_of(path)
    streams = path.endswith(("/invoke-with-response-stream", ":streamRawPredict")) or body.get("stream") is True
    framing = AWS_EVENT_STREAM if api == "bedrock.invoke" else SERVER_SENT_EVENTS
    said = str(body.get("messages") or body.get("input"))
    if "fail " in said:
        kind = said.partition("fail ")[2].partition("'")[0].split()[0]
        if "in the stream" not in said:
            status = BEDROCK_STATUSES.get(kind) if api == "bedrock.invoke" else None
            whole = error_body(api, kind, "told so")
            return (_whole(status or error_status(kind), whole, error_headers(api, kind)),)
        failed = (
            encode_exception(kind, "told so")
            if framing is AWS_EVENT_STREAM
            else framing.encode_error(api, kind, "told so")
        )
        return (_stream(framing.content_type) + failed, Close())
    waiting = (Pause(0.4),) if "slowly" in said else ()
    whole = json.dumps(WHOLE.get(api, MESSAGE), ensure_ascii=False).encode()
    if path.endswith("count_tokens") or "count-tokens" in path:
        return (_whole(200, b'{"input_tokens":9}'),)
    if not streams:
        return (*waiting, _whole(200, whole))
    if api == "openai.chat":
        events = fake_chat(whole, counts=(body.get("stream_options") or {}).get("include_usage", False), delta_size=5)
    elif api == "openai.responses":
        events = fake_responses(whole, delta_size=5)
    else:
        events = fake_stream(whole, delta_size=5)
    return (_stream(framing.content_type), *map(framing.encode, events), Close())


def _whole(status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body)]
    lines += [name + b": " + value for name, value in headers or [(b"content-type", b"application/json")]]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _stream(content_type: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: " + content_type + b"\r\n\r\n"
