"""Answers reach the client as they came; what cannot be completed is visibly cut."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path

import orjson
import pytest

from support.raw_client import RawAnswer, RawClient
from support.recording_upstream import (
    OK,
    AwaitClose,
    Close,
    Pause,
    RecordingUpstream,
    Reset,
    Script,
    Step,
    WaitFor,
)
from support.server_process import ServerProcess, server_process


def answer_with(upstream: RecordingUpstream, *script: Step) -> None:
    upstream.answer = lambda _request: script


def error_of(answer: RawAnswer) -> str:
    body = orjson.loads(answer.body)
    assert body["type"] == "error"
    message: str = body["error"]["message"]
    return message


def test_headers_come_back_with_spelling_order_and_repetition(client: RawClient, upstream: RecordingUpstream) -> None:
    """And no second Date or Server is added."""
    lines = [
        b"Date: Sat, 21 Nov 2026 11:00:00 GMT",
        b"SERVER: gateway",
        b"Set-Cookie: a=1",
        b"X-Latin: \xe4",
        b"set-cookie: b=2",
        b"Content-Length: 2",
        b"request-id: r",
    ]
    answer_with(upstream, b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines) + b"\r\n\r\nok")
    answer = client.ask()
    assert answer.header_lines == lines
    assert answer.body == b"ok"


def test_nothing_is_added_to_a_bare_answer(client: RawClient, upstream: RecordingUpstream) -> None:
    """No date, no server, no content type."""
    assert client.ask().header_lines == [b"Content-Length: 2"]


def test_hop_by_hop_headers_of_the_upstream_stay_here(client: RawClient, upstream: RecordingUpstream) -> None:
    """`Connection` cannot make the proxy drop the length, which would let a body run into the next answer."""
    answer_with(
        upstream,
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, x-private, content-length\r\nKeep-Alive: timeout=5\r\n"
        b"X-Private: 1\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: x\r\nContent-Length: 2\r\n\r\nok",
    )
    assert client.ask().header_lines == [b"Content-Length: 2"]


def test_compressed_bytes_are_not_touched(client: RawClient, upstream: RecordingUpstream) -> None:
    """gzip stays gzip, with its length."""
    body = gzip.compress(b"hello" * 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer_with(upstream, head + body)
    answer = client.ask()
    assert answer.body == body
    assert answer.values(b"content-encoding") == [b"gzip"]


def test_bodies_without_length_end_where_they_end(client: RawClient, upstream: RecordingUpstream) -> None:
    """Chunks are framed anew, trailers dropped; a body that ends with its connection becomes chunks."""
    answer_with(upstream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n")
    assert client.ask().body == b"abc"
    answer_with(upstream, b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Close())
    assert client.ask().body == b"until the end"


@pytest.mark.parametrize(
    ("method", "answer", "kept"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", [b"1000"]),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", []),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", [b"1000"]),
    ],
)
def test_answers_that_have_no_body(
    client: RawClient, upstream: RecordingUpstream, method: str, answer: bytes, kept: list[bytes]
) -> None:
    """HEAD, 204 and 304 pass with the length they say, and the connection serves the next request."""
    answer_with(upstream, answer)
    assert client.ask(method=method).values(b"content-length") == kept
    answer_with(upstream, OK)
    assert client.ask().body == b"ok"


def test_interim_answers_are_skipped(client: RawClient, upstream: RecordingUpstream) -> None:
    """100 and 103 are not the answer."""
    answer_with(upstream, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)
    answer = client.ask()
    assert (answer.status, answer.body, answer.values(b"link")) == (200, b"ok", [])


def test_any_number_of_interim_answers_is_skipped(client: RawClient, upstream: RecordingUpstream) -> None:
    """RFC 9110 15.2 has no limit, and some gateways send one every second while a model works."""
    answer_with(upstream, b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + OK)
    assert client.ask().body == b"ok"


def test_a_redirect_is_the_clients_business(client: RawClient, upstream: RecordingUpstream) -> None:
    """It is passed on, not followed."""
    answer_with(upstream, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    assert client.ask(method="GET").status == 302
    assert len(upstream.requests) == 1


def test_an_old_client_gets_the_length(client: RawClient, upstream: RecordingUpstream) -> None:
    """HTTP/1.0 knows no chunks: the length stays, and the connection ends."""
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    data = client.read_all()
    assert b"Content-Length: 2\r\n" in data
    assert data.endswith(b"\r\n\r\nok")


def test_events_are_passed_on_as_they_arrive(client: RawClient, upstream: RecordingUpstream) -> None:
    """The client has the first event while the upstream still holds the second one back."""
    release = threading.Event()
    answer_with(
        upstream,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"9\r\ndata: 1\n\n\r\n",
        WaitFor(release),
        b"9\r\ndata: 2\n\n\r\n0\r\n\r\n",
    )
    client.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert client.read_until(b"data: 1\n\n")
    release.set()
    assert client.read_until(b"data: 2\n\n")
    assert client.read_until(b"0\r\n\r\n")


def test_a_head_is_passed_on_before_its_body(client: RawClient, upstream: RecordingUpstream) -> None:
    """Status and headers do not wait for the first byte of the body."""
    release = threading.Event()
    answer_with(upstream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", WaitFor(release), b"ok")
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    release.set()
    assert client.read_bytes(2) == b"ok"


@pytest.mark.parametrize("ending", [Close(), Reset()])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n",
    ],
)
def test_truncation_stays_visible(
    client: RawClient, upstream: RecordingUpstream, head: bytes, ending: Close | Reset
) -> None:
    """After the head only the missing end can tell: neither the last chunk nor the rest of the length comes."""
    answer_with(upstream, head, Pause(0.1), ending)
    with pytest.raises((EOFError, ConnectionResetError)):
        client.ask()


FAILURES: list[tuple[Script, str]] = [
    ((Close(),), "closed the connection without an answer"),
    ((Reset(),), "reset the connection before an answer"),
    ((b"HTTP/1.1 200 O", Close()), "is cut short"),
    ((b"HTTP/2 200 OK\r\n\r\n",), "did not answer in HTTP/1.1"),
    ((b"<html>busy</html>\r\n\r\n",), "did not answer in HTTP/1.1"),
    ((b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",), "content length"),
    ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",), "content length"),
    ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",), "transfer encoding"),
    ((b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",), "no valid name"),
    ((b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n",), "control byte"),
    ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), "switched protocols"),
]


@pytest.mark.parametrize(("script", "words"), FAILURES)
def test_an_upstream_without_a_usable_answer_is_named(
    client: RawClient, upstream: RecordingUpstream, script: Script, words: str
) -> None:
    """502 in the client's own error format, with the upstream's host and port; the connection stays usable."""
    answer_with(upstream, *script)
    answer = client.ask(b"/v1/messages")
    assert answer.status == 502
    assert answer.values(b"content-type") == [b"application/json"]
    assert words in error_of(answer)
    assert upstream.place in error_of(answer)
    answer_with(upstream, OK)
    assert client.ask().body == b"ok"


def test_an_error_has_the_shape_that_the_client_reads(client: RawClient, upstream: RecordingUpstream) -> None:
    """OpenAI's and Bedrock's clients read other shapes than Anthropic's."""
    answer_with(upstream, Close())
    openai = orjson.loads(client.ask(b"/v1/chat/completions").body)
    bedrock = orjson.loads(client.ask(b"/model/a%3A0/invoke").body)
    assert upstream.place in openai["error"]["message"]
    assert upstream.place in bedrock["message"]


def test_an_upstream_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Refused, and a name that nobody knows: both 502, each in its own words."""
    with (
        server_process(tmp_path_factory.mktemp("refused"), "http://127.0.0.1:1/secret-path") as server,
        RawClient(server.port) as client,
    ):
        answer = client.ask()
    assert (answer.status, error_of(answer)) == (502, "cannot connect to 127.0.0.1:1: connection refused")
    with (
        server_process(tmp_path_factory.mktemp("unknown"), "http://nowhere.invalid") as server,
        RawClient(server.port) as client,
    ):
        answer = client.ask()
    assert answer.status == 502
    assert error_of(answer).startswith("cannot resolve the name of nowhere.invalid:80")


def test_a_silent_upstream_is_given_up(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> None:
    """504 after `timeouts.first_byte` seconds of silence, and the upstream's connection ends."""
    answer_with(upstream, AwaitClose())
    settings = "[timeouts]\nfirst_byte = 0.3\n"
    with (
        server_process(tmp_path_factory.mktemp("silent"), upstream.url, settings=settings) as server,
        RawClient(server.port) as client,
    ):
        answer = client.ask()
        upstream.wait_until(lambda seen: bool(seen.closed))
    assert (answer.status, error_of(answer)) == (
        504,
        f"{upstream.place} sent no byte of an answer for 0.3 s (timeouts.first_byte)",
    )


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"])
def test_a_client_that_goes_away_cancels_the_upstream(
    server: ServerProcess, upstream: RecordingUpstream, begun: bytes
) -> None:
    """Before the answer's head and within its body: the upstream's connection ends, as tokens cost money."""
    answer_with(upstream, begun, AwaitClose())
    with RawClient(server.port) as client:
        client.send(b"POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        upstream.wait_until(lambda seen: bool(seen.requests))
        if begun:
            client.read_until(b"abc")
        assert not upstream.closed
    upstream.wait_until(lambda seen: bool(seen.closed))
    server.wait_for_log(rb"POST /gone (499|200) .*\(client gone\)\n")


def test_a_slow_client_holds_the_upstream_back(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """The proxy's memory stays flat: what the client does not take is not read from the upstream."""
    size = 256 * 1024 * 1024
    answer_with(upstream, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
    with RawClient(server.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_until(b"\r\n\r\n")
        time.sleep(1)  # for what would be read too much
        assert _resident_bytes(server.process.pid) < 120 * 1024 * 1024
        assert len(client.read_bytes(1_000_000)) == 1_000_000


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
