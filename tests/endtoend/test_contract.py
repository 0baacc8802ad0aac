"""The published contract between Claude Code and gateways, line by line over sockets: docs/contract.md names each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ruleproxy.resources import CHECKOUT
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = """\
use "ruleproxy/claude-code-base" with { count_tokens = false }

rule "every message is noted" on request
when request.path == "/v1/messages" then
  rewrite request.headers["x-seen"] = "yes"
end

rule "a list of models" on request
when request.method == "GET" and request.path == "/v1/models" and request.query.static == "1" then
  respond { status = 200, body = { data = { { id = "claude-corp", display_name = "Corp" } } } }
end

rule "models for anthropic clients" on response
when request.method == "GET" and request.path == "/v1/models" and response.status == 200 and not response.streamed then
  for model in response.body.data do
    if model.id ~= nil then
      rewrite model = { type = "model", id = "claude-" .. model.id, display_name = model.id }
    end
  end
end
"""


def answer(request: ReceivedRequest) -> Script:
    if b"/v1/models" in request.request_line:
        body = b'{"object":"list","data":[{"id":"corp-opus"}]}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return (head % len(body) + body,)
    return (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(answer) as running:
        yield running


@pytest.fixture
def bare(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    with server_process(tmp_path, upstream.url) as proxy:
        yield proxy


@pytest.fixture
def ruled(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "10.rules").write_text(RULES)
    with server_process(tmp_path, upstream.url) as proxy:
        yield proxy


ENDPOINTS = {
    "messages": ("POST", "/v1/messages?beta=true"),
    "token counting": ("POST", "/v1/messages/count_tokens?beta=true"),
    "InvokeModel": ("POST", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke"),
    "InvokeModel, an ARN": ("POST", "/model/arn:aws:bedrock:r:1:inference-profile%2Fid/invoke-with-response-stream"),
    "rawPredict": ("POST", "/v1/projects/p/locations/l/publishers/anthropic/models/m@20250929:streamRawPredict"),
    "count-tokens": ("POST", "/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict"),
    "the probe": ("HEAD", "/"),
    "inference profiles": ("GET", "/inference-profiles?type=SYSTEM_DEFINED"),
    "models": ("GET", "/v1/models?limit=1000"),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_goes_through(name: str, bare: ServerProcess, upstream: RecordingUpstream) -> None:
    """Without rules each arrives with the very target, and gets the upstream's answer."""
    method, target = ENDPOINTS[name]
    assert httpx.request(method, bare.url + target, timeout=30).status_code == 200
    assert upstream.requests[-1].request_line == f"{method} {target} HTTP/1.1".encode()


def test_headers_and_fields_are_open_lists(bare: ServerProcess, upstream: RecordingUpstream) -> None:
    """Credentials, versions, betas, attribution and whatever comes next arrive as they were sent, so does the body."""
    headers = {
        "authorization": "Bearer t",
        "x-api-key": "k",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20,a-beta-of-2031-01-01",
        "anthropic-workspace-id": "w",
        "anthropic-something-new": "1",
        "x-claude-code-session-id": "s",
        "x-claude-code-agent-id": "a",
        "x-claude-code-parent-agent-id": "p",
        "x-claude-code-new": "2",
        "x-custom": "3",
    }
    body = b'{"model":"m", "field_of_2031":{"a":1e3},"messages":[]}'
    httpx.post(f"{bare.url}/v1/messages?beta=true", content=body, headers=headers, timeout=30)
    (received,) = upstream.requests
    assert received.body == body
    assert {name: received.values(name.encode()) for name in headers} == {k: [v.encode()] for k, v in headers.items()}


def test_rules_match_the_path_whatever_the_query(ruled: ServerProcess, upstream: RecordingUpstream) -> None:
    """`?beta=true` is no part of the path."""
    httpx.post(f"{ruled.url}/v1/messages?beta=true", json={"messages": []}, timeout=30)
    assert upstream.requests[-1].values(b"x-seen") == [b"yes"]


def test_probes_are_answered_here(ruled: ServerProcess, upstream: RecordingUpstream) -> None:
    """With the pack for it, the start of a client costs the gateway nothing."""
    assert httpx.head(f"{ruled.url}/", timeout=30).status_code == 200
    assert httpx.get(f"{ruled.url}/inference-profiles?type=SYSTEM_DEFINED", timeout=30).status_code < 500
    assert upstream.requests == []


def test_token_counting_may_be_absent(ruled: ServerProcess, upstream: RecordingUpstream) -> None:
    """Clients are told 404 in their own words, and estimate by themselves."""
    told = httpx.post(f"{ruled.url}/v1/messages/count_tokens?beta=true", json={"messages": []}, timeout=30)
    assert (told.status_code, told.json()["error"]["type"]) == (404, "not_found_error")
    assert upstream.requests == []


def test_models_are_listed_or_mapped(ruled: ServerProcess, upstream: RecordingUpstream) -> None:
    """A list that a rule answers with, or the gateway's own with names that clients take."""
    static = httpx.get(f"{ruled.url}/v1/models?limit=1000&static=1", timeout=30).json()
    assert static["data"][0]["id"] == "claude-corp"
    assert upstream.requests == []
    mapped = httpx.get(f"{ruled.url}/v1/models?limit=1000", timeout=30).json()
    assert mapped["data"] == [{"type": "model", "id": "claude-corp-opus", "display_name": "corp-opus"}]


def test_the_page_names_tests_that_are_there() -> None:
    """Every `file::test` of docs/contract.md exists."""
    text = (CHECKOUT / "docs" / "contract.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (CHECKOUT / file).read_text(encoding="utf-8"), (file, test)
