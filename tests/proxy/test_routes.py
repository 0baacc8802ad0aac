"""How long an upstream is waited for: each limit by itself, named in the failure, and who says how long."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from ruleproxy.proxy.failures import failure_of
from ruleproxy.proxy.routes import Patience, Route
from ruleproxy.proxy.transport import SocketTransport
from support.raw_client import RawClient
from support.recording_upstream import OK, Pause, Script, recording_upstream
from support.server_process import server_process
from support.transporting import ask

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def waiting(
    *, connect: float = 10, first_byte: float = 600, idle: float = 600, total: float = 3600
) -> AsyncIterator[SocketTransport]:
    transport = SocketTransport({"up": Route(Patience(connect, first_byte, idle, total))})
    try:
        yield transport
    finally:
        await transport.aclose()


def test_the_defaults_let_a_model_think() -> None:
    """Ten minutes to the first byte and between bytes, an hour in all, ten seconds to connect."""
    assert Patience() == Patience(connect=10, first_byte=600, idle=600, total=3600)


@pytest.mark.parametrize(
    ("limits", "script", "message"),
    [
        ({"first_byte": 0.2}, (Pause(5),), "{} sent no byte of an answer for 0.2 s (timeouts.first_byte)"),
        ({"idle": 0.2}, (HEAD + b"o", Pause(5)), "{} sent nothing more of its answer for 0.2 s (timeouts.idle)"),
        ({"idle": 0.2}, (HEAD[:20], Pause(5)), "{} sent nothing more of its answer for 0.2 s (timeouts.idle)"),
        ({"total": 0.4}, (Pause(5),), "the answer of {} was not complete after 0.4 s (timeouts.total)"),
        (
            {"total": 0.4, "idle": 0.3},
            (STREAM, *[b"1\r\n.\r\n", Pause(0.05)] * 40),
            "the answer of {} was not complete after 0.4 s (timeouts.total)",
        ),
    ],
    ids=["first byte", "idle", "idle in the head", "total in silence", "total although bytes come"],
)
async def test_each_limit_is_a_failure_of_its_own(limits: dict[str, float], script: Script, message: str) -> None:
    """The message says which limit and how long it was; the kind is `timeout`."""
    with recording_upstream(script) as upstream:
        async with waiting(**limits) as transport:
            with pytest.raises(httpx.ReadTimeout) as caught:
                await ask(transport, upstream.url, upstream="up")
    assert str(caught.value) == message.format(upstream.place)
    assert failure_of(caught.value).kind == "timeout"


async def test_the_limits_on_silence_are_two() -> None:
    """A long wait for the first byte is no long wait between bytes, and the other way round."""
    with recording_upstream((Pause(0.5), HEAD, b"o", Pause(0.05), b"k")) as upstream:
        async with waiting(first_byte=10, idle=0.4) as transport:
            assert await ask(transport, upstream.url, upstream="up") == (200, b"ok")
    with recording_upstream((HEAD, Pause(0.5), b"ok")) as upstream:
        async with waiting(first_byte=0.4, idle=10) as transport:
            assert await ask(transport, upstream.url, upstream="up") == (200, b"ok")


async def test_silence_counts_from_the_last_byte() -> None:
    """A slow answer whose pauses are shorter than the limit is fine, though it takes longer as a whole."""
    with recording_upstream((Pause(0.6), HEAD, Pause(0.6), b"o", Pause(0.6), b"k")) as upstream:
        async with waiting(first_byte=1.0, idle=1.0, total=math.inf) as transport:
            assert await ask(transport, upstream.url, upstream="up") == (200, b"ok")


async def test_a_connection_takes_its_time_only(unanswering: str) -> None:
    """An address that never answers: `timeouts.connect`, of kind `timeout`."""
    async with waiting(connect=0.2) as transport:
        with pytest.raises(httpx.ConnectTimeout) as caught:
            await ask(transport, unanswering, upstream="up")
    place = unanswering.removeprefix("http://")
    assert str(caught.value) == f"cannot connect to {place} within 0.2 s (timeouts.connect)"
    assert failure_of(caught.value).kind == "timeout"


@pytest.fixture
def unanswering() -> Iterator[str]:
    """A listener whose queue is full: the kernel lets further connections wait."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    place = listener.getsockname()[:2]
    waiting = []
    for _ in range(8):
        waiter = socket.socket()
        waiter.setblocking(False)
        waiter.connect_ex(place)
        waiting.append(waiter)
    yield f"http://127.0.0.1:{place[1]}"
    for waiter in waiting:
        waiter.close()
    listener.close()


async def test_what_a_rule_wrote_stands_for_both_limits_on_silence() -> None:
    """`upstream.timeout` is in the message then, and connections and totals keep their own."""
    for script in ((Pause(5),), (HEAD, Pause(5))):
        with recording_upstream(script) as upstream:
            async with waiting() as transport:
                with pytest.raises(httpx.ReadTimeout, match=r"for 0\.2 s \(upstream\.timeout\)"):
                    await ask(transport, upstream.url, upstream="up", silence=0.2)


RULES = """edition 1

rule "short patience" on request when request.path == "/quick" then
  rewrite upstream.timeout = 200ms
end
"""


def test_settings_and_rules_say_how_long(tmp_path: Path) -> None:
    """For all upstreams, for one, on the command line and in a rule; a client gets 504 in its own shape."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.rules").write_text(RULES)

    def answer(_: object) -> Script:
        return (Pause(5), OK)

    def message_of(client: RawClient, path: bytes) -> tuple[int, str]:
        got = client.ask(path)
        error = orjson.loads(got.body)["error"]
        assert error["type"] == "timeout_error"
        return got.status, error["message"]

    with recording_upstream(answer) as upstream:
        settings = f'[timeouts]\nidle = 9\n[upstreams.main]\nurl = "{upstream.url}"\ntimeouts = {{ first_byte = 8 }}\n'
        arguments = ("--set", "timeouts.first_byte=7", "--set", "upstreams.main.timeouts.first_byte=0.3")
        with (
            server_process(tmp_path, f"main={upstream.url}", *arguments, settings=settings) as server,
            RawClient(server.port) as client,
        ):
            said = message_of(client, b"/v1/messages")
            assert said == (504, f"{upstream.place} sent no byte of an answer for 0.3 s (timeouts.first_byte)")
            assert message_of(client, b"/quick") == (
                504,
                f"{upstream.place} sent no byte of an answer for 0.2 s (upstream.timeout)",
            )


def test_a_stream_that_falls_silent_is_cut_and_the_log_says_why(tmp_path: Path) -> None:
    """After the head only the missing end tells the client; the line of the request names the limit."""

    def answer(_: object) -> Script:
        return (STREAM + b"6\r\nabcdef\r\n", Pause(5))

    with (
        recording_upstream(answer) as upstream,
        server_process(tmp_path, upstream.url, "--set", "timeouts.idle=0.2") as server,
        RawClient(server.port) as client,
    ):
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert not client.read_all().endswith(b"0\r\n\r\n")
        server.wait_for_log(rb"sent nothing more of its answer for 0\.2 s \(timeouts\.idle\); cut")
