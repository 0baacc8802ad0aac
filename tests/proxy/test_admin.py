"""The control pages: for this machine only."""

from __future__ import annotations

import orjson
import pytest

from ruleproxy.proxy.admin import is_local_host, is_loopback
from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import RecordingUpstream


def get(client: RawClient, path: str, host: str) -> RawAnswer:
    client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client.read_answer(method="GET")


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:80"])
def test_the_status_page_tells_what_runs(client: RawClient, upstream: RecordingUpstream, host: str) -> None:
    """As JSON, to whoever calls this machine by a loopback name."""
    answer = get(client, "/_ruleproxy/status", host)
    status = orjson.loads(answer.body)
    assert answer.status == 200
    assert status["upstreams"] == {"default": upstream.url}
    assert "version" in status


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(
    client: RawClient, upstream: RecordingUpstream, host: str
) -> None:
    """A browser that follows a rebound name says that name in `Host`."""
    answer = get(client, "/_ruleproxy/status", host)
    assert answer.status == 403
    assert b"upstreams" not in answer.body


def test_control_paths_never_reach_the_upstream(client: RawClient, upstream: RecordingUpstream) -> None:
    """Unknown ones are 404 here, those asked in another way 405, and both name the pages that there are."""
    for path, status in (("/_ruleproxy/x", 404), ("/_ruleproxy/", 404), ("/_ruleproxy/recording/on", 405)):
        answer = get(client, path, "localhost")
        assert answer.status == status
        assert "GET /_ruleproxy/status" in orjson.loads(answer.body)["pages"]
    assert upstream.requests == []


def test_loopback_is_judged_by_number() -> None:
    """Addresses of the loopback networks, and nothing else."""
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert not is_loopback("192.0.2.1")
    assert not is_loopback("localhost")
    assert not is_local_host("[::2]")
