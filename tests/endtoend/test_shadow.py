"""`serve --shadow`: a second set of rules on real traffic, compared and counted, nothing of it applied."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ruleproxy.captures.reading import read_capture
from support.golden import run_ruleproxy
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import ServerProcess, server_process

LIVE = """\
rule "audit keys" on request
when request.path == "/v1/messages" then
  inject { audit = "live" } into request.body
end
"""
SHADOW = """\
rule "audit keys" on request
when request.path == "/v1/messages" then
  inject { audit = "shadow", team = "a" } into request.body
end

rule "no drinks" on response
when response.status == 418 then
  rewrite response.status = 400
end

rule "every text" on event
when event.type == "content_block_delta" then
  rewrite event.data.delta.text = "masked"
end
"""
STREAM = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"text":"hello"}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def answer(request: ReceivedRequest) -> Script:
    if b"/stream" in request.request_line:
        body, kind, status = STREAM, b"text/event-stream", b"200 OK"
    else:
        body, kind, status = b"{}", b"application/json", b"418 Teapot" if b"/tea" in request.request_line else b"200 OK"
    return (b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body),)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("rules", LIVE), ("next", SHADOW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "10.rules").write_text(text)
    return tmp_path


def shadow_status(proxy: ServerProcess, compared: int) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        told: dict[str, Any] = httpx.get(f"{proxy.url}/_ruleproxy/status", timeout=30).json()["shadow"]
        if told["compared"] >= compared:
            return told
        assert time.monotonic() < deadline, (told, proxy.log.decode())
        time.sleep(0.02)


FAILS = """\
rule "audit keys" on request
when request.path == "/v1/messages" then
  inject { audit = "live" } into request.body
end

rule "breaks on numbers" on request
when request.path == "/v1/messages" then
  rewrite request.headers["x-user"] = "u-" .. (request.body.number ?? "")
end

rule "refuses numbers" on response, required then
  rewrite response.headers["x-user"] = "u-" .. (original.request.body.number ?? "")
end
"""


def test_rules_that_fail_in_the_shadow_are_told_and_harm_nobody(folder: Path, upstream: RecordingUpstream) -> None:
    """The client's answer is the live rules'; the page counts failures, the log names rule, place and reason."""
    (folder / "next" / "10.rules").write_text(FAILS)
    with server_process(folder, upstream.url, "--shadow", "next") as proxy:
        for number in (1, 2, "three"):
            done = httpx.post(f"{proxy.url}/v1/messages", json={"model": "m", "number": number}, timeout=30)
            assert (done.status_code, done.content) == (200, b"{}")
        told = shadow_status(proxy, 3)
        found = {(d["where"], d["before"], d["after"]): (d["exchanges"], d["rules"]) for d in told["differences"]}
        assert found['rule "breaks on numbers"', "did not fail", "failed"] == (2, [])
        assert found["status", "200", "502"] == (2, ["refuses numbers"])
        assert proxy.log.count(b'rule "breaks on numbers" (next/10.rules:6) failed: RP510 at 8:3') == 1
    assert all(b"x-user" not in request.head for request in upstream.requests)


def test_differences_are_counted_by_rule_and_nothing_is_applied(folder: Path, upstream: RecordingUpstream) -> None:
    """Upstream and client get what the live rules make; the page says what the others would have changed, and where."""
    with server_process(folder, upstream.url, "--shadow", "next", "--shadow-record", "samples") as proxy:
        for _ in range(5):
            httpx.post(f"{proxy.url}/v1/messages", json={"model": "m"}, timeout=30)
        assert httpx.post(f"{proxy.url}/tea", json={}, timeout=30).status_code == 418
        assert httpx.post(f"{proxy.url}/stream", json={}, timeout=30).content == STREAM
        httpx.post(f"{proxy.url}/other", json={}, timeout=30)
        told = shadow_status(proxy, 8)
        proxy.wait_for_log(rb'shadow: \+ request /team  "a"  "audit keys"')
    assert (told["compared"], told["differing"], told["left_out"]) == (8, 7, 0)
    assert told["by_rule"] == {"audit keys": 5, "no drinks": 1, "every text": 1}
    found = {(d["part"], d["kind"], d["where"]): (d["before"], d["after"], d["exchanges"]) for d in told["differences"]}
    assert found == {
        ("request", "~", "/audit"): ('"live"', '"shadow"', 5),
        ("request", "+", "/team"): (None, '"a"', 5),
        ("answer", "~", "status"): ("418", "400", 1),
        ("answer", "~", "event/*/data/delta/text"): ('"hello"', '"masked"', 1),
    }
    assert [json.loads(r.body) for r in upstream.requests[:5]] == [{"model": "m", "audit": "live"}] * 5
    samples = [read_capture(file) for file in sorted((folder / "samples").glob("*.json"))]
    assert len(samples) == 5  # three of the five alike, and one of each other kind
    assert samples[0].trace["shadow"]["differences"][0] == {
        "where": "request /audit",
        "live": '"live"',
        "shadow": '"shadow"',
        "rules": ["audit keys"],
    }
    assert b"shadow: 8 compared, 7 would differ" in proxy.log


def test_shadow_rules_reload(folder: Path, upstream: RecordingUpstream) -> None:
    """A saved edit of them is compared from then on; a broken one is said and changes nothing."""
    with server_process(folder, upstream.url, "--shadow", "next") as proxy:
        (folder / "next" / "10.rules").write_text("rule broken")
        proxy.wait_for_log(rb"not loaded")
        (folder / "next" / "10.rules").write_text(LIVE.replace('"live"', '"new"'))
        proxy.wait_for_log(
            rb"rules [0-9a-f]{7} in force: 1 rule from 1 file\n(?s:.)*rules [0-9a-f]{7} in force: 1 rule"
        )
        httpx.post(f"{proxy.url}/v1/messages", json={}, timeout=30)
        told = shadow_status(proxy, 1)
    assert [(d["where"], d["after"]) for d in told["differences"]] == [("/audit", '"new"')]


def test_the_same_rules_differ_in_nothing(folder: Path, upstream: RecordingUpstream) -> None:
    """A shadow of the live rules finds nothing, retries and failures of the upstream included."""
    with recording_upstream() as gone:
        url = gone.url
    with server_process(folder, url, "--shadow", "rules") as proxy:
        assert httpx.post(f"{proxy.url}/v1/messages", json={}, timeout=30).status_code == 502
        told = shadow_status(proxy, 1)
    assert (told["differing"], told["differences"]) == (0, [])


def test_broken_or_missing_shadow_rules_stop_the_start(folder: Path) -> None:
    """As broken live rules do: 1 for what is wrong, 2 for what is not there."""
    (folder / "next" / "10.rules").write_text("rule broken")
    start = ("serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--shadow")
    broken = run_ruleproxy(folder, *start, "next")
    assert broken.returncode == 1
    assert "the shadow rules are broken: 1 error" in broken.stderr
    missing = run_ruleproxy(folder, *start, "nowhere")
    assert (missing.returncode, missing.stderr) == (2, "ruleproxy: no rules at nowhere: no such file or folder\n")
