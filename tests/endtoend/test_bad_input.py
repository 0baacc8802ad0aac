"""What clients, upstreams and rules can get wrong while the server runs: refused by name, in the client's words."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import OK, RecordingUpstream, Reset, recording_upstream
from support.server_process import ServerProcess, server_process

# Each rule runs for the requests whose path names it; what it writes comes from the request.
RULES = """edition 1

rule "a header" on request
when request.path == "/header/v1/messages" then
  rewrite request.headers["x-before"] = "1"
  rewrite request.headers["x-mark"] = request.body.value ?? ""
end

rule "a needed header" on request, required
when request.path == "/required/v1/messages" then
  rewrite request.headers["x-mark"] = request.body.value ?? ""
end

rule "a header's name" on request
when request.path == "/name/v1/messages" then
  rewrite request.headers[request.body.value ?? ""] = "1"
end

rule "a path" on request
when request.path == "/path/v1/messages" then
  rewrite request.path = request.body.value ?? ""
end

rule "a raw path" on request
when request.path == "/rawpath/v1/messages" then
  rewrite request.raw_path = request.body.value ?? ""
end

rule "a URL" on request
when request.path == "/url/v1/messages" then
  rewrite upstream.url = request.body.value ?? ""
end

rule "a query" on request
when request.path == "/query/v1/messages" then
  rewrite request.query.a = request.body.value ?? ""
end

rule "a body" on request
when request.path == "/body/v1/messages" then
  inject { added = 1 } into request.body
end

rule "an answer's header" on response
when request.path == "/answer/v1/messages" and not response.streamed then
  rewrite response.headers["x-mark"] = original.request.body.value ?? ""
end

rule "an answer of our own" on request
when request.path == "/respond/v1/messages" then
  respond { status = 200, headers = { ["x-mark"] = request.body.value ?? "" }, body = "x" }
end

rule "somewhere else" on request
when request.path == "/refused/v1/messages" or request.path == "/refused/v1/chat/completions" then
  rewrite upstream.name = "refused"
end

rule "nowhere" on request
when request.path == "/unknown/v1/messages" or request.path == "/unknown/v1/chat/completions" then
  rewrite upstream.name = "unknown"
end
"""

CONTROLS = ["a\r\nInjected: 1", "a\nInjected: 1", "a\rb", "a\0b", "a\x1bb", "a\x7fb", "a%00b"]


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, recording: RecordingUpstream, closed_port: int
) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("bad")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    others = (
        "--upstream",
        f"refused=http://127.0.0.1:{closed_port}",
        "--upstream",
        "unknown=http://no-such-host.invalid",
    )
    with server_process(folder, recording.url, *others, settings="[limits]\nbody = 100000\n") as server:
        yield server


@pytest.fixture
def upstream(recording: RecordingUpstream) -> RecordingUpstream:
    recording.requests.clear()
    recording.answer = lambda _: (OK,)
    return recording


def ask(server: ServerProcess, path: str, body: bytes = b"{}") -> RawAnswer:
    with RawClient(server.port) as client:
        return client.ask(path.encode(), body)


def ask_with(server: ServerProcess, name: str, value: str) -> RawAnswer:
    """Let the rule of this name write this value."""
    return ask(server, f"/{name}/v1/messages", json.dumps({"value": value}).encode())


def error_of(given: RawAnswer) -> dict[str, Any]:
    """The error object of an answer in the Anthropic format."""
    body = json.loads(given.body)
    assert body["type"] == "error"
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize("value", CONTROLS)
def test_a_header_that_would_split_the_request(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """The rule fails by name and all of its edits are undone; the request goes on without them."""
    assert ask_with(server, "header", value).status == 200
    (seen,) = upstream.requests
    assert seen.values(b"x-mark") == []
    assert seen.values(b"x-before") == []
    assert b"Injected" not in seen.head
    server.wait_for_log(rb'rule "a header" \(rules/1.rules:3\) failed: RP510 at 6:\d+: header x-mark cannot hold')


@pytest.mark.parametrize("value", CONTROLS)
def test_a_required_rule_refuses(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """The request is not sent half done: 502 that names the rule and the reason."""
    given = ask_with(server, "required", value)
    assert given.status == 502
    error = error_of(given)
    assert error["type"] == "api_error"
    assert 'required rule "a needed header" (rules/1.rules:9) failed' in error["message"]
    assert "header x-mark cannot hold" in error["message"]
    assert not upstream.requests


@pytest.mark.parametrize("value", ["", "a b", "a:b", "a\r\nb", "é", "content-length", "Host", "transfer-encoding"])
def test_a_headers_name(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """No name, or one of those that frame the message."""
    assert ask_with(server, "name", value).status == 200
    (seen,) = upstream.requests
    assert len(seen.values(b"content-length")) == 1
    assert seen.values(b"host") == [upstream.place.encode()]
    assert seen.values(b"transfer-encoding") == []


@pytest.mark.parametrize("name", ["path", "rawpath"])
@pytest.mark.parametrize("value", [*("/" + value for value in CONTROLS), "", "x", "//\r\n", "http://evil.example/"])
def test_a_path(server: ServerProcess, upstream: RecordingUpstream, name: str, value: str) -> None:
    """It stays the client's where a rule writes what cannot be one."""
    assert ask_with(server, name, value).status == 200
    (seen,) = upstream.requests
    assert seen.request_line == f"POST /{name}/v1/messages HTTP/1.1".encode()
    assert b"Injected" not in seen.head


@pytest.mark.parametrize(
    "path",
    [
        *("/" + value for value in CONTROLS),
        "?" + CONTROLS[0],
        "#fragment",
        "/a b",
        "@evil.example/",
        ".evil.example/",
        "\\@evil.example",
    ],
)
def test_a_url(server: ServerProcess, upstream: RecordingUpstream, path: str) -> None:
    """No character that would end the line, and no trick that would leave the declared origin."""
    assert ask_with(server, "url", upstream.url + path).status == 200
    (seen,) = upstream.requests
    assert seen.request_line == b"POST /url/v1/messages HTTP/1.1"
    assert seen.values(b"host") == [upstream.place.encode()]


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "http://127.0.0.1:1/", "file:///etc/passwd", "//evil.example", ""]
)
def test_an_origin_that_is_not_declared(server: ServerProcess, upstream: RecordingUpstream, url: str) -> None:
    """Whatever a rule computes, only declared upstreams are asked."""
    assert ask_with(server, "url", url).status == 200
    assert upstream.requests[0].request_line == b"POST /url/v1/messages HTTP/1.1"


@pytest.mark.parametrize("value", ["a\r\nInjected: 1", "a b&c=d#e", "é%41"])
def test_a_query_is_encoded(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """A value may hold anything but NUL: it is data there, and encoded once."""
    assert ask_with(server, "query", value).status == 200
    (seen,) = upstream.requests
    target = seen.request_line.split(b" ")[1]
    path, _, query = target.decode().partition("?")
    assert path == "/query/v1/messages"
    assert parse_qs(query) == {"a": [value]}
    assert seen.values(b"injected") == []


def test_a_query_without_nul(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """`%00` does not leave in any part of a URL that a rule wrote."""
    assert ask_with(server, "query", "a\0b").status == 200
    assert upstream.requests[0].request_line == b"POST /query/v1/messages HTTP/1.1"


@pytest.mark.parametrize("value", CONTROLS)
def test_an_answers_header(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """No response splitting either: the rule is undone and the answer arrives."""
    given = ask_with(server, "answer", value)
    assert (given.status, given.body) == (200, b"ok")
    assert given.values(b"x-mark") == []
    assert given.values(b"injected") == []


@pytest.mark.parametrize("value", CONTROLS)
def test_a_header_of_an_answer_of_our_own(server: ServerProcess, upstream: RecordingUpstream, value: str) -> None:
    """Nothing goes out that a rule's text could break out of; the upstream is not asked instead."""
    given = ask_with(server, "respond", value)
    assert given.values(b"injected") == []
    assert given.values(b"x-mark") == []
    assert given.status == 502
    assert "x-mark" in error_of(given)["message"]
    assert not upstream.requests


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[1]", b'"text"', b'{"a":', b"\xff"])
def test_no_body_to_edit(server: ServerProcess, upstream: RecordingUpstream, body: bytes) -> None:
    """A rule that needs an object: what is none passes as it came."""
    assert ask(server, "/body/v1/messages", body).status == 200
    assert upstream.requests[0].body == body


@pytest.mark.parametrize(
    ("path", "openai"), [("/v1/messages", False), ("/v1/chat/completions", True), ("/v1/responses", True)]
)
def test_a_body_over_the_limit(server: ServerProcess, upstream: RecordingUpstream, path: str, openai: bool) -> None:
    """413 in the client's format; nothing of it reaches the upstream."""
    given = ask(server, path, b"x" * 100_001)
    assert given.status == 413
    error = json.loads(given.body)["error"]
    assert error["message"] == "the request's body is longer than 100000 bytes"
    assert error["type"] == "request_too_large"
    assert ("code" in error) is openai
    assert not upstream.requests
    assert ask(server, path, b"x" * 100_000).status == 200


@pytest.mark.parametrize(
    ("name", "said"),
    [("refused", "cannot connect to 127.0.0.1:{port}: connection refused"), ("unknown", "no-such-host.invalid")],
)
@pytest.mark.parametrize("ending", ["messages", "chat/completions"])
def test_an_upstream_that_is_not_there(
    server: ServerProcess, upstream: RecordingUpstream, closed_port: int, name: str, said: str, ending: str
) -> None:
    """502 that names it, in the format of whoever asked."""
    given = ask(server, f"/{name}/v1/{ending}")
    assert given.status == 502
    body = json.loads(given.body)
    assert said.format(port=closed_port) in body["error"]["message"]
    assert body["error"]["type"] == "api_error"
    assert ("type" in body) is (ending == "messages")
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_an_upstream_that_resets(server: ServerProcess, upstream: RecordingUpstream, path: str) -> None:
    """502 that names it; the next request finds it again."""
    upstream.answer = lambda _: (Reset(),)
    given = ask(server, path)
    assert given.status == 502
    assert upstream.place in json.loads(given.body)["error"]["message"]
    upstream.answer = lambda _: (OK,)
    assert ask(server, path).status == 200


def test_a_rule_that_fails_is_told_of(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Its verdicts are counted in the status, its reason stands in the log once, not with each request."""
    for _ in range(3):
        ask_with(server, "rawpath", "nonsense")
    with RawClient(server.port) as client:
        client.send(b"GET /_ruleproxy/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        verdicts = json.loads(client.read_answer().body)["verdicts"]
    assert verdicts["a raw path"]["failed"] >= 3
    assert server.log.count(b"'nonsense' cannot be a path") == 1
