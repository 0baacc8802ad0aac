"""The pack of reactions before a gateway that refuses fields: the server learns what helped, until its rules change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = 'edition 1\n\nuse "ruleproxy/reactive"\n'
KNOWN = {"model", "max_tokens", "messages", "system", "tools", "stream"}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
BODY = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": "hello"}],
    "tools": [{"name": "Read", "input_schema": {"type": "object"}, "eager_input_streaming": True}],
    "max_tokens": 16,
    "context_management": {"edits": []},
    "output_config": {"effort": "high"},
}


def answer(status: int, body: object) -> Script:
    data = json.dumps(body).encode()
    return (
        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(data), data),
    )


def strict(request: ReceivedRequest) -> Script:
    """A gateway that names one field at a time."""
    body = json.loads(request.body)
    extra = [name for name in body if name not in KNOWN]
    extra += [
        f"tools.{index}.custom.{name}"
        for index, tool in enumerate(body.get("tools", ()))
        for name in tool
        if name not in ("name", "description", "input_schema", "cache_control")
    ]
    if not extra:
        return answer(200, MESSAGE)
    error = {"type": "invalid_request_error", "message": f"{extra[0]}: Extra inputs are not permitted"}
    return answer(400, {"type": "error", "error": error})


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        upstream.answer = strict
        yield upstream


@pytest.fixture
def server(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text(RULES)
    with server_process(tmp_path, upstream.url) as server:
        yield server


def ask(server: ServerProcess, body: dict[str, Any]) -> RawAnswer:
    with RawClient(server.port) as client:
        return client.ask(body=json.dumps(body).encode())


def get(server: ServerProcess, page: str) -> bytes:
    with RawClient(server.port) as client:
        client.send(b"GET /_ruleproxy/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % page.encode())
        return client.read_answer().body


def forget(server: ServerProcess, *headers: str) -> RawAnswer:
    lines = ["POST /_ruleproxy/learned/forget HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0", *headers]
    with RawClient(server.port) as client:
        client.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        return client.read_answer()


def test_what_was_learned_can_be_forgotten(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """A gateway that takes the fields by now gets them again; a web page cannot ask for it."""
    ask(server, BODY)
    learned = get(server, "learned").count(b"\nrule ")
    assert learned > 0
    assert forget(server, "Origin: http://evil.example").status == 403
    upstream.answer = lambda _: answer(200, MESSAGE)
    ask(server, BODY)
    assert b"context_management" not in upstream.requests[-1].body
    assert json.loads(forget(server).body) == {"forgotten": learned}
    assert get(server, "learned").count(b"\nrule ") == 0
    ask(server, BODY)
    assert json.loads(upstream.requests[-1].body) == BODY
    server.wait_for_log(rb"forgotten: the control page was asked to")


def test_a_session_is_refused_once(server: ServerProcess, upstream: RecordingUpstream, tmp_path: Path) -> None:
    """Three refusals within the first request; every later one goes through at once, and the rules can be kept."""
    first = ask(server, BODY)
    assert first.status == 200
    assert first.values(b"x-ruleproxy-retries") == [b"3"]
    again = ask(server, BODY)
    assert again.status == 200
    assert again.values(b"x-ruleproxy-retries") == []
    assert len(upstream.requests) == 5
    assert upstream.requests[3].body == upstream.requests[4].body

    page = get(server, "learned").decode()
    for field in ("context_management", "output_config", "tools.0.custom.eager_input_streaming"):
        assert f'strip request.body at "{field}"' in page
    server.wait_for_log(rb"rules=learned: reactive/delete")
    assert server.log.count(b"learned a rule, in force until the rules change") == 3
    assert json.loads(get(server, "status"))["rules"]["learned"] == 3

    # What was printed is a file of rules: with it in the folder nothing has to be learned any more.
    (tmp_path / "rules" / "2.rules").write_text(page)
    server.wait_for_log(rb"3 learned rules forgotten: the rules changed")
    kept = ask(server, BODY)
    assert kept.status == 200
    assert kept.values(b"x-ruleproxy-retries") == []
    assert get(server, "learned") == b"edition 1\n"


def test_ten_clients_at_once(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Each gets its answer, and each thing is learned once."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ask(server, BODY), range(10)))
    assert [given.status for given in answers] == [200] * 10
    server.wait_for_log(rb"learned a rule")
    assert get(server, "learned").count(b"\nrule ") == 3
    assert ask(server, BODY).values(b"x-ruleproxy-retries") == []


def test_rules_that_change_start_anew(server: ServerProcess, upstream: RecordingUpstream, tmp_path: Path) -> None:
    """What was learned under other rules is not in force under these."""
    ask(server, BODY)
    (tmp_path / "rules" / "1.rules").write_text(RULES + "\n-- another\n")
    server.wait_for_log(rb"3 learned rules forgotten")
    assert ask(server, BODY).values(b"x-ruleproxy-retries") == [b"3"]


def test_a_gateway_that_calls_everything_extra(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The client sees the refusal, and no later request is the poorer for it."""
    error = {"message": "tools: Extra inputs are not permitted\nmessages: Extra inputs are not permitted"}
    upstream.answer = lambda _: answer(400, {"error": error})
    assert ask(server, BODY).status == 400
    assert len(upstream.requests) == 1
    assert get(server, "learned") == b"edition 1\n"
