"""What has passed is counted: on the status page, and as metrics that a Prometheus client reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import Close, RecordingUpstream, Reset, WaitFor, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = """
edition 1

rule "without extra" on response
when response.status == 400 then
  strip request.body.extra
  retry
end

rule "breaks \\"now and then\\"" on request
when request.body.extra ~= nil then
  rewrite request.raw_path = request.body.value ?? "nonsense"
end
"""
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 90\r\n\r\ndata: 1\n\n"


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture
def server(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text(RULES)
    with server_process(tmp_path, upstream.url) as server:
        yield server


def ask(server: ServerProcess, body: bytes) -> RawAnswer:
    with RawClient(server.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return client.read_answer()


def get(server: ServerProcess, page: str) -> bytes:
    with RawClient(server.port) as client:
        client.send(f"GET /_ruleproxy/{page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client.read_answer(method="GET").body


def read_metrics(server: ServerProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(get(server, "metrics").decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_retries_and_statuses_are_counted(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Retries by number and by request, statuses as clients saw them, verdicts by rule; the page says the same."""
    upstream.answer = lambda request: (REFUSED,) if b"extra" in request.body else (OK,)
    assert ask(server, b'{"extra":1}').status == 200
    assert ask(server, b"{}").status == 200
    upstream.answer = lambda _: (Reset(),)
    assert ask(server, b"{}").status == 502
    metrics = read_metrics(server)
    none: frozenset[tuple[str, str]] = frozenset()
    assert metrics["ruleproxy_requests_total", frozenset({("status", "200")})] == 2
    assert metrics["ruleproxy_requests_total", frozenset({("status", "502")})] == 1
    assert metrics["ruleproxy_retries_total", none] == 1
    assert metrics["ruleproxy_requests_retried_total", none] == 1
    assert metrics["ruleproxy_first_byte_seconds_count", none] == 3
    assert metrics["ruleproxy_response_seconds_bucket", frozenset({("le", "+Inf")})] == 3
    assert metrics["ruleproxy_response_seconds_sum", none] > 0
    assert metrics["ruleproxy_rules", none] == 2
    assert metrics["ruleproxy_rules_rejected", none] == 0
    changed = frozenset({("rule", "without extra"), ("verdict", "changed")})
    assert metrics["ruleproxy_rule_verdicts_total", changed] == 1
    failed = frozenset({("rule", 'breaks "now and then"'), ("verdict", "failed")})
    assert metrics["ruleproxy_rule_verdicts_total", failed] == 1
    requests = json.loads(get(server, "status"))["requests"]
    assert requests == {"in_progress": 0, "answered": {"200": 2, "502": 1}, "cut": 0, "retried": 1, "retries": 1}


def test_answers_under_way_and_cut_are_counted(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """One that waits is in progress; one that ends early is counted, though its status was 200."""
    go_on = threading.Event()
    upstream.answer = lambda _: (HALF, WaitFor(go_on), Close())
    with RawClient(server.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        upstream.wait_until(lambda seen: bool(seen.requests))
        assert json.loads(get(server, "status"))["requests"]["in_progress"] == 1
        go_on.set()
        client.read_all()
    server.wait_for_log(rb"\(.*cut\)")
    requests = json.loads(get(server, "status"))["requests"]
    assert requests["in_progress"] == 0
    assert requests["cut"] == 1
    assert requests["answered"] == {"200": 1}


def test_rejected_rules_show(server: ServerProcess, tmp_path: Path) -> None:
    """While the files are wrong and older rules stay in force an alarm can be raised."""
    (tmp_path / "rules" / "1.rules").write_text("edition 1\nrule")
    server.wait_for_log(rb"not loaded")
    assert read_metrics(server)["ruleproxy_rules_rejected", frozenset()] == 1


def test_pages_are_read_only_on_this_machine(server: ServerProcess) -> None:
    """A name that was made to point here gets nothing."""
    with RawClient(server.port) as client:
        client.send(b"GET /_ruleproxy/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        answer = client.read_answer(method="GET")
    assert answer.status == 403
    assert b"ruleproxy_" not in answer.body
