"""Secrets that commands and files give, and signatures of AWS, over real sockets."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.golden import run_ruleproxy
from support.recording_upstream import OK, ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import server_process

RULE = """\
rule "the key" on request then
  rewrite request.headers["authorization"] = "Bearer " .. secret("CORP_KEY")
end
"""
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example-secret-key",
    "AWS_SESSION_TOKEN": "session",
}


def rules(folder: Path, text: str) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "10.rules").write_text(text)


def settings(folder: Path, **changes: object) -> str:
    """A command that counts how often it ran and gives what stands in a file."""
    (folder / "key").write_text("first-key-0001")
    script = "import pathlib; c = pathlib.Path('runs'); c.write_text(c.read_text() + 'x' if c.exists() else 'x'); "
    script += "print(pathlib.Path('key').read_text())"
    lines = {"command": [sys.executable, "-c", script], "lifetime": 3600} | changes
    return "[secrets.CORP_KEY]\n" + "".join(f"{name} = {value!r}\n" for name, value in lines.items())


def refuse_old(request: ReceivedRequest) -> Script:
    if request.values(b"authorization") == [b"Bearer first-key-0001"] and b"/expired" in request.request_line:
        return (b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno",)
    return (OK,)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(refuse_old) as running:
        yield running


def keys(upstream: RecordingUpstream) -> list[bytes]:
    return [request.values(b"authorization")[0].removeprefix(b"Bearer ") for request in upstream.requests]


def test_a_command_gives_the_secret_once_for_its_lifetime(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Many requests, one run; no log shows it."""
    rules(tmp_path, RULE)
    with server_process(tmp_path, upstream.url, settings=settings(tmp_path)) as proxy:
        for _ in range(3):
            assert httpx.post(proxy.url, timeout=30).status_code == 200
    assert keys(upstream) == [b"first-key-0001"] * 3
    assert (tmp_path / "runs").read_text() == "x"
    assert b"first-key" not in proxy.log


def test_a_401_has_it_given_anew_once(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The refused request is sent again with the new one, later requests have it from the start."""
    rules(tmp_path, RULE)
    with server_process(tmp_path, upstream.url, settings=settings(tmp_path)) as proxy:
        httpx.post(proxy.url, timeout=30)
        time.sleep(5.1)  # commands are asked again after five seconds at the earliest
        (tmp_path / "key").write_text("second-key-0002")
        assert httpx.post(f"{proxy.url}/expired", content=b"body", timeout=30).status_code == 200
        assert upstream.requests[-1].body == b"body"
        deadline = time.monotonic() + 30
        while keys(upstream)[-2:] != [b"second-key-0002"] * 2:
            assert time.monotonic() < deadline
            httpx.post(proxy.url, timeout=30)
    assert keys(upstream)[:3] == [b"first-key-0001", b"first-key-0001", b"second-key-0002"]
    assert b"sent again with CORP_KEY given anew" in proxy.log
    assert b"second-key" not in proxy.log


def test_a_secret_that_stays_refused_is_not_asked_for_again_and_again(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """The 401 is the client's; the command ran once at the start and not for each refusal."""
    rules(tmp_path, RULE)
    with server_process(tmp_path, upstream.url, settings=settings(tmp_path)) as proxy:
        answers = [httpx.post(f"{proxy.url}/expired", timeout=30).status_code for _ in range(3)]
    assert answers == [401, 401, 401]
    assert len(upstream.requests) == 3
    assert (tmp_path / "runs").read_text() == "x"


def test_a_lifetime_ends(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """What the command gives then is used by the requests that follow."""
    rules(tmp_path, RULE)
    with server_process(tmp_path, upstream.url, settings=settings(tmp_path, lifetime=0.2)) as proxy:
        httpx.post(proxy.url, timeout=30)
        (tmp_path / "key").write_text("second-key-0002")
        deadline = time.monotonic() + 30
        while keys(upstream)[-1] != b"second-key-0002":
            assert time.monotonic() < deadline
            httpx.post(proxy.url, timeout=30)
    assert keys(upstream)[0] == b"first-key-0001"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": ["false"]}, "secret CORP_KEY: its command false ended with 1"),
        ({"command": ["no-such-program"]}, "its command no-such-program cannot be run: no such file or directory"),
        ({"command": ["sleep", "30"], "timeout": 0.2}, "its command sleep gave nothing in 0.2 s"),
        ({"command": ["printf", "a\nb"]}, "gave more than one line"),
        ({"command": ["true"]}, "gave nothing"),
    ],
)
def test_a_command_that_gives_none_stops_the_start(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    """The rule that wants the secret is shown, and why there is none."""
    rules(tmp_path, RULE)
    (tmp_path / "ruleproxy.toml").write_text(settings(tmp_path, **changes))
    done = run_ruleproxy(tmp_path, "serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0")
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "rules/10.rules:1:" in done.stderr


SIGNED = """\
rule "another name" on request then
  inject { added = true } into request.body
  rewrite upstream.sign = "aws"
end
"""


def test_a_signature_is_made_after_the_last_edit(tmp_path: Path) -> None:
    """What arrives verifies: the target as it was spelled, the edited body, the date, the token."""
    rules(tmp_path, SIGNED)
    with recording_upstream() as upstream:
        route = f'[upstreams.main]\nurl = "{upstream.url}"\nregion = "eu-west-1"\nservice = "bedrock"\n'
        (tmp_path / "ruleproxy.toml").write_text(route)
        with server_process(tmp_path, f"main={upstream.url}", settings=route, environment=AWS) as proxy:
            path = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke?b=2&a=1%20x"
            headers = {"authorization": "AWS4-HMAC-SHA256 Credential=client", "x-amz-date": "20200101T000000Z"}
            answer = httpx.post(proxy.url + path, json={"a": 1}, headers=headers, timeout=30)
            assert answer.status_code == 200, answer.text
        (received,) = upstream.requests
    assert received.body == b'{"a":1,"added":true}'
    (authorization,) = received.values(b"authorization")
    (date,) = received.values(b"x-amz-date")
    assert received.values(b"x-amz-security-token") == [b"session"]
    found = re.fullmatch(rb"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=(\w+)", authorization)
    assert found is not None
    assert found[1] == b"AKIDEXAMPLE/%b/eu-west-1/bedrock/aws4_request" % date[:8]
    names = found[2].decode().split(";")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
    signer = SigV4Auth(
        Credentials(AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"], AWS["AWS_SESSION_TOKEN"]),
        "bedrock",
        "eu-west-1",
    )
    target = received.request_line.split(b" ")[1].decode()
    assert target == path
    values = {name: received.values(name.encode())[0].decode() for name in names}
    request = AWSRequest("POST", f"{upstream.url}{target}", values, received.body)
    request.context["timestamp"] = date.decode()
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == found[3].decode()


def test_what_cannot_be_signed_is_not_sent(tmp_path: Path) -> None:
    """Without a region or credentials the client is told why, and nothing goes out."""
    rules(tmp_path, SIGNED)
    with recording_upstream() as upstream:
        with server_process(tmp_path, upstream.url, environment=AWS) as proxy:
            answer = httpx.post(f"{proxy.url}/v1/messages", json={}, timeout=30)
        assert answer.status_code == 500
        assert "127.0.0.1 does not tell its region (upstreams.default.region does)" in answer.text
        assert upstream.requests == []
