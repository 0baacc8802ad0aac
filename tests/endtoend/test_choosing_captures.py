"""Which exchanges `serve --record` writes: a part of them, those that fit, while it is switched on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ruleproxy.captures.reading import read_capture
from support.golden import run_ruleproxy
from support.recording_upstream import ReceivedRequest, RecordingUpstream, Script, recording_upstream
from support.server_process import ServerProcess, server_process


def answer(request: ReceivedRequest) -> Script:
    status = b"429 Slow" if b"/limited" in request.request_line else b"200 OK"
    return (b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % status,)


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream(answer) as running:
        yield running


def ask(proxy: ServerProcess, *paths: str) -> None:
    for path in paths:
        httpx.post(f"{proxy.url}{path}", json={"model": "m"}, timeout=30)


def status(proxy: ServerProcess) -> dict[str, object]:
    told: dict[str, object] = httpx.get(f"{proxy.url}/_ruleproxy/status", timeout=30).json()["recording"]
    return told


def wait_for(proxy: ServerProcess, **expected: object) -> None:
    deadline = time.monotonic() + 30
    while {name: status(proxy)[name] for name in expected} != expected:
        assert time.monotonic() < deadline, status(proxy)
        time.sleep(0.02)


def recorded(folder: Path) -> list[str]:
    return sorted(read_capture(file).request.path.decode() for file in folder.glob("*.json"))


def test_only_what_fits_a_condition(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A condition of the language over request and answer chooses; the others are counted."""
    condition = 'request.path == "/limited" and response.status == 429 and request.body.model == "m"'
    with server_process(tmp_path, upstream.url, "--record", "captures", "--record-only", condition) as proxy:
        ask(proxy, "/v1/messages", "/limited", "/other")
        wait_for(proxy, written=1, unfit=2)
    assert recorded(tmp_path / "captures") == ["/limited"]


def test_failures_and_requests_may_be_asked_for(tmp_path: Path) -> None:
    """Where the upstream did not answer, a condition on failures still fits."""
    with recording_upstream() as gone:
        url = gone.url
    condition = 'failure.kind == "refused"'
    with server_process(tmp_path, url, "--record", "captures", "--record-only", condition) as proxy:
        ask(proxy, "/v1/messages")
        wait_for(proxy, written=1, unfit=0)
    assert recorded(tmp_path / "captures") == ["/v1/messages"]


def test_a_part_of_the_traffic(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Every fourth exchange of eight are two."""
    with server_process(tmp_path, upstream.url, "--record", "captures", "--record-sample", "0.25") as proxy:
        ask(proxy, *(f"/{number}" for number in range(1, 9)))
        wait_for(proxy, written=2)
    assert recorded(tmp_path / "captures") == ["/4", "/8"]


def test_the_switch(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Nothing is written while it is off; web pages may not turn it."""
    with server_process(tmp_path, upstream.url, "--record", "captures", "--record-paused") as proxy:
        switch = f"{proxy.url}/_ruleproxy/recording"
        ask(proxy, "/off")
        assert status(proxy)["on"] is False
        assert httpx.post(f"{switch}/on", headers={"Origin": "http://127.0.0.1"}).status_code == 403
        assert status(proxy)["on"] is False
        assert httpx.post(f"{switch}/on").json()["recording"]["on"] is True
        ask(proxy, "/on")
        assert httpx.post(f"{switch}/off").status_code == 200
        ask(proxy, "/off-again")
        assert httpx.post(f"{switch}/sideways").status_code == 404
        wait_for(proxy, written=1, on=False)
    assert recorded(tmp_path / "captures") == ["/on"]
    with server_process(tmp_path, upstream.url) as proxy:
        assert httpx.post(f"{proxy.url}/_ruleproxy/recording/on").status_code == 409


def test_settings_of_the_file(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The same stands in ruleproxy.toml; a limit of one file is kept."""
    settings = 'record = "kept"\n[recording]\nfiles = 1\nonly = """request.path ~= "/a\\""""\n'
    with server_process(tmp_path, upstream.url, settings=settings) as proxy:
        ask(proxy, "/a", "/b", "/c")
        wait_for(proxy, written=1, unfit=1, full=True)
    assert recorded(tmp_path / "kept") == ["/b"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('request.pth == "/x"', "RP202"),
        ("request.path", "RP301"),
        ('request.path == "/x" then stop end', "RP101"),
        ("", "RP101"),
    ],
)
def test_a_bad_condition_is_usage(tmp_path: Path, condition: str, said: str) -> None:
    """It is shown like any other mistake in rules, before anything is served."""
    done = run_ruleproxy(
        tmp_path, "serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--record", "captures",
        "--record-only", condition or " ",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"error[{said}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not json.dumps(done.stdout).strip('"')


@pytest.mark.parametrize(("flag", "value"), [("--record-sample", "2"), ("--record-files", "0"), ("--record-body", "x")])
def test_bad_numbers_are_usage(tmp_path: Path, flag: str, value: str) -> None:
    """The flag is named as it was given."""
    done = run_ruleproxy(tmp_path, "serve", "--upstream", "http://127.0.0.1:9", "--record", "captures", flag, value)
    assert done.returncode == 2
    assert f"({flag}): expected" in done.stderr
