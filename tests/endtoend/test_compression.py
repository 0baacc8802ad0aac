"""Compressed requests and answers over sockets, and through the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx
import orjson
import pytest

from support.packing import Packer, pack
from support.raw_client import RawClient
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = """edition 1

rule "model" on request when request.body.model == "a" then
  rewrite request.body.model = "b"
end

rule "shown" on event when event.type == "message_start" then
  rewrite event.data.message.model = "shown"
end
"""

EVENTS = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","type":"message","role":"assistant",'
    b'"model":"b","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hello"}}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":2}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    def answer(request: ReceivedRequest) -> Script:
        """A stream in the coding that the request's header `x-coding` names, each event flushed."""
        coding = (request.values(b"x-coding") or [b"gzip"])[0].decode()
        packer = Packer(coding)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: %s\r\n" % coding.encode()
        pieces = [packer.feed(event, last=event is EVENTS[-1]) for event in EVENTS]
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        return (head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")

    with recording_upstream(answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("compression")
    (folder / "rules").mkdir()
    (folder / "rules" / "a.rules").write_text(RULES)
    with server_process(folder, upstream.url, "--set", "limits.decoded=1000000") as server:
        yield server


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_request_and_stream_in_one_exchange(server: ServerProcess, upstream: RecordingUpstream, coding: str) -> None:
    """The edited request arrives open; the SDK reads the edited stream, which no longer says that it is packed."""
    client = anthropic.Anthropic(base_url=server.url, api_key="made-up", max_retries=0)
    with client.messages.stream(
        model="a",
        max_tokens=9,
        messages=[{"role": "user", "content": "hi"}],
        extra_headers={"x-coding": coding},
    ) as stream:
        message = stream.get_final_message()
    assert message.model == "shown"
    assert message.content[0].type == "text"
    assert message.content[0].text == "hello"
    with RawClient(server.port) as raw:
        packed = pack(b'{"model": "a", "stream": true}', coding)
        answer = raw.ask(body=packed, headers=[b"Content-Encoding: " + coding.encode(), b"X-Coding: gzip"])
    sent = upstream.requests[-1]
    assert (sent.body, sent.values(b"content-encoding")) == (b'{"model": "b", "stream": true}', [])
    assert sent.values(b"content-length") == [b"%d" % len(sent.body)]
    assert answer.values(b"content-encoding") == []
    assert b'"model":"shown"' in answer.body


def test_a_client_that_understands_codings_reads_what_no_rule_read(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Without rules the packed stream passes as it is, and is still what it says."""
    with server_process(tmp_path, upstream.url) as server:
        answer = httpx.post(f"{server.url}/v1/messages", content=b"{}", headers={"x-coding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"".join(EVENTS)


def test_a_bomb_is_refused(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """413 in the client's shape; nothing goes out."""
    count = len(upstream.requests)
    with RawClient(server.port) as client:
        answer = client.ask(body=pack(bytes(50_000_000), "br"), headers=[b"Content-Encoding: br"])
    assert answer.status == 413
    assert orjson.loads(answer.body)["error"]["type"] == "request_too_large"
    assert len(upstream.requests) == count
