"""The pack of error wordings between a client and gateways that answer in words, statuses and pages of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.raw_client import RawClient
from support.recording_upstream import RecordingUpstream, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = 'edition 1\n\nuse "ruleproxy/reactive"\nuse "ruleproxy/claude-code-errors"\n'
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
NATIVE = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: Field required"}}
SYSTEM = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]


@dataclass(frozen=True)
class Case:
    """What a gateway answers, and the status, type and beginning of the message that the client reads."""

    name: str
    status: int
    body: object
    becomes: int
    kind: str
    message: str
    content_type: str = "application/json"
    stream: bool = False


CASES = [
    Case("native", 400, NATIVE, 400, "invalid_request_error", "max_tokens: Field required"),
    Case(
        "copilot overflow",
        400,
        {"error": {"message": "prompt token count of 74490 exceeds the limit of 72000"}},
        400,
        "invalid_request_error",
        "prompt is too long: 74490 tokens > 72000 maximum",
    ),
    Case(
        "overflow behind a 502",
        502,
        {"error": {"message": "The maximum context length is 8192 tokens. However, you requested 9000 tokens"}},
        400,
        "invalid_request_error",
        "prompt is too long: 9000 tokens > 8192 maximum",
    ),
    Case(
        "overflow in an exception's text",
        500,
        {"detail": 'upstream said: {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}'},
        400,
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    Case(
        "system turns",
        422,
        {"error": {"message": "messages.1.role: Input should be 'user' or 'assistant'"}},
        400,
        "invalid_request_error",
        "role 'system' is not supported on this model",
    ),
    Case(
        "throttling",
        500,
        {"message": "ThrottlingException: Too many requests, please wait"},
        429,
        "rate_limit_error",
        "ThrottlingException",
    ),
    Case("relay", 400, {"error": {"message": "Provider returned error"}}, 529, "overloaded_error", "Provider"),
    Case("login page", 200, "<html>log in</html>", 502, "api_error", "the gateway answered with a web", "text/html"),
    Case("firewall", 403, "<html>no</html>", 403, "permission_error", "the gateway refused with a web", "text/html"),
    Case("bad gateway", 502, "<html>502</html>", 502, "api_error", "the gateway answered 502", "text/html"),
    Case("nothing", 200, "", 502, "api_error", "the gateway answered 200 with nothing"),
    Case(
        "error with a 200",
        200,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
        429,
        "rate_limit_error",
        "slow down",
    ),
    Case(
        "overload as first event",
        200,
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        529,
        "overloaded_error",
        "Overloaded",
        "text/event-stream",
        stream=True,
    ),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("errors")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    with server_process(folder, upstream.url) as server:
        yield server


def answer(status: int, body: object, content_type: str, *headers: bytes) -> bytes:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: " + content_type.encode(), *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(data), b"", data])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_client_reads(server: ServerProcess, upstream: RecordingUpstream, case: Case) -> None:
    """Status, type and words are those that the client's own recovery knows; one upstream call, no retry."""
    upstream.answer = lambda _: (answer(case.status, case.body, case.content_type),)
    asked = len(upstream.requests)
    body = {"model": "m", "max_tokens": 1, "messages": SYSTEM, **({"stream": True} if case.stream else {})}
    with RawClient(server.port) as client:
        given = client.ask(body=json.dumps(body).encode())
    assert len(upstream.requests) == asked + 1
    found = json.loads(given.body)
    assert (given.status, found["error"]["type"]) == (case.becomes, case.kind)
    assert found["error"]["message"].startswith(case.message)
    assert given.values(b"content-type")[0].startswith(b"application/json")
    assert given.values(b"content-length") == [b"%d" % len(given.body)]


@pytest.mark.parametrize(("told", "becomes"), [("15", b"15"), ("90", b"60"), ("3600", b"3600"), ("soon", b"soon")])
def test_waits(server: ServerProcess, upstream: RecordingUpstream, told: str, becomes: bytes) -> None:
    """What is a little longer than the client obeys is shortened; a quota's hours are not, nor what is no number."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    upstream.answer = lambda _: (answer(529, body, "application/json", b"Retry-After: " + told.encode()),)
    with RawClient(server.port) as client:
        given = client.ask(body=b'{"model":"m","max_tokens":1,"messages":[]}')
    assert given.status == 529
    assert given.values(b"retry-after") == [becomes]


def test_answers_pass(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """A message that speaks of all this is a message, byte for byte."""
    text = "<html> prompt is too long: 2 tokens > 1 maximum; Overloaded"
    sent = {**MESSAGE, "content": [{"type": "text", "text": text}]}
    upstream.answer = lambda _: (answer(200, sent, "application/json"),)
    with RawClient(server.port) as client:
        given = client.ask(body=b'{"model":"m","max_tokens":1,"messages":[]}')
    assert given.status == 200
    assert given.body == json.dumps(sent).encode()
