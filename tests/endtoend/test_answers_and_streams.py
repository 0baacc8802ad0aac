"""Rules of the answer's sides over real sockets: sent again, streams event by event, errors that become a status."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.raw_client import RawClient
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Reset, Script, WaitFor, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = """edition 1

rule "token" on request then
  rewrite request.headers["authorization"] = "Bearer " .. secret("GATEWAY_TOKEN")
end

rule "delete what the gateway calls extra" on response
when response.status == 400 and not response.streamed then
  local field = capture(response.body.error.message ?? "", [[([a-z_.]+): Extra inputs are not permitted]])
  if field ~= nil then
    strip request.body at field
    retry
  end
end

rule "again without streaming" on failure
when original.request.wants_stream and failure.kind == "reset" then
  fake_stream
  retry
end

rule "errors are errors" on failure
when failure.kind == "error_event" then
  respond { status = failure.error.status, body = error(failure.error.type, failure.error.message) }
end

rule "own name in a whole answer" on response
when not response.streamed and response.body.model ~= nil then
  rewrite response.body.model = original.request.body.model
end

rule "own names" on event
when event.type == "message_start" then
  rewrite event.data.message.model = original.request.body.model
end

rule "no telemetry" on event
when event.type == "x_usage" then
  drop
end
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"corp"}}\n\n'
USAGE = b"event: x_usage\ndata: 1\n\n"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
STREAM = b'{"model":"asked","stream":true,"extra":1}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(status: int, body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(text),
        text,
    )


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, recording: RecordingUpstream) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("answers")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_TOKEN", "token-of-the-gateway")
        with server_process(folder, recording.url) as server:
            yield server


@pytest.fixture
def upstream(recording: RecordingUpstream) -> RecordingUpstream:
    recording.requests.clear()
    return recording


def answer_in_turn(upstream: RecordingUpstream, *scripts: Script) -> None:
    """Have the upstream answer the first request with the first script, and so on."""

    def choose(_: ReceivedRequest) -> Script:
        return scripts[len(upstream.requests) - 1]

    upstream.answer = choose


def test_a_refused_request_is_sent_again(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The client sees the second answer and how often it took; the secret goes out each time."""
    refusal = {"error": {"message": "extra: Extra inputs are not permitted"}}
    answer_in_turn(upstream, (whole(400, refusal),), (HEAD, chunk(START), chunk(STOP), chunk(b"")))
    with RawClient(server.port) as client:
        given = client.ask(b"/v1/messages", STREAM)
    assert given.status == 200
    assert given.values(b"x-ruleproxy-retries") == [b"1"]
    assert given.body == START.replace(b'"corp"', b'"asked"') + STOP
    assert [request.body for request in upstream.requests] == [STREAM, STREAM.replace(b',"extra":1', b"")]
    assert {tuple(request.values(b"authorization")) for request in upstream.requests} == {
        (b"Bearer token-of-the-gateway",)
    }


def test_a_reset_connection_is_asked_again_without_streaming(
    server: ServerProcess, upstream: RecordingUpstream
) -> None:
    """The whole answer becomes the stream that the client wanted."""
    message = {
        "type": "message",
        "id": "1",
        "role": "assistant",
        "model": "corp",
        "content": [],
        "stop_reason": "end_turn",
    }
    answer_in_turn(upstream, (b"HTTP/1.1 ", Reset()), (whole(200, message),))
    with RawClient(server.port) as client:
        given = client.ask(b"/v1/messages", STREAM)
    assert given.status == 200
    assert b'"model":"asked"' in given.body
    assert given.body.endswith(STOP)
    assert [b"stream" in request.body for request in upstream.requests] == [True, False]


def test_an_error_at_the_start_of_a_stream_is_a_status(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """And the connection can be used again."""
    overloaded = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    answer_in_turn(upstream, (HEAD, chunk(overloaded), chunk(b"")), (HEAD, chunk(STOP), chunk(b"")))
    with RawClient(server.port) as client:
        given = client.ask(b"/v1/messages", STREAM)
        assert given.status == 529
        assert json.loads(given.body)["error"]["message"] == "busy"
        assert client.ask(b"/v1/messages", STREAM).body == STOP


def test_events_arrive_as_they_come(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The first is at the client while the upstream still thinks about the second; one of them never comes."""
    released = threading.Event()
    answer_in_turn(upstream, (HEAD, chunk(START + USAGE), WaitFor(released), chunk(STOP), chunk(b"")))
    with RawClient(server.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(STREAM), STREAM))
        shown = client.read_until(b'"asked"}}\n\n')
        assert b"x_usage" not in shown
        released.set()
        assert b"message_stop" in client.read_until(b"0\r\n\r\n")


def test_a_secret_of_the_rules_is_masked_wherever_it_comes_back(tmp_path: Path) -> None:
    """A gateway that echoes the token that a rule sent does not get it into a capture."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text(RULES.split('rule "delete')[0])
    secret = "plain words that look like no key"
    with recording_upstream() as upstream:
        upstream.answer = lambda request: (whole(400, {"error": f"got {request.values(b'authorization')}"}),)
        with (
            server_process(
                tmp_path, upstream.url, "--record", "captures", environment={"GATEWAY_TOKEN": secret}
            ) as server,
            RawClient(server.port) as client,
        ):
            assert secret.encode() in client.ask(b"/v1/messages", STREAM).body
        # The server has stopped, so everything is written.
        (capture,) = (tmp_path / "captures").glob("*.json")
    assert secret not in capture.read_text()
    assert "*masked-" in capture.read_text()
