"""The lines of the log are those that docs/operating.md shows."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from ruleproxy.resources import CHECKOUT
from support.recording_upstream import Close, Pause, ReceivedRequest, Script, recording_upstream
from support.server_process import server_process

RULES = """\
rule "audit keys" on request
when request.path == "/v1/messages" then
  inject { audit = "live" } into request.body
end

rule "delete what the gateway calls extra" on response
when response.status == 400 and not response.streamed then
  local field = capture(response.body.error.message ?? "", [[([a-z_]+): Extra inputs are not permitted]])
  if field ~= nil then
    strip request.body at field
    note "removed " .. field
    retry
  end
end
"""
PING = b'event: ping\ndata: {"type": "ping"}\n\n\n'
VARYING = re.compile(r"(?<=[=:])\d+\.\d+|\d{4}-\d\d-\d\dT[0-9:.]+Z|(?<=127\.0\.0\.1:)\d+")


def answer(request: ReceivedRequest) -> Script:
    if b"/v1/nothing" in request.request_line:
        return (Close(),)
    if b"/v1/stream" in request.request_line:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 900\r\n\r\n"
        return (head + PING, Pause(0.05), Close())
    refused = b"context_management" in request.body
    told = b'{"error":{"message":"context_management: Extra inputs are not permitted"}}'
    body = told if refused else b'{"id":"msg_1"}'
    status = b"400 No" if refused else b"200 OK"
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body),
    )


def documented(begins: str) -> list[str]:
    page = (CHECKOUT / "docs" / "operating.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if block.startswith(begins))
    return [VARYING.sub("N", line) for line in block.splitlines()]


@pytest.mark.parametrize(("form", "begins"), [("text", "20"), ("json", '{"time"')])
def test_the_lines_are_those_of_the_documentation(tmp_path: Path, form: str, begins: str) -> None:
    """A request that passes, one that is sent again, an answer that breaks off, and none at all."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "10.rules").write_text(RULES)
    session = {"x-claude-code-session-id": "5f0c"}
    with (
        recording_upstream(answer) as upstream,
        server_process(tmp_path, upstream.url, "--log-format", form) as proxy,
    ):
        httpx.get(f"{proxy.url}/v1/models?limit=5&api_key=made-up", timeout=30)
        body = {"model": "m", "context_management": {}}
        httpx.post(f"{proxy.url}/v1/messages?beta=true", json=body, headers=session, timeout=30)
        for path in ("/v1/stream", "/v1/nothing"):
            with suppress(httpx.RemoteProtocolError):
                httpx.post(f"{proxy.url}{path}", json={"model": "m"}, timeout=30)
        proxy.wait_for_log(rb"/v1/nothing")
        lines = proxy.log.decode().splitlines()
    assert [VARYING.sub("N", line) for line in lines if line.startswith(begins)] == documented(begins)
