"""What upstreams really do to streams, over sockets, with and without `repair_stream`, read by the vendors' SDKs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from support.raw_client import RawClient
from support.recording_upstream import AwaitClose, Close, RecordingUpstream, Reset, Script, recording_upstream
from support.repairing import (
    PING,
    STOP,
    block_stop,
    delta,
    event,
    message_delta,
    message_start,
    text_delta,
    text_start,
    tool_start,
)
from support.server_process import ServerProcess, server_process
from support.strict_events import Problem, check_chunk_stream, check_messages_stream

RULES = """edition 1

rule "repairs" on request
when request.headers["x-repair"] == "request" then
  repair_stream
end

rule "repairs late" on response
when original.request.headers["x-repair"] == "response" then
  repair_stream
end
"""
TEXT = [text_start(0), text_delta(0, "héllo "), text_delta(0, "there"), block_stop(0)]
TOOL = [tool_start(1), delta(1, "input_json_delta", '{"path":'), delta(1, "input_json_delta", '"/a"}'), block_stop(1)]
GOOD = [message_start(), PING, *TEXT, *TOOL, message_delta("tool_use"), STOP]
WHOLE = {
    **message_start()["message"],
    "content": [
        {"type": "text", "text": "héllo there"},
        {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "output_tokens": 9},
}
QUESTION: Any = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def encode(events: list[dict[str, Any]]) -> bytes:
    return b"".join(map(event, events))


STREAM = encode(GOOD)


def head(kind: bytes | None = b"text/event-stream", *lines: bytes, status: int = 200) -> bytes:
    typed = [] if kind is None else [b"Content-Type: " + kind]
    return b"\r\n".join([b"HTTP/1.1 %d X" % status, *typed, *lines]) + b"\r\n\r\n"


def whole(body: bytes, kind: bytes | None = b"text/event-stream", *lines: bytes, status: int = 200) -> Script:
    return (head(kind, b"Content-Length: %d" % len(body), *lines, status=status) + body,)


def chunked(*pieces: bytes, end: bool = True) -> Script:
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return (head(b"text/event-stream", b"Transfer-Encoding: chunked"), *chunks, *([b"0\r\n\r\n"] if end else [Close()]))


def without(kind: str) -> bytes:
    return encode([each for each in GOOD if each["type"] != kind])


def without_usage(*kinds: str) -> bytes:
    """The stream whose events of these types tell no counts."""
    events: list[dict[str, Any]] = json.loads(json.dumps(GOOD))
    for each in events:
        if each["type"] in kinds:
            each.get("message", each).pop("usage")
    return encode(events)


# What the upstream does, and whether the helper of the SDK gets the message without a repair.
REPAIRABLE: dict[str, tuple[Script, bool]] = {
    "one burst with its length": (whole(STREAM), True),
    "one burst in one chunk": (chunked(STREAM), True),
    "seven bytes at a time": (chunked(*(STREAM[at : at + 7] for at in range(0, len(STREAM), 7))), True),
    "half a character in a chunk": (chunked(*STREAM.partition("é".encode()[:1])), True),
    "CRLF": (whole(STREAM.replace(b"\n", b"\r\n")), True),
    "CR": (whole(STREAM.replace(b"\n", b"\r")), True),
    "no space behind the colon": (whole(STREAM.replace(b"data: ", b"data:").replace(b"event: ", b"event:")), True),
    "a byte-order mark": (whole(b"\xef\xbb\xbf" + STREAM), False),
    "[DONE] behind it": (whole(STREAM + b"data: [DONE]\n\n"), True),
    "[DONE] within": (whole(encode(GOOD[:4]) + b"data: [DONE]\n\n" + encode(GOOD[4:])), True),
    "an unknown event": (whole(encode(GOOD[:2]) + event({"type": "x_corp"}) + encode(GOOD[2:])), True),
    "text/plain": (whole(STREAM, b"text/plain"), True),
    "application/json": (whole(STREAM, b"application/json"), True),
    "no content type": (whole(STREAM, None), True),
    "gzip": (whole(gzip.compress(STREAM), b"text/event-stream", b"Content-Encoding: gzip"), True),
    "gzip and no event lines": (
        whole(gzip.compress(STREAM.replace(b"event: ", b"id: ")), b"text/event-stream", b"Content-Encoding: gzip"),
        False,
    ),
    "event: message": (whole(b"".join(event(each, "message") for each in GOOD)), True),
    "no event lines": (whole(b"".join(event(each, "") for each in GOOD)), False),
    "JSON": (whole(json.dumps(WHOLE).encode(), b"application/json"), False),
    "JSON as a stream": (whole(json.dumps(WHOLE).encode()), False),
    "no message_stop": (whole(without("message_stop")), True),
    "no message_delta": (whole(without("message_delta")), False),
    "a stop reason of null": (whole(encode([*GOOD[:-2], message_delta(None), STOP])), False),
    "a stop reason of another format": (whole(encode([*GOOD[:-2], message_delta("tool_calls"), STOP])), False),
    "no usage in message_start": (whole(without_usage("message_start")), False),
    "no usage in message_delta": (whole(without_usage("message_delta")), False),
    "no usage": (whole(without_usage("message_start", "message_delta")), False),
    "no message_start": (whole(without("message_start")), False),
    "no content_block_start of text": (whole(encode([each for each in GOOD if each != TEXT[0]])), False),
    "no content_block_stop": (whole(without("content_block_stop")), True),
    "text in its start": (whole(encode([GOOD[0], text_start(0, "héllo there"), *GOOD[5:]])), True),
    "input in its start": (whole(encode([*GOOD[:6], tool_start(1, value={"path": "/a"}), *GOOD[9:]])), True),
    "one index for all": (whole(encode([{**e, "index": 0} if "index" in e else e for e in GOOD])), False),
    "gapped indexes": (whole(encode([{**e, "index": e["index"] * 3} if "index" in e else e for e in GOOD])), False),
    "no blank line at the end": (whole(STREAM[:-1]), True),
    "cut behind the reason": (chunked(encode(GOOD[:-1]), end=False), False),
    "something behind the end": (whole(STREAM + encode(TEXT)), False),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("repaired")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    with server_process(folder, upstream.url) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        yield client


def read_with_helper(client: anthropic.Anthropic, side: str) -> list[tuple[str, Any]]:
    """The blocks that the SDK's helper puts together."""
    with client.messages.stream(**QUESTION, extra_headers={"x-repair": side}) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens >= 0
    return [(block.type, getattr(block, "text", None) or getattr(block, "input", None)) for block in message.content]


EXPECTED = [("text", "héllo there"), ("tool_use", {"path": "/a"})]


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("fault", REPAIRABLE)
def test_the_sdk_reads_what_was_repaired(
    client: anthropic.Anthropic, upstream: RecordingUpstream, fault: str, side: str
) -> None:
    """Text, tool call, reason and counts, whatever was wrong with the stream."""
    upstream.answer = lambda _: REPAIRABLE[fault][0]
    assert read_with_helper(client, side) == EXPECTED


@pytest.mark.parametrize("fault", REPAIRABLE)
def test_what_the_sdk_does_without_a_repair(
    client: anthropic.Anthropic, upstream: RecordingUpstream, fault: str
) -> None:
    """The faults are real ones: without a repair the helper fails, or does not."""
    script, fine = REPAIRABLE[fault]
    upstream.answer = lambda _: script
    try:
        found: Any = read_with_helper(client, "")
    except Exception as error:  # noqa: BLE001 - the SDK fails in its own many ways
        found = error
    assert (found == EXPECTED) == fine, found


@pytest.mark.parametrize("fault", REPAIRABLE)
def test_what_was_repaired_conforms(server: ServerProcess, upstream: RecordingUpstream, fault: str) -> None:
    """For every client: byte for byte by the strict reader, under the right content type."""
    upstream.answer = lambda _: REPAIRABLE[fault][0]
    with RawClient(server.port) as raw:
        given = raw.ask(body=json.dumps({**QUESTION, "stream": True}).encode(), headers=[b"x-repair: request"])
    assert given.status == 200
    assert given.values(b"content-type")[0].startswith(b"text/event-stream")
    assert given.values(b"content-encoding") == []
    told = check_messages_stream(given.body)
    assert [block.get("text", block.get("input")) for block in told["content"]] == ["héllo there", {"path": "/a"}]


def test_most_of_it_does_not_conform_without(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The strict reader tells a fault where there is one."""
    problems = 0
    for script, _ in REPAIRABLE.values():
        upstream.answer = lambda _, script=script: script  # type: ignore[misc]
        with RawClient(server.port) as raw:
            raw.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 15\r\n\r\n")
            raw.send(b'{"stream":true}')
            body = raw.read_all().partition(b"\r\n\r\n")[2]
        try:
            check_messages_stream(body)
        except (Problem, UnicodeDecodeError):
            problems += 1
    assert problems > len(REPAIRABLE) / 2


LOST: dict[str, tuple[Script, str]] = {
    "an empty stream": (whole(b""), "ended without an event"),
    "an empty answer": (whole(b"", b"application/json"), "ended without an event"),
    "pings only": (whole(event(PING) * 3), "ended before it said why"),
    "cut in the middle": (chunked(encode(GOOD[:5]), end=False), "127.0.0.1"),
    "reset in the middle": ((chunked(encode(GOOD[:5]))[0], b"5\r\nevent", Reset()), "127.0.0.1"),
    "ended in the middle": (whole(encode(GOOD[:5])), "ended before it said why"),
    "ended in an event": (whole(STREAM[:400]), "ended before it said why"),
    "no JSON": (whole(encode(GOOD[:4]) + b"event: content_block_delta\ndata: {oops\n\n"), "is not JSON"),
    "no UTF-8": (whole(encode(GOOD[:4]) + b'event: content_block_delta\ndata: {"a":"\xff"}\n\n'), "is not UTF-8"),
    "an error event first": (
        whole(event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})),
        "busy",
    ),
    "an error event after text": (
        whole(encode(GOOD[:4]) + event({"type": "error", "error": {"type": "api_error", "message": "broke"}})),
        "broke",
    ),
    "an error event of another shape": (whole(encode(GOOD[:4]) + b'data: {"error":"broke"}\n\n'), "broke"),
    "gzip that is cut": (
        whole(gzip.compress(STREAM)[:-30], b"text/event-stream", b"Content-Encoding: gzip"),
        "is cut short",
    ),
}


@pytest.mark.parametrize("fault", LOST)
def test_the_sdk_is_told_what_was_lost(client: anthropic.Anthropic, upstream: RecordingUpstream, fault: str) -> None:
    """An error of the SDK's own with the reason in it, raw and with the helper: never a success."""
    script, said = LOST[fault]
    upstream.answer = lambda _: script
    with pytest.raises(anthropic.APIStatusError, match=said):
        read_with_helper(client, "request")
    with (
        pytest.raises(anthropic.APIStatusError, match=said),
        client.messages.create(**QUESTION, stream=True, extra_headers={"x-repair": "request"}) as stream,
    ):
        list(stream)


STATUSES: dict[str, tuple[Script, int, str]] = {
    "a login page": (whole(b"<html>login</html>", b"text/html"), 502, "markup"),
    "an error object": (
        whole(b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', b"application/json"),
        529,
        "busy",
    ),
    "an unknown coding": (whole(STREAM, b"text/event-stream", b"Content-Encoding: lzma"), 502, "content-encoding lzma"),
    "400": (whole(b'{"error":{"message":"no streams"}}', b"application/json", status=400), 400, "no streams"),
    "404": (whole(b"no such model", b"text/plain", status=404), 404, "no such model"),
    "529 as a stream": (
        whole(event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), status=529),
        529,
        "busy",
    ),
    "closed before the answer": ((Close(),), 502, "127.0.0.1"),
    "reset before the answer": ((Reset(),), 502, "127.0.0.1"),
}


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("fault", STATUSES)
def test_what_is_no_stream_has_a_status(
    client: anthropic.Anthropic, upstream: RecordingUpstream, fault: str, side: str
) -> None:
    """Clients decide by it whether to ask again."""
    script, status, said = STATUSES[fault]
    upstream.answer = lambda _: script
    with pytest.raises(anthropic.APIStatusError, match=said) as raised:
        read_with_helper(client, side)
    assert raised.value.status_code == status


PIECES: list[Any] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "héllo "}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "there"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
CHUNKS: list[dict[str, Any]] = [
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **each} for each in PIECES
]
DONE = b"data: [DONE]\n\n"
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "héllo there"}, "finish_reason": "stop"}],
}


def encode_chunks(chunks: list[dict[str, Any]]) -> bytes:
    return b"".join(event(each, "") for each in chunks)


CHAT: dict[str, Script] = {
    "as it should be": whole(encode_chunks(CHUNKS) + DONE),
    "no [DONE]": whole(encode_chunks(CHUNKS)),
    "no heads": whole(encode_chunks([{"choices": each["choices"]} for each in CHUNKS]) + DONE),
    "no index": whole(
        encode_chunks([{"choices": [{k: v for k, v in each["choices"][0].items() if k != "index"}]} for each in CHUNKS])
        + DONE
    ),
    "a whole answer": whole(json.dumps(COMPLETION).encode(), b"application/json"),
    "no content type": whole(encode_chunks(CHUNKS) + DONE, None),
    "no blank line": whole((encode_chunks(CHUNKS) + DONE)[:-1]),
}


@pytest.mark.parametrize("fault", CHAT)
def test_chat_completions(server: ServerProcess, upstream: RecordingUpstream, fault: str) -> None:
    """Raw and with the helper of the OpenAI SDK."""
    upstream.answer = lambda _: CHAT[fault]
    question: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-repair": "request"}
    with openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
        with client.chat.completions.stream(**question, extra_headers=headers) as stream:
            found = stream.get_final_completion().choices[0]
            assert (found.message.content, found.finish_reason) == ("héllo there", "stop")
        with client.chat.completions.create(**question, stream=True, extra_headers=headers) as raw:
            assert "".join(each.choices[0].delta.content or "" for each in raw) == "héllo there"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        encode_chunks(CHUNKS[:2]),
        encode_chunks(CHUNKS[:2]) + b"data: {oops\n\n" + DONE,
        encode_chunks(CHUNKS[:1]) + b'data: {"error":{"message":"ended before"}}\n\n' + DONE,
    ],
)
def test_a_chat_completion_that_was_lost(server: ServerProcess, upstream: RecordingUpstream, body: bytes) -> None:
    """The OpenAI SDK raises, where it took what it had for the whole answer."""
    upstream.answer = lambda _: whole(body)
    with (
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client,
        pytest.raises(openai.APIError, match=r"ended without|ended before|not JSON"),
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            extra_headers={"x-repair": "request"},
        ) as stream,
    ):
        list(stream)


def test_the_log_says_what_was_repaired(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """With counts, in the line of the request."""
    upstream.answer = lambda _: REPAIRABLE["no event lines"][0]
    body = json.dumps({**QUESTION, "stream": True})
    answer = httpx.post(f"{server.url}/v1/messages?n=17", content=body, headers={"x-repair": "request"})
    check_messages_stream(answer.content)
    server.wait_for_log(rb"n=17.*repaired: no event line \(12\)")


def test_an_upstream_that_keeps_its_stream_open(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Once the message is at its end, so is the client's answer."""
    upstream.answer = lambda _: (*chunked(STREAM)[:-1], b"5\r\n: hi\n\r\n", AwaitClose())
    body = json.dumps({**QUESTION, "stream": True})
    answer = httpx.post(f"{server.url}/v1/messages", content=body, headers={"x-repair": "request"}, timeout=20)
    check_messages_stream(answer.content)


def test_chunks_conform(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """By the strict reader, too."""
    for script in CHAT.values():
        upstream.answer = lambda _, script=script: script  # type: ignore[misc]
        body = json.dumps({"model": "m", "messages": [], "stream": True})
        answer = httpx.post(f"{server.url}/v1/chat/completions", content=body, headers={"x-repair": "request"})
        assert check_chunk_stream(answer.content)["choices"][0]["content"] == "héllo there"
