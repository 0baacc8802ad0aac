"""Secrets planted wherever one can stand are in no file, log or output that was written, not even in base64."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from ruleproxy.wire.bedrock import encode_chunk
from support.golden import run_ruleproxy
from support.recording_upstream import Close, Pause, ReceivedRequest, Script, recording_upstream
from support.server_process import ServerProcess, server_process

PLANTED = {
    "header": "corp-H3ader-k3y-9f8e7d6c5b4a",
    "bearer": "tok-B3arer-77aa66bb55cc44dd",
    "cookie": "s3ssion-C00kie-1a2b3c4d5e6f",
    "query": "qu3ry-K3y-0a1b2c3d4e5f6a7b",
    "text": "sk-ant-api03-" + "T3xt" * 12,
    "member": "m3mber-S3cret-a1b2c3d4e5f6",
    "rule": "rul3-S3cret-f6e5d4c3b2a1",
    "parameter": "p4rameter-S3cret-12ab34cd56ef",
    "shadow": "sh4dow-S3cret-ab12cd34ef56",
    "delta": "ghp_" + "D3lta" * 8,
    "replay": "r3play-Corporate-K3y-aa11bb22cc33",
}

RULES = """\
local corporate = secret("CORP_KEY")

use "corp/keys" with { token = secret("PACK_TOKEN") }

rule "the corporate key" on request then
  rewrite request.headers["x-corp-key"] = corporate
  rewrite request.query.corp = corporate
end

rule "what went wrong" on response
when not response.streamed and response.status >= 400 then
  note "refused: " .. (response.body.error.message ?? "")
  inject { seen = true } into response.body
end

test "a snapshot"
  given request from "../captures/one.json"
  expect snapshot "one.expected.json"
end
"""
PACK = """\
name = "corp/keys"
version = "1.0.0"
edition = 1
description = "a token that a gateway wants"

[parameters.token]
type = "string"
"""
PACK_RULES = """\
rule "the pack's token" on request then
  rewrite request.headers["x-pack-token"] = "Token " .. parameters.token
end
"""
SHADOW = """\
rule "another key" on request then
  rewrite request.headers["x-corp-key"] = secret("SHADOW_KEY")
  inject { copied = request.headers["x-api-key"] ?? "" } into request.body
end
"""


def echo(request: ReceivedRequest) -> Script:
    """A gateway that repeats everything: credentials in errors, in base64, and cut in two across stream deltas."""
    # What a client or `replay` gives in the head is repeated to who sent it: nobody else could know it.
    given = {"header", "bearer", "cookie", "query", "replay"}
    heard = " ".join(secret for name, secret in PLANTED.items() if name not in given or secret.encode() in request.head)
    if b"/stream" in request.request_line:
        halves = [heard[start : start + 7] for start in range(0, len(heard), 7)]
        frames = [
            f"data: {json.dumps({'type': 'content_block_delta', 'delta': {'type': 'text_delta', 'text': half}})}\n\n"
            for half in halves
        ]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Echo: %b\r\n\r\n" % PLANTED["header"].encode()
        return (head, *(frame.encode() for frame in frames), Pause(0.01), Close())
    packed = base64.b64encode(f"the key is {heard}, no?".encode()).decode()
    body = json.dumps({"error": {"type": "authentication_error", "message": f"invalid key {heard}"}, "raw": packed})
    refusal = f"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nX-Echo: {PLANTED['rule']}\r\n"
    return (f"{refusal}Content-Length: {len(body)}\r\n\r\n{body}".encode(),)


def spellings(secret: str) -> Iterator[bytes]:
    """A secret as it is, percent-encoded, and the part of its base64 that does not depend on what stands around it."""
    data = secret.encode()
    yield data
    yield quote(secret, safe="").encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data + b"\0" * ((-len(data) - offset) % 3))
        inner = encoded[4 if offset else 0 : len(encoded) - 4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def hunt(written: dict[str, bytes], planted: Mapping[str, str] = PLANTED) -> list[str]:
    return [
        f"{name} ({kind}) in {place}"
        for place, text in written.items()
        for name, secret in planted.items()
        for kind, spelled in enumerate(spellings(secret))
        if spelled in text
    ]


def test_the_hunter_finds_what_is_there() -> None:
    """Plain, in a query, and in base64 at any offset."""
    for name, secret in PLANTED.items():
        for start in ("", "a", "ab"):
            packed = base64.b64encode(f"{start}{secret} and more".encode())
            assert any(found.startswith(name) for found in hunt({"x": packed}))
        assert hunt({"x": secret.encode()})


def ask(proxy: ServerProcess) -> None:
    headers = {
        "x-api-key": PLANTED["header"],
        "authorization": f"Bearer {PLANTED['bearer']}",
        "cookie": f"session={PLANTED['cookie']}",
    }
    packed = base64.b64encode(f"export KEY={PLANTED['text']}\n".encode()).decode()
    body = {
        "model": "m",
        "client_secret": PLANTED["member"],
        "messages": [
            {"role": "user", "content": f"use {PLANTED['text']} please"},
            {"role": "user", "content": [{"type": "text", "text": packed}, {"type": "text", "text": PLANTED["delta"]}]},
        ],
    }
    for path in ("/v1/messages", "/stream"):
        url = f"{proxy.url}{path}?api_key={PLANTED['query']}"
        httpx.post(url, json=body, headers=headers, timeout=30)


def test_nothing_that_was_written_holds_a_secret(tmp_path: Path) -> None:
    """Captures, shadow samples, logs, control pages, traces, reports, accepted outcomes and snapshots."""
    for name, text in (("rules/10.rules", RULES), ("next/10.rules", SHADOW), ("rules/corp/10.rules", PACK_RULES)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "rules" / "corp" / "pack.toml").write_text(PACK)
    secrets = {
        "CORP_KEY": PLANTED["rule"],
        "PACK_TOKEN": PLANTED["parameter"],
        "SHADOW_KEY": PLANTED["shadow"],
        "REPLAY_KEY": PLANTED["replay"],
    }
    written: dict[str, bytes] = {}
    with recording_upstream(echo) as upstream:
        arguments = ("--record", "captures", "--shadow", "next", "--shadow-record", "samples")
        with server_process(tmp_path, upstream.url, *arguments, environment=secrets) as proxy:
            ask(proxy)
            deadline = time.monotonic() + 30
            while (status := httpx.get(f"{proxy.url}/_ruleproxy/status").json())["shadow"]["compared"] < 2 or status[
                "recording"
            ]["written"] < 2:
                assert time.monotonic() < deadline, status
                time.sleep(0.02)
            written["the status page"] = json.dumps(status).encode()
        assert PLANTED["parameter"].encode() in upstream.requests[0].head  # it was planted, and did go out
        assert PLANTED["rule"].encode() in upstream.requests[0].head
        replayed = ("--upstream", upstream.url, "--header", "x-api-key: ${REPLAY_KEY}", "--header")
        for exact in ((), ("--exact",)):
            arguments = ("replay", "captures", *replayed, f"cookie: id={PLANTED['cookie']}", *exact)
            done = run_ruleproxy(tmp_path, *arguments, **secrets)
            assert done.stdout.count("\n") > 2
            written[f"replay {exact}"] = (done.stdout + done.stderr).encode()
        assert PLANTED["replay"].encode() in upstream.requests[-1].head
    captures = sorted((tmp_path / "captures").glob("*.json"))
    assert len(captures) == 2
    assert list((tmp_path / "samples").glob("*.json"))
    captures[0].rename(tmp_path / "captures" / "one.json")
    for command in (
        ("explain", "captures/one.json"),
        ("explain", "captures/one.json", "--format", "json"),
        ("test", "--accept"),
        ("test", "--captures", "captures"),
        ("test", "--captures", "captures", "--accept"),
        ("test", "--captures", "samples", "--format", "json"),
        ("test", "--captures", "samples", "--format", "junit"),
        ("diff", "rules", "next", "--captures", "captures"),
        ("diff", "rules", "next", "--captures", "captures", "--format", "json"),
        ("effects",),
        ("list",),
        ("check",),
    ):
        done = run_ruleproxy(tmp_path, *command, **secrets)
        assert done.returncode in (0, 1), (command, done.stderr)
        assert "Traceback" not in done.stderr
        written[" ".join(command)] = (done.stdout + done.stderr).encode()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    written |= {str(file.relative_to(tmp_path)): file.read_bytes() for file in files}
    assert any(name.endswith("one.expected.json") for name in written)
    assert "serve.log" in written
    assert not (found := hunt(written)), "\n".join(found)


AWS = {"secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYm4d3UpKeyXX", "token": "IQoJb3JpZ2luM4d3Up" + "T0k3n/Abc+" * 12}
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAM4D3UPM4D3UPM4D3",
    "AWS_SECRET_ACCESS_KEY": AWS["secret key"],
    "AWS_SESSION_TOKEN": AWS["token"],
    "AWS_EC2_METADATA_DISABLED": "true",
}
SIGNED_RULES = """\
rule "what went wrong" on response
when not response.streamed and response.status >= 400 then
  note "refused: " .. (response.body.message ?? "")
  inject { seen = true } into response.body
end
"""


def repeat_signature(request: ReceivedRequest) -> Script:
    """An AWS that repeats what it was sent in errors, in a header, and in the frames of a stream."""
    heard = request.head.decode("latin-1")
    signature = request.values(b"authorization")[0]
    if b"with-response-stream" in request.request_line:
        pieces = [heard[start : start + 11] for start in range(0, len(heard), 11)]
        deltas = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}} for piece in pieces]
        frames = b"".join(encode_chunk(json.dumps(delta).encode()) for delta in deltas)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nX-Echo: %b\r\n\r\n" % signature
        return (head + frames, Pause(0.01), Close())
    packed = base64.b64encode(heard.encode()).decode()
    (token,) = request.values(b"x-amz-security-token")
    message = f"The security token {token.decode()} included in the request is invalid: {heard}"
    body = json.dumps({"message": message, "raw": packed}).encode()
    refusal = b"HTTP/1.1 403 No\r\nContent-Type: application/json\r\nX-Echo: %b\r\nContent-Length: %d\r\n\r\n%b"
    return (refusal % (token, len(body), body),)


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_of_a_signature_is_written(tmp_path: Path, form: str) -> None:
    """Made with AWS's keys after the last edit, and repeated by an upstream: no token, no signature anywhere."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "10.rules").write_text(SIGNED_RULES)
    written: dict[str, bytes] = {}
    with recording_upstream(repeat_signature) as upstream:
        settings = f'[upstreams.aws]\nurl = "{upstream.url}"\nsign = "aws"\nregion = "eu-west-1"\n'
        arguments = ("--record", "captures", "--log-format", form)
        with server_process(
            tmp_path, f"aws={upstream.url}", *arguments, settings=settings, environment=AWS_ENVIRONMENT
        ) as proxy:
            for path in ("/model/m/invoke", "/model/m/invoke-with-response-stream"):
                body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": []}
                httpx.post(f"{proxy.url}{path}", json=body, timeout=30)
            deadline = time.monotonic() + 30
            while (status := httpx.get(f"{proxy.url}/_ruleproxy/status").json())["recording"]["written"] < 2:
                assert time.monotonic() < deadline, status
                time.sleep(0.02)
            written["the status page"] = json.dumps(status).encode()
        for exact in ((), ("--exact",)):
            done = run_ruleproxy(tmp_path, "replay", "captures", "--upstream", f"aws={upstream.url}", *exact,
                                 **AWS_ENVIRONMENT)  # fmt: skip
            assert done.returncode in (0, 1), done.stderr
            written[f"replay {exact}"] = (done.stdout + done.stderr).encode()
        signatures = [request.values(b"authorization")[0].decode() for request in upstream.requests]
        assert len(signatures) == 6
        assert AWS["token"].encode() in upstream.requests[0].head
    for command in (("test", "--captures", "captures"), ("test", "--captures", "captures", "--accept")):
        done = run_ruleproxy(tmp_path, *command)
        written[" ".join(command)] = (done.stdout + done.stderr).encode()
    written |= {str(file): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    planted = AWS | {f"signature {n}": text.partition("Signature=")[2] for n, text in enumerate(signatures)}
    assert any(b'"frames"' in text for text in written.values())
    assert not (found := hunt(written, planted)), "\n".join(found)
