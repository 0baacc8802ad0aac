"""What the application does when its own parts fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from ruleproxy.engine.events import Head
from ruleproxy.messages.message import Request
from ruleproxy.proxy.access_log import AccessLog
from ruleproxy.proxy.app import ProxyApp
from ruleproxy.proxy.forwarding import Exchange, Forwarder
from ruleproxy.proxy.settings import Limits, Timeouts
from ruleproxy.proxy.transport import SocketTransport
from support.pass_through import PassThrough
from support.recording_upstream import recording_upstream

Sent = list[dict[str, Any]]
KNOWN = "ghp_" + "Pl4nt3d0" * 4
HOST = ((b"Host", b"a"),)


async def call(
    begin_exchange: Callable[[Request], Exchange], log_file: Path, headers: Sequence[tuple[bytes, bytes]] = HOST
) -> tuple[Sent, str]:
    """What goes out for a POST to /v1/messages, and what is logged."""
    descriptor = os.open(log_file, os.O_CREAT | os.O_RDWR)
    log = AccessLog(descriptor)
    transport = SocketTransport()

    async def control(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise AssertionError

    app = ProxyApp(begin_exchange, Forwarder(transport), log, control=control, limits=Limits(), timeouts=Timeouts())
    sent: Sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/messages",
        "raw_path": b"/v1/messages",
        "query_string": b"",
        "headers": headers,
    }
    await app(scope, receive, send)
    await transport.aclose()
    log.flush()
    text = os.pread(descriptor, 65536, 0).decode()
    os.close(descriptor)
    return sent, text


async def test_an_unexpected_failure_is_told_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """500 in the client's format without a traceback, which stands in the log."""

    def fail(_request: Request) -> Exchange:
        raise RuntimeError("inner workings")

    sent, log = await call(fail, tmp_path / "log")
    body = orjson.loads(sent[1]["body"])
    assert sent[0]["status"] == 500
    assert body["error"]["type"] == "api_error"
    assert "inner workings" not in body["error"]["message"]
    assert sent[-1]["more_body"] is False
    assert " 500 " in log
    (record,) = caplog.records
    assert record.getMessage().startswith("unexpected failure of POST /v1/messages\nTraceback (most recent call last):")
    assert record.getMessage().endswith("RuntimeError: inner workings")


async def test_what_failed_does_not_tell_secrets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An exception that repeats what it was given is in the log with masks of the client's key and of known formats."""

    def fail(request: Request) -> Exchange:
        raise RuntimeError(f"cannot work with {request.headers} and {KNOWN}")

    await call(fail, tmp_path / "log", [(b"Host", b"a"), (b"x-api-key", b"corp-Pl4nt3d-key-1")])
    assert "RuntimeError: cannot work with [(b'Host', b'a'), (b'x-api-key', b'*masked-" in caplog.text
    assert "Pl4nt3d" not in caplog.text


async def test_a_failure_after_the_head_leaves_the_answer_without_an_end(tmp_path: Path) -> None:
    """No second head, and no last piece that would make it look complete."""

    class FailsLate(PassThrough):
        def receive(self, event: object) -> Any:
            yield Head(200, [])
            raise RuntimeError("late")

    with recording_upstream() as upstream:
        sent, log = await call(lambda request: FailsLate(request, upstream.url), tmp_path / "log")
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert "unexpected failure" in log


async def test_a_request_that_cannot_be_sent_is_explained(tmp_path: Path) -> None:
    """A rule that writes a line break into a header: 500 that says so, and no traceback."""

    def begin(request: Request) -> Exchange:
        request.headers.append((b"X", b"a\r\nb"))
        return PassThrough(request, "http://127.0.0.1:1")

    sent, log = await call(begin, tmp_path / "log")
    assert sent[0]["status"] == 500
    assert b"line break" in sent[1]["body"]
    assert "line break" in log
