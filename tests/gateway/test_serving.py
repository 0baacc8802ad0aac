"""The gateway as a running server: in this process and in one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest

from ruleproxy.gateway import serve_gateway
from support.gateway_body import accepted_body

COMMAND = [sys.executable, "-m", "ruleproxy.gateway"]
DEADLINE = 60


async def test_two_gateways_have_ports_of_their_own() -> None:
    """And are gone when their contexts end."""
    async with serve_gateway() as first, serve_gateway(path="/other") as second:
        assert first.port != second.port
        assert second.url == f"http://127.0.0.1:{second.port}/other"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(first.origin)


async def test_a_port_that_is_taken_is_an_error() -> None:
    """The caller hears of it at once."""
    async with serve_gateway() as gateway:
        with pytest.raises(OSError, match="in use"):
            async with serve_gateway(port=gateway.port):
                raise AssertionError("must not be reached")


@pytest.mark.parametrize("path", ["no/slash", "/with?query", ""])
async def test_a_path_that_could_never_match_is_an_error(path: str) -> None:
    """A request's path has a slash first and no query."""
    with pytest.raises(ValueError, match="path"):
        async with serve_gateway(path=path):
            raise AssertionError("must not be reached")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_stops_when_told(number: signal.Signals) -> None:
    """One line on standard output; then it serves; a signal ends it with code 0."""
    with subprocess.Popen([*COMMAND, "--path", "/exact"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line.startswith("listening on http://127.0.0.1:")
            url = line.removeprefix("listening on ")
            assert url.endswith("/exact")
            answer = httpx.post(url, json=accepted_body(), headers={"authorization": "Bearer t"}, timeout=DEADLINE)
            assert answer.status_code == 200
            process.send_signal(number)
            assert process.wait(DEADLINE) == 0
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "nowhere"], "not HOST:PORT"),
        (["--listen", "127.0.0.1:x"], "not HOST:PORT"),
        (["--path", "x"], "begins with a slash"),
    ],
)
def test_bad_options_end_with_code_2(arguments: list[str], words: str) -> None:
    """And say what was wrong."""
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
